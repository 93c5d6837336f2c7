"""Areas of an atlas with left and right labels, and the voxels that each has within a mask."""

from collections.abc import Mapping
from dataclasses import dataclass
from typing import Any

import numpy as np
from numpy.typing import NDArray

from lateralization.errors import BadInput

Halves = tuple[NDArray[np.bool_], NDArray[np.bool_]]
"""Voxels of the left side and of the right."""


@dataclass(frozen=True)
class Areas:
    """Areas of the atlas within a mask: name → (left voxels, right voxels), in atlas order."""

    sides: Mapping[str, Halves]

    def __len__(self) -> int:
        """Count the areas."""
        return len(self.sides)


def label_areas(labels: NDArray[Any], names: Mapping[int, str]) -> Areas:
    """Pair the labels of an atlas within a mask.

    Parameters
    ----------
    labels : (n_voxels,) integers
        Label of each voxel of the mask; 0 is no area.
    names
        Label → name; odd labels are left, the next even label is the right partner.

    Raises
    ------
    BadInput
        A left label has no right partner, or the names of a pair differ.
    """
    sides = {}
    for label in sorted(label for label in names if label % 2):
        if label + 1 not in names:
            raise BadInput(f"the atlas has label {label} ({names[label]}) and no label {label + 1}")
        left, right = (_bare(names[number]) for number in (label, label + 1))
        if left != right:
            raise BadInput(f"atlas labels {label} and {label + 1} are {left!r} and {right!r}")
        sides[left] = (labels == label, labels == label + 1)
    return Areas(sides)


def _bare(name: str) -> str:
    """Take the side off a name: ``Left Frontal Pole`` is ``Frontal Pole``."""
    return name.removeprefix("Left ").removeprefix("Right ").strip()
