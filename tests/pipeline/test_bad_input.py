"""Bad input: one clear line, no task but VALIDATE, nothing published."""

import re
import shutil
from collections.abc import Callable
from pathlib import Path

import nibabel
import pytest

from .conftest import Copy, arguments, copy_project

pytestmark = pytest.mark.pipeline


@pytest.fixture(scope="module")
def copy(tmp_path_factory: pytest.TempPathFactory) -> Copy:
    """A copy of the project for refused runs."""
    return copy_project(tmp_path_factory.mktemp("refused") / "project")


@pytest.fixture
def world(small_world: Path, tmp_path: Path) -> Path:
    """A copy of the small world that a test may spoil (the runs are links until they are)."""
    shutil.copytree(small_world, tmp_path / "world", copy_function=_link_images)
    return tmp_path / "world"


def _link_images(source: str, target: str) -> None:
    if source.endswith(".nii.gz"):
        Path(target).symlink_to(source)
    else:
        shutil.copy2(source, target)


def _nothing(world: Path) -> list[str]:
    return []


def _lose_a_run(world: Path) -> list[str]:
    sorted((world / "data" / "derivatives" / "sub-EN902" / "func").iterdir())[4].unlink()
    return []


def _change_a_grid(world: Path) -> list[str]:
    path = sorted((world / "data" / "derivatives" / "sub-EN903" / "func").iterdir())[2]
    image = nibabel.load(path)
    smaller = image.slicer[1:, :, :, :]
    path.unlink()
    nibabel.save(smaller, path)
    return []


def _tell_stories_in_another_order(world: Path) -> list[str]:
    for folder in sorted((world / "data" / "derivatives").glob("sub-*/func")):
        stories = [*"abcdefghi"]
        if folder.parent.name == "sub-EN902":
            stories[2], stories[5] = stories[5], stories[2]
        for story, path in zip(stories, sorted(folder.iterdir()), strict=True):
            run = path.name.split("_task-lppEN_")[1].split("_")[0]
            name = path.name.replace(f"task-lppEN_{run}", f"{run}_task-story{story}")
            path.rename(path.with_name(name))
    return []


def _drop_a_column(world: Path) -> list[str]:
    path = world / "data" / "annotation" / "EN" / "lppEN_word_information.csv"
    path.write_text(path.read_text().replace("onset", "start", 1))
    return []


def _repeat_a_model(world: Path) -> list[str]:
    sheet = world / "sheet.csv"
    model = sorted((world / "models").iterdir())[0]
    sheet.write_text(f"model,source\nsame,{model}\nsame,{model}\n")
    return ["--models", str(sheet)]


def _lose_a_text(world: Path) -> list[str]:
    (world / "texts" / "text_en_run6.txt").unlink()
    return []


def _break_a_text(world: Path) -> list[str]:
    (world / "texts" / "text_en_run3.txt").write_bytes(b"\xff\xfe broken")
    return []


def _lose_weights(world: Path) -> list[str]:
    for path in sorted((world / "models").iterdir())[0].glob("*.safetensors"):
        path.unlink()
    return []


