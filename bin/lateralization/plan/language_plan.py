"""One language's part of the plan: subjects, annotation, texts, corrections, given files."""

from collections.abc import Sequence
from dataclasses import dataclass
from pathlib import Path
from typing import Any, cast

import pandas as pd

from lateralization.baselines.confounds import SOUND, check_table
from lateralization.errors import BadInput
from lateralization.files import digest_of, read_json
from lateralization.fmri.hrf import check_clock, words_outside
from lateralization.plan.context import Context
from lateralization.plan.parameters import FIRST, Parameters
from lateralization.problems import Problems, listed
from lateralization.run_plan import LanguagePlan, Parcel, RunPlan, SubjectPlan
from lateralization.runs import RUN
from lateralization.sources import dataset, given_files
from lateralization.sources.bold_headers import check_headers, check_spaces
from lateralization.sources.dataset import Subject, runs_in_order
from lateralization.sources.description import STUDY
from lateralization.sources.given_files import Grid
from lateralization.volumes import check_same_grid
from lateralization.words import stories
from lateralization.words.annotation import is_published, read_words
from lateralization.words.story_check import check_told, odd_words

EARLY = 0.2
"""Share of a run. Times may be minutes where all words end before it, and scans where the last
words end within it before second n of n scans."""

LONG_TR = 1.25
"""Repetition time, s, from which on a run of its length in scans would leave much of it silent."""


def plan_language(
    language: str, context: Context, *, has_models: bool, has_sound: bool
) -> tuple[LanguagePlan, list[str]]:
    """Check what one language needs, and plan it.

    Returns
    -------
    planned
        The language's entry in the plan.
    known
        Ids of all its subjects in the data set, for the check of ``--subjects``.
    """
    described = context.described
    given, grid = _given(language, context)
    manifest = []  # a data set on disk has its files, whatever its description names
    if context.remote and described.manifest:
        manifest = dataset.read_manifest(described.manifest)
    listening = _listening(language, _subjects(manifest, language, context), given, context)
    _check_group(language, listening, given, grid, context)
    n_runs = described.n_runs
    whole = [one for one in listening.used if len(one.files) == n_runs]
    dataset.check_stories(whole, context.problems)
    if context.remote:
        names = [(name, None) for one in listening.used for name in one.files]
        check_spaces(names, context.problems, context.notes)
    annotation = _annotation(manifest, language, context)
    scans = {} if context.remote else _check_local(language, listening, annotation, context)
    keys = [f"{RUN}-{run}" for run in range(1, n_runs + 1)]
    texts = _texts(language, context) if has_models else None
    _check_told(language, annotation, texts, context)
    known = [subject.subject for subject in listening.known]
    planned = LanguagePlan(
        language=language,
        name=described.languages[language].name,
        scans=described.languages[language].scans,
        n_runs=described.n_runs,
        tr=described.tr,
        trim=described.trim,
        annotation=annotation,
        prosody=_prosody(manifest, language, context) if has_sound else None,
        texts=texts,
        corrections=_corrections(language, annotation, context),
        **given,
        subjects=[_subject(subject, keys, scans, listening, context) for subject in listening.used],
        average=listening.average,
        stacks=stacks(known, listening.individuals, context.parameters),
        n_scans=scans,
        stories=keys,
        test=[],
        starts=[0.0] * n_runs,
        slice_time=described.tr / 2,
        handedness=dataset.count_hands(
            context.root, [subject.subject for subject in listening.used]
        ),
    )
    return planned, known


@dataclass(frozen=True)
class Listening:
    """Which subjects of a language are used, and for what.

    Attributes
    ----------
    language
        Its code.
    known
        All subjects of the data set.
    individuals
        Ids of those that are fitted alone.
    average
        Whether the average subject is fitted.
    group
        Whether the others are needed, too: something of the group is computed, not given.
    """

    language: str
    known: list[Subject]
    individuals: list[str]
    average: bool
    group: bool

    @property
    def used(self) -> list[Subject]:
        """The subjects whose runs are needed."""
        return [one for one in self.known if self.group or one.subject in self.individuals]


