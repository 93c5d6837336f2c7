"""Summaries of fits: the values that the tables are made of, and the rows that describe one fit.

A fit is loaded, summarised and let go. Statistics over models and people work on the summaries;
rows of tables are made of them last.
"""

from collections.abc import Iterator, Mapping, Sequence
from dataclasses import dataclass, field
from functools import cached_property
from typing import NamedTuple

import numpy as np

from lateralization.arrays import Floats, Row, Single
from lateralization.errors import BadInput
from lateralization.statistics.asymmetry import (
    CHOICES,
    RELIABLE,
    SHARED,
    SIDES,
    WHOLE,
    Asymmetry,
    Brain,
    FitScores,
    Region,
    RunScores,
    asymmetries,
    choose_layers,
    mean_asymmetry,
    regions,
    side_mean,
    side_summaries,
)
from lateralization.statistics.ceilings import ShareDifference
from lateralization.statistics.regressions import NO_VOXEL
from lateralization.tables.fits import Fit


class Place(NamedTuple):
    """Where a value of a fit is taken; as a dict, the columns that name it in tables.

    Attributes
    ----------
    selection
        Region, or what is made of one: ``whole``, ``whole_p90``, ``reliable_iscnorm``, …
    layer
        Rule by which the layer is chosen, one of ``CHOICES``.
    midline
        ``shared`` or ``strict``.
    """

    selection: str
    layer: str
    midline: str


class LayerPoint(NamedTuple):
    """One layer in one region: no maximum over layers enters it."""

    layer: int
    mean: float
    asymmetry: Asymmetry


@dataclass(frozen=True)
class FitSummary:
    """Values of one fit; the (layers, runs, voxels) array is let go.

    Attributes
    ----------
    by_layer
        (region, midline) → (n_layers, 3 sides, 3) array: number of voxels, mean and 90th
        percentile of the left, the right and both sides, for every fitted layer.
    scores
        Region by layer rule → the same of the chosen layers, (3 sides, 3).
    asymmetry
        Left and right of every selection.
    profiles
        (region, midline) → its layers, for whole brain and reliable voxels.
    best : (n_voxels,) float32
        Maximum over layers of the score in each voxel.
    shares
        Midline → left minus right as shares of the noise ceiling; empty where there is none.
    """

    fit: Fit
    best: Single
    by_layer: Mapping[tuple[str, str], Floats] = field(default_factory=dict)
    scores: Mapping[Place, Floats] = field(default_factory=dict)
    asymmetry: Mapping[Place, Asymmetry] = field(default_factory=dict)
    profiles: Mapping[tuple[str, str], Sequence[LayerPoint]] = field(default_factory=dict)
    shares: Mapping[str, ShareDifference] = field(default_factory=dict)

    @cached_property
    def n_left_out(self) -> int:
        """Number of voxels that are not finite in every run of the best layer."""
        return int((~np.isfinite(self.best)).sum())

    def score(self, place: Place) -> float:
        """Return the mean score of a region, both sides together; NaN where it has none."""
        found = self.scores.get(place)
        return np.nan if found is None else float(found[BOTH, MEAN])

    def best_layer(self, region: str, midline: str) -> int | None:
        """Return the layer with the highest mean, the first on ties; None where there is none."""
        points = self.profiles.get((region, midline), ())
        finite = [point for point in points if np.isfinite(point.mean)]
        return max(finite, key=lambda point: point.mean).layer if finite else None

    @property
    def relative_best_layer(self) -> float:
        """Best layer / (number of layers, embedding included); NaN for a single layer.

        That of the reliable voxels (the whole brain where there are none) under the published
        midline rule: each rule has a best layer of its own.
        """
        layer = self.best_layer(RELIABLE, SHARED)
        layer = self.best_layer(WHOLE, SHARED) if layer is None else layer
        if layer is None or len(self.fit.layers) < 2:
            return np.nan
        total = self.fit.n_layers if self.fit.n_layers > 0 else max(self.fit.layers)
        return float(layer / (total + 1))


BOTH, MEAN, P90 = 2, 1, 2
"""Places of both sides together, of the mean and of the 90th percentile in the arrays of scores."""


def _sides(maps: Floats, region: Region) -> Floats:
    """Summarise (n_maps, n_voxels) on each side of a region: (n_maps, 3 sides, 3)."""
    return np.stack([side_summaries(maps, region.voxels[side]) for side in SIDES], axis=1)


