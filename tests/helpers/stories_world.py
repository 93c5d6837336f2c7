"""A made data set of another layout: who heard which story, in which session, is different for all.

Four people, five stories of unequal length, one of them heard twice by two; nobody need have heard
all. Noise before each story, words from an aligner that did not find all, times of slices in
sidecars, a run that is a scan longer. Planted word features explain more on the left.
"""

import json
from pathlib import Path
from typing import Any

import nibabel as nib
import numpy as np
import pandas as pd

from helpers.stories_restated import regressors, standardised

Array = np.ndarray[Any, Any]

TR, START_TIME, BEGINS, TRIM, WIDTH = 1.5, 0.6, 6.0, 4, 5
STORIES = {"alpha": 44, "bravo": 50, "charlie": 40, "delta": 47, "echo": 42}
"""Scans of each story."""

HEARD = {
    "01": {"1": ["echo", "alpha", "charlie"], "2": ["bravo", "delta", "charlie"]},
    "02": {"1": ["charlie", "bravo"], "2": ["charlie", "echo", "delta"]},
    "03": {"1": ["alpha", "bravo", "charlie", "echo"]},
    "04": {"1": ["delta", "charlie", "bravo", "alpha", "echo"]},
}
"""Person → session → stories in the order of the session."""

LONGER = ("03", "echo")
"""Whose run of which story has a scan more."""

MM, SHAPE = 8.0, (19, 24, 19)
AFFINE = np.array([[MM, 0, 0, -72.0], [0, MM, 0, -106], [0, 0, MM, -64], [0, 0, 0, 1]])
SPACE = "space-MNI152NLin2009cAsym_desc-preproc_bold"


def words_of(story: str) -> pd.DataFrame:
    """Return the words of a story: word, onset and offset (seconds of the story), found."""
    rng = np.random.default_rng([1, list(STORIES).index(story)])
    end, time, rows = STORIES[story] * TR - BEGINS - 4, 0.3, []
    while time < end:
        length = 0.15 + 0.25 * rng.random()
        word = f"{story[:2]}{len(rows)}"
        rows.append((word, round(time, 3), round(time + length, 3), len(rows) % 11 != 10))
        time += length + rng.exponential(0.3)
    return pd.DataFrame(rows, columns=["word", "onset", "offset", "found"])


def vectors_of(words: pd.DataFrame) -> Array:
    """Return the planted features of words, (words, WIDTH)."""
    seeds = [[2, *word.encode()] for word in words.word]
    return np.array([np.random.default_rng(seed).standard_normal(WIDTH) for seed in seeds])


def _inside() -> tuple[Array, Array]:
    """Return the voxels of the brain, (x, y, z), and their x in millimetres."""
    places = nib.affines.apply_affine(AFFINE, np.indices(SHAPE).reshape(3, -1).T)
    inside = (((places - [0, -18, 8]) / [58, 70, 54]) ** 2).sum(1) <= 1
    return inside.reshape(SHAPE), places[inside, 0]


def _bold(story: str, n_scans: int, rng: np.random.Generator) -> nib.Nifti1Image:
    words = words_of(story)
    shifted = words.assign(onset=words.onset + BEGINS, offset=words.offset + BEGINS)
    design = regressors(vectors_of(words), shifted, n_scans, TR, START_TIME)
    weights = np.random.default_rng(3).standard_normal(WIDTH)
    signal = standardised(design @ weights)
    inside, x = _inside()
    share = np.where(x < 0, 0.45, np.where(x > 0, 0.2, 0.3))[:, None]
    noise = rng.standard_normal((len(x), n_scans))
    data = np.abs(4 * rng.standard_normal((*SHAPE, n_scans)))
    data[inside] = 800 + 12 * (np.sqrt(share) * signal + np.sqrt(1 - share) * noise)
    image = nib.Nifti1Image(data.astype(np.float32), AFFINE)
    image.header.set_zooms((MM, MM, MM, 1.0))  # a wrong repetition time: the sidecar's counts
    image.header.set_xyzt_units("mm", "sec")
    image.set_sform(AFFINE, 4)
    image.set_qform(AFFINE, 4)
    return image


