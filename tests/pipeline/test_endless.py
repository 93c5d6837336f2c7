"""A run that would wait for ever ends with a line: the engine's lost count, provoked on purpose."""

import time
from pathlib import Path

import pytest

from .conftest import copy_project

pytestmark = pytest.mark.pipeline

SMALL = """include { watch } from './modules/watch'
include { when_done } from './modules/ending'

process SMALL {
    label 'small'

    input:
    val number

    script:
    \"\"\"
    true
    \"\"\"
}

workflow {
    main:
    watch(workflow)
    when_done(workflow, params)
    SMALL(channel.of(1..5))
}
"""
SLOW = """executor.cpus = 1
executor.pollInterval = '20 ms'
process.resourceLimits = {
    [:].withDefault(false, false) { key ->
        // while a task's share is looked up to be taken, the task ends and gives it back
        if (key == 'cpus' && Thread.currentThread().name == 'Task submitter') { Thread.sleep(2000) }
        key == 'memory' ? '100 MB' : null
    }
}
"""


def test_lost_cores_end_the_run_with_a_line(tmp_path: Path) -> None:
    copy = copy_project(tmp_path / "project")
    (copy.folder / "main.nf").write_text(SMALL)
    (copy.folder / "slow.config").write_text(SLOW)
    start = time.time()
    run = copy.run("-c", "slow.config")
    assert run.exit_status != 0
    assert run.last_line.startswith("Nextflow lost count of this computer's cores again and again")
    assert "-resume" in run.last_line
    log = (copy.folder / ".nextflow.log").stat().st_mtime
    ended = [(Path(task["workdir"]) / ".exitcode").stat().st_mtime for task in run.tasks]
    assert start < max(ended) < log < max(ended) + 60
    # without the fault the same command goes on from there
    assert "while nothing runs): set right" in run.stdout  # twice before it gave up
    again = copy.run("-resume")
    assert again.exit_status == 0, again.stdout + again.stderr
    assert len(again.tasks) == 5
    assert [task for task in again.tasks if task["status"] == "CACHED"]
