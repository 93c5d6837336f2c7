"""ROIS: spheres around published peaks of language regions, within the brain mask."""

from pathlib import Path

import numpy as np

from lateralization.arrays import Array, Booleans
from lateralization.command import say
from lateralization.errors import BadInput
from lateralization.files import read_table
from lateralization.volumes import LABEL, load_mask, save_volume

COLUMNS = ("name", "x", "y", "z", "radius_mm")


def sphere(mask: Booleans, affine: Array, centre: Array, radius_mm: float) -> Booleans:
    """Select the voxels of a mask whose centres are at most ``radius_mm`` from a point.

    Parameters
    ----------
    mask : (x, y, z) bool
    affine : (4, 4), mm
    centre : (3,), mm
    radius_mm
        Radius, mm; the surface belongs to the sphere.

    Returns
    -------
    (x, y, z) bool
    """
    places = np.indices(mask.shape).reshape(3, -1)
    world = affine[:3, :3] @ places + affine[:3, 3:]
    squared = ((world - np.asarray(centre, dtype=np.float64)[:, None]) ** 2).sum(axis=0)
    inside: Booleans = (squared <= radius_mm**2).reshape(mask.shape) & mask
    return inside


def read_centres(path: Path) -> dict[str, tuple[float, ...]]:
    """Read the table of centres: name → (x, y, z, radius), mm.

    Raises
    ------
    BadInput
        No table, a missing column, a repeated name, or a cell that is no number.
    """
    try:
        table = read_table(path, text_columns=("name",))
    except (OSError, ValueError) as error:
        raise BadInput(f"cannot read {path} as a table: {error}") from error
    missing = [column for column in COLUMNS if column not in table.columns]
    if missing:
        raise BadInput(f"{path} lacks the columns {', '.join(missing)}")
    if table["name"].duplicated().any():
        raise BadInput(f"{path} has two regions of one name")
    try:
        numbers = table[list(COLUMNS[1:])].to_numpy(dtype=np.float64)
    except ValueError as error:
        raise BadInput(f"{path}: centres and radii are not numbers ({error})") from error
    if not np.isfinite(numbers).all():
        raise BadInput(f"{path}: centres and radii are not numbers in every row")
    return {
        str(name): tuple(row) for name, row in zip(table["name"], numbers.tolist(), strict=True)
    }


def write_rois(mask_path: Path, centres_path: Path, out_prefix: str) -> dict[str, int]:
    """Write one mask per row of the table of centres, uint8 {0, 1}.

    Parameters
    ----------
    mask_path
        Brain mask.
    centres_path
        TSV with columns name, x, y, z, radius_mm (mm, MNI).
    out_prefix
        ``lang-en`` gives ``lang-en_roi-TP.nii.gz``.

    Returns
    -------
    dict
        Number of voxels of each region. A sphere outside the mask is written, and has none: what a
        mask does not cover cannot be scored, and the other regions can.

    Raises
    ------
    BadInput
        The table lacks a column or repeats a name.
    """
    mask, affine = load_mask(mask_path)
    regions: dict[str, Booleans] = {}
    for name, (*centre, radius_mm) in read_centres(centres_path).items():
        regions[name] = sphere(mask, affine, np.array(centre), radius_mm)
        if not regions[name].any():
            x, y, z = centre
            say(
                f"region {name} has no voxel in {mask_path.name}: nothing within {radius_mm:g} mm "
                f"of ({x:g}, {y:g}, {z:g}) belongs to the mask, so its scores stay empty"
            )
    for name, region in regions.items():
        path = f"{out_prefix}_roi-{name}.nii.gz"
        save_volume(region.astype(np.uint8), affine, path, what=f"sphere {name}", intent=LABEL)
    return {name: int(region.sum()) for name, region in regions.items()}
