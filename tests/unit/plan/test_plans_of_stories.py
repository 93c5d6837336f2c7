"""Data sets of stories: who heard what, in the plan, and what is refused with its reason."""

import json
import shutil

import nibabel
import numpy as np
import pytest

from helpers.planning import lines_of, plan_of, write_group
from helpers.story_dataset import (
    FMRIPREP,
    HEARD,
    SPACE,
    asked,
    keys,
    language,
    refusal,
    run_file,
    write_description,
    write_events,
    write_stories,
    write_story_run,
    write_words,
)
from lateralization.study import GRID_AFFINE, GRID_SHAPE


@pytest.fixture
def root(tmp_path):
    return write_stories(tmp_path / "data")


# ---- runs ---------------------------------------------------------------------------------------


def test_every_person_has_the_runs_that_it_heard_in_the_order_of_the_stories(tmp_path, root):
    planned = language(tmp_path, root)
    assert planned["stories"] == [f"story-{name}" for name in ("ants", "bees", "cats", "dogs")]
    assert keys(planned) == {
        subject: [f"story-{name}" for name in sorted(stories)] for subject, stories in HEARD.items()
    }
    run = planned["subjects"][0]["runs"][0]
    assert run["bold"] == str(root / run_file("01", "bees"))
    assert (run["scans"], run["average_scans"], run["session"]) == (40, None, "")
    assert (planned["test"], planned["starts"], planned["slice_time"]) == ([], [0.0] * 4, 1.0)
    assert (planned["tr"], planned["trim"]) == (2.0, 10)
    assert planned["annotation"]["stories"][0] == ["story-ants", "stimuli/ants.tsv"]
    assert planned["annotation"]["source"][0] == str(root / "stimuli/ants.tsv")
    assert planned["texts"]["joined"]


def test_the_stories_are_in_natural_order(tmp_path):
    heard = {one: ["part10", "part9", "part1"] for one in ("01", "02")}
    root = write_stories(tmp_path / "data", heard)
    assert language(tmp_path, root)["stories"] == ["story-part1", "story-part9", "story-part10"]


def test_sessions_may_hold_the_stories_in_any_order(tmp_path):
    root = tmp_path / "data"
    for subject, order in (("01", "abc"), ("02", "cab")):
        for session, story in enumerate(order, start=1):
            write_story_run(root, run_file(subject, story, between=f"ses-{session}"))
    for story in "abc":
        write_words(root, story)
    planned = language(tmp_path, write_description(root))
    assert keys(planned) == {one: ["story-a", "story-b", "story-c"] for one in ("01", "02")}
    assert [run["session"] for run in planned["subjects"][1]["runs"]] == ["2", "3", "1"]


def test_repetitions_are_counted_by_session_and_run(tmp_path):
    root = write_stories(tmp_path / "data", {"01": ["a", "b"], "02": ["a", "b", "c"]})
    for between in ("ses-10_run-1", "ses-9_run-2", "ses-9_run-10"):
        write_story_run(root, run_file("01", "c", between=between))
    planned = language(tmp_path, root)
    found = {run["key"]: run["bold"] for run in planned["subjects"][0]["runs"]}
    assert list(found)[2:] == ["story-c", "story-c_rep-2", "story-c_rep-3"]
    for key, between in (("story-c", "ses-9_run-2"), ("story-c_rep-2", "ses-9_run-10"),
                         ("story-c_rep-3", "ses-10_run-1")):  # fmt: skip
        assert found[key] == str(root / run_file("01", "c", between=between))
    rows = plan_of(tmp_path, **asked(root))["data_runs"]
    assert [row["repetition"] for row in rows if row["subject"] == "01"] == [1, 1, 1, 2, 3]


def test_a_lone_second_run_is_the_first_hearing(tmp_path):
    root = write_stories(tmp_path / "data", {"01": ["a", "b"], "02": ["a", "b", "c"]})
    write_story_run(root, run_file("01", "c", between="run-2"))
    assert keys(language(tmp_path, root))["01"] == ["story-a", "story-b", "story-c"]


