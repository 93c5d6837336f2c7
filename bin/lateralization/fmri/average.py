"""AVERAGE: the average subject of a language, computed from cleaned subjects or given."""

import json
from collections import Counter
from collections.abc import Mapping, Sequence
from pathlib import Path

import numpy as np
from numpy.typing import NDArray

from lateralization.arrays import Array, Booleans, Floats, Single
from lateralization.command import progress, say
from lateralization.errors import BadInput
from lateralization.files import open_tensors, read_tensor, save_tensors
from lateralization.fmri.clean import MaskFile, read_series
from lateralization.fmri.joblib_array import check_array, is_nifti
from lateralization.fmri.signals import standardise
from lateralization.problems import listed
from lateralization.runs import (
    LEAST_HEARERS,
    NO_RUNS,
    RUNS,
    STORY,
    is_numbered,
    keys_in_order,
    numbered_keys,
    repetition_of,
    run_key,
    run_names,
    shown,
    story_of,
)
from lateralization.study import MIN_SCANS, TR
from lateralization.volumes import (
    check_not_mirrored,
    check_runs,
    load_mask,
    save_volume,
    scan_blocks,
    to_volume,
)

STANDARDISED = 1e-2
"""How far mean and sd of a given average may be from 0 and 1 before it is mentioned."""


def heard_runs(
    paths: Sequence[Path], n_voxels: int, stories: Sequence[str] = ()
) -> dict[str, list[int]]:
    """Find who heard which run, and check that a run is as long and on one mask in all hearers.

    Only headers are read, so a mistake in the last of 49 files costs nothing.

    Parameters
    ----------
    paths
        Bold files.
    n_voxels
        Voxels of the mask.
    stories
        Keys of the stories, in order; without them runs are numbered.

    Returns
    -------
    dict
        Key of each run, in order → places of its hearers in ``paths``.

    Raises
    ------
    BadInput
        There is no subject; or names the subject and the run: the length that most subjects have is
        taken as right.
    """
    if not paths:
        raise BadInput(
            "no subject is left to average: all have outliers (the log of CHECKS names the runs); "
            "mend them, or give --exclude_outliers no"
        )
    lengths: dict[str, dict[int, int]] = {}
    for place, path in enumerate(paths):
        runs = run_names(path)
        with open_tensors(path) as handle:
            missing = {*runs, "left_out"} - set(handle.keys())
            if missing:
                raise BadInput(f"{path} lacks {', '.join(sorted(missing))}; clean it again")
            shapes = {run: handle.get_slice(run).get_shape() for run in runs}
        for run, shape in shapes.items():
            if shape[1] != n_voxels:
                raise BadInput(
                    f"{path} has {shape[1]} voxels, the mask has {n_voxels}; "
                    "clean the subject with this mask"
                )
            lengths.setdefault(run, {})[place] = shape[0]
    for run, own in lengths.items():
        usual = Counter(own.values()).most_common(1)[0][0]
        for place, scans in own.items():
            if scans != usual:
                raise BadInput(
                    f"{paths[place]}: {shown(run)} has {scans} scans where other subjects have "
                    f"{usual}; leave the subject out or mend its file"
                )
    return {run: list(lengths[run]) for run in keys_in_order(lengths, stories)}


def enough_heard(heard: Mapping[str, list[int]]) -> tuple[dict[str, list[int]], str]:
    """Part the runs with enough hearers for their responses to be compared from the others.

    Parameters
    ----------
    heard
        Key of a run → places of its hearers.

    Returns
    -------
    kept
        Runs that at least ``LEAST_HEARERS`` heard, and every numbered run.
    few
        The others and how many heard them, for a message; empty where there are none.
    """
    kept = {
        run: hearers
        for run, hearers in heard.items()
        if is_numbered(run) or len(hearers) >= LEAST_HEARERS
    }
    few = [run for run in heard if run not in kept]
    return kept, listed(f"{shown(run)} ({len(heard[run])})" for run in few)


