// Cut the regions of interest, of the left hemisphere, out of a mask.
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
    for roi in \$(tail -n +2 ${centres} | cut -f1); do touch ${meta.id}_roi-\$roi.nii.gz; done
    """
}