def test_several_entities_name_a_story(tmp_path):
    root = tmp_path / "data"
    for subject in ("01", "02"):
        for run in ("1", "2", "10"):
            write_story_run(root, run_file(subject, "lpp", between=f"run-{run}"))
    for run in ("1", "2", "10"):
        write_words(root, f"lpp_{run}")
    planned = language(tmp_path, write_description(root, story=["task", "run"]))
    assert planned["stories"] == ["story-lpp_1", "story-lpp_2", "story-lpp_10"]


def test_the_labels_of_a_story_stay_as_they_stand(tmp_path):
    root = tmp_path / "data"
    for subject in ("01", "02"):
        for run in ("01", "02", "03"):
            write_story_run(root, run_file(subject, "lpp", between=f"run-{run}"))
    for run in ("01", "02", "03"):
        write_words(root, f"lpp_{run}")
    write_description(root, story=["task", "run"])
    assert language(tmp_path, root)["stories"] == ["story-lpp_01", "story-lpp_02", "story-lpp_03"]
    (root / run_file("02", "lpp", between="run-03")).rename(
        root / run_file("02", "lpp", between="run-3")
    )
    write_words(root, "lpp_3")
    assert "lpp_03, lpp_3 differ in capitals or zeros only" in refusal(tmp_path, root)


@pytest.mark.parametrize(
    ("second", "says"),
    [
        ("_acq-b", "they differ in acq"),
        ("_res-2", "they differ in res"),
        (".nii", "their names say the same"),
    ],
)
def test_files_that_differ_in_another_entity_are_doubles(tmp_path, root, second, says):
    path = root / run_file("01", "bees")
    if second == ".nii":
        other = path.with_name(path.name.removesuffix(".gz"))
    else:
        other = path.with_name(path.name.replace("_desc", f"{second}_desc"))
    shutil.copy(path, other)
    line = refusal(tmp_path, root)
    assert "are both runs of the story bees of sub-01" in line
    assert says in line


def test_a_file_in_the_folder_of_another_subject_is_refused(tmp_path, root):
    stray = run_file("01", "ants").replace("sub-01/", "sub-04/")
    write_story_run(root, stray)
    line = refusal(tmp_path, root)
    assert f"{stray}: the name is of another subject than the folder" in line


def test_doubles_are_told_apart_by_bold(tmp_path, root):
    for path in sorted((root / FMRIPREP).rglob("*_bold.nii.gz")):
        shutil.copy(path, path.with_name(path.name.replace("_desc", "_res-2_desc")))
    write_description(root, bold={"space": SPACE[6:], "desc": "preproc", "res": "2"})
    plan = plan_of(tmp_path, **asked(root))
    assert keys(plan["languages"][0])["04"] == ["story-bees", "story-dogs"]
    unused = [row for row in plan["data_runs"] if not row["used"]]
    assert len(unused) == sum(map(len, HEARD.values()))
    assert {row["reason"] for row in unused} == {"its name has no res-, and bold asks for res-2"}


def test_names_that_differ_in_capitals_are_refused(tmp_path, root):
    path = root / run_file("01", "bees")
    path.rename(path.with_name(path.name.replace("bees", "Bees")))
    write_words(root, "Bees")
    assert "Bees, bees differ in capitals only" in refusal(tmp_path, root)


# ---- spaces and kinds of files ------------------------------------------------------------------


def test_space_may_be_missing_where_all_share_one(tmp_path, root):
    write_description(root, bold={"desc": "preproc"})
    assert len(language(tmp_path, root)["stories"]) == 4
    path = run_file("02", "ants", space="space-MNI152NLin6Asym")
    write_story_run(root, path)
    line = refusal(tmp_path, root)
    assert "bold names no space, and there are files in several: space-MNI152NLin2009c" in line
    assert path in line


def test_the_space_of_what_is_left_out_does_not_matter(tmp_path, root):
    write_story_run(root, run_file("02", "rest", space="space-MNI152NLin6Asym"))
    write_description(root, bold={"desc": "preproc"}, stories={"exclude": ["rest"]})
    assert len(language(tmp_path, root)["stories"]) == 4


