"""Headers of the BOLD runs: readable, whole, on one grid, as long as the story needs, no copies."""

import filecmp
import re
import zlib
from collections import Counter
from collections.abc import Mapping, Sequence
from dataclasses import dataclass, replace
from pathlib import Path

import numpy as np

from lateralization.arrays import Floats
from lateralization.bids.entities import entities
from lateralization.bids.heard import Subject
from lateralization.command import progress
from lateralization.errors import BadInput
from lateralization.nifti import is_packed, open_nifti, repetition_time, space_code
from lateralization.problems import Problems, listed
from lateralization.runs import shown
from lateralization.sources.dataset import is_unfetched
from lateralization.study import GRID_AFFINE, GRID_SHAPE, MIN_SCANS, TR, TRIM
from lateralization.volumes import AFFINE_TOLERANCE_MM

MIN_KEPT = 10
"""Scans of a run that must be left once both ends are trimmed."""

SLACK = 5
"""Scans by which runs of one story differ where a scanner was stopped by hand."""

INDIVIDUAL = re.compile(
    r"t[12]\w*|pd\w*|flair|anat\w*|func\w*|bold\w*|sbref|epi|run|orig\w*|native\w*|individual|"
    r"subject|session|scanner|acpc|fsnative"
)
"""Labels of ``space-`` that are a subject's own anatomy or scans."""

MNI = re.compile(r"mni|icbm|colin27|ixi549")
"""What the labels of MNI's spaces begin with or hold."""

BY_NAME = "of fMRIPrep: *_space-MNI152NLin2009cAsym_*"

SCANNER, ALIGNED = 1, 2
NORMALISED = {3: "Talairach", 4: "MNI", 5: "another template"}
"""Codes of sform and qform."""

HEADER, NIFTI_1 = 352, ((348).to_bytes(4, "little"), (348).to_bytes(4, "big"))
"""Bytes of a NIfTI-1 header, and its first four: its length without the flag of extensions."""

BLOCK = 4096
"""Bytes of a file in which its header is, packed or not."""

CHECKSUM = 8
"""Bytes at the end of a gzip file: checksum and length of what it holds."""


@dataclass(frozen=True)
class RunHeader:
    """What the header of one run says.

    Attributes
    ----------
    path
        The file.
    shape
        Voxels along x, y and z.
    n_scans
        Scans.
    affine
        (4, 4), voxel indices → mm.
    tr
        Repetition time of the header, seconds; NaN when it says none.
    n_bytes
        Length of the uncompressed file, bytes.
    code
        Code of sform, or of qform where there is no sform.
    """

    path: Path
    shape: tuple[int, ...]
    n_scans: int
    affine: Floats
    tr: float
    n_bytes: int
    code: int


def read_run(path: Path, problems: Problems) -> RunHeader | None:
    """Read the header of a run and check that the file is whole.

    None, and a problem, when it cannot be used.
    """
    try:
        image = open_nifti(path)
    except BadInput as error:
        problems.add(f"--dataset: {error}")
        return None
    shape = tuple(int(n) for n in image.shape)
    affine = np.asarray(image.affine, dtype=float)
    if problem := _wrong_shape(shape, affine):
        problems.add(f"--dataset: {path} {problem}")
        return None
    n_bytes = int(image.dataobj.offset) + int(
        np.prod(shape, dtype=object) * image.get_data_dtype().itemsize
    )
    tr = repetition_time(image.header)
    return RunHeader(
        path,
        shape[:3],
        shape[3],
        affine,
        float("nan") if tr is None else tr,
        n_bytes,
        space_code(image),
    )


def _read(path: Path, seen: dict[bytes, RunHeader], problems: Problems) -> RunHeader | None:
    """Read a run, or take what was read of one with the same header; ``seen`` is added to."""
    start, run = _like_another(path, seen)
    if run is None:
        run = read_run(path, problems)
    if run is not None:
        seen.setdefault(start, run)
    return run


