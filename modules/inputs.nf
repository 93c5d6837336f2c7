// Everything that comes from elsewhere, verified: the only stages with a network.

include { language_of ; in_order ; of_kind ; local_files ; file_name } from './shapes'
include { stamp } from './code'
include { FETCH } from './fetch'
include { MODEL } from './model'

workflow INPUTS {
    take:
    plan // [cache_dir: '/scratch/cache', languages: […], models: […], parameters: […], …]

    main:
    cache_dir = plan.map { made -> made.cache_dir }
    FETCH(plan.flatMap { made -> wanted_parcels(made) }, cache_dir, stamp('fetch'))
    MODEL(plan.flatMap { made -> wanted_models(made) }, cache_dir, stamp('model'))

    // ['texts', [id: 'lang-en', language: 'en', …], [text_en_run1.txt, …, text_en_run9.txt]]
    fetched = FETCH.out.files.map { meta, paths -> [meta.kind, meta.owner, in_order(paths)] }

    // what is heard in a language, and how its annotation is corrected
    corrections = plan.flatMap { made -> made.languages }.map { entry -> [language_of(entry), entry.corrections] }
    stories = of_kind(fetched, 'annotation')
        .join(of_kind(fetched, 'texts'), remainder: true)
        .join(corrections)
        .map { lang, annotation, texts, applied ->
            def heard = [annotation: annotation, texts: texts ?: [], corrections: corrections_of(applied)]
            [lang.language, lang.subMap(['language', 'n_runs']), heard]
        }

    bold = of_kind(fetched, 'bold').mix(plan.flatMap { made -> local_runs(made) })
    given = fetched.filter { kind, _lang, _paths -> kind in ['mask', 'isc', 'average_subject'] }
    prosody = of_kind(fetched, 'prosody')
    glove = of_kind(fetched, 'glove')
    atlas = of_kind(fetched, 'atlas').map { _meta, paths -> paths }
    models = MODEL.out.model

    emit:
    bold // [[id: 'sub-EN057', subject: 'EN057', language: 'en', …], [run-1.nii.gz, …]]
    given // ['mask', [id: 'lang-en', …], [mask.nii.gz]]
    stories // ['en', [language: 'en', n_runs: 9], [annotation: …, texts: …, corrections: …]]
    prosody // [[id: 'lang-en', …], [prosody.csv]]
    glove // [[id: 'glove'], [glove.zip]]
    atlas // [atlas.nii.gz, atlas.tsv]
    models // [[id: 'gpt2', name: 'gpt2', languages: ['en'], …], [config.json, …], model.json]
}

// The tasks of FETCH, and of a subject whose runs are on this machine none.
def wanted_parcels(plan) {
    // raw runs that are not kept are fetched again only when what resamples them has changed
    def kept = plan.parameters.keep_raw == 'no' ? [keep: false, resample: stamp('resample')] : [keep: true]
    def of_subjects = subjects(plan)
        .findAll { _meta, entry -> entry.remote }
        .collect { meta, entry -> parcel('bold', meta, entry.remote + kept) }
    def of_languages = plan.languages.collectMany { entry ->
        ['annotation', 'prosody', 'texts', 'mask', 'isc', 'average_subject']
            .findAll { kind -> entry[kind] }
            .collect { kind -> parcel(kind, language_of(entry), entry[kind]) }
    }
    def of_all = ['atlas', 'glove']
        .findAll { kind -> plan[kind] }
        .collect { kind -> parcel(kind, [id: kind], plan[kind]) }
    of_languages + of_subjects + of_all
}

// parcel('texts', [id: 'lang-en', …], <the texts in the plan>)
// -> [[id: 'lang-en_texts', kind: 'texts', owner: [id: 'lang-en', …], …], what to bring as JSON, the user's files]
def parcel(kind, owner, entry) {
    def told = [kind: kind] + owner.subMap(['language', 'n_runs'])
    def id = [owner.id, kind].unique().join('_')
    [told + [id: id, owner: owner], groovy.json.JsonOutput.toJson(entry + told), local_files(entry.source)]
}

// Every subject with its entry in the plan: [[id: 'sub-EN057', language: 'en', …], [bold: […], remote: null, …]]
def subjects(plan) {
    plan.languages.collectMany { lang ->
        lang.subjects.collect { entry ->
            def id = "sub-${entry.subject}".toString()
            [language_of(lang) + [id: id] + entry.subMap(['subject', 'individual', 'group']), entry]
        }
    }
}

// The subjects whose runs are on this machine: [[id: 'sub-EN057', …], [run-1.nii.gz, …]]
def local_runs(plan) {
    subjects(plan).findAll { _meta, entry -> entry.bold }.collect { meta, entry -> [meta, local_files(entry.bold)] }
}

// The tasks of MODEL: [[id: 'gpt2', name: 'gpt2', …], what to bring as JSON, files of a local model]
def wanted_models(plan) {
    def told = plan.parameters
    // weights that are not kept are fetched again only when what reads them has changed
    def kept = told.keep_models == 'no'
        ? [keep: false, reader: stamp('activations'), precision: told.precision, mode: told.untrained_mode]
        : [:]
    def site = [allow_pickle: told.allow_pickle_weights == 'yes', endpoint: told.hf_endpoint]
    plan.models.collect { entry ->
        def told_of = entry.subMap(['name', 'mapping', 'seed', 'languages', 'average', 'individual'])
        def meta = told_of + [id: file_name(entry.name)]
        [meta, groovy.json.JsonOutput.toJson(entry + kept + site), local_files(entry.files)]
    }
}

// The table of corrections; [] where none are applied
def corrections_of(applied) {
    if (applied == 'none') {
        return []
    }
    applied == 'ds003643' ? file("${projectDir}/assets/corrections_ds003643.tsv") : file(applied, glob: false)
}
