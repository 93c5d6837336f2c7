"""The manifest of a git-annex tree: ds003643's own comes out again, and others work alike."""

import json
import subprocess
import sys

import pandas as pd
import pytest

from helpers.planning import plan_of
from helpers.tiny_dataset import ASSETS, PROJECT, STUDY
from lateralization.errors import BadInput
from lateralization.files import write_table
from lateralization.sources.dataset import read_manifest
from lateralization.sources.description import read_description
from lateralization.sources.manifest import KEY, manifest, pinned_files


def git(tree, *arguments):
    person = ["-c", "user.name=a", "-c", "user.email=a@example.org"]
    subprocess.run(["git", *person, *arguments], cwd=tree, check=True, capture_output=True)


def annexed(tree, path, key):
    """Put a link of git-annex into a tree; its content is nowhere."""
    place = tree / path
    place.parent.mkdir(parents=True, exist_ok=True)
    up = "../" * path.count("/")
    place.symlink_to(f"{up}.git/annex/objects/Xx/Yy/{key}/{key}")


@pytest.fixture(scope="module")
def study_tree(tmp_path_factory):
    """A tree with the links that the data set's own has."""
    tree = tmp_path_factory.mktemp("ds003643")
    for row in read_manifest(STUDY.manifest):
        ending = row["path"].partition(".")[2]
        annexed(tree, row["path"], f"MD5E-s{row['bytes']}--{row['md5']}.{ending}")
    (tree / "README").write_text("in git itself\n")
    git(tree, "init", "-q")
    git(tree, "add", "-A")
    git(tree, "commit", "-q", "-m", "1")
    return tree


def test_the_manifest_of_ds003643_comes_out_again(study_tree):
    found = manifest(STUDY, pinned_files(study_tree), ["annotation/*", "stimuli/*"])
    shipped = pd.DataFrame(read_manifest(STUDY.manifest))
    assert set(found["path"]) == set(shipped["path"])
    both = found.merge(shipped, on="path", suffixes=("", "_shipped"))
    assert (both["bytes"].astype(int) == both["bytes_shipped"]).all()
    assert (both["md5"] == both["md5_shipped"]).all()
    runs = both[both["path"].str.startswith("derivatives/")]
    assert len(runs) == 1008
    for name in ("language", "subject", "run"):
        assert (runs[name] == runs[f"{name}_shipped"]).all()
    assert len(manifest(STUDY, pinned_files(study_tree))) == 1008 + 3


OTHER = {
    "name": "ds000001",
    "version": "1.0.0",
    "manifest": "manifest.tsv",
    "tr": 1.5,
    "n_runs": 3,
    "bold": "derivatives/{subject}/ses-1/{subject}_run-*_bold.nii.gz",
    "languages": {"nl": {"subjects": "NL*", "annotation": "words/nl.tsv"}},
}


@pytest.fixture
def other(tmp_path):
    tree = tmp_path / "tree"
    tree.mkdir()
    for subject in ("NL01", "NL02"):
        for run in (2, 5, 11):  # no zero pads them: 11 is the last all the same
            path = f"derivatives/{subject}/ses-1/{subject}_run-{run}_bold.nii.gz"
            annexed(tree, path, f"SHA256E-s{run}-S100-C1--{run:064x}.nii.gz")
    annexed(tree, "derivatives/NL01/ses-1/NL02_run-01_bold.nii.gz", "MD5-s1--" + "0" * 32)
    (tree / "words").mkdir()
    (tree / "words" / "nl.tsv").write_bytes(b"hallo\n")
    (tree / "pointer.wav").write_text(f"/annex/objects/MD5E-s77--{'a' * 32}.wav\n")
    git(tree, "init", "-q")
    git(tree, "add", "-A")
    git(tree, "commit", "-q", "-m", "1")
    (tmp_path / "dataset.json").write_text(json.dumps(OTHER))
    return tmp_path


def test_other_keys_files_in_git_and_pointers_are_pinned(other):
    files = pinned_files(other / "tree")
    assert (files["words/nl.tsv"].n_bytes, files["words/nl.tsv"].algorithm) == (6, "md5")
    assert files["pointer.wav"].n_bytes == 77
    description = read_description(other / "dataset.json", ASSETS / "dataset.schema.json")
    rows = manifest(description, files, ["*.wav"])
    assert rows["path"].tolist() == sorted(rows["path"])
    assert len(rows) == 2 * 3 + 1 + 1  # a file whose name belongs to another subject is none
    third = rows[(rows["subject"] == "NL01") & (rows["run"] == "3")].iloc[0]
    assert (third["sha256"], third["md5"], third["bytes"]) == (f"{11:064x}", "", "11")


def command(other, *more):
    line = [sys.executable, PROJECT / "bin" / "manifest.py", "--tree", "tree"]
    line += ["--description", "dataset.json", "--out", "manifest.tsv", *more]
    return subprocess.run(line, cwd=other, capture_output=True, text=True, check=False)


@pytest.mark.slow
def test_the_command_writes_what_a_run_reads(other):
    done = command(other)
    assert done.returncode == 0, done.stderr
    rows = read_manifest(other / "manifest.tsv")
    assert len(rows) == 7
    assert {row["sha256"] for row in rows if row["run"] == "1"} == {f"{2:064x}"}


@pytest.mark.slow
@pytest.mark.parametrize(
    ("change", "says"),
    [
        ({"n_runs": 4}, "NL01 has 3"),
        ({"bold": "x/{subject}/*.nii"}, "no run x/"),
        ({"tr": "2"}, "tr"),
        ({"bold": "x/*.nii"}, "bold"),
        ({"surprise": 1}, "surprise"),
    ],
)
def test_what_does_not_fit_is_one_line(other, change, says):
    (other / "dataset.json").write_text(json.dumps(OTHER | change))
    done = command(other)
    assert done.returncode == 65
    assert says in done.stderr.splitlines()[-1]
    assert "Traceback" not in done.stderr
    assert not (other / "manifest.tsv").exists()


