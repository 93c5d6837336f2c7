"""Does a wrong program fail its tests? A sample of small faults, each against its module's tests.

``make mutants`` draws (seeded, the same faults as long as the code stays) from all faults of the
encoder, the windows and the statistics, and puts each into a process of its own that has the
libraries in memory already. What no test notices is a survivor: a test is missing, or the fault
changes nothing that anybody can see, which ``mutants.tsv`` then says in a sentence.
"""

import argparse
import ast
import contextlib
import csv
import importlib.abc
import importlib.util
import multiprocessing
import os
import signal
import sys
import tempfile
import time
from collections.abc import Iterator
from multiprocessing.connection import wait
from pathlib import Path
from typing import Any, NamedTuple

from helpers.faults import Fault, draw, faults_of

ROOT = Path(__file__).resolve().parent.parent
EXPLAINED = ROOT / "tests/mutants.tsv"
"""Survivors that need no test, and why: module, function, statement, was, becomes, reason."""

MODULES = {
    # The encoder: from words to brain scores.
    "ridge.banded": "banded unique",
    "ridge.choices": "choices ridge encode_fixtures",
    "ridge.components": "choices",
    "ridge.correlation": "ridge banded reliability",
    "encoding.encode": "encode_fixtures encode_bad_input choices unique folds_of_stories",
    "ridge.folds": "ridge choices folds_of_stories",
    "fmri.hrf": "hrf checks choices",
    "ridge.joint": "banded unique",
    "ridge.per_voxel": "choices",
    "ridge.race": "race ridge",
    "encoding.regressors": "choices encode_fixtures encode_bad_input folds_of_stories clock",
    "fmri.reliability": "reliability parity_at_size published hearers",
    "ridge.ridge": "ridge choices",
    "encoding.gather": "gather unique folds_of_stories",
    "ridge.search": "ridge race choices banded",
    "fmri.signals": "signals average ceilings",
    "ridge.systems": "ridge choices banded",
    "ridge.voxels": "ridge banded",
    # The windows: from a text to word vectors.
    "language_models.batches": "extraction context devices word_vectors",
    "language_models.context": "context",
    "words.words": "words_fixtures extraction context",
    "words.reference_rule": "reference_rule words_fixtures",
    "language_models.surprisal": "context",
    "words.windows": "windows word_vectors",
    "language_models.word_vectors": "word_vectors context",
    # The statistics: from scores to statements.
    "statistics.asymmetry": "asymmetry companions specifications ceilings",
    "statistics.ceilings": "ceilings",
    "statistics.change_points": "change_points",
    "statistics.crossed": "crossed",
    "statistics.densities": "companions",
    "statistics.intervals": "asymmetry companions",
    "statistics.lines": "regressions specifications",
    "statistics.permutation": "companions people",
    "statistics.regressions": "regressions score_controls control_tables",
    "statistics.score_controls": "score_controls",
    "statistics.sensitivity": "companions",
    "statistics.specifications": "specifications",
    "tables.claims": "claims unequal_stories",
    "tables.control_tables": "controls control_tables specifications",
    "tables.fits": "lateralize unique unequal_stories",
    "tables.people": "companions people lateralize",
    "tables.summaries": "regressions lateralize unique",
    "tables.unique": "unique",
}
"""Module of the package → the test files that say what it does, by name in any folder."""

LIBRARIES = (
    "torch",
    "transformers",
    "sklearn.linear_model",
    "sklearn.decomposition",
    "scipy.stats",
    "statsmodels.api",
    "nilearn.glm",
    "nilearn.signal",
    "himalaya.ridge",
    "pandas",
    "safetensors.torch",
    "hypothesis",
)
"""What tests import and no fault is in: loaded once, before the processes part."""

TREES: dict[str, ast.Module] = {}
"""What was read of the modules; a trial's process spoils its own copy."""


def _tests(name: str) -> str:
    """Return the file of tests of this name."""
    (path,) = (ROOT / "tests").rglob(f"test_{name}.py")
    return str(path.relative_to(ROOT))


def _path(module: str) -> Path:
    """Return the file of a module."""
    return (ROOT / "bin/lateralization" / module.replace(".", "/")).with_suffix(".py")


def faults(module: str) -> Iterator[Fault]:
    """Yield all faults of a module of the package."""
    TREES[module] = ast.parse(_path(module).read_text())
    return faults_of(module, TREES[module])


class Spoiled(importlib.abc.MetaPathFinder, importlib.abc.Loader):
    """Serves the module with the fault wherever it is imported."""

    def __init__(self, module: str) -> None:
        self.name, self.module = f"lateralization.{module}", module

    def find_spec(self, name: str, path: Any = None, target: Any = None) -> Any:
        """Answer for the one module."""
        if name != self.name:
            return None
        return importlib.util.spec_from_loader(name, self, origin=str(_path(self.module)))

    def exec_module(self, module: Any) -> None:
        """Run the tree as it is now."""
        tree = ast.fix_missing_locations(TREES[self.module])
        module.__file__ = str(_path(self.module))
        exec(compile(tree, module.__file__, "exec"), module.__dict__)


