"""The specification curve: the headline under every defensible choice, from saved scores alone.

A finding is the more believable the less it hangs on choices that could have gone another way
(Simonsohn, Simmons & Nelson, Nature Human Behaviour 2020). Nothing is refitted: each choice is
another way of reading the scores by layer, run and voxel that ENCODE saved.
"""

from collections.abc import Iterator, Mapping, Sequence
from dataclasses import dataclass
from typing import Any

import numpy as np

from lateralization.arrays import Floats
from lateralization.statistics.asymmetry import (
    BEST_CV,
    BEST_MEAN,
    BEST_VOXEL,
    SHARED,
    STRICT,
    Brain,
    FitScores,
    Region,
    RunScores,
    upper_percentile,
)
from lateralization.statistics.lines import lines
from lateralization.statistics.score_controls import laterality_index
from lateralization.statistics.sensitivity import PAIRED, sides_at

FIXED = "fixed_depth"
DEPTH = 2 / 3
"""The layer nearest to this share of a model's depth, whatever its scores are."""

CUTS = {"whole": 0, "above_50": 50, "reliable": 75, "above_90": 90}
"""Voxels above these percentiles of the reliability."""

MIN_MODELS = 5
"""With fewer models in it, no specification enters the curve."""

ROIS = "rois"
MIDLINES = (SHARED, STRICT, PAIRED)
SUMMARIES = ("mean", "p90", "index", "over_ceiling")
ALL_RUNS = "all"
ALL_FAMILIES = "all"
FACTORS = ("layer", "voxels", "midline", "summary", "runs", "families")


@dataclass(frozen=True)
class Specification:
    """One way of reading the scores of a model, up to which models enter."""

    layer: str
    voxels: str
    midline: str
    summary: str
    runs: str


def run_sets(scores: FitScores, first: str) -> dict[str, FitScores]:
    """Return the scores of all test runs, and of those without the first where two are left.

    The first is the validation run of every other fold, and run 1 of the English and Chinese
    sessions of ds003643 also showed pictures.
    """
    found = {ALL_RUNS: scores}
    if scores.r.shape[1] > 2:
        found[f"without_{first.replace('-', '_', 1)}"] = FitScores(scores.r[:, 1:])
    return found


def voxel_sets(brain: Brain) -> Iterator[Region]:
    """Give every selection of voxels, under every midline rule, that this brain has."""
    for midline in MIDLINES:
        for name, percentile in CUTS.items():
            sides = sides_at(brain, percentile, midline)
            if sides is not None:
                yield Region(name, midline, *sides)
    if brain.rois:
        left = np.logical_or.reduce([sides[0] for sides in brain.rois.values()])
        right = np.logical_or.reduce([sides[1] for sides in brain.rois.values()])
        if left.any() and right.any():
            yield Region(ROIS, SHARED, left, right)


def fixed_layer(layers: Sequence[int], depth: float) -> int:
    """Return the place of the fitted layer nearest to two thirds of a model's depth."""
    last = depth if np.isfinite(depth) and depth > 0 else max(layers)
    return int(np.abs(np.asarray(layers) - DEPTH * last).argmin())


def _read(scores: RunScores, region: Region, isc: Floats | None) -> dict[str, float]:
    """Return left minus right of the mean over runs, under every summary."""
    voxels = [scores.usable_voxels(region, side) for side in ("left", "right")]
    sides = [scores.mean[side] for side in voxels]
    if min(side.size for side in sides) == 0:
        return dict.fromkeys(SUMMARIES, np.nan)
    means = [float(side.mean()) for side in sides]
    upper = [float(upper_percentile(side)) for side in sides]
    over = np.nan
    if isc is not None:
        ceilings = [float(np.nanmean(isc[side])) for side in voxels]
        if min(ceilings) > 0:
            over = means[0] / ceilings[0] - means[1] / ceilings[1]
    index = laterality_index(np.array(means[0]), np.array(means[1]))
    values = (means[0] - means[1], upper[0] - upper[1], float(index), over)
    return dict(zip(SUMMARIES, values, strict=True))