def test_a_key_without_length_and_a_folder_without_git_are_refused(other, tmp_path):
    assert KEY.fullmatch("URL--http&c%%example.org") is None
    annexed(other / "tree", "bad", "URL--http&c%%example.org")
    git(other / "tree", "add", "-A")
    git(other / "tree", "commit", "-q", "-m", "2")
    with pytest.raises(BadInput, match="bad has no key"):
        pinned_files(other / "tree")
    assert len(pinned_files(other / "tree", "HEAD~1")) == 9
    (tmp_path / "none").mkdir()
    with pytest.raises(BadInput, match="give a clone"):
        pinned_files(tmp_path / "none" / "deeper")


STORIES = {
    "name": "ds000008",
    "version": "1.0.0",
    "manifest": "manifest.tsv",
    "tr": 1.5,
    "derivatives": "derivatives/fmriprep",
    "bold": {"space": "MNI152NLin2009cAsym"},
    "story": ["task"],
    "languages": {"nl": {"subjects": "*", "words": "words/{story}.TextGrid"}},
}


@pytest.fixture
def told(tmp_path):
    """A tree of stories: their order differs over sessions, and one is heard twice."""
    tree = tmp_path / "tree"
    heard = {"01": "abcb", "02": "cab", "03": "ab"}
    for subject, stories in heard.items():
        for session, story in enumerate(stories, start=1):
            for space in ("T1w", "MNI152NLin2009cAsym"):
                stem = f"sub-{subject}_ses-{session}_task-{story}_space-{space}_bold.nii.gz"
                path = f"derivatives/fmriprep/sub-{subject}/ses-{session}/func/{stem}"
                annexed(tree, path, f"MD5E-s{session}00--{session:032x}.nii.gz")
    for story in "abcd":
        annexed(tree, f"words/{story}.TextGrid", f"MD5E-s50--{ord(story):032x}.TextGrid")
    git(tree, "init", "-q")
    git(tree, "add", "-A")
    git(tree, "commit", "-q", "-m", "1")
    (tmp_path / "dataset.json").write_text(json.dumps(STORIES))
    return tmp_path


def story_manifest(folder):
    description = read_description(folder / "dataset.json", ASSETS / "dataset.schema.json")
    return manifest(description, pinned_files(folder / "tree"), (), folder)


def test_a_fetched_data_set_of_stories_is_planned_from_its_names(told):
    rows = story_manifest(told)
    assert len(rows) == 9 + 3  # runs in one space, words of stories that have runs
    write_table(rows, told / "manifest.tsv")
    plan = plan_of(told, dataset="dataset.json", languages="nl", models="none",
                   baselines="random_vector")  # fmt: skip
    (language,) = plan["languages"]
    assert language["stories"] == ["story-a", "story-b", "story-c"]
    first = language["subjects"][0]
    assert [run["key"] for run in first["runs"]] == [
        "story-a", "story-b", "story-b_rep-2", "story-c",
    ]  # fmt: skip
    assert [run["session"] for run in first["runs"]] == ["1", "2", "4", "3"]
    assert [file["path"] for file in first["remote"]["files"]] == [
        run["bold"] for run in first["runs"]
    ]
    assert first["remote"]["n_runs"] == 4
    assert {run["scans"] for one in language["subjects"] for run in one["runs"]} == {None}
    assert [file["path"] for file in language["annotation"]["files"]] == [
        f"words/{story}.TextGrid" for story in "abc"
    ]
    assert any("not known before they are fetched" in note for note in plan["notes"])
    assert [row["n_scans"] for row in plan["data_runs"]] == [None] * 9


def test_a_fetched_data_set_may_have_a_table_of_runs(told):
    heard = [("01", "b", "2"), ("01", "a", "1"), ("01", "c", "3"), ("02", "b", "3")]
    rows = ["subject\tstory\tbold\tstart"] + [
        f"{s}\t{story}\tderivatives/fmriprep/sub-{s}/ses-{k}/func/sub-{s}_ses-{k}_task-{story}"
        "_space-MNI152NLin2009cAsym_bold.nii.gz\t3"
        for s, story, k in heard
    ]
    (told / "runs.tsv").write_text("\n".join(rows) + "\n")
    content = {k: v for k, v in STORIES.items() if k not in ("derivatives", "bold", "story")}
    (told / "dataset.json").write_text(json.dumps(content | {"runs": "runs.tsv"}))
    write_table(story_manifest(told), told / "manifest.tsv")
    plan = plan_of(told, dataset="dataset.json", languages="nl", models="none",
                   baselines="random_vector")  # fmt: skip
    assert plan["languages"][0]["stories"] == ["story-b", "story-a", "story-c"]
    assert plan["languages"][0]["starts"] == [3.0] * 3
    (told / "runs.tsv").write_text("\n".join([*rows, "03\ta\tgone_bold.nii\t3"]) + "\n")
    with pytest.raises(BadInput, match=r"the manifest does not have gone_bold\.nii"):
        story_manifest(told)


def test_what_a_tree_of_stories_lacks_is_refused(told):
    content = STORIES | {"languages": {"nl": {"subjects": "*", "words": "words/{story}.json"}}}
    (told / "dataset.json").write_text(json.dumps(content))
    with pytest.raises(BadInput, match=r"the tree has no words/a\.json, .* \(words\)"):
        story_manifest(told)
    (told / "dataset.json").write_text(json.dumps(STORIES | {"bold": {}}))
    with pytest.raises(BadInput, match="bold names no space, and there are files in several"):
        story_manifest(told)
