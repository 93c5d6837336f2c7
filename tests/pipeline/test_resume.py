"""Resume is right: what did not change is not run again, and what changed is."""

import json
import os
import re
import shutil
import signal
import subprocess
import time
from pathlib import Path
from typing import Any

import pytest

from lateralization.files import digest_of

from .conftest import NEXTFLOW, PROJECT, Copy, Run, arguments, copy_project, rows_of

pytestmark = pytest.mark.pipeline

AFTER_ENCODE = {"ENCODE", "GATHER", "LATERALIZE", "FIGURES", "REPORT"}


def _add_a_comment(path: Path) -> None:
    path.write_text(path.read_text() + "\n# an edit\n")


def _published_in(folder: Path) -> tuple[str, str]:
    """Keep a run of changed input from overwriting what the finished run published."""
    return ("--outdir", str(folder / "out"))


def test_a_second_run_runs_nothing(finished: tuple[Copy, Path, Run]) -> None:
    copy, world, first = finished
    copy.run("-resume", *arguments(world))  # whatever other tests ran last, this is the last one
    run = copy.run("-resume", *arguments(world))
    assert run.exit_status == 0, run.stdout
    assert len(run.tasks) == len(first.tasks)
    assert {task["status"] for task in run.tasks} == {"CACHED"}
    for each in (first, run):  # the plan is printed in any case
        assert "plan: fits " in each.stdout


def test_touched_files_run_nothing(finished: tuple[Copy, Path, Run]) -> None:
    copy, world, _first = finished
    for path in [*(copy.folder / "bin").rglob("*.py"), *world.rglob("*")]:
        if path.is_file():
            path.touch()
    run = copy.run("-resume", *arguments(world))
    assert run.exit_status == 0, run.stdout
    assert run.processes("COMPLETED") == set()


def test_an_edit_of_the_solver_runs_what_uses_it_and_what_follows(
    finished: tuple[Copy, Path, Run],
) -> None:
    copy, world, _first = finished
    _add_a_comment(copy.folder / "bin" / "lateralization" / "ridge" / "ridge.py")
    run = copy.run("-resume", *arguments(world))
    assert run.exit_status == 0, run.stdout
    again = run.processes("COMPLETED")
    assert {"ENCODE", "RELIABILITY"} <= again
    assert again <= AFTER_ENCODE | {"RELIABILITY"}


@pytest.mark.parametrize(
    "choices",
    [
        {"alpha": "per_voxel", "hrf": "fir", "components": 20},
        {"joint": "random_vector_300d_seed1"},
    ],
    ids=["components", "joint"],
)
def test_another_encoder_runs_encode_and_what_follows(
    finished: tuple[Copy, Path, Run], tmp_path: Path, choices: dict[str, Any]
) -> None:
    copy, world, _first = finished
    given = [part for name, value in choices.items() for part in (f"--{name}", str(value))]
    more = (*given, "--layers", "0", *_published_in(tmp_path))
    run = copy.run("-resume", *arguments(world, *more))
    assert run.exit_status == 0, run.stdout
    assert run.processes("COMPLETED") == AFTER_ENCODE | {"VALIDATE"}
    scores = tmp_path / "out" / "lang-en" / "scores" / "sub-average"
    settings, joint = {k: v for k, v in choices.items() if k != "joint"}, choices.get("joint")
    for path in scores.glob("*.json"):
        record = json.loads(path.read_text())
        assert record | settings == record
        assert bool(record["joint"]) == (joint not in (None, record["model"]))
    report = (tmp_path / "out" / "report.html").read_text()
    assert ("delays of 2, 4, 6, 8 and 10 s" in report) == ("hrf" in choices)
    unique = rows_of(tmp_path / "out" / "tables" / "unique.tsv")
    maps = list(scores.glob("*_unique.nii.gz"))
    assert bool(unique) == bool(maps) == bool(joint)
    assert {row["confounds"] for row in unique} == ({joint} if joint else set())
    assert ("Beyond confounds" in report) == bool(joint)
    before = copy.folder / "results" / "lang-en" / "scores" / "sub-average"
    name = next(scores.glob("*_runs.safetensors")).name
    assert (scores / name).read_bytes() != (before / name).read_bytes()


