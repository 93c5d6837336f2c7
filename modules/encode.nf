include { starts_of ; tests_of } from './shapes'

// Fit and score the encoding models of a block of layers for subjects that share them, each story held out in turn.
process ENCODE {
    tag "${meta.id}${meta.ids.size() > 1 ? " and ${meta.ids.size() - 1} more" : ''} ${layers}"
    label 'large'
    label 'process_gpu' // nf-core's name, for sites that know it

    input:
    tuple val(meta), val(layers), path(features), path(words), path(bold),
        path(joint, stageAs: 'joint/*'), path(joint_words, stageAs: 'joint_words/*')
    val encoder // what the plan says of it: alpha, hrf, inner_validation, components
    val code

    output:
    tuple val(meta), path('*_layers-*.safetensors'), emit: parts

    script:
    """
    encode.py --features ${features} --words ${words} --bold ${bold} --layers ${layers} \\
        --tr ${meta.tr} --trim ${meta.trim} --slice-time ${meta.slice_time} ${starts_of(meta)} ${tests_of(meta)} \\
        --alpha ${encoder.alpha} --hrf ${encoder.hrf} \\
        --inner-validation ${encoder.inner_validation} \\
        --device ${task.accelerator ? 'cuda' : 'cpu'} \\
        ${encoder.components ? "--components ${encoder.components}" : ''} \\
        ${joint ? "--joint ${joint} --joint-words ${joint_words}" : ''} \\
        --out ${meta.ids.collect { id -> "${id}_layers-${layers.tokenize(',')[0]}.safetensors" }.join(' ')}
    """

    stub:
    """
    touch ${meta.ids.collect { id -> "${id}_layers-${layers.tokenize(',')[0]}.safetensors" }.join(' ')}
    """
}
