"""A mirror of the world in x, and of nothing else, exchanges left and right in all results.

Every image that goes in is mirrored at x = 0: its values in reverse order along x, and its affine
such that what was at x is at -x, wherever the grid of the file lies. What a run then finds on the
left must be what it found on the right before: no step, seed or order of voxels prefers a side.
Words, sounds, models and seeds stay as they are; so must scores, penalties and p values.

Two things are no mirror images by their definition, and exempt: the published midline (``shared``),
which gives the back of the middle plane to one side and its front to the other, and bands of a
bootstrap over voxels, whose draws follow the order of the voxels.
"""

import shutil
import subprocess
import sys
from dataclasses import dataclass
from pathlib import Path

import nibabel as nib
import numpy as np
import pandas as pd
import pytest
from safetensors.numpy import load_file

from lateralization.files import read_json
from lateralization.study import ROI_ORDER
from lateralization.tables.read import read_tables
from lateralization.tables.registry.tables import TABLES

from .conftest import PROJECT, Copy, arguments, copy_project, isolation

pytestmark = pytest.mark.pipeline

PEOPLE = ("average", "EN901", "EN902", "EN903")
AREAS = {1: "Area", 2: "Pair", 3: "Pair"}
"""Labels of the atlas: one area on both sides, and one of two labels, with no side in a name."""


def mirrored(source: Path, target: Path) -> None:
    """Write an image as a mirror at x = 0 shows it; its axis goes on from left to right."""
    image = nib.load(source)
    affine = image.affine.copy()
    affine[0, 3] = -(affine[0, 0] * (image.shape[0] - 1) + affine[0, 3])
    target.parent.mkdir(parents=True, exist_ok=True)
    nib.save(nib.Nifti1Image(np.asarray(image.dataobj)[::-1], affine, image.header), target)


def mirrored_folder(source: Path, target: Path) -> Path:
    """Copy a folder with all its images mirrored, and all else as it is."""

    def copied(path: str, to: str) -> str:
        (mirrored if path.endswith(".nii.gz") else shutil.copy2)(Path(path), Path(to))
        return to

    shutil.copytree(source, target, copy_function=copied)
    return target


def write_atlas(path: Path) -> None:
    """Write an atlas whose areas are larger on one side than on the other."""
    affine = np.diag([2.0, 2.0, 2.0, 1.0])
    affine[:3, 3] = -90, -126, -72
    labels = np.zeros((91, 109, 91), np.int16)
    labels[10:70, 20:60, 20:60] = 1  # from x = -70 to 48
    labels[15:35, 70:90, 30:50] = 2
    labels[60:70, 70:90, 30:50] = 3
    nib.save(nib.Nifti1Image(labels, affine), path)
    rows = [f"{label}\t{name}\n" for label, name in AREAS.items()]
    path.with_name("atlas.tsv").write_text("".join(["index\tname\n", *rows]))


def write_features(world: Path) -> Path:
    """Write features of the user's own: the number of letters of every word."""
    annotation = next((world / "data" / "annotation" / "EN").glob("*.csv"))
    words = pd.read_csv(annotation, na_filter=False).rename(columns={"section": "run"})
    folder = world / "features"
    folder.mkdir()
    words[["run", "word"]].assign(letters=words["word"].str.len()).to_csv(
        folder / "length_lang-en_words.tsv", sep="\t", index=False
    )
    return folder


@dataclass
class Pair:
    """Results of a run and of its mirror image."""

    plain: Path
    mirror: Path

    def tables(self) -> tuple[dict[str, pd.DataFrame], dict[str, pd.DataFrame]]:
        """Read the tables of both."""
        return read_tables(self.plain / "tables"), read_tables(self.mirror / "tables")

    def images(self, pattern: str) -> list[tuple[np.ndarray, np.ndarray]]:
        """Read images of both, the second mirrored back."""
        paths = sorted(self.plain.glob(pattern))
        assert paths, pattern
        return [
            (
                nib.load(path).get_fdata(),
                nib.load(self.mirror / path.relative_to(self.plain)).get_fdata()[::-1],
            )
            for path in paths
        ]


