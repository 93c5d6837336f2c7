// Brain scores of language models, and how left-lateralised they are.
//
// The way of the data: VALIDATE plans the run; FETCH and MODEL are the only stages with network;
// the fMRI stages make one "bold file" per subject (and one of the average subject); WORDS,
// ACTIVATIONS and BASELINES make one "features file" per model; ENCODE fits one to the other;
// LATERALIZE makes tables, FIGURES draws them, REPORT shows them.

include { inventory ; request ; usage ; layer_blocks ; hand_over ; when_done } from './modules/run'
include { stamp } from './modules/code'
include { VALIDATE } from './modules/validate'
include { FETCH } from './modules/fetch'
include { RESAMPLE } from './modules/resample'
include { MASK } from './modules/mask'
include { ROIS } from './modules/rois'
include { CLEAN } from './modules/clean'
include { CHECKS } from './modules/checks'
include { AVERAGE } from './modules/average'
include { RELIABILITY } from './modules/reliability'
include { MODEL } from './modules/model'
include { WORDS } from './modules/words'
include { ACTIVATIONS } from './modules/activations'
include { RELEASE } from './modules/release'
include { BASELINES } from './modules/baselines'
include { ENCODE } from './modules/encode'
include { GATHER } from './modules/gather'
include { LATERALIZE } from './modules/lateralize'
include { FIGURES } from './modules/figures'
include { REPORT } from './modules/report'

