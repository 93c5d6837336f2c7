// Find the tokens of every word of the annotation in the text that a model reads.
process WORDS {
    tag "${meta.id}"
    label 'small'

    input:
    tuple val(meta), path(tokenizer, stageAs: 'model/*'), path(annotation), path(texts), path(corrections)
    val code

    output:
    tuple val(meta), path("${meta.id}_words.tsv"), path("${meta.id}_windows.safetensors"),
        path("${meta.id}_words.json"), emit: words

    script:
    """
    words.py --annotation ${annotation} --texts ${texts} --language ${meta.language} --stories ${meta.stories.join(' ')} \\
        ${corrections ? "--corrections ${corrections}" : ''} --model-dir model \\
        --mapping ${meta.mapping} --name ${meta.id} --out-prefix ${meta.id}
    """

    stub:
    """
    touch ${meta.id}_words.tsv ${meta.id}_windows.safetensors ${meta.id}_words.json
    """
}
