"""Densities of voxelwise values, so that figures need no voxels: a kernel estimate on a grid."""

from collections.abc import Iterator
from typing import Any

import numpy as np
from numpy.typing import NDArray
from scipy.stats import gaussian_kde

from lateralization.arrays import Floats, Row
from lateralization.statistics.asymmetry import RELIABLE, WHOLE, Brain

POINTS = 101
MIN_VOXELS = 10


def density(values: NDArray[np.floating]) -> tuple[Any, Any] | None:
    """Estimate a density between the smallest and the largest value (Gaussian kernel, Scott).

    Returns
    -------
    x, density : (101,) arrays; None for fewer than 10 values or a constant.
    """
    kept = np.asarray(values, dtype=np.float64)
    kept = kept[np.isfinite(kept)]
    if kept.size < MIN_VOXELS or np.ptp(kept) <= 1e-12 * np.abs(kept).max():
        return None
    x = np.linspace(kept.min(), kept.max(), POINTS)
    return x, _binned_kde(kept, x)


def _binned_kde(values: Floats, x: Floats) -> Floats:
    """Evaluate the kernel estimate on bin centres with weights: 2,048 kernels, not one a voxel."""
    counts, edges = np.histogram(values, bins=min(2048, max(values.size, 2)))
    centres = (edges[:-1] + edges[1:]) / 2
    used = counts > 0
    bandwidth = values.size ** (-1 / 5)  # Scott's factor for all voxels, not for the bins
    scale = float(values.std(ddof=1) / np.sqrt(np.cov(centres[used], aweights=counts[used])))
    kernel = gaussian_kde(centres[used], weights=counts[used], bw_method=bandwidth * scale)
    estimate: Floats = kernel(x)
    return estimate


def density_rows(name: str, values: NDArray[np.floating], brain: Brain) -> Iterator[Row]:
    """Density of one map over the whole brain, and over the reliable voxels where there are any.

    Parameters
    ----------
    values : (n_voxels,) array
    """
    parts: list[tuple[str, NDArray[np.floating]]] = [(WHOLE, values)]
    reliable = brain.reliable
    if reliable is not None:
        parts.append((RELIABLE, values[reliable]))
    for region, inside in parts:
        found = density(inside)
        if found is None:
            continue
        mean = float(np.nanmean(inside))
        for x, height in zip(*found, strict=True):
            yield {
                "model": name, "region": region, "value": float(x), "density": float(height),
                "mean_r": mean,
            }  # fmt: skip
