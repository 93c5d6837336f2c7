// Bring a subject's runs to the 4 mm grid, with the EPI mask and the constant voxels of each run.
process RESAMPLE {
    tag "${meta.id}"
    label 'small'

    input:
    tuple val(meta), path(bold, stageAs: 'bold?/*') // of one name in folders of their own: sessions
    val code

    output:
    tuple val(meta), path("${meta.id}_{run,story}-*.nii"), path("${meta.id}_constant.nii.gz"), emit: runs
    tuple val(meta), path("${meta.id}_epi-masks.nii.gz"), emit: epi_masks

    script:
    """
    resample.py --subject ${meta.id} --bold ${bold} --runs ${meta.runs.join(' ')} \\
        --out-prefix ${meta.id}
    """

    stub:
    """
    touch ${meta.runs.collect { key -> "${meta.id}_${key}.nii" }.join(' ')}
    touch ${meta.id}_constant.nii.gz ${meta.id}_epi-masks.nii.gz
    """
}