def test_a_subject_without_files_in_the_space_is_refused_unless_it_is_left_out(tmp_path, root):
    for path in sorted((root / FMRIPREP / "sub-02").rglob("*_bold.nii.gz")):
        path.rename(path.with_name(path.name.replace(SPACE, "space-T1w")))
    line = refusal(tmp_path, root)
    assert "sub-02 have no run with space-MNI152NLin2009cAsym desc-preproc" in line
    assert "its name has space-T1w" in line
    assert "leave the subjects out of subjects" in line
    write_description(root, en_subjects=["01", "03", "04"])
    plan = plan_of(tmp_path, **asked(root))
    assert list(keys(plan["languages"][0])) == ["01", "03", "04"]
    assert {row["subject"] for row in plan["data_runs"] if not row["used"]} == {"02"}


def test_a_space_of_ones_own_is_refused(tmp_path):
    root = tmp_path / "data"
    for subject in ("01", "02"):
        for story in "abc":
            write_story_run(root, run_file(subject, story, space="space-T1w"))
            write_words(root, story)
    write_description(root, bold={"space": "T1w"})
    assert "is in space-T1w by its name, a space of the subject's own" in refusal(tmp_path, root)


@pytest.mark.parametrize("ending", ["_bold.dtseries.nii", "_bold.func.gii"])
def test_surfaces_are_refused_as_such(tmp_path, root, ending):
    for path in sorted((root / FMRIPREP).rglob("*_bold.nii.gz")):
        path.rename(path.with_name(path.name.replace("_bold.nii.gz", ending)))
    line = refusal(tmp_path, root)
    assert "surfaces or CIFTI, not volumes" in line
    assert "volumes (.nii, .nii.gz), not surfaces or CIFTI are needed" in line


def test_an_unfetched_run_says_how_to_fetch_it(tmp_path, root):
    path = root / run_file("01", "bees")
    path.unlink()
    path.symlink_to("../../.git/annex/objects/gone")
    assert "datalad get" in refusal(tmp_path, root)


def test_no_folder_and_no_file_are_one_line(tmp_path, root):
    write_description(root, derivatives="derivatives/other")
    assert "derivatives/other has no folder sub-*" in refusal(tmp_path, root)
    write_description(root, bold={"space": "MNI305"})
    line = refusal(tmp_path, root)
    assert "has no run with space-MNI305" in line
    assert "its name has space-MNI152NLin2009cAsym" in line


# ---- which stories ------------------------------------------------------------------------------


def test_stories_are_chosen_by_patterns(tmp_path, root):
    write_description(root, stories={"exclude": ["a*", "rest*"], "test": ["c*"]}, en_name="E")
    write_story_run(root, run_file("01", "eels"))
    write_story_run(root, run_file("03", "eels"))
    write_story_run(root, run_file("03", "foxes"))
    write_words(root, "eels")
    write_words(root, "foxes")
    plan = plan_of(tmp_path, **asked(root))
    planned = plan["languages"][0]
    assert planned["stories"] == [f"story-{s}" for s in ("bees", "cats", "dogs", "eels", "foxes")]
    assert planned["test"] == ["story-cats"]
    assert any("rest* of stories.exclude" in note for note in plan["notes"])
    reasons = {row["reason"] for row in plan["data_runs"] if row["story"] == "ants"}
    assert reasons == {"stories in dataset.json leaves it out"}


@pytest.mark.parametrize(
    ("stories", "says"),
    [
        ({"include": ["ants", "bee"]}, "bee of stories.include in dataset.json is no story"),
        ({"test": ["zebra"]}, "zebra of stories.test in dataset.json is no story"),
        ({"exclude": ["*"]}, "stories in dataset.json leaves none of ants, bees, cats, dogs"),
        ({"test": ["a*", "b*"]}, "en has 2 stories that may train (cats, dogs); 3 are needed"),
    ],
)
def test_patterns_that_fit_nothing_are_refused(tmp_path, root, stories, says):
    write_description(root, stories=stories)
    assert says in refusal(tmp_path, root)


