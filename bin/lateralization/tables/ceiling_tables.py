"""The ceilings of a run's subjects, brought to the voxels that their scores are in."""

from collections.abc import Sequence
from pathlib import Path

import numpy as np

from lateralization.arrays import Array, Floats, Row
from lateralization.files import read_tensors
from lateralization.statistics.asymmetry import Layers, best_cv
from lateralization.statistics.ceilings import (
    LEAVE_ONE_OUT,
    SPLIT_HALF,
    average_ceiling,
    ceiling_rows,
)
from lateralization.tables.fits import AVERAGE, Fit, Space, Spaces
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

    def rows(self, fit: Fit, r: Layers, space: Space) -> list[Row]:
        """Give the rows of the table ``ceilings`` of one fit."""
        found = self.of(fit.language, fit.subject, space)
        if found is None:
            return []
        kind, ceiling = found
        return list(ceiling_rows(fit, best_cv(r), ceiling, space.brain, kind))