def summarise(fit: Fit, scores: FitScores, brain: Brain) -> FitSummary:
    """Reduce the scores of one fit to its values.

    Raises
    ------
    BadInput
        The scores and the mask differ in their voxels.
    """
    if scores.r.shape[2] != brain.n_voxels:
        raise BadInput(
            f"{' '.join(fit.key)}: scores of {scores.r.shape[2]} voxels, but the mask has "
            f"{brain.n_voxels}; give the mask that the scores were made with"
        )
    found = regions(brain)
    by_layer = {(one.name, one.midline): _sides(scores.by_layer, one) for one in found}
    profiles: dict[tuple[str, str], list[LayerPoint]] = {
        (one.name, one.midline): [] for one in found if one.name in (WHOLE, RELIABLE)
    }
    for index, number in enumerate(fit.layers):
        layer = RunScores(scores.r[index])
        for region in found:
            key = (region.name, region.midline)
            if key in profiles:
                difference = mean_asymmetry(layer, region, region.name)
                mean = float(by_layer[key][index, BOTH, MEAN])
                profiles[key].append(LayerPoint(number, mean, difference))
    chosen = choose_layers(scores, found)
    values: dict[Place, Floats] = {}
    sides: dict[Place, Asymmetry] = {}
    for region in found:
        for choice in CHOICES:
            by_run = chosen[choice, region.name]
            place = Place(region.name, choice, region.midline)
            values[place] = _sides(by_run.mean[None], region)[0]
            for one in asymmetries(by_run, brain, region):
                sides[place._replace(selection=one.selection)] = one
    best = scores.best_voxel.mean.astype(np.float32)
    return FitSummary(fit, best, by_layer, values, sides, profiles)


def score_rows(one: FitSummary) -> Iterator[Row]:
    """Give rows of ``scores``: every region of each layer, then under each layer rule."""
    for index, number in enumerate(one.fit.layers):
        for (region, midline), values in one.by_layer.items():
            yield from _score_rows(one.fit, Place(region, str(number), midline), values[index])
    for place, values in one.scores.items():
        yield from _score_rows(one.fit, place, values)


def _score_rows(fit: Fit, place: Place, values: Floats) -> Iterator[Row]:
    for side, (n, mean, p90) in zip(SIDES, values, strict=True):
        where = {"layer": place.layer, "region": place.selection, "hemisphere": side}
        numbers = {"n_voxels": int(n), "mean_r": mean, "p90_r": p90, "midline": place.midline}
        yield fit.columns | where | numbers | fit.traits


def layer_rows(one: FitSummary) -> Iterator[Row]:
    """Give rows of ``layers``: the profile over layers of whole brain and reliable voxels."""
    fit = one.fit
    last = fit.n_layers if fit.n_layers > 0 else max(fit.layers)
    best = {key: one.best_layer(*key) for key in one.profiles}
    for index in range(len(fit.layers)):
        for (region, midline), points in one.profiles.items():
            layer, mean, sides = points[index]
            yield fit.columns | {
                "layer": layer, "relative_depth": layer / last if last else 0.0,
                "region": region, "midline": midline, "mean_r": mean,
                "left": sides.left, "right": sides.right, "left_minus_right": sides.difference,
                "ci_low": sides.interval.low, "ci_high": sides.interval.high,
                "ci_kind": sides.ci_kind, "kind": fit.kind, "family": fit.family,
                "is_best": layer == best[region, midline],
            }  # fmt: skip


def asymmetry_rows(one: FitSummary, brain: Brain) -> Iterator[Row]:
    """Give rows of ``asymmetry``: left and right of every selection under each layer rule."""
    ceilings = _ceilings(brain)
    for place, sides in one.asymmetry.items():
        yield one.fit.columns | {
            "selection": place.selection, "left": sides.left, "right": sides.right,
            "left_minus_right": sides.difference, "ci_low": sides.interval.low,
            "ci_high": sides.interval.high, "ci_kind": sides.ci_kind, "layer": place.layer,
            "midline": place.midline, "n_left": sides.n_left, "n_right": sides.n_right,
            **_in_ceiling(sides, ceilings.get((place.selection, place.midline))),
            "laterality_index": sides.index.mean, "index_low": sides.index.low,
            "index_high": sides.index.high, "reason": _without_index(sides),
        } | one.fit.traits  # fmt: skip


def _without_index(sides: Asymmetry) -> str:
    """Return why an asymmetry has no laterality index, or no limits of it; empty where it has."""
    if np.isfinite(sides.index.low):
        return ""
    if 0 in (sides.n_left, sides.n_right):
        return NO_VOXEL
    if sides.by_run is None:
        return "no index of percentiles"
    if sides.by_run.size < 2:
        return "one test run, 2 needed"
    if np.isfinite(sides.index.mean):
        return "left and right are in one proportion in all test runs"
    return "left + right is not clearly above 0"


def _ceilings(brain: Brain) -> dict[tuple[str, str], tuple[float, float]]:
    """Return the noise ceiling of each side of every region where both are positive.

    The ceiling of a side is the mean reliability of its voxels: what one half of the group
    predicts of the other.
    """
    if brain.isc is None:
        return {}
    sides = {
        (one.name, one.midline): (side_mean(brain.isc, one.left), side_mean(brain.isc, one.right))
        for one in regions(brain)
    }
    return {key: pair for key, pair in sides.items() if pair[0] > 0 and pair[1] > 0}


def _in_ceiling(one: Asymmetry, ceiling: tuple[float, float] | None) -> Row:
    """Express an asymmetry of means in units of the noise ceiling, side by side.

    Each side's mean score is divided by its ceiling, which is steadier than the published mean of
    voxelwise ratios. NaN for selections that are no plain means of a region.
    """
    left, right = ceiling or (np.nan, np.nan)
    return {
        "ceiling_left": left,
        "ceiling_right": right,
        "in_ceiling": one.left / left - one.right / right,
    }
