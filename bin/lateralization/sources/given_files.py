"""A mask, reliability or average subject that is not computed: the user's own, or the study's."""

from collections.abc import Sequence
from dataclasses import dataclass
from pathlib import Path
from typing import Any

from lateralization.arrays import Array, Booleans
from lateralization.errors import BadInput
from lateralization.files import read_json, read_text_table
from lateralization.fmri.joblib_array import check_array, is_nifti
from lateralization.nifti import open_nifti
from lateralization.problems import listed
from lateralization.runs import RUN
from lateralization.sources.description import STUDY
from lateralization.study import GRID_AFFINE, GRID_SHAPE
from lateralization.volumes import (
    check_not_mirrored,
    check_same_grid,
    image_data,
    load_mask,
    scan_blocks,
)

KINDS = ("mask", "isc", "average_subject")
PUBLISHED = "published"
"""In place of a path: the file that the study published, fetched at a pinned commit."""

PUBLISHED_NAMES = {
    "mask": "mask_lpp_{lang}.nii.gz",
    "isc": "isc_10trials_{lang}.gz",
    "average_subject": "lpp_{lang}_average_subject/average_subject_run-{run}.gz",
}
AVERAGE_STEMS = ("run-{run}", "average_subject_run-{run}")
ENDINGS = (".nii.gz", ".nii", ".gz")


@dataclass(frozen=True)
class Grid:
    """The grid that given files must share: the mask's, or that all runs are brought to.

    Attributes
    ----------
    mask
        (x, y, z) bool; None when it is not known yet.
    name
        What the grid is of, for messages.
    """

    shape: tuple[int, ...]
    affine: Array
    mask: Booleans | None
    name: str

    @property
    def n_voxels(self) -> int | None:
        """Voxels of the mask; None when that is not known yet."""
        return None if self.mask is None else int(self.mask.sum())


STUDY_GRID = Grid(GRID_SHAPE, GRID_AFFINE, None, "the study's grid, which runs are resampled to,")


def grid_of(mask_path: Path) -> Grid:
    """Return the grid of a user's mask.

    Raises
    ------
    BadInput
        No mask.
    """
    mask, affine = load_mask(mask_path)
    return Grid(mask.shape, affine, mask, str(mask_path))


def published_files(
    kind: str, language: str, n_runs: int, assets: Path, endpoint: str | None
) -> dict[str, Any]:
    """Return the parcel of the study's published mask, reliability or average subject.

    Raises
    ------
    BadInput
        The study published none for the language, or for another number of runs.
    """
    table = read_text_table(assets / "published_files.tsv", ("path", "git_blob_sha1"))
    blobs = dict(zip(table["path"], table["git_blob_sha1"], strict=True))
    runs = range(n_runs) if kind == "average_subject" else range(1)
    names = [PUBLISHED_NAMES[kind].format(lang=language, run=run) for run in runs]
    missing = [name for name in names if name not in blobs]
    if missing:
        raise BadInput(f"the study published no {missing[0]}; give a file, or leave it out")
    commit = read_json(assets / "texts.json")["commit"]
    return {
        "source": [],
        "dataset": "llms_brain_lateralization",
        "version": commit,
        "files": [
            {"path": name, "git_blob": blobs[name], "urls": study_urls(name, assets, endpoint)}
            for name in names
        ],
    }


def study_urls(name: str, assets: Path, endpoint: str | None) -> list[str]:
    """Return the addresses of a file of the study's repository: the mirror's first.

    A mirror of data may hold it under ``<owner>/<repository>/<commit>/``.
    """
    pinned = read_json(assets / "texts.json")
    place = f"{pinned['repository']}/{pinned['commit']}/{name}"
    mirrors = [] if endpoint is None else [f"{endpoint.rstrip('/')}/{place}"]
    return [*mirrors, f"{pinned['server']}/{place}"]