def specify(
    scores: FitScores, brain: Brain, layers: Sequence[int], depth: float, first: str
) -> dict[Specification, float]:
    """Read one model's scores in every way.

    Parameters
    ----------
    layers, depth
        Numbers of the fitted layers, and the number of the model's last one (NaN: not known).
    first
        Key of the first test run.

    Returns
    -------
    Specification → left minus right in the unit of its summary; NaN where it cannot be had.
    """
    found: dict[Specification, float] = {}
    selections = list(voxel_sets(brain))
    for runs, some in run_sets(scores, first).items():
        fixed = some.layer(fixed_layer(layers, depth))
        for region in selections:
            of_rules = {
                BEST_VOXEL: some.best_voxel, BEST_MEAN: some.best_mean(region),
                BEST_CV: some.best_cv, FIXED: fixed,
            }  # fmt: skip
            for rule, chosen in of_rules.items():
                for summary, value in _read(chosen, region, brain.isc).items():
                    if summary == "over_ceiling" and brain.isc is None:
                        continue
                    one = Specification(rule, region.name, region.midline, summary, runs)
                    found[one] = value
    return found


@dataclass(frozen=True)
class Reading:
    """What the curve needs of one model."""

    ln_n: float
    family: str
    values: Mapping[Specification, float]


def curve(models: Sequence[Reading], by_family: bool = True) -> list[dict[str, Any]]:
    """Regress left minus right on ln N under every specification.

    Parameters
    ----------
    models
        Trained models of known size.
    by_family
        Also without each family in turn.

    Returns
    -------
    list of rows: the choices, then r, p, slope with its interval, and number of models. Only
    specifications that every model has.
    """
    if len(models) < MIN_MODELS:
        return []
    shared = [one for one in models[0].values if all(one in other.values for other in models)]
    x = np.array([model.ln_n for model in models])
    y = np.array([[model.values[one] for one in shared] for model in models])
    families = np.array([model.family for model in models], dtype=str)
    names = sorted(set(families))
    subsets = {ALL_FAMILIES: np.ones(len(models), bool)}
    if by_family and len(names) > 1:
        subsets |= {f"without {name}": families != name for name in names}
    rows: list[dict[str, Any]] = []
    for subset, kept in subsets.items():
        if kept.sum() < MIN_MODELS:
            continue
        found = lines(x[kept], y[kept])
        for i, one in enumerate(shared):
            if np.isfinite(found.r[i]):
                rows.append(
                    {
                        **vars(one), "families": subset, "n_models": int(kept.sum()),
                        "r": found.r[i], "p": found.p[i], "slope": found.slope[i],
                        "slope_low": found.slope_low[i], "slope_high": found.slope_high[i],
                    }
                )  # fmt: skip
    return rows


def influence(rows: Sequence[Mapping[str, Any]]) -> list[dict[str, Any]]:
    """Say what each option of each choice does to the curve.

    Returns
    -------
    list of rows: choice, option, how many specifications have it and over how many models, their
    median r, and the share with r > 0, with an interval above 0 and with one below 0.
    """
    if not rows:
        return []
    r = np.array([row["r"] for row in rows])
    n_models = np.array([row["n_models"] for row in rows])
    above = np.array([row["slope_low"] > 0 for row in rows])
    below = np.array([row["slope_high"] < 0 for row in rows])
    found = []
    for factor in FACTORS:
        options = np.array([row[factor] for row in rows], dtype=str)
        for name in dict.fromkeys(options):
            mine = options == name
            found.append(
                {
                    "choice": factor, "option": name, "n_specifications": int(mine.sum()),
                    "least_models": int(n_models[mine].min()),
                    "most_models": int(n_models[mine].max()),
                    "median_r": float(np.median(r[mine])),
                    "share_positive": float((r[mine] > 0).mean()),
                    "share_above_0": float(above[mine].mean()),
                    "share_below_0": float(below[mine].mean()),
                }
            )  # fmt: skip
    return found