def run_tests(files: list[str], fault: Fault | None, folder: str) -> None:
    """Run tests up to the first failure, and leave with pytest's status (in a forked process)."""
    os.setpgid(0, 0)
    nothing = os.open(os.devnull, os.O_WRONLY)
    for stream in (1, 2):
        os.dup2(nothing, stream)
    import hypothesis
    import pytest

    hypothesis.settings.register_profile("mutants", database=None, derandomize=True)
    hypothesis.settings.load_profile("mutants")
    if fault:
        fault.commit()
        sys.meta_path.insert(0, Spoiled(fault.module))
    options = ["-x", "-q", "-p", "no:cacheprovider", "-p", "no:xdist", f"--basetemp={folder}/tmp"]
    for which in ("not slow", "slow"):
        status = pytest.main([*options, "-m", which, *files])
        if status not in (pytest.ExitCode.OK, pytest.ExitCode.NO_TESTS_COLLECTED):
            os._exit(1)
    os._exit(0)


class Trial(NamedTuple):
    """Tests to run in a process, with a fault or none."""

    files: list[str]
    fault: Fault | None
    limit: float


def trials(todo: list[Trial], jobs: int) -> Iterator[tuple[Trial, str, float]]:
    """Run trials side by side; yield each with passed, failed or "too long", and its seconds."""
    fork = multiprocessing.get_context("fork")
    waiting = list(reversed(todo))
    running: dict[int, Any] = {}
    while waiting or running:
        while waiting and len(running) < jobs:
            trial = waiting.pop()
            folder = tempfile.TemporaryDirectory(prefix="mutant")
            process = fork.Process(target=run_tests, args=(trial.files, trial.fault, folder.name))
            process.start()
            running[process.sentinel] = (process, trial, folder, time.monotonic())
        wait(list(running), timeout=1)
        for key, (process, trial, folder, start) in list(running.items()):
            seconds = time.monotonic() - start
            if process.is_alive() and seconds < trial.limit:
                continue
            outcome = "too long" if process.is_alive() else "failed"
            with contextlib.suppress(ProcessLookupError):  # and what it started
                os.killpg(process.pid, signal.SIGKILL)
            process.join()
            del running[key]
            with contextlib.suppress(OSError):
                folder.cleanup()
            yield trial, "passed" if process.exitcode == 0 else outcome, seconds


def measure(names: set[str], jobs: int) -> dict[str, float]:
    """Return the seconds that each file of tests takes when nothing is wrong."""
    todo = [Trial([_tests(name)], None, 600) for name in sorted(names)]
    seconds = {}
    for trial, outcome, took in trials(todo, jobs):
        if outcome != "passed":
            raise SystemExit(f"{trial.files[0]} does not pass as it is: mend it first")
        seconds[trial.files[0]] = took
    return seconds


def check(chosen: list[Fault], jobs: int) -> list[Fault]:
    """Try every fault; return the survivors."""
    names = {name for fault in chosen for name in MODULES[fault.module].split()}
    seconds = measure(names, jobs)
    print(f"{len(names)} files of tests pass in {sum(seconds.values()):.0f} s", flush=True)
    todo = []
    for fault in chosen:
        files = [_tests(name) for name in MODULES[fault.module].split()]
        files.sort(key=seconds.__getitem__)
        todo.append(Trial(files, fault, 20 + 4 * sum(seconds[file] for file in files)))
    survivors = []
    for done, (trial, outcome, took) in enumerate(trials(todo, jobs), start=1):
        fault = trial.fault
        assert fault is not None
        if outcome == "passed":
            survivors.append(fault)
        said = {"passed": "SURVIVED", "failed": "killed", "too long": "killed by its time"}[outcome]
        print(
            f"{done}/{len(todo)} {said} in {took:.0f} s: "
            f"{_path(fault.module).relative_to(ROOT)}:{fault.line} "
            f"in {fault.function}: {fault.was} → {fault.becomes}",
            flush=True,
        )
    return survivors


def explained() -> dict[tuple[str, ...], str]:
    """Read why known survivors need no test."""
    with EXPLAINED.open(newline="", encoding="utf-8") as file:
        rows = csv.reader(file, delimiter="\t", quoting=csv.QUOTE_NONE)
        return {tuple(row[:5]): row[5] for row in list(rows)[1:]}


def main() -> int:
    """Try the sample; 1 when a fault survives that nobody has explained."""
    parser = argparse.ArgumentParser(description=__doc__.splitlines()[0])
    parser.add_argument("--sample", type=int, default=200, metavar="N")
    parser.add_argument("--seed", type=int, default=1)
    parser.add_argument("--jobs", type=int, default=2)
    parser.add_argument("modules", nargs="*", help="all of them when none is named")
    asked = parser.parse_args()
    os.chdir(ROOT)
    started = time.monotonic()
    for library in LIBRARIES:
        importlib.import_module(library)
    found = [fault for module in asked.modules or MODULES for fault in faults(module)]
    chosen = draw(found, asked.sample, asked.seed)
    survivors = check(chosen, asked.jobs)
    known = explained()
    new = [fault for fault in survivors if fault.key not in known]
    for fault in new:
        print("\t".join((*fault.key, f"line {fault.line}")))
    minutes = (time.monotonic() - started) / 60
    print(
        f"{len(chosen)} faults in {minutes:.1f} min: {len(chosen) - len(survivors)} killed, "
        f"{len(survivors) - len(new)} survived and are explained in {EXPLAINED.name}, "
        f"{len(new)} survived (above)"
    )
    return 1 if new else 0


if __name__ == "__main__":
    raise SystemExit(main())
