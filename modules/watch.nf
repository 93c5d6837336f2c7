// A run that can go no further ends with a line instead of waiting for ever.
//
// The engine's local executor counts free cores and memory in two threads without a lock (in releases without
// nextflow-io/nextflow pull request 7652): where a task ends while another is submitted, one of the two changes
// may be lost, and a task that needs all of what is there never starts. The sign is exact: while nothing runs, all
// is free; where the count says otherwise and tasks wait, it was lost.

// Look once a second, in a thread that keeps no run alive. The state has to last for 20 looks: a task may be between
// two of the engine's steps; a computer that sleeps looks at nothing.
def watch(run) {
    if (!counts_without_lock()) {
        return
    }
    if (!System.getProperty('lateralization.pinned')) { // whoever has no engine of their own can do nothing about it
        log.warn(
            "Nextflow ${run.nextflow.version} may lose count of this computer's cores and then starts no more tasks (a release with its pull " +
                'request 7652 does not): where that happens this run ends with a line, and -resume goes on'
        )
    }
    def session = nextflow.Global.session
    def looks = new java.util.concurrent.atomic.AtomicInteger()
    def clock = java.util.concurrent.Executors.newSingleThreadScheduledExecutor { work ->
        def thread = new Thread(work)
        thread.daemon = true
        thread
    }
    clock.scheduleWithFixedDelay(
        {
            if (!lost_count(session)) {
                looks.set(0)
            }
            else if (looks.incrementAndGet() == 20) {
                session.abort(new IllegalStateException(what_was_lost(session)))
            }
        },
        1,
        1,
        java.util.concurrent.TimeUnit.SECONDS,
    )
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
        def monitors = session.executorFactory.executors.values().collect { executor -> executor.monitor }
        def local = local_monitor(session)
        return local && local.pendingQueue && !session.isCancelled() &&
            (local.availCpus != local.maxCpus || local.availMemory != local.maxMemory) &&
            !monitors.any { monitor -> monitor?.runningQueue }
    }
    catch (Exception _error) {
        return false // a release with other names, or one that is ending
    }
}

def what_was_lost(session) {
    def local = local_monitor(session)
    "Nextflow lost count of this computer's cores (${local.availCpus} of ${local.maxCpus} are free by its count while nothing runs), so that " +
        "${local.pendingQueue.size()} waiting tasks would never start: give the same command with -resume, which goes on from here"
}

def local_monitor(session) {
    session.executorFactory.executors.values().collect { executor -> executor.monitor }.find { monitor ->
        monitor?.class?.simpleName == 'LocalPollingMonitor'
    }
}
