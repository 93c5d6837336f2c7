"""A whole run on people who heard different stories, beside the same said plainly."""

from pathlib import Path
from typing import Any

import nibabel as nib
import numpy as np
import pytest
from safetensors.numpy import load_file

from helpers import stories_world as world
from helpers.stories_restated import Key, cleaned, nested, on_grid, regressors
from helpers.study_restated import standardised, symmetric_mask
from lateralization.files import read_json

from .conftest import Copy, Run, copy_project, rows_of, without_network

pytestmark = [pytest.mark.pipeline, pytest.mark.filterwarnings("ignore")]

Array = np.ndarray[Any, Any]


def arguments(root: Path, *more: str, subjects: str = "average,01") -> list[str]:
    """Return the command line of a run on the made data set."""
    return [
        *(
            "--dataset",
            str(root),
            "--features",
            str(root / "features"),
            "--baselines",
            "none",
            "--models",
            "none",
        ),
        *("--subjects", subjects, "--isc_trials", "1", *more),
    ]


@pytest.fixture(scope="module")
def ran(tmp_path_factory: pytest.TempPathFactory) -> tuple[Copy, Path, Run]:
    root = tmp_path_factory.mktemp("stories") / "data"
    world.make(root)
    copy = copy_project(tmp_path_factory.mktemp("copy") / "project")
    run = copy.run(*arguments(root), prefix=without_network())
    assert run.exit_status == 0, run.stdout + run.stderr
    return copy, root, run


@pytest.fixture(scope="module")
def images(ran: tuple[Copy, Path, Run]) -> dict[tuple[str, str, int], Any]:
    return {key: on_grid(path) for key, path in world.run_files(ran[1]).items()}


def features(lengths: dict[Key, int]) -> dict[Key, Array]:
    """Make the regressors of the planted features of each run: trimmed and standardised."""
    made = {}
    for (story, repetition), n_scans in lengths.items():
        words = world.words_of(story)
        words = words[words.found]
        shifted = words.assign(onset=words.onset + world.BEGINS, offset=words.offset + world.BEGINS)
        design = regressors(world.vectors_of(words), shifted, n_scans, world.TR, world.START_TIME)
        made[story, repetition] = standardised(design[world.TRIM : -world.TRIM])
    return made


def trimmed(bold: dict[Key, Array], kept: Array) -> dict[Key, Array]:
    """Drop the ends of each run, standardise, and keep some voxels."""
    return {
        key: standardised(series[world.TRIM : -world.TRIM])[:, kept] for key, series in bold.items()
    }


def average_of(images: dict[tuple[str, str, int], Any], mask: Any) -> dict[Key, Array]:
    """Average each repetition of each story over those who heard it."""
    found: dict[Key, list[Array]] = {}
    for (_person, story, repetition), image in images.items():
        series = cleaned(image, mask, world.TR, world.STORIES[story])
        found.setdefault((story, repetition), []).append(series)
    return {key: standardised(np.mean(group, axis=0)) for key, group in found.items()}


def compare(scores: Path, bold: dict[Key, Array], never_trained: tuple[str, ...] = ()) -> Array:
    """Compare a fit's scores and penalties with the plain ones; return r (stories, voxels)."""
    sidecar = read_json(scores.with_suffix(".json"))
    r = load_file(scores.with_name(f"{scores.name}_runs.safetensors"))["r"][0]
    order = list(world.STORIES)
    assert sidecar["stories"] == order
    kept = np.isfinite(r).all(0)
    assert kept.mean() > 0.8  # splines of large voxels ring at the edge of the brain
    lengths = {key: len(series) for key, series in bold.items()}
    found, alphas = nested(features(lengths), trimmed(bold, kept), order, never_trained)
    assert np.allclose(sidecar["alphas"][0], alphas, rtol=1e-12)
    assert np.abs(r[:, kept] - found).max() < 1e-5
    return found


