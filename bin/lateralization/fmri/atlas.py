"""Read an atlas: the labels of its areas, their names and sides, and its voxels on a mask."""

import re
from collections.abc import Collection, Mapping, Sequence
from dataclasses import dataclass
from pathlib import Path

import nibabel as nib
import numpy as np
from numpy.typing import NDArray

from lateralization.arrays import Array, Booleans
from lateralization.command import say
from lateralization.errors import BadInput
from lateralization.files import read_json, read_text_table
from lateralization.problems import listed
from lateralization.statistics.areas import (
    BY_NUMBER,
    Areas,
    Pair,
    Partners,
    Places,
    areas_of,
    check_sides,
    compare_places,
    find_partners,
    homotopic_partners,
    side_of_word,
    split_side,
)
from lateralization.study import GRID_AFFINE, GRID_SHAPE
from lateralization.volumes import from_volume, hemispheres, image_data, load_image
from lateralization.words.invisible import is_blank

TABLES = (".tsv", ".csv")
"""Endings of a table of labels."""

HEMISPHERES = ("hemi", "hemisphere", "side")
"""Columns of a table of labels that give the side (left, right, L, R, lh, rh) of a label."""

FISSURE = 4.0
"""How far from x = 0 the hemispheres may meet, mm: in AAL and Destrieux some left voxels of the
cuneus and of the calcarine sulcus are at x = +4."""

LABEL_TOLERANCE = 1e-3
"""How far a label in a file of real numbers may be from a whole number."""

_INDEX = re.compile("[0-9]{1,9}")

IMAGE, LABELS, REASON = "atlas.nii.gz", "atlas.tsv", "atlas.json"


def labels_beside(image: Path) -> Path:
    """Name the table of labels that belongs to an image when none is given."""
    return image.with_name(
        re.sub(r"(\.nii)?(\.gz)?$", "", image.name, flags=re.IGNORECASE) + ".tsv"
    )


def check_atlas(image: Path, table: Path) -> dict[int, str]:
    """Check an atlas of the user's own, and return its names: label → name.

    Labels of the image that have no name, and names that have no voxel, are mentioned.

    Raises
    ------
    BadInput
        Image or table cannot be used, or disagree about left and right.
    """
    names = read_labels(table)
    values, affine = read_image(image)
    partners, pairs = partners_by_place(values, affine, names)
    there = {int(label) for label in np.unique(values)} - {0}
    if not there & names.keys():
        raise BadInput(f"{image} holds none of the labels of {table}; give the table that is its")
    _check_place(values, affine, image)
    if apart := [pair.area for pair in pairs if pair.area not in partners]:
        say(
            f"atlas: {len(apart)} of {len(pairs)} areas are not compared, since their sides are no "
            f"mirror images (tables/atlas_pairs.tsv says of each why): {listed(apart, 8)}"
        )
    if nameless := sorted(there - names.keys()):
        say(f"{table} names no label {listed(nameless)}: these areas are left out")
    if absent := sorted(names.keys() - there):
        say(f"{image} has no voxel of the labels {listed(absent)}")
    return names


def _check_place(values: NDArray[np.int64], affine: Array, path: Path) -> None:
    """Refuse an atlas of which no label lies on the study's grid."""
    world = affine[:3, :3] @ np.nonzero(values) + affine[:3, 3:]
    grid = np.linalg.inv(GRID_AFFINE) @ np.vstack([world, np.ones(world.shape[1])])
    if not ((grid[:3] >= 0).all(axis=0) & (grid[:3].T < GRID_SHAPE).all(axis=1)).any():
        raise BadInput(f"{path} lies outside the brain; an atlas must be in MNI space, in mm")


def read_image(path: Path) -> tuple[NDArray[np.int64], Array]:
    """Read an image of labels.

    Returns
    -------
    labels : (x, y, z) int64
        0 where the image is not finite.
    affine : (4, 4), mm

    Raises
    ------
    BadInput
        Damaged, not 3-D, or with values that are no whole numbers.
    """
    image = load_image(path, 3)
    values = np.nan_to_num(image_data(image, path), posinf=0.5, neginf=0.5)
    if (np.abs(values - np.rint(values)) > LABEL_TOLERANCE).any() or np.abs(values).max() > 2**53:
        raise BadInput(
            f"{path} holds values that are no whole numbers; an atlas has one label for each voxel "
            "(a map of probabilities must be cut into labels first)"
        )
    return np.rint(values).astype(np.int64), image.affine


def places_of(values: NDArray[np.integer], affine: Array) -> Places:
    """Count the voxels of each label left (x < 0) and right of the midline plane.

    Parameters
    ----------
    values : (x, y, z) integers
        Labels; 0 is no area.
    affine : (4, 4), mm

    Returns
    -------
    dict
        Label → (left, right). A voxel nearer to x = 0 than ``FISSURE`` counts for neither: where
        the hemispheres meet, the gap between them bends by some millimetres, in standard spaces
        too. Of a label that lies there altogether, voxels count whose extent does not reach over
        x = 0.
    """
    extent = np.abs(affine[0, :3]).sum() / 2
    near, beyond = (
        _places_beyond(least, values, affine) for least in (extent, max(extent, FISSURE))
    )
    return {**near, **beyond}


def _places_beyond(distance: float, values: NDArray[np.integer], affine: Array) -> Places:
    """Count the voxels of each label at least ``distance`` mm left and right of x = 0."""
    index = np.nonzero(values)
    x = affine[0, :3] @ np.array(index) + affine[0, 3]
    reach = distance * (1 - 1e-6)
    labels = values[index]
    sides = [
        dict(zip(*(found.tolist() for found in np.unique(labels[on], return_counts=True)),
                 strict=True))
        for on in (x <= -reach, x >= reach)
    ]  # fmt: skip
    return {int(label): (sides[0].get(label, 0), sides[1].get(label, 0)) for label in
            sides[0].keys() | sides[1].keys()}  # fmt: skip


