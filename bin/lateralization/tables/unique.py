"""What a model predicts beyond the confounds: unique parts by region and hemisphere.

The unique part is what model and confounds predict together less what the confounds predict alone
(variance partitioning: de Heer et al., Journal of Neuroscience 2017), as a difference of r and of
r² with the sign of r. The layer of a voxel is the one that predicts it best together with the
confounds on the other runs than the one scored, so no maximum over layers is taken on one side of
the difference only. The choice makes the runs depend on each other: where 30 layers hold nothing
but noise, each its own, the interval covers 85 %; layers of a model are alike, and it covers more.
"""

from collections.abc import Iterator

import numpy as np

from lateralization.arrays import Booleans, Floats, Row
from lateralization.files import Rows
from lateralization.statistics.asymmetry import Brain, Layers, best_cv, regions, usable
from lateralization.statistics.intervals import corrected_t
from lateralization.tables.fits import Fit

CI_KIND = "t over {n} test runs, corrected for shared training runs"


def signed_square(r: Floats) -> Floats:
    """Square r and keep its sign."""
    squared: Floats = r * np.abs(r)
    return squared


def _sides(values: Floats, left: Booleans, right: Booleans) -> dict[str, Floats]:
    """Average (n_runs, n_voxels) over the voxels of each side, run by run."""
    means = {
        name: values[:, side].mean(axis=1) if side.any() else np.full(len(values), np.nan)
        for name, side in {"left": left, "right": right, "both": left | right}.items()
    }
    return means | {"left_minus_right": means["left"] - means["right"]}


def unique_rows(fit: Fit, joint: Layers, confounds: Floats, brain: Brain) -> Iterator[Row]:
    """Give the unique part of one fit in every region, on either side and between them.

    Parameters
    ----------
    joint : (n_layers, n_runs, n_voxels)
        r of the layer and the confounds together; read one layer at a time.
    confounds : (n_runs, n_voxels)
        r of the confounds alone.

    Yields
    ------
    One row for each region, midline rule and hemisphere.
    """
    both = best_cv(joint)
    alone = np.asarray(confounds, np.float64)
    added = {"unique_r": both - alone, "unique_r2": signed_square(both) - signed_square(alone)}
    valid = usable(added["unique_r"])
    for region in regions(brain):
        left, right = region.left & valid, region.right & valid
        levels = {"joint_r": _sides(both, left, right), "confounds_r": _sides(alone, left, right)}
        gains = {name: _sides(values, left, right) for name, values in added.items()}
        n = {"left": left.sum(), "right": right.sum()}
        n |= {"both": (left | right).sum(), "left_minus_right": n["left"] + n["right"]}
        for side, by_run in gains["unique_r"].items():
            interval, p = corrected_t(by_run)
            square, square_p = corrected_t(gains["unique_r2"][side])
            yield fit.columns | {
                "region": region.name, "midline": region.midline, "hemisphere": side,
                "n_voxels": int(n[side]),
                **{name: float(values[side].mean()) for name, values in levels.items()},
                "unique_r": interval.mean, "ci_low": interval.low, "ci_high": interval.high,
                "p": p, "unique_r2": square.mean, "r2_ci_low": square.low,
                "r2_ci_high": square.high, "r2_p": square_p,
                "ci_kind": CI_KIND.format(n=interval.n),
                "confounds": ", ".join(fit.record["joint"]["confounds"]),
            } | fit.traits  # fmt: skip


def unique_of(fit: Fit, r: Layers, brain: Brain) -> list[Row]:
    """Read what ENCODE saved of a fit beside ``r``; no rows where no confounds went jointly."""
    if not fit.record.get("joint") or not isinstance(r, Rows):
        return []
    confounds = np.stack(list(Rows(r.path, "confounds")))
    return list(unique_rows(fit, Rows(r.path, "joint"), confounds, brain))
