"""The ceilings of a run's subjects, brought to the voxels that their scores are in."""

from collections.abc import Iterator, Sequence
from pathlib import Path

import numpy as np

from lateralization.arrays import Array, Booleans, Floats, Row
from lateralization.files import read_tensors
from lateralization.names import AVERAGE
from lateralization.statistics.asymmetry import SHARED, STRICT, Brain, FitScores
from lateralization.statistics.ceilings import (
    LEAST_VOXELS,
    LEAVE_ONE_OUT,
    LOWEST,
    SPLIT_HALF,
    average_ceiling,
    chosen_elsewhere,
)
from lateralization.statistics.intervals import corrected_t
from lateralization.tables.fits import Fit, Space, Spaces
from lateralization.volumes import from_volume, to_volume

HALVES, OTHERS = "_isc_runs.safetensors", "_leave_one_out.safetensors"


class Ceilings:
    """Ceilings by language and subject; those of a language are read when first needed.

    Parameters
    ----------
    paths
        ``lang-en_isc_runs.safetensors`` and ``lang-en_leave_one_out.safetensors`` of each language.
    spaces
        Masks of the group and the individuals.
    """

    def __init__(self, paths: Sequence[Path], spaces: Spaces) -> None:
        self.paths, self.spaces = {path.name: path for path in paths}, spaces
        self._read: dict[str, dict[str, Array]] = {}

    def _tensors(self, name: str) -> dict[str, Array]:
        if name not in self._read:
            path = self.paths.get(name)
            self._read[name] = {} if path is None else read_tensors(path)
        return self._read[name]

    def of(self, language: str, subject: str, space: Space) -> tuple[str, Floats] | None:
        """Return the kind of ceiling and its values, (n_runs, n_voxels); None where there is none.

        An individual's voxels outside the group's mask have NaN.
        """
        if subject == AVERAGE:
            halves = self._tensors(f"lang-{language}{HALVES}").get("split_half")
            return None if halves is None else (SPLIT_HALF, average_ceiling(halves.astype(float)))
        others = self._tensors(f"lang-{language}{OTHERS}").get(subject)
        if others is None:
            return None
        group = self.spaces.get(language, AVERAGE).mask
        volume = to_volume(others, group, np.nan)
        return LEAVE_ONE_OUT, from_volume(volume, space.mask).astype(np.float64)

    def rows(self, fit: Fit, scores: FitScores, space: Space) -> list[Row]:
        """Give the rows of the table ``ceilings`` of one fit."""
        found = self.of(fit.language, fit.subject, space)
        if found is None:
            return []
        kind, ceiling = found
        return list(ceiling_rows(fit, scores.best_cv.values, ceiling, space.brain, kind))


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