def _like_another(path: Path, seen: Mapping[bytes, RunHeader]) -> tuple[bytes, RunHeader | None]:
    """Return a run's first bytes, and what was read of another run that has the same header.

    Runs of one scanner and preprocessing have one header in many files. Only a whole file, by its
    length (the one in the end of a gzip file), is taken as read.
    """
    try:
        with path.open("rb") as raw:
            start, end = raw.read(BLOCK), raw.seek(-4, 2) + 4
            length = int.from_bytes(raw.read(4), "little") if is_packed(path) else end
        if is_packed(path):
            start = zlib.decompressobj(zlib.MAX_WBITS | 16).decompress(start, HEADER)
    except (OSError, zlib.error):  # which is said where the run is read
        return b"", None
    start = start[:HEADER]
    whole = len(start) == HEADER and start[:4] in NIFTI_1
    found = seen.get(start) if whole else None
    if found is not None and length == (
        found.n_bytes % 2**32 if is_packed(path) else found.n_bytes
    ):
        return start, replace(found, path=path)
    return start, None


def _wrong_shape(shape: Sequence[int], affine: Floats) -> str:
    """Say what is wrong with a run's shape or place; empty when nothing is."""
    if len(shape) != 4:
        return f"has shape {tuple(shape)}; a run is 4-D (x, y, z, scans)"
    corners = np.array(np.meshgrid(*[(0, n - 1) for n in shape[:3]])).reshape(3, -1)
    world = affine[:3, :3] @ corners + affine[:3, 3:]
    ends = np.stack([GRID_AFFINE[:3, 3], GRID_AFFINE[:3, 3] + 4.0 * (np.array(GRID_SHAPE) - 1)])
    if (world.max(axis=1) < ends[0]).any() or (world.min(axis=1) > ends[1]).any():
        return "lies outside the brain of the MNI space; runs must be normalised, in mm"
    return ""


def check_headers(
    subjects: Sequence[Subject],
    problems: Problems,
    notes: list[str],
    *,
    tr: float = TR,
    n_trim: int = TRIM,
) -> dict[str, list[int]]:
    """Check the headers of all runs.

    Parameters
    ----------
    subjects
        Subjects of one language of a local data set.
    tr, n_trim
        The language's repetition time in seconds (NaN: not known), and the scans dropped at each
        end.

    Returns
    -------
    dict
        Subject → scans per run; subjects with a run that cannot be read are left out.
    """
    if not subjects:
        return {}
    found: dict[str, list[RunHeader]] = {}
    seen: dict[bytes, RunHeader] = {}
    for subject in progress(subjects, "headers", len(subjects)):
        if any(is_unfetched(path) for path in subject.bold):
            continue
        runs = [run for path in subject.bold if (run := _read(path, seen, problems))]
        if not runs or len(runs) < len(subject.bold):
            continue
        found[subject.subject] = runs
    check_spaces(
        [(str(run.path), run.code) for runs in found.values() for run in runs], problems, notes
    )
    for name, runs in found.items():
        _check_grid(name, runs, problems)
        _check_length(name, runs, n_trim, problems)
    scans = {name: [run.n_scans for run in runs] for name, runs in found.items()}
    _note_copies(subjects, notes)
    # 0 and 1 are what writers put there that do not know the repetition time.
    trs = Counter(run.tr for runs in found.values() for run in runs)
    odd = sorted(t for t in trs if np.isfinite(t) and t != 1 and abs(t - tr) > 1e-3)
    if odd:
        notes.append(
            f"headers of {sum(trs[t] for t in odd)} runs say a repetition time of "
            f"{listed(f'{t:g}' for t in odd)} s; {tr:g} s is used"
        )
    return scans