def _listening(
    language: str, known: list[Subject], given: dict[str, Parcel | None], context: Context
) -> Listening:
    """Choose the subjects that ``--subjects`` and the given files leave to be used."""
    wanted: list[str] = context.parameters["subjects"]
    average = "average" in wanted or "all" in wanted
    group = not (given["mask"] and given["isc"] and (given["average_subject"] or not average))
    names = [s.subject for s in known]
    first = _first(language, names, wanted, context.problems)
    individuals = [name for name in names if "all" in wanted or name in wanted or name in first]
    return Listening(language, known, individuals, average, group)


def _first(language: str, known: list[str], wanted: list[str], problems: Problems) -> list[str]:
    """Return the individuals that ``first:N`` asks for: the first N in natural order."""
    n = max((int(item.removeprefix(FIRST)) for item in wanted if item.startswith(FIRST)), default=0)
    if n > len(known) > 0:
        problems.add(
            f"--subjects: {FIRST}{n} asks for more than the {len(known)} subjects of {language}; "
            "ask for fewer, or write all"
        )
    return runs_in_order(known)[:n]


def _check_group(
    language: str,
    listening: Listening,
    given: dict[str, Parcel | None],
    grid: Grid,
    context: Context,
) -> None:
    """Report a group that is too small, or that a given mask does not fit."""
    if listening.used:
        _check_mask(grid, context)
    if listening.group and not given["isc"] and len(listening.used) == 1:
        context.problems.add(
            f"--dataset: there is one subject of {language}, and the reliability compares halves "
            "of a group; add subjects, or give --mask, --isc and --average_subject"
        )


def _check_local(
    language: str, listening: Listening, annotation: Parcel, context: Context
) -> dict[str, list[int]]:
    """Check what is used of a data set on disk; return the scans of each subject's runs."""
    described, used = context.described, listening.used
    if listening.group or "all" in context.parameters["subjects"]:
        dataset.check_group(context.root, described, language, listening.known, context.problems)
    dataset.check_subjects(context.root, described, used, context.problems)
    scans = check_headers(
        used, listening.group, context.problems, context.notes,
        tr=described.tr, n_trim=described.trim,
    )  # fmt: skip
    _check_ends(language, annotation, scans, context)
    return scans


def stacks(known: list[str], individuals: list[str], parameters: Parameters) -> list[list[str]]:
    """Group the individual subjects that one ENCODE task fits together.

    A subject's group follows from its place among all subjects of the language, not among those
    asked for: one more subject changes the tasks of its own group and of no other.
    """
    size = parameters["subjects_per_task"]
    groups = (known[start : start + size] for start in range(0, len(known), size))
    chosen = ([subject for subject in group if subject in individuals] for group in groups)
    return [group for group in chosen if group]


def _subjects(manifest: list[dict[str, Any]], language: str, context: Context) -> list[Subject]:
    """Return all subjects of a language."""
    if context.remote:
        name = context.described.name
        if (context.launch / name).is_dir():
            context.notes.append(
                f"the data set is fetched; for the folder here write --dataset ./{name}"
            )
        return dataset.remote_subjects(manifest, language)
    return dataset.local_subjects(context.root, context.described, language)


def _remote_file(row: dict[str, Any], context: Context) -> dict[str, Any]:
    """Return what FETCH needs to know of one file of the manifest."""
    urls = dataset.urls(context.described.name, row["path"], context.parameters["data_endpoint"])
    pinned = {name: row[name] for name in dataset.CHECKSUMS if row.get(name)}
    return {"path": row["path"], "bytes": row["bytes"], **pinned, "urls": urls}


