"""Drafts from trees of names, each like a public data set of its own shape."""

import json
import subprocess
import sys

import pytest

from helpers.planning import plan_of
from helpers.story_dataset import SPACE, asked, write_stories
from helpers.tiny_dataset import ASSETS, PROJECT
from lateralization.bids.draft import draft
from lateralization.errors import BadInput
from lateralization.sources.description import read_description


def tree(root, *paths, **contents):
    """Write files of a tree by name; contents are JSON by the path's beginning."""
    for path in paths:
        target = root / path
        target.parent.mkdir(parents=True, exist_ok=True)
        target.write_text(contents.get(target.suffix[1:], ""))
    return root


def told(root):
    """Return description, keys of a subject's first runs, and what is open, joined."""
    made = draft(root, "tiny")
    (root / "dataset.json").write_text(json.dumps(made.description))
    return made.description, made.runs, "\n".join(made.open)


def few_stories(root):
    """Many people, few stories each, nobody has all: raw recordings with sidecars."""
    heard = {"001": ("pieman",), "002": ("pieman", "tunnel", "lucy"), "003": ("lucy", "tunnel")}
    names = [
        f"sub-{subject}/func/sub-{subject}_task-{story}_bold"
        for subject, stories in heard.items()
        for story in stories
    ]
    tree(root, *(f"{name}.nii.gz" for name in names))
    tree(root, *(f"{name}.json" for name in names), json='{"RepetitionTime": 1.5}')
    events = [name.replace("_bold", "_events.tsv") for name in names]
    return tree(root, *events, tsv="onset\tduration\ttrial_type\n0\t9\tmusic\n12\t9\tstory\n")


def test_few_stories_each(tmp_path):
    content, runs, questions = told(few_stories(tmp_path))
    assert (content["derivatives"], content["bold"], content["story"]) == (".", {}, ["task"])
    assert (content["tr"], content["languages"]["en"]["subjects"]) == (1.5, "*")
    assert content["languages"]["en"]["events"] == {"trial_type": "story"}
    assert [(run.subject, run.story, run.start) for run in runs][:2] == [
        ("002", "lucy", 12.0), ("003", "lucy", 12.0),
    ]  # fmt: skip
    for line in ("space: no name in . says MNI", "words: no file of words",
                 "2 of 3 of en heard fewer than 3 stories"):  # fmt: skip
        assert line in questions


def test_sessions_and_a_story_that_is_heard_again(tmp_path):
    paths = [f"derivative/TextGrids/{story}.TextGrid" for story in ("souls", "life", "smoke")]
    for session, stories in ((2, ("souls", "smoke_run-1")), (10, ("life", "smoke_run-2"))):
        for story in stories:
            paths.append(f"sub-U1/ses-{session}/func/sub-U1_ses-{session}_task-{story}_bold.nii.gz")
    paths += ["sub-U1/ses-2/func/sub-U1_ses-2_task-CategoryLocalizer1_run-1_bold.nii.gz"]
    paths += [f"task-{story}_bold.json" for story in ("souls", "life", "smoke")]
    content, runs, questions = told(tree(tmp_path, *paths, json='{"RepetitionTime": 2.0}'))
    assert content["languages"]["en"]["words"] == "derivative/TextGrids/{story}.TextGrid"
    assert content["stories"] == {"exclude": ["CategoryLocalizer1"]}
    assert [(run.session, run.story, run.repetition) for run in runs] == [
        ("10", "life", 1), ("2", "smoke", 1), ("10", "smoke", 2), ("2", "souls", 1),
    ]  # fmt: skip
    assert "CategoryLocalizer1 are taken as no stories" in questions
    assert content["tr"] == 2.0


@pytest.mark.parametrize("rest", [True, False])
def test_one_task_in_parts(tmp_path, rest):
    """Sixty stories by number in derivatives of another form, with rests between them."""
    paths = [
        f"{place}/sub-0{subject}_task-RDR_run-{run}_bold.nii.gz"
        for subject in (1, 2)
        for place in (f"sub-0{subject}/func", f"derivatives/prep/sub-0{subject}/MNI")
        for run in (1, 2, 10)
    ]
    if rest:
        paths += [path.replace("RDR", "rest") for path in paths]
    content, runs, questions = told(tree(tmp_path, *paths))
    assert (content["derivatives"], content["story"]) == ("derivatives/prep", ["task", "run"])
    assert [run.story for run in runs if run.subject == "01"] == ["RDR_1", "RDR_2", "RDR_10"]
    assert "task and run are taken together" in questions
    assert ("stories" in content) == rest
    assert "tr: no sidecar says the repetition time" in questions


