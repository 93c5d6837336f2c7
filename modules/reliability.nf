include { tests_of } from './shapes'

// Predict one half of the subjects from the other, voxel by voxel, or take a given reliability.
process RELIABILITY {
    tag "${meta.id}"
    label 'large'

    input:
    tuple val(meta), path(subjects, stageAs: 'subjects/*'), path(mask)
    val told // what the plan says of it: isc_trials, isc_seed
    val code

    output:
    tuple val(meta), path("${meta.id}_isc.nii.gz"), optional: true, emit: isc // none where too few heard the stories
    path "${meta.id}_isc_runs.safetensors", optional: true, emit: runs // a given one has no runs
    path "${meta.id}_isc_mask.nii.gz", optional: true // the voxels that have one
    path "${meta.id}_isc.json", optional: true // names of the trials

    script:
    """
    reliability.py ${meta.given ? '--given' : '--clean'} ${subjects} --mask ${mask} \\
        --trials ${told.isc_trials} --seed ${told.isc_seed} --trim ${meta.trim} --out-prefix ${meta.id} \\
        --stories ${meta.stories.join(' ')} ${tests_of(meta)} --device cpu
    """

    stub:
    """
    touch ${meta.id}_isc.nii.gz ${meta.given ? '' : "${meta.id}_isc_runs.safetensors"}
    """
}
