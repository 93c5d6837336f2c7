"""The claim's numbers can be computed again from ``claim_runs``; it is about what was asked for."""

import dataclasses

import numpy as np
import pytest
import statsmodels.api as sm

from helpers.made_plans import CLAIM
from helpers.made_runs import MadeRun, write_run
from lateralization.files import read_json, write_json
from lateralization.tables.lateralize import lateralize
from lateralization.tables.read import read_tables

SIX = {f"model-{place}": 10.0**place for place in range(6, 12)}
PEOPLE = ("average", *(f"EN{number}" for number in range(901, 907)))


def made(folder, run, **claim):
    """Return the tables of a made run under a claim."""
    inputs = write_run(folder / "in", run)
    plan = read_json(inputs.plan)
    write_json(plan | {"claim": dataclasses.asdict(CLAIM) | claim}, inputs.plan)
    lateralize(inputs, folder / "tables")
    return read_tables(folder / "tables")


@pytest.fixture(scope="module")
def of_average(tmp_path_factory):
    return made(tmp_path_factory.mktemp("average"), MadeRun(models=SIX))


def test_the_slopes_are_those_of_the_means_in_claim_runs(of_average):
    (row,) = of_average["claim"].to_dict("records")
    means = of_average["claim_runs"].groupby("model").mean(numeric_only=True)
    for column, start in (("left_minus_right", ""), ("left", "left_"), ("right", "right_")):
        fit = sm.OLS(means[column], sm.add_constant(means["value"])).fit()
        assert row[f"{start}slope"] == pytest.approx(fit.params["value"], rel=1e-9)
        assert row[f"{start}slope_low"] < row[f"{start}slope"] < row[f"{start}slope_high"]
    assert row["mean_l_minus_r"] == pytest.approx(means["left_minus_right"].mean())
    assert row["n_left"] == (means["left_minus_right"] > 0).sum()
    assert row["n_right"] == (means["left_minus_right"] < 0).sum()
    assert row["share_models"] + row["share_runs"] == pytest.approx(1)


def test_its_scores_are_those_of_the_table_of_asymmetries(of_average):
    rows = of_average["asymmetry"].query(
        "selection == 'reliable' and layer == 'best_cv' and midline == 'strict' and kind == 'model'"
    )
    known = rows.set_index("model")[["left", "right", "left_minus_right"]].sort_index()
    means = of_average["claim_runs"].groupby("model")[list(known)].mean().sort_index()
    np.testing.assert_allclose(means, known, rtol=1e-9)


def test_six_people_make_the_claim_one_about_people(tmp_path):
    tables = made(tmp_path, MadeRun(models=SIX, subjects=PEOPLE))
    (row,) = tables["claim"].to_dict("records")
    assert (row["subjects"], row["n_subjects"], row["region"]) == ("people", 6, "reliable")
    assert row["share_people"] > 0
    of_people = tables["claim_runs"].query("subject != 'average'")
    means = of_people.groupby("model").mean(numeric_only=True)
    slope = np.polyfit(means["value"], means["left_minus_right"], 1)[0]
    assert row["slope"] == pytest.approx(slope, rel=1e-9)


@pytest.mark.parametrize(
    ("subjects", "asked", "whom"),
    [
        (PEOPLE[:6], "auto", "average"),
        (PEOPLE[:6], "people", "people"),
        (PEOPLE, "average", "average"),
        (PEOPLE[1:2], "auto", "EN901"),
    ],
)
def test_whom_it_is_about_follows_the_plan(tmp_path, subjects, asked, whom):
    tables = made(tmp_path, MadeRun(models=SIX, subjects=subjects), subjects=asked)
    assert list(tables["claim"]["subjects"]) == [whom]


@pytest.mark.parametrize("region", ["TP", "whole"])
def test_it_takes_the_region_that_is_asked_for(tmp_path, region):
    tables = made(tmp_path, MadeRun(models=SIX), region=region, layer="best_mean")
    midline = "shared" if region == "TP" else "strict"
    rows = tables["asymmetry"].query(
        f"selection == '{region}' and layer == 'best_mean' and midline == '{midline}'"
        " and kind == 'model'"
    )
    means = tables["claim_runs"].groupby("model")["left_minus_right"].mean()
    known = rows.set_index("model")["left_minus_right"]
    np.testing.assert_allclose(means.sort_index(), known.sort_index(), rtol=1e-9)
    assert list(tables["claim"]["region"]) == [region]


def test_without_reliable_voxels_it_is_about_the_whole_brain(tmp_path):
    (row,) = made(tmp_path, MadeRun(models=SIX, isc=False))["claim"].to_dict("records")
    assert (row["region"], row["asked_region"]) == ("whole", "reliable")
    assert np.isfinite(row["slope_low"])


def test_a_column_of_the_sheet_may_be_the_predictor(tmp_path):
    tables = made(tmp_path, MadeRun(study=True), predictor="hellaswag")
    (row,) = tables["claim"].to_dict("records")
    assert row["predictor"] == "hellaswag"
    assert (row["n_models"], row["n_families"]) == (8, 2)
    means = tables["claim_runs"].dropna(subset="value").groupby(["model", "family"])
    means = means.mean(numeric_only=True).reset_index()
    members = [means["family"] == name for name in ("Qwen", "gpt2")]
    design = np.column_stack([means["value"], *members])
    slope = np.linalg.lstsq(design.astype(float), means["left_minus_right"], rcond=None)[0][0]
    assert row["family_rule"] == "within"
    assert row["slope"] == pytest.approx(slope, rel=1e-8)


def test_too_few_models_are_a_reason_and_no_number(tmp_path):
    (row,) = made(tmp_path, MadeRun())["claim"].to_dict("records")
    assert row["reason"] == "4 models, 5 needed"
    assert np.isnan(row["slope_low"])


def test_families_that_go_with_the_predictor_are_a_reason_and_no_number(tmp_path):
    tables = made(tmp_path, MadeRun(study=True), predictor="ppl")
    (row,) = tables["claim"].to_dict("records")
    assert row["reason"] == "families and predictor cannot be told apart"
    assert np.isnan(row["slope_low"])
