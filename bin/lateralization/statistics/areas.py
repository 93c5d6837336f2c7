"""Areas of an atlas with left and right labels, and the voxels that each has within a mask."""

import re
from collections.abc import Mapping
from dataclasses import dataclass

from lateralization.arrays import Array, Booleans
from lateralization.command import say
from lateralization.errors import BadInput

Halves = tuple[Booleans, Booleans]
"""Voxels of the left side and of the right."""


def within(sides: Mapping[str, Halves], used: Booleans) -> dict[str, Halves]:
    """Cut named pairs of sides to the voxels that are used."""
    return {name: (left & used, right & used) for name, (left, right) in sides.items()}


@dataclass(frozen=True)
class Areas:
    """Areas of the atlas within a mask: name → (left voxels, right voxels), in atlas order."""

    sides: Mapping[str, Halves]

    def __len__(self) -> int:
        """Count the areas."""
        return len(self.sides)


SIDES = {"left": 0, "lh": 0, "l": 0, "right": 1, "rh": 1, "r": 1}
"""Words of a name that say its side, whatever their case."""

_WORDS = re.compile(r"[A-Za-z]+|[0-9]+")


def split_side(name: str) -> tuple[str, int | None]:
    """Take the side off a name: (``Frontal Pole``, 0) of ``Left Frontal Pole``; None: no side.

    The side is a word: Left, Right, LH, RH anywhere (``ctx-lh-cuneus``), L and R as the first or
    the last word (``Hippocampus_L``).
    """
    words = list(_WORDS.finditer(name))
    for place, word in enumerate(words):
        side = SIDES.get(word[0].lower())
        at_end = place in (0, len(words) - 1) and len(words) > 1
        if side is not None and (len(word[0]) > 1 or at_end):
            rest = name[: word.start()].rstrip(" _-.") + " " + name[word.end() :].lstrip(" _-.")
            return rest.strip(), side
    return name.strip(), None


def label_areas(labels: Array, names: Mapping[int, str], halves: Halves | None = None) -> Areas:
    """Pair the labels of any atlas within a mask.

    Labels whose names differ in their side only are partners. A name without a side that stands
    twice, for an odd label and the next one, has its left first; one that stands once is an area
    on both sides, and is cut at the midline. A label with a side and no partner is left out, and
    that is said.

    Parameters
    ----------
    labels : (n_voxels,) integers
        Label of each voxel of the mask; 0 is no area.
    names
        Label → name.
    halves
        Voxels of the left and of the right hemisphere, without the midline; None: a name without
        a side and without a partner is refused.

    Raises
    ------
    BadInput
        Two labels have the same name and side, or no two labels are partners.
    """
    found: dict[str, list[int | None]] = {}
    for label in sorted(names):
        name, side = split_side(names[label])
        pair = found.setdefault(name, [None, None])
        if side is None:
            side = int(pair[0] is not None)
            if side and (label - 1 != pair[0] or label % 2):
                raise BadInput(f"atlas labels {pair[0]} and {label} are both {name!r}")
        if pair[side] is not None:
            raise BadInput(f"atlas labels {pair[side]} and {label} are both {names[label]!r}")
        pair[side] = label
    return Areas(_paired(labels, names, found, halves))


def _paired(
    labels: Array,
    names: Mapping[int, str],
    found: Mapping[str, list[int | None]],
    halves: Halves | None,
) -> dict[str, Halves]:
    """Give the voxels of both sides of every area, in the order of the lower labels."""
    sides: dict[str, Halves] = {}
    alone = []
    for name, (left, right) in found.items():
        single = left if right is None else right
        if left is not None and right is not None:
            sides[name] = (labels == left, labels == right)
        elif halves is not None and split_side(names[single or 0])[1] is None:
            sides[name] = (halves[0] & (labels == single), halves[1] & (labels == single))
        else:
            alone.append(names[single or 0])
    if not sides:
        raise BadInput(
            f"no two labels of the atlas are partners ({', '.join(alone[:4])}); name the sides "
            "alike, as in Left Insula and Right Insula"
        )
    if alone:
        say(f"atlas: {len(alone)} labels have no partner and are left out: {', '.join(alone[:8])}")
    return sides
