// Make the symmetric brain mask of a language (or of one subject), or check a given one.
process MASK {
    tag "${meta.id}"
    label 'small'

    input:
    tuple val(meta), path(images, stageAs: 'images/*')
    val code

    output:
    tuple val(meta), path("${meta.id}_mask.nii.gz"), emit: mask

    script:
    """
    mask.py ${meta.given ? '--given' : '--epi-masks'} ${images} --out ${meta.id}_mask.nii.gz
    """

    stub:
    """
    touch ${meta.id}_mask.nii.gz
    """
}
