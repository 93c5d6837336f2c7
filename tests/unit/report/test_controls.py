"""The report's answers on the controls are those of the tables."""

import numpy as np
import pandas as pd
import pytest

from helpers.made_runs import MadeRun, write_run
from lateralization.report.controls import (
    about_ceilings,
    about_pairs,
    about_size_given_score,
    about_specifications,
    about_trajectories,
    about_twins,
    about_unique,
    side_of_zero,
)
from lateralization.report.findings import about_alignment, about_baselines, trust
from lateralization.report.report import make_report
from lateralization.report.sections import SECTIONS, answers
from lateralization.report.sentences import BAD, NOTE, SENTENCES
from lateralization.run_plan import read_plan
from lateralization.tables.lateralize import lateralize
from lateralization.tables.read import read_tables


@pytest.fixture(scope="module")
def made(tmp_path_factory):
    folder = tmp_path_factory.mktemp("controls")
    inputs = write_run(folder / "in", MadeRun(study=True))
    lateralize(inputs, folder / "tables")
    return read_plan(inputs.plan), read_tables(folder / "tables"), folder


@pytest.mark.slow
def test_every_section_on_a_control_answers_in_one_sentence(made):
    plan, tables, _ = made
    report = make_report(plan, tables, {}, [])
    sections = {one["id"]: one for one in report["sections"]}
    shown = [name for name in sections if SECTIONS[name].answer]
    # the made run has no data checks, no run-wise reliability, no joint fits and one person only
    assert shown == ["twins", "score", "trajectories", "specifications"]
    for name in shown:
        (answer,) = sections[name]["answers"]
        assert answer["text"].endswith(".")
        assert "nan" not in answer["text"]
        assert sections[name]["tables"]


@pytest.mark.slow
def test_the_trust_box_and_the_section_say_one_thing_of_the_score(made):
    _, tables, _ = made
    (told,) = answers("score", tables, [("en", "average")])
    assert told in trust(tables, ("en", "average"))
    assert "cannot be told apart" in told["text"]
    assert told["tone"] == NOTE
    families = tables["controls"].query("analysis == 'without_one_family'")
    assert sorted(set(families["left_out"])) == ["Qwen", "gpt2", "made"]
    changed = tables | {"mediation": tables["mediation"].iloc[:0]}
    assert answers("score", changed, [("en", "average")]) == []


@pytest.mark.slow
def test_models_say_which_revision_was_asked_for(made):
    plan, tables, _ = made
    asked = {model.name: model.revision or "" for model in plan.models}
    assert "step1000" in asked.values()
    rows = tables["models"].drop_duplicates("model").set_index("model")["asked_revision"]
    assert {name: rows[name] for name in asked} == asked


@pytest.mark.slow
def test_of_several_languages_each_sentence_says_of_which(made):
    _, tables, _ = made
    both = {
        name: pd.concat([table, table.assign(language="fr")]) if "language" in table else table
        for name, table in tables.items()
    }
    places = [("en", "average"), ("fr", "average")]
    (alone,) = answers("score", both, places[:1])
    told = answers("score", both, places, {"en": "English", "fr": "French"})
    assert [one["text"] for one in told] == [
        f"{name}: {alone['text']}" for name in ("English", "French")
    ]


@pytest.mark.parametrize(
    ("rate", "said"),
    [(1.0, "All annotated words"), (0.999999, "At least 99.99 % of the annotated words"),
     (0.9951, "At least 99.51 % of the annotated words")],
)  # fmt: skip
def test_one_lost_word_is_not_rounded_away(rate, said):
    rows = pd.DataFrame({"model": ["a", "b"], "alignment_rate": [1.0, rate]})
    (remark,) = about_alignment({"models": rows})
    assert remark.text == f"{said} were found in the text."


PLACE = {"language": "en", "subject": "average", "layer": "best_voxel", "midline": "shared"}
REGION = PLACE | {"selection": "reliable"}


def one(**columns):
    return pd.DataFrame([columns])


NUMBERED, NAMED = ({"claim_runs": one(language="en", run=run)} for run in ("3", "wheels"))
"""Tables of numbered runs, and of named stories."""


def said(remark):
    assert SENTENCES[remark.name].tone == remark.tone
    assert "nan" not in remark.text
    return remark.name


