"""What FETCH does with a parcel: the files in the cache, checked, and under their standard names.

A parcel is a subject's BOLD, an annotation, the texts of a language, the GloVe vectors, the atlas,
or a mask, reliability or average subject that is not computed. Its files come from the network,
through the cache, or from the user's own disk.
"""

import zipfile
from collections.abc import Sequence
from contextlib import suppress
from pathlib import Path
from typing import Any
from urllib.parse import urlsplit

import pandas as pd

from lateralization.baselines.glove import glove_width
from lateralization.errors import BadInput, Transient
from lateralization.files import GIT_BLOB, copy_file, link_or_copy, writing
from lateralization.nifti import open_nifti, space_code
from lateralization.problems import Problems
from lateralization.runs import RUN
from lateralization.sources import given_files
from lateralization.sources.atlas import place_atlas
from lateralization.sources.bold_headers import check_spaces, read_run
from lateralization.sources.cache import Wanted
from lateralization.sources.download import Policy, download
from lateralization.sources.receipts import Receipt, write_receipt
from lateralization.study import N_RUNS
from lateralization.words import stories
from lateralization.words.annotation import STANDARD, read_rows, standard_annotation
from lateralization.words.by_story import rows_by_story
from lateralization.words.sources import gather_words, join_words, write_annotation

KINDS = ("bold", "annotation", "prosody", "texts", "glove", "atlas", *given_files.KINDS)
RAW = "raw"
"""Folder beside the parcel of runs that are removed when they are resampled."""

WITHOUT = {
    "glove": "--baselines none (or a list without glove), or give the vectors with --glove",
    "texts": "--texts, a folder or zip of your own",
    "mask": "--mask, a file of your own",
    "isc": "--isc, a file of your own",
    "average_subject": "--average_subject, a folder of your own",
}
"""Kind of parcel → how a run does without fetching it."""

CHECKSUMS = {"md5": "md5", "sha256": "sha256", "git_blob": GIT_BLOB}
"""Key in a parcel → algorithm."""


def fetch(
    parcel: dict[str, Any],
    sources: Sequence[Path],
    cache: Path,
    out: Path,
    policy: Policy | None = None,
) -> list[Path]:
    """Bring one parcel to ``out`` (BOLD with ``keep`` false to ``raw`` beside it, with a receipt).

    Parameters
    ----------
    parcel
        ``kind`` and, for what is fetched, ``files`` (path, bytes, checksum, urls) or ``url``,
        ``sha256``; see the plan.
    sources, cache
        The user's own files, in order; with none, the parcel is fetched to this folder of verified
        downloads.
    out
        Folder for the parcel: ``run-<1..>.nii.gz``, ``annotation.csv``,
        ``prosody.csv``, ``text_<lang>_run<1..>.txt``, in a data set of stories
        ``text_<lang>_story-<name>.txt``, ``glove.zip``/``glove.txt``,
        ``mask.nii.gz``, ``isc.gz``, the runs of an average subject, or ``atlas.nii.gz`` and
        ``atlas.tsv`` (``atlas.json`` says why there are none); a given file keeps its ending.
    policy
        How hard downloads try.

    Returns
    -------
    list of Path
        What ``out`` holds, by name.

    Raises
    ------
    BadInput
        A file is missing, refused, damaged or not what it should be.
    Transient
        The network failed.
    """
    kind = parcel.get("kind")
    if kind not in KINDS:
        raise BadInput(f"the parcel's kind is {kind!r}; it must be one of {', '.join(KINDS)}")
    for path in sources:
        if not path.exists():
            raise BadInput(f"{path} does not exist; check the path (--{_parameter(kind)})")
    out.mkdir(parents=True, exist_ok=True)
    if kind == "atlas":
        place_atlas(sources, cache, out)
    else:
        origins = list(sources) or _fetched(parcel, cache, policy)
        _deliver(kind, parcel, origins, out, own=bool(sources))
    return sorted(out.iterdir())