def test_numbers_that_differ_over_people_tell_no_story(tmp_path):
    """Three languages by the letters of ids; runs numbered from where the scanner stood."""
    paths = [
        f"derivatives/sub-{code}{one}/func/sub-{code}{one}_task-lpp{code}_run-{first + run}_{SPACE}"
        "_desc-preproc_bold.nii.gz"
        for code in ("EN", "FR")
        for one, first in ((1, 7), (2, 4))
        for run in range(9)
    ]
    content, _, questions = told(tree(tmp_path, *paths))
    assert "runs are numbered in 2 ways over the subjects" in questions
    assert {code: one["subjects"] for code, one in content["languages"].items()} == {
        "en": "EN*", "fr": "FR*",
    }  # fmt: skip
    assert content["bold"] == {"space": SPACE[6:], "desc": "preproc"}


def test_one_story_is_too_few(tmp_path):
    paths = [f"sub-{one}/sub-{one}_task-alice_bold.nii.gz" for one in (18, 22)]
    _, _, questions = told(tree(tmp_path, *paths, "sub-18/sub-18_task-alice_events.tsv"))
    assert "stories: en has 1 (alice), and 3 are needed" in questions
    assert (
        "events: 1 files (sub-18/sub-18_task-alice_events.tsv) have the types unread" in questions
    )


def test_versions_of_a_recording(tmp_path):
    """Eight parts, in raw, linear and nonlinear versions, with masks that are called bold."""
    paths = [
        f"derivatives/nonlinear/sub-01/ses-g/func/sub-01_ses-g_task-gump_rec-{form}_run-{run}"
        "_bold.nii.gz"
        for run in range(1, 9)
        for form in ("dicoMask", "dicoWarp")
    ]
    content, runs, questions = told(tree(tmp_path, *paths))
    assert content["bold"] == {"rec": "dicoWarp"}
    assert len(runs) == 8
    assert "rec-dicoWarp is taken; there are dicoMask, too" in questions


def test_runs_that_are_there_twice_or_in_another_folder(tmp_path):
    name = "func/sub-15_task-talk_run-{}_desc-preproc_bold.nii.gz"
    paths = [f"derivatives/sub-{one}/{name.format(run)}" for one in (14, 15) for run in (1, 2, 3)]
    _, _, questions = told(tree(tmp_path, *paths))
    assert "the name is of another subject than the folder" in questions
    assert "are both runs of the story talk_1 of sub-15" in questions


def test_people_without_runs_are_left_out(tmp_path):
    paths = [
        f"sub-{one}/func/sub-{one}_task-{t}_bold.nii.gz" for one in ("A1", "A2") for t in "abc"
    ]
    content, _, questions = told(tree(tmp_path, *paths, "sub-A3/anat/sub-A3_T1w.nii.gz"))
    assert content["languages"]["en"]["subjects"] == ["A1", "A2"]
    assert "sub-A3 have no such run" in questions


def test_a_tree_without_runs_is_refused(tmp_path):
    tree(tmp_path, "sub-01/anat/sub-01_T1w.nii.gz", ".git/annex/sub-01/func/sub-01_bold.nii.gz")
    with pytest.raises(BadInput, match="has no run"):
        draft(tmp_path, "tiny")


def test_a_draft_of_a_whole_tree_can_be_run_as_it_is(tmp_path):
    root = write_stories(tmp_path / "data set")
    content = json.loads((root / "dataset.json").read_text())
    (root / "dataset.json").unlink()
    line = [sys.executable, PROJECT / "bin" / "describe.py", root]
    done = subprocess.run(line, capture_output=True, text=True, check=False)
    assert done.returncode == 0, done.stderr
    assert "open: tr: no sidecar says the repetition time" in done.stdout
    assert done.stderr.splitlines()[-1].endswith("12 runs of 4 stories, 4 people")
    made = json.loads((root / "dataset.json").read_text())
    assert made["name"] == "data-set"
    assert {name: made[name] for name in ("derivatives", "bold", "story")} == {
        name: content[name] for name in ("derivatives", "bold", "story")
    }
    assert made["languages"]["en"]["words"] == "stimuli/{story}.tsv"
    (root / "dataset.json").write_text(json.dumps(made | {"tr": 2.0}))
    read_description(root / "dataset.json", ASSETS / "dataset.schema.json")
    by_names = plan_of(tmp_path, **asked(root))["languages"][0]
    table = {name: made[name] for name in ("name", "languages")} | {"tr": 2.0, "runs": "runs.tsv"}
    (root / "dataset.json").write_text(json.dumps(table))
    by_table = plan_of(tmp_path, **asked(root))["languages"][0]
    runs = [
        {one["subject"]: [run["bold"] for run in one["runs"]] for one in planned["subjects"]}
        for planned in (by_names, by_table)
    ]
    assert runs[0] == runs[1]
    # what is there is not written over
    done = subprocess.run(line, capture_output=True, text=True, check=False)
    assert done.returncode == 65
    assert "dataset.json and runs.tsv already" in done.stderr.splitlines()[-1]