Cause = Callable[[Path], list[str]]
CAUSES: dict[str, tuple[Cause, list[str], list[str]]] = {
    "unknown parameter": (_nothing, ["--subject", "average"], ["subject", "subjects"]),
    "wrong type": (_nothing, ["--isc_trials", "many"], ["isc_trials", "many"]),
    "out of range": (_nothing, ["--isc_trials", "0"], ["isc_trials"]),
    "not one of the choices": (_nothing, ["--precision", "float8"], ["precision", "bfloat16"]),
    "cores that are no number": (_nothing, ["--max_cpus", "many"], ["max_cpus", "many"]),
    "memory that is no size": (_nothing, ["--max_memory", "lots"], ["max_memory", "lots"]),
    "time that is no duration": (_nothing, ["--max_time", "soon"], ["max_time", "soon"]),
    "an address for a folder": (_nothing, ["--dataset", "s3://bucket/data"], ["--dataset"]),
    "missing folder": (_nothing, ["--dataset", "/nowhere/data"], ["/nowhere/data"]),
    "contradiction": (_nothing, ["--isc", "isc.nii.gz"], ["isc"]),
    "unknown subject": (_nothing, ["--subjects", "average,EN999"], ["EN999", "EN901"]),
    "a subject of digits": (_nothing, ["--subjects", "0999"], ["0999", "EN901"]),
    "unknown model": (_nothing, ["--models", "gtp2"], ["gtp2"]),
    "a data set with 8 runs": (_lose_a_run, [], ["EN902", "8"]),
    "stories in another order": (
        _tell_stories_in_another_order,
        [],
        ["file 3 of sub-EN902", "storyf", "storyc"],
    ),
    "runs of different grids": (_change_a_grid, [], ["EN903", "grid"]),
    "an annotation without a column": (_drop_a_column, [], ["onset", "lppEN_word_information"]),
    "a sheet with a duplicate": (_repeat_a_model, [], ["same"]),
    "a missing text": (_lose_a_text, [], ["text_en_run6"]),
    "a text that is not UTF-8": (_break_a_text, [], ["text_en_run3", "UTF-8"]),
    "a model without weights": (_lose_weights, [], ["weights"]),
}


@pytest.mark.parametrize("cause", CAUSES)
def test_bad_input_is_refused_before_anything_is_queued(
    cause: str, copy: Copy, world: Path, tmp_path: Path
) -> None:
    spoil, settings, expected = CAUSES[cause]
    more = [*spoil(world), *settings, "--outdir", str(tmp_path / "out")]
    run = copy.run(*arguments(world, *more))
    assert run.exit_status != 0
    for words in expected:
        assert words in run.last_line, run.stderr
    assert "Traceback" not in run.stdout + run.stderr
    assert {task["process"] for task in run.tasks} <= {"VALIDATE"}
    # A line per mistake, and each once; before them the engine's three.
    mistakes = run.stderr.splitlines()
    assert len(mistakes) == 1 + int((re.findall(r"and (\d+) more above", run.last_line) or [0])[0])
    assert len(run.stdout.splitlines()) <= 3, run.stdout
    assert not (tmp_path / "out").exists()


def test_a_mistake_that_is_mended_outside_of_the_files_is_seen(
    copy: Copy, world: Path, tmp_path: Path
) -> None:
    """A refusal is not kept for -resume: what made it may be mended and no file changed."""
    given = arguments(world, "--isc_trials", "many", "--outdir", str(tmp_path / "out"))
    for _ in range(2):
        run = copy.run(*given, "-resume")
        assert run.exit_status == 1
        assert "many" in run.last_line
        assert [task["status"] for task in run.tasks] == ["COMPLETED"]


def test_a_plan_alone_is_printed_in_full_and_touches_nothing(
    copy: Copy, small_world: Path, tmp_path: Path
) -> None:
    before = {path.name for path in copy.folder.iterdir()}
    run = copy.run(
        *arguments(small_world, "--outdir", str(tmp_path / "out")),
        *("--cache_dir", str(tmp_path / "cache"), "--stage", "plan"),
    )
    assert run.exit_status == 0, run.stderr
    assert run.stderr == ""
    for words in ("plan: disk for fMRI", "plan: time of ENCODE", "plan: tasks"):
        assert words in run.stdout
    assert {task["process"] for task in run.tasks} == {"VALIDATE"}
    assert not list(tmp_path.iterdir())
    new = {path.name for path in copy.folder.iterdir()} - before
    assert {name for name in new if not name.startswith(".nextflow")} <= {"work"}


def test_the_help_is_not_preceded_by_warnings(copy: Copy) -> None:
    run = copy.run("--help")
    assert "WARN" not in run.stdout + run.stderr
    assert run.stdout.splitlines()[2].startswith("Usage: ")


def test_a_bucket_that_this_engine_cannot_reach_is_one_line(copy: Copy, small_world: Path) -> None:
    run = copy.run(*arguments(small_world, "--outdir", "s3://bucket/results"))
    assert run.exit_status != 0
    assert run.last_line.startswith("--outdir: s3://bucket/results")
    assert "nf-amazon" in run.last_line
    assert not run.tasks
