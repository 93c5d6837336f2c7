"""People who heard different stories: every table matches them by the story, never by its place."""

import json
from dataclasses import replace

import numpy as np
import pytest

from helpers.made_runs import MadeRun, made_mask, write_run
from lateralization.errors import BadInput
from lateralization.figures.claim_figure import models_of_claim
from lateralization.files import read_json, read_tensors, save_tensors, write_json
from lateralization.statistics.ceilings import average_ceiling, chosen_elsewhere
from lateralization.tables.lateralize import build, lateralize
from lateralization.tables.read import read_tables

SIX = {f"model-{place}": 10.0**place for place in range(6, 12)}
PEOPLE = tuple(f"EN{number}" for number in range(901, 907))
STORIES = tuple(f"story-{name}" for name in ("wheels", "avatar", "souls", "buck", "howl", "odette"))
LACKS = {"EN902": STORIES[:2], "EN903": STORIES[3:4], "EN905": STORIES[4:]}


def run(**more):
    fields = {
        "models": SIX, "layers": 2, "subjects": ("average", *PEOPLE), "stories": STORIES,
        "baselines": False, "mask": made_mask((5, 6, 5)),
    }  # fmt: skip
    return MadeRun(**(fields | more))


@pytest.fixture(scope="module")
def made(tmp_path_factory):
    """Folder of the files, and the tables, of people of whom some lack stories."""
    folder = tmp_path_factory.mktemp("unequal")
    inputs = write_run(folder / "in", run(lacks=LACKS))
    lateralize(inputs, folder / "tables")
    return inputs, read_tables(folder / "tables")


def test_tables_name_the_stories_that_each_heard(made):
    rows = made[1]["claim_runs"].query("model == 'model-6'")
    heard = {subject: tuple(mine["run"]) for subject, mine in rows.groupby("subject")}
    names = [key.removeprefix("story-") for key in STORIES]
    assert heard == {
        subject: tuple(
            name for name, key in zip(names, STORIES, strict=True)
            if key not in LACKS.get(subject, ())
        )
        for subject in ("average", *PEOPLE)
    }  # fmt: skip


def test_an_interval_counts_the_stories_of_its_subject(made):
    rows = made[1]["asymmetry"].query("selection == 'whole'").drop_duplicates("subject")
    kinds = dict(zip(rows["subject"], rows["ci_kind"], strict=True))
    assert kinds["average"] == "corrected t over 6 runs"
    assert kinds["EN902"] == kinds["EN905"] == "corrected t over 4 runs"
    assert kinds["EN903"] == "corrected t over 5 runs"


def test_in_the_claim_each_person_counts_alike_with_its_own_stories(made):
    (row,) = made[1]["claim"].to_dict("records")
    assert (row["subjects"], row["n_runs"], row["n_subjects"]) == ("people", 6, 6)
    people = made[1]["claim_runs"].query("subject != 'average'")
    own = people.groupby(["model", "subject"]).mean(numeric_only=True)
    means = own.groupby("model").mean()
    slope = np.polyfit(means["value"], means["left_minus_right"], 1)[0]
    assert row["slope"] == pytest.approx(slope, rel=1e-9)
    assert row["mean_l_minus_r"] == pytest.approx(means["left_minus_right"].mean(), rel=1e-9)
    assert row["slope_low"] < row["slope"] < row["slope_high"]
    shares = [row[f"share_{name}"] for name in ("models", "runs", "people")]
    assert sum(shares) == pytest.approx(1)


def test_the_figure_of_the_claim_draws_what_the_claim_is_of(made):
    row, models = models_of_claim(made[1], "en")
    assert models["left_minus_right"].mean() == pytest.approx(row["mean_l_minus_r"], rel=1e-9)


def test_every_file_of_the_data_set_is_in_the_table_of_runs(tmp_path):
    inputs = write_run(tmp_path / "in", run(subjects=("average",)))
    told = {
        "subject": "01", "session": "", "story": "007", "repetition": 1, "file": "sub-01/a.nii.gz",
        "n_scans": 300, "tr": 1.5, "words_seconds": 441.5, "space": "MNI", "used": True,
        "reason": "",
    }  # fmt: skip
    left = told | {"n_scans": None, "tr": None, "used": False, "reason": "excluded by stories"}
    write_json(read_json(inputs.plan) | {"data_runs": [told, left]}, inputs.plan)
    lateralize(inputs, tmp_path / "tables")
    written = (tmp_path / "tables" / "runs.tsv").read_text()
    assert "\t007\t1\tsub-01/a.nii.gz\t300\t1.5\t441.5\t" in written
    first, second = read_tables(tmp_path / "tables")["runs"].to_dict("records")
    assert first == told | {"used": "yes"}
    assert np.isnan([second.pop("n_scans"), second.pop("tr")]).all()
    expected = {key: value for key, value in left.items() if value is not None}
    assert second == expected | {"used": "no"}


