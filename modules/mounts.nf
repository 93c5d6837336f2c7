// What a container has to see besides the files of its task, as FROM:TO[:ro] (in conf/profiles.config the engines'
// options take it from ext.mounts).

// FETCH and MODEL write to the cache, RELEASE removes from it.
def cache_mounts(cache_dir) {
    def cache = new File(cache_dir)
    cache.mkdirs()
    mounts([cache], '')
}

// VALIDATE looks at whatever the parameters name: folders, what lies beside a file, where links end,
// what a sheet names.
def named_mounts(names) {
    def named = names
        .collect { name -> java.nio.file.Path.of("${launchDir}").resolve(from_home(name)).normalize() }
    def places = (named + named.collectMany { path -> named_in_sheet(path) })
        .collect { path -> without_pattern(path) }
        .findAll { place -> place.exists() }
        .collectMany { place -> place.isFile() ? [place] + sidecars(place) : [place] }
    mounts(places, ':ro')
}

// mounts([/data/study], ':ro') -> ["'/data/study:/data/study:ro'"]. Engines mount project, launch and work
// directory themselves, and nothing twice: of a folder around one of these it is what else is in it.
def mounts(places, mode) {
    def own = [projectDir, launchDir, workDir].collect { folder -> java.nio.file.Path.of("${folder}") }
    places
        .collectMany { place ->
            def is_around = own.any { path -> path.startsWith(place.toPath()) } && place.parent
            is_around ? place.listFiles().toList() : [place] + ends_of_links(place)
        }
        .findAll { place -> !own.any { path -> path.startsWith(place.toPath()) } }
        .unique()
        .collect { place -> "'" + "${place}:${place}${mode}".replace("'", "'\\''") + "'" }
}

// from_home('~/data') -> '/home/me/data'
def from_home(name) {
    name.toString().trim().replaceFirst('^~(?=/|$)', System.getProperty('user.home'))
}

// Paths that the cells of a CSV sheet name, from the launch directory or from the sheet's own
def named_in_sheet(path) {
    if (!path.toString().endsWith('.csv') || !path.toFile().isFile()) {
        return []
    }
    def cells = path.toFile().text.split('[,\r\n"]').findAll { cell -> cell.contains('/') }
    def folders = [java.nio.file.Path.of("${launchDir}"), path.parent]
    cells.collectMany { cell -> folders.collect { folder -> folder.resolve(cell.trim()).normalize() } }
}

// A model's folder may be named with wildcards, or with the seed of untrained weights
def without_pattern(path) {
    new File(path.toString().replaceFirst('/[^/]*[*?\\[].*', '').replaceFirst('_untrained_seed[0-9]+$', ''))
}

// Labels beside an atlas, a manifest beside a description
def sidecars(place) {
    place.parentFile.listFiles().findAll { beside -> beside.isFile() && beside.name ==~ /.*\.(csv|json|tsv)/ }
}

// Folders of the files that the links in a folder lead to
def ends_of_links(place) {
    (place.listFiles() ?: [])
        .findAll { inside -> java.nio.file.Files.isSymbolicLink(inside.toPath()) && inside.exists() }
        .collect { inside -> inside.canonicalFile.parentFile }
}
