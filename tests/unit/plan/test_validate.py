"""The plan of a run, and every mistake that stops it."""

import json
import re
import subprocess
import sys
import zipfile

import nibabel
import numpy as np
import pytest

from helpers.planning import lines_of, own, plan_of, write_world
from helpers.tiny_dataset import (
    ANNOTATION,
    ASSETS,
    PROJECT,
    run_path,
    truncate,
    write_annotation,
    write_dataset,
    write_model,
)
from lateralization.errors import BadInput
from lateralization.files import digest_of
from lateralization.plan.summary import MOST_LINES, details, summary
from lateralization.run_plan import Plan
from lateralization.study import ANNOTATION_MD5, GRID_AFFINE, GRID_SHAPE


@pytest.fixture(scope="module")
def world(tmp_path_factory):
    """A data set, texts and two models, in a folder with a space and an accent."""
    return write_world(tmp_path_factory.mktemp("été 1"))


def test_a_run_on_ones_own_data_is_planned(world):
    plan = plan_of(world, **own(world, subjects="average,EN901", corrections="none"))
    (language,) = plan["languages"]
    assert [s["subject"] for s in language["subjects"]] == ["EN901", "EN902", "EN903"]
    assert [s["individual"] for s in language["subjects"]] == [True, False, False]
    assert all(s["group"] and len(s["runs"]) == 9 and s["remote"] is None
               for s in language["subjects"])  # fmt: skip
    assert language["corrections"] == "none"
    assert language["texts"]["source"][8] == str(world / "texts" / "text_en_run9.txt")
    assert language["annotation"]["path"].startswith(str(world))
    assert plan["cache_dir"] == str(world / "cache")
    assert plan["fits"] == [
        {"language": "en", "subject": "average", "model": "tiny-a"},
        {"language": "en", "subject": "EN901", "model": "tiny-a"},
        {"language": "en", "subject": "average", "model": "tiny-b"},
        {"language": "en", "subject": "EN901", "model": "tiny-b"},
        {"language": "en", "subject": "average", "model": "random_vector_300d_seed1"},
    ]
    assert plan["truth"] is None
    assert plan["glove"] is None
    assert json.loads(json.dumps(plan)) == plan


def test_the_plan_is_the_same_twice(world):
    assert plan_of(world, **own(world)) == plan_of(world, **own(world))


def test_subjects_share_a_task_with_their_neighbours_in_the_data_set(world):
    def stacks(**given):
        return plan_of(world, **own(world, **given))["languages"][0]["stacks"]

    assert stacks(subjects="average") == []
    assert stacks(subjects="all") == [["EN901", "EN902", "EN903"]]
    assert stacks(subjects="all", subjects_per_task="2") == [["EN901", "EN902"], ["EN903"]]
    # One more subject leaves the groups of the others as they were.
    assert stacks(subjects="EN903", subjects_per_task="2") == [["EN903"]]
    assert stacks(subjects="EN902,EN903", subjects_per_task="2") == [["EN902"], ["EN903"]]


def test_the_encoder_is_the_study_s_unless_asked_for_and_then_it_is_said(world):
    plan = plan_of(world, **own(world))
    assert plan["encoder"] == {
        "alpha": "shared", "hrf": "glover", "inner_validation": "one_run", "components": None,
    }  # fmt: skip
    assert (plan["joint"], "encoder" in " ".join(plan["notes"])) == ([], False)
    other = {"hrf": "fir", "components": "50", "alpha": "per_voxel"}
    plan = plan_of(world, **own(world, **other))
    assert plan["encoder"] | {"hrf": "fir", "components": 50} == plan["encoder"]
    assert "--hrf fir" in " ".join(plan["notes"])
    assert plan_of(world, **own(world, joint="random_vector_300d_seed1"))["joint"] == [
        "random_vector_300d_seed1"
    ]


def test_all_subjects_and_the_average(world):
    plan = plan_of(world, **own(world, subjects="all"))
    assert len(plan["fits"]) == 2 * 4 + 1


def test_a_simulated_data_set_brings_its_truth(world, tmp_path):
    data = write_dataset(tmp_path / "data")
    (data / "simulation.json").write_text("{}")
    plan = plan_of(world, **own(world, dataset=str(data)))
    assert plan["truth"] == str(data / "simulation.json")