@pytest.mark.parametrize(
    ("low", "high", "side"),
    [(0.1, 0.2, 1), (-0.2, -0.1, -1), (-0.1, 0.1, 0), (np.nan, 0.2, 0), (0.1, np.nan, 0),
     (0.1, 0.1, 0), (0.0, 0.1, 0), (0.2, 0.1, 0)],
)  # fmt: skip
def test_an_interval_that_is_none_lies_on_no_side(low, high, side):
    assert side_of_zero(low, high) == side
    if low != high:
        assert side_of_zero(-high, -low) == -side


def score_tables(direct, indirect, reason=""):
    paths = [
        REGION | {"path": path, "coefficient": 0.1, "ci_low": low, "ci_high": high,
                  "n_models": 12, "n_runs": 9, "reason": reason}
        for path, (low, high) in {"direct": direct, "indirect": indirect}.items()
    ]  # fmt: skip
    families = [
        REGION | {"analysis": "without_one_family", "left_out": name, "n_models": 8,
                  "slope": slope, "slope_low": slope - 0.001, "slope_high": slope + 0.001}
        for name, slope in (("a", 0.002), ("b", 0.004), ("c", 0.003))
    ]  # fmt: skip
    return NUMBERED | {"asymmetry": one(**REGION), "mediation": pd.DataFrame(paths),
                       "controls": pd.DataFrame(families)}  # fmt: skip


@pytest.mark.parametrize(
    ("direct", "indirect", "name"),
    [((0.01, 0.02), (0.01, 0.02), "size_beyond_score"),
     ((-0.02, -0.01), (-0.1, 0.1), "size_beyond_score"),
     ((-0.1, 0.1), (0.01, 0.02), "score_carries"),
     ((-0.1, 0.1), (-0.02, -0.01), "score_carries"),
     ((-0.1, 0.1), (-0.1, 0.1), "score_undecided"),
     ((np.nan, np.nan), (np.nan, np.nan), "score_and_size_together"),
     ((0.1, 0.1), (0.1, 0.1), "score_and_size_together")],
)  # fmt: skip
def test_size_and_score_are_spoken_of_by_their_intervals(direct, indirect, name):
    tables = score_tables(direct, indirect, "9 models, 10 needed")
    remark = about_size_given_score(tables, "en", "average")
    assert said(remark) == name
    assert "Without any one of 3 families" in remark.text
    assert "without a (8 models)" in remark.text
    assert "without b (8 models)" in remark.text


@pytest.mark.parametrize(
    ("low", "high", "name"),
    [(0.01, 0.02, "control_leans_more"), (-0.02, -0.01, "model_leans_more"),
     (-0.1, 0.1, "leans_undecided"), (np.nan, np.nan, "leans_undecided")],
)  # fmt: skip
def test_controls_lead_by_the_interval_of_their_lead(low, high, name):
    row = REGION | {"control": "glove", "model": "gpt2", "n_controls": 3, "n_models": 7,
                    "n_runs": 9, "control_l_minus_r": -0.03, "model_l_minus_r": 0.02,
                    "lead": 0.01, "ci_low": low, "ci_high": high}  # fmt: skip
    tables = {"asymmetry": one(**REGION, kind="model", model="gpt2"), "leans": one(**row)}
    tables |= NUMBERED
    remark = about_baselines(tables, "en", "average")
    assert said(remark) == name
    assert " over 9 test runs of the average subject alone" in remark.text
    assert " over 9 stories of the " in about_baselines(tables | NAMED, "en", "average").text
    assert "of 3 controls the one that leans most" in remark.text
    assert "chosen because they lean most" in remark.text
    tables["leans"] = tables["leans"].iloc[:0]
    assert said(about_baselines(tables, "en", "average")) == "no_control"
    tables["asymmetry"] = one(**REGION, kind="baseline", model="glove")
    assert about_baselines(tables, "en", "average") is None


