// No run waits for ever for cores that are free.
//
// The engine's local executor counts free cores and memory in two threads without a lock (in releases without
// nextflow-io/nextflow pull request 7652): where a task ends while another is submitted, one of the two changes
// may be lost, and a task that needs all of what is there never starts. The sign is exact: while nothing runs, all
// is free; where the count says otherwise and tasks wait, it was lost. Nothing changes it then, so it is safe to set
// it right. Where that helps for a few tasks only, as where a site's settings take long to evaluate, the run ends.

// Look once a second, in a thread that keeps no run alive. The state has to last for several looks: a task may be
// between two of the engine's steps. A computer that sleeps looks at nothing.
def watch(run) {
    if (!counts_without_lock()) {
        return
    }
    if (!System.getProperty('lateralization.pinned')) { // whoever has no engine of their own can do nothing about it
        log.warn(
            "Nextflow ${run.nextflow.version} may lose count of this computer's cores (a release with its pull request 7652 does not): " +
                'the count is watched and set right'
        )
    }
    def session = nextflow.Global.session
    def looks = []
    def mended = [] // [when, how many tasks were done by then]
    def clock = java.util.concurrent.Executors.newSingleThreadScheduledExecutor { work ->
        def thread = new Thread(work)
        thread.daemon = true
        thread
    }
    clock.scheduleWithFixedDelay(
        {
            try {
                lost_count(session) ? looks.add(true) : looks.clear()
                if (looks.size() == 4) {
                    looks.clear()
                    mended.add([System.currentTimeMillis(), session.statsObserver?.stats?.succeededCount ?: 0])
                    again_and_again(mended) ? give_up(session) : set_right(session)
                }
            }
            catch (Exception error) { // of a release whose fields have other names
                session.abort(new IllegalStateException("Nextflow lost count of this computer's cores, and it cannot be set right (${error}): -resume goes on from here"))
            }
        },
        1,
        1,
        java.util.concurrent.TimeUnit.SECONDS,
    )
}

// Whether the last three times lie within ten minutes and twenty tasks: in a long run single losses are far apart.
def again_and_again(mended) {
    mended.size() > 2 && mended[-1][0] - mended[-3][0] < 600_000 && mended[-1][1] - mended[-3][1] < 20
}

def counts_without_lock() {
    try {
        return Class.forName('nextflow.processor.LocalPollingMonitor').getDeclaredField('availCpus').type.primitive
    }
    catch (ReflectiveOperationException _error) {
        return false
    }
}

def lost_count(session) {
    try {
        def local = local_monitor(session)
        return local && local.pendingQueue && !session.isCancelled() &&
            !local.runningQueue && (local.availCpus != local.maxCpus || local.availMemory != local.maxMemory)
    }
    catch (Exception _error) {
        return false // a release with other names, or one that is ending
    }
}

def set_right(session) {
    def local = local_monitor(session)
    log.warn("Nextflow lost count of this computer's cores (${local.availCpus} of ${local.maxCpus} free by its count while nothing runs): set right")
    [availCpus: local.maxCpus, availMemory: local.maxMemory].each { name, all ->
        def field = local.class.getDeclaredField(name)
        field.accessible = true
        field.set(local, all)
    }
}

def give_up(session) {
    def local = local_monitor(session)
    session.abort(
        new IllegalStateException(
            "Nextflow lost count of this computer's cores again and again, so that ${local.pendingQueue.size()} waiting tasks would never start: " +
                'give the same command with -resume, which goes on from here'
        )
    )
}

def local_monitor(session) {
    session.executorFactory.executors.values().collect { executor -> executor.monitor }.find { monitor ->
        monitor?.class?.simpleName == 'LocalPollingMonitor'
    }
}