def test_patterns_for_all_languages_need_not_fit_in_each(tmp_path, root):
    content = json.loads((root / "dataset.json").read_text())
    english = content["languages"]["en"] | {"subjects": ["01", "03"]}
    for subject, stories in {"05": "xyz", "06": "xyz"}.items():
        for story in stories:
            write_story_run(root, run_file(subject, story))
    for story in "xyz":
        write_words(root, story)
    content["languages"] = {"en": english, "fr": english | {"subjects": ["05", "06"]}}
    content["stories"] = {"include": ["x", "y", "z", "*s"], "test": ["ants"]}
    (root / "dataset.json").write_text(json.dumps(content))
    plan = plan_of(tmp_path, **asked(root, languages="en,fr"))
    found = [(one["stories"], one["test"]) for one in plan["languages"]]
    assert found == [
        ([f"story-{name}" for name in ("ants", "bees", "cats", "dogs")], ["story-ants"]),
        (["story-x", "story-y", "story-z"], []),
    ]
    assert any("ants of stories.test" in note and "x, y" in note for note in plan["notes"])


def test_people_with_few_stories_count_in_the_average_and_are_not_fitted_alone(tmp_path, root):
    planned = language(tmp_path, root, subjects="average,01")
    assert [one["group"] for one in planned["subjects"]] == [True] * 4
    line = refusal(tmp_path, root, subjects="all")
    assert "sub-04 (2) heard fewer than 3 stories that may train" in line
    assert "subjects in dataset.json" in line
    write_description(root, stories={"test": ["cats"]})
    assert "sub-01 (2), sub-02 (3)" not in refusal(tmp_path, root, subjects="01,02")
    assert "sub-01 (2) heard fewer" in refusal(tmp_path, root, subjects="01,02")


def test_too_few_hearers_of_a_story_are_said_and_the_run_goes_on(tmp_path, root):
    def said():
        notes = plan_of(tmp_path, **asked(root))["notes"]
        return next(note for note in notes if "reliability" in note)

    assert said() == (
        "en: no reliability: fewer than 3 stories that may train have 4 hearers (ants (2), "
        "cats (2) have fewer)"
    )
    for subject in ("02", "04"):
        write_story_run(root, run_file(subject, "cats"))
    assert said() == "en: no reliability of ants (2): fewer than 4 hearers"
    write_description(root, stories={"test": ["cats"], "exclude": []})
    assert said().startswith("en: no reliability: fewer than 3 stories that may train")
    write_description(root, en_subjects=["01"])
    notes = plan_of(tmp_path, **asked(root))["notes"]
    assert any(note.startswith("en: no story has 4 hearers") for note in notes)


# ---- words --------------------------------------------------------------------------------------


def test_words_are_compared_with_the_scans_of_everyone_who_heard_the_story(tmp_path, root):
    path = write_words(root, "bees", 60)
    header, *rows = path.read_text().splitlines()
    cells = [row.split("\t") for row in rows]
    milliseconds = [f"{word}\t{1000 * float(a)}\t{1000 * float(b)}" for word, a, b in cells]
    path.write_text("\n".join([header, *milliseconds]) + "\n")
    assert "words of story bees: " in refusal(tmp_path, root)
    # one person's run is of another story
    write_words(root, "bees", 200)
    for subject in ("01", "02", "04"):
        write_story_run(root, run_file(subject, "bees"), 110)
    group = write_group(tmp_path)
    given = {"subjects": "01,02,03", **group}
    line = refusal(tmp_path, root, **given)
    assert "story bees of sub-03 is too short for its story" in line


def test_the_start_of_a_story_counts_where_words_are_compared(tmp_path, root):
    write_description(root, en_events={"trial_type": "story"})
    for subject, stories in HEARD.items():
        for story in stories:
            write_events(root, subject, story, 70.0 if story == "bees" else 0.0)
    assert "words of story bees: " in refusal(tmp_path, root)


def test_a_story_without_words_is_refused_and_spare_files_are_not(tmp_path, root):
    write_words(root, "spare")
    assert len(language(tmp_path, root)["stories"]) == 4
    (root / "stimuli/cats.tsv").unlink()
    line = refusal(tmp_path, root)
    assert "stimuli/cats.tsv does not exist" in line
    assert "leave the story out" in line


