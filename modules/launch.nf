// What is looked at before the first task: values that reach a shell, the locale, what a site set.

// Parameters that become words of a command or of a scheduler's request on this machine before VALIDATE,
// which is a task itself, can look at them. Ends the run with one line where one has not the form of the schema.
def refuse_unsafe(parameters) {
    def schema = new groovy.json.JsonSlurper().parseText(file("${projectDir}/nextflow_schema.json").text)
    def known = schema['$defs'].values().collectEntries { group -> group.properties }
    ['image', 'gpu_type', 'slurm_account', 'slurm_partition', 'slurm_gpu_partition', 'slurm_qos'].each { name ->
        def value = parameters[name]
        if (value != null && !(value.toString() ==~ known[name].pattern)) {
            def shown = value.toString().replaceAll(/\s+/, ' ').replaceAll(/\p{Cntrl}/, '')
            refuse("--${name}: is '${shown}', which does not have the form that is needed: ${known[name].description}")
        }
    }
}

// Java reads and writes names of files in the encoding of the locale that it was started with.
def refuse_unreadable(run, parameters) {
    def encoding = System.getProperty('sun.jnu.encoding')
    if (encoding != 'UTF-8') {
        def mend = "the locale of this shell is not UTF-8 (Java has ${encoding}): export LC_ALL=C.UTF-8 and start again"
        def names = [run.launchDir, run.projectDir, run.workDir] + parameters.values()
        if (names.any { name -> name.toString() =~ /[^\p{ASCII}]/ }) {
            refuse("a path or parameter has letters outside ASCII, and ${mend}")
        }
        log.warn("files whose names have letters outside ASCII will not be found: ${mend}")
    }
}

// What a site's own file sets for single processes (withName, withLabel) would replace what the pipeline
// asks for: handed over by ext, it is taken in by the selector of all processes (conf/resources.config).
// A label of GPU tasks says nothing in a run that asks for none.
def keep_site_settings(parameters) {
    def settings = nextflow.Global.session.config.process
    if (parameters.gpus.toString() == '0') {
        settings.remove('withLabel:process_gpu')
    }
    settings.findAll { selector, _own -> selector ==~ /with(Name|Label):.*/ && selector != 'withName:(?s).*' }.each { _selector, own ->
        def taken = ['beforeScript', 'containerOptions', 'clusterOptions', 'queue'].findAll { name -> own.containsKey(name) }
        if (taken) {
            own.ext = (own.ext ?: [:]) + taken.collectEntries { name -> ["site_${name}".toString(), own.remove(name)] }
        }
    }
}

// What VALIDATE says of bad input, a line per mistake, ends the run. Its task is forgotten: the next run asks again.
def refuse_run(refusal) {
    def lines = refusal.readLines().findAll { line -> line.trim() && !(line =~ /^\w+: +\d+%\|/) } // but no meters of progress
    refusal.parent.deleteDir()
    lines.each { line -> System.err.println(line) }
    nextflow.Global.session.abort()
}

// The last line on stderr, and out: nothing has run.
def refuse(line) {
    System.err.println(line)
    System.exit(1)
}
