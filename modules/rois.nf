// Cut the seven language regions of the left hemisphere out of a mask.
process ROIS {
    tag "${meta.id}"
    label 'small'

    input:
    tuple val(meta), path(mask)
    path centres
    val code

    output:
    tuple val(meta), path("${meta.id}_roi-*.nii.gz"), emit: rois

    script:
    """
    rois.py --mask ${mask} --centres ${centres} --out-prefix ${meta.id}
    """
}