def one_table(root, stories=("ants", "bees", "cats", "dogs"), column="story"):
    rows = [f"{column}\tword\tonset\toffset"]
    for story in stories:
        own = write_words(root, story).read_text().splitlines()[1:]
        rows += [f"{story}\t{row}" for row in own]
    (root / "words.tsv").write_text("\n".join(rows) + "\n")


def test_one_table_has_the_words_of_all_stories(tmp_path, root):
    one_table(root)
    write_description(root, en_words="words.tsv")
    planned = language(tmp_path, root)
    assert planned["annotation"]["source"] == [str(root / "words.tsv")]
    assert planned["annotation"]["stories"] == []
    one_table(root, column="tale")
    write_description(root, en_words="words.tsv", columns={"story": "tale"})
    assert len(language(tmp_path, root)["stories"]) == 4
    one_table(root, ("ants", "bees", "cats", "dogs", "newts"))
    write_description(root, en_words="words.tsv")
    assert "has words of newts, of which there is no run" in refusal(tmp_path, root)
    one_table(root, ("ants", "bees", "cats"))
    assert "has no word of dogs" in refusal(tmp_path, root)
    # of a story that is left out there is a run
    one_table(root)
    write_description(root, en_words="words.tsv", stories={"exclude": ["ants"]})
    assert len(language(tmp_path, root)["stories"]) == 3


def test_one_table_may_have_the_words_of_several_languages(tmp_path, root):
    for subject in ("05", "06"):
        for story in "xyz":
            write_story_run(root, run_file(subject, story))
    for story in "xyz":
        write_words(root, story)
    one_table(root, [*"xyz", "ants", "bees", "cats", "dogs"])
    content = json.loads((root / "dataset.json").read_text())
    english = content["languages"]["en"] | {"subjects": "0[1-4]", "words": "words.tsv"}
    content["languages"] = {"en": english, "fr": english | {"subjects": "0[56]"}}
    (root / "dataset.json").write_text(json.dumps(content))
    plan = plan_of(tmp_path, **asked(root, languages="en,fr"))
    assert [len(one["stories"]) for one in plan["languages"]] == [4, 3]


def test_two_stories_with_the_same_words_are_refused(tmp_path, root):
    shutil.copy(root / "stimuli/ants.tsv", root / "stimuli/dogs.tsv")
    assert "ants and dogs have the words of one story" in refusal(tmp_path, root)


def test_texts_are_compared_with_the_words(tmp_path, root):
    write_description(root, en_text="stimuli/{story}.txt")
    for story in ("ants", "bees", "cats", "dogs"):
        rows = (root / f"stimuli/{story}.tsv").read_text().splitlines()[1:]
        words = [row.split("\t")[0] for row in rows]
        (root / f"stimuli/{story}.txt").write_text(" ".join(words) + "\n")
    planned = language(tmp_path, root)
    assert planned["texts"]["stories"][3] == ["story-dogs", "stimuli/dogs.txt"]
    assert "joined" not in planned["texts"]
    (root / "stimuli/dogs.txt").write_text("Nothing of what was told is printed here at all.\n")
    assert "are annotated in story dogs" in refusal(tmp_path, root)
    (root / "stimuli/dogs.txt").unlink()
    assert "stimuli/dogs.txt does not exist" in refusal(tmp_path, root)


@pytest.mark.parametrize(
    ("given", "says"),
    [
        ({"texts": "texts"}, "--texts: a data set of stories names its texts itself"),
        ({"corrections": "ds003643"}, "--corrections: "),
        ({"average_subject": "published", "mask": "published"}, "belong to ds003643, not to tiny"),
    ],
)
def test_what_a_data_set_of_stories_does_not_take(tmp_path, root, capsys, given, says):
    assert any(says in line for line in lines_of(tmp_path, capsys, **asked(root, **given)))