def test_the_default_run_fetches_what_it_needs_and_no_more(tmp_path):
    plan = plan_of(tmp_path)
    (language,) = plan["languages"]
    assert len(language["subjects"]) == 49
    remote = language["subjects"][0]["remote"]
    assert remote["files"][0]["urls"] == [
        f"https://s3.amazonaws.com/openneuro.org/ds003643/{remote['files'][0]['path']}"
    ]
    assert language["corrections"] == "ds003643"
    assert language["texts"]["sha256"].startswith("9c2e05be")
    assert plan["glove"]["url"].endswith("glove.6B.zip")
    text = "\n".join(details(Plan.from_json(plan)))
    assert "31.9 GB" in text
    assert "442 files" in text
    assert "31.9 GB with --keep_raw yes" in text
    assert not [note for note in plan["notes"] if "space" in note]


PUBLISHED = dict.fromkeys(("mask", "isc", "average_subject"), "published")
STUDY = {"models": str(ASSETS / "models_en.csv"), "subjects": "average,EN057", "gpus": "1"}


@pytest.mark.parametrize("given", [{}, STUDY, STUDY | {"gpus": "0"}, PUBLISHED])
@pytest.mark.parametrize("n_notes", [0, 30])
def test_a_plan_leaves_room_for_the_progress_on_a_terminal(tmp_path, given, n_notes):
    """A terminal of 24 rows shows the plan, and the tasks below it."""
    plan = Plan.from_json(
        plan_of(tmp_path, **given) | {"notes": [f"note {k}" for k in range(n_notes)]}
    )
    lines = summary(plan)
    assert len(lines) <= MOST_LINES == 12
    text = "\n".join(lines)
    assert max(map(len, lines)) <= 120
    assert re.search(r"plan: time +about [\d.]+ (minutes|hours) of two cores", text)
    assert re.search(r"plan: GPU +(about )?[\d.]+ GPU hours; [\w.-]+ needs [\d.]+ [MG]B", text)
    assert re.search(r"plan: disk +about [\d.]+ GB", text)
    assert re.search(r"plan: download +[\d.]+ [MG]B of data", text)
    assert (f"{n_notes - 4} more" in text) == (n_notes == 30)
    assert all(f"note: note {k}" in "\n".join(details(plan)) for k in range(n_notes))


def test_the_plan_names_models_whose_revision_is_resolved_at_run_time(tmp_path):
    def revisions(**given):
        lines = details(Plan.from_json(plan_of(tmp_path, **given)))
        return next(line for line in lines if line.startswith("plan: revisions"))

    line = revisions(models="gpt2,pythia-6.9b_step1000")
    assert "2 resolved at run time, and recorded: gpt2 (main), pythia-6.9b_step1000" in line
    sheet = tmp_path / "sheet.csv"
    sheet.write_text(f"model,source,revision\na,org/a,{'0f' * 20}\nb,org/b,v1.0\n")
    line = revisions(models=str(sheet))
    assert "1 pinned to a commit; 1 resolved at run time, and recorded: b (v1.0)" in line
    assert "no model is fetched" in revisions(models="none")


def test_mirrors_replace_the_official_addresses(tmp_path):
    plan = plan_of(tmp_path, data_endpoint="http://mirror:9/x", hf_endpoint="http://hub:8/")
    urls = plan["languages"][0]["annotation"]["files"][0]["urls"]
    assert all(url.startswith("http://mirror:9/x/") for url in urls)
    assert plan["glove"]["url"].startswith("http://hub:8/stanfordnlp/")


def test_individuals_only_still_make_the_group(tmp_path):
    plan = plan_of(tmp_path, subjects="EN057")
    assert plan["fits"] == [{"language": "en", "subject": "EN057", "model": "gpt2"}]
    assert not plan["languages"][0]["average"]