def _deliver(
    kind: str, parcel: dict[str, Any], origins: Sequence[Path], out: Path, *, own: bool
) -> None:
    """Check a parcel's files and give them their standard names."""
    if kind == "texts":
        _texts(parcel, origins, out)
    elif kind == "annotation":
        _annotation(parcel, origins, out, own=own)
    elif kind == "prosody":
        _standard(origins[0], parcel["columns"], out / "prosody.csv")
    elif kind == "glove":
        _glove(origins, out, own=own)
    elif kind == "bold":
        _bold(parcel, origins, out, own=own)
    else:
        _given(kind, origins, out)


def _parameter(kind: str) -> str:
    return "dataset" if kind in ("bold", "annotation", "prosody") else kind


def wanted_files(parcel: dict[str, Any], cache: Path) -> list[Wanted]:
    """Return a parcel's files as the cache should hold them.

    Places: ``<cache>/ds003643/2.0.5/<path in the data set>``, ``<cache>/texts/<commit>/…``,
    ``<cache>/glove/…``.

    Raises
    ------
    BadInput
        The parcel has neither files nor an address, or a file has no checksum or would lie outside
        the cache.
    """
    if parcel.get("files"):
        folder = cache / str(parcel.get("dataset", "data")) / str(parcel.get("version", "any"))
        return [_wanted(file, folder) for file in parcel["files"]]
    url = parcel.get("url")
    if not url:
        raise BadInput(f"the parcel of {parcel['kind']} has neither a source nor an address")
    parts = urlsplit(url).path.strip("/").split("/")
    # The folder before the file is the commit of the texts, the branch of GloVe.
    folder = cache / parcel["kind"] / (parts[-2] if len(parts) > 1 else "any")
    urls = tuple(parcel.get("urls") or [url])
    return [Wanted(folder / parts[-1], urls, digest=parcel.get("sha256"))]


def _wanted(file: dict[str, Any], folder: Path) -> Wanted:
    """Return a pinned file of a parcel as the cache should hold it."""
    key = next((name for name in CHECKSUMS if file.get(name)), None)
    if key is None:
        raise BadInput(f"the manifest has no checksum of {file['path']}; mend it")
    return Wanted(
        folder / _inside(file["path"]),
        tuple(file["urls"]),
        int(file["bytes"]) if file.get("bytes") is not None else None,
        CHECKSUMS[key],
        file[key],
    )


def _inside(path: str) -> str:
    """Return a relative path that stays inside its folder."""
    if path.startswith("/") or ".." in path.split("/"):
        raise BadInput(f"the manifest names {path}, which is outside the data set; mend it")
    return path


def _fetched(parcel: dict[str, Any], cache: Path, policy: Policy | None) -> list[Path]:
    """Fetch a parcel's files into the cache and return their paths."""
    files, kind = wanted_files(parcel, cache), parcel["kind"]
    try:
        download(files, policy, f"{kind} {parcel.get('subject', '')}".strip())
    except (BadInput, Transient) as error:
        if kind not in WITHOUT:
            raise
        raise type(error)(f"{error}; a run without this download: {WITHOUT[kind]}") from error
    return [file.target for file in files]


def _n_runs(parcel: dict[str, Any]) -> int:
    return int(parcel.get("n_runs") or N_RUNS)


def _bold(parcel: dict[str, Any], origins: Sequence[Path], out: Path, *, own: bool) -> None:
    """Give the runs of a subject their standard names, in order."""
    n_runs = _n_runs(parcel)
    if len(origins) != n_runs:
        raise BadInput(f"{len(origins)} runs are given and the story has {n_runs}; check --dataset")
    if own:
        problems = Problems()
        for path in origins:
            read_run(path, problems)
        problems.stop()
    else:
        _check_spaces(origins)
    passing = not own and not parcel.get("keep", True)
    folder = out.with_name(RAW) if passing else out
    folder.mkdir(exist_ok=True)
    placed = [folder / f"run-{run}{_ending(path)}" for run, path in enumerate(origins, 1)]
    for path, target in zip(origins, placed, strict=True):
        _place(path, target, own=own)
    if passing:
        write_receipt(Receipt(tuple(placed), tuple(origins)), out)