@pytest.fixture(scope="module")
def world(tmp_path_factory: pytest.TempPathFactory) -> Path:
    """Simulate three people and three models: the fewest that have slopes and tests over people."""
    folder = tmp_path_factory.mktemp("world") / "plain"
    given = ("--seed", "5", "--subjects", "3", "--models", "3", "--runs", "4")
    coarse = ("--scans", "40", "--voxel-mm", "10")
    command = [sys.executable, str(PROJECT / "bin" / "simulate.py"), str(folder)]
    subprocess.run([*command, *given, *coarse], check=True, capture_output=True)
    write_atlas(folder / "atlas.nii.gz")
    write_features(folder)
    return folder


@pytest.fixture(scope="module")
def copy(tmp_path_factory: pytest.TempPathFactory) -> Copy:
    return copy_project(tmp_path_factory.mktemp("copy") / "project")


def launched(copy: Copy, world: Path, out: Path, *more: str) -> Path:
    """Run the pipeline on a world, with what an earlier run of it computed; return its results."""
    given = ("--atlas", str(world / "atlas.nii.gz"), "--outdir", str(out), *more)
    run = copy.run("-resume", *arguments(world, *given), prefix=isolation())
    assert run.exit_status == 0, run.stdout + run.stderr
    return out


@pytest.fixture(scope="module")
def runs(copy: Copy, world: Path) -> Pair:
    """Run all stages on the world and on its mirror image."""
    more = (
        *("--subjects", ",".join(PEOPLE), "--isc_trials", "2"),
        *("--baselines", "random_vector,word_rate", "--joint", "word_rate"),
        *("--features", str(world / "features")),
    )
    plain = launched(copy, world, copy.folder / "plain", *more)
    other = mirrored_folder(world, world.with_name("mirror"))
    return Pair(plain, launched(copy, other, copy.folder / "mirror", *more))


@pytest.fixture(scope="module")
def given(copy: Copy, world: Path, runs: Pair) -> Pair:
    """Run from a given average, reliability and mask, which lacks a part of the left."""
    made = runs.plain / "lang-en"
    folder = world.with_name("given")
    shutil.copytree(made / "average_subject", folder / "average")
    shutil.copy(made / "isc.nii.gz", folder)
    image = nib.load(made / "mask.nii.gz")
    mask = np.asarray(image.dataobj).copy()
    mask[:14, 20:30] = 0  # in TP, AG_TPJ and others
    nib.save(nib.Nifti1Image(mask, image.affine, image.header), folder / "mask.nii.gz")
    results = []
    for place in (folder, mirrored_folder(folder, world.with_name("given mirror"))):
        more = (
            *("--mask", str(place / "mask.nii.gz"), "--isc", str(place / "isc.nii.gz")),
            *("--average_subject", str(place / "average"), "--subjects", "average"),
        )
        results.append(launched(copy, world, copy.folder / f"of {place.name}", *more))
    return Pair(*results)


# ---- what a table of the mirrored world must hold ------------------------------------------------

LIMITS = [
    (f"{name}_low", f"{name}_high") for name in ("ci", "slope", "r", "runs", "index", "r2_ci")
]
VALUES = (
    *("left_minus_right", "in_ceiling", "laterality_index", "isc_left_minus_right"),
    *("slope", "r", "intercept", "coefficient", "t", "mean"),
    *("share", "mean_r", "mean_ceiling", "joint_r", "confounds_r", "unique_r", "unique_r2"),
)
"""Columns that change sign in a row of left minus right."""

ASYMMETRIES = ("l_minus_r_", "laterality_index_", "in_ceiling_", "slope_l_minus_r")


def about_sides(name: str, table: pd.DataFrame) -> pd.Series:
    """Mark the rows whose values are of left minus right."""
    if name in ("asymmetry", "layers", "parcels", "areas", "roi", "sensitivity", "specifications"):
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
    for column in set(VALUES) & set(table):
        found.loc[signed, column] = -table.loc[signed, column]
    for low, high in LIMITS:
        if low in table:
            found.loc[signed, low] = -table.loc[signed, high]
            found.loc[signed, high] = -table.loc[signed, low]
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
        if column.startswith(("isc_", "slope_")) and column.endswith(("_low", "_high")):
            if "left" in column or "right" in column:
                continue  # bands of a bootstrap over voxels
        values = [rows[column].to_numpy(dtype=float) for rows in (expected, found)]
        np.testing.assert_allclose(values[1], values[0], rtol=1e-4, atol=1e-6, err_msg=column)
        n += int(np.isfinite(values[0]).sum())
    return n