def test_corrections_follow_the_annotations_md5(world, monkeypatch):
    plan = plan_of(world, **own(world))
    assert plan["languages"][0]["corrections"] == "none"
    assert any("not the published one" in note for note in plan["notes"])
    assert plan_of(world, **own(world, corrections="ds003643"))["languages"][0][
        "corrections"
    ] == "ds003643"  # fmt: skip
    annotation = world / "data" / ANNOTATION
    monkeypatch.setitem(ANNOTATION_MD5, "en", digest_of(annotation, "md5"))
    assert plan_of(world, **own(world))["languages"][0]["corrections"] == "ds003643"


def test_the_width_of_given_word_vectors_is_their_files(world, tmp_path, capsys):
    path = tmp_path / "mine.txt"
    path.write_text("the" + " 0.5" * 50 + "\n")
    plan = plan_of(world, **own(world, baselines="glove", glove=str(path)))
    assert [entry["dims"] for entry in plan["baselines"]] == [50]
    path.write_text("<html>\n")
    lines = lines_of(world, capsys, **own(world, baselines="glove", glove=str(path)))
    assert "mine.txt does not begin with a word and its numbers" in lines[0]
    (plan,) = plan_of(tmp_path, models="none", baselines="glove")["baselines"]
    assert plan["dims"] == 300


def test_a_password_is_not_shown(world, tmp_path):
    with zipfile.ZipFile(tmp_path / "t.zip", "w") as archive:
        for file in (world / "texts").iterdir():
            archive.write(file, file.name)
    plan = plan_of(world, **own(world, texts=str(tmp_path / "t.zip"), texts_password="sesame"))
    assert plan["parameters"]["texts_password"] == "(given)"
    assert plan["languages"][0]["texts"]["password"] == "sesame"
    whole = Plan.from_json(plan)
    assert "sesame" not in "\n".join([*details(whole), *summary(whole)])


@pytest.mark.parametrize(
    ("more", "says"),
    [
        ({"languages": "de"}, "ds003643 has no de; choose from en, fr, cn"),
        ({"dataset": "nowhere"}, "nowhere is no folder"),
        ({"dataset": "texts"}, "has no folder derivatives"),
        ({"languages": "fr"}, "has no subject sub-FR*"),
        ({"texts": "nowhere"}, "nowhere does not exist"),
        ({"texts": "data"}, "lacks text_en_run1.txt"),
        ({"texts": "models/tiny-a/config.json"}, "cannot be read as a zip"),
        ({"texts_password": "x"}, "--texts is a folder"),
        ({"corrections": "nowhere.tsv"}, "nowhere.tsv does not exist"),
        ({"models": "./nowhere"}, "does not exist"),
        ({"models": "gtp2"}, "did you mean gpt2"),
        ({"subjects": "average,EN999"}, "EN999 is not in the data set; the nearest are EN9"),
        ({"subjects": "FR001"}, "it is fr, and --languages is en"),
        ({"isc": "isc.nii.gz"}, "--isc is given without --mask"),
        ({"average_subject": "average"}, "--average_subject is given without --mask"),
        ({"mask": "nowhere.nii.gz"}, "--mask: "),
        ({"mask": "models/tiny-a/config.json"}, "--mask: "),
        ({"individual_models": "models/tiny-a"}, "--subjects has no individual"),
        ({"glove": "x.txt"}, "no baseline is glove"),
        ({"baselines": "glove", "glove": "x.txt"}, "x.txt does not exist"),
        ({"languages": "en,fr", "mask": "m.nii"}, "put {lang} into the path"),
        ({"features": "x"}, "x is no folder"),
        ({"cache_dir": "data/annotation/EN/lppEN_word_information.csv"}, "is a file"),
        ({"cache_dir": "s3://bucket/cache"}, "is an address; give a folder"),
        ({"word_maping": "auto"}, "did you mean --word_mapping"),
        ({"precision": "int8"}, "choose from float32"),
        ({"models": "none", "baselines": "none"}, "name at least one"),
        ({"alpha": "voxel"}, "choose from shared, per_voxel"),
        ({"components": "0"}, "the smallest possible is 1"),
        ({"joint": "glove"}, "--joint: glove is none of the run's baselines"),
        ({"joint": "random_vector_300d_seed1", "components": "9"}, "cannot be combined"),
    ],
)
def test_a_mistake_is_one_line_that_says_how_to_mend_it(world, capsys, more, says):
    lines = lines_of(world, capsys, **own(world, **more))
    assert any(says in line for line in lines), lines
    assert all("\n" not in line and "Traceback" not in line for line in lines)