workflow {
    main:
    if (params.help) {
        println(usage())
        System.exit(0)
    }
    when_done(workflow, params.outdir, params.gpus)

    // ---- the plan: everything below follows it --------------------------------------------------
    VALIDATE(request(params, workflow), inventory(params), files("${projectDir}/assets/*.{json,csv,tsv,gz}"), stamp('validate'))
    plan = VALIDATE.out.plan
    settings = plan.map { file -> new groovy.json.JsonSlurper().parseText(file.text) }
    whole = params.stage.toString() != 'fetch'
    cache_dir = settings.map { entry -> entry.cache_dir } // '/scratch/cache'

    // [id: 'lang-en', language: 'en', tr: 2.0, …]
    languages = settings.flatMap { entry -> entry.languages }
    // [[id: 'lang-en', language: 'en', n_runs: 9, tr: 2.0, trim: 10], <the language's entry in the plan>]
    described = languages.map { entry -> [[id: "lang-${entry.language}".toString(), language: entry.language, n_runs: entry.n_runs, tr: entry.tr, trim: entry.trim], entry] }

    // ---- FETCH: the only data stage with network ------------------------------------------------
    // one subject: [[id: 'sub-EN057', language: 'en', …], <the subject's entry in the plan>]
    subjects = described.flatMap { lang, entry ->
        entry.subjects.collect { subject -> [lang + [id: "sub-${subject.subject}".toString(), subject: subject.subject, individual: subject.individual, group: subject.group], subject] }
    }
    // raw runs that are not kept are fetched again only when what resamples them has changed
    raw = params.keep_raw.toString() in ['no', 'false'] ? [keep: false, resample: stamp('resample')] : [keep: true]
    parcels = described
        .flatMap { lang, entry ->
            ['annotation', 'prosody', 'texts', 'mask', 'isc', 'average_subject'].findAll { kind -> entry[kind] }.collect { kind ->
                def parcel = entry[kind] + [kind: kind, language: entry.language, n_runs: entry.n_runs]
                [lang + [id: "${lang.id}_${kind}".toString(), kind: kind], groovy.json.JsonOutput.toJson(parcel), (parcel.source ?: []).collect { path -> file(path, glob: false) }]
            }
        }
        .mix(subjects.filter { _meta, entry -> entry.remote }.map { meta, entry -> [meta + [kind: 'bold'], groovy.json.JsonOutput.toJson(entry.remote + [kind: 'bold'] + raw), []] })
        .mix(settings.filter { entry -> entry.atlas }.map { entry -> [[id: 'atlas', kind: 'atlas'], groovy.json.JsonOutput.toJson(entry.atlas + [kind: 'atlas']), entry.atlas.source.collect { path -> file(path, glob: false) }] })
        .mix(settings.filter { entry -> entry.glove }.map { entry -> [[id: 'glove', kind: 'glove'], groovy.json.JsonOutput.toJson(entry.glove + [kind: 'glove']), (entry.glove.source ?: []).collect { path -> file(path, glob: false) }] })
    FETCH(parcels, cache_dir, stamp('fetch'))
    fetched = FETCH.out.files
        .filter { whole }
        .branch { meta, _files ->
            annotation: meta.kind == 'annotation'
            texts: meta.kind == 'texts'
            bold: meta.kind == 'bold'
            glove: meta.kind == 'glove'
            prosody: meta.kind == 'prosody'
            atlas: meta.kind == 'atlas'
            given: true // mask, isc, average_subject
        }
    // ['en', 'mask', [lang-en's mask]]
    given = fetched.given.map { meta, found -> [meta.language, meta.kind, in_order(found)] }
    by_language = described.map { lang, _entry -> [lang.language, lang] }

    // ---- fMRI: one subject at a time, then the language -----------------------------------------
    local_bold = subjects.filter { _meta, entry -> whole && entry.bold }.map { meta, entry -> [meta, entry.bold.collect { path -> file(path, glob: false) }] }
    RESAMPLE(local_bold.mix(fetched.bold.map { meta, runs -> [meta.findAll { key, _value -> key != 'kind' }, in_order(runs)] }), stamp('resample'))

    // [[id: 'lang-en', …], [given mask] or the EPI masks of all subjects, in the order of their ids]
    given_masks = given.filter { _language, kind, _found -> kind == 'mask' }.combine(by_language, by: 0).map { _language, _kind, found, lang -> [lang + [given: true], found] }
    group_masks = RESAMPLE.out.epi_masks
        .filter { meta, _masks -> meta.group }
        .map { meta, masks -> [meta.language, masks] }
        .groupTuple()
        .join(described.filter { _lang, entry -> !entry.mask }.map { lang, _it -> [lang.language, lang] })
        .map { _language, masks, lang -> [lang + [given: false], in_order(masks)] }
    own_masks = RESAMPLE.out.epi_masks
        .filter { meta, _masks -> meta.individual }
        .map { meta, masks -> [meta + [id: "lang-${meta.language}_${meta.id}".toString(), given: false], [masks]] }
    MASK(given_masks.mix(group_masks, own_masks), stamp('mask'))
    masks = MASK.out.mask.branch { meta, _mask ->
        own: meta.subject
        language: true
    }
    language_masks = masks.language.map { meta, mask -> [meta.language, mask] } // ['en', lang-en_mask.nii.gz]
    ROIS(masks.language, file("${projectDir}/assets/rois.tsv"), stamp('rois'))

    // runs of a subject with the mask of its language (no smoothing), and with its own (4 mm)
    runs = RESAMPLE.out.runs.map { meta, images, constant -> [meta, in_order(images), constant] }
    for_group = runs
        .filter { meta, _images, _constant -> meta.group }
        .map { meta, images, constant -> [meta.language, meta, images, constant] }
        .combine(language_masks, by: 0)
        .map { _language, meta, images, constant, mask -> [meta + [smoothing_mm: 0], images, constant, mask] }
    for_individuals = runs
        .filter { meta, _images, _constant -> meta.individual }
        .map { meta, images, constant -> [meta.language, meta.subject, meta, images, constant] }
        .join(masks.own.map { meta, mask -> [meta.language, meta.subject, mask] }, by: [0, 1])
        .map { _language, _subject, meta, images, constant, mask -> [meta + [smoothing_mm: 4], images, constant, mask] }
    CLEAN(for_group.mix(for_individuals), stamp('clean'))
    cleaned = CLEAN.out.bold.branch { meta, _bold, _mask ->
        individual: meta.smoothing_mm > 0
        group: true
    }

    // [[id: 'lang-en', …], [cleaned subjects in order], mask]
    groups = cleaned.group
        .map { meta, bold, _mask -> [meta.language, bold] }
        .groupTuple()
        .join(described.map { lang, entry -> [lang.language, lang, entry] })
        .combine(language_masks, by: 0)
        .map { _language, bold, lang, entry, mask -> [lang, entry, in_order(bold), mask] }
    // every run against the other subjects and the words; with --exclude_outliers a group goes without the outliers
    CHECKS(
        groups
            .map { lang, _entry, bold, mask -> [lang.language, lang, bold, mask] }
            .join(fetched.annotation.map { meta, annotation -> [meta.language, annotation] })
            .join(languages.map { entry -> [entry.language, entry.corrections] })
            .map { _language, lang, bold, mask, annotation, fixes -> [lang + [subjects: bold.collect { path -> subject_of(path) }, corrections: fixes], bold, mask, annotation, file(fixes in ['none', 'ds003643'] ? "${projectDir}/assets/corrections_ds003643.tsv" : fixes, glob: false)] },
        stamp('checks'),
    )
    sound_groups = params.exclude_outliers.toString() in ['yes', 'true']
        ? groups
            .map { lang, entry, bold, mask -> [lang.language, lang, entry, bold, mask] }
            .join(CHECKS.out.checks.map { meta, _table, json -> [meta.language, new groovy.json.JsonSlurper().parseText(json.text).excluded] })
            .map { _language, lang, entry, bold, mask, outliers -> [lang, entry, bold.findAll { path -> !(subject_of(path) in outliers) }, mask] }
        : groups
    // [[id: 'lang-en', …, given: true], 'isc', [isc.gz], mask]
    given_maps = given
        .filter { _language, kind, _found -> kind != 'mask' }
        .combine(by_language, by: 0)
        .combine(language_masks, by: 0)
        .map { _language, kind, found, lang, mask -> [lang + [given: true], kind, found, mask] }
    given_averages = given_maps.filter { _lang, kind, _found, _mask -> kind == 'average_subject' }.map { lang, _kind, found, mask -> [lang, found, mask] }
    given_isc = given_maps.filter { _lang, kind, _found, _mask -> kind == 'isc' }.map { lang, _kind, found, mask -> [lang, found, mask] }
    AVERAGE(given_averages.mix(sound_groups.filter { _lang, entry, _bold, _mask -> !entry.average_subject }.map { lang, _it, bold, mask -> [lang + [given: false], bold, mask] }), stamp('average'))
    RELIABILITY(given_isc.mix(sound_groups.filter { _lang, entry, bold, _mask -> !entry.isc && bold.size() > 1 }.map { lang, _it, bold, mask -> [lang + [given: false], bold, mask] }), params.isc_trials, params.isc_seed, stamp('reliability'))
    isc = RELIABILITY.out.isc.map { _meta, image -> image }

    // ['en', [subject: 'average', …], bold file, mask]
    targets = AVERAGE.out.bold
        .map { meta, bold, mask -> [meta.language, [subject: 'average', individual: false], bold, mask] }
        .mix(cleaned.individual.map { meta, bold, mask -> [meta.language, [subject: meta.subject, individual: true], bold, mask] })

    // what one ENCODE task fits together: ['en', [subjects: ['EN057', 'EN058'], individual: true], [bold files]];
    // a group is complete when all its subjects are clean, or at the end without those that failed
    stacks = languages
        .flatMap { entry -> entry.stacks.collectMany { stack -> stack.collect { subject -> [entry.language, subject, stack] } } }
        .join(cleaned.individual.map { meta, bold, _mask -> [meta.language, meta.subject, bold] }, by: [0, 1])
        .map { language, subject, stack, bold -> [groupKey("${language} ${stack.join(' ')}".toString(), stack.size()), language, [subject: subject, bold: bold]] }
        .groupTuple(remainder: true)
        .map { _stack, spoken, found -> [spoken[0], found.toSorted { one -> one.subject }] }
        .map { language, found -> [language, [subjects: found.collect { one -> one.subject }, individual: true], found.collect { one -> one.bold }] }
        .mix(AVERAGE.out.bold.map { meta, bold, _mask -> [meta.language, [subjects: ['average'], individual: false], [bold]] })

    // ---- models and baselines: word features ----------------------------------------------------
    // [[id: 'gpt2', name: 'gpt2', mapping: 'reference', …], spec, files of a local model]
    // weights that are not kept are fetched again only when what reads them has changed
    weights = params.keep_models.toString() in ['no', 'false'] ? [keep: false, reader: stamp('activations'), precision: params.precision, mode: params.untrained_mode] : [:]
    MODEL(settings.flatMap { entry -> entry.models }.map { entry -> [entry.findAll { key, _value -> key in ['name', 'mapping', 'seed', 'languages', 'average', 'individual'] } + [id: file_name(entry.name)], groovy.json.JsonOutput.toJson(entry + weights + [allow_pickle: params.allow_pickle_weights.toString() == 'yes', endpoint: params.hf_endpoint]), (entry.files ?: []).collect { path -> file(path, glob: false) }] }, cache_dir, stamp('model'))

    // ['en', [language: 'en', corrections: 'none'], annotation.csv, [text_en_run1.txt, …], corrections.tsv]
    stories = fetched.annotation
        .map { meta, annotation -> [meta.language, annotation] }
        .join(fetched.texts.map { meta, texts -> [meta.language, in_order(texts)] }, remainder: true)
        .join(languages.map { entry -> [entry.language, entry.corrections, entry.n_runs] })
        .map { language, annotation, texts, fixes, n_runs -> [language, [language: language, n_runs: n_runs, corrections: fixes], annotation, texts ?: [], file(fixes in ['none', 'ds003643'] ? "${projectDir}/assets/corrections_ds003643.tsv" : fixes, glob: false)] }
    tokenizers = MODEL.out.model.map { meta, files, _json -> [meta, files.findAll { path -> !(path.name ==~ /.*\.(safetensors|bin)|receipt\.json/) }] }
    WORDS(
        tokenizers
            .combine(stories)
            .filter { model, _tokenizer, language, _story, _annotation, texts, _fixes -> whole && texts && language in model.languages }
            .map { model, tokenizer, language, story, annotation, texts, fixes -> [model + story + [id: "lang-${language}_model-${file_name(model.name)}".toString()], tokenizer, annotation, texts, fixes] },
        stamp('words'),
    )
    ACTIVATIONS(
        WORDS.out.words
            .map { meta, words, windows, _json -> [meta.name, meta, words, windows] }
            .combine(MODEL.out.model.map { meta, files, json -> [meta.name, files, json] }, by: 0)
            .map { _name, meta, words, windows, files, json -> [meta, files, json, words, windows] },
        params.precision,
        params.untrained_mode,
        params.gpus.toString().isInteger() && params.gpus > 1 ? params.gpus : 1,
        params.context ?: 0,
        params.surprisal.toString() in ['yes', 'true'],
        stamp('activations'),
    )
    // [[id: 'gpt2', …], receipt.json, [activations of every language], [their logs]], where weights are not kept
    RELEASE(
        ACTIVATIONS.out.features
            .join(ACTIVATIONS.out.log)
            .map { meta, states, _layers, log -> [meta.name, states, log] }
            .combine(MODEL.out.model.map { meta, files, _json -> [meta.name, meta, files.find { path -> path.name == 'receipt.json' }] }.filter { _name, _meta, receipt -> receipt }, by: 0)
            .map { name, states, log, meta, receipt -> [groupKey(name, meta.languages.size()), [id: name], receipt, states, log] }
            .groupTuple()
            .map { _name, metas, receipts, states, logs -> [metas[0], receipts[0], in_order(states), in_order(logs)] },
        stamp('release'),
    )
    // what a baseline reads besides the annotation: ['prosody en', table]; ['', []] for most of them
    given_tables = channel.of(['', []]).mix(
        fetched.glove.map { _meta, vectors -> ['glove', vectors] },
        fetched.prosody.map { meta, table -> ["prosody ${meta.language}".toString(), table] },
        // models that read in both directions have none: every cell of the fifth column is empty
        ACTIVATIONS.out.surprisal.filter { _meta, table -> table.readLines().drop(1).any { row -> row.split('\t', -1)[4] } }.map { meta, table -> ["surprisal ${meta.language} ${meta.name}".toString(), table] },
    )
    BASELINES(
        settings
            .flatMap { entry -> entry.baselines }
            .combine(stories)
            .filter { entry, language, _story, _annotation, _texts, _fixes -> language in entry.languages }
            .map { entry, language, story, annotation, _texts, fixes -> [reads(entry, language), entry, language, story, annotation, fixes] }
            .combine(given_tables, by: 0)
            .map { _key, entry, language, story, annotation, fixes, table ->
                def meta = [name: entry.name, average: entry.average, individual: entry.individual, kind: entry.kind, layers: entry.n_layers]
                def own = entry.files[language]
                [meta + story + [id: "lang-${language}_model-${file_name(entry.name)}".toString()], groovy.json.JsonOutput.toJson(entry.findAll { key, _value -> key != 'files' }), annotation, own ? file(own, glob: false) : table, fixes]
            },
        stamp('baselines'),
    )

    // ---- ENCODE: model × block of layers × group of subjects ------------------------------------
    // ['en', meta, features, words, model.json, [words.json], number of layers]
    features = ACTIVATIONS.out.features
        .join(WORDS.out.words)
        .map { meta, states, layers, words, _windows, words_json -> [meta.name, meta, states, words, words_json, layers] }
        .combine(MODEL.out.model.map { meta, _files, json -> [meta.name, json] }, by: 0)
        .map { _name, meta, states, words, words_json, layers, json -> [meta.language, meta, states, words, json, [words_json], layers as int] }
        .mix(BASELINES.out.features.map { meta, states, words, json -> [meta.language, meta, states, words, json, [], meta.layers] })
    // what goes jointly with every model: ['en', ['glove'], [features], [words]], in the order of --joint
    joint = settings
        .filter { entry -> entry.joint }
        .flatMap { entry -> entry.languages.collectMany { spoken -> entry.joint.withIndex().collect { name, place -> [spoken.language, name, place, entry.joint.size()] } } }
        .join(BASELINES.out.features.map { meta, states, words, _json -> [meta.language, meta.name, states, words] }, by: [0, 1])
        .map { language, name, place, size, states, words -> [groupKey(language, size), [place: place, name: name, states: states, words: words]] }
        .groupTuple()
        .map { language, found -> [language.toString(), found.toSorted { one -> one.place }] }
        .map { language, found -> [language, found.collect { one -> one.name }, found.collect { one -> one.states }, found.collect { one -> one.words }] }
        .mix(settings.filter { entry -> !entry.joint }.flatMap { entry -> entry.languages.collect { spoken -> [spoken.language, [], [], []] } })
    ENCODE(
        features
            .combine(stacks, by: 0)
            .filter { _language, meta, _states, _words, _json, _words_json, _layers, stack, _bold -> stack.individual ? meta.individual : meta.average }
            .combine(described.map { lang, _it -> [lang.language, lang] }, by: 0)
            .combine(joint, by: 0)
            .flatMap { language, meta, states, words, _json, _words_json, layers, stack, bold, lang, names, with_states, with_words ->
                def together = meta.name in names ? [[], []] : [with_states, with_words]
                def ids = stack.subjects.collect { subject -> fit_id(language, subject, meta.name) }
                layer_blocks(layers, params).collect { block -> [lang + [id: ids[0], ids: ids], block, states, words, bold, together[0], together[1]] }
            },
        settings.map { entry -> entry.encoder },
        stamp('encode'),
    )
    // ['lang-en_sub-EN057_model-gpt2', 2, meta, mask, model.json, [words.json]]: a fit and its blocks of layers
    fits = features
        .combine(targets, by: 0)
        .combine(described.map { lang, _it -> [lang.language, lang] }, by: 0)
        .map { language, meta, _states, _words, json, words_json, layers, target, _bold, mask, lang ->
            def id = fit_id(language, target.subject, meta.name)
            [id, layer_blocks(layers, params).size(), lang + [id: id, subject: target.subject, model: meta.name], mask, json, words_json]
        }
    // a fit of which a block failed is never gathered: it counts as failed
    GATHER(
        ENCODE.out.parts
            .flatMap { meta, parts -> in_order(parts).collect { part -> [meta.ids.find { id -> part.name.startsWith("${id}_layers-") }, part] } }
            .combine(fits.map { id, blocks, _meta, _mask, _json, _words_json -> [id, blocks] }, by: 0)
            .map { id, part, blocks -> [groupKey(id, blocks), part] }
            .groupTuple()
            .map { id, parts -> [id.toString(), in_order(parts)] }
            .join(fits.map { id, _blocks, meta, mask, json, words_json -> [id, meta, mask, json, words_json] })
            .map { _id, parts, meta, mask, json, words_json -> [meta, groovy.json.JsonOutput.toJson(meta), parts, mask, json, words_json] },
        stamp('gather'),
    )

    // ---- tables, figures, report ----------------------------------------------------------------
    gathered = GATHER.out.scores.flatMap { _meta, image, per_run, json -> [image, per_run, json] }
    LATERALIZE(
        plan.filter { whole },
        settings.flatMap { entry -> entry.truth ? [file(entry.truth, glob: false)] : [] }.toList(),
        gathered.toSortedList { a, b -> a.name <=> b.name }.filter { scores -> scores },
        MASK.out.mask.map { _meta, mask -> mask }.toSortedList { a, b -> a.name <=> b.name },
        isc.toSortedList { a, b -> a.name <=> b.name },
        ROIS.out.rois.map { _meta, rois -> rois }.flatten().toSortedList { a, b -> a.name <=> b.name },
        RELIABILITY.out.runs.mix(CHECKS.out.leave_one_out).toSortedList { a, b -> a.name <=> b.name },
        CHECKS.out.checks.map { _meta, table, _json -> table }.toSortedList { a, b -> a.name <=> b.name },
        fetched.atlas.map { _meta, atlas -> atlas }.flatten().toSortedList { a, b -> a.name <=> b.name },
        file("${projectDir}/assets/published.json"),
        stamp('lateralize'),
    )
    FIGURES(LATERALIZE.out.tables, stamp('figures'))
    REPORT(plan, LATERALIZE.out.tables, FIGURES.out.figures, file("${projectDir}/assets/report.html.j2"), hand_over(workflow), stamp('report'))
}

