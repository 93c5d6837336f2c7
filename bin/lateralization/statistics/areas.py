"""Areas of an atlas with left and right labels, and the voxels that each has within a mask.

What a name says of its side is compared with where its voxels lie, and so are two labels that are
partners by their names: a name is never believed alone. In Schaefer's parcellations the sides were
numbered apart, and ``LH_Vis_3`` lies elsewhere than ``RH_Vis_3``.
"""

import re
from collections.abc import Collection, Mapping
from dataclasses import dataclass

import numpy as np
from numpy.typing import NDArray

from lateralization.arrays import Array, Booleans
from lateralization.command import say
from lateralization.errors import BadInput
from lateralization.problems import listed

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


Places = Mapping[int, tuple[int, int]]
"""Label → voxels left and right of the midline plane; what touches the plane counts for neither."""

SIDES = {"left": 0, "lh": 0, "l": 0, "right": 1, "rh": 1, "r": 1}
"""Words of a name that say its side, whatever their case."""

SIDE_NAMES = ("left", "right")

TWINS = (
    ("l", "r"), ("gauche", "droite"), ("gauche", "droit"), ("links", "rechts"),
    ("linke", "rechte"), ("linker", "rechter"), ("linkes", "rechtes"),
)  # fmt: skip
"""Words that say a side where the same name with the other word is in the table too."""

ON_ITS_SIDE = 0.9
"""Share of a label's voxels off the midline that lie on the side that it is named after."""

_WORDS = re.compile(r"[A-Z]?[a-z]+|[A-Z]+(?![a-z])|[0-9]+")
_EMPTY_BRACKETS = re.compile(r"[(\[{]\s*[)\]}]")


def split_side(name: str, known: Collection[str] = ()) -> tuple[str, int | None]:
    """Take the side off a name: (``Frontal Pole``, 0) of ``Left Frontal Pole``; None: no side.

    The side is a word: Left, Right, LH, RH anywhere (``ctx-lh-cuneus``, ``LeftInsula``), L and R as
    the first or the last word (``Hippocampus_L``); a name with words of both sides has none. Words
    of ``TWINS`` count where the partner is
    among ``known``, all names in lower case: ``SFG_L_7_1`` and ``SFG_R_7_1``, ``Insula gauche`` and
    ``Insula droite``.
    """
    words = list(_WORDS.finditer(name))
    told = []
    for place, word in enumerate(words):
        side = SIDES.get(word[0].lower())
        at_end = place in (0, len(words) - 1) and len(words) > 1 and _stands_alone(name, word)
        if side is not None and (len(word[0]) > 1 or at_end):
            told.append((word, side))
    if len({side for _, side in told}) > 1:  # "Thalamus (left and right)" is on both
        return name.strip(), None
    if told:
        return _without(name, told[0][0]), told[0][1]
    for word in words:
        for twins in TWINS:
            if word[0].lower() in twins and _stands_alone(name, word):
                side = twins.index(word[0].lower())
                other = name[: word.start()] + twins[1 - side] + name[word.end() :]
                if other.lower() in known:
                    return _without(name, word), side
    return name.strip(), None


def side_of_word(cell: str) -> int | None:
    """Return the side that a cell says (left, L, lh, gauche, left hemisphere …); None: another."""
    words = [word[0].lower() for word in _WORDS.finditer(cell)]
    found = {SIDES[word] for word in words if word in SIDES}
    found |= {pair.index(word) for word in words for pair in TWINS if word in pair}
    return found.pop() if len(found) == 1 else None


def _split_all(names: Mapping[int, str]) -> dict[int, tuple[str, int | None]]:
    """Take the sides off all names of a table: label → (area, side)."""
    known = {name.lower() for name in names.values()}
    return {label: split_side(names[label], known) for label in sorted(names)}


def _stands_alone(name: str, word: re.Match[str]) -> bool:
    """Whether no letter or digit touches a word: the L of ``5L`` and of ``insulaL`` is no side."""
    around = name[: word.start()][-1:] + name[word.end() :][:1]
    return not any(character.isalnum() for character in around)


def _without(name: str, word: re.Match[str]) -> str:
    rest = name[: word.start()].rstrip(" _-.") + " " + name[word.end() :].lstrip(" _-.")
    return _EMPTY_BRACKETS.sub("", rest).strip() or "hemisphere"


