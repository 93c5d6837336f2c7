"""Rows of the tables that describe single fits: scores, asymmetries, layer profiles."""

from dataclasses import dataclass

import numpy as np

from lateralization.arrays import Floats, Row, Single
from lateralization.errors import BadInput
from lateralization.statistics.asymmetry import (
    BEST_VOXEL,
    CHOICES,
    RELIABLE,
    WHOLE,
    Asymmetry,
    Brain,
    Layers,
    Region,
    asymmetries,
    choose,
    layer_scores,
    mean_asymmetry,
    regions,
    side_summary,
)
from lateralization.tables.fits import Fit
from lateralization.tables.parcels import side_mean


@dataclass(frozen=True)
class Summary:
    """All that later stages keep of a fit; the (layers, runs, voxels) array is let go.

    Attributes
    ----------
    best : (n_voxels,) float32
        Maximum over layers of the score in each voxel.
    by_run
        (selection, choice, midline) → (n_runs,) left minus right.
    n_left_out
        Voxels that are not finite in every run of the best layer.
    """

    fit: Fit
    scores: list[Row]
    asymmetry: list[Row]
    layers: list[Row]
    best: Single
    by_run: dict[tuple[str, str, str], Floats]
    n_left_out: int


def score_rows(fit: Fit, layer: str, score: Floats, region: Region) -> list[Row]:
    """Give one row per hemisphere of mean and 90th percentile over the voxels used.

    ``score`` is (n_voxels,), the mean over the test runs.
    """
    sides = {"left": region.left, "right": region.right, "both": region.left | region.right}
    rows = []
    for side, voxels in sides.items():
        n, mean, p90 = side_summary(score, voxels)
        where = {"layer": layer, "region": region.name, "hemisphere": side}
        values = {"n_voxels": n, "mean_r": mean, "p90_r": p90, "midline": region.midline}
        rows.append(fit.columns | where | values | fit.traits)
    return rows


def layer_row(fit: Fit, layer: int, run_scores: Floats, region: Region) -> Row:
    """Give one row of the layer profile: no maximum over layers enters it."""
    difference = mean_asymmetry(run_scores, region, region.name)
    _, mean, _ = side_summary(layer_scores(run_scores), region.left | region.right)
    last = fit.n_layers if fit.n_layers > 0 else max(fit.layers)
    return fit.columns | {
        "layer": layer,
        "relative_depth": layer / last if last else 0.0,
        "region": region.name,
        "midline": region.midline,
        "mean_r": mean,
        "left": difference.left,
        "right": difference.right,
        "left_minus_right": difference.difference,
        "ci_low": difference.interval.low,
        "ci_high": difference.interval.high,
        "ci_kind": difference.ci_kind,
        "kind": fit.kind,
        "family": fit.family,
    }


def in_ceiling(one: Asymmetry, brain: Brain, region: Region) -> Row:
    """Express an asymmetry of means in units of the noise ceiling, side by side.

    The ceiling of a side is the mean reliability of its voxels: what one half of the group
    predicts of the other. Each side's mean score is divided by it, which is steadier than the
    published mean of voxelwise ratios. Empty for selections that are no plain means.
    """
    empty = dict.fromkeys(("ceiling_left", "ceiling_right", "in_ceiling"), np.nan)
    if brain.isc is None or one.selection != region.name:
        return empty
    left, right = (side_mean(brain.isc, side) for side in (region.left, region.right))
    if not min(left, right) > 0:
        return empty
    return {
        "ceiling_left": left,
        "ceiling_right": right,
        "in_ceiling": one.left / left - one.right / right,
    }


def _asymmetry_rows(
    fit: Fit, brain: Brain, chosen: dict[tuple[str, str], Floats], found: list[Region]
) -> tuple[list[Row], dict[tuple[str, str, str], Floats]]:
    """Rows of all selections for every way of choosing a layer, and their values by run."""
    rows, by_run = [], {}
    for region in found:
        for choice in CHOICES:
            for one in asymmetries(chosen[choice, region.name], brain, region):
                values = {
                    "selection": one.selection,
                    "left": one.left,
                    "right": one.right,
                    "left_minus_right": one.difference,
                    "ci_low": one.interval.low,
                    "ci_high": one.interval.high,
                    "ci_kind": one.ci_kind,
                    "layer": choice,
                    "midline": region.midline,
                    "n_left": one.n_left,
                    "n_right": one.n_right,
                    **in_ceiling(one, brain, region),
                }
                rows.append(fit.columns | values | fit.traits)
                if one.by_run is not None:
                    by_run[one.selection, choice, region.midline] = one.by_run
    return rows, by_run


def mark_best_layers(rows: list[Row]) -> None:
    """Flag in each region and midline rule the layer with the highest mean (first on ties)."""
    for row in rows:
        row["is_best"] = False
    for group in {(row["region"], row["midline"]) for row in rows}:
        members = [row for row in rows if (row["region"], row["midline"]) == group]
        finite = [row for row in members if np.isfinite(row["mean_r"])]
        if finite:
            max(finite, key=lambda row: row["mean_r"])["is_best"] = True


def summarise(fit: Fit, r: Layers, brain: Brain) -> Summary:
    """Make all rows of one fit.

    Parameters
    ----------
    r : (n_layers, n_runs, n_voxels)
        Pearson r on each test run, NaN in voxels left out; read one layer at a time.

    Raises
    ------
    BadInput
        The scores and the mask differ in their voxels.
    """
    if r[0].shape[1] != brain.n_voxels:
        raise BadInput(
            f"{' '.join(fit.key)}: scores of {r[0].shape[1]} voxels, but the mask has "
            f"{brain.n_voxels}; give the mask that the scores were made with"
        )
    found = regions(brain)
    profiles = [region for region in found if region.name in (WHOLE, RELIABLE)]
    scores, layers = [], []
    for number, layer in zip(fit.layers, r, strict=True):
        run_scores = np.asarray(layer, dtype=np.float64)
        score = layer_scores(run_scores)
        for region in found:
            scores += score_rows(fit, str(number), score, region)
        layers += [layer_row(fit, number, run_scores, region) for region in profiles]
    chosen = choose(r, found)
    for region in found:
        for choice in CHOICES:
            scores += score_rows(fit, choice, layer_scores(chosen[choice, region.name]), region)
    mark_best_layers(layers)
    asymmetry, by_run = _asymmetry_rows(fit, brain, chosen, found)
    best = chosen[BEST_VOXEL, WHOLE].mean(axis=0)
    n_left_out = int((~np.isfinite(best)).sum())
    return Summary(fit, scores, asymmetry, layers, best.astype(np.float32), by_run, n_left_out)
