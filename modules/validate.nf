include { named_mounts } from './mounts'

// Check parameters, sheets and data set before anything is queued, and write the plan of the run. Bad input is
// an output, not a failure, of which the engine would print a page.
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
    path 'plan.json', optional: true, emit: plan
    path 'plan.txt', optional: true, emit: summary
    path 'refusal.txt', optional: true, emit: refusal

    // no stub: a dry run (-stub) follows the real plan
    script:
    """
    validate.py --assets assets --out plan.json --summary plan.txt 2> messages.txt || status=\$?
    cat messages.txt >&2
    [[ \${status:-0} == 65 ]] || exit \${status:-0}
    mv messages.txt refusal.txt
    """
}
