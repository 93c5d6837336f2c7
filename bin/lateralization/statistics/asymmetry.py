"""Left and right brain scores of one fit: the published definitions and the honest ones.

The published definitions are those of Bonnasse-Gahot & Pallier (NeurIPS 2024): the score of a
voxel is its maximum over layers (``best_voxel``), the hemispheres are the first half of the
mask's voxels in C order and the rest (``shared`` midline), reliable voxels lie strictly above
the 75th percentile of the reliability (ISC), and an asymmetry is a difference of unpaired means.
Beside them stand the layer chosen on other runs than it is scored on (``best_cv``), one layer
per model (``best_mean``), and hemispheres without the midline plane (``strict``).
"""

from collections.abc import Iterator, Mapping, Sequence
from dataclasses import dataclass, replace
from functools import cached_property

import numpy as np
from numpy.typing import NDArray

from lateralization.arrays import Booleans, Floats
from lateralization.statistics.areas import Halves
from lateralization.statistics.intervals import (
    Interval,
    jackknife_interval,
    ratio_interval,
    t_interval,
    widened,
)
from lateralization.study import ISC_PERCENTILE

WHOLE, RELIABLE, CEREBELLUM = "whole", "reliable", "cerebellum"
BEST_VOXEL, BEST_MEAN, BEST_CV = "best_voxel", "best_mean", "best_cv"
CHOICES = (BEST_VOXEL, BEST_MEAN, BEST_CV)
SHARED, STRICT = "shared", "strict"
SIDES = ("left", "right", "both")
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
    cerebellum
        (left, right) of the part of the cerebellum that is kept apart, or None where the mask
        lacks it.
    """

    halves: Mapping[str, Halves]
    isc: Floats | None = None
    rois: Mapping[str, Halves] | None = None
    mirror: NDArray[np.intp] | None = None
    cerebellum: Halves | None = None

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

    @cached_property
    def voxels(self) -> dict[str, NDArray[np.intp]]:
        """Numbers of the voxels of each side and of both, in increasing order.

        Values are taken by number in a tenth of the time that a mask of the whole brain needs.
        """
        sides = zip(SIDES, (self.left, self.right, self.left | self.right), strict=True)
        return {name: np.flatnonzero(side) for name, side in sides}


class RunScores:
    """Scores of one layer, or of one way of choosing it, with what all regions need of them.

    Parameters
    ----------
    values : (n_runs, n_voxels)
        r of each test run, or what is made of it.
    """

    def __init__(self, values: NDArray[np.floating]) -> None:
        self.values = np.asarray(values, dtype=np.float64)
        self._means: dict[bytes, Floats] = {}

    @cached_property
    def by_voxel(self) -> Floats:
        """The values with the runs of a voxel side by side, (n_voxels, n_runs)."""
        return np.ascontiguousarray(self.values.T)

    @cached_property
    def usable(self) -> Booleans:
        """The voxels, (n_voxels,), that are finite in every run: only these enter any mean."""
        return usable(self.values)

    @cached_property
    def mean(self) -> Floats:
        """Mean over the runs, (n_voxels,)."""
        return layer_scores(self.values)

    def mean_over(self, runs: NDArray[np.intp]) -> Floats:
        """Mean over some of the runs, (n_voxels,), kept for the next region that needs it."""
        key = runs.tobytes()
        if key not in self._means:
            self._means[key] = layer_scores(self.values[runs])
        return self._means[key]

    def usable_voxels(self, region: Region, side: str) -> NDArray[np.intp]:
        """Return the numbers of the usable voxels of a side, in increasing order."""
        voxels = region.voxels[side]
        kept = self.usable[voxels]
        return voxels if kept.all() else voxels[kept]


@dataclass(frozen=True)
class Asymmetry:
    """Left, right and their difference, with an interval over the test runs.

    ``sides`` holds left and right per test run, (2, n_runs), where both are means of scores.
    """

    selection: str
    left: float
    right: float
    n_left: int
    n_right: int
    interval: Interval
    ci_kind: str
    sides: Floats | None = None

    @property
    def difference(self) -> float:
        """Left minus right."""
        return self.left - self.right

    @property
    def by_run(self) -> Floats | None:
        """Left minus right per test run, (n_runs,), where both are means of scores."""
        return None if self.sides is None else self.sides[0] - self.sides[1]

    @property
    def total_by_run(self) -> Floats | None:
        """Left plus right per test run, (n_runs,), where both are means of scores."""
        return None if self.sides is None else self.sides[0] + self.sides[1]

    @cached_property
    def index(self) -> Interval:
        """Laterality index (left - right) / (left + right) with Fieller's limits over runs.

        All NaN where left + right is not clearly above 0, or there are no means of runs.
        """
        if self.by_run is None or self.total_by_run is None:
            return Interval(np.nan, np.nan, np.nan, 0)
        return ratio_interval(self.by_run, self.total_by_run)

    @property
    def index_by_run(self) -> Floats | None:
        """Laterality index plus each run's influence on it: their mean is the index.

        The index of a single run is noise divided by noise; to first order the index of all runs
        varies as the mean of these values (delta method).
        """
        if self.by_run is None or self.total_by_run is None or np.isnan(self.index.mean):
            return None
        rest = self.by_run - self.index.mean * self.total_by_run
        moved: Floats = self.index.mean + rest / self.total_by_run.mean()
        return moved


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
    """List whole brain and reliable voxels for both midline rules, then cerebellum and ROIs.

    Neither touches the midline, so they are listed once: ROIs as ``shared``, as published, the
    cerebellum as ``strict``.
    """
    found = []
    reliable = brain.reliable
    for midline, (left, right) in brain.halves.items():
        found.append(Region(WHOLE, midline, left, right))
        if reliable is not None:
            found.append(Region(RELIABLE, midline, left & reliable, right & reliable))
    if brain.cerebellum is not None:
        found.append(Region(CEREBELLUM, STRICT, *brain.cerebellum))
    for name, (left, right) in (brain.rois or {}).items():
        found.append(Region(name, SHARED, left, right))
    return found


def layer_scores(layer: NDArray[np.floating]) -> Floats:
    """Mean over the test runs of one layer, (n_runs, n_voxels) → (n_voxels,); NaN with any NaN."""
    scores: Floats = layer.mean(axis=0, dtype=np.float64)
    return scores


def best_voxel(r: Layers) -> Floats:
    """Scores per run at each voxel's best layer, chosen on the same runs (as published).

    The mean over runs is the maximum over layers of the layer score. It is optimistic, and the
    more so the more layers a model has. The first layer wins ties. Layers are read once, one at a
    time.

    Returns
    -------
    (n_runs, n_voxels) float64 array; where every layer is NaN, the first.
    """
    chosen = np.array(r[0], dtype=np.float64)
    best = np.full(chosen.shape[1], -np.inf)
    for layer in r:
        scores = layer_scores(layer)
        better = scores > best  # NaN never is
        np.copyto(best, scores, where=better)
        np.copyto(chosen, layer, where=better)
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
        others = (layer_scores(layer) * n_runs - layer) / (n_runs - 1)
        better = others > best
        np.copyto(best, others, where=better)
        np.copyto(chosen, layer, where=better)
    return chosen


def _read_all(r: Layers) -> NDArray[np.floating]:
    """Read all layers into one array, never holding two copies of them as ``np.stack`` does."""
    first = r[0]
    whole = np.empty((len(r), *first.shape), first.dtype)
    for place, layer in enumerate(r):
        whole[place] = layer
    return whole


class FitScores:
    """Scores of one fit by layer, and each way of choosing a layer, made when first needed.

    Parameters
    ----------
    r : (n_layers, n_runs, n_voxels)
        Pearson r on each test run, NaN in voxels left out; read once.
    """

    def __init__(self, r: Layers) -> None:
        self.r = r if isinstance(r, np.ndarray) else _read_all(r)
        self._layers: dict[int, RunScores] = {}

    def __len__(self) -> int:
        """Count the layers."""
        return len(self.r)

    @cached_property
    def by_layer(self) -> Floats:
        """Mean over the test runs of every layer, (n_layers, n_voxels)."""
        return np.stack([layer_scores(layer) for layer in self.r])

    @cached_property
    def best_voxel(self) -> RunScores:
        """See :func:`best_voxel`."""
        return RunScores(best_voxel(self.r))

    @cached_property
    def best_cv(self) -> RunScores:
        """See :func:`best_cv`."""
        return RunScores(best_cv(self.r))

    def layer(self, index: int) -> RunScores:
        """Return one layer, kept for the next region that chooses it."""
        if index not in self._layers:
            self._layers[index] = RunScores(self.r[index])
        return self._layers[index]

    def chosen(self, rule: str, region: Region) -> RunScores:
        """Return the scores under one of ``CHOICES``; a region matters to ``best_mean`` alone."""
        if rule == BEST_MEAN:
            return self.best_mean(region)
        return self.best_cv if rule == BEST_CV else self.best_voxel

    def best_mean(self, region: Region) -> RunScores:
        """Return the layer with the highest mean over both sides of a region."""
        means = side_summaries(self.by_layer, region.voxels["both"])[:, 1]
        return self.layer(int(np.where(np.isnan(means), -np.inf, means).argmax()))


def upper_percentile(values: Floats) -> Floats:
    """Return the 90th percentile over the last axis, which holds at least one value, all finite.

    That of ``np.percentile`` to the last bit, in an eighth of its time: it partitions around four
    places at once, for which NumPy has no vector instructions; one place is enough.
    """
    place = (values.shape[-1] - 1) * (PERCENTILE / 100)
    k, share = int(place), place % 1
    parted = np.partition(values, k, axis=-1)
    low: Floats = parted[..., k]
    if share == 0:
        return low
    high: Floats = parted[..., k + 1 :].min(axis=-1)
    step = high - low
    # from the nearer of both, as NumPy does it
    found: Floats = low + step * share if share < 0.5 else high - step * (1 - share)
    return found


def side_summaries(scores: Floats, voxels: NDArray[np.intp]) -> Floats:
    """Count, mean and 90th percentile over the voxels of a side, for many maps of scores.

    Parameters
    ----------
    scores : (n_maps, n_voxels) array
        Means over the runs; a voxel that is not finite in every run is not finite here, and unused.
    voxels
        Numbers of the side's voxels.

    Returns
    -------
    (n_maps, 3) array; mean and percentile are NaN without a voxel.
    """
    values = scores.take(voxels, axis=1)
    finite = np.isfinite(values)
    if not finite.all():
        parts = [one[kept][None] for one, kept in zip(values, finite, strict=True)]
        return np.concatenate([_summaries(part) for part in parts])
    return _summaries(values)


def _summaries(values: Floats) -> Floats:
    """Count, mean and 90th percentile of the rows of (n_maps, n_values), all finite."""
    found = np.full((len(values), 3), np.nan)
    found[:, 0] = values.shape[1]
    if values.shape[1]:
        found[:, 1], found[:, 2] = values.mean(axis=1), upper_percentile(values)
    return found


def usable(run_scores: Floats) -> Booleans:
    """Tell the voxels that are finite in every run: only these enter any mean.

    (n_runs, n_voxels) → (n_voxels,) bool.
    """
    finite: Booleans = np.asarray(np.isfinite(run_scores).all(axis=0))
    return finite


def mean_asymmetry(scores: RunScores, region: Region, selection: str) -> Asymmetry:
    """Compare the unpaired means of the two sides, with a corrected t interval over runs.

    Parameters
    ----------
    selection
        What the voxels are called in the tables.
    """
    left, right = (
        scores.by_voxel.take(scores.usable_voxels(region, side), axis=0) for side in SIDES[:2]
    )
    sides = np.stack([_mean_over_voxels(side) for side in (left, right)])
    return Asymmetry(
        selection,
        float(left.mean()) if left.size else np.nan,
        float(right.mean()) if right.size else np.nan,
        len(left),
        len(right),
        widened(t_interval(sides[0] - sides[1])),
        f"corrected t over {len(scores.values)} runs",
        sides,
    )


def side_means(scores: RunScores, region: Region) -> Floats:
    """Mean score of the left and of the right in each run, (2, n_runs); NaN without a voxel."""
    sides = (scores.usable_voxels(region, side) for side in SIDES[:2])
    return np.stack([_mean_over_voxels(scores.by_voxel.take(side, axis=0)) for side in sides])


def over_reliability(scores: RunScores, isc: Floats, region: Region) -> Asymmetry:
    """Compare means of the score divided by the reliability, voxel by voxel, as published.

    Without an interval: the reliability, (n_voxels,), was measured on the same recordings. Its
    error is the same in every run, so runs do not show it: where the reliability of a side is off
    by 4 %, a corrected t over runs rejects equal sides in 10 % of symmetric brains
    (``benchmarks/calibration_controls.py``).
    """
    found = mean_asymmetry(RunScores(scores.values / isc), region, "reliable_iscnorm")
    none = replace(found.interval, low=np.nan, high=np.nan)
    return replace(found, interval=none, ci_kind="", sides=None)


def _mean_over_voxels(values: Floats) -> Floats:
    """Average (n_voxels, n_runs) over the voxels, (n_runs,); NaN without any.

    ``einsum`` adds a few long columns as ``sum(axis=0)`` does, one row after the other, in a
    quarter of its time.
    """
    n_voxels, n_runs = values.shape
    if not n_voxels:
        return np.full(n_runs, np.nan)
    total: Floats = np.einsum("vr->r", values) if n_runs > 1 else values.sum(axis=0)
    mean: Floats = total / n_voxels
    return mean


def pairs(brain: Brain, percentile: float | None = None) -> tuple[NDArray[np.intp], ...] | None:
    """Give mirror-image voxels: (left voxels, their mirror images), the midline left out.

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


