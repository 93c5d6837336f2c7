// What is told of a run when it is over: the engine's own reports, what it was made of and cost, why it failed.

include { provenance } from './provenance'

// What the report says of the engine and the code; nothing that changes from run to run.
def hand_over(run) {
    groovy.json.JsonOutput.toJson([
        nextflow: run.nextflow.version.toString(),
        revision: run.commitId ?: '',
        container: run.containerEngine ?: 'none',
    ])
}

// At the very end, after Nextflow's own reports are written: copy them to the published tree, unless
// VALIDATE refused the run (then nothing is published), and make the reason the last line on stderr.
// A bucket is out of reach by then (its client ends with the session): it gets what is known before.
def when_done(run, parameters) {
    def published = reached("${parameters.outdir}/pipeline_info")
    def here = published.fileSystem == java.nio.file.FileSystems.default
    def settings = nextflow.Global.session.config
    if (!here) {
        run.onComplete { publish_reports(run, parameters, published, settings, ['trace']) }
    }
    Runtime.runtime.addShutdownHook(new Thread({
        if (here) {
            try {
                publish_reports(run, parameters, published, settings, ['trace', 'report', 'timeline', 'dag'])
            }
            catch (Exception error) {
                System.err.println("--outdir: ${published} does not hold the engine's reports (${error}); they are in ${kept(run)}")
            }
        }
        if (here) {
            closing(run, settings, published.resolveSibling('report.json')).each { line -> System.out.println(line) }
        }
        put_away(run, settings)
        if (!run.success && run.errorMessage) {
            System.err.println(run.errorMessage.readLines().findAll { line -> line.trim() }.last())
        }
        else if (run.stats?.ignoredCount) { // run.success does not know of them, the exit status does
            System.err.println("failed tasks, left out with what needs them (--on_error report): ${run.stats.ignoredCount}; see ${parameters.outdir}/report.html and tables/failures.tsv")
        }
    }))
}

// The last block of a run that made a report: what it says, where it is, how long it took, what failed.
def closing(run, settings, page) {
    def trace = written(settings, 'trace')
    def tasks = trace?.exists() ? rows_of(trace.readLines()) : []
    def ended = ['COMPLETED', 'CACHED']
    if (!page.exists() || !page.size() || !tasks.any { task -> task.process == 'REPORT' && task.status in ended }) {
        return []
    }
    def results = new groovy.json.JsonSlurper().parseText(page.text).results
    def failed = tasks.groupBy { task -> task.name }.findAll { _name, tries -> !tries.any { task -> task.status in ended } }.keySet()
    def minutes = String.format(Locale.ROOT, '%.1f', run.duration.toMillis() / 60_000d)
    [''] + results.collect { result -> (results.size() > 1 ? "${result.language}: " : '') + result.answer.text } +
        ["The report: ${page.resolveSibling('report.html')}".toString()] +
        ["${minutes} minutes; ${failed ? 'failed: ' + failed.join(', ') : 'nothing failed'}".toString()]
}

// Where the reports of the last run that ended stay, and every other run writes below
def kept(run) {
    file("${run.launchDir}/.nextflow/pipeline_info")
}

// One of the engine's reports, wherever the command line or a site had it written
def written(settings, kind) {
    settings[kind]?.enabled ? file(settings[kind].file.toString(), glob: false) : null
}

// A run that ended moves its reports up, over those of the run before, and takes its own folder away.
// What a killed run left goes after a month, or after a day if it is empty (a run that begins has an empty folder).
def put_away(run, settings) {
    def kept = kept(run)
    def own = ['trace', 'report', 'timeline', 'dag'].collect { kind -> written(settings, kind) }
        .findAll { path -> path && path.parent.parent == kept }
    own.findAll { path -> path.exists() }.each { path -> path.moveTo(kept.resolve(path.name)) }
    own.collect { path -> path.parent }.unique()
        .findAll { folder -> folder.exists() && !folder.list() }
        .each { folder -> folder.deleteDir() }
    def day = System.currentTimeMillis() - 24L * 3600 * 1000
    def month = day - 29L * 24 * 3600 * 1000
    (kept.list() ?: []).collect { name -> kept.resolve(name) }
        .findAll { folder -> folder.name ==~ /\d+-\d+@.*/ && folder.lastModified() < day }
        .findAll { folder -> folder.list().every { name -> folder.resolve(name).lastModified() < month } }
        .each { folder -> folder.deleteDir() }
}

// The path that an address means; an engine without the plugin of its bucket says so in one line.
def reached(address) {
    try {
        return file(address, glob: false)
    }
    catch (Exception error) {
        System.err.println("--outdir: ${address}: ${error.message}; give a folder, or use your own Nextflow with that plugin")
        System.exit(1)
    }
}

