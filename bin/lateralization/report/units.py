"""What stands beside the slope in r: the slope in other units, and the crossed check.

A difference of two correlations grows with the score and with how well a side is measured. So the
slope of left minus right on size is given again as a share of the noise ceiling, which takes the
quality of the measurement away, and as laterality index, which takes the level of the score away.
"""

import math

import numpy as np
import pandas as pd

from lateralization import wording
from lateralization.names import LN_N, MODEL
from lateralization.report import sentences
from lateralization.report.controls import side_of_zero, units_of_runs
from lateralization.report.sentences import Remark
from lateralization.statistics.asymmetry import BEST_CV, CEREBELLUM, STRICT
from lateralization.tables.read import WORDS, of, selection_of
from lateralization.tables.registry.tables import Tables

PER_TENFOLD = math.log(10)

RULES = {"layer": BEST_CV, "midline": STRICT}
"""Layers chosen on other runs than they are scored on, and no midline plane."""

INTERVALS = (("slope_low", "slope_high"), ("runs_low", "runs_high"))


def about_units(tables: Tables, language: str, subject: str) -> list[Remark]:
    """Compare the claim with slopes in units of the noise ceiling and of the index.

    Returns
    -------
    One remark for each unit that the tables have; none where the claim is not about size.
    """
    selection = selection_of(tables, language, subject)
    rows = of(
        tables["regressions"], language=language, subject=subject, predictor=LN_N, subset="all",
        **RULES,
    )  # fmt: skip
    lines = {row["outcome"]: row for _, row in rows.iterrows()}
    claim = of(tables["claim"], language=language)
    if claim.empty or claim.iloc[0]["predictor"] != LN_N:
        return []
    in_r = side_of_zero(float(claim.iloc[0]["slope_low"]), float(claim.iloc[0]["slope_high"]))
    outcomes = {"ceiling": "in_ceiling_reliable", "index": f"laterality_index_{selection}"}
    return [
        _compared(unit, lines[outcome], in_r, WORDS[selection], units_of_runs(tables, language))
        for unit, outcome in outcomes.items()
        if outcome in lines
    ]


def _direction(line: pd.Series) -> int:
    """Return the sign of a slope that is clear of 0 over models and over test runs, else 0."""
    limits = np.array([[line[low], line[high]] for low, high in INTERVALS], dtype=float)
    if not np.isfinite(limits).all():
        return 0
    return int((limits > 0).all()) - int((limits < 0).all())


def _compared(unit: str, line: pd.Series, in_r: int, region: str, runs: str) -> Remark:
    """Choose the sentence about the slope in one unit beside the one in r; ``runs``: their noun."""
    if not np.isfinite(line["slope"]):
        return sentences.state(f"{unit}_empty", reason=line["reason"])
    here = _direction(line)
    if in_r == here:
        verdict = "agrees" if here else "neither"
    elif here == 0:
        verdict = "not_shown"
    else:
        verdict = "opposite" if in_r else "alone"
    change = PER_TENFOLD * float(line["slope"])
    limits = [tuple(PER_TENFOLD * float(line[name]) for name in pair) for pair in INTERVALS]
    digits = max(wording.digits_within(low, high) for low, high in limits)
    over_models, over_runs = (wording.interval(low, high, digits) for low, high in limits)
    return sentences.state(
        f"{unit}_{verdict}", region=region, change=wording.signed(change, digits),
        over_models=over_models, over_runs=over_runs, runs=runs,
        models=wording.plural(int(line["n_models"]), "model"),
    )  # fmt: skip


def about_cerebellum(tables: Tables, language: str, subject: str) -> Remark | None:
    """Set left minus right of the cerebellum beside that of the cortex, mean over models.

    Each half of the cerebellum is connected with the opposite half of the cortex. No test: what
    the two have in common is not known. None where the mask has no cerebellum, and for simulated
    data, in which none was planted.
    """
    if len(tables["planted"]):
        return None
    selection = selection_of(tables, language, subject)
    rows = of(tables["asymmetry"], language=language, subject=subject, kind=MODEL, **RULES)
    cortex, cerebellum = (
        rows.loc[rows["selection"] == name, "left_minus_right"].mean()
        for name in (selection, CEREBELLUM)
    )
    if not np.isfinite([cortex, cerebellum]).all() or cortex * cerebellum == 0:
        return None
    return sentences.state(
        "crossed_opposite" if cortex * cerebellum < 0 else "crossed_same",
        region=WORDS[selection], cortex=wording.signed(cortex),
        cerebellum=wording.signed(cerebellum),
        models=wording.plural(rows["model"].nunique(), "model"),
    )  # fmt: skip