def read_labels(path: Path) -> dict[int, str]:
    """Read the names of an atlas: label → name.

    Raises
    ------
    BadInput
        Not a table of ``index`` and ``name``, or a label is no positive number or comes twice, or a
        column of hemispheres contradicts a name.
    """
    table = read_text_table(path, ("index", "name"))
    if not {"index", "name"} <= set(table.columns):
        raise BadInput(
            f"{path} is no table of index and name: its columns are "
            f"{listed(table.columns) or 'none'} (a .csv has commas between them, a .tsv tabs)"
        )
    names: dict[int, str] = {}
    rows: dict[int, dict[str, str]] = {}
    for cells in table.to_numpy(str).tolist():
        row = dict(zip(table.columns, cells, strict=True))
        index, name = row["index"].strip(), " ".join(row["name"].split())
        if not _INDEX.fullmatch(index) or is_blank(name):
            raise BadInput(
                f"{path} is no table of index and name (a row has index {index!r} and name "
                f"{name!r}); give positive whole numbers and names"
            )
        if int(index) in names:
            raise BadInput(f"{path} has label {index} twice; give each label once")
        if int(index):  # 0 is no area
            names[int(index)], rows[int(index)] = name, row
    if not names:
        raise BadInput(f"{path} has no label; give each label once, and at least one")
    known = {name.lower() for name in names.values()}
    return {label: _with_side(names[label], known, row, path) for label, row in rows.items()}


def _with_side(name: str, known: Collection[str], row: dict[str, str], path: Path) -> str:
    """Return the name of a label, with the side that a column of hemispheres gives it.

    Raises
    ------
    BadInput
        The column and the name disagree.
    """
    columns = [key for key in row if str(key).strip().lower() in HEMISPHERES]
    cell = (row.get(columns[0]) or "").strip() if columns else ""
    side = side_of_word(cell)
    if side is None:
        return name
    area, told = split_side(name, known)
    if told not in (None, side):
        raise BadInput(f"{path}: {name!r} is {cell!r} in the column {columns[0]}; mend one")
    return f"{('Left', 'Right')[side]} {area}"


def to_grid(
    labels: NDArray[np.integer], source: Array, affine: Array, shape: Sequence[int]
) -> NDArray[np.integer]:
    """Bring an image of labels to another grid by nearest neighbours; 0 outside.

    Parameters
    ----------
    labels : (x, y, z) integers
    source, affine : (4, 4), mm
        Of the labels and of the grid wanted.
    shape
        Of the grid wanted.
    """
    from nilearn.image import resample_img

    image = nib.Nifti1Image(labels.astype(np.int32), source)
    moved = resample_img(
        image, target_affine=affine, target_shape=tuple(shape), interpolation="nearest",
        copy_header=True, force_resample=True,
    )  # fmt: skip
    return np.asarray(moved.dataobj).astype(np.int64)


def partners_by_place(
    values: NDArray[np.integer], affine: Array, names: Mapping[int, str]
) -> tuple[Partners, list[Pair]]:
    """Give the areas whose sides are compared, and how alike the places of all sides are.

    Parameters
    ----------
    values : (x, y, z) integers
    affine : (4, 4), mm
    names
        Label → name.

    Raises
    ------
    BadInput
        The labels cannot be paired, or lie on other sides than their names.
    """
    places = places_of(values, affine)
    check_sides(names, places)
    partners = homotopic_partners(names)
    pairs = compare_places(values, affine, names, partners)
    if sum(pair.together for pair in pairs) < max(1, BY_NUMBER * len(pairs)):
        partners = find_partners(names, places)
        pairs = compare_places(values, affine, names, partners)
    return {pair.area: partners[pair.area] for pair in pairs if not pair.reason}, pairs


@dataclass(frozen=True)
class Atlas:
    """An atlas on its own grid.

    Attributes
    ----------
    values
        Labels (x, y, z); 0 is no area.
    affine
        (4, 4), mm.
    partners
        The areas whose sides are compared.
    pairs
        How alike the places of the sides are, of all areas.
    """

    values: NDArray[np.integer]
    affine: Array
    partners: Partners
    pairs: Sequence[Pair]

    def areas(self, mask: Booleans, affine: Array) -> Areas:
        """Give the areas within a mask (x, y, z) whose grid has the affine (4, 4), mm."""
        placed = to_grid(self.values, self.affine, affine, mask.shape)
        return areas_of(from_volume(placed, mask), self.partners, hemispheres(mask, "strict"))


def read_atlas(folder: Sequence[Path]) -> tuple[Atlas | None, str]:
    """Read the atlas that FETCH brought.

    Parameters
    ----------
    folder
        The files of FETCH: image and labels, or the reason; empty where none was asked for.

    Returns
    -------
    atlas (None without one) and the reason for its absence.

    Raises
    ------
    BadInput
        The image is damaged, or its labels cannot be paired or lie on other sides than their names.
    """
    named = {path.name: path for path in folder}
    if IMAGE not in named or LABELS not in named:
        told = read_json(named[REASON]) if REASON in named else {}
        return None, str(told.get("reason") or "this run has no atlas")
    values, affine = read_image(named[IMAGE])
    return Atlas(values, affine, *partners_by_place(values, affine, read_labels(named[LABELS]))), ""
