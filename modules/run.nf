// What the head node knows before a task runs: parameters, the state of the user's files, help.

// The raw parameters and where the run was started, as JSON for VALIDATE.
def request(parameters, run) {
    groovy.json.JsonOutput.toJson([
        params: (parameters - [help: parameters.help]).collectEntries { name, value -> [name, plain(value)] },
        typed: typed_numbers(parameters, run.commandLine),
        launch_dir: run.launchDir.toString(),
        work_dir: run.workDir.toString(),
        project_dir: run.projectDir.toString(),
        home_dir: System.getProperty('user.home'),
        outdir_writable: writable(parameters.outdir.toString()),
    ])
}

// typed_numbers([subjects: 1, gpus: 2], 'nextflow run main.nf --subjects 001') -> [subjects: '001']: the number that
// a name or a password of digits became has lost its zeros
def typed_numbers(parameters, command_line) {
    def typed = command_line.tokenize().collectMany { word -> word.tokenize('=') }.collect { word -> word.replace("'", '') }
    parameters
        .findAll { name, value -> value instanceof Number && "--${name}".toString() in typed }
        .collectEntries { name, _value -> [name, typed[typed.lastIndexOf("--${name}".toString()) + 1]] }
}

// Whether a folder can be written to, or made: a container does not see it, but results are published from here.
def writable(folder) {
    def place = (folder instanceof java.nio.file.Path) ? folder : file(folder, glob: false)
    place.exists() || !place.parent
        ? place.isDirectory() && java.nio.file.Files.isWritable(place)
        : writable(place.parent)
}

// Memory and durations become text; everything else is JSON already.
def plain(value) {
    [Number, Boolean, Collection, Map].any { type -> type.isInstance(value) } ? value : value?.toString()
}

// Digest over the files that the parameters name, so that VALIDATE runs again when one changes.
// Small files count with their content, large ones with size and time.
def inventory(parameters) {
    def named = named_in_parameters(parameters)
        .collectMany { name -> [file(name, glob: false)].findAll { path -> path.exists() } ?: folders_like(name) }
        .collectMany { path -> path.isDirectory() ? below(path) : beside(path) }
    (named + [file("${projectDir}/nextflow_schema.json")]).collect { path -> state(path) }.sort().join('\n').md5()
}

// folders_like('models/tiny-*') -> their paths; of a name without wildcards none
def folders_like(name) {
    name =~ /[*?\[]/ ? files(name, type: 'dir').toList() : []
}

// What parameters name that may be files or folders, of each language:
// ['/data/study', 'gpt2', 'models_en.csv', 'models_fr.csv', …]
def named_in_parameters(parameters) {
    def paths = [
        'dataset', 'texts', 'corrections', 'models', 'individual_models', 'glove', 'word_frequencies',
        'atlas', 'mask', 'isc', 'average_subject', 'features', 'claim',
    ]
    def languages = listed(parameters.languages)*.toLowerCase() ?: ['']
    paths
        .collectMany { name -> listed(parameters[name]) }
        .collectMany { name -> languages.collect { language -> name.replace('{lang}', language) }.unique() }
        .findAll { name -> !(name ==~ /\w+:\/\/.*/) } // no file of this machine: VALIDATE says what may be an address
}

// listed('en, fr') -> ['en', 'fr'], and so of a list
def listed(value) {
    ((value instanceof Collection) ? value : (value ?: '').toString().tokenize(',')).collect { name -> name.toString().trim() }
}

// A file, and the manifest beside a description of a data set.
def beside(path) {
    path.name.endsWith('.json') ? [path] + files("${escaped(path.parent)}/*.tsv") : [path]
}

// The files of a folder that matter: of a data set only the preprocessed runs and the annotations.
def below(folder) {
    def description = folder.resolve('dataset.json')
    def inside = description.exists()
        ? [description] + described(folder, description)
        : folder.resolve('derivatives').exists()
        ? files("${escaped(folder)}/{derivatives/sub-*/func/*.nii*,annotation/*/*.csv,simulation.json}")
        : files("${escaped(folder)}/*")
    inside.findAll { path -> !path.isDirectory() }
}

// The files that a data set's own description names; VALIDATE says what is wrong with a bad one.
def described(folder, description) {
    try {
        def content = new groovy.json.JsonSlurper().parseText(description.text)
        def patterns = content.n_runs == null
            ? content.languages.values().collectMany { language -> of_stories(folder, content + language) }
            : [content.bold.replace('{subject}', '*')] + content.languages.values().collect { language -> language.annotation }
        return (patterns + ['simulation.json'])
            .unique()
            .collectMany { name -> name.contains('*') ? files("${escaped(folder)}/${name}") : [folder.resolve(name)] }
            .findAll { path -> path.exists() }
    }
    catch (Exception _error) {
        return []
    }
}

// What tells the runs, times and words of a language of stories: names, tables, sidecars and events
// -> ['runs.tsv', 'stimuli/*.TextGrid', 'sub-*/**_events.tsv', …]
def of_stories(folder, language) {
    def told = [language.words, language.text].findAll { name -> name }*.replace('{story}', '*')
    def beside = ['*_bold.json', 'sub-*/**_bold.json', 'sub-*/**_events.tsv']
    if (!language.runs) {
        return told + beside + ["${language.derivatives}/**_bold.*".toString()]
    }
    def table = folder.resolve(language.runs)
    def (header, rows) = table.readLines()*.split('\t').with { lines -> [lines.head().toList(), lines.tail()] }
    def named = rows.collect { cells -> cells[header.indexOf('bold')] }
    def sidecars = named*.replaceFirst(/\.nii(\.gz)?$/, '.json')
    told + beside + [language.runs] + (named + sidecars).collect { name -> "${folder.relativize(table.parent)}/${name}".toString() }
}

// A folder's name as part of a glob: its own brackets and stars are not wildcards.
def escaped(folder) {
    folder.toString().replaceAll(/([\[\]{}*?\\])/, '\\\\$1')
}

def state(path) {
    def seen = path.size() < 20_000_000 ? path.bytes.md5() : "${path.size()} ${path.lastModified()}"
    "${path} ${seen}".toString()
}

// The parameters with their defaults and meanings, from the schema.
def usage() {
    def schema = new groovy.json.JsonSlurper().parseText(file("${projectDir}/nextflow_schema.json").text)
    def groups = schema['$defs'].values().collect { group ->
        def lines = group.properties.collect { name, property ->
            def fallback = property['default'] == null ? '' : " [${property['default']}]"
            "  --${name.padRight(22)} ${property.description}${fallback}"
        }
        ([group.title] + lines).join('\n')
    }
    (['Usage: nextflow run main.nf [-profile …] [-resume] [--parameter value …]'] + groups).join('\n\n') + '\n'
}
