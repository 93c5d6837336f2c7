"""In a part of a machine no task asks for more than the part: real control groups."""

import os
import subprocess
from collections.abc import Iterator
from pathlib import Path

import pytest

from .conftest import copy_project, tasks_of

pytestmark = pytest.mark.pipeline

PROBE = """process LARGE {
    label 'large'

    script:
    \"\"\"
    true
    \"\"\"
}

workflow {
    LARGE()
}
"""


@pytest.fixture
def group() -> Iterator[Path]:
    """A group of 3 GiB, and one below it without a limit of its own, where processes are put."""
    top = Path("/sys/fs/cgroup/memory/lateralization-tests")
    try:
        (top / "inner").mkdir(parents=True)
    except OSError as error:
        pytest.skip(f"control groups of version 1 cannot be made here: {error}")
    (top / "memory.limit_in_bytes").write_text(str(3 * 2**30))
    yield top / "inner"
    (top / "inner").rmdir()
    top.rmdir()


@pytest.mark.parametrize("given", [(), ("-profile", "test")], ids=["alone", "profile"])
def test_no_task_asks_for_more_memory_than_the_group_around_the_run(
    given: tuple[str, ...], group: Path, tmp_path: Path
) -> None:
    copy = copy_project(tmp_path / "project")
    (copy.folder / "main.nf").write_text(PROBE)
    done = subprocess.run(
        ["bash", "-c", 'echo $$ >"$0/cgroup.procs"; exec "$@"', str(group), *copy.command(*given)],
        cwd=copy.folder, env=copy.environment() | dict(os.environ),
        capture_output=True, text=True, timeout=900, check=False,
    )  # fmt: skip
    assert done.returncode == 0, done.stdout + done.stderr
    (trace,) = (copy.folder / ".nextflow" / "pipeline_info").glob("*/trace.tsv")
    assert [task["memory"] for task in tasks_of(trace)] == [str(3 * 2**30)]
