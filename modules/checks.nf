// Check order, timing and signal of every subject's runs against the other subjects and the words.
process CHECKS {
    tag "${meta.id}"
    label 'small'

    input:
    tuple val(meta), path(subjects, stageAs: 'subjects/*'), path(mask), path(annotation), path(corrections)
    val code

    output:
    tuple val(meta), path("${meta.id}_checks.tsv"), path("${meta.id}_outliers.json"), emit: checks
    path "${meta.id}_leave_one_out.safetensors", emit: leave_one_out

    script:
    """
    checks.py --clean ${subjects} --subjects ${meta.subjects.join(' ')} --mask ${mask} \\
        --tr ${meta.tr} --trim ${meta.trim} --language ${meta.language} --stories ${meta.stories.join(' ')} \\
        --annotation ${annotation} ${corrections ? "--corrections ${corrections}" : ''} \\
        --out-prefix ${meta.id}
    """

    stub:
    """
    touch ${meta.id}_checks.tsv ${meta.id}_leave_one_out.safetensors
    echo '{"excluded": []}' > ${meta.id}_outliers.json
    """
}
