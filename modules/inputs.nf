// Everything that comes from elsewhere, verified: the only stages with a network.

include { language_of ; in_order ; of_kind ; local_files ; file_name } from './shapes'
include { stamp } from './code'
include { FETCH } from './fetch'
include { MODEL } from './model'

workflow INPUTS {
    take:
    plan // [cache_dir: '/scratch/cache', languages: […], models: […], parameters: […], …]

    main:
    cache_dir = plan.map { all -> all.cache_dir }
    MODEL(plan.flatMap { all -> wanted_names(all) + wanted_models(all) }, cache_dir, stamp('model'))
    looked_up = MODEL.out.model
        .filter { meta, _files, _described -> meta.id == 'look-up' }
        .mix(plan.filter { all -> !wanted_names(all) })
        .map { _found -> true }
    // a wrong name is found before the first byte of BOLD
    parcels = plan.flatMap { all -> wanted_parcels(all) }.branch { meta, _content, _files ->
        bold: meta.kind in ['bold', 'average_subject']
        other: true
    }
    FETCH(parcels.other.mix(parcels.bold.combine(looked_up).map { parcel -> parcel.take(3) }), cache_dir, stamp('fetch'))

    // ['texts', [id: 'lang-en', language: 'en', …], [text_en_run1.txt, …, text_en_run9.txt]]
    fetched = FETCH.out.files.map { meta, paths -> [meta.kind, meta.owner, in_order(paths)] }

    // what is heard in a language, and how its annotation is corrected
    corrections = plan.flatMap { all -> all.languages }.map { entry -> [language_of(entry), entry.corrections, entry.stories] }
    stories = of_kind(fetched, 'annotation')
        .join(of_kind(fetched, 'texts'), remainder: true)
        .join(corrections)
        .map { lang, annotation, texts, applied, keys ->
            def heard = [annotation: annotation, texts: texts ?: [], corrections: corrections_of(applied)]
            [lang.language, [language: lang.language, stories: keys], heard]
        }

    bold = of_kind(fetched, 'bold').mix(plan.flatMap { all -> local_runs(all) })
    given = fetched.filter { kind, _lang, _paths -> kind in ['mask', 'isc', 'average_subject'] }
    prosody = of_kind(fetched, 'prosody')
    glove = of_kind(fetched, 'glove')
    atlas = of_kind(fetched, 'atlas').map { _meta, paths -> paths }
    models = MODEL.out.model.filter { meta, _files, _described -> meta.id != 'look-up' }

    emit:
    bold // [[id: 'sub-EN057', subject: 'EN057', language: 'en', …], [run-1.nii.gz, …]]
    given // ['mask', [id: 'lang-en', …], [mask.nii.gz]]
    stories // ['en', [language: 'en', stories: ['run-1', …]], [annotation: …, texts: …, corrections: …]]
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
        .findAll { _meta, person -> person.remote }
        .collect { meta, person -> parcel('bold', meta, person.remote + kept, meta.runs) }
    def of_languages = plan.languages.collectMany { entry ->
        ['annotation', 'prosody', 'texts', 'mask', 'isc', 'average_subject']
            .findAll { kind -> entry[kind] }
            .collect { kind -> parcel(kind, language_of(entry), entry[kind], entry.stories) }
    }
    def of_all = ['atlas', 'glove']
        .findAll { kind -> plan[kind] }
        .collect { kind -> parcel(kind, [id: kind], plan[kind], []) }
    of_languages + of_subjects + of_all
}

// parcel('texts', [id: 'lang-en', …], <the texts in the plan>, ['run-1', …])
// -> [[id: 'lang-en_texts', kind: 'texts', owner: [id: 'lang-en', …], …], what to bring as JSON, the user's files]
def parcel(kind, owner, content, keys) {
    def told = [kind: kind, n_runs: keys.size()] + owner.subMap(['language'])
    def id = [owner.id, kind].unique().join('_')
    [told + [id: id, owner: owner, keys: keys], groovy.json.JsonOutput.toJson(content + told), local_files(content.source)]
}

// Every subject with its entry in the plan: [[id: 'sub-EN057', language: 'en', …], [runs: […], remote: null, …]]
def subjects(plan) {
    plan.languages.collectMany { entry ->
        entry.subjects.collect { person ->
            def id = "sub-${person.subject}".toString()
            def told = person.subMap(['subject', 'individual', 'group']) + [runs: person.runs*.key]
            [language_of(entry) + [id: id] + told, person]
        }
    }
}

// The subjects whose runs are on this machine: [[id: 'sub-EN057', …], [run-1.nii.gz, …]]
def local_runs(plan) {
    subjects(plan)
        .findAll { _meta, person -> !person.remote }
        .collect { meta, person -> [meta, local_files(person.runs*.bold)] }
}

// One task of MODEL that asks the hub for all names, before weights are fetched; none where no name is the hub's
def wanted_names(plan) {
    def models = plan.models.findAll { model -> model.kind == 'hub' }
    def asked = models.collect { model -> model + site_of(plan) }
    def content = [look_up: asked, refuse: plan.parameters.on_error == 'stop']
    models ? [[[id: 'look-up', name: 'look-up'], groovy.json.JsonOutput.toJson(content), []]] : []
}

// What the site has to say of models
def site_of(plan) {
    [allow_pickle: plan.parameters.allow_pickle_weights == 'yes', endpoint: plan.parameters.hf_endpoint]
}

// The tasks of MODEL: [[id: 'gpt2', name: 'gpt2', …], what to bring as JSON, files of a local model]
def wanted_models(plan) {
    def parameters = plan.parameters
    // weights that are not kept are fetched again only when what reads them has changed
    def kept = parameters.keep_models == 'no'
        ? [keep: false, reader: stamp('activations'), precision: parameters.precision, mode: parameters.untrained_mode]
        : [:]
    plan.models.collect { model ->
        def told = model.subMap(['name', 'mapping', 'seed', 'languages', 'average', 'individual'])
        def meta = told + [id: file_name(model.name)]
        [meta, groovy.json.JsonOutput.toJson(model + kept + site_of(plan)), local_files(model.files)]
    }
}

// The table of corrections; [] where none are applied
def corrections_of(applied) {
    if (applied == 'none') {
        return []
    }
    applied == 'ds003643' ? file("${projectDir}/assets/corrections_ds003643.tsv") : file(applied, glob: false)
}
