// Average the subjects of a language, or take a given average subject.
process AVERAGE {
    tag "${meta.id}"
    label 'small'

    input:
    tuple val(meta), path(subjects, stageAs: 'subjects/*'), path(mask)
    val code

    output:
    tuple val(meta), path("${meta.id}_average.safetensors"), path(mask), emit: bold
    tuple val(meta), path("${meta.id}_average_{run,story}-*.nii.gz")

    script:
    """
    average.py ${meta.given ? '--given' : '--clean'} ${subjects} --mask ${mask} \\
        --tr ${meta.tr} --stories ${meta.stories.join(' ')} \\
        --out ${meta.id}_average.safetensors --nifti-prefix ${meta.id}_average_
    """

    stub:
    """
    touch ${meta.id}_average.safetensors
    touch ${meta.stories.collect { story -> "${meta.id}_average_${story}.nii.gz" }.join(' ')}
    """
}