def _subject(
    subject: Subject,
    keys: list[str],
    scans: dict[str, list[int]],
    listening: Listening,
    context: Context,
) -> SubjectPlan:
    """Return a subject's entry in the plan."""
    remote: Parcel | None = None
    if subject.remote:
        remote = {
            "dataset": context.described.name,
            "version": context.described.version,
            "language": listening.language,
            "subject": subject.subject,
            "n_runs": context.described.n_runs,
            "files": [_remote_file(row, context) for row in subject.remote],
        }
    return SubjectPlan(
        subject=subject.subject,
        bold=[str(path) for path in subject.bold],
        remote=remote,
        individual=subject.subject in listening.individuals,
        group=listening.group,
        runs=[
            RunPlan(key, session="", bold=path, scans=count)
            for key, path, count in zip(
                keys, subject.files, scans.get(subject.subject, [None] * len(keys)), strict=False
            )
        ],
    )


def _annotation(manifest: list[dict[str, Any]], language: str, context: Context) -> Parcel:
    """Return where a language's annotation comes from; a local one is checked.

    ``published`` says that it is the study's own, whatever the data set is called: its rows and
    the study's corrections belong together.
    """
    described = context.described
    name = described.languages[language].annotation
    if context.remote:
        files = []
        with context.problems.collect():
            files = [_remote_file(dataset.remote_annotation(manifest, name), context)]
        return {
            "path": None,
            "source": [],
            "files": files,
            "columns": described.columns,
            "dataset": described.name,
            "version": described.version,
            "published": described.name == STUDY,
        }
    path = dataset.local_annotation(context.root, name, context.problems)
    return {
        "path": str(path) if path else None,
        "source": [str(path)] if path else [],
        "files": [],
        "columns": described.columns,
        "published": path is not None and is_published(path, language),
    }


def _prosody(manifest: list[dict[str, Any]], language: str, context: Context) -> Parcel | None:
    """Return where the table of f0 and intensity comes from."""
    described = context.described
    name = described.languages[language].prosody
    if name is None:
        context.problems.add(
            f"--baselines: f0 and intensity need a prosody table of {language}; name it in "
            "dataset.json, or leave them out"
        )
        return None
    columns = described.columns
    if not context.remote:
        path = context.root / name
        with context.problems.collect("--baselines: f0 and intensity"):
            check_table(path, (), [columns.get(sound, sound) for sound in SOUND], "")
        return {"source": [str(path)], "files": [], "columns": columns}
    row = next((row for row in manifest if row["path"] == name), None)
    if row is None:
        context.problems.add(
            f"--baselines: the manifest has no {name}, which f0 and intensity need"
        )
        return None
    return {
        "source": [],
        "files": [_remote_file(row, context)],
        "columns": columns,
        "dataset": described.name,
        "version": described.version,
    }


def _check_ends(
    language: str, annotation: Parcel, scans: dict[str, list[int]], context: Context
) -> None:
    """Check the annotation, and compare its length with that of the runs.

    The rows of the published annotation are what they are.
    """
    path = annotation["path"]
    if path is None or annotation["published"]:
        return
    with context.problems.collect("--dataset"):
        _check_onsets(language, path, scans, context)


def _check_onsets(language: str, path: str, scans: dict[str, list[int]], context: Context) -> None:
    """Read an annotation, and compare its onsets with the length of the runs."""
    described = context.described
    words, report = read_words(path, language, None, described.n_runs, described.columns)
    early = words[words["onset"] < 0]
    if len(early):
        context.problems.add(
            f"--dataset: {path}: {len(early)} words begin before 0 s (first: "
            f"{early['word'].iloc[0]!r}, row {early['row'].iloc[0]}); mend their times"
        )
    context.notes.extend(f"{language}: {path}: {odd}" for odd in odd_words(words, report))
    whole = {name: counts for name, counts in scans.items() if len(counts) == described.n_runs}
    if whole:
        _check_clock(path, words, whole, context)
        _note_ends(language, path, words, whole, context)


