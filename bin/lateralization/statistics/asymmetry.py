"""Left and right brain scores of one fit: the published definitions and the honest ones.

The published definitions are those of Bonnasse-Gahot & Pallier (NeurIPS 2024): the score of a
voxel is its maximum over layers (``best_voxel``), the hemispheres are the first half of the
mask's voxels in C order and the rest (``shared`` midline), reliable voxels lie strictly above
the 75th percentile of the reliability (ISC), and an asymmetry is a difference of unpaired means.
Beside them stand the layer chosen on other runs than it is scored on (``best_cv``), one layer
per model (``best_mean``), and hemispheres without the midline plane (``strict``).
"""

from collections.abc import Iterator, Mapping, Sequence
from dataclasses import dataclass

import numpy as np
from numpy.typing import NDArray

from lateralization.arrays import Booleans, Floats
from lateralization.statistics.areas import Halves
from lateralization.statistics.intervals import Interval, jackknife_interval, t_interval, widened
from lateralization.study import ISC_PERCENTILE

WHOLE, RELIABLE = "whole", "reliable"
BEST_VOXEL, BEST_MEAN, BEST_CV = "best_voxel", "best_mean", "best_cv"
CHOICES = (BEST_VOXEL, BEST_MEAN, BEST_CV)
SHARED, STRICT = "shared", "strict"
PERCENTILE = 90

Layers = NDArray[np.floating] | Sequence[NDArray[np.floating]]
"""Scores of a fit by layer, each (n_runs, n_voxels): in memory, or read layer by layer."""


@dataclass(frozen=True)
class Brain:
    """What is known of the voxels of one mask; every array is (n_voxels,) in C order.

    Attributes
    ----------
    halves
        ``shared`` and ``strict`` → (left, right), without the voxels that are left out.
    isc
        Mean over trials of the reliability, or None where there is none (individuals).
    rois
        Name → (the left region, its mirror image).
    mirror
        Place of each voxel's mirror image, or None where the mask is not mirror-symmetric.
    """

    halves: Mapping[str, Halves]
    isc: Floats | None = None
    rois: Mapping[str, Halves] | None = None
    mirror: NDArray[np.intp] | None = None

    @property
    def n_voxels(self) -> int:
        """Number of voxels of the mask."""
        return int(self.halves[SHARED][0].size)

    @property
    def used(self) -> Booleans:
        """The voxels of the mask that were not left out."""
        left, right = self.halves[SHARED]
        return left | right

    @property
    def reliable(self) -> Booleans | None:
        """The voxels whose reliability is strictly above the percentile of the whole mask."""
        return None if self.isc is None else reliable_voxels(self.isc)


@dataclass(frozen=True)
class Region:
    """A part of the brain with its two sides."""

    name: str
    midline: str
    left: Booleans
    right: Booleans


@dataclass(frozen=True)
class Asymmetry:
    """Left, right and their difference, with an interval over the test runs.

    ``by_run`` holds left minus right per test run, where the asymmetry is a difference of means.
    """

    selection: str
    left: float
    right: float
    n_left: int
    n_right: int
    interval: Interval
    ci_kind: str
    by_run: Floats | None = None

    @property
    def difference(self) -> float:
        """Left minus right."""
        return self.left - self.right


def reliability_threshold(isc: Floats, percentile: float = ISC_PERCENTILE) -> float:
    """Return a percentile of the reliability, (n_voxels,), over the voxels where it is known."""
    return float(np.nanpercentile(isc, percentile))


def reliable_voxels(isc: Floats, percentile: float = ISC_PERCENTILE) -> Booleans:
    """Select voxels strictly above a percentile of the reliability over the whole mask.

    Parameters
    ----------
    isc : (n_voxels,) array
        Mean over the trials; NaN where it is not known.

    Returns
    -------
    (n_voxels,) bool
    """
    above: Booleans = isc > reliability_threshold(isc, percentile)
    return above


def regions(brain: Brain) -> list[Region]:
    """List whole brain and reliable voxels for both midline rules, then the ROIs.

    ROIs do not touch the midline, so they are listed once, as ``shared``.
    """
    found = []
    reliable = brain.reliable
    for midline, (left, right) in brain.halves.items():
        found.append(Region(WHOLE, midline, left, right))
        if reliable is not None:
            found.append(Region(RELIABLE, midline, left & reliable, right & reliable))
    for name, (left, right) in (brain.rois or {}).items():
        found.append(Region(name, SHARED, left, right))
    return found


def layer_scores(layer: NDArray[np.floating]) -> Floats:
    """Mean over the test runs of one layer, (n_runs, n_voxels) → (n_voxels,); NaN with any NaN."""
    scores: Floats = layer.mean(axis=0, dtype=np.float64)
    return scores