def pair_labels(names: Mapping[int, str], places: Places) -> dict[str, list[int | None]]:
    """Find the labels of each area: [left, right], or [label, None] of a name without a side.

    Two labels of one name without a side are told apart by their places.

    Parameters
    ----------
    names
        Label → name.
    places
        Where the voxels of the labels lie; empty: not known, and no side is checked.

    Raises
    ------
    BadInput
        A label lies on another side than it is named after, or two labels have one name and side.
    """
    check_sides(names, places)
    found: dict[str, list[int | None]] = {}
    without_side: dict[str, list[int]] = {}
    for label, (name, side) in _split_all(names).items():
        if side is None:
            without_side.setdefault(name, []).append(label)
            found.setdefault(name, [None, None])  # its place in the order
            continue
        pair = found.setdefault(name, [None, None])
        if pair[side] is not None:
            raise BadInput(f"atlas labels {pair[side]} and {label} are both {names[label]!r}")
        pair[side] = label
    for name, labels in without_side.items():
        taken = next((label for label in found[name] if label is not None), None)
        if taken is not None:
            raise BadInput(
                f"atlas labels {taken} and {labels[0]} are both {name!r}, one of them without a "
                "side; name the sides alike, as in Left Insula and Right Insula"
            )
        found[name] = _by_place(name, labels, places)
    return found


def _by_place(name: str, labels: list[int], places: Places) -> list[int | None]:
    """Tell labels of one name without a side apart: [left, right], or [label, None] of one."""
    there = [label for label in labels if any(places.get(label, (0, 0)))] or labels
    if len(there) == 1:
        return [there[0], None]
    sides = [_side_of(places.get(label, (0, 0))) for label in there]
    if sides not in ([0, 1], [1, 0]):
        raise BadInput(
            f"atlas labels {' and '.join(map(str, there))} are both {name!r}, and their voxels are "
            "not one on the left and one on the right; give each its own name"
        )
    return [there[sides.index(0)], there[sides.index(1)]]


def _side_of(place: tuple[int, int]) -> int | None:
    """Return the side on which a label's voxels lie, 0 or 1; None: on both, or there are none."""
    total = place[0] + place[1]
    return next((side for side in (0, 1) if total and place[side] >= ON_ITS_SIDE * total), None)


def check_sides(names: Mapping[int, str], places: Places) -> None:
    """Compare what names say of sides with where the voxels lie.

    Raises
    ------
    BadInput
        Of some label, fewer than 90 % of the voxels off the midline lie on the side of its name.
    """
    wrong = []
    for label, (_, side) in _split_all(names).items():
        place = places.get(label, (0, 0))
        if side is not None and any(place) and place[side] < ON_ITS_SIDE * sum(place):
            share = int(100 * place[side] / sum(place))
            wrong.append(f"{label} ({names[label]}: {share} % of its voxels on the "
                         f"{SIDE_NAMES[side]})")  # fmt: skip
    if wrong:
        raise BadInput(
            "the atlas's names and voxels disagree about left and right; check the table of labels "
            f"and the image's affine: label {listed(wrong, 4)}"
        )


Partners = Mapping[str, tuple[int, int]]
"""Area → its labels left and right; one label twice where it is cut at the midline."""


@dataclass(frozen=True)
class Pair:
    """How alike the places of the two sides of an area are, in the atlas itself.

    Attributes
    ----------
    area
        Its name without a side.
    left, right
        Names of the labels; the same twice for one label that is cut at the midline.
    n_left, n_right
        Voxels of the image.
    dice
        Overlap of one side with the mirror image of the other: twice the voxels that they share,
        divided by the voxels that they have.
    distance
        Between the centroid of the right side and the mirror image of the left one's, mm.
    """

    area: str
    left: str
    right: str
    n_left: int
    n_right: int
    dice: float
    distance: float

    @property
    def size_ratio(self) -> float:
        """Voxels of the larger side divided by those of the smaller; NaN where one has none."""
        small, large = sorted((self.n_left, self.n_right))
        return large / small if small else np.nan

    @property
    def together(self) -> bool:
        """Whether one side lies where the mirror image of the other does."""
        return self.dice >= LEAST_DICE or self.distance <= FARTHEST

    @property
    def reason(self) -> str:
        """Why the sides are not compared; empty where they are."""
        if not (self.n_left and self.n_right):
            return f"no voxel on the {SIDE_NAMES[0] if not self.n_left else SIDE_NAMES[1]}"
        if not self.together:
            return (
                f"the sides overlap too little when one is mirrored (Dice {self.dice:.2f}) and "
                f"their centres are {self.distance:.1f} mm apart"
            )
        if self.size_ratio > LARGEST_RATIO:
            return f"one side is {self.size_ratio:.1f} times as large as the other"
        return ""


LEAST_DICE, FARTHEST, LARGEST_RATIO = 0.3, 12.0, 2.0
"""Sides are partners that overlap at least so much when one is mirrored, or whose centres are at
most so far apart then (mm); and neither has more than so many times the voxels of the other."""

BY_NUMBER = 0.9
"""Share of the pairs of numbers that must lie together for the numbers to make the partners."""

_NETWORKS = re.compile(r"[0-9]+networks_([LR])H_", re.IGNORECASE)


