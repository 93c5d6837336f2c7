// What the head node knows before a task runs: parameters, the state of the user's files, help.

// The raw parameters and where the run was started, as JSON for VALIDATE.
def request(parameters, run) {
    groovy.json.JsonOutput.toJson([
        params: parameters.findAll { name, _value -> !(name in ['help']) }.collectEntries { name, value -> [name, plain(value)] },
        launch_dir: run.launchDir.toString(),
        project_dir: run.projectDir.toString(),
        home_dir: System.getProperty('user.home'),
        outdir_writable: writable(parameters.outdir.toString()),
    ])
}

// Whether a folder can be written to, or made: a container does not see it, but results are published from here.
def writable(folder) {
    def place = folder instanceof java.nio.file.Path ? folder : file(folder, glob: false)
    place.exists() || !place.parent ? place.isDirectory() && java.nio.file.Files.isWritable(place) : writable(place.parent)
}

// Memory and durations become text; everything else is JSON already.
def plain(value) {
    value == null || value instanceof Number || value instanceof Boolean || value instanceof Collection || value instanceof Map ? value : value.toString()
}

// Digest over the files that the parameters name, so that VALIDATE runs again when one changes.
// Small files count with their content, large ones with size and time.
def inventory(parameters) {
    def named = ['dataset', 'texts', 'corrections', 'models', 'individual_models', 'glove', 'word_frequencies', 'atlas', 'mask', 'isc', 'average_subject', 'features']
        .collectMany { name -> parameters[name] instanceof Collection ? parameters[name] : (parameters[name] ?: '').toString().tokenize(',') }
        .collect { name -> file(name.toString(), glob: false) }
        .findAll { path -> path.exists() }
    named.collectMany { path -> path.isDirectory() ? below(path) : beside(path) }.plus([file("${projectDir}/nextflow_schema.json")]).collect { path -> state(path) }.sort().join('\n').md5()
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
        def patterns = [content.bold.replace('{subject}', '*')] + content.languages.values().collect { language -> language.annotation } + ['simulation.json']
        return patterns.collectMany { pattern -> pattern.contains('*') ? files("${escaped(folder)}/${pattern}") : [folder.resolve(pattern)].findAll { path -> path.exists() } }
    }
    catch (Exception _error) {
        return []
    }
}

// A folder's name as part of a glob: its own brackets and stars are not wildcards.
def escaped(folder) {
    folder.toString().replaceAll(/([\[\]{}*?\\])/, '\\\\$1')
}

def state(path) {
    path.size() < 20_000_000 ? "${path} ${path.bytes.md5()}".toString() : "${path} ${path.size()} ${path.lastModified()}".toString()
}

// What the report says of the engine and the code; nothing that changes from run to run.
def hand_over(run) {
    groovy.json.JsonOutput.toJson([nextflow: run.nextflow.version.toString(), revision: run.commitId ?: '', container: run.containerEngine ?: 'none'])
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

// At the very end, after Nextflow's own reports are written: copy them to the published tree, unless
// VALIDATE refused the run (then nothing is published), and make the reason the last line on stderr.
// A bucket is out of reach by then (its client ends with the session): it gets what is known before.
def when_done(run, outdir, gpus) {
    def published = file("${outdir}/pipeline_info")
    def here = published.fileSystem == java.nio.file.FileSystems.default
    if (!here) {
        run.onComplete { publish_reports(run, published, 'trace.tsv', gpus) }
    }
    Runtime.runtime.addShutdownHook(new Thread({
        if (here) {
            publish_reports(run, published, '*', gpus)
        }
        if (!run.success && run.errorMessage) {
            System.err.println(run.errorMessage.readLines().findAll { line -> line.trim() }.last())
        }
    }))
}

// Copy the engine's reports of this pattern, and say in table and report what each stage took.
def publish_reports(run, published, pattern, gpus) {
    def written = file("${run.launchDir}/.nextflow/pipeline_info")
    def trace = written.resolve('trace.tsv')
    def worked = trace.exists() && trace.readLines().drop(1).any { row -> row.tokenize('\t')[2] != 'VALIDATE' }
    if (worked) {
        files("${written}/${pattern}").each { path -> path.copyTo(published.resolve(path.name)) }
        tell_cost(trace.readLines(), gpus, published.resolveSibling('report.html'), published.resolve('cost.tsv'))
    }
}

// What each stage took, from the trace (of -resume too: a cached task counts what it took when it ran):
// written as a table, and into the report between its two marks. Only now is it known.
def tell_cost(lines, gpus, report, table) {
    def names = lines.first().tokenize('\t')
    def tasks = lines.drop(1).collect { line -> [names, line.split('\t', -1).toList()].transpose().collectEntries() }
    def rows = tasks.groupBy { task -> task.process.tokenize(':').last() }.collect { stage, mine ->
        def hours = mine.sum { task -> measured(task.realtime) } / 3.6e6
        [
            stage,
            mine.size(),
            hours,
            mine.sum { task -> measured(task.realtime) / 3.6e6 * measured(task['%cpu']) / 100 },
            stage == 'ACTIVATIONS' ? hours * (gpus as int) : stage == 'ENCODE' ? hours * Math.min(gpus as int, 1) : 0d,
            mine.collect { task -> measured(task.peak_rss) }.max() / 2**30,
        ]
    }
    def total = ['all'] + (1..4).collect { at -> rows.sum { row -> row[at] } } + [rows.collect { row -> row[5] }.max()]
    def written = (rows + [total]).collect { row -> row.take(2) + row.drop(2).collect { value -> String.format(Locale.ROOT, '%.4f', value as double) } }
    def heads = ['stage', 'tasks', 'hours', 'core hours', 'GPU hours', 'peak memory (GiB)']
    table.text = ([heads.collect { head -> head.replaceAll(/[ ()]+/, '_').replaceAll(/_$/, '') }] + written).collect { row -> row.join('\t') }.join('\n') + '\n'
    if (report.exists()) {
        def cells = written.collect { row -> '<tr>' + row.withIndex().collect { value, at -> at ? "<td class=\"numeric\">${value}</td>" : "<td>${value}</td>" }.join('') + '</tr>' }.join('\n')
        report.text = report.text.replaceFirst(/(?s)<!-- cost -->.*?<!-- end of cost -->/, java.util.regex.Matcher.quoteReplacement("<!-- cost -->\n${cells}\n<!-- end of cost -->".toString()))
    }
}

// A number of the trace; what was not measured ('-') counts as 0.
def measured(text) {
    text?.isNumber() ? text as double : 0d
}
