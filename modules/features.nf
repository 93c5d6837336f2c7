// From models and words to word features: what every layer of a model makes of the story, and what
// baselines know of it.

include { in_order ; file_name ; local_files } from './shapes'
include { stamp } from './code'
include { WORDS } from './words'
include { ACTIVATIONS } from './activations'
include { RELEASE } from './release'
include { BASELINES } from './baselines'

workflow FEATURES {
    take:
    plan // [baselines: [[name: 'glove', kind: 'glove', …]], parameters: [precision: 'float32', …], …]
    models // [[id: 'gpt2', name: 'gpt2', languages: ['en'], …], [config.json, model.safetensors, …], model.json]
    stories // ['en', [language: 'en', stories: ['run-1', …]], [annotation: …, texts: …, corrections: …]]
    prosody // [[id: 'lang-en', language: 'en', …], [prosody.csv]]
    glove // [[id: 'glove'], [glove.zip]]

    main:
    // ---- models: [[id: 'lang-en_model-gpt2', name: 'gpt2', language: 'en', …], …] ------------------
    read = models
        .combine(stories)
        .filter { model, _files, _json, language, _story, heard -> heard.texts && language in model.languages }
        .map { model, files, _json, language, story, heard ->
            def meta = model + story + [id: features_id(language, model.name)]
            [meta, without_weights(files), heard.annotation, heard.texts, heard.corrections]
        }
    WORDS(read, stamp('words'))

    by_name = models.map { meta, files, json -> [meta.name, meta, files, json] }
    run = WORDS.out.words
        .map { meta, words, windows, _json -> [meta.name, meta, words, windows] }
        .combine(by_name, by: 0)
        .map { _name, meta, words, windows, _model, files, json -> [meta, files, json, words, windows] }
    ACTIVATIONS(run, plan.map { all -> how_to_run(all.parameters) }, stamp('activations'))

    of_models = ACTIVATIONS.out.features
        .join(WORDS.out.words)
        .map { meta, states, n_layers, words, _windows, alignment ->
            [meta.name, meta + [n_layers: n_layers as int], [states: states, words: words, alignment: [alignment]]]
        }
        .combine(by_name, by: 0)
        .map { _name, meta, files, _model, _weights, json -> [meta.language, meta, files + [model: json]] }

    // weights that are not kept go when the last language is done: [[id: 'gpt2'], receipt.json, [activations], [logs]]
    receipts = by_name
        .map { name, meta, files, _json ->
            [name, meta.languages.size(), files.find { path -> path.name == 'receipt.json' }]
        }
        .filter { _name, _size, receipt -> receipt }
    done = ACTIVATIONS.out.features
        .join(ACTIVATIONS.out.log)
        .map { meta, states, _n_layers, log -> [meta.name, states, log] }
        .combine(receipts, by: 0)
        .map { name, states, log, size, receipt -> [groupKey(name, size), receipt, states, log] }
        .groupTuple()
        .map { name, receipt, states, logs -> [[id: name.toString()], receipt[0], in_order(states), in_order(logs)] }
    RELEASE(done, plan.map { all -> all.cache_dir }, stamp('release'))

    // ---- baselines: what one reads besides the annotation, ['prosody en', [prosody.csv]]; most nothing, ['', []]
    tables = channel.of(['', []]).mix(
        glove.map { _meta, vectors -> ['glove', vectors] },
        prosody.map { lang, table -> ["prosody ${lang.language}".toString(), table] },
        ACTIVATIONS.out.surprisal
            .filter { _meta, table -> has_surprisal(table) }
            .map { meta, table -> ["surprisal ${meta.language} ${meta.name}".toString(), table] },
    )
    // [[id: 'lang-en_model-glove', name: 'glove', …], the baseline as JSON, annotation, [glove.zip], corrections]
    described = plan
        .flatMap { all -> all.baselines }
        .combine(stories)
        .filter { baseline, language, _story, _heard -> language in baseline.languages }
        .map { baseline, language, story, heard -> [table_of(baseline, language), baseline, story, heard] }
        .combine(tables, by: 0)
        .map { _table, baseline, story, heard, table ->
            def meta = baseline.subMap(['name', 'average', 'individual', 'kind', 'n_layers']) + story
            def own = local_files([baseline.files[story.language]].findAll()) // the user's own features
            def told = groovy.json.JsonOutput.toJson(baseline - [files: baseline.files])
            def id = features_id(story.language, baseline.name)
            [meta + [id: id], told, heard.annotation, own ?: table, heard.corrections]
        }
    BASELINES(described, stamp('baselines'))
    of_baselines = BASELINES.out.features.map { meta, states, words, json ->
        [meta.language, meta, [states: states, words: words, alignment: [], model: json]]
    }
    features = of_models.mix(of_baselines)

    emit:
    features // ['en', [name: 'gpt2', n_layers: 13, …], [states: …, words: …, alignment: …, model: …]]
}

// What every extraction is told: [precision: 'float32', untrained_mode: 'eval', …, ranks: 1]
def how_to_run(parameters) {
    parameters.subMap(['precision', 'untrained_mode', 'context', 'surprisal']) + [ranks: Math.max(1, parameters.gpus)]
}

// A model's configuration and tokenizer alone: an edit of weights, or their removal, changes no words
def without_weights(files) {
    files.findAll { path -> !(path.name ==~ /.*\.(safetensors|bin)|receipt\.json/) }
}

// Models that read in both directions have none: every cell of the fifth column is empty
def has_surprisal(table) {
    table.readLines().drop(1).any { row -> row.split('\t', -1)[4] }
}

// table_of([kind: 'f0', …], 'en') -> 'prosody en': what a baseline reads besides the annotation
def table_of(baseline, language) {
    def named = [
        glove: 'glove',
        f0: "prosody ${language}",
        intensity: "prosody ${language}",
        surprisal: "surprisal ${language} ${baseline.source}",
    ]
    (named[baseline.kind] ?: '').toString()
}

// features_id('en', 'Qwen/Qwen2-0.5B') -> 'lang-en_model-Qwen__Qwen2-0.5B'
def features_id(language, model) {
    "lang-${language}_model-${file_name(model)}".toString()
}
