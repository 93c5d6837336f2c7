include { cache_mounts } from './mounts'

// Bring one parcel (a subject's BOLD, an annotation, the texts, GloVe, a given mask …) to the machine, verified.
process FETCH {
    tag "${meta.id}"
    label 'network'
    ext mounts: { cache_mounts(cache_dir) }

    input:
    // files of several folders may have one name: each comes into a folder of its own
    tuple val(meta), val(described), path(source, stageAs: 'source/?/*')
    val cache_dir
    val code

    output:
    tuple val(meta), path('fetched/*'), emit: files

    script:
    """
    cat > parcel.json <<'END_OF_JSON'
    ${described}
    END_OF_JSON
    fetch.py --parcel parcel.json ${source ? "--source ${source}" : ''} --cache '${cache_dir}' --out fetched
    """

    stub:
    """
    mkdir fetched
    case ${meta.kind} in
        bold | average_subject) for run in \$(seq ${meta.n_runs}); do touch fetched/run-\$run.nii.gz; done ;;
        texts) for key in ${meta.keys.join(' ')}; do touch fetched/text_${meta.language}_\${key/#run-/run}.txt; done ;;
        annotation | prosody) touch fetched/${meta.kind}.csv ;;
        glove) touch fetched/glove.zip ;;
        atlas) touch fetched/atlas.nii.gz fetched/atlas.tsv ;;
        *) touch fetched/${meta.kind}.nii.gz ;;
    esac
    """
}