def test_the_order_in_which_people_heard_the_stories_does_not_matter(made, tmp_path):
    inputs = write_run(tmp_path, run(lacks=LACKS))
    for scores, tensors in zip(inputs.scores, inputs.runs, strict=True):
        record = read_json(scores)
        if record["subject"] == "EN904":
            write_json(record | {"stories": record["stories"][::-1]}, scores)
            save_tensors(tensors, {"r": read_tensors(tensors)["r"][:, ::-1]})
    (row,) = build(inputs).tables["claim"].to_dict("records")
    (before,) = made[1]["claim"].to_dict("records")
    for name, value in before.items():
        if isinstance(value, float):
            assert row[name] == pytest.approx(value, rel=1e-6, nan_ok=True)  # float32 means


def test_fits_of_one_subject_are_of_the_same_stories(tmp_path):
    inputs = write_run(tmp_path, run(subjects=("average",)))
    record = read_json(inputs.scores[1])
    write_json(record | {"stories": record["stories"][::-1]}, inputs.scores[1])
    with pytest.raises(BadInput, match="scored on different stories"):
        build(inputs)


def test_the_list_of_stories_is_that_of_the_scores(tmp_path):
    inputs = write_run(tmp_path, run(subjects=("average",)))
    record = read_json(inputs.scores[0])
    write_json(record | {"stories": record["stories"][1:]}, inputs.scores[0])
    with pytest.raises(BadInput, match="lists 5 stories"):
        build(inputs)


def with_ceilings(folder, known, of_person):
    """Give ``ceilings`` with those of the stories ``known``, and of one person's ``of_person``."""
    inputs = write_run(folder, run(subjects=("average", "EN902"), lacks=LACKS))
    rng = np.random.default_rng(0)
    n_voxels = int(made_mask((5, 6, 5)).sum())
    halves = rng.uniform(0.2, 0.5, (2, len(known), n_voxels)).astype(np.float32)
    others = rng.uniform(0.1, 0.4, (len(of_person), n_voxels)).astype(np.float32)
    paths = [folder / f"lang-en_{name}.safetensors" for name in ("isc_runs", "leave_one_out")]
    save_tensors(paths[0], {"split_half": halves}, {"stories": json.dumps(known)})
    save_tensors(paths[1], {"EN902": others}, {"stories": json.dumps({"EN902": of_person})})
    table = build(replace(inputs, ceilings=paths)).tables["ceilings"]
    return table.query("hemisphere == 'both' and midline == 'strict'"), halves, others


def test_a_ceiling_belongs_to_its_story(tmp_path):
    known, of_person = list(STORIES[:0:-1]), [STORIES[5], STORIES[2], STORIES[3]]
    table, halves, others = with_ceilings(tmp_path, known, of_person)
    expected = {
        "average": average_ceiling(halves.astype(float)[:, ::-1]),  # in the order of the scores
        "EN902": others.astype(float)[[1, 2, 0]],
    }
    for subject, ceiling in expected.items():
        row = table[table["subject"] == subject].iloc[0]
        chosen = chosen_elsewhere(ceiling)
        means = [one[own].mean() for one, own in zip(ceiling, chosen, strict=True)]
        assert row["mean_ceiling"] == pytest.approx(np.mean(means), abs=1e-2)
        assert row["ci_kind"].startswith(f"t over {len(ceiling)} test runs")


def test_a_person_without_a_story_that_has_a_ceiling_has_no_share(tmp_path):
    table, _, _ = with_ceilings(tmp_path, list(STORIES), list(STORIES[:2]))
    assert set(table["subject"]) == {"average"}


def test_without_any_reliability_the_claim_is_about_the_whole_brain(tmp_path):
    tables = build(write_run(tmp_path, run(lacks=LACKS, isc=False))).tables
    (row,) = tables["claim"].to_dict("records")
    assert (row["region"], row["asked_region"], row["n_runs"]) == ("whole", "reliable", 6)
    assert np.isfinite(row["slope_low"])
    assert set(tables["scores"]["region"]) >= {"whole"}
    assert "reliable" not in set(tables["scores"]["region"])


def test_the_specification_without_the_first_story_names_it(made):
    runs = made[1]["specifications"].groupby("subject")["runs"].unique()
    assert list(runs["average"]) == ["all", "without_story_wheels"]
    assert list(runs["EN902"]) == ["all", "without_story_souls"]