def run_files(root: Path) -> dict[tuple[str, str, int], Path]:
    """Return the runs: (person, story, repetition) → file."""
    found: dict[tuple[str, str, int], Path] = {}
    for person, sessions in HEARD.items():
        for session, stories in sessions.items():
            for story in stories:
                place = f"sub-{person}/ses-{session}/func/sub-{person}_ses-{session}_task-{story}"
                repetition = 1 + ((person, story, 1) in found)
                path = root / "derivatives" / "fmriprep" / f"{place}_{SPACE}.nii.gz"
                found[person, story, repetition] = path
    return found


def make(root: Path) -> None:
    """Write the data set, its description and a table of the planted features."""
    for place, ((person, story, repetition), path) in enumerate(run_files(root).items()):
        path.parent.mkdir(parents=True, exist_ok=True)
        n_scans = STORIES[story] + ((person, story) == LONGER)
        rng = np.random.default_rng([4, place, repetition])
        nib.save(_bold(story, n_scans, rng), path)
        sidecar = {"RepetitionTime": TR, "StartTime": START_TIME}
        path.with_name(path.name.replace(".nii.gz", ".json")).write_text(json.dumps(sidecar))
        raw = root / path.parent.relative_to(root / "derivatives" / "fmriprep")
        raw.mkdir(parents=True, exist_ok=True)
        events = pd.DataFrame(
            [(0.0, 5.0, "noise"), (BEGINS, 30.0, "story")],
            columns=["onset", "duration", "trial_type"],
        )
        name = path.name.replace(f"_{SPACE}.nii.gz", "_events.tsv")
        events.to_csv(raw / name, sep="\t", index=False)
    tables = []
    for story in STORIES:
        words = words_of(story)
        folder = root / "stimuli" / story
        folder.mkdir(parents=True)
        aligned = [
            {"word": row.word, "case": "success", "start": row.onset, "end": row.offset}
            if row.found
            else {"word": row.word, "case": "not-found-in-audio"}
            for row in words.itertuples()
        ]
        transcript = " ".join(words.word)
        (folder / "align.json").write_text(json.dumps({"transcript": transcript, "words": aligned}))
        (folder / "transcript.txt").write_text(transcript + "\n")
        heard = words[words.found]
        columns = [f"feature{k}" for k in range(WIDTH)]
        table = pd.DataFrame(vectors_of(heard), columns=columns)
        tables.append(table.assign(story=story, word=heard.word.to_numpy()))
    features = root / "features"
    features.mkdir()
    pd.concat(tables).to_csv(features / "planted_lang-en_words.tsv", sep="\t", index=False)
    describe(root)


def describe(root: Path, *, by_table: bool = False, **stories: Any) -> None:
    """Write dataset.json; ``stories`` goes into its entry of that name.

    ``by_table``: runs come from a table, runs.tsv, and not from the names of files.
    """
    where: dict[str, Any] = {
        "derivatives": "derivatives/fmriprep", "bold": {"desc": "preproc"}, "story": ["task"],
    }  # fmt: skip
    if by_table:
        where = {"runs": "runs.tsv"}
        rows = [
            (person, story, repetition, path.relative_to(root), BEGINS)
            for (person, story, repetition), path in sorted(
                run_files(root).items(), key=lambda run: run[0][1:] + run[0][:1]
            )
        ]
        columns = ["subject", "story", "repetition", "bold", "start"]
        pd.DataFrame(rows, columns=columns).to_csv(root / "runs.tsv", sep="\t", index=False)
    content = {
        "name": "fivestories", "trim": TRIM, **where, "stories": {"include": ["*"], **stories},
        "languages": {
            "en": {
                "name": "English", "subjects": "*", "words": "stimuli/{story}/align.json",
                "text": "stimuli/{story}/transcript.txt", "events": {"trial_type": "story"},
            }
        },
    }  # fmt: skip
    (root / "dataset.json").write_text(json.dumps(content, indent=1))
