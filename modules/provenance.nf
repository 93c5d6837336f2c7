// What a run was made of, for whoever repeats it: parameters, versions, digests of code and images.

include { plain } from './run'
include { stamp } from './code'

// provenance(workflow, params, <rows of the trace>, results) -> ['params.json': '{…}', 'versions.json': …, …]
def provenance(run, parameters, tasks, outdir) {
    def commands = files("${run.projectDir}/bin/*.py").collect { path -> path.baseName }.sort()
    def images = tasks.collect { task -> task.container }.findAll { name -> run.containerEngine && name && name != '-' }
    [
        'params.json': given(parameters),
        'versions.json': versions(run, tasks, outdir),
        'digests.json': [
            code: commands.collectEntries { name -> [name, stamp(name)] },
            images: images.toSorted().unique().collectEntries { name -> [name, image_digest(run.containerEngine, name)] },
        ],
    ].collectEntries { name, content ->
        [name, groovy.json.JsonOutput.prettyPrint(groovy.json.JsonOutput.toJson(content)) + '\n']
    }
}

// The parameters as -params-file takes them; a password is nobody else's
def given(parameters) {
    parameters
        .findAll { name, value -> value != null && !(name in ['help', 'texts_password']) }
        .collectEntries { name, value -> [name, plain(value)] }
}

// Of the pipeline, the engine, and the libraries, which REPORT knows
def versions(run, tasks, outdir) {
    def reported = tasks.any { task -> task.process == 'REPORT' && task.status in ['COMPLETED', 'CACHED'] }
    def page = file("${outdir}/report.json", glob: false)
    def report = reported && page.exists() ? page.text : ''
    def known = report ? new groovy.json.JsonSlurper().parseText(report).versions : [:] // of a dry run it is empty
    known + [
        lateralization: run.manifest.version,
        revision: run.commitId ?: '',
        nextflow: run.nextflow.version.toString(),
        java: System.getProperty('java.version'),
    ]
}

// image_digest('podman', 'localhost/lateralization:0.1.0-light') -> 'sha256:…'; null where nobody here can say
def image_digest(engine, name) {
    if (name.contains('@sha256:')) {
        return name.replaceFirst(/.*@/, '')
    }
    def asked = engine in ['docker', 'podman']
        ? [engine, 'image', 'inspect', '--format', '{{.Id}}', name]
        : ['sha256sum', name.replaceFirst('^file://', '')]
    try {
        def answer = asked.execute().text.tokenize().find { word -> word ==~ /(sha256:)?[0-9a-f]{64}/ }
        return answer ? 'sha256:' + answer.replaceFirst('sha256:', '') : null
    }
    catch (IOException _error) {
        return null
    }
}
