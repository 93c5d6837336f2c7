// From the runs of subjects to what encoding models are fitted to: subjects one by one, and their average.

include { by_key ; language_of ; in_order ; local_files ; of_kind ; parsed ; with_fields } from './shapes'
include { stamp } from './code'
include { RESAMPLE } from './resample'
include { MASK } from './mask'
include { ROIS } from './rois'
include { CLEAN } from './clean'
include { CHECKS } from './checks'
include { AVERAGE } from './average'
include { RELIABILITY } from './reliability'

workflow FMRI {
    take:
    plan // [languages: [[language: 'en', mask: null, …]], parameters: [isc_trials: 10, …], …]
    bold // [[id: 'sub-EN057', language: 'en', runs: ['run-1', …], group: true, …], [run-1.nii.gz, …]]
    given // ['mask', [id: 'lang-en', …], [mask.nii.gz]]: what the user gives is not computed
    stories // ['en', [language: 'en', stories: ['run-1', …]], [annotation: …, texts: …, corrections: …]]

    main:
    // [[id: 'lang-en', language: 'en', tr: 2.0, trim: 10], <the language in the plan>]
    languages = plan.flatMap { all -> all.languages }.map { entry -> [language_of(entry), entry] }

    RESAMPLE(bold, stamp('resample'))

    // ---- masks, of a language and of each subject that is fitted alone ---------------------------
    // [[id: 'lang-en', …], [sub-EN057_epi-masks.nii.gz, …]]
    of_language = RESAMPLE.out.epi_masks
        .filter { meta, _masks -> meta.group }
        .map { meta, masks -> [language_of(meta), masks] }
        .groupTuple()
        .map { lang, masks -> [lang, in_order(masks)] }
    // [[id: 'lang-en_sub-EN057', subject: 'EN057', …, given: false], [sub-EN057_epi-masks.nii.gz]]
    of_subject = RESAMPLE.out.epi_masks
        .filter { meta, _masks -> meta.individual }
        .map { meta, masks -> [meta + [id: "lang-${meta.language}_${meta.id}".toString(), given: false], [masks]] }
    MASK(
        taken(of_kind(given, 'mask')).mix(computed(of_language, languages, 'mask'), of_subject),
        stamp('mask'),
    )
    made = MASK.out.mask.branch { meta, _mask ->
        of_subject: meta.subject
        of_language: true
    }
    ROIS(made.of_language, file("${projectDir}/assets/rois.tsv"), stamp('rois'))
    masks = made.of_language.map { meta, mask -> [language_of(meta), mask] } // [[id: 'lang-en', …], mask.nii.gz]

    // ---- time courses, within the language's mask for the group, within its own and smoothed for a subject
    // [[id: 'lang-en', …], [id: 'sub-EN057', …], [sub-EN057_run-1.nii, …], sub-EN057_constant.nii.gz]
    runs = RESAMPLE.out.runs.map { meta, images, constant -> [language_of(meta), meta, by_key(images, meta), constant] }
    cleaning = plan.flatMap { all -> cleaning_of(all) }
    for_group = runs
        .filter { _lang, meta, _images, _constant -> meta.group }
        .combine(masks, by: 0)
        .map { lang, meta, images, constant, mask -> [[lang.language, meta.subject], meta, images, constant, mask] }
        .join(cleaning)
        .map { _key, meta, images, constant, mask, scans, columns, confounds ->
            [meta + [smooth: false, scans: scans, columns: columns], images, constant, mask, confounds]
        }
    for_subject = runs
        .filter { _lang, meta, _images, _constant -> meta.individual }
        .map { lang, meta, images, constant -> [[lang.language, meta.subject], meta, images, constant] }
        .join(made.of_subject.map { meta, mask -> [[meta.language, meta.subject], mask] })
        .join(cleaning)
        .map { _key, meta, images, constant, mask, _scans, columns, confounds ->
            [meta + [smooth: true, columns: columns], images, constant, mask, confounds]
        }
    CLEAN(for_group.mix(for_subject), stamp('clean'))
    clean = CLEAN.out.bold.branch { meta, _courses, _mask ->
        of_subject: meta.smooth
        of_group: true
    }

    // ---- the group: [[id: 'lang-en', …], [sub-EN057_clean.safetensors, …], mask.nii.gz] ----------
    group = clean.of_group
        .map { meta, courses, _mask -> [language_of(meta), courses] }
        .groupTuple()
        .map { lang, subjects -> [lang, in_order(subjects)] }
        .join(masks)
    // every run against the other subjects and the words
    CHECKS(
        with_fields(group, languages, ['stories', 'starts', 'slice_time'])
            .map { lang, subjects, mask -> [lang.language, lang, subjects, mask] }
            .join(stories)
            .map { _language, lang, subjects, mask, _story, heard ->
                def told = [subjects: subjects.collect { path -> id_of(path) }]
                [lang + told, subjects, mask, heard.annotation, heard.corrections]
            },
        stamp('checks'),
    )
    // what of the group goes on: all, or with --exclude_outliers those that CHECKS found sound
    asked = group
        .combine(plan.map { all -> all.parameters.exclude_outliers })
        .branch { _lang, _subjects, _mask, exclude ->
            all: exclude == 'no'
            sound: true
        }
    sound = asked.sound
        .join(CHECKS.out.checks.map { meta, _table, json -> [language_of(meta), parsed(json).excluded] })
        .map { lang, subjects, mask, _exclude, outliers ->
            [lang, subjects.findAll { path -> !(id_of(path) in outliers) }, mask]
        }
    used = asked.all.map { lang, subjects, mask, _exclude -> [lang, subjects, mask] }.mix(sound)
    AVERAGE(
        with_fields(
            taken(of_kind(given, 'average_subject').join(masks)).mix(computed(used, languages, 'average_subject')),
            languages,
            ['stories'],
        ),
        stamp('average'),
    )
    RELIABILITY(
        with_fields(
            taken(of_kind(given, 'isc').join(masks)).mix(computed(used, languages, 'isc')),
            languages,
            ['stories', 'test'],
        ),
        plan.map { all -> all.parameters.subMap(['isc_trials', 'isc_seed']) },
        stamp('reliability'),
    )

    average = AVERAGE.out.bold.map { meta, courses, mask ->
        [meta.language, language_of(meta) + [subject: 'average', individual: false], [courses: courses, mask: mask]]
    }
    individuals = clean.of_subject.map { meta, courses, mask ->
        [meta.language, language_of(meta) + [subject: meta.subject, individual: true], [courses: courses, mask: mask]]
    }
    targets = average.mix(individuals)
    reliability = RELIABILITY.out.isc
    all_masks = MASK.out.mask
    rois = ROIS.out.rois
    ceilings = RELIABILITY.out.runs.mix(CHECKS.out.leave_one_out)
    checks = CHECKS.out.checks.map { _meta, table, _outliers -> table }

    emit:
    targets // ['en', [id: 'lang-en', …, subject: 'average', individual: false], [courses: …, mask: …]]
    all_masks // [[id: 'lang-en', …], mask.nii.gz], of subjects that are fitted alone too
    rois // [[id: 'lang-en', …], [lang-en_roi-TP.nii.gz, …]]
    reliability // [[id: 'lang-en', …], lang-en_isc.nii.gz]
    ceilings // split halves by run; each subject with the others
    checks // lang-en_checks.tsv
}

