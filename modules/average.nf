// Average the subjects of a language, or take a given average subject.
process AVERAGE {
    tag "${meta.id}"
    label 'small'

    input:
    tuple val(meta), path(subjects, stageAs: 'subjects/*'), path(mask)
    val code

    output:
    tuple val(meta), path("${meta.id}_average.safetensors"), path(mask), emit: bold
    tuple val(meta), path("${meta.id}_average_run-*.nii.gz")

    script:
    """
    average.py ${meta.given ? '--given' : '--clean'} ${subjects} --mask ${mask} \\
        --tr ${meta.tr} --n-runs ${meta.n_runs} \\
        --out ${meta.id}_average.safetensors --nifti-prefix ${meta.id}_average_run-
    """

    stub:
    """
    touch ${meta.id}_average.safetensors
    for run in \$(seq ${meta.n_runs}); do touch ${meta.id}_average_run-\$run.nii.gz; done
    """
}