def _check_clock(
    path: str, words: pd.DataFrame, scans: dict[str, list[int]], context: Context
) -> None:
    """Refuse words on another clock than the scans of their run, in all subjects or in some.

    Parameters
    ----------
    scans
        Subject → scans of each run, of the subjects that have all runs.
    """
    for run in range(1, context.described.n_runs + 1):
        onsets = words.loc[words["run"] == run, "onset"].to_numpy(float)
        durations = {name: counts[run - 1] * context.described.tr for name, counts in scans.items()}
        short = [name for name, duration in durations.items() if words_outside(onsets, duration)]
        if len(short) == len(scans):
            with context.problems.collect(f"--dataset: {path}"):
                check_clock(run, onsets, max(durations.values()))
            return
        if short:
            context.problems.add(
                f"--dataset: run {run} of {_people(short)} is too short for its story: of the "
                f"words of {path} {words_outside(onsets, durations[short[0]])}, and in the other "
                "subjects most do not; it is cut off or of another story: mend it, or leave the "
                "subject out"
            )
            return


def _note_ends(
    language: str, path: str, words: pd.DataFrame, scans: dict[str, list[int]], context: Context
) -> None:
    """Mention words after the last scan, and last words so early that times may not be seconds."""
    tr, runs = context.described.tr, range(1, context.described.n_runs + 1)
    ends = words.groupby("run")["offset"].max().reindex(runs).tolist()
    counts = next(iter(scans.values()))
    if _other_unit(ends, counts, tr):
        context.notes.append(
            f"{language}: {path}: the last word of run 1 ends at {ends[0]:g} s and the scans at "
            f"{counts[0] * tr:g} s, and so in all runs; are the times seconds?"
        )
    late = {
        run: [name for name, counts in scans.items() if end > counts[run - 1] * tr]
        for run, end in zip(runs, ends, strict=True)
    }
    if whole := [run for run, names in late.items() if len(names) == len(scans)]:
        context.notes.append(
            f"{language}: words of run {listed(whole)} end after the last scan; what lies after it "
            "is not used"
        )
    context.notes.extend(
        f"{language}: words of run {run} end after the last scan of {_people(names)}, and not in "
        "the other subjects; what lies after it is not used: is the run whole, and of that story?"
        for run, names in late.items()
        if 0 < len(names) < len(scans)
    )


def _other_unit(ends: Sequence[float], n_scans: Sequence[int], tr: float) -> bool:
    """Whether last words end so early in every run that times may be minutes, or scans."""
    pairs = list(zip(ends, n_scans, strict=True))
    minutes = all(end < EARLY * scans * tr for end, scans in pairs)
    scans_long = tr >= LONG_TR and all((1 - EARLY) * scans < end <= scans for end, scans in pairs)
    return minutes or scans_long


def _people(names: Sequence[str]) -> str:
    """Return subjects for a message."""
    return listed(f"sub-{name}" for name in names)


def _check_told(language: str, annotation: Parcel, texts: Parcel | None, context: Context) -> None:
    """Compare a user's texts with the annotation; what cannot be read has been said."""
    if not (texts and texts["source"] and annotation["path"]):
        return
    n_runs, columns = context.described.n_runs, context.described.columns
    sources = [Path(source) for source in texts["source"]]
    try:
        words, _ = read_words(annotation["path"], language, None, n_runs, columns)
        found = stories.texts_from(sources, language, texts["password"], n_runs)
    except (BadInput, OSError):
        return
    with context.problems.collect("--texts"):
        check_told(words, list(found.items()))


def _texts(language: str, context: Context) -> Parcel | None:
    """Return where a language's texts come from; local ones are read and checked."""
    if not context.parameters.sound("texts", "texts_password"):
        return None
    given, password = context.parameters["texts"], context.parameters["texts_password"]
    n_runs = context.described.n_runs
    pinned = read_json(context.assets / "texts.json")
    known = pinned["texts"].get(language) if context.described.name == STUDY else None
    if given is None:
        if known is None:
            context.problems.add(
                f"--texts: the study has no texts for {language} of {context.described.name}; give "
                f"a folder with {stories.text_name(language, 1)} … {n_runs}"
            )
            return None
        if not context.remote:
            context.notes.append("--texts is not given: the study's texts are used")
        urls = given_files.study_urls(
            known["file"], context.assets, context.parameters["data_endpoint"]
        )
        return {
            "url": urls[-1],
            "urls": urls,
            "sha256": known["sha256"],
            "password": pinned["password"],
            "source": [],
        }
    path = context.path(given, language)
    with context.problems.collect():
        if path.is_dir():
            return _text_folder(path, language, password, context)
        if not path.is_file():
            raise BadInput(f"--texts: {path} does not exist; give a folder or a zip")
        if password is None and known is not None and digest_of(path, "sha256") == known["sha256"]:
            password = pinned["password"]
        _note_hidden(stories.read_text_zip(path, language, password, n_runs), context)
    return {"password": password, "source": [str(path)]}