def sides(mask: Any, r: Array) -> tuple[float, float]:
    """Return the mean r of both sides."""
    x = nib.affines.apply_affine(mask.affine, np.argwhere(mask.get_fdata() > 0))[:, 0]
    return float(r.mean(0)[x < 0].mean()), float(r.mean(0)[x > 0].mean())


def test_the_average_is_of_those_who_heard_each_story(
    ran: tuple[Copy, Path, Run], images: dict[tuple[str, str, int], Any]
) -> None:
    results = ran[0].folder / "results" / "lang-en"
    mask = symmetric_mask(list(images.values()))
    assert np.array_equal(nib.load(results / "mask.nii.gz").get_fdata() > 0, mask.get_fdata() > 0)
    names = {path.name for path in (results / "average_subject").glob("*.nii.gz")}
    once = {f"story-{story}.nii.gz" for story in world.STORIES if story != "charlie"}
    assert names == once | {"story-charlie_rep-1.nii.gz", "story-charlie_rep-2.nii.gz"}
    bold = average_of(images, mask)
    found = compare(results / "scores" / "sub-average" / "planted", bold)
    left, right = found.mean(0)[: found.shape[1] // 2], found.mean(0)[found.shape[1] // 2 :]
    assert left.mean() > right.mean() + 0.05


def test_a_person_is_fitted_with_the_stories_that_it_has(
    ran: tuple[Copy, Path, Run], images: dict[tuple[str, str, int], Any]
) -> None:
    own = {key[1:]: image for key, image in images.items() if key[0] == "01"}
    mask = symmetric_mask(list(own.values()))
    bold = {key: cleaned(image, mask, world.TR, smoothing_mm=4) for key, image in own.items()}
    compare(ran[0].folder / "results/lang-en/scores/sub-01/planted", bold)


def test_a_table_lists_every_run_and_what_it_is_used_for(ran: tuple[Copy, Path, Run]) -> None:
    rows = rows_of(ran[0].folder / "results" / "tables" / "runs.tsv")
    heard = {(row["subject"], row["story"], int(row["repetition"])) for row in rows}
    assert heard == set(world.run_files(ran[1]))
    assert {row["tr"] for row in rows} == {"1.5"}
    of_longer = [row for row in rows if (row["subject"], row["story"]) == world.LONGER]
    assert [int(row["n_scans"]) for row in of_longer] == [world.STORIES[world.LONGER[1]] + 1]


def test_the_page_says_who_heard_what(ran: tuple[Copy, Path, Run]) -> None:
    page = (ran[0].folder / "results" / "report.html").read_text(encoding="utf-8")
    assert "5 stories" in page
    assert "fivestories" in page


def test_a_table_of_the_same_runs_and_a_story_that_is_never_trained_change_the_fits_alone(
    ran: tuple[Copy, Path, Run], images: dict[tuple[str, str, int], Any]
) -> None:
    copy, root, _run = ran
    world.describe(root, by_table=True, test=["charlie"])
    again = copy.run(*arguments(root, "-resume"), prefix=without_network())
    assert again.exit_status == 0, again.stdout + again.stderr
    assert not again.processes() & {"RESAMPLE", "CLEAN", "AVERAGE", "BASELINES"}
    assert "ENCODE" in again.processes()
    mask = symmetric_mask(list(images.values()))
    bold = average_of(images, mask)
    compare(copy.folder / "results/lang-en/scores/sub-average/planted", bold, ("charlie",))


def test_a_person_with_two_stories_cannot_be_fitted_alone(
    ran: tuple[Copy, Path, Run], tmp_path: Path
) -> None:
    root = tmp_path / "data"
    world.make(root)
    for key, path in world.run_files(root).items():
        if key[0] == "03" and key[1] in ("alpha", "bravo"):
            path.unlink()
    refused = ran[0].run(*arguments(root, subjects="average,03"))
    assert refused.exit_status != 0
    assert "sub-03 (2)" in refused.last_line
    assert "heard fewer than 3 stories" in refused.last_line
    assert refused.processes() <= {"VALIDATE"}