def test_a_password_without_a_zip_contradicts(tmp_path, capsys):
    lines = lines_of(tmp_path, capsys, texts_password="x")
    assert "--texts_password is given without --texts" in lines[0]


def test_one_subject_has_no_reliability(world, tmp_path, capsys):
    data = write_dataset(tmp_path / "data", ("EN901",))
    (line,) = lines_of(world, capsys, **own(world, dataset=str(data)))
    assert "one subject of en" in line


def test_every_mistake_is_reported_and_the_first_is_last_with_the_count(world, tmp_path, capsys):
    data = write_dataset(tmp_path / "data")
    run_path(data, "EN901", 7).unlink()
    truncate(run_path(data, "EN902", 9))
    path = write_annotation(data)
    path.write_text(path.read_text().replace("onset", "start"))
    write_model(tmp_path / "m").joinpath("config.json").unlink()
    more = {"dataset": str(data), "models": str(tmp_path / "m"), "isc_trials": "many"}
    last, *others = lines_of(world, capsys, **own(world, **more))
    assert last.startswith("--isc_trials")
    assert last.endswith("(and 4 more above)")
    assert len(others) == 4
    for said in ("config.json", "8 runs", "run-09", "no column onset"):
        assert any(said in line for line in others), said


def test_what_depends_on_a_wrong_parameter_is_not_reported(world, capsys):
    (line,) = lines_of(world, capsys, **own(world, languages="xx"))
    assert line.startswith("--languages")


def command(request, tmp_path, *more):
    return subprocess.run(
        [sys.executable, PROJECT / "bin" / "validate.py", "--assets", ASSETS, *more],
        input=request,
        capture_output=True,
        text=True,
        cwd=tmp_path,
        check=False,
    )


@pytest.mark.slow
def test_the_command_writes_the_plan_and_says_it(world, tmp_path):
    request = json.dumps({"params": own(world), "launch_dir": str(world)})
    done = command(request, tmp_path)
    assert done.returncode == 0, done.stderr
    assert json.loads((tmp_path / "plan.json").read_text())["fits"]
    assert "plan: fits" in done.stderr
    text = (tmp_path / "plan.txt").read_text()
    assert len(text.splitlines()) <= MOST_LINES
    request = json.dumps({"params": own(world) | {"stage": "plan"}, "launch_dir": str(world)})
    assert command(request, tmp_path).returncode == 0
    assert (tmp_path / "plan.txt").read_text() != text


@pytest.mark.slow
def test_the_command_refuses_with_65_one_last_line_and_no_plan(world, tmp_path):
    request = json.dumps({"params": {**own(world), "dataset": "no"}, "launch_dir": str(world)})
    done = command(request, tmp_path)
    assert done.returncode == 65
    assert "no is no folder" in done.stderr.splitlines()[-1]
    assert "Traceback" not in done.stderr
    assert not (tmp_path / "plan.json").exists()


@pytest.mark.slow
def test_the_command_refuses_what_is_no_request(tmp_path):
    for text in ("", "[]", '{"params": 3}'):
        done = command(text, tmp_path)
        assert done.returncode == 65, done.stderr


@pytest.mark.slow
def test_home_is_the_user_s_wherever_the_command_runs(world, tmp_path):
    settings = own(world) | {"texts": "~/texts"}
    request = {"params": settings, "launch_dir": str(world), "home_dir": str(world)}
    done = command(json.dumps(request), tmp_path)
    assert done.returncode == 0, done.stderr