def left_out_of(path: Path, run: str) -> NDArray[np.uint8]:
    """Return why voxels are left out in one run of a bold file, (voxels,) uint8; 0 elsewhere."""
    flags: NDArray[np.uint8] = read_tensor(path, "left_out")[run_names(path).index(run)]
    return flags


def left_out_by_all(paths: Sequence[Path], run: str) -> NDArray[np.uint8]:
    """Return why a voxel is left out in a run where it is in every hearer, (voxels,) uint8.

    0 elsewhere. Where reasons differ between subjects, the first of ``names.REASONS``.
    """
    common: NDArray[np.uint8] = np.minimum.reduce([left_out_of(path, run) for path in paths])
    return common


def average_run(paths: Sequence[Path], run: str) -> Single:
    """Average one run over subjects and standardise it over time.

    Subjects are read one after the other into one float64 sum: memory does not grow with their
    number.

    Parameters
    ----------
    paths
        Bold files.
    run
        Name of the tensor.

    Returns
    -------
    (scans, voxels) float32
        Population sd 1; 0 where every subject is 0.
    """
    total: Floats = read_tensor(paths[0], run).astype(np.float64)
    for path in paths[1:]:
        total += read_tensor(path, run)
    standardised = standardise(total / len(paths))
    standardised[:, ~total.any(axis=0)] = 0.0
    return standardised.astype(np.float32)


def average_subjects(
    paths: Sequence[Path], n_voxels: int, stories: Sequence[str] = ()
) -> dict[str, Array]:
    """Average cleaned subjects run by run, each over those who heard it.

    Parameters
    ----------
    paths
        Bold files of the subjects.
    n_voxels
        Voxels of the mask.
    stories
        Keys of the stories, in order; without them runs are numbered.

    Returns
    -------
    dict
        A tensor for each key, in order, (scans, voxels) float32, and ``left_out`` (runs, voxels)
        uint8: see :func:`left_out_by_all`; a voxel that is left out is 0.

    Raises
    ------
    BadInput
        See :func:`heard_runs`.
    """
    heard = heard_runs(paths, n_voxels, stories)
    tensors: dict[str, Array] = {}
    left_out = np.zeros((len(heard), n_voxels), np.uint8)
    for place, run in enumerate(progress(list(heard), f"average {len(paths)} subjects")):
        hearers = [paths[subject] for subject in heard[run]]
        left_out[place] = left_out_by_all(hearers, run)
        tensors[run] = average_run(hearers, run)
        tensors[run][:, left_out[place].astype(bool)] = 0.0
    return {**tensors, "left_out": left_out}


def keys_of_given(paths: Sequence[Path], stories: Sequence[str]) -> list[str]:
    """Return the key of each run of a given average: by the file's name where it is one.

    Otherwise the files are in the order of the stories.

    Raises
    ------
    BadInput
        There is not one file for each story; or a name is of an unknown story, or comes twice.
    """
    names = [path.name.removesuffix(".gz").removesuffix(".nii") for path in paths]
    if not all(name.startswith(f"{STORY}-") for name in names):
        check_runs(paths, "--given", stories)
        return list(stories)
    keys = [run_key(story_of(name), repetition_of(name)) for name in names]
    for key, path in zip(keys, paths, strict=True):
        if story_of(key) not in stories or keys.count(key) > 1:
            raise BadInput(
                f"{path} is of no story of the data set, or not the only one of {shown(key)}; give "
                f"a file for each of {listed(map(shown, stories))}"
            )
    return keys