def paired_asymmetry(scores: RunScores, brain: Brain, region: Region) -> Asymmetry | None:
    """Compare each voxel with its mirror image, over pairs of which both are usable.

    None where there are no pairs (:func:`pairs`).
    """
    found = pairs(brain, ISC_PERCENTILE if region.name == RELIABLE else None)
    if found is None:
        return None
    left, right = found
    both = scores.usable[left] & scores.usable[right]
    sides = np.zeros((2, scores.usable.size), dtype=bool)
    sides[0, left[both]] = True
    sides[1, right[both]] = True
    matched = Region(f"{region.name}_paired", region.midline, sides[0], sides[1])
    return mean_asymmetry(scores, matched, matched.name)


def percentile_asymmetry(scores: RunScores, region: Region, selection: str) -> Asymmetry:
    """Compare the 90th percentiles of the two sides, with a jackknife interval over runs.

    Parameters as in :func:`mean_asymmetry`; NaN where a side has no usable voxel.
    """
    left, right = (scores.usable_voxels(region, side) for side in ("left", "right"))
    if not (left.size and right.size):
        empty = Interval(np.nan, np.nan, np.nan, 0)
        return Asymmetry(selection, np.nan, np.nan, left.size, right.size, empty, "")

    def upper(side: NDArray[np.intp], runs: NDArray[np.intp]) -> float:
        return float(upper_percentile(scores.mean_over(runs)[side]))

    runs = np.arange(len(scores.values))
    return Asymmetry(
        selection,
        upper(left, runs),
        upper(right, runs),
        left.size,
        right.size,
        widened(jackknife_interval(lambda kept: upper(left, kept) - upper(right, kept), runs.size)),
        f"corrected jackknife t over {runs.size} runs",
    )