def homotopic_partners(names: Mapping[int, str]) -> dict[str, tuple[int, int]]:
    """Give the partners that the numbers make in a parcellation by networks; empty: in another.

    In Yan et al. (2023) label k on the left belongs to label k + n on the right, and the two may
    be of different networks, so that no name tells: ``7networks_LH_Default_FPole`` and
    ``7networks_RH_Cont_FPole``.

    Parameters
    ----------
    names
        Label → name: ``<number>networks_LH_…`` for the first half of the labels, ``RH`` for the
        other.
    """
    found = [(label, name, _NETWORKS.match(name)) for label, name in sorted(names.items())]
    sides = "".join(match[1].upper() if match else "?" for _, _, match in found)
    n = len(sides) // 2
    if not n or sides != "L" * n + "R" * n:
        return {}
    partners: dict[str, tuple[int, int]] = {}
    for (left, name, _), (right, other, _) in zip(found[:n], found[n:], strict=True):
        areas = dict.fromkeys(split_side(one)[0] for one in (name, other))
        partners[" / ".join(areas)] = left, right
    return partners if len(partners) == n else {}


def compare_places(
    values: NDArray[np.integer], affine: Array, names: Mapping[int, str], partners: Partners
) -> list[Pair]:
    """Compare the places of both sides of every area, in the grid of the atlas.

    Parameters
    ----------
    values : (x, y, z) integers
        Labels; 0 is no area. On any grid: the mirror image of a voxel is looked up in the nearest.
    affine : (4, 4), mm
    names
        Label → name.
    """
    index = np.array(np.nonzero(values))
    labels, world = values[tuple(index)], affine[:3, :3] @ index + affine[:3, 3:]
    mirrored = world * np.array([[-1.0], [1.0], [1.0]])
    across = np.linalg.inv(affine) @ np.vstack([mirrored, np.ones(world.shape[1])])
    place = np.rint(across[:3]).astype(np.intp)
    there = ((place >= 0) & (place < np.array(values.shape)[:, None])).all(axis=0)
    opposite = np.zeros_like(labels)
    opposite[there] = values[tuple(place[:, there])]

    def pair(area: str, left: int, right: int) -> Pair:
        cut = left == right
        sides = [(labels == one) & (side * world[0] > 0 if cut else True)
                 for one, side in ((left, -1), (right, 1))]  # fmt: skip
        n_left, n_right = (int(side.sum()) for side in sides)
        shared = (sides[0] & (opposite == right)).sum() + (sides[1] & (opposite == left)).sum()
        none = not (n_left and n_right)
        centres = [] if none else [mirrored[:, sides[0]].mean(1), world[:, sides[1]].mean(1)]
        return Pair(
            area, names[left], names[right], n_left, n_right,
            np.nan if none else float(shared / (n_left + n_right)),
            np.nan if none else float(np.linalg.norm(centres[0] - centres[1])),
        )  # fmt: skip

    return [pair(area, *sides) for area, sides in partners.items()]


def find_partners(names: Mapping[int, str], places: Places) -> dict[str, tuple[int, int]]:
    """Find the labels of both sides of the areas of any atlas, in the order of the lower labels.

    Labels whose names differ in their side only are partners, and so are two labels of one name
    without a side, told apart by their places. A name without a side that stands once is an area
    on both sides, and is cut at the midline. A label with a side (of its name or, without one in
    its name, of all its voxels) and no partner is left out, and that is said.

    Parameters
    ----------
    names
        Label → name.
    places
        Where the voxels of the labels lie in the atlas.

    Raises
    ------
    BadInput
        See :func:`pair_labels`; or no two labels are partners.
    """
    partners: dict[str, tuple[int, int]] = {}
    alone, split = [], _split_all(names)
    for name, (left, right) in pair_labels(names, places).items():
        single = (left if right is None else right) or 0
        if left is not None and right is not None:
            partners[name] = left, right
        elif split[single][1] is None and _side_of(places.get(single, (0, 0))) is None:
            partners[name] = single, single
        else:
            alone.append(names[single])
    if not partners:
        raise BadInput(
            f"no two labels of the atlas are partners ({', '.join(alone[:4])}); name the sides "
            "alike, as in Left Insula and Right Insula"
        )
    if alone:
        say(f"atlas: {len(alone)} labels have no partner and are left out: {', '.join(alone[:8])}")
    return partners


def areas_of(labels: Array, partners: Partners, halves: Halves) -> Areas:
    """Give the voxels of both sides of areas within a mask.

    Parameters
    ----------
    labels : (n_voxels,) integers
        Label of each voxel of the mask; 0 is no area.
    halves
        Voxels of the left and of the right hemisphere, without the midline.
    """
    return Areas({
        name: (
            (labels == left) & (halves[0] | (left != right)),
            (labels == right) & (halves[1] | (left != right)),
        )
        for name, (left, right) in partners.items()
    })  # fmt: skip