def _above(scores: Floats, best: Floats) -> Booleans:
    """Tell where a layer beats all before it: the first wins ties, NaN always loses."""
    return np.where(np.isnan(scores), -np.inf, scores) > best


def best_voxel(r: Layers) -> Floats:
    """Scores per run at each voxel's best layer, chosen on the same runs (as published).

    The mean over runs is the maximum over layers of the layer score. It is optimistic, and the
    more so the more layers a model has. Layers are read once, one at a time.

    Returns
    -------
    (n_runs, n_voxels) float64 array; where every layer is NaN, the first.
    """
    chosen = np.array(r[0], dtype=np.float64)
    best = np.full(chosen.shape[1], -np.inf)
    for layer in r:
        scores = layer_scores(layer)
        better = _above(scores, best)
        best[better] = scores[better]
        chosen[:, better] = layer[:, better]
    return chosen


def best_cv(r: Layers) -> Floats:
    """Scores per run at the layer that each voxel prefers on the *other* runs.

    Returns
    -------
    (n_runs, n_voxels) float64 array. With one run there are no other runs: NaN.
    """
    chosen = np.array(r[0], dtype=np.float64)
    n_runs = len(chosen)
    if n_runs < 2:
        return np.full(chosen.shape, np.nan)
    best = np.full(chosen.shape, -np.inf)
    for layer in r:
        total = layer_scores(layer) * n_runs
        for run in range(n_runs):
            others = (total - layer[run]) / (n_runs - 1)
            better = _above(others, best[run])
            best[run, better] = others[better]
            chosen[run, better] = layer[run, better]
    return chosen


def best_mean_layers(r: Layers, found: Sequence[Region]) -> list[int]:
    """Index, for each region, of the layer with the highest mean over both of its sides."""
    both = [region.left | region.right for region in found]
    profiles = []
    for layer in r:
        scores = layer_scores(layer)
        profiles.append([float(_nanmean(scores[inside])) for inside in both])
    known = np.where(np.isnan(profiles), -np.inf, profiles)
    return [int(place) for place in known.argmax(axis=0)]


def _nanmean(values: Floats, axis: int | None = None) -> Floats:
    """Mean without NaN, quietly NaN where nothing is left."""
    finite = np.isfinite(values)
    count = finite.sum(axis=axis)
    total = np.where(finite, values, 0.0).sum(axis=axis)
    return np.asarray(
        np.divide(total, count, out=np.full(np.shape(total), np.nan), where=count > 0)
    )


def usable(run_scores: Floats) -> Booleans:
    """Tell the voxels that are finite in every run: only these enter any mean.

    (n_runs, n_voxels) → (n_voxels,) bool.
    """
    finite: Booleans = np.asarray(np.isfinite(run_scores).all(axis=0))
    return finite


def side_summary(score: Floats, side: Booleans) -> tuple[int, float, float]:
    """Voxels used, mean and 90th percentile over the voxels of one side.

    Parameters
    ----------
    score : (n_voxels,) array
        Mean over the runs; a voxel that is not finite in every run is not finite here, and unused.
    side : (n_voxels,) bool
    """
    values = score[side]
    values = values[np.isfinite(values)]
    if values.size == 0:
        return 0, np.nan, np.nan
    return values.size, float(values.mean()), float(np.percentile(values, PERCENTILE))


def mean_asymmetry(run_scores: Floats, region: Region, selection: str) -> Asymmetry:
    """Compare the unpaired means of the two sides, with a corrected t interval over runs.

    Parameters
    ----------
    run_scores : (n_runs, n_voxels) array
        r of each test run, or what is made of it.
    selection
        What the voxels are called in the tables.
    """
    valid = usable(run_scores)
    left, right = run_scores[:, region.left & valid], run_scores[:, region.right & valid]
    by_run = _nanmean(left, axis=1) - _nanmean(right, axis=1)
    return Asymmetry(
        selection,
        float(_nanmean(left)),
        float(_nanmean(right)),
        left.shape[1],
        right.shape[1],
        widened(t_interval(by_run)),
        f"corrected t over {len(run_scores)} runs",
        np.atleast_1d(by_run),
    )


