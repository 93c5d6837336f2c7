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

// reachable('encode.py') -> ['encode.py', 'lateralization/__init__.py', 'lateralization/hrf.py', …]
def reachable(script) {
    follow(['lateralization/__init__.py'], script).sort()
}

def follow(known, script) {
    if (script in known) {
        return known
    }
    imports(script).inject(known + [script]) { found, next -> follow(found, next) }
}

// Modules of the package that one file imports, as paths below bin/. A name imported from the
// package itself counts when a module of that name exists.
def imports(script) {
    def text = file("${projectDir}/bin/${script}", checkIfExists: true).text
    def dotted = (text =~ /(?m)^\s*(?:from|import)\s+lateralization\.(\w+)/).collect { found -> found[1] }
    def listed = (text =~ /(?m)^\s*from\s+lateralization\s+import\s+(\([^)]*\)|[^\n]*)/)
        .collect { found -> found[1].findAll(/\w+/) }
        .flatten()
    (dotted + listed)
        .unique()
        .collect { name -> "lateralization/${name}.py".toString() }
        .findAll { path -> file("${projectDir}/bin/${path}").exists() }
}