def test_one_changed_digit_of_the_annotation_runs_what_reads_it(
    finished: tuple[Copy, Path, Run], tmp_path: Path
) -> None:
    copy, world, _first = finished
    annotation = world / "data" / "annotation" / "EN" / "lppEN_word_information.csv"
    before = annotation.read_text()
    times = annotation.stat()
    lines = before.splitlines(keepends=True)
    at = lines[0].strip().split(",").index("offset")
    cells = lines[5].split(",")
    cells[at] = cells[at][:-1] + str((int(cells[at][-1]) + 1) % 10)
    lines[5] = ",".join(cells)
    annotation.write_text("".join(lines))
    os.utime(annotation, ns=(times.st_atime_ns, times.st_mtime_ns))
    assert annotation.stat().st_size == times.st_size
    try:
        run = copy.run("-resume", *arguments(world, *_published_in(tmp_path)))
    finally:
        annotation.write_text(before)
    assert run.exit_status == 0, run.stdout
    again = run.processes("COMPLETED")
    assert {"VALIDATE", "FETCH", "WORDS", "BASELINES", "ENCODE", "LATERALIZE"} <= again
    assert again.isdisjoint({"RESAMPLE", "MASK", "CLEAN", "AVERAGE", "RELIABILITY", "MODEL"})


def test_one_more_model_runs_its_own_tasks_and_the_tables(
    finished: tuple[Copy, Path, Run], tmp_path: Path
) -> None:
    copy, world, _first = finished
    first = sorted((world / "models").iterdir())[0]
    added = world / "another" / "added-model"
    shutil.copytree(first, added)
    models = ",".join(str(path) for path in [*sorted((world / "models").iterdir()), added])
    more = ("--models", models, *_published_in(tmp_path))
    run = copy.run("-resume", *arguments(world, *more))
    assert run.exit_status == 0, run.stdout
    again = [task for task in run.tasks if task["status"] == "COMPLETED"]
    own = [task for task in again if "added-model" in task["tag"]]
    others = {task["process"] for task in again if task not in own}
    assert {"MODEL", "WORDS", "ACTIVATIONS", "ENCODE", "GATHER"} == {t["process"] for t in own}
    assert others == {"VALIDATE", "LATERALIZE", "FIGURES", "REPORT"}


def test_one_more_subject_runs_its_own_tasks_and_its_group(
    finished: tuple[Copy, Path, Run], tmp_path: Path
) -> None:
    copy, world, _first = finished
    more = ("--subjects", "average,EN901,EN902", *_published_in(tmp_path))
    run = copy.run("-resume", *arguments(world, *more))
    assert run.exit_status == 0, run.stdout
    again = [task for task in run.tasks if task["status"] == "COMPLETED"]
    assert not [task["tag"] for task in again if "sub-average" in task["tag"]]
    fitted = [task for task in again if task["process"] == "ENCODE"]
    assert len(fitted) == 2  # one for each model: both subjects in one task
    assert all("sub-EN901_" in task["tag"] and "and 1 more" in task["tag"] for task in fitted)
    before = copy.folder / "results" / "lang-en" / "scores" / "sub-EN901"
    after = tmp_path / "out" / "lang-en" / "scores"
    scores = sorted(path.name for path in before.glob("*_runs.safetensors"))
    assert scores == sorted(path.name for path in (after / "sub-EN902").glob("*_runs.safetensors"))
    for name in scores:
        assert (after / "sub-EN901" / name).read_bytes() == (before / name).read_bytes()
        other = (after / "sub-EN902" / name).read_bytes()
        assert other != (before / name).read_bytes()


@pytest.fixture(scope="module")
def recovered(
    tmp_path_factory: pytest.TempPathFactory, small_world: Path
) -> tuple[Copy, Path, Run, int]:
    """A killed run that went on: project, world, the second run, how many tasks the first did."""
    copy = copy_project(tmp_path_factory.mktemp("killed") / "project")
    log = copy.folder / ".nextflow.log"
    running = subprocess.Popen(
        copy.command(*arguments(small_world)),
        cwd=copy.folder,
        env=copy.environment(),
        stdout=subprocess.DEVNULL,
        stderr=subprocess.DEVNULL,
        start_new_session=True,
    )
    deadline = time.monotonic() + 600
    # the engine notes a task in its cache a moment after it notes it in its log
    finished_before = 8
    while _completed(log) < finished_before + 3:
        assert running.poll() is None, "the run ended before it could be killed"
        assert time.monotonic() < deadline
        time.sleep(0.2)
    os.killpg(running.pid, signal.SIGKILL)
    running.wait()
    run = copy.run("-resume", *arguments(small_world))
    assert run.exit_status == 0, run.stdout
    return copy, small_world, run, finished_before