def test_a_given_average_subject_has_an_image_of_each_story(tmp_path, root):
    given = write_group(tmp_path) | {"average_subject": str(tmp_path / "average")}
    (tmp_path / "average").mkdir()
    for story in ("ants", "bees", "cats"):
        image = nibabel.Nifti1Image(np.ones((*GRID_SHAPE, 40), np.float32), GRID_AFFINE)
        nibabel.save(image, tmp_path / "average" / f"story-{story}.nii.gz")
    assert "average lacks story-dogs.nii.gz" in refusal(tmp_path, root, **given)
    write_description(root, stories={"exclude": ["dogs"]})
    planned = language(tmp_path, root, **given)
    assert [path[-17:] for path in planned["average_subject"]["source"]] == [
        f"story-{story}.nii.gz" for story in ("ants", "bees", "cats")
    ]
    assert planned["subjects"] == []
    plan = plan_of(tmp_path, **asked(root, confounds="motion", **given))
    assert "en: no run is cleaned, so --confounds has no use" in plan["notes"]


def test_languages_may_differ_in_times_files_and_stories(tmp_path, root):
    for subject in ("F1", "F2"):
        for story in ("un", "deux", "trois", "quatre"):
            path = run_file(subject, story, space="space-MNI152NLin6Asym").replace(
                FMRIPREP, "derivatives/other"
            )
            write_story_run(root, path, 80, RepetitionTime=1.25)
            write_words(root, story, 50)
    french = {
        "subjects": "F*", "words": "stimuli/{story}.tsv", "tr": 1.25, "trim": 4,
        "derivatives": "derivatives/other", "bold": {"space": "MNI152NLin6Asym"},
        "stories": {"exclude": ["quatre"]},
    }  # fmt: skip
    content = json.loads((root / "dataset.json").read_text())
    content["languages"]["fr"] = french
    (root / "dataset.json").write_text(json.dumps(content))
    plan = plan_of(tmp_path, **asked(root, languages="en,fr", baselines="none"))
    english, fr = plan["languages"]
    assert (english["tr"], english["trim"], fr["tr"], fr["trim"]) == (2.0, 10, 1.25, 4)
    assert fr["stories"] == ["story-deux", "story-trois", "story-un"]
    assert (english["slice_time"], fr["slice_time"]) == (1.0, 0.625)
    files = [row["file"] for row in plan["data_runs"]]
    assert len(files) == len(set(files)) == sum(map(len, HEARD.values())) + 8
    assert sum(row["used"] for row in plan["data_runs"]) == len(files) - 2


# ---- what every file is used for ----------------------------------------------------------------


def test_every_file_is_used_or_there_is_a_reason(tmp_path, root):
    write_story_run(root, run_file("01", "bees", space="space-T1w"))
    rows = plan_of(tmp_path, **asked(root))["data_runs"]
    used = next(row for row in rows if row["subject"] == "01" and row["used"])
    assert used == {
        "subject": "01", "session": "", "story": "bees", "repetition": 1,
        "file": run_file("01", "bees"), "n_scans": 40, "tr": 2.0,
        "words_seconds": pytest.approx(np.arange(1.0, 60, 1.5)[-1]), "space": SPACE[6:],
        "used": True, "reason": "",
    }  # fmt: skip
    (other,) = (row for row in rows if not row["used"])
    assert other["file"] == run_file("01", "bees", space="space-T1w")
    assert other["reason"].startswith("its name has space-T1w, and bold asks for space-MNI")
    assert len(rows) == 1 + sum(map(len, HEARD.values()))


def test_confounds_lie_beside_their_run(tmp_path, root):
    path = root / run_file("03", "cats")
    beside = path.with_name("sub-03_task-cats_desc-confounds_timeseries.tsv")
    beside.write_text("x\n")
    older = (root / run_file("03", "bees")).with_name(
        "sub-03_task-bees_desc-confounds_regressors.tsv"
    )
    older.write_text("x\n")
    runs = {run["key"]: run["confounds"] for run in language(tmp_path, root)["subjects"][2]["runs"]}
    assert runs == {
        "story-ants": None, "story-bees": str(older), "story-cats": str(beside), "story-dogs": None,
    }  # fmt: skip
