"""Look-alikes of two public data sets, as fMRIPrep leaves them; who heard what differs for all."""

import json
import os
import subprocess
import sys
from pathlib import Path
from typing import Any

import nibabel as nib
import numpy as np
import pandas as pd
import pytest
from nilearn.interfaces.fmriprep import load_confounds
from safetensors.numpy import load_file

from helpers.stories_restated import Key, cleaned, nested, on_grid, regressors
from helpers.study_restated import standardised, symmetric_mask
from lateralization.files import read_json

from .conftest import PROJECT, Copy, copy_project

pytestmark = [pytest.mark.pipeline, pytest.mark.filterwarnings("ignore")]

FOREIGN = PROJECT.parent / "shared" / "foreign"
SPACE = "space-MNI152NLin2009cAsym"
TRIM = 10

Array = np.ndarray[Any, Any]


def made(name: str, folder: Path) -> Path:
    """Make a look-alike; skip where its script is not beside the project."""
    script = FOREIGN / f"make_{name.lower()}.py"
    if not script.is_file():
        pytest.skip(f"{script} is not here")
    environment = os.environ | {"OUT": str(folder)}
    subprocess.run([sys.executable, str(script)], env=environment, check=True, capture_output=True)
    return folder / name


@pytest.fixture(scope="module")
def copy(tmp_path_factory: pytest.TempPathFactory) -> Copy:
    return copy_project(tmp_path_factory.mktemp("copy") / "project")


def arguments(data: Path, *more: str) -> list[str]:
    """Return the command line of a run on a data set with features beside it."""
    features = str(data / "features")
    return [
        *("--dataset", str(data), "--features", features, "--models", "none"),
        *("--baselines", "none", *more),
    ]


def vectors_of(words: list[str]) -> Array:
    """Return what was planted, from the script that planted it."""
    sys.path.insert(0, str(FOREIGN))
    try:
        from sim import vectors
    finally:
        sys.path.remove(str(FOREIGN))
    return np.asarray(vectors(words))


def write_features(folder: Path, words: dict[str, pd.DataFrame]) -> None:
    """Write the planted features as a user's own: a row for each word that has a time."""
    folder.mkdir()
    tables = [
        pd.DataFrame(vectors_of(own.word.tolist())).add_prefix("feature")
        .assign(story=story, word=own.word.tolist())
        for story, own in words.items()
    ]  # fmt: skip
    pd.concat(tables).to_csv(folder / "planted_lang-en_words.tsv", sep="\t", index=False)


def regressed(
    bold: dict[Key, Array], words: dict[str, pd.DataFrame], starts: dict[str, float], tr: float
) -> dict[Key, Array]:
    """Make the regressors of each run, trimmed and standardised."""
    found = {}
    for key, series in bold.items():
        own, start = words[key[0]], starts.get(key[0], 0.0)
        shifted = own.assign(onset=own.onset + start, offset=own.offset + start)
        design = regressors(vectors_of(own.word.tolist()), shifted, len(series), tr, tr / 2)
        found[key] = standardised(design[TRIM:-TRIM])
    return found


def compare(scores: Path, bold: dict[Key, Array], features: dict[Key, Array]) -> Array:
    """Compare a fit with the plain one; return r (stories, voxels)."""
    order = read_json(scores.with_suffix(".json"))["stories"]
    r = load_file(scores.with_name(f"{scores.name}_runs.safetensors"))["r"][0]
    kept = np.isfinite(r).all(0)
    assert kept.mean() > 0.9
    trimmed = {key: standardised(series[TRIM:-TRIM])[:, kept] for key, series in bold.items()}
    found, _alphas = nested(features, trimmed, order)
    assert np.abs(r[:, kept] - found).max() < 1e-5
    return np.asarray(r)


def sides(mask: Any, r: Array) -> tuple[float, float]:
    """Return the mean r of both sides."""
    x = nib.affines.apply_affine(mask.affine, np.argwhere(mask.get_fdata() > 0))[:, 0]
    mean = r.mean(0)
    return float(np.nanmean(mean[x < 0])), float(np.nanmean(mean[x > 0]))


def spoken(path: Path) -> pd.DataFrame:
    """Return the words that gentle found."""
    found = [one for one in json.loads(path.read_text())["words"] if one["case"] == "success"]
    return pd.DataFrame(
        [(one["word"], one["start"], one["end"]) for one in found],
        columns=["word", "onset", "offset"],
    )