def _note_hidden(texts: dict[str, bytes], context: Context) -> None:
    """Mention characters of the texts that nobody sees and every model reads."""
    if hidden := stories.hidden_characters(texts):
        context.notes.append(
            "--texts has invisible characters, which models read like any others: "
            + "; ".join(hidden)
        )


def _text_folder(path: Path, language: str, password: str | None, context: Context) -> Parcel:
    """Return the texts of a folder."""
    if password is not None:
        raise BadInput(f"--texts_password is given and --texts is a folder ({path}); leave it out")
    paths = stories.texts_of_folder(path, language, context.described.n_runs)
    _note_hidden(stories.read_text_files(paths, language, context.described.n_runs), context)
    names = [str(text) for text in paths]
    return {"source": names, "password": None}


def _corrections(language: str, annotation: Parcel, context: Context) -> str:
    """Return which corrections are applied: ``ds003643``, ``none`` or a file."""
    if not context.parameters.sound("corrections"):
        return "none"
    wanted = str(context.parameters["corrections"])
    if wanted.lower() in (STUDY, "none"):
        return wanted.lower()
    if wanted.lower() == "auto":
        if annotation["published"]:
            return STUDY
        context.notes.append(
            f"{language}: the annotation is not the published one (md5), so the study's "
            "corrections are not applied"
        )
        return "none"
    path = context.path(wanted, language)
    _check_corrections(path, context)
    return str(path)


def _check_corrections(path: Path, context: Context) -> None:
    """Check a user's table of corrections."""
    if not path.is_file():
        context.problems.add(
            f"--corrections: {path} does not exist; give auto, {STUDY}, none or a TSV"
        )
        return
    from lateralization.words.annotation import read_corrections  # the words' own reader and rules

    with context.problems.collect("--corrections"):
        try:
            read_corrections(path)
        except (OSError, ValueError) as error:
            raise BadInput(f"cannot read {path} ({error}); give a TSV in UTF-8") from error


def _given(language: str, context: Context) -> tuple[dict[str, Parcel | None], Grid]:
    """Return the parcels of mask, reliability and average subject, and the grid of the mask.

    What is computed has None; a mask that is computed or published is on the study's grid.
    """
    found: dict[str, Parcel | None] = dict.fromkeys(given_files.KINDS)
    grid = given_files.STUDY_GRID
    for kind in given_files.KINDS:
        value = context.parameters[kind]
        if value is None or not context.parameters.sound(kind):
            continue
        with context.problems.collect(f"--{kind}"):
            if value == given_files.PUBLISHED:
                found[kind] = _published(kind, language, context)
                continue
            path = context.path(value, language)
            found[kind] = {"source": [str(path)], "files": []}  # what depends on it is planned
            own = given_files.own_file(kind, path, context.described.n_runs, grid)
            found[kind] = cast(Parcel, own)
            if kind == "mask":
                grid = given_files.grid_of(path)
    return found, grid


def _check_mask(grid: Grid, context: Context) -> None:
    """Report a given mask that is on another grid than the runs will be."""
    common = given_files.STUDY_GRID
    with context.problems.collect("--mask"):
        check_same_grid(grid, common.shape, common.affine, grid.name, common.name)


def _published(kind: str, language: str, context: Context) -> Parcel:
    """Return the parcel of one of the study's own files."""
    given_files.refuse_published(context.described.name)
    n_runs, endpoint = context.described.n_runs, context.parameters["data_endpoint"]
    files = given_files.published_files(kind, language, n_runs, context.assets, endpoint)
    return cast(Parcel, files)
