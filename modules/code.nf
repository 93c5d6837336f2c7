// Digest of exactly the Python that a command runs.
//
// Nextflow hashes only the top-level executables of bin/ that a script names: an edit to a module
// that they import would come back cached, with the old number. So every process takes this digest
// as an input. It covers the command and every module of the package that its imports reach
// (tests/pipeline/test_code_digest.py compares the list with Python's own parser).

// stamp('encode') -> '9b1d…': md5 over names and contents, in sorted order.
def stamp(command) {
    reachable("${command}.py")
        .collect { name -> name + '\n' + file("${projectDir}/bin/${name}", checkIfExists: true).text }
        .join('\n')
        .md5()
}

// reachable('encode.py') -> ['encode.py', 'lateralization/__init__.py', 'lateralization/fmri/__init__.py', …]
def reachable(script) {
    follow([], script).sort()
}

def follow(known, script) {
    if (script in known) {
        return known
    }
    imports(script).inject(known + [script]) { found, next -> follow(found, next) }
}

// Files of the package that one file imports, as paths below bin/. `from lateralization.words import windows` runs
// lateralization/__init__.py, lateralization/words/__init__.py and lateralization/words/windows.py.
def imports(script) {
    def text = file("${projectDir}/bin/${script}", checkIfExists: true).text
    def whole = (text =~ /(?m)^\s*import\s+(lateralization[\w.]*)/).collect { found -> found[1] }
    def listed = (text =~ /(?m)^\s*from\s+(lateralization[\w.]*)\s+import\s+(\([^)]*\)|[^\n]*)/).collect { found ->
        found[2].replaceAll(/#.*|\s+as\s+\w+/, '').findAll(/\w+/).collect { name -> "${found[1]}.${name}".toString() }
    }
    (whole + listed.flatten())
        .collectMany { name -> name.tokenize('.').inits().findAll { parts -> parts }*.join('/') }
        .collectMany { path -> ["${path}.py".toString(), "${path}/__init__.py".toString()] }
        .unique()
        .findAll { path -> file("${projectDir}/bin/${path}").exists() }
}
