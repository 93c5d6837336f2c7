"""Real runs of the pipeline, on a copy of the project that a test may edit."""

import csv
import os
import re
import shutil
import subprocess
import sys
from dataclasses import dataclass, field
from pathlib import Path

import pytest

PROJECT = Path(__file__).resolve().parents[2]
NEXTFLOW = PROJECT / ".venv" / "bin" / "nextflow"
BESIDES = {
    *(".git", ".venv", ".demo", ".cache", ".engine", "work", "results", "cache", "__pycache__")
}

HOSTILE = 'a wörld\'s "$(touch pwned)" <b>&; [x]'
"""The folder of the small world: what shells, globs and browsers take for their own."""


@dataclass
class Run:
    """One run of Nextflow: how it ended and what it did."""

    exit_status: int
    stdout: str
    stderr: str
    tasks: list[dict[str, str]] = field(default_factory=list)
    prefix: tuple[str, ...] = ()

    @property
    def last_line(self) -> str:
        """The last line on stderr: the one a user reads."""
        lines = [line for line in self.stderr.splitlines() if line.strip()]
        return lines[-1] if lines else ""

    def processes(self, status: str = "COMPLETED") -> set[str]:
        """Names of the processes with a task in this state."""
        return {task["process"] for task in self.tasks if task["status"] == status}


@dataclass
class Copy:
    """A copy of the project in a folder of its own, in which runs are launched."""

    folder: Path

    def command(self, *arguments: str) -> list[str]:
        """Return the command line of a run with these arguments."""
        return [str(NEXTFLOW), "run", "main.nf", *arguments]

    def environment(self) -> dict[str, str]:
        """Return the environment of a run: no colours, no state outside the copy."""
        return os.environ | {"NXF_ANSI_LOG": "false", "OMP_NUM_THREADS": "1"}

    def run(self, *arguments: str, prefix: tuple[str, ...] = ()) -> Run:
        """Run the pipeline and read its trace."""
        trace = self.folder / ".nextflow" / "pipeline_info" / "trace.tsv"
        trace.unlink(missing_ok=True)
        done = subprocess.run(
            [*prefix, *self.command(*arguments)],
            cwd=self.folder,
            env=self.environment(),
            capture_output=True,
            text=True,
            timeout=1500,
            check=False,
        )
        tasks = tasks_of(trace) if trace.exists() else []
        return Run(done.returncode, done.stdout, done.stderr, tasks, prefix)


def on_processors(copy: Copy) -> None:
    """Let the copy's tasks compute on processors where a GPU that they ask for does not exist.

    For tests of how many GPUs, and processes, a task gets: a real task would end with an error.
    """
    asked = {
        "activations": ("--gpus ${task.accelerator ? task.accelerator.request : 0}", "--gpus 0"),
        "encode": ("--device ${task.accelerator ? 'cuda' : 'cpu'}", "--device cpu"),
    }
    for name, (old, new) in asked.items():
        path = copy.folder / "modules" / f"{name}.nf"
        text = path.read_text()
        assert text.count(old) == 1
        path.write_text(text.replace(old, new))


def rows_of(table: Path) -> list[dict[str, str]]:
    """Read a table, every cell as it stands."""
    return list(csv.DictReader(table.open(), delimiter="\t"))


def tasks_of(trace: Path) -> list[dict[str, str]]:
    """Read a trace, ``process`` without the workflow that it is part of (``SCORES:ENCODE``)."""
    return [row | {"process": row["process"].split(":")[-1]} for row in rows_of(trace)]


def processes_of_the_project() -> dict[str, str]:
    """Return the processes of ``modules/`` and the text of each one's file."""
    texts = [path.read_text() for path in sorted((PROJECT / "modules").glob("*.nf"))]
    return {name: text for text in texts for name in re.findall(r"(?m)^process (\w+) \{", text)}


def copy_project(target: Path) -> Copy:
    """Copy what a clone holds (and what is new in the working tree) to ``target``."""

    def skipped(folder: str, names: list[str]) -> set[str]:
        return {name for name in names if name in BESIDES or name.startswith(".nextflow")}

    shutil.copytree(PROJECT, target, ignore=skipped, dirs_exist_ok=True)
    return Copy(target)


@pytest.fixture(scope="session", autouse=True)
def _engine() -> None:
    """Need the engine: its absence fails where engines are compulsory and skips elsewhere."""
    if not NEXTFLOW.exists():
        reason = "no .venv/bin/nextflow: run `make setup`"
        if os.environ.get("REQUIRE_ENGINES") == "1":
            pytest.fail(reason)
        pytest.skip(reason)


def without_network() -> tuple[str, ...]:
    """Return the command that runs another in a network namespace without a route."""
    allowed = shutil.which("unshare") is not None
    if not allowed or subprocess.run(["unshare", "-n", "true"], check=False).returncode:
        if os.environ.get("REQUIRE_ENGINES") == "1":
            pytest.fail("network namespaces are not allowed here")
        pytest.skip("network namespaces are not allowed here")
    # Nextflow itself wants a loopback interface.
    return ("unshare", "-n", "bash", "-c", 'ip link set lo up 2>/dev/null; exec "$@"', "-")


def isolation() -> tuple[str, ...]:
    """Return ``without_network()`` where namespaces are allowed, else nothing."""
    try:
        return without_network()
    except pytest.skip.Exception:
        return ()


@pytest.fixture(scope="session")
def small_world(tmp_path_factory: pytest.TempPathFactory) -> Path:
    """Simulate a small data set with other subjects, scan counts and grid than the demo's."""
    folder = tmp_path_factory.mktemp("world") / HOSTILE
    subprocess.run(
        [
            sys.executable,
            str(PROJECT / "bin" / "simulate.py"),
            str(folder),
            *("--world", "demo", "--seed", "7", "--subjects", "3", "--first-subject", "EN901"),
            *("--voxel-mm", "8", "--scans", "40", "--models", "2"),
        ],
        check=True,
        capture_output=True,
    )
    return folder


def arguments(world: Path, *more: str) -> list[str]:
    """Return the command line of a run on a local data set."""
    models = ",".join(str(path) for path in sorted((world / "models").iterdir()))
    given = {
        "--corrections": "none",
        "--dataset": str(world / "data"),
        "--texts": str(world / "texts"),
        "--models": models,
        "--baselines": "random_vector",
        "--random_dims": "300",
        "--random_seeds": "1",
        "--isc_trials": "1",
        "--subjects": "average,EN901",
    }
    given |= dict(zip(more[::2], more[1::2], strict=True))
    return [part for pair in given.items() for part in pair]


@pytest.fixture(scope="session")
def finished(tmp_path_factory: pytest.TempPathFactory, small_world: Path) -> tuple[Copy, Path, Run]:
    """A whole run on the small world, without a network: the project, the world, how it went.

    The data set is a local folder, so nothing has to be fetched.
    """
    copy = copy_project(tmp_path_factory.mktemp("copy") / "project")
    run = copy.run(*arguments(small_world), prefix=isolation())
    assert run.exit_status == 0, run.stdout + run.stderr
    return copy, small_world, run