def own_file(kind: str, path: Path, stories: Sequence[str], grid: Grid | None) -> dict[str, Any]:
    """Check a user's mask, reliability or average subject and return its parcel.

    Parameters
    ----------
    kind
        One of ``KINDS``.
    path
        A file; a folder for an average subject.
    stories
        Keys of the stories, or of numbered runs.
    grid
        What the file must lie on; None: any.

    Raises
    ------
    BadInput
        Missing, not in a form that can be read, or on another grid.
    """
    if not path.exists():
        raise BadInput(f"{path} does not exist; check the path")
    if kind == "average_subject":
        named = not stories[0].startswith(f"{RUN}-")
        paths = _by_story(path, stories) if named else _average_subject(path, len(stories))
    elif path.is_dir():
        raise BadInput(f"{path} is a folder; give a file")
    else:
        paths = [path]
    for one in paths:
        _check(kind, one, grid)
    return {"source": [str(one) for one in paths], "files": []}


def _check(kind: str, path: Path, grid: Grid | None) -> None:
    """Check that a file can be read, and lies where it should."""
    if kind == "mask":
        load_mask(path)
    elif is_nifti(path):
        _check_image(path, grid, (4,) if kind == "average_subject" else (3, 4))
    elif path.suffix.lower() == ".gz":
        check_array(path, grid.n_voxels if grid else None)
    else:
        raise BadInput(f"{path} is neither NIfTI (.nii, .nii.gz) nor joblib (.gz); convert it")


def _check_image(path: Path, grid: Grid | None, needed: tuple[int, ...]) -> None:
    """Check that a file is a NIfTI with the dimensions needed, on a grid and not mirrored."""
    image = open_nifti(path)
    dimensions = len(image.shape)
    if dimensions not in needed:
        raise BadInput(
            f"{path} has {dimensions} dimensions; {' or '.join(map(str, needed))} are needed"
        )
    if grid is None:
        return
    check_same_grid(image, grid.shape, grid.affine, path, grid.name)
    if grid.mask is not None:
        data = next(scan_blocks(path)) if dimensions == 4 else image_data(image, path)
        check_not_mirrored(data, grid.mask, path, grid.name)


def _by_story(folder: Path, stories: Sequence[str]) -> list[Path]:
    """Return the runs of a given average subject of stories, in order."""
    for ending in ENDINGS:
        paths = [folder / f"{story}{ending}" for story in stories]
        if all(path.is_file() for path in paths):
            return paths
    names = [f"{story}{ENDINGS[0]}" for story in stories]
    missing = [name for name in names if not (folder / name).is_file()]
    raise BadInput(
        f"{folder} lacks {listed(missing)}; give the folder with one image of each of the "
        f"{len(stories)} stories"
    )


def _average_subject(folder: Path, n_runs: int) -> list[Path]:
    """Return the runs of a given average subject, in order."""
    if not folder.is_dir():
        raise BadInput(f"{folder} is no folder; give the one with run-1.nii.gz, run-2.nii.gz …")
    forms = [stem + ending for stem in AVERAGE_STEMS for ending in ENDINGS]
    for form in forms:
        for first in (1, 0):  # the study counts from 0
            paths = [folder / form.format(run=run) for run in range(first, first + n_runs)]
            if all(path.is_file() for path in paths):
                _refuse_more(folder, [form.format(run=run) for run in (0, first + n_runs)], paths)
                return paths
    names = [forms[0].format(run=run) for run in range(1, n_runs + 1)]
    missing = [name for name in names if not (folder / name).is_file()]
    raise BadInput(
        f"{folder} lacks {listed(missing)}; give all {n_runs} runs as NIfTI, or in the study's form"
    )


def _refuse_more(folder: Path, names: list[str], paths: list[Path]) -> None:
    """Refuse runs before or behind those that are taken: which are meant would be a guess."""
    more = [name for name in names if (folder / name).is_file() and folder / name not in paths]
    if more:
        raise BadInput(
            f"{folder} holds {listed(more)} beside the {len(paths)} runs from {paths[0].name} on; "
            "the data set has no more: take it away"
        )


def refuse_published(dataset: str) -> None:
    """Refuse the study's files for another data set.

    Raises
    ------
    BadInput
        The data set is not the study's.
    """
    if dataset != STUDY:
        raise BadInput(f"the study's files belong to {STUDY}, not to {dataset}; give files")
