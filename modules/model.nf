include { cache_mounts } from './mounts'

// Bring one model's weights and tokenizer, at a resolved revision, and describe it.
process MODEL {
    tag "${meta.id}"
    label 'network'
    ext mounts: { cache_mounts(cache_dir) }

    input:
    tuple val(meta), val(described), path(source, stageAs: 'source/*')
    val cache_dir
    val code

    output:
    tuple val(meta), path('model/*', arity: '1..*'), path('model.json'), emit: model

    script:
    """
    cat > spec.json <<'END_OF_JSON'
    ${described}
    END_OF_JSON
    model.py --spec spec.json ${source ? "--source ${source}" : ''} --cache '${cache_dir}' --out model
    """

    stub:
    """
    mkdir model
    touch model/config.json model/tokenizer.json model/model.safetensors
    echo '{"n_layers": ${new groovy.json.JsonSlurper().parseText(described).n_layers ?: 1}}' > model.json
    """
}