RAW = """\
{"name": "narratives", "tr": 1.5, "derivatives": "derivatives/fmriprep", "story": ["task"],
 "bold": {"space": "MNI152NLin2009cAsym", "desc": "preproc"},
 "languages": {"en": {
   "name": "English", "subjects": "*", "words": "stimuli/gentle/{story}/align.json",
   "events": {"trial_type": "story"}}}}
"""
"""All that is said of Narratives as fMRIPrep and gentle leave it."""


def test_motion_is_regressed_off_narratives_as_fmriprep_leaves_it(
    copy: Copy, tmp_path: Path
) -> None:
    root = made("A", tmp_path)
    (root / "dataset.json").write_text(RAW)
    assert len(RAW.splitlines()) <= 12
    words = {path.parent.name: spoken(path) for path in root.glob("stimuli/gentle/*/align.json")}
    write_features(root / "features", words)
    run = copy.run(*arguments(root, "--confounds", "motion", "--isc_trials", "1"))
    assert run.exit_status == 0, run.stdout + run.stderr
    runs: dict[str, list[Path]] = {}
    starts = {}
    for path in sorted(root.glob(f"derivatives/fmriprep/sub-*/func/*{SPACE}*preproc_bold.nii.gz")):
        subject, story = path.parts[-3], path.name.split("task-")[1].split("_")[0]
        events = pd.read_csv(root / subject / f"func/{subject}_task-{story}_events.tsv", sep="\t")
        starts[story] = float(events.onset[events.trial_type == "story"].iloc[0])
        runs.setdefault(story, []).append(path)
    images = {path: on_grid(path) for paths in runs.values() for path in paths}
    mask = symmetric_mask(list(images.values()))
    bold = {}
    for story, paths in runs.items():
        shortest = min(images[path].shape[3] for path in paths)
        series = []
        for path in paths:
            motion, _ = load_confounds(str(path), strategy=("motion",), motion="basic")
            told = {"n_scans": shortest, "confounds": motion.to_numpy()}
            series.append(cleaned(images[path], mask, 1.5, **told))
        bold[story, 1] = standardised(np.mean(series, axis=0))
    scores = copy.folder / "results/lang-en/scores/sub-average/planted"
    r = compare(scores, bold, regressed(bold, words, starts, 1.5))
    left, right = sides(mask, r)
    assert abs(left - 0.784) < 1e-3
    assert abs(right - 0.632) < 1e-3


def interval_words(path: Path) -> pd.DataFrame:
    """Return the words of the tier of words."""
    lines = path.read_text().split('name = "word"')[1].splitlines()
    cells = [line.split(" = ", 1)[1] for line in lines if " = " in line and "size" not in line][2:]
    rows = [
        (text.strip('"'), float(start), float(end))
        for start, end, text in zip(cells[::3], cells[1::3], cells[2::3], strict=True)
    ]
    table = pd.DataFrame(rows, columns=["word", "onset", "offset"])
    return table[~table.word.isin(["", "sp"])]


def test_sessions_hold_the_stories_in_another_order(copy: Copy, tmp_path: Path) -> None:
    root = made("B", tmp_path)
    grids = root / "derivative" / "TextGrids"
    words = {path.stem: interval_words(path) for path in sorted(grids.glob("*.TextGrid"))}
    write_features(root / "features", words)
    description = {
        "name": "stories", "tr": 2.0, "derivatives": "derivatives/fmriprep", "story": ["task"],
        "bold": {"space": "MNI152NLin2009cAsym", "desc": "preproc"},
        "languages": {
            "en": {
                "name": "English", "subjects": "*", "tier": "word",
                "words": "derivative/TextGrids/{story}.TextGrid",
            }
        },
    }  # fmt: skip
    (root / "dataset.json").write_text(json.dumps(description))
    people = ["UTS01", "UTS02", "UTS03"]
    run = copy.run(*arguments(root, "--subjects", ",".join(people), "--isc_trials", "1"))
    assert run.exit_status == 0, run.stdout + run.stderr
    for person in people:
        paths = (root / "derivatives/fmriprep" / f"sub-{person}").glob(
            f"ses-*/func/*{SPACE}*.nii.gz"
        )
        images: dict[Key, Any] = {}
        for path in sorted(paths):
            story = path.name.split("task-")[1].split("_")[0]
            images[story, 1 + sum(key[0] == story for key in images)] = on_grid(path)
        mask = symmetric_mask(list(images.values()))
        bold = {key: cleaned(one, mask, 2.0, smoothing_mm=4) for key, one in images.items()}
        scores = copy.folder / f"results/lang-en/scores/sub-{person}/planted"
        left, right = sides(mask, compare(scores, bold, regressed(bold, words, {}, 2.0)))
        assert left > 0.6
        assert right > 0.4