def asymmetries(scores: RunScores, brain: Brain, region: Region) -> Iterator[Asymmetry]:
    """Give every asymmetry that a region has, for one choice of layers.

    The whole brain has mean and 90th percentile, the reliable voxels mean and mean of the
    score divided by the reliability, voxel by voxel; a ROI has its mean. Without the midline both
    also have the mean over mirror-image pairs of voxels.
    """
    yield mean_asymmetry(scores, region, region.name)
    if region.name == WHOLE:
        yield percentile_asymmetry(scores, region, "whole_p90")
    if region.name == RELIABLE and brain.isc is not None:
        yield over_reliability(scores, brain.isc, region)
    if region.midline == STRICT:
        paired = paired_asymmetry(scores, brain, region)
        if paired is not None:
            yield paired


def choose_layers(scores: FitScores, found: Sequence[Region]) -> dict[tuple[str, str], RunScores]:
    """Scores per run for every way of choosing a layer and every region.

    Returns
    -------
    (choice, region name) → scores per run. Only ``best_mean`` depends on the region: its layer
    has the highest mean over that region (both sides, midline included where shared).
    """
    chosen: dict[tuple[str, str], RunScores] = {}
    for region in found:
        for rule in CHOICES:
            if (rule, region.name) not in chosen:
                chosen[rule, region.name] = scores.chosen(rule, region)
    return chosen


def side_mean(values: NDArray[np.floating], side: Booleans) -> float:
    """Mean over the finite voxels of a side; NaN without any."""
    inside = np.asarray(values, dtype=np.float64)[side]
    inside = inside[np.isfinite(inside)]
    return float(inside.mean()) if inside.size else np.nan
