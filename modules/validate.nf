include { named_mounts } from './mounts'

// Check parameters, sheets and data set before anything is queued, and write the plan of the run.
process VALIDATE {
    label 'head'
    ext mounts: { named_mounts(named) }

    input:
    stdin // the parameters as JSON
    val inventory // digest of the files that the parameters name, so that an edit is seen
    val named // what the parameters name, to be seen from a container
    path assets, stageAs: 'assets/*'
    val code

    output:
    path 'plan.json', emit: plan
    path 'plan.txt', emit: summary

    // no stub: a dry run (-stub) follows the real plan
    script:
    """
    validate.py --assets assets --out plan.json --summary plan.txt
    """
}