// Copy the engine's reports of these kinds, with what the run was made of and what each stage took beside them.
// What this run did not write (a site may turn a report off) is not left there from a run before.
def publish_reports(run, parameters, published, settings, kinds) {
    def trace = written(settings, 'trace')
    def tasks = trace?.exists() ? rows_of(trace.readLines()) : []
    def complete = settings.trace.raw && tasks && ['process', 'status', 'realtime', '%cpu', 'peak_rss'].every { name -> name in tasks[0] }
    def counts = run.stats
    def went_on = complete
        ? tasks.any { task -> task.process != 'VALIDATE' }
        : counts.succeededCount + counts.cachedCount + counts.failedCount + counts.ignoredCount > 1
    if (!went_on) {
        return
    }
    published.mkdirs()
    kinds.each { kind ->
        def path = written(settings, kind)
        ['tsv', 'html', 'mmd'].each { ending -> java.nio.file.Files.deleteIfExists(published.resolve("${kind}.${ending}")) }
        if (path?.exists()) {
            def ending = [trace: 'tsv', dag: path.extension][kind] ?: 'html'
            path.copyTo(published.resolve("${kind}.${ending}"))
        }
    }
    if (complete) {
        tell_cost(tasks, parameters.gpus, published.resolveSibling('report.html'), published.resolve('cost.tsv'))
    }
    else {
        java.nio.file.Files.deleteIfExists(published.resolve('cost.tsv'))
        System.err.println("${published} has no cost.tsv: this run's trace is off or of another form (trace.enabled, trace.raw, trace.fields)")
    }
    provenance(run, parameters, tasks, parameters.outdir).each { name, text -> published.resolve(name).text = text }
}

// rows_of(<lines of the trace>) -> [[process: 'SCORES:ENCODE', status: 'COMPLETED', realtime: '5120', …], …]
def rows_of(lines) {
    def names = lines.first().tokenize('\t')
    lines.drop(1).collect { line -> [names, line.split('\t', -1).toList()].transpose().collectEntries() }
}

// What each stage took, from the trace (of -resume too: a cached task counts what it took when it ran):
// written as a table, and into the report between its two marks. Only now is it known.
def tell_cost(tasks, gpus, report, table) {
    def heads = ['stage', 'tasks', 'hours', 'core hours', 'GPU hours', 'peak memory (GiB)']
    def taken = costs(tasks, gpus as int)
    def rows = taken.collect { row ->
        row.withIndex().collect { value, at -> at < 2 ? value : String.format(Locale.ROOT, '%.4f', value as double) }
    }
    def names = heads.collect { head -> head.replaceAll(/[ ()]+/, '_').replaceAll(/_$/, '') }
    table.text = ([names] + rows).collect { row -> row.join('\t') + '\n' }.join('')
    if (report.exists()) {
        def cells = taken.collect { row ->
            def memory = String.format(Locale.ROOT, '%.1f', row[5] as double)
            def values = [row[1]] + row[2..4].collect { hours -> spoken(hours as double) } + [memory]
            def numbers = values.collect { value -> "<td class=\"numeric\">${value}</td>" }
            "<tr><td>${row[0]}</td>${numbers.join('')}</tr>".toString()
        }
        def part = (['<!-- cost -->'] + cells + ['<!-- end of cost -->']).join('\n')
        def place = /(?s)<!-- cost -->.*?<!-- end of cost -->/
        report.text = report.text.replaceFirst(place, java.util.regex.Matcher.quoteReplacement(part))
    }
}

// spoken(0.0004) -> '1.4 s', spoken(0.5) -> '30 min', spoken(2.25) -> '2.3 h'
def spoken(hours) {
    def unit = [[1, 'h', 1], [1 / 60d, 'min', 60], [0, 's', 3600]].find { least, _name, _per -> hours >= least }
    def value = hours * unit[2]
    String.format(Locale.ROOT, value < 10 ? '%.1f %s' : '%.0f %s', value as double, unit[1])
}

// costs(<rows of the trace>, 1) -> [['ENCODE', 14, 0.2, 0.4, 0.2, 1.5], …, ['all', …]]: tasks, hours, core hours,
// GPU hours and peak memory (GiB) of each stage, under its own name (ENCODE, of SCORES:ENCODE)
def costs(tasks, gpus) {
    def rows = tasks.groupBy { task -> task.process.tokenize(':').last() }.collect { stage, mine ->
        def hours = mine.collect { task -> measured(task.realtime) / 3.6e6 }
        def cores = mine.collect { task -> measured(task['%cpu']) / 100 }
        def devices = mine.collect { task -> gpus_used(task, gpus) }
        [
            stage,
            mine.size(),
            hours.sum(),
            [hours, cores].transpose().sum { hour, core -> hour * core },
            [hours, devices].transpose().sum { hour, device -> hour * device },
            mine.collect { task -> measured(task.peak_rss) }.max() / 2**30,
        ]
    }
    def sums = (1..4).collect { at -> rows.sum { row -> row[at] } }
    rows + [['all'] + sums + [rows.collect { row -> row[5] }.max()]]
}

// gpus_used([process: 'SCORES:ENCODE', workdir: 'work/ab/cdef…', …], 1) -> the GPUs that the task computed on, as its log
// says (say_used of devices.py): a task of an earlier run may have had none. Of a log that is out of reach (a bucket's)
// what the run asked for counts, for a task that cannot use it fails.
def gpus_used(task, asked) {
    def most = [ACTIVATIONS: asked, ENCODE: Math.min(asked, 1)][task.process.tokenize(':').last()]
    if (most == null) {
        return 0
    }
    try {
        def said = file("${task.workdir}/.command.err", glob: false).text =~ /(?m)^used GPUs: (\d+)$/
        return said.collect { line -> line[1] as int }.max() ?: 0
    }
    catch (Exception _error) {
        return most
    }
}

// A number of the trace; what was not measured ('-') counts as 0.
def measured(text) {
    text?.isNumber() ? text as double : 0d
}
