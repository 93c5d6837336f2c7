// Run the model over the text and keep, for every word and layer, the mean hidden state.
process ACTIVATIONS {
    tag "${meta.id}"
    label 'gpu'

    input:
    tuple val(meta), path(model, stageAs: 'model/*'), path(model_json), path(words), path(windows)
    val precision
    val untrained_mode
    val ranks
    val context
    val surprisal
    val code

    output:
    tuple val(meta), path("${meta.id}_activations.safetensors"), env('N_LAYERS'), emit: features
    tuple val(meta), path("${meta.id}_activations.json"), emit: log
    tuple val(meta), path("${meta.id}_surprisal.tsv"), optional: true, emit: surprisal

    script:
    """
    activations.py --processes ${ranks} \\
        --model-dir model --model-json ${model_json} --words ${words} --windows ${windows} \\
        --precision ${precision} --seed ${meta.seed} --untrained-mode ${untrained_mode} \\
        --context ${context ?: 0} ${surprisal ? "--surprisal ${meta.id}_surprisal.tsv" : ''} \\
        --out ${meta.id}_activations.safetensors
    N_LAYERS=\$(python3 -c "import json; print(len(json.load(open('${meta.id}_activations.json'))['layers']))")
    """

    stub:
    """
    touch ${meta.id}_activations.safetensors ${meta.id}_activations.json
    N_LAYERS=\$((\$(grep -oE '"n_layers": *[0-9]+' ${model_json} | grep -oE '[0-9]+') + 1))
    """
}