def test_a_killed_run_completes_without_repeating_finished_tasks(
    finished: tuple[Copy, Path, Run], recovered: tuple[Copy, Path, Run, int]
) -> None:
    whole, _world, first = finished
    copy, _world, run, finished_before = recovered
    assert len([t for t in run.tasks if t["status"] == "CACHED"]) >= finished_before
    assert (copy.folder / "results" / "report.html").exists()
    assert len(run.tasks) == len(first.tasks)
    ours, theirs = (
        rows_of(each.folder / "results" / "tables" / "asymmetry.tsv") for each in (copy, whole)
    )
    assert ours == theirs


def test_cleaning_up_keeps_what_the_documentation_says(
    recovered: tuple[Copy, Path, Run, int],
) -> None:
    """The shell blocks of docs/usage.md, as they stand there."""
    copy, world, _run, _done = recovered
    usage = (PROJECT / "docs" / "usage.md").read_text()
    section = usage.partition("## Cleaning up")[2].partition("\n## ")[0]
    keep_last, remove_resampled, remove_all = re.findall(r"```bash\n(.*?)```", section, re.DOTALL)
    template = copy.folder / "assets" / "report.html.j2"
    template.write_text(template.read_text() + "<!-- an edit -->\n")
    last = copy.run("-resume", *arguments(world))
    assert last.processes() == {"REPORT"}, last.stdout + last.stderr
    used = {Path(task["workdir"]) for task in last.tasks}
    for left in (".command.begin", ".exitcode"):  # whatever the kill left: half done, or not noted
        folder = copy.folder / "work" / "00" / f"with {left}"
        folder.mkdir(parents=True)
        (folder / left).touch()
    assert used < _task_folders(copy)  # the first report's is there, too

    _typed(copy, keep_last)
    assert _task_folders(copy) == used

    _typed(copy, keep_last + remove_resampled)
    resampled = {Path(task["workdir"]) for task in last.tasks if "RESAMPLE" in task["process"]}
    assert len(resampled) == 3
    assert _task_folders(copy) == used - resampled
    again = copy.run("-resume", *arguments(world))
    assert again.exit_status == 0, again.stdout + again.stderr
    assert again.processes() == {"RESAMPLE"}
    assert again.processes("CACHED") == last.processes("CACHED") - {"RESAMPLE"} | {"REPORT"}
    assert len(again.tasks) == len(last.tasks)

    published = _state(copy.folder / "results")
    _typed(copy, remove_all)
    assert not list(copy.folder.glob("work")) + list(copy.folder.glob(".nextflow*"))
    assert _state(copy.folder / "results") == published
    assert "report.html" in published


def _typed(copy: Copy, lines: str) -> None:
    """Run lines in a shell, as from the folder that the run was started in."""
    path = f"{NEXTFLOW.parent}:{os.environ['PATH']}"
    done = subprocess.run(
        ["bash", "-c", lines], cwd=copy.folder, env=copy.environment() | {"PATH": path},
        capture_output=True, text=True, check=False,
    )  # fmt: skip
    assert done.returncode == 0, done.stdout + done.stderr


def _task_folders(copy: Copy) -> set[Path]:
    """Return the folders of tasks below ``work`` that hold anything."""
    return {path.parent for path in (copy.folder / "work").glob("??/*/*")} | {
        path.parent for path in (copy.folder / "work").glob("??/*/.*")
    }


def _state(folder: Path) -> dict[str, str]:
    """Return the digest of every published file."""
    files = (path for path in folder.rglob("*") if path.is_file())
    return {str(path.relative_to(folder)): digest_of(path, "md5") for path in files}


def _completed(log: Path) -> int:
    """Count the tasks that the engine's log calls completed."""
    return log.read_text().count("status: COMPLETED") if log.exists() else 0
