"""Sentences beside the slope in r: each is said on its side of its condition, and no other."""

import numpy as np
import pandas as pd
import pytest

from lateralization.names import LN_N
from lateralization.report.sentences import BAD, NOTE, SENTENCES
from lateralization.report.units import about_cerebellum, about_units
from lateralization.tables.lateralize import frame
from lateralization.tables.registry.tables import TABLES

PLACE = {"language": "en", "subject": "average"}
RULES = {"layer": "best_cv", "midline": "strict"}
CLEAR, OTHER, UNCLEAR = (0.01, 0.02), (-0.02, -0.01), (-0.01, 0.02)


def line(outcome, over_models, over_runs, slope=None, **more):
    return {
        **PLACE, **RULES, "outcome": outcome, "predictor": LN_N, "subset": "all", "n_models": 6,
        "slope": np.mean(over_models) if slope is None else slope,
        "slope_low": over_models[0], "slope_high": over_models[1],
        "runs_low": over_runs[0], "runs_high": over_runs[1], "reason": "", **more,
    }  # fmt: skip


def side(selection, value, model="m", kind="model"):
    return {
        **PLACE, **RULES, "model": model, "kind": kind, "selection": selection,
        "left_minus_right": value,
    }  # fmt: skip


def made(lines=(), sides=(), claim=(np.nan, np.nan), **more):
    row = {"language": "en", "predictor": LN_N, "slope_low": claim[0], "slope_high": claim[1]}
    rows = {
        "regressions": lines, "asymmetry": [side("reliable", 0.1), *sides], "claim": [row], **more,
    }  # fmt: skip
    return {name: frame(name, rows.get(name, [])) for name in TABLES}


def said(tables):
    return {remark.name: remark for remark in about_units(tables, "en", "average")}


@pytest.mark.parametrize(
    ("in_r", "here", "verdict", "tone"),
    [
        (CLEAR, CLEAR, "agrees", NOTE),
        (OTHER, OTHER, "agrees", NOTE),
        (CLEAR, UNCLEAR, "not_shown", NOTE),
        (CLEAR, OTHER, "opposite", BAD),
        (OTHER, CLEAR, "opposite", BAD),
        (UNCLEAR, CLEAR, "alone", NOTE),
        (UNCLEAR, UNCLEAR, "neither", NOTE),
    ],
)
def test_a_unit_is_compared_with_r(in_r, here, verdict, tone):
    for unit, outcome in (("ceiling", "in_ceiling_"), ("index", "laterality_index_")):
        tables = made([line(f"{outcome}reliable", here, here)], claim=in_r)
        remark = said(tables)[f"{unit}_{verdict}"]
        assert remark.tone == tone == SENTENCES[remark.name].tone
        assert len(said(tables)) == 1


def test_clear_of_0_is_clear_over_models_and_over_runs_and_never_nan():
    for over_models, over_runs in (
        (CLEAR, UNCLEAR), (UNCLEAR, CLEAR), (CLEAR, OTHER), (CLEAR, (np.nan, np.nan)),
        (CLEAR, (0.01, np.nan)), ((0.0, 0.02), CLEAR),
    ):  # fmt: skip
        lines = [line("in_ceiling_reliable", over_models, over_runs)]
        remark = said(made(lines, claim=CLEAR))["ceiling_not_shown"]
        assert "nan" not in remark.text.lower()
    lines = [line("in_ceiling_reliable", CLEAR, CLEAR)]
    for claim in ((np.nan, np.nan), (0.01, np.nan), (0.01, 0.01), (0.0, 0.02)):
        assert said(made(lines, claim=claim)).keys() == {"ceiling_alone"}


def test_numbers_are_per_tenfold_size_and_no_finer_than_a_tenth_of_the_interval():
    lines = [line("laterality_index_reliable", (0.01, 0.02), (0.0, 0.1))]
    (remark,) = said(made(lines, claim=CLEAR)).values()
    assert "+0.03 per tenfold size" in remark.text  # 0.0345, interval 0.023 wide
    assert "95 % interval +0.02 to +0.05 over 6 models" in remark.text
    assert "0.00 to +0.23 over test runs" in remark.text
    assert "reliable voxels" in remark.text


def test_an_empty_unit_says_why_and_without_a_claim_on_size_nothing_is_said():
    empty = line("laterality_index_reliable", (np.nan, np.nan), (np.nan, np.nan), slope=np.nan,
                 reason="2 models, 3 needed")  # fmt: skip
    assert "2 models, 3 needed" in said(made([empty], claim=CLEAR))["index_empty"].text
    tables = made([empty], claim=CLEAR)
    assert said(tables | {"claim": tables["claim"].assign(predictor="ppl")}) == {}
    assert said(tables | {"claim": tables["claim"].iloc[:0]}) == {}


def test_claims_in_r_are_not_of_signal_or_lateralization():
    for name, one in SENTENCES.items():
        if name.startswith(("ceiling_", "index_", "crossed_")):
            assert "signal" not in one.words
            assert "lateralized" not in one.words


# ---- the crossed check ---------------------------------------------------------------------------


@pytest.mark.parametrize(
    ("cortex", "cerebellum", "name"),
    [(0.02, -0.01, "crossed_opposite"), (-0.02, 0.01, "crossed_opposite"),
     (0.02, 0.01, "crossed_same"), (-0.02, -0.01, "crossed_same")],
)  # fmt: skip
def test_the_cerebellum_stands_beside_the_cortex(cortex, cerebellum, name):
    sides = [
        side("reliable", cortex - 0.1, "n"), side("cerebellum", cerebellum - 0.01),
        side("cerebellum", cerebellum + 0.01, "n"), side("cerebellum", -9, "random", "baseline"),
    ]  # fmt: skip
    tables = made(sides=[*sides, side("reliable", cortex * 2, "o"), side("cerebellum", 0, "o")])
    remark = about_cerebellum(tables, "en", "average")
    assert (remark.name, remark.tone) == (name, NOTE)
    mean = pd.Series([0.1, cortex - 0.1, cortex * 2]).mean()
    assert f"{abs(mean):.4f} in reliable voxels" in remark.text
    assert f"{abs(cerebellum) * 2 / 3:.4f} (r), mean over 3 models" in remark.text


def test_nothing_is_said_of_a_cerebellum_that_is_not_there_or_simulated():
    assert about_cerebellum(made(), "en", "average") is None
    assert about_cerebellum(made(sides=[side("cerebellum", np.nan)]), "en", "average") is None
    simulated = made(sides=[side("cerebellum", 0.1)], planted=[{**PLACE, "model": "m"}])
    assert about_cerebellum(simulated, "en", "average") is None