def check_spaces(
    runs: Sequence[tuple[str, int | None]], problems: Problems, notes: list[str]
) -> None:
    """Report runs that are not normalised, or to different spaces; note where nothing tells it.

    The entity ``space`` of a name decides; where it has none, the code of the header.

    Parameters
    ----------
    runs
        Path and code of every run of a language; code None where it is not fetched yet.
    """
    named = {path: entities(path).get("space", "") for path, _ in runs}
    for path, code in runs:
        if where := _own_space(named[path], code):
            problems.add(
                f"--dataset: {path} is in {where}; hemispheres, grid and regions are those of MNI "
                f"space: give normalised runs ({BY_NAME}; with another name, code 4 in the header)"
            )
            return
    spaces = dict[str, str]()
    for path, code in runs:
        if any(named.values()):
            spaces.setdefault(f"space-{named[path]}" if named[path] else "none by its name", path)
        elif code in NORMALISED:
            spaces.setdefault(NORMALISED[code], path)
    if len(spaces) > 1:
        said = listed(f"{path} in {space}" for space, path in spaces.items())
        problems.add(
            f"--dataset: runs are in different spaces: {said}; bring all runs of all subjects to "
            f"one space, or let bold name one ({BY_NAME})"
        )
        return
    _note_spaces(runs, named, notes)


def _own_space(space: str, code: int | None) -> str:
    """Describe a space that is a subject's own, by its name or header; empty if it is not."""
    if INDIVIDUAL.fullmatch(space.lower()):
        return f"space-{space} by its name, a space of the subject's own"
    if not space and code == SCANNER:
        return "the scanner's space by its header (sform or qform code 1), its name has no space-"
    return ""


def _note_spaces(
    runs: Sequence[tuple[str, int | None]], named: Mapping[str, str], notes: list[str]
) -> None:
    """Mention spaces that names and headers leave open, contradict, or tell as other than MNI's."""
    unread = [path for path, code in runs if not named[path] and code is None]
    if unread:
        notes.append(
            f"names of {len(unread)} runs have no space- ({Path(unread[0]).name}): headers are "
            "read when they are fetched"
        )
    unsaid = [path for path, code in runs if not named[path] and code in (0, ALIGNED)]
    if unsaid:
        notes.append(
            f"neither names (space-) nor headers (codes of sform and qform) of {len(unsaid)} runs "
            f"tell their space ({Path(unsaid[0]).name}): they are taken as normalised to MNI space"
        )
    scanner = [path for path, code in runs if named[path] and code == SCANNER]
    if scanner:
        notes.append(
            f"headers of {len(scanner)} runs tell the scanner's space (code 1), their names "
            f"space-{named[scanner[0]]}: the names are believed"
        )
    spaces = {
        f"space-{named[path]}" if named[path] else NORMALISED.get(code or 0, "")
        for path, code in runs
    }
    others = sorted(space for space in spaces if space and not MNI.search(space.lower()))
    if others:
        notes.append(
            f"runs are in {listed(others)}, and taken as they are: hemispheres, grid and regions "
            "are those of MNI space"
        )


def _note_copies(subjects: Sequence[Subject], notes: list[str]) -> None:
    """Mention runs whose file is there twice, all in one line: they may be meant, as in a test.

    A gzip file ends in the checksum of what it holds: only where that and the size are equal are
    two files compared.
    """
    seen: dict[tuple[int, bytes], Path] = {}
    copies = []
    paths = (path for subject in subjects for path in subject.bold if is_packed(path))
    for path in (path for path in paths if path.is_file() and path.stat().st_size > CHECKSUM):
        with path.open("rb") as raw:
            size = raw.seek(-CHECKSUM, 2)
            first = seen.setdefault((size, raw.read()), path)
        if first != path and filecmp.cmp(first, path, shallow=False):
            copies.append((path, first))
    if copies:
        path, first = copies[0]
        more = f" ({len(copies) - 1} more are copies too)" if len(copies) > 1 else ""
        notes.append(
            f"{path} is the same file as {first}, and counts twice{more}: put the right run there "
            "if a copy is not meant"
        )


def _check_grid(subject: str, runs: Sequence[RunHeader], problems: Problems) -> None:
    """Report runs that are not on the grid of the subject's first run."""
    first = runs[0]
    for run in runs[1:]:
        if run.shape != first.shape:
            how = f"{_times(run.shape)} voxels, the first run {_times(first.shape)}"
        elif np.abs(run.affine - first.affine).max() > AFFINE_TOLERANCE_MM:
            how = "another affine than the first run"
        else:
            continue
        problems.add(
            f"--dataset: runs of sub-{subject} are on different grids: {run.path} has {how} "
            f"({first.path.name}); bring all runs of a subject to one grid"
        )
        return


