"""RELIABILITY: how well one half of the subjects predicts the other, voxel by voxel.

The study calls it "ISC", but it is a ridge regression from all voxels of one half to all voxels
of the other, by the same nested search as the encoding models. Each run has halves of its own
hearers; where everybody heard everything, all runs have the same.
"""

import json
from collections.abc import Iterator, Mapping, Sequence
from contextlib import ExitStack, contextmanager
from dataclasses import dataclass
from pathlib import Path
from tempfile import TemporaryDirectory
from typing import Any, NamedTuple

import numpy as np
import torch

from lateralization import study
from lateralization.arrays import Array, Booleans, Floats, Single
from lateralization.command import progress, say
from lateralization.errors import BadInput
from lateralization.files import open_tensors, read_tensor, save_tensors, write_json
from lateralization.fmri.average import enough_heard, heard_runs, left_out_of
from lateralization.fmri.bold import kept_scans
from lateralization.fmri.joblib_array import check_array, is_nifti
from lateralization.fmri.signals import columns_r
from lateralization.nifti import open_nifti
from lateralization.ridge.folds import FoldDesign, weighted
from lateralization.ridge.ridge import nested_ridge
from lateralization.ridge.search import EncodeResult
from lateralization.ridge.systems import Dual
from lateralization.ridge.voxels import CHUNKS, Precision, Voxels
from lateralization.runs import LEAST_HEARERS, by_story, story_of
from lateralization.volumes import (
    check_not_mirrored,
    check_same_grid,
    from_volume,
    image_data,
    load_mask,
    save_map,
)

SLAB = 16
"""Scans of all subjects in memory at a time."""


@dataclass(frozen=True)
class Dealt:
    """The hearers of a run, and the halves that they are dealt to.

    Attributes
    ----------
    hearers
        Places of the subjects.
    halves
        For each trial two lists of places in ``hearers``.
    """

    hearers: list[int]
    halves: list[tuple[list[int], list[int]]]


