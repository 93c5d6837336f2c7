"""The atlas (Harvard-Oxford, or the user's own): brought by FETCH, read by LATERALIZE."""

import csv
import io
import shutil
from collections.abc import Sequence
from pathlib import Path

import nibabel as nib
import numpy as np
from numpy.typing import NDArray

from lateralization.arrays import Array, Booleans
from lateralization.errors import BadInput
from lateralization.files import check_columns, read_json, write_json, writing
from lateralization.invisible import is_blank
from lateralization.problems import listed
from lateralization.statistics.areas import Areas, label_areas
from lateralization.volumes import from_volume, hemispheres, image_data, load_image, save_volume

NAME = "cort-maxprob-thr0-2mm"
"""The study's atlas: cortical maximum probability, no threshold, 2 mm, split into sides."""

TABLES = (".tsv", ".csv")
"""Endings of a table of labels."""

IMAGE, LABELS, REASON = "atlas.nii.gz", "atlas.tsv", "atlas.json"


def place_atlas(sources: Sequence[Path], cache: Path, out: Path) -> None:
    """Bring the atlas to ``out``: image and labels, or ``atlas.json`` that says why not.

    Parameters
    ----------
    sources
        The user's own NIfTI of labels and a TSV or CSV with ``index`` and ``name``; empty:
        fetched by nilearn, into the cache.

    Raises
    ------
    BadInput
        The user's own files are incomplete.
    """
    if sources:
        _own(sources, out)
        return
    try:
        from nilearn.datasets import fetch_atlas_harvard_oxford

        found = fetch_atlas_harvard_oxford(
            NAME, symmetric_split=True, data_dir=str(cache / "atlas"), verbose=0
        )
    except Exception as error:  # whatever the site's failure is, the run goes on without areas
        kind = type(error).__name__
        reason = (
            f"the Harvard-Oxford atlas could not be fetched ({kind}); run once more without -resume"
            ", or give it with --atlas"
        )
        write_json({"reason": reason}, out / REASON)
        return
    labels = [(number, str(name)) for number, name in enumerate(found.labels) if number]
    data = np.asarray(found.maps.dataobj).astype(np.int16)
    save_volume(data, found.maps.affine, out / IMAGE)
    _write_labels(labels, out / LABELS)


def labels_beside(image: Path) -> Path:
    """Name the table of labels that belongs to an image when none is given."""
    return image.with_name(f"{image.name.removesuffix('.gz').removesuffix('.nii')}.tsv")


def _own(sources: Sequence[Path], out: Path) -> None:
    image = next(path for path in sources if path.suffix not in TABLES)
    table = next((path for path in sources if path.suffix in TABLES), labels_beside(image))
    if not table.exists():
        raise BadInput(f"--atlas: {table} is missing; it names the labels (index, name)")
    names = read_labels(table)
    load_image(image, 3)
    with writing(out / IMAGE) as temporary:
        shutil.copyfile(image, temporary)
    _write_labels(sorted(names.items()), out / LABELS)


def _write_labels(labels: Sequence[tuple[int, str]], path: Path) -> None:
    with writing(path) as temporary:
        with temporary.open("w", encoding="utf-8", newline="") as handle:
            table = csv.writer(handle, delimiter="\t", lineterminator="\n")
            table.writerows([("index", "name"), *labels])


def read_labels(path: Path) -> dict[int, str]:
    """Read the names of an atlas: label → name.

    Raises
    ------
    BadInput
        Not a table of ``index`` and ``name``, or a label is no positive number or comes twice.
    """
    separator = "," if path.suffix == ".csv" else "\t"
    try:
        content = path.read_bytes()
    except OSError as error:
        raise BadInput(f"cannot read {path} ({error.strerror}); check it") from error
    header = check_columns(content, separator, str(path), ("index", "name"))
    if not {"index", "name"} <= set(header):
        raise BadInput(
            f"{path} is no table of index and name: its columns are {listed(header) or 'none'} (a "
            ".csv has commas between them, others tabs)"
        )
    text = io.StringIO(content.decode("utf-8-sig"), newline="")
    rows = [row for row in csv.DictReader(text, delimiter=separator) if row["name"] is not None]
    try:
        labels = [(int(row["index"]), row["name"].strip()) for row in rows]
    except ValueError as error:
        raise BadInput(
            f"{path} is no table of index and name ({error}); give whole numbers and names"
        ) from error
    labels = [(number, name) for number, name in labels if number]
    nameless = [number for number, name in labels if is_blank(name)]
    if nameless:
        raise BadInput(f"{path}: label {nameless[0]} has no name; give it one")
    names = dict(labels)
    if not names or len(names) < len(labels):
        raise BadInput(f"{path}: give each label once, and at least one")
    if min(names) < 0:
        raise BadInput(f"{path}: labels are positive numbers")
    return names


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


def read_atlas(folder: Sequence[Path], mask: Booleans, affine: Array) -> tuple[Areas | None, str]:
    """Read the atlas that FETCH brought, on a mask.

    Parameters
    ----------
    folder
        The files of FETCH: image and labels, or the reason; empty where none was asked for.

    Returns
    -------
    areas (None without an atlas) and the reason for their absence.

    Raises
    ------
    BadInput
        The image is damaged, or its labels cannot be paired.
    """
    named = {path.name: path for path in folder}
    if IMAGE not in named or LABELS not in named:
        told = read_json(named[REASON]) if REASON in named else {}
        return None, str(told.get("reason") or "this run has no atlas")
    image = load_image(named[IMAGE], 3)
    values = np.rint(image_data(image, named[IMAGE])).astype(np.int64)
    placed = to_grid(values, image.affine, affine, mask.shape)
    halves = hemispheres(mask, "strict")
    return label_areas(from_volume(placed, mask), read_labels(named[LABELS]), halves), ""