def _times(shape: Sequence[int]) -> str:
    return "x".join(str(n) for n in shape)


def _check_length(subject: str, runs: Sequence[RunHeader], n_trim: int, problems: Problems) -> None:
    """Report runs of which nothing is left once they are trimmed."""
    needed = max(2 * n_trim + MIN_KEPT, MIN_SCANS)
    short = [run for run in runs if run.n_scans < needed]
    if short:
        problems.add(
            f"--dataset: {short[0].path} (sub-{subject}) has {short[0].n_scans} scans; "
            f"{needed} are needed, since {n_trim} are cut off at each end"
        )


def check_counts(
    scans: dict[str, list[int]], averaged: bool, problems: Problems, notes: list[str]
) -> None:
    """Report subjects whose numbered run has another number of scans than most subjects'.

    Runs that are as long as those of most subjects, but in another order, are other stories.

    Parameters
    ----------
    scans
        Subject → scans of each run, as :func:`check_headers` returns them.
    averaged
        Whether the subjects are averaged: then a run must have equally many scans in all.
    """
    whole = {name: counts for name, counts in scans.items() if len(counts) == _usual(scans)}
    usual = [Counter(counts).most_common(1)[0][0] for counts in zip(*whole.values(), strict=True)]
    odd: dict[int, list[str]] = {}
    for name, counts in whole.items():
        differing = [run for run, n in enumerate(counts, 1) if n != usual[run - 1]]
        far = any(abs(counts[run - 1] - usual[run - 1]) > SLACK for run in differing)
        if far and sorted(counts) == sorted(usual):
            problems.add(
                f"--dataset: the runs of sub-{name} are as long as those of most subjects, in "
                f"another order (runs {listed(differing)}); file k must be of one story in every "
                "subject: rename the files so that the stories sort alike, or leave the subject out"
            )
        elif averaged or far:
            for run in differing:
                odd.setdefault(run, []).append(f"sub-{name} {counts[run - 1]}")
    said = [
        f"run {run} has {usual[run - 1]} scans in most subjects, and other numbers in "
        f"{listed(others)}"
        for run, others in sorted(odd.items())
    ]
    if averaged:
        for one in said:
            problems.add(f"--dataset: {one}; the average subject needs equally long runs")
    elif said:
        notes.append(f"{'; '.join(said)}: are these runs whole, and of the same stories?")


def _usual(scans: dict[str, list[int]]) -> int:
    """Return the commonest number of runs."""
    found = Counter(len(counts) for counts in scans.values()).most_common(1)
    return found[0][0] if found else 0


def shortest(
    scans: Mapping[str, Mapping[str, int]], averaged: bool, problems: Problems, notes: list[str]
) -> dict[str, int]:
    """Return to how many scans the runs of a story are cut for the average subject.

    Parameters
    ----------
    scans
        Subject → key of a run → its scans.
    averaged
        Whether the subjects are averaged: then runs may differ by ``SLACK`` scans at most.

    Returns
    -------
    dict
        Key of a run → scans of the shortest of its hearers.
    """
    heard: dict[str, dict[str, int]] = {}
    for subject, runs in scans.items():
        for key, n_scans in runs.items():
            heard.setdefault(key, {})[subject] = n_scans
    for key, counts in heard.items():
        usual = Counter(counts.values()).most_common(1)[0][0]
        if max(counts.values()) - min(counts.values()) <= SLACK:
            continue
        odd = [f"sub-{name} {n}" for name, n in counts.items() if abs(n - usual) > SLACK]
        odd = odd or [f"sub-{name} {n}" for name, n in counts.items() if n != usual]
        said = f"{shown(key)} has {usual} scans in most subjects and other numbers in {listed(odd)}"
        if averaged:
            problems.add(
                f"--dataset: {said}; for the average at most {SLACK} are cut off at the end of a "
                "run: mend the runs, or leave the subjects out (subjects in dataset.json, or the "
                "rows of runs.tsv)"
            )
        else:
            notes.append(f"{said}: are these runs whole, and of the same story?")
    return {key: min(counts.values()) for key, counts in heard.items()}