// taken(<channel of [lang, item …]>) -> what the user gives
def taken(items) {
    items.map { row -> [row[0] + [given: true]] + row.drop(1) }
}

// computed(<channel of [lang, item …]>, languages, 'isc') -> of the languages for which none is given
def computed(items, languages, kind) {
    items
        .join(languages)
        .filter { row -> !row.last()[kind] }
        .map { row -> [row[0] + [given: false]] + row.drop(1).dropRight(1) }
}

// [['en', 'EN057'], [0, 298], ['trans_x,trans_y'], [confounds.tsv, …]] of every subject: to how many scans each run is
// cut for the average (0: it is not), the columns of confounds that are regressed off (one list where they are the same
// in all runs) and their tables; [] where none is
def cleaning_of(plan) {
    plan.languages.collectMany { entry ->
        entry.subjects.collect { person ->
            def scans = person.runs*.average_scans
            def columns = person.runs*.confound_columns*.join(',')
            def regressed = columns.any()
            [
                [entry.language, person.subject],
                scans.any() ? scans.collect { kept -> kept ?: 0 } : [],
                regressed ? (columns.toSet().size() == 1 ? columns.take(1) : columns) : [],
                regressed ? local_files(person.runs*.confounds) : [],
            ]
        }
    }
}

// id_of(sub-EN057_clean.safetensors) -> 'EN057'
def id_of(path) {
    path.name.replaceFirst(/^sub-/, '').replaceFirst(/_clean\.safetensors$/, '')
}
