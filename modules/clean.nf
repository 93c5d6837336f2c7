// Detrend, high-pass and z-score a subject's runs within a mask.
process CLEAN {
    tag "${meta.id}"
    label 'small'

    input:
    tuple val(meta), path(runs), path(constant), path(mask), path(confounds, stageAs: 'confounds?/*')
    val code

    output:
    tuple val(meta), path("${meta.id}_clean.safetensors"), path(mask), emit: bold

    script:
    """
    clean.py --bold ${runs} --runs ${meta.runs.join(' ')} --constant ${constant} --mask ${mask} --tr ${meta.tr} \\
        ${confounds ? "--confounds ${confounds} --columns ${meta.columns.join(' ')}" : ''} \\
        ${meta.scans ? "--scans ${meta.scans.join(' ')}" : ''} ${meta.smooth ? '--smooth' : ''} --out ${meta.id}_clean.safetensors
    """

    stub:
    """
    touch ${meta.id}_clean.safetensors
    """
}
