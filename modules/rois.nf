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

    stub:
    """
    for roi in TP aSTS pSTS AG_TPJ BA44 BA45 BA47; do touch ${meta.id}_roi-\$roi.nii.gz; done
    """
}
