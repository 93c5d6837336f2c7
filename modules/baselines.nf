// Make the features of a baseline (random vectors, GloVe, word rate, …), or check those that a user gives.
process BASELINES {
    tag "${meta.id}"
    label 'small'

    input:
    tuple val(meta), val(described), path(annotation), path(given), path(corrections)
    val code

    output:
    tuple val(meta), path("${meta.id}_activations.safetensors"), path("${meta.id}_words.tsv"),
        path("${meta.id}_activations.json"), emit: features

    script:
    """
    cat > baseline.json <<'END_OF_JSON'
    ${described}
    END_OF_JSON
    baselines.py --spec baseline.json --annotation ${annotation} --language ${meta.language} --stories ${meta.stories.join(' ')} \\
        ${corrections ? "--corrections ${corrections}" : ''} \\
        ${given ? "--given ${given}" : ''} --out-prefix ${meta.id}
    """

    stub:
    """
    touch ${meta.id}_activations.safetensors ${meta.id}_words.tsv ${meta.id}_activations.json
    """
}
