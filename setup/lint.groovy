// Parse every .nf and .config file below the given paths with the engine's strict parser and print
// what it finds as file:line:col. (`nextflow lint` of this release stops with a null pointer at
// the first finding.) Leaves with 1 when there is an error or, with --strict, a warning.
import groovy.io.FileType
import java.util.regex.Pattern
import nextflow.config.control.ConfigParser
import nextflow.script.control.ScriptParser
import org.codehaus.groovy.control.SourceUnit
import org.codehaus.groovy.control.messages.SyntaxErrorMessage

// Folders that hold no source of ours: hidden ones, and what runs leave.
Pattern skipped = ~/\..*|work|results|cache/

List<File> sourcesBelow(File path, Pattern skipped) {
    if (path.isFile()) {
        return [path]
    }
    List<File> found = []
    path.eachFile(FileType.FILES) { file -> if (file.name ==~ /.*\.(nf|config)/) found << file }
    path.eachDir { folder -> if (!(folder.name ==~ skipped)) found.addAll(sourcesBelow(folder, skipped)) }
    return found.sort()
}

String relative(File found) {
    def here = new File('.').canonicalFile.toPath()
    def file = found.canonicalFile.toPath()
    return file.startsWith(here) ? here.relativize(file).toString() : file.toString()
}

List<String> errorsOf(SourceUnit source) {
    return (source.errorCollector.errors ?: []).collect { message ->
        if (message instanceof SyntaxErrorMessage) {
            def cause = message.cause
            return "${relative(new File(source.name))}:${cause.startLine}:${cause.startColumn}: error: ${cause.originalMessage}".toString()
        }
        def text = message.metaClass.hasProperty(message, 'cause') ? message.cause.message : message
        return "${relative(new File(source.name))}:1:1: error: ${text}".toString()
    }
}

List<String> warningsOf(SourceUnit source) {
    return (source.errorCollector.warnings ?: []).collect { warning ->
        def token = warning.context
        return "${relative(new File(source.name))}:${token?.startLine ?: 1}:${token?.startColumn ?: 1}: warning: ${warning.message}".toString()
    }
}

// What this release parses and later ones do not: since 26.04 `Name ?` is a type that may be null.
List<String> laterErrorsOf(File file) {
    return file.readLines().withIndex().findAll { line, at -> line =~ /instanceof\s+[\w.]+\s*\?/ }.collect { line, at ->
        "${relative(file)}:${at + 1}:1: error: brackets are missing around instanceof before a question mark".toString()
    }
}

boolean strict = args.contains('--strict')
List<File> paths = args.findAll { it != '--strict' }.collect { new File(it) } ?: [new File('.')]
List<File> missing = paths.findAll { !it.exists() }
if (missing) {
    System.err.println "lint: no such file: ${missing.join(', ')}"
    System.exit(2)
}
List<File> files = paths.collectMany { sourcesBelow(it.canonicalFile, skipped) }.unique()

def scripts = new ScriptParser()
def configs = new ConfigParser()
files.each { file -> file.name.endsWith('.nf') ? scripts.parse(file) : configs.parse(file) }
scripts.analyze()
configs.analyze()

List<SourceUnit> sources = [scripts, configs].collectMany { it.compiler().sources.values() }
List<String> errors = (sources.collectMany { errorsOf(it) } + files.collectMany { laterErrorsOf(it) }).sort()
List<String> warnings = sources.collectMany { warningsOf(it) }.sort()
(errors + warnings).each { println it }
println "${files.size()} pipeline files: ${errors.size()} errors, ${warnings.size()} warnings"
System.exit(errors || (strict && warnings) ? 1 : 0)