def pairs(brain: Brain, percentile: float | None = None) -> tuple[NDArray[np.intp], ...] | None:
    """Give homologous voxels: (left voxels, their mirror images), the midline left out.

    Parameters
    ----------
    percentile
        Keep the pairs whose *mean* reliability is strictly above this percentile of all pairs, so
        that a side with the better signal does not decide which voxels are compared.

    Returns
    -------
    Two (n_pairs,) arrays of voxel numbers; None where the mask does not mirror, or where pairs
    are to be chosen and there is no reliability.
    """
    if brain.mirror is None or (percentile is not None and brain.isc is None):
        return None
    left = np.flatnonzero(brain.halves[STRICT][0])
    left = left[brain.halves[STRICT][1][brain.mirror[left]]]  # without its partner it is no pair
    right = brain.mirror[left]
    if percentile is not None and brain.isc is not None:
        middle = (brain.isc[left] + brain.isc[right]) / 2
        kept = middle > np.nanpercentile(middle, percentile)
        left, right = left[kept], right[kept]
    return left, right


def paired_asymmetry(run_scores: Floats, brain: Brain, region: Region) -> Asymmetry | None:
    """Compare each voxel with its mirror image, over pairs of which both are usable.

    ``run_scores``: see :func:`mean_asymmetry`. None where there are no pairs (:func:`pairs`).
    """
    found = pairs(brain, ISC_PERCENTILE if region.name == RELIABLE else None)
    if found is None:
        return None
    left, right = found
    valid = usable(run_scores)
    both = valid[left] & valid[right]
    sides = np.zeros((2, valid.size), dtype=bool)
    sides[0, left[both]] = True
    sides[1, right[both]] = True
    matched = Region(f"{region.name}_paired", region.midline, sides[0], sides[1])
    return mean_asymmetry(run_scores, matched, matched.name)


def percentile_asymmetry(run_scores: Floats, region: Region, selection: str) -> Asymmetry:
    """Compare the 90th percentiles of the two sides, with a jackknife interval over runs.

    Parameters as in :func:`mean_asymmetry`; NaN where a side has no usable voxel.
    """
    valid = usable(run_scores)
    left, right = run_scores[:, region.left & valid], run_scores[:, region.right & valid]
    if left.shape[1] == 0 or right.shape[1] == 0:
        empty = Interval(np.nan, np.nan, np.nan, 0)
        return Asymmetry(selection, np.nan, np.nan, left.shape[1], right.shape[1], empty, "")

    def upper(side: Floats, runs: NDArray[np.intp]) -> float:
        return float(np.percentile(side[runs].mean(axis=0), PERCENTILE))

    runs = np.arange(len(run_scores))
    return Asymmetry(
        selection,
        upper(left, runs),
        upper(right, runs),
        left.shape[1],
        right.shape[1],
        widened(jackknife_interval(lambda kept: upper(left, kept) - upper(right, kept), runs.size)),
        f"corrected jackknife t over {runs.size} runs",
    )


def asymmetries(run_scores: Floats, brain: Brain, region: Region) -> Iterator[Asymmetry]:
    """Give every asymmetry that a region has.

    The whole brain has mean and 90th percentile, the reliable voxels mean and mean of the
    score divided by the reliability, voxel by voxel; a ROI has its mean. Without the midline both
    also have the mean over homologous pairs of voxels.

    ``run_scores``: (n_runs, n_voxels), of one choice of layers.
    """
    yield mean_asymmetry(run_scores, region, region.name)
    if region.name == WHOLE:
        yield percentile_asymmetry(run_scores, region, "whole_p90")
    if region.name == RELIABLE and brain.isc is not None:
        yield mean_asymmetry(run_scores / brain.isc, region, "reliable_iscnorm")
    if region.midline == STRICT:
        paired = paired_asymmetry(run_scores, brain, region)
        if paired is not None:
            yield paired


def choose_layers(r: Layers, found: Sequence[Region]) -> dict[tuple[str, str], Floats]:
    """Scores per run for every way of choosing a layer and every region.

    Returns
    -------
    (choice, region name) → (n_runs, n_voxels). Only ``best_mean`` depends on the region: its
    layer has the highest mean over that region (both sides, midline included where shared).
    """
    everywhere = {BEST_VOXEL: best_voxel(r), BEST_CV: best_cv(r)}
    scores, read = {}, {}
    for region, layer in zip(found, best_mean_layers(r, found), strict=True):
        for choice, run_scores in everywhere.items():
            scores[choice, region.name] = run_scores
        if (BEST_MEAN, region.name) not in scores:
            if layer not in read:
                read[layer] = np.asarray(r[layer], dtype=np.float64)
            scores[BEST_MEAN, region.name] = read[layer]
    return scores


def side_mean(values: NDArray[np.floating], side: Booleans) -> float:
    """Mean over the finite voxels of a side; NaN without any."""
    inside = np.asarray(values, dtype=np.float64)[side]
    inside = inside[np.isfinite(inside)]
    return float(inside.mean()) if inside.size else np.nan
