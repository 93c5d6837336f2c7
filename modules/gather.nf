// Join the blocks of layers of one model and subject into maps of brain scores.
process GATHER {
    tag "${meta.id}"
    label 'small'

    input:
    tuple val(meta), val(described), path(parts, stageAs: 'parts/*'), path(mask), path(model_json), path(words_json)
    val code

    output:
    tuple val(meta), path("${meta.id}_scores.nii.gz"), path("${meta.id}_runs.safetensors"),
        path("${meta.id}_scores.json"), emit: scores
    path "${meta.id}_scores_mask.nii.gz" // the voxels that have a score
    path "${meta.id}_unique.nii.gz", optional: true // where confounds went jointly
    path "${meta.id}_unique_mask.nii.gz", optional: true

    script:
    """
    cat > meta.json <<'END_OF_JSON'
    ${described}
    END_OF_JSON
    gather.py --parts ${parts} --mask ${mask} --meta meta.json --model-json ${model_json} \\
        ${words_json ? "--words-json ${words_json}" : ''} --out-prefix ${meta.id}
    """

    stub:
    """
    touch ${meta.id}_scores.nii.gz ${meta.id}_scores_mask.nii.gz ${meta.id}_runs.safetensors ${meta.id}_scores.json
    """
}