def test_an_atlas_is_an_image_and_its_labels(world, tmp_path):
    image, table = tmp_path / "my parcels.nii.gz", tmp_path / "names.csv"
    labels = np.zeros(GRID_SHAPE, np.int16)
    labels[:18], labels[19:] = 1, 2
    nibabel.save(nibabel.Nifti1Image(labels, GRID_AFFINE), image)
    table.write_text("index,name\n1,Left a\n2,Right a\n")
    plan = plan_of(world, **own(world, atlas=f"{image},{table}"))
    assert plan["atlas"] == {"source": [str(image), str(table)]}
    with pytest.raises(BadInput, match=r"my parcels.tsv does not exist; give IMAGE,LABELS"):
        plan_of(world, **own(world, atlas=str(image)))
    table.write_text("index,name\n1,Right a\n2,Left a\n")
    with pytest.raises(BadInput, match=r"--atlas: the atlas's names and voxels disagree .*Right a"):
        plan_of(world, **own(world, atlas=f"{image},{table}"))
    table.write_text("number,label\n1,Left a\n")
    with pytest.raises(BadInput, match="is no table of index and name"):
        plan_of(world, **own(world, atlas=f"{image},{table}"))
    table.write_text("index,name\n1,Left a\n2,Right a\n")
    image.write_bytes(b"x")
    with pytest.raises(BadInput, match=r"--atlas: .* cannot be read as NIfTI"):
        plan_of(world, **own(world, atlas=f"{image},{table}"))


def test_the_plan_says_what_the_weights_take_on_disk(world):
    def line(**more):
        plan = plan_of(world, **own(world, **more))
        return next(
            text
            for text in details(Plan.from_json(plan))
            if text.startswith("plan: disk for weights")
        )

    assert line().endswith("none: no weights are fetched")
    said = line(models="gpt2,opt-125m")  # 124,439,808 and 125,239,296 weights, as the study says
    assert "499.4 MB to 998.7 MB (2 to 4 bytes a weight) with --keep_models yes" in said
    assert "no a model's (501.0 MB at most) go" in said
    assert "and 1 models" in line(models="gpt2,org/unheard-of")


FETCHED = {
    "name": "ds000001", "version": "1.0.0", "manifest": "manifest.tsv", "tr": 1.5, "n_runs": 3,
    "bold": "sub-{subject}/*_bold.nii.gz",
    "languages": {"nl": {"subjects": "*", "annotation": "words.tsv"}},
}  # fmt: skip


def fetched(folder, stories, space="_space-MNI152NLin2009cAsym"):
    """Write the description and manifest of a data set that is fetched; return its parameters."""
    rows = ["path\tbytes\tmd5\tlanguage\tsubject\trun", f"words.tsv\t9\t{'a' * 32}\tnl\tn/a\tn/a"]
    rows += [
        f"sub-{one}/sub-{one}_ses-{k}_task-{story}{space}_bold.nii.gz\t9\t{'b' * 32}\tnl\t{one}\t"
        f"{k}"
        for one, heard in stories.items()
        for k, story in enumerate(heard, start=1)
    ]
    (folder / "manifest.tsv").write_text("\n".join(rows) + "\n")
    (folder / "dataset.json").write_text(json.dumps(FETCHED))
    return {"dataset": "dataset.json", "languages": "nl", "models": "none",
            "baselines": "random_vector"}  # fmt: skip


def test_names_of_a_fetched_data_set_are_asked_for_stories_and_spaces(tmp_path, capsys):
    heard = {"01": "abc", "02": "abc"}
    plan = plan_of(tmp_path, **fetched(tmp_path, heard))
    assert not [note for note in plan["notes"] if "space" in note]
    text = "\n".join(details(Plan.from_json(plan)))
    assert re.search(r"disk for fMRI +nl: unknown until the scans are counted", text)
    assert not re.search(r" -[0-9]", text)
    notes = plan_of(tmp_path, **fetched(tmp_path, heard, ""))["notes"]
    assert [note for note in notes if note.startswith("names of 6 runs have no space-")]
    line, *more = lines_of(tmp_path, capsys, **fetched(tmp_path, heard | {"02": "acb"}))
    assert "file 2 of sub-02" in line
    assert not more
    line, *_ = lines_of(tmp_path, capsys, **fetched(tmp_path, {"01": "aba", "02": "aba"}))
    assert "files 1 and 3 of sub-01 name one story, a" in line
    line, *_ = lines_of(tmp_path, capsys, **fetched(tmp_path, heard, "_space-T1w"))
    assert "sub-01/sub-01_ses-1_task-a_space-T1w_bold.nii.gz is in space-T1w by its name" in line
