"""Noise ceilings: how well any model could predict, and scores as a share of it.

A time course cannot be predicted better than it can be measured. For the average of all subjects
the reliability follows from the correlation r of two halves, ``2 r / (1 + r)`` (Spearman-Brown),
and its square root bounds the correlation with any prediction. For one subject the correlation with
the mean of all others stands for it: what all hear alike, and no bound on what is its own.
Ceilings are kept per run, and the voxels that are scored in a run are chosen on the other runs, so
that no voxel is taken because its noise agreed in the run at hand.
"""

from dataclasses import dataclass

import numpy as np

from lateralization.arrays import Booleans, Floats
from lateralization.study import ISC_PERCENTILE

SPLIT_HALF, LEAVE_ONE_OUT = "split_half", "leave_one_out"
LEAST_VOXELS = 3
"""Voxels that a side needs in every run."""

LOWEST = 0.05
"""Below this mean ceiling nothing is divided by it."""


@dataclass(frozen=True)
class ShareDifference:
    """Left minus right of a fit's scores as shares of the ceilings of their sides.

    Attributes
    ----------
    by_run : (n_runs,)
    by_trial : (n_trials,)
        Mean over runs, with the ceiling that each split of the subjects gives alone. Their spread
        is the error that the choice of the splits leaves in the ceiling; empty where it is not
        known (one split, or the ceiling of an individual).
    """

    by_run: Floats
    by_trial: Floats


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
