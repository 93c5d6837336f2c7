"""Noise ceilings: how well any model could predict, and scores as a share of it.

A time course cannot be predicted better than it can be measured. For the average of all subjects
the reliability follows from the correlation r of two halves, ``2 r / (1 + r)`` (Spearman-Brown),
and its square root bounds the correlation with any prediction. For one subject the correlation with
the mean of all others stands for it: what all hear alike, and no bound on what is its own.
Ceilings are kept per run, and the voxels that are scored in a run are chosen on the other runs, so
that no voxel is taken because its noise agreed in the run at hand.
"""

from collections.abc import Iterator

import numpy as np

from lateralization.arrays import Booleans, Floats, Row
from lateralization.statistics.asymmetry import SHARED, STRICT, Brain
from lateralization.statistics.intervals import corrected_t
from lateralization.study import ISC_PERCENTILE
from lateralization.tables.fits import Fit

SPLIT_HALF, LEAVE_ONE_OUT = "split_half", "leave_one_out"
LEAST_VOXELS = 3
"""Voxels that a side needs in every run."""

LOWEST = 0.05
"""Below this mean ceiling nothing is divided by it."""


def average_ceiling(halves: Floats) -> Floats:
    """Return the ceiling of the average subject from split halves.

    Parameters
    ----------
    halves : (n_trials, n_runs, n_voxels)
        Correlation of the means of two halves of the subjects.

    Returns
    -------
    (n_runs, n_voxels)
        Square root of the Spearman-Brown reliability of the mean over trials; 0 where that is
        negative, NaN where a half is constant.
    """
    r = np.clip(halves.mean(axis=0), 0, 1)
    ceiling: Floats = np.sqrt(2 * r / (1 + r))
    return ceiling


def chosen_elsewhere(ceiling: Floats) -> Booleans:
    """Choose, for every run, the voxels whose mean ceiling over the other runs is high.

    Returns
    -------
    (n_runs, n_voxels) bool: strictly above the 75th percentile; with one run none.
    """
    n_runs = len(ceiling)
    chosen = np.zeros(ceiling.shape, bool)
    if n_runs < 2:
        return chosen
    others = (ceiling.sum(axis=0) - ceiling) / (n_runs - 1)
    for run in range(n_runs):
        known = others[run][np.isfinite(others[run])]
        if known.size:
            chosen[run] = others[run] > np.percentile(known, ISC_PERCENTILE)
    return chosen


def _side(r: Floats, ceiling: Floats, inside: Booleans) -> tuple[Floats, Floats]:
    """Return mean score and mean ceiling of each run over that run's voxels, (n_runs,) each."""
    found = np.full((2, len(r)), np.nan)
    for run, voxels in enumerate(inside & np.isfinite(r) & np.isfinite(ceiling)):
        if voxels.sum() >= LEAST_VOXELS:
            found[:, run] = r[run, voxels].mean(), ceiling[run, voxels].mean()
    return found[0], found[1]


def ceiling_rows(fit: Fit, r: Floats, ceiling: Floats, brain: Brain, kind: str) -> Iterator[Row]:
    """Give a fit's score as a share of its ceiling, on either side and between them.

    Parameters
    ----------
    r : (n_runs, n_voxels)
        Score of each test run, at a layer that was chosen on the other runs.
    ceiling : (n_runs, n_voxels)
    kind
        ``split_half`` or ``leave_one_out``.

    Yields
    ------
    One row for each midline rule and hemisphere; the shares are means over runs of the mean score
    divided by the mean ceiling.
    """
    chosen = chosen_elsewhere(ceiling)
    for midline in (SHARED, STRICT):
        left, right = brain.halves[midline]
        whole = {"left": left, "right": right, "both": left | right}
        sides = {name: _side(r, ceiling, chosen & side) for name, side in whole.items()}
        with np.errstate(invalid="ignore"):
            shares = {
                name: np.where(top > LOWEST, score / top, np.nan)
                for name, (score, top) in sides.items()
            }
        shares["left_minus_right"] = shares["left"] - shares["right"]
        for name, by_run in shares.items():
            score, top = sides.get(name, [sides["left"][i] - sides["right"][i] for i in (0, 1)])
            interval, p = corrected_t(by_run)
            voxels = chosen & whole.get(name, whole["both"])
            yield fit.columns | {
                "ceiling": kind, "midline": midline, "hemisphere": name,
                "n_voxels": round(float(voxels.sum(axis=1).mean())),
                "mean_r": float(np.mean(score)), "mean_ceiling": float(np.mean(top)),
                "share": interval.mean, "ci_low": interval.low, "ci_high": interval.high, "p": p,
                "ci_kind": f"t over {interval.n} test runs, corrected for shared training runs",
            } | fit.traits  # fmt: skip