@pytest.mark.parametrize(("low", "high", "tone"), [(0.1, 0.2, NOTE), (-0.2, -0.1, NOTE)])
def test_a_side_decides_no_tone(low, high, tone):
    side = {1: "left", -1: "right"}[side_of_zero(low, high)]
    both = {"language": "en", "subject": "average", "kind": "model", "model": "gpt2",
            "midline": "strict", "region": "reliable", "n_parameters": 1e9, "ci_low": low,
            "ci_high": high, "unique_r": 0.1, "confounds_r": 0.1, "confounds": "word rate",
            "share": 0.5}  # fmt: skip
    rows = pd.DataFrame([both | {"hemisphere": side} for side in ("both", "left_minus_right")])
    tables = NUMBERED | {"asymmetry": one(**REGION), "unique": rows, "ceilings": rows}
    for about, name in ((about_unique, "beyond_confounds"), (about_ceilings, "share_leans")):
        remark = about(tables, "en", "average")
        assert (said(remark), remark.tone) == (name, tone)
        assert f" {side}" in remark.text
        assert "over test runs)" in remark.text
        assert "over stories)" in about(tables | NAMED, "en", "average").text
    zero = rows.assign(ci_low=-0.1, ci_high=0.1)
    assert about_unique(tables | {"unique": zero}, "en", "average").tone == BAD
    assert about_ceilings(tables | {"ceilings": zero}, "en", "average").tone == NOTE
    none = rows.assign(ci_low=0.1, ci_high=0.1)
    assert about_unique(tables | {"unique": none}, "en", "average") is None


@pytest.mark.parametrize(
    ("added", "before", "name"),
    [((0.1, 0.2), (-1, 1), "with_training"), ((-0.2, -0.1), (0.1, 0.2), "with_training"),
     ((-1, 1), (-0.2, -0.1), "before_training"), ((-1, 1), (-1, 1), "neither_certain"),
     ((np.nan, np.nan), (0.1, 0.2), "few_twins"), ((0.1, 0.1), (0.1, 0.2), "few_twins")],
)  # fmt: skip
def test_twins_are_spoken_of_by_their_slopes(added, before, name):
    lines = [
        REGION | {"outcome": outcome, "slope": 0.1, "crossed_low": low, "crossed_high": high,
                  "n_models": 6, "n_runs": 9}
        for outcome, (low, high) in {"l_minus_r_gain": added, "untrained_l_minus_r": before}.items()
    ]  # fmt: skip
    tables = NUMBERED | {
        "asymmetry": one(**REGION), "twins": one(**REGION, l_minus_r_gain=0.01),
        "twin_regressions": pd.DataFrame(lines),
    }  # fmt: skip
    assert said(about_twins(tables, "en", "average")) == name


@pytest.mark.parametrize(("r", "name"), [([0.5] * 40, "sign_stands"), ([-0.5] * 40, "sign_stands"),
                                         ([0.5] * 30 + [-0.5] * 10, "sign_depends")])  # fmt: skip
def test_specifications_are_spoken_of_by_their_signs(r, name):
    rows = pd.DataFrame({"language": "en", "subject": "average", "r": r, "slope_low": -1.0,
                         "slope_high": 1.0, "n_models": 6})  # fmt: skip
    options = pd.DataFrame({
        "language": "en", "subject": "average", "choice": ["layer", "layer", "runs", "runs"],
        "option": ["a", "b", "c", "d"], "median_r": [0.1, 0.6, 0.3, 0.4], "n_specifications": 10,
    })  # fmt: skip
    tables = {"specifications": rows, "specification_choices": options}
    remark = about_specifications(tables, "en", "average")
    assert said(remark) == name
    assert "choice of layer, from 0.10 (a, 10 specifications) to 0.60 (b, " in remark.text
    assert "over 6 models" in remark.text


def test_bends_and_pairs_are_spoken_of_when_they_pass():
    rows = pd.DataFrame({"language": "en", "subject": "average", "outcome": "l_minus_r_reliable",
                         "predictor": ["ppl", "ppl"], "subset": ["all", "steps of pythia"],
                         "place": 3.0, "p": [0.3, 0.001]})  # fmt: skip
    tables = {"asymmetry": one(**REGION), "trajectories": rows}
    remark = about_trajectories(tables, "en", "average")
    assert said(remark) == "bends"
    assert "over steps of pythia" in remark.text
    tables["trajectories"] = rows.assign(p=0.04)
    assert said(about_trajectories(tables, "en", "average")) == "no_bend"
    pair = {"language": "en", "quantity": "slope_l_minus_r", "n_subjects": 7, "n_pairs": 90,
            "t_max": 3.0, "t_threshold": 4.0}  # fmt: skip
    for left, right, name in ((0, 0, "no_pair"), (3, 0, "pairs_gain"), (0, 3, "pairs_gain")):
        table = {"voxel_pairs": one(**pair, n_left=left, n_right=right)}
        assert said(about_pairs(table, "en", "average")) == name
    table = {"voxel_pairs": one(**(pair | {"t_threshold": np.nan}), n_left=0, n_right=0)}
    assert said(about_pairs(table, "en", "average")) == "pairs_not_judged"
