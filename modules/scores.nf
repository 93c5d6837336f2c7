// From word features and time courses to brain scores, one fit per model and subject: ENCODE fits a
// block of layers to a group of subjects at once, GATHER joins the blocks of one fit.

include { language_of ; in_order ; file_name } from './shapes'
include { stamp } from './code'
include { ENCODE } from './encode'
include { GATHER } from './gather'

workflow SCORES {
    take:
    plan // [encoder: [alpha: 'shared', …], joint: ['glove'], layers: 'all', languages: […], …]
    targets // ['en', [id: 'lang-en', …, subject: 'average', individual: false], [courses: …, mask: …]]
    features // ['en', [name: 'gpt2', n_layers: 13, average: true, …], [states: …, words: …, …]]

    main:
    // subjects that are fitted together: ['en', [[subject: 'EN057', …], …], [EN057_clean.safetensors, …]];
    // complete when all of them are clean, or at the end without those that failed
    stacks = targets
        .combine(plan)
        .map { language, target, files, all ->
            def members = stack_of(target, all)
            [groupKey([language, members], members.size()), [target: target, courses: files.courses]]
        }
        .groupTuple(remainder: true)
        .map { _stack, found ->
            def members = found.toSorted { one -> one.target.subject }
            def subjects = members.collect { one -> one.target }
            [subjects[0].language, subjects, members.collect { one -> one.courses }]
        }

    // what goes jointly with every model, in the order of --joint: ['en', [[name: 'glove', states: …, …], …]]
    confounds = features
        .combine(plan)
        .filter { _language, meta, _files, all -> meta.name in all.joint }
        .map { language, meta, files, all ->
            [groupKey(language, all.joint.size()), files + [name: meta.name], all.joint]
        }
        .groupTuple()
        .map { language, found, joint -> [language.toString(), found.toSorted { one -> joint[0].indexOf(one.name) }] }
    none = plan
        .filter { all -> !all.joint }
        .flatMap { all -> all.languages.collect { entry -> [entry.language, []] } }

    // every model and baseline with each stack that it is fitted to, one task per block of layers
    tasks = features
        .combine(stacks, by: 0)
        .filter { _language, meta, _files, subjects, _courses -> is_fitted(meta, subjects[0]) }
        .combine(confounds.mix(none), by: 0)
        .combine(plan)
        .flatMap { language, meta, files, subjects, courses, joint, all ->
            def ids = subjects.collect { subject -> fit_id(subject, meta) }
            def blocks = layer_blocks(meta, all)
            def entry = all.languages.find { one -> one.language == language }
            def heard = entry.subMap(['stories', 'test', 'starts', 'slice_time'])
            def task = language_of(entry) + heard + [id: ids[0], ids: ids, n_blocks: blocks.size()]
            // not with itself, nor with what only shows whether the folds leak
            def alone = meta.kind == 'oasm' || joint.any { one -> one.name == meta.name }
            def others = alone ? [] : joint
            def their = [others.collect { one -> one.states }, others.collect { one -> one.words }]
            blocks.collect { block -> [task, block, files.states, files.words, courses] + their }
        }
    ENCODE(tasks, plan.map { all -> all.encoder }, stamp('encode'))

    // ['lang-en_sub-EN057_model-gpt2', [id: …, subject: 'EN057', model: 'gpt2', …], [mask: …, model: …, …]]
    fits = targets
        .combine(features, by: 0)
        .map { _language, target, of_target, meta, of_features ->
            def id = fit_id(target, meta)
            def told = language_of(target) + [id: id, subject: target.subject, model: meta.name]
            [id, told, of_target + of_features]
        }
    // a fit of which a block failed is never gathered: it counts as failed
    gathered = ENCODE.out.parts
        .flatMap { meta, parts -> in_order(parts).collect { part -> [groupKey(fit_of(part), meta.n_blocks), part] } }
        .groupTuple()
        .map { id, parts -> [id.toString(), in_order(parts)] }
        .join(fits)
        .map { _id, parts, meta, files ->
            [meta, groovy.json.JsonOutput.toJson(meta), parts, files.mask, files.model, files.alignment]
        }
    GATHER(gathered, stamp('gather'))
    scores = GATHER.out.scores

    emit:
    scores // [[id: 'lang-en_sub-EN057_model-gpt2', …], …_scores.nii.gz, …_runs.safetensors, …_scores.json]
}

// stack_of([language: 'en', subject: 'EN057', …], plan) -> ['EN057', 'EN058']; the average subject stands alone
def stack_of(target, plan) {
    def stacks = plan.languages.find { entry -> entry.language == target.language }.stacks
    target.individual ? stacks.find { stack -> target.subject in stack } : [target.subject]
}

// Whether features are fitted to a subject: the plan says it of the average and of individuals
def is_fitted(features, target) {
    target.individual ? features.individual : features.average
}

// fit_id([language: 'en', subject: 'EN057', …], [name: 'gpt2', …]) -> 'lang-en_sub-EN057_model-gpt2'
def fit_id(target, features) {
    "lang-${target.language}_sub-${target.subject}_model-${file_name(features.name)}".toString()
}

// fit_of(lang-en_sub-EN057_model-gpt2_layers-8.safetensors) -> 'lang-en_sub-EN057_model-gpt2'
def fit_of(part) {
    part.name.replaceFirst(/_layers-\d+\.safetensors$/, '')
}

// layer_blocks([n_layers: 13, …], [layers: 'all', layers_per_task: 5, …]) ->
// ['0,1,2,3,4', '5,6,7,8,9', '10,11,12']; the same layers as fitted_layers of layer_choice.py, which VALIDATE
// counts and checks: a single layer is fitted whatever is asked of the models, and --last_layer is about models.
// Where none is left, ENCODE is asked for 'none', and says so.
def layer_blocks(features, plan) {
    def is_model = !features.kind // baselines and a user's own features have one
    def end = features.n_layers - (is_model && plan.parameters.last_layer == 'no' ? 1 : 0)
    def every = plan.layers.toString().startsWith('every:') ? plan.layers.substring(6) as int : 1
    def wanted = (plan.layers instanceof List) ? plan.layers : (0..<end).findAll { layer -> layer % every == 0 }
    def layers = features.n_layers == 1 ? [0] : wanted.findAll { layer -> layer < end }
    layers ? layers.collate(plan.layers_per_task).collect { block -> block.join(',') } : ['none']
}
