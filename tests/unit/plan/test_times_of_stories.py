"""Times of data sets of stories: lengths, repetition times, sampling, beginnings of stories."""

import pytest

from helpers.planning import plan_of
from helpers.story_dataset import (
    FMRIPREP,
    HEARD,
    asked,
    language,
    refusal,
    run_file,
    write_description,
    write_events,
    write_stories,
    write_story_run,
    write_words,
)


@pytest.fixture
def root(tmp_path):
    return write_stories(tmp_path / "data")


def test_the_longest_runs_are_cut_for_the_average_by_five_scans_at_most(tmp_path, root):
    write_story_run(root, run_file("03", "bees"), 45)
    planned = language(tmp_path, root)
    cut = {
        one["subject"]: {run["key"]: run["average_scans"] for run in one["runs"]}
        for one in planned["subjects"]
    }
    assert cut["03"]["story-bees"] == 40
    assert {one for runs in cut.values() for one in runs.values()} == {None, 40}
    write_story_run(root, run_file("03", "bees"), 46)
    line = refusal(tmp_path, root)
    assert "story bees has 40 scans in most subjects and other numbers in sub-03 46" in line
    assert "at most 5 are cut off" in line


def test_only_hearers_of_a_repetition_are_cut_to_one_length(tmp_path, root):
    for subject, n_scans in (("01", 60), ("03", 61)):
        write_story_run(root, run_file(subject, "bees", between="run-2"), n_scans)
    planned = language(tmp_path, root)
    runs = {run["key"]: run for run in planned["subjects"][2]["runs"]}
    assert runs["story-bees_rep-2"]["average_scans"] == 60
    assert runs["story-bees"]["average_scans"] is None


def test_the_repetition_time_is_that_of_the_sidecars(tmp_path):
    root = tmp_path / "data"
    for subject in ("01", "02"):
        for story in "abc":
            write_story_run(root, run_file(subject, story), 60, RepetitionTime=1.5, StartTime=0.71)
            write_words(root, story)
    planned = language(tmp_path, write_description(root, tr=None))
    assert (planned["tr"], planned["slice_time"]) == (1.5, 0.71)
    # dataset.json comes first, and is believed
    plan = plan_of(tmp_path, **asked(write_description(root, tr=2.0)))
    assert plan["languages"][0]["tr"] == 2.0
    assert any("says a repetition time of 1.5 s; 2 s of dataset.json is used" in note
               for note in plan["notes"])  # fmt: skip
    write_story_run(root, run_file("02", "b"), 60, RepetitionTime=2.0, StartTime=0.71)
    line = refusal(tmp_path, write_description(root, tr=None))
    assert "sidecars say different repetition times: 1.5 s" in line
    assert run_file("02", "b") in line


def test_sidecars_of_the_raw_recordings_are_inherited(tmp_path, root):
    write_description(root, tr=None)
    assert "no sidecar (_bold.json) says RepetitionTime; give tr" in refusal(tmp_path, root)
    for story in ("ants", "bees", "cats", "dogs"):
        (root / f"task-{story}_bold.json").write_text('{"RepetitionTime": 1.9}')
    assert language(tmp_path, root)["tr"] == 1.9
    folder = root / "sub-02/func"
    folder.mkdir(parents=True)
    (folder / "sub-02_task-ants_bold.json").write_text('{"RepetitionTime": 1.8}')
    assert "different repetition times: 1.9 s" in refusal(tmp_path, root)


def test_a_sidecar_at_the_root_is_of_all_runs_of_a_data_set_that_is_preprocessed_itself(tmp_path):
    root = tmp_path / "data"
    for subject in ("01", "02"):
        for story in "abc":
            write_story_run(root, run_file(subject, story).removeprefix(f"{FMRIPREP}/"))
    for story in "abc":
        write_words(root, story)
        (root / f"task-{story}_bold.json").write_text('{"RepetitionTime": 2.0, "StartTime": 0.5}')
    planned = language(tmp_path, write_description(root, derivatives="."))
    assert planned["slice_time"] == 0.5


def test_scans_that_are_sampled_at_different_times_are_refused(tmp_path, root):
    write_story_run(root, run_file("01", "bees"), StartTime=0.4)
    line = refusal(tmp_path, root)
    assert "scans are sampled at 0.4 s in" in line
    assert "at 1 s in" in line


def test_the_story_begins_with_its_first_event(tmp_path, root):
    write_description(root, en_events={"trial_type": "story"})
    for subject, stories in HEARD.items():
        for story in stories:
            write_events(root, subject, story, {"bees": 12.0}.get(story, 3.0))
    assert language(tmp_path, root)["starts"] == [3.0, 12.0, 3.0, 3.0]
    # within a tenth of a repetition time the median counts
    write_events(root, "01", "bees", 12.2)
    write_events(root, "04", "bees", 12.1)
    assert language(tmp_path, root)["starts"][1] == pytest.approx(12.05)
    write_events(root, "01", "bees", 12.4)
    line = refusal(tmp_path, root)
    assert "story bees begins at 12.05 s in most runs, and in sub-01 12.4 s" in line


def test_events_that_are_missing_are_refused(tmp_path, root):
    write_description(root, en_events={"trial_type": "story"})
    for subject, stories in HEARD.items():
        for story in stories:
            write_events(root, subject, story, 3.0)
    path = write_events(root, "03", "cats", 3.0)
    path.write_text("onset\tduration\ttrial_type\n0\t1\tmusic\n")
    assert "has no event with trial_type story (it has music events)" in refusal(tmp_path, root)
    path.unlink()
    line = refusal(tmp_path, root)
    assert "sub-03/func has no events of" in line
    assert "task-cats" in line


def test_events_of_all_people_may_lie_at_the_root(tmp_path, root):
    write_description(root, en_events={"trial_type": "story"})
    for story in ("ants", "bees", "cats", "dogs"):
        (root / f"task-{story}_events.tsv").write_text("onset\ttrial_type\n9\tstory\n4\tstory\n")
    assert language(tmp_path, root)["starts"] == [4.0] * 4
    # what lies nearer counts
    for subject in ("01", "02", "03", "04"):
        write_events(root, subject, "bees", 6.0)
    assert language(tmp_path, root)["starts"] == [4.0, 6.0, 4.0, 4.0]
