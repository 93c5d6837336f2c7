// Brain scores of language models, and how left-lateralised they are.
//
// The way of the data, each step in the file of modules/ that has its name: VALIDATE plans the run;
// INPUTS brings data and models, the only step with a network; FMRI makes of a subject's runs the
// time courses to be predicted; FEATURES makes of models and words what predicts them; SCORES fits
// one to the other; LATERALIZE makes tables, FIGURES draws them, REPORT shows them.

include { inventory ; named_in_parameters ; request ; usage } from './modules/run'
include { keep_site_settings ; refuse_run ; refuse_unreadable ; refuse_unsafe } from './modules/launch'
include { watch } from './modules/watch'
include { hand_over ; when_done } from './modules/ending'
include { parsed ; all_of } from './modules/shapes'
include { stamp } from './modules/code'
include { VALIDATE } from './modules/validate'
include { INPUTS } from './modules/inputs'
include { FMRI } from './modules/fmri'
include { FEATURES } from './modules/features'
include { SCORES } from './modules/scores'
include { LATERALIZE } from './modules/lateralize'
include { FIGURES } from './modules/figures'
include { REPORT } from './modules/report'

workflow {
    main:
    if (params.help) {
        println(usage())
        System.exit(0)
    }
    refuse_unsafe(params)
    refuse_unreadable(workflow, params)
    keep_site_settings(params)
    watch(workflow)
    when_done(workflow, params)

    // The plan decides everything below: what is fetched, computed and fitted, with every parameter in
    // its one form. [languages: [[language: 'en', …]], models: [[name: 'gpt2', …]], parameters: […], …]
    assets = files("${projectDir}/assets/*.{json,csv,tsv,gz}")
    named = named_in_parameters(params) + [params.cache_dir]
    VALIDATE(request(params, workflow), inventory(params), named, assets, stamp('validate'))
    plan = VALIDATE.out.plan.map { json -> parsed(json) }
    VALIDATE.out.summary.subscribe { summary -> log.info(summary.text.trim()) }
    VALIDATE.out.refusal.subscribe { refusal -> refuse_run(refusal) }
    stage = params.stage.toString().toLowerCase()

    if (stage != 'plan') {
        // Runs of every subject, the story in every language, weights of every model.
        INPUTS(plan)
    }

    if (!(stage in ['plan', 'fetch'])) {
        // What is predicted, of the average subject and of individuals:
        // ['en', [subject: 'average', …], [courses: lang-en_average.safetensors, mask: lang-en_mask.nii.gz]]
        FMRI(plan, INPUTS.out.bold, INPUTS.out.given, INPUTS.out.stories)

        // What predicts it, of models and of baselines:
        // ['en', [name: 'gpt2', …], [states: lang-en_model-gpt2_activations.safetensors, …]]
        FEATURES(plan, INPUTS.out.models, INPUTS.out.stories, INPUTS.out.prosody, INPUTS.out.glove)

        // How well: lang-en_sub-average_model-gpt2_scores.nii.gz, …_runs.safetensors, …_scores.json
        SCORES(plan, FMRI.out.targets, FEATURES.out.features)

        // What it says: tables, from all scores at once; nothing where there are none.
        LATERALIZE(
            VALIDATE.out.plan,
            plan.map { all -> all.truth ? [file(all.truth, glob: false)] : [] },
            all_of(SCORES.out.scores).filter { scores -> scores },
            all_of(FMRI.out.all_masks),
            all_of(FMRI.out.reliability),
            all_of(FMRI.out.rois),
            all_of(FMRI.out.ceilings),
            all_of(FMRI.out.checks),
            all_of(INPUTS.out.atlas),
            file("${projectDir}/assets/published.json"),
            stamp('lateralize'),
        )
        FIGURES(LATERALIZE.out.tables, stamp('figures'))
        REPORT(
            VALIDATE.out.plan,
            LATERALIZE.out.tables,
            FIGURES.out.figures,
            file("${projectDir}/assets/report.html.j2"),
            hand_over(workflow),
            stamp('report'),
        )
    }
}