// Files in the order of their names, run-2 before run-10, whatever order the tasks ended in. A new list:
// the one in a channel belongs to all that read it, and sorting it in place stops a long run at random.
def in_order(paths) {
    (paths instanceof Collection ? paths : [paths]).toSorted { path -> path.name.replaceAll(/\d+/) { digits -> digits.padLeft(9, '0') } }
}

// reads([kind: 'f0', …], 'en') -> 'prosody en': which of the tables beside the annotation a baseline reads
def reads(baseline, language) {
    baseline.kind == 'glove'
        ? 'glove'
        : baseline.kind in ['f0', 'intensity'] ? "prosody ${language}".toString() : baseline.kind == 'surprisal' ? "surprisal ${language} ${baseline.source}".toString() : ''
}

// subject_of(sub-EN057_clean.safetensors) -> 'EN057'
def subject_of(path) {
    path.name.replaceFirst(/^sub-/, '').replaceFirst(/_clean\.safetensors$/, '')
}

// file_name('Qwen/Qwen2-0.5B') -> 'Qwen__Qwen2-0.5B'
def file_name(model) {
    model.replace('/', '__')
}

// fit_id('en', 'EN057', 'gpt2') -> 'lang-en_sub-EN057_model-gpt2'
def fit_id(language, subject, model) {
    "lang-${language}_sub-${subject}_model-${file_name(model)}".toString()
}
