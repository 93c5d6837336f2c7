"""A BIDS tree of stories, as small as the checks allow: names of fMRIPrep, words, events."""

import json
from collections.abc import Mapping, Sequence
from pathlib import Path
from typing import Any

import numpy as np
import pytest

from helpers.planning import plan_of
from helpers.tiny_dataset import write_model, write_run
from lateralization.errors import BadInput

SPACE = "space-MNI152NLin2009cAsym"
FMRIPREP = "derivatives/fmriprep"
HEARD = {
    "01": ["bees", "cats", "dogs"],
    "02": ["dogs", "bees", "ants"],
    "03": ["ants", "bees", "cats", "dogs"],
    "04": ["bees", "dogs"],
}
"""Subject → what it heard; nobody heard all."""


def describe(**more: Any) -> dict[str, Any]:
    """Return a dataset.json of the tree; entries of ``en`` are given as ``en_words`` and so on."""
    english = {"name": "English", "subjects": "*", "words": "stimuli/{story}.tsv"}
    top = {name: value for name, value in more.items() if not name.startswith("en_")}
    english |= {name[3:]: value for name, value in more.items() if name.startswith("en_")}
    content = {
        "name": "tiny", "tr": 2.0, "derivatives": FMRIPREP, "story": ["task"],
        "bold": {"space": SPACE[6:], "desc": "preproc"}, "languages": {"en": english}, **top,
    }  # fmt: skip
    return {name: value for name, value in content.items() if value is not None}


def run_file(subject: str, story: str, *, between: str = "", space: str = SPACE) -> str:
    """Return a run's path below the data set's folder; ``between`` is a session, a run or both."""
    session = next((part for part in between.split("_") if part.startswith("ses-")), "")
    others = "_".join(part for part in between.split("_") if part and part != session)
    parts = [f"sub-{subject}", session, f"task-{story}", others, space, "desc-preproc_bold.nii.gz"]
    folder = "/".join(part for part in (FMRIPREP, f"sub-{subject}", session, "func") if part)
    return f"{folder}/{'_'.join(part for part in parts if part)}"


def write_story_run(root: Path, path: str, n_scans: int = 40, **entries: Any) -> Path:
    """Write a run of noise, and a sidecar where it has entries."""
    target = root / path
    write_run(target, n_scans, seed=len(list(root.rglob("*.nii.gz"))))
    if entries:
        target.with_name(target.name.replace(".nii.gz", ".json")).write_text(json.dumps(entries))
    return target


def write_words(root: Path, story: str, seconds: float = 60.0) -> Path:
    """Write the words of a story, of its own."""
    path = root / "stimuli" / f"{story}.tsv"
    path.parent.mkdir(parents=True, exist_ok=True)
    onsets = np.arange(1.0, seconds, 1.5)
    rows = [
        f"{story}{'abcdefghij'[k % 10] * (k // 10 + 1)}\t{t}\t{t + 1}" for k, t in enumerate(onsets)
    ]
    path.write_text("\n".join(["word\tonset\toffset", *rows]) + "\n", encoding="utf-8")
    return path


def write_events(root: Path, subject: str, story: str, onset: float, between: str = "") -> Path:
    """Write the events of a raw recording: music, then the story."""
    name = Path(run_file(subject, story, between=between, space="")).name
    folder = run_file(subject, story, between=between).removeprefix(f"{FMRIPREP}/")
    path = (root / folder).with_name(name.replace("_desc-preproc_bold.nii.gz", "_events.tsv"))
    path.parent.mkdir(parents=True, exist_ok=True)
    path.write_text(f"onset\tduration\ttrial_type\n0\t1\tmusic\n{onset}\t60\tstory\n")
    return path


def write_stories(
    root: Path, heard: Mapping[str, Sequence[str]] = HEARD, **description: Any
) -> Path:
    """Write a data set of stories; return its folder."""
    for subject, stories in heard.items():
        for story in stories:
            write_story_run(root, run_file(subject, story))
    for story in sorted({story for stories in heard.values() for story in stories}):
        write_words(root, story)
    return write_description(root, **description)


def write_description(root: Path, **description: Any) -> Path:
    """Write dataset.json; return its folder."""
    (root / "dataset.json").write_text(json.dumps(describe(**description)))
    return root


def write_table(root: Path, rows: Sequence[Sequence[str]], name: str = "runs.tsv") -> Path:
    """Write a table of runs, its header first."""
    (root / name).write_text("".join("\t".join(row) + "\n" for row in rows))
    return root / name


def asked(root: Path, **more: Any) -> dict[str, Any]:
    """Return the parameters of a run on a data set of stories, beside which its model lies."""
    model = write_model(root.parent / "tiny-a")
    return {
        "dataset": str(root), "models": str(model), "baselines": "random_vector",
        "random_dims": 300, "random_seeds": 1, **more,
    }  # fmt: skip


def language(tmp_path: Path, root: Path, **more: Any) -> dict[str, Any]:
    """Return the plan's only language."""
    only: dict[str, Any]
    (only,) = plan_of(tmp_path, **asked(root, **more))["languages"]
    return only


def keys(planned: Mapping[str, Any]) -> dict[str, list[str]]:
    """Return subject → keys of its runs."""
    return {one["subject"]: [run["key"] for run in one["runs"]] for one in planned["subjects"]}


def refusal(tmp_path: Path, root: Path, **more: Any) -> str:
    """Return the line that a plan ends with."""
    with pytest.raises(BadInput) as caught:
        plan_of(tmp_path, **asked(root, **more))
    return str(caught.value)
