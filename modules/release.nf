include { cache_mounts } from './mounts'

// Remove a model's weights, once its activations in every language are read back and whole.
process RELEASE {
    tag "${meta.id}"
    label 'network' // where MODEL has put them
    ext mounts: { cache_mounts(cache_dir) }

    input:
    tuple val(meta), path(receipt), path(activations), path(logs) // beside the activations: their layers and words
    val cache_dir
    val code

    output:
    path 'released.json'

    script:
    """
    release.py --name '${meta.id}' --receipt ${receipt} --activations ${activations} --out released.json
    """

    stub:
    """
    echo '{}' > released.json
    """
}
