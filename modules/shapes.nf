// The shapes that channels have in common: who an item belongs to, in which order files stand,
// what they are called.
//
// A meta map is a task's share of the plan. That of a language is in every other meta map of the
// fMRI stages, so that items of one language find each other again: language_of(meta) is their key.

// parsed(plan.json) -> [languages: [[language: 'en', …], …], models: […], parameters: […], …].
// Classic: the maps of JsonSlurper fill themselves when they are first read, here by many threads.
def parsed(json) {
    new groovy.json.JsonSlurperClassic().parseText(json.text)
}

// language_of(<a language of the plan, or any meta map of that language>)
// -> [id: 'lang-en', language: 'en', tr: 2.0, trim: 10]. Which stories there are is told to those alone that need
// it (with_fields): one more, or one that is never trained on, does not repeat what depends on none of it.
def language_of(entry) {
    [id: "lang-${entry.language}".toString()] + entry.subMap(['language', 'tr', 'trim'])
}

// with_fields(<channel of [meta, item …]>, <channel of [language_of(entry), entry]>, ['stories'])
// -> channel of [meta with these fields of its language in the plan, item …]
def with_fields(items, languages, fields) {
    items
        .map { row -> [language_of(row[0])] + row }
        .combine(languages, by: 0)
        .map { row -> [row[1] + row.last().subMap(fields)] + row.drop(2).dropRight(1) }
}

// starts_of([stories: ['story-wheels', …], starts: [1.5, …], …]) -> '--starts story-wheels=1.5 …': of the stories that
// do not begin with the first scan; '' where all do
def starts_of(meta) {
    def late = [meta.stories, meta.starts].transpose().findAll { _story, start -> start }
    late ? "--starts ${late.collect { story, start -> "${story}=${start}" }.join(' ')}" : ''
}

// tests_of([test: ['story-wheels'], …]) -> '--test story-wheels'; '' where every story trains
def tests_of(meta) {
    meta.test ? "--test ${meta.test.join(' ')}" : ''
}

// by_key([sub-EN057_run-2.nii, sub-EN057_run-1.nii], [id: 'sub-EN057', runs: ['run-1', 'run-2'], …])
// -> the files in the order of the runs
def by_key(paths, meta) {
    def named = as_list(paths).collectEntries { path -> [path.name, path] }
    meta.runs.collect { key -> named["${meta.id}_${key}.nii".toString()] }
}

// as_list('run-1.nii') -> ['run-1.nii']: of one file a process emits the file, of several a list
def as_list(paths) {
    (paths instanceof Collection) ? paths : [paths]
}

// Files in the order of their names, run-2 before run-10, whatever order the tasks ended in. A new list:
// the one in a channel belongs to all that read it, and sorting it in place stops a long run at random.
def in_order(paths) {
    as_list(paths).toSorted { path -> path.name.replaceAll(/\d+/) { digits -> digits.padLeft(9, '0') } }
}

// all_of(<channel of files, of lists of them, or of [meta, file …]>) -> channel of one list of all files,
// in order; empty where nothing came
def all_of(items) {
    items.flatten().filter(java.nio.file.Path).toList().map { paths -> in_order(paths) }
}

// of_kind(<channel of [kind, item …]>, 'mask') -> channel of [item …]
def of_kind(items, wanted) {
    items.filter { item -> item[0] == wanted }.map { item -> item.drop(1) }
}

// local_files(['/data/sub-EN057/run-1.nii.gz']) -> paths, brackets and stars in a name being what they are
def local_files(names) {
    (names ?: []).collect { name -> file(name, glob: false) }
}

// file_name('Qwen/Qwen2-0.5B') -> 'Qwen__Qwen2-0.5B'
def file_name(name) {
    name.replace('/', '__')
}