def given_average(
    paths: Sequence[Path], brain: MaskFile, stories: Sequence[str] = tuple(numbered_keys())
) -> dict[str, Array]:
    """Read a given average subject; its values are kept as they are.

    Parameters
    ----------
    paths
        One 4-D NIfTI per run, or one array (scans, voxels) in the study's joblib form, in order:
        untrimmed, standardised over time.
    brain
        The mask.
    stories
        Keys of the stories, in order.

    Returns
    -------
    dict
        As :func:`average_subjects`; a voxel that is constant or not finite in a run is left out
        there and 0.

    Raises
    ------
    BadInput
        Another number of runs, another grid or number of voxels than the mask, or too few scans.
    """
    by_key = dict(zip(keys_of_given(paths, stories), paths, strict=True))
    keys = keys_in_order(by_key, stories)
    tensors: dict[str, Array] = {}
    left_out = np.zeros((len(keys), int(brain.mask.sum())), dtype=np.uint8)
    for place, key in enumerate(progress(keys, "read the average subject")):
        path = by_key[key]
        series, finite = _given_run(path, brain)
        if series.shape[0] < MIN_SCANS:
            raise BadInput(f"{path} has {series.shape[0]} scans, at least {MIN_SCANS} are needed")
        absent = ~finite | (series == series[0]).all(axis=0)
        if absent.all():
            raise BadInput(f"{path} has no signal inside the mask; check file and mask")
        series = np.where(absent, 0.0, series).astype(np.float32)
        say_if_not_standardised(series[:, ~absent], path)
        tensors[key] = series
        left_out[place] = absent
        if absent.any():
            say(f"{path} has no signal in {absent.sum()} of {absent.size} voxels of the mask")
    return {**tensors, "left_out": left_out}


def _given_run(path: Path, brain: MaskFile) -> tuple[Array, Booleans]:
    """Read a run of a given average, (scans, voxels), and where it is finite, (voxels,)."""
    if is_nifti(path):
        series, finite = read_series(path, brain)
        check_not_mirrored(next(scan_blocks(path)), brain.mask, path, brain.path)
        return series, finite
    series = check_array(path, int(brain.mask.sum()))
    return series, np.asarray(np.isfinite(series).all(axis=0))


def say_if_not_standardised(series: Array, path: Path) -> None:
    """Mention a given average whose voxels do not have mean 0 and sd 1.

    Harmless, as the encoder standardises again after trimming, but it may be the wrong file.
    """
    mean = float(np.abs(series.mean(axis=0, dtype=np.float64)).max())
    sd = series.std(axis=0, dtype=np.float64)
    if mean > STANDARDISED or float(np.abs(sd - 1).max()) > STANDARDISED:
        say(f"{path} is not standardised over time (mean up to {mean:.3g}); taken as it is")


def write_average(
    mask: Path,
    clean: Sequence[Path],
    given: Sequence[Path],
    out: Path,
    nifti_prefix: str,
    *,
    tr: float = TR,
    stories: Sequence[str] = tuple(numbered_keys()),
) -> int:
    """Write the average subject as a bold file and as one NIfTI per run.

    Parameters
    ----------
    mask
        Brain mask.
    clean
        Bold files of subjects, or empty.
    given
        The runs of a given average subject, or empty.
    out
        Bold file to write.
    nifti_prefix
        ``average_`` gives ``average_run-1.nii.gz`` … (:func:`published_name`): float32, 0 outside
        the mask.
    tr
        Repetition time, s, for the NIfTIs' headers.
    stories
        Keys of the stories, in order.

    Returns
    -------
    int
        Number of voxels left out in any run.
    """
    brain = MaskFile(*load_mask(mask), mask)
    if given:
        tensors = given_average(given, brain, stories)
    else:
        tensors = average_subjects(clean, int(brain.mask.sum()), stories)
    keys = [key for key in tensors if key not in NO_RUNS]
    told = {RUNS: json.dumps(keys), "n_subjects": "given" if given else str(len(clean))}
    save_tensors(out, tensors, told)
    for key in keys:
        volume = to_volume(tensors[key], brain.mask)
        path = f"{nifti_prefix}{published_name(key, keys)}.nii.gz"
        save_volume(volume, brain.affine, path, tr, what="mean of all who heard it, standardised")
    return int(tensors["left_out"].any(axis=0).sum())


def published_name(key: str, keys: Sequence[str]) -> str:
    """Return the name of a run's image: its key; the first of several repetitions is numbered."""
    repeated = sum(story_of(key) == story_of(other) for other in keys) > 1
    return f"{key}_rep-1" if repeated and key == story_of(key) else key