def _check_spaces(paths: Sequence[Path]) -> None:
    """Refuse fetched runs that are not normalised; what cannot be read is left to RESAMPLE."""
    found, problems = list[tuple[str, int | None]](), Problems()
    for path in paths:
        with suppress(BadInput):
            found.append((str(path), space_code(open_nifti(path))))
    check_spaces(found, problems, [])
    problems.stop()


def _ending(path: Path) -> str:
    """Return the part of a name that says its form, in lower case."""
    name = path.name.lower()
    return next(e for e in (*given_files.ENDINGS, path.suffix.lower()) if name.endswith(e))


def _given(kind: str, origins: Sequence[Path], out: Path) -> None:
    """Give a mask, a reliability or the runs of an average subject their standard names."""
    single = len(origins) == 1
    for run, path in enumerate(origins, 1):
        copy_file(path, out / f"{kind if single else f'run-{run}'}{_ending(path)}")


def _annotation(parcel: dict[str, Any], origins: Sequence[Path], out: Path, *, own: bool) -> None:
    """Give an annotation its standard form and name, once its columns are checked."""
    columns = parcel.get("columns") or STANDARD
    if "stories" in parcel:
        write_annotation(_words(parcel, origins), out / "annotation.csv")
        return
    if len(origins) != 1:
        raise BadInput(f"{len(origins)} annotations are given and one is needed; check --dataset")
    if own:
        read_rows(origins[0], columns)
    _standard(origins[0], columns, out / "annotation.csv")


def _standard(path: Path, columns: dict[str, str], target: Path) -> None:
    """Write a table of the data set with our names of its columns."""
    with writing(target) as temporary:
        temporary.write_bytes(standard_annotation(path, columns))


def _words(parcel: dict[str, Any], origins: Sequence[Path]) -> pd.DataFrame:
    """Return the words of all stories, of one file each or of one table."""
    columns, tier = parcel.get("columns") or STANDARD, parcel.get("tier") or ""
    return gather_words(origins, _keys(parcel, origins), columns, tier)


def _keys(parcel: dict[str, Any], origins: Sequence[Path]) -> list[str]:
    """Return the key of the story of each file; none where one table has all stories."""
    keys = [key for key, _ in parcel["stories"]]
    if len(origins) != (len(keys) or 1):
        raise BadInput(
            f"{len(origins)} files are given for {len(keys)} stories, or for one table of words; "
            "run VALIDATE again"
        )
    return keys


def _texts(parcel: dict[str, Any], origins: Sequence[Path], out: Path) -> None:
    """Write the texts of all stories: of a zip (read in memory), of files, or of their words."""
    language = parcel["language"]
    if parcel.get("joined"):
        found = {
            stories.text_name(language, story): join_words(rows["word"], language).encode()
            for story, rows in rows_by_story(_words(parcel, origins)).items()
        }
    elif "stories" in parcel:
        found = {
            stories.text_name(language, story): stories.read_text(path)
            for story, path in zip(_keys(parcel, origins), origins, strict=True)
        }
    else:
        runs = [f"{RUN}-{run}" for run in range(1, _n_runs(parcel) + 1)]
        found = stories.texts_from(origins, language, parcel.get("password"), runs)
    for name, content in found.items():
        with writing(out / name) as temporary:
            temporary.write_bytes(content)


def _glove(origins: Sequence[Path], out: Path, *, own: bool) -> None:
    """Give the GloVe vectors their standard name: a zip stays a zip."""
    path = origins[0]
    try:
        glove_width(path)
    except BadInput as error:
        raise BadInput(f"--glove: {error}") from error
    name = "glove.zip" if zipfile.is_zipfile(path) else "glove.txt"
    _place(path, out / name, own=own)


def _place(path: Path, target: Path, *, own: bool) -> None:
    """Bring a file to the task's folder without a second copy where that is possible.

    A user's own file is linked by name, so that nothing done to the link can touch it; a file of
    the cache is linked hard, which also works inside containers, or copied where it cannot be.
    """
    if own:
        target.unlink(missing_ok=True)
        target.symlink_to(path.resolve())
    else:
        link_or_copy(path, target)
