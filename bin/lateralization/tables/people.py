"""Inference over people: intervals and exact sign-flip tests over individual subjects.

A subject is the unit: each gives one asymmetry per model, and one slope of it on ln N over the
models (the summary-statistics form of a mixed model with random slopes, exact where all subjects
have the same models). Under the null hypothesis each subject's value is as likely with either
sign, so the distribution of the mean over all sign flips is known (Fisher 1935; Nichols & Holmes
2002). Regions are corrected together by Holm's method.
"""

from collections.abc import Iterable, Iterator
from typing import Any

import numpy as np
import pandas as pd

from lateralization.arrays import Floats, Row
from lateralization.names import AVERAGE, LN_N
from lateralization.statistics.intervals import MIN_SUBJECTS, t_interval

EXACT = 14
"""Up to this many subjects all sign flips are enumerated (2 to the 14th are 16,384)."""

N_FLIPS = 9_999
SEED = 20240
TIE = 1e-12
"""Share of a mean below which two means are equal: the same flips summed in another order."""


def sign_flip_p(values: Floats, n_flips: int = N_FLIPS) -> float:
    """Two-sided p of the mean under random signs.

    Exact up to 14 values; beyond, ``n_flips`` random flips and the identity, which keeps the size
    of the test at or below its level.

    Parameters
    ----------
    values : (n_units,) array
        One value per subject; values that are not finite are left out.

    Returns
    -------
    p, NaN without values. Its smallest possible value is ``smallest_p(n)``.
    """
    kept = np.asarray(values, dtype=np.float64)
    kept = kept[np.isfinite(kept)]
    n = kept.size
    if n == 0:
        return np.nan
    observed = abs(kept.sum())
    if n <= EXACT:
        bits = (np.arange(2**n)[:, None] >> np.arange(n)) & 1
        reached = np.abs((1.0 - 2.0 * bits) @ kept) >= observed - TIE * np.abs(kept).sum()
        return float(reached.mean())
    signs = np.random.default_rng(SEED).choice((-1.0, 1.0), size=(n_flips, n))
    reached = np.abs(signs @ kept) >= observed - TIE * np.abs(kept).sum()
    return float((1 + reached.sum()) / (n_flips + 1))


def smallest_p(n: int) -> float:
    """Give the smallest p that the test can reach with n subjects: 0.0625 with five."""
    if n == 0:
        return np.nan
    return 2.0 ** (1 - n) if n <= EXACT else 1 / (N_FLIPS + 1)


def holm(p: Iterable[float]) -> Floats:
    """Adjust p values by Holm's method; NaN stays NaN and does not count as a test.

    statsmodels' ``multipletests`` gives the same and collects garbage at each call: a third of
    the time of 49 people's tables.
    """
    values = np.array(list(p), dtype=np.float64)
    adjusted = np.full(values.shape, np.nan)
    known = np.flatnonzero(np.isfinite(values))
    order = known[np.argsort(values[known], kind="stable")]
    steps = np.maximum.accumulate(values[order] * np.arange(order.size, 0, -1))
    adjusted[order] = np.minimum(steps, 1.0)
    return adjusted


def _over_people(values: Floats) -> Row:
    interval = t_interval(values)
    few = interval.n < MIN_SUBJECTS
    return {
        "n_subjects": interval.n,
        "mean": interval.mean,
        "ci_low": np.nan if few else interval.low,
        "ci_high": np.nan if few else interval.high,
        "ci_kind": "" if few else f"t over {interval.n} subjects",
        "p_sign_flip": np.nan if few else sign_flip_p(values),
        "p_smallest": np.nan if few else smallest_p(interval.n),
        "p_holm": np.nan,
        "reason": f"{interval.n} subjects with a value, {MIN_SUBJECTS} needed" if few else "",
    }


def _adjust(rows: list[Row], regions: set[str]) -> list[Row]:
    """Correct the regions of one model, layer rule and midline together."""
    families: dict[tuple[Any, ...], list[Row]] = {}
    for row in rows:
        start = "slope_l_minus_r_" if row["quantity"].startswith("slope_") else "l_minus_r_"
        if row["quantity"].removeprefix(start) in regions:
            key = (row["language"], row["model"], start, row["layer"], row["midline"])
            families.setdefault(key, []).append(row)
    for members in families.values():
        for row, p in zip(members, holm(row["p_sign_flip"] for row in members), strict=True):
            row["p_holm"] = p
    return rows


def _asymmetry_rows(asymmetry: pd.DataFrame) -> Iterator[Row]:
    people = asymmetry[asymmetry["subject"] != AVERAGE]
    keys = ["language", "model", "selection", "layer", "midline"]
    for values, group in people.groupby(keys, sort=False):
        language, model, selection, layer, midline = values
        yield {
            "language": language, "model": model, "quantity": f"l_minus_r_{selection}",
            "layer": layer, "midline": midline,
        } | _over_people(group["left_minus_right"].to_numpy(dtype=np.float64))  # fmt: skip


def _slope_rows(regressions: pd.DataFrame) -> Iterator[Row]:
    people = regressions[
        (regressions["subject"] != AVERAGE)
        & (regressions["predictor"] == LN_N)
        & (regressions["subset"] == "all")
    ]
    for values, group in people.groupby(["language", "outcome", "layer", "midline"], sort=False):
        language, outcome, layer, midline = values
        yield {
            "language": language, "model": "", "quantity": f"slope_{outcome}",
            "layer": layer, "midline": midline,
        } | _over_people(group["slope"].to_numpy(dtype=np.float64))  # fmt: skip


def subject_rows(
    asymmetry: pd.DataFrame, regressions: pd.DataFrame, regions: set[str]
) -> list[Row]:
    """Means over individuals of each asymmetry and of its slope on ln N, with interval and test.

    Parameters
    ----------
    asymmetry, regressions
        The tables of these names.
    regions
        Names of the ROIs: their p values are corrected together.
    """
    return _adjust([*_asymmetry_rows(asymmetry), *_slope_rows(regressions)], regions)
