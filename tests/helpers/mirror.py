"""The mirror image of a world at x = 0: of its images, and of the tables that a run makes of it.

Two things are no mirror images by their definition, and exempt: the published midline (``shared``),
which gives the back of the middle plane to one side and its front to the other, and bands of a
bootstrap over voxels, whose draws follow the order of the voxels.
"""

from pathlib import Path

import nibabel as nib
import numpy as np
import pandas as pd

from lateralization.study import ROI_ORDER
from lateralization.tables.registry.tables import TABLES


def mirrored(source: Path, target: Path) -> None:
    """Write an image as a mirror at x = 0 shows it; its axis goes on from left to right."""
    image = nib.load(source)
    affine = image.affine.copy()
    affine[0, 3] = -(affine[0, 0] * (image.shape[0] - 1) + affine[0, 3])
    target.parent.mkdir(parents=True, exist_ok=True)
    nib.save(nib.Nifti1Image(np.asarray(image.dataobj)[::-1], affine, image.header), target)


LIMITS = [
    (f"{name}_low", f"{name}_high")
    for name in ("ci", "slope", "r", "runs", "index", "r2_ci", "crossed")
]
VALUES = (
    *("left_minus_right", "in_ceiling", "laterality_index", "isc_left_minus_right"),
    *("slope", "r", "intercept", "coefficient", "t", "mean", "mean_l_minus_r"),
)
"""Columns that change sign in a row of left minus right."""

OF_HEMISPHERES = (
    *("share", "mean_r", "mean_ceiling", "joint_r", "confounds_r", "unique_r", "unique_r2"),
)
"""Columns that do where a column of hemispheres says so."""

BANDS = ("left_low", "left_high", "right_low", "right_high")
"""Ends of the names of the columns that a bootstrap over voxels makes."""

ASYMMETRIES = ("l_minus_r_", "laterality_index_", "in_ceiling_", "slope_l_minus_r")


OF_SIDES = (
    *("asymmetry", "layers", "parcels", "areas", "roi", "sensitivity", "specifications"),
    *("claim", "claim_runs"),
)
"""Tables of which every row is of left minus right."""


def about_sides(name: str, table: pd.DataFrame) -> pd.Series:
    """Mark the rows whose values are of left minus right."""
    if name in OF_SIDES:
        return pd.Series(True, index=table.index)
    if "hemisphere" in table:
        return table["hemisphere"] == "left_minus_right"
    for column in ("outcome", "quantity"):
        if column in table:
            plain = table[column].astype(str).str.removeprefix("slope_")
            return plain.str.startswith(ASYMMETRIES)
    return pd.Series(False, index=table.index)


def exempt(table: pd.DataFrame) -> pd.Series:
    """Mark the rows of the published midline; ROIs do not touch it."""
    if "midline" not in table:
        return pd.Series(False, index=table.index)
    rois = pd.Series(False, index=table.index)
    for column in ("selection", "region", "outcome", "quantity", "voxels"):
        if column in table:
            rois |= table[column].astype(str).str.endswith((*ROI_ORDER, "rois"))
    return (table["midline"] == "shared") & ~rois


def other_side(column: str) -> str:
    """Return the column of the other side."""
    swapped = {"left": "right", "right": "left"}
    return "_".join(swapped.get(word, word) for word in column.split("_"))


def exchanged(name: str, table: pd.DataFrame) -> pd.DataFrame:
    """Exchange left and right in a table."""
    signed, found = about_sides(name, table), table.copy()
    for column in table:
        if column not in VALUES and other_side(column) in table:
            found[column] = table[other_side(column)]
    if "hemisphere" in table:
        found["hemisphere"] = table["hemisphere"].replace({"left": "right", "right": "left"})
    values = VALUES + (OF_HEMISPHERES if "hemisphere" in table else ())
    for column in set(values) & set(table):
        found.loc[signed, column] = -table.loc[signed, column]
    for low, high in LIMITS:
        if low in table:
            found.loc[signed, low] = -table.loc[signed, high]
            found.loc[signed, high] = -table.loc[signed, low]
    if name == "area_relations":  # slope against reliability, both left minus right
        between = table["quantity"] == "parcel_slope_vs_isc"
        found.loc[between, "intercept"] = -table.loc[between, "intercept"]
    if name == "voxel_pairs":
        found["t_max"], found["t_min"] = -table["t_min"], -table["t_max"]
    return found


def compare_tables(name: str, plain: pd.DataFrame, mirror: pd.DataFrame) -> int:
    """Compare a table with its mirror image; return how many numbers were compared."""
    texts = list(TABLES[name].text)
    expected = exchanged(name, plain[~exempt(plain)])
    found = mirror[~exempt(mirror)]
    expected, found = (
        rows.sort_values([*texts, *({"percentile", "run", "order"} & set(rows))], ignore_index=True)
        for rows in (expected, found)
    )
    assert expected[texts].equals(found[texts])
    n = 0
    for column in set(TABLES[name].names) - set(texts):
        if column.endswith(BANDS):
            continue
        values = [
            rows[column].replace({"True": 1, "False": 0}).to_numpy(dtype=float)
            for rows in (expected, found)
        ]
        np.testing.assert_allclose(values[1], values[0], rtol=1e-4, atol=1e-6, err_msg=column)
        n += int(np.isfinite(values[0]).sum())
    return n