def split_halves(
    n_subjects: int, n_trials: int = study.ISC_TRIALS, seed: int = study.ISC_SEED
) -> list[tuple[list[int], list[int]]]:
    """Deal the subjects to two groups, once per trial, with the study's random numbers.

    Parameters
    ----------
    n_subjects : int
        Subjects in the order of their sorted ids.
    n_trials, seed : int
        Every trial shuffles a fresh list; the generator (legacy Mersenne Twister) goes on.

    Returns
    -------
    list over trials of (first n // 2 subjects, the rest)

    Raises
    ------
    BadInput
        Fewer than 2 subjects, or no trial.
    """
    if n_subjects < 2:
        raise BadInput(
            f"reliability needs two subjects to predict one from the other, there is {n_subjects}; "
            "add subjects or give a map with --isc; or, where others have outliers (the log of "
            "CHECKS names their runs), mend them or give --exclude_outliers no"
        )
    if n_trials < 1:
        raise BadInput(f"--trials {n_trials}: give at least 1")
    generator = np.random.RandomState(seed)
    halves = []
    for _ in range(n_trials):
        order = np.arange(n_subjects)
        generator.shuffle(order)
        halves.append((order[: n_subjects // 2].tolist(), order[n_subjects // 2 :].tolist()))
    return halves


def deal(hearers: list[int], halves: Sequence[tuple[list[int], list[int]]]) -> Dealt:
    """Deal the hearers of a run: in the order of each trial, the first half and the rest."""
    dealt = []
    for first, rest in halves:
        own = [hearers.index(subject) for subject in [*first, *rest] if subject in hearers]
        dealt.append((own[: len(own) // 2], own[len(own) // 2 :]))
    return Dealt(hearers, dealt)


def without_reliability(paths: Sequence[Path], dealt: Mapping[str, Dealt]) -> Booleans:
    """Mark the voxels that have no reliability, whatever halves are drawn.

    A half of which no subject has a signal in a run has nothing to be predicted. Halves without a
    signal can be drawn where at least half of the hearers, rounded down, lack one: such a voxel is
    left out of all trials, so that chance decides neither which voxels have a reliability nor their
    number.

    Parameters
    ----------
    paths
        Bold files with ``left_out``, (n_runs, n_voxels).
    dealt
        Key of a run → its hearers.

    Returns
    -------
    (n_voxels,) bool

    Raises
    ------
    BadInput
        Every voxel is one of them.
    """
    marked = np.zeros(read_tensor(paths[0], "left_out").shape[1], bool)
    for run, own in dealt.items():
        lacking = np.sum([left_out_of(paths[subject], run) != 0 for subject in own.hearers], axis=0)
        marked |= lacking >= len(own.hearers) // 2
    if marked.all():
        raise BadInput(
            "no voxel has a signal in more than half of the subjects in every run: there is no "
            "reliability; mend the runs, or give a map with --isc"
        )
    return marked


def mean_weights(halves: Sequence[tuple[list[int], list[int]]], n_subjects: int) -> Floats:
    """Write the group means of all trials as one matrix (2 · n_trials, n_subjects)."""
    weights = np.zeros((2 * len(halves), n_subjects))
    for trial, groups in enumerate(halves):
        for side, members in enumerate(groups):
            weights[2 * trial + side, members] = 1 / len(members)
    return weights


@contextmanager
def group_means(
    paths: Sequence[Path], dealt: Mapping[str, Dealt], n_trim: int, folder: Path
) -> Iterator[list[Single]]:
    """Average the trimmed runs over the subjects of every group, in one pass through the files.

    All subjects are in memory for a few scans at a time; the means of all trials go to a
    temporary file in ``folder`` (8 bytes per trial, scan and voxel), removed at the end.

    Yields
    ------
    list over runs of arrays (2 · n_trials, n_scans, n_voxels) float32
        Neither averaging nor trimming is followed by standardising, as in the study.

    Raises
    ------
    BadInput
        A run has too few scans to trim, or a value is not finite.
    """
    with TemporaryDirectory(dir=folder, prefix=".means-") as place, ExitStack() as stack:
        handles = [stack.enter_context(open_tensors(path)) for path in paths]
        means: list[Single] = []
        for run, own in progress(list(dealt.items()), "group means"):
            slices = [handles[subject].get_slice(run) for subject in own.hearers]
            weights = mean_weights(own.halves, len(own.hearers))
            n_scans, n_voxels = slices[0].get_shape()
            kept = kept_scans(n_scans, n_trim, run)
            shape = (len(weights), kept, n_voxels)
            series = np.memmap(Path(place) / run, np.float32, mode="w+", shape=shape)
            for start in range(0, kept, SLAB):
                stop = min(start + SLAB, kept)
                slab = np.stack([one[n_trim + start : n_trim + stop] for one in slices])
                if not np.isfinite(slab).all():
                    worst = int(np.flatnonzero(~np.isfinite(slab).all(axis=(1, 2)))[0])
                    raise BadInput(
                        f"{paths[own.hearers[worst]]}, {run}: not finite; clean it again"
                    )
                flat = slab.reshape(len(slab), -1).astype(np.float64)
                series[:, start:stop] = (weights @ flat).reshape(len(weights), -1, n_voxels)
            means.append(series)
        yield means


def scan_gram(runs: Sequence[Array], chunk: int = 1024, device: str = "cpu") -> torch.Tensor:
    """Sum the products of all pairs of scans over voxels, in chunks of voxels.

    Parameters
    ----------
    runs : list over runs of arrays (n_scans, n_voxels)
    chunk : int
        Voxels at a time.
    device : str
        Where to sum.

    Returns
    -------
    float64 tensor (all scans, all scans)
        No matrix of voxels × voxels is ever made.
    """
    n_scans, n_voxels = sum(len(run) for run in runs), runs[0].shape[1]
    gram = torch.zeros((n_scans, n_scans), dtype=torch.float64, device=device)
    for start in range(0, n_voxels, chunk):
        part = np.concatenate([run[:, start : start + chunk] for run in runs])
        columns = torch.from_numpy(part).to(device=device, dtype=torch.float64)
        gram.addmm_(columns, columns.T)
    return gram


def predict_group(
    first: Sequence[Array],
    second: Sequence[Array],
    alphas: Floats = study.ALPHAS,
    *,
    left_out: Booleans | None = None,
    precision: Precision = "float32",
    device: str = "cpu",
    design: FoldDesign | None = None,
) -> EncodeResult:
    """Predict every voxel of the second group from all voxels of the first.

    Parameters
    ----------
    first, second : lists over runs of arrays (n_scans, n_voxels)
        Group means, trimmed, not standardised again.
    left_out : boolean array of shape (n_voxels,), optional
        Voxels of the second group that are not predicted and decide no penalty.
    alphas, precision, device, design
        As in ``ridge.encode``.

    Returns
    -------
    EncodeResult
        NaN where the voxel is left out, or constant in some run of the second group.
    """
    chunk = CHUNKS[device]
    if design is not None:
        first, second = weighted(first, design), weighted(second, design)
    system = Dual(scan_gram(first, chunk, device), [len(run) for run in first])
    voxels = Voxels(second, left_out, precision=precision, chunk=chunk, device=device)
    return nested_ridge(system, voxels, alphas, design=design)


class Reliability(NamedTuple):
    """What every trial gives for every story.

    Attributes
    ----------
    r : array of shape (n_trials, n_stories, n_voxels)
        NaN in the voxels of :func:`without_reliability`.
    alphas : array of shape (n_trials, n_stories)
    halves : array of shape (n_trials, n_stories, n_voxels)
        Correlation of the two halves, voxel by voxel (``ceilings``), the mean over the repetitions
        of a story; NaN as ``r``.
    stories : list of str
        Keys of the stories.
    """

    r: Floats
    alphas: Floats
    halves: Floats
    stories: list[str]


def reliability(
    paths: Sequence[Path],
    n_voxels: int,
    folder: Path,
    *,
    n_trials: int = study.ISC_TRIALS,
    seed: int = study.ISC_SEED,
    n_trim: int = study.TRIM,
    precision: Precision = "float32",
    device: str = "cpu",
    stories: Sequence[str] = (),
    test: Sequence[str] = (),
) -> Reliability | None:
    """Score every trial on every story that enough subjects heard.

    Parameters
    ----------
    paths : list of Path
        Bold files of the subjects; taken in the order of their ids, EN1 before EN10.
    n_voxels : int
        Voxels of the mask.
    folder : Path
        For the group means, for the time being.
    n_trials, seed, n_trim, precision, device
        Of the trials, their shuffles, the scans dropped and the search.
    stories, test : list of str
        Keys of the stories, in order (without them runs are numbered); and of those that never
        train.

    Returns
    -------
    Reliability
        None where too few subjects heard the stories.

    Raises
    ------
    BadInput
        Fewer than 2 subjects, or files that do not fit each other and the mask.
    """
    ordered = sorted(paths, key=_id_first)
    heard, few = enough_heard(heard_runs(ordered, n_voxels, stories))
    if few:
        say(f"no reliability where fewer than {LEAST_HEARERS} subjects heard a story: {few}")
        if len({story_of(run) for run in heard} - {*test}) < 3:
            return None
    halves = split_halves(len(ordered), n_trials, seed)
    dealt = {run: deal(hearers, halves) for run, hearers in heard.items()}
    absent, found = without_reliability(ordered, dealt), []
    by_key = by_story(list(dealt))
    apart = frozenset(place for place, story in enumerate(by_key) if story in test)
    design = FoldDesign(tuple(map(tuple, by_key.values())), apart)
    with group_means(ordered, dealt, n_trim, folder) as means:
        for trial in progress(range(n_trials), "trials"):
            first, second = ([run[2 * trial + side] for run in means] for side in (0, 1))
            one = predict_group(
                first, second, left_out=absent, precision=precision, device=device, design=design
            )
            each = np.stack([columns_r(a, b) for a, b in zip(first, second, strict=True)])
            correlated = np.stack([each[list(runs)].mean(axis=0) for runs in design.stories])
            found.append((one.r, one.alphas, np.where(absent, np.nan, correlated)))
    r, alphas, halves_r = (np.stack(each) for each in zip(*found, strict=True))
    return Reliability(r, alphas, halves_r, list(by_key))


def _id_first(path: Path) -> list[str]:
    """Sort key of ``sub-EN1_clean.safetensors``: its id alone, with which another may begin."""
    return path.name.split("_")


def save_reliability(trials: Floats, mask: Booleans, affine: Array, out_prefix: str) -> None:
    """Write ``<prefix>_isc.nii.gz`` with its mask, and a sidecar that names the volumes.

    Parameters
    ----------
    trials : (n_trials, n_voxels)
    mask : (x, y, z) bool
    affine : (4, 4), mm
    """
    what = "inter-subject reliability (Pearson r), one volume per trial"
    save_map(trials.astype(np.float32), mask, affine, f"{out_prefix}_isc.nii.gz", what)
    volumes = [f"trial-{trial}" for trial in range(1, len(trials) + 1)]
    write_json({"description": what, "units": "r", "volumes": volumes}, f"{out_prefix}_isc.json")


def write_reliability(
    paths: Sequence[Path],
    mask_path: Path,
    out_prefix: str,
    *,
    n_trials: int,
    seed: int,
    n_trim: int = study.TRIM,
    device: str = "cpu",
    stories: Sequence[str] = (),
    test: Sequence[str] = (),
) -> Floats | None:
    """Write ``<prefix>_isc.nii.gz`` (one volume per trial) and ``<prefix>_isc_runs.safetensors``.

    Neither where too few subjects heard the stories.

    Returns
    -------
    array of shape (n_trials, n_voxels)
        Mean over the test stories; NaN in left-out voxels. None where there is no reliability.
    """
    mask, affine = load_mask(mask_path)
    folder = Path(out_prefix).resolve().parent
    found = reliability(
        paths,
        int(mask.sum()),
        folder,
        n_trials=n_trials,
        seed=seed,
        n_trim=n_trim,
        device=device,
        stories=stories,
        test=test,
    )
    if found is None:
        return None
    trials: Floats = found.r.mean(axis=1)
    save_reliability(trials, mask, affine, out_prefix)
    tensors: dict[str, Array] = {"r": found.r.astype(np.float32), "alphas": found.alphas}
    tensors["split_half"] = found.halves.astype(np.float32)
    told = {"stories": json.dumps(found.stories)}
    save_tensors(f"{out_prefix}_isc_runs.safetensors", tensors, told)
    return trials


def write_given(path: Path, mask_path: Path, out_prefix: str) -> Floats:
    """Write ``<prefix>_isc.nii.gz`` from a reliability that was computed before.

    Parameters
    ----------
    path
        NIfTI on the mask's grid, one volume or one per trial; or the study's joblib form, an array
        (trials, voxels of the mask).
    mask_path
        The mask that it belongs to.
    out_prefix
        Start of the name of what is written.

    Returns
    -------
    array of shape (n_trials, n_voxels)
        NaN where the file has none, and where every trial is 0.

    Raises
    ------
    BadInput
        Another grid or number of voxels than the mask, mirrored beside it, or values that are no
        correlations.
    """
    mask, affine = load_mask(mask_path)
    if is_nifti(path):
        image = _opened(path)
        check_same_grid(image, mask.shape, affine, path, mask_path)
        data = image_data(image, path)
        check_not_mirrored(data, mask, path, mask_path)
        trials = np.atleast_2d(from_volume(data, mask))
    else:
        trials = check_array(path, int(mask.sum()))
    finite = trials[np.isfinite(trials)]
    if not finite.size or np.abs(finite).max() > 1 + 1e-6 or not finite.any():
        raise BadInput(
            f"{path} is no reliability: inside the mask its values must be correlations between "
            "-1 and 1, not all 0; check that it is the right file"
        )
    trials = trials.astype(np.float64)
    trials[:, (trials == 0).all(axis=0)] = np.nan  # what lies outside of another mask
    if absent := int((~np.isfinite(trials)).any(axis=0).sum()):
        say(f"{path} has no value in {absent} of the {int(mask.sum())} voxels of {mask_path}")
    save_reliability(trials, mask, affine, out_prefix)
    return trials


def _opened(path: Path) -> Any:
    """Open a volume, or a series of volumes: one per trial.

    Raises
    ------
    BadInput
        See :func:`lateralization.nifti.open_nifti`; or another number of dimensions.
    """
    image = open_nifti(path)
    if len(image.shape) not in (3, 4):
        raise BadInput(
            f"{path} has {len(image.shape)} dimensions; 3 (one volume) or 4 (a volume per trial) "
            "are needed"
        )
    return image
