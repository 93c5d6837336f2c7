// Run the model over the text and keep, for every word and layer, the mean hidden state.
process ACTIVATIONS {
    tag "${meta.id}"
    label 'gpu'
    label 'process_gpu' // nf-core's name, for sites that know it

    input:
    tuple val(meta), path(model, stageAs: 'model/*'), path(model_json), path(words), path(windows)
    val told // what the plan says of it: precision, untrained_mode, context, surprisal, ranks
    val code

    output:
    tuple val(meta), path("${meta.id}_activations.safetensors"), env('N_LAYERS'), emit: features
    tuple val(meta), path("${meta.id}_activations.json"), emit: log
    tuple val(meta), path("${meta.id}_surprisal.tsv"), optional: true, emit: surprisal

    script:
    """
    activations.py --processes ${told.ranks} --gpus ${task.accelerator ? task.accelerator.request : 0} \\
        --model-dir model --model-json ${model_json} --words ${words} --windows ${windows} \\
        --precision ${told.precision} --seed ${meta.seed} --untrained-mode ${told.untrained_mode} \\
        --context ${told.context ?: 0} ${told.surprisal == 'yes' ? "--surprisal ${meta.id}_surprisal.tsv" : ''} \\
        --out ${meta.id}_activations.safetensors
    N_LAYERS=\$(python3 -c "import json; print(len(json.load(open('${meta.id}_activations.json'))['layers']))")
    """

    stub:
    """
    touch ${meta.id}_activations.safetensors ${meta.id}_activations.json
    N_LAYERS=\$((\$(grep -oE '"n_layers": *[0-9]+' ${model_json} | grep -oE '[0-9]+') + 1))
    """
}
