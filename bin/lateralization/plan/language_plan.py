"""One language's part of the plan: who heard what, in which files, and what is fitted."""

import math
from collections.abc import Mapping, Sequence
from dataclasses import dataclass
from typing import Any, cast

from lateralization.bids import confounds
from lateralization.bids.entities import entities, in_natural_order
from lateralization.bids.heard import Heard, Subject, heard_by_story
from lateralization.bids.runs_table import DataRun
from lateralization.bids.sidecars import Sidecars
from lateralization.bids.timing import Timing, timing
from lateralization.plan import words_plan
from lateralization.plan.context import Context
from lateralization.plan.parameters import FIRST, Parameters
from lateralization.problems import Problems, listed
from lateralization.run_plan import LanguagePlan, Parcel, RunPlan, SubjectPlan
from lateralization.runs import LEAST_HEARERS, label, numbered_keys, repetition_of, story_of
from lateralization.sources import dataset, given_files
from lateralization.sources.bold_headers import (
    check_counts,
    check_headers,
    check_spaces,
    shortest,
)
from lateralization.sources.given_files import Grid
from lateralization.volumes import check_same_grid

MIN_STORIES = 3
"""Stories that a fit needs: one to predict, one to choose the penalty on, one to train on."""


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
    by_story
        Whether runs are those of stories by name, not numbered.
    """

    language: str
    known: list[Subject]
    individuals: list[str]
    average: bool
    group: bool
    by_story: bool

    @property
    def used(self) -> list[Subject]:
        """The subjects whose runs are needed."""
        return [one for one in self.known if self.group or one.subject in self.individuals]


def plan_language(
    language: str, context: Context, *, has_models: bool, has_sound: bool
) -> tuple[LanguagePlan, list[str], list[dict[str, Any]]]:
    """Check what one language needs, and plan it.

    Returns
    -------
    planned
        The language's entry in the plan.
    known
        Ids of all its subjects in the data set, for the check of ``--subjects``.
    rows
        Its part of the plan's ``data_runs``.
    """
    described, spoken = context.described, context.described.languages[language]
    manifest = []  # a data set on disk has its files, whatever its description names
    if context.remote and described.manifest:
        manifest = dataset.read_manifest(described.manifest)
    heard = _heard(manifest, language, context)
    given, grid = _given(language, heard.stories, context)
    listening = _listening(language, heard.subjects, given, context)
    _check_group(listening, given, grid, context)
    _check_numbered(heard, listening, context)
    when = _timing(heard, listening, context)
    annotation = _annotation(manifest, language, heard, context)
    scans = {} if context.remote else _check_local(language, listening, when.tr, context)
    kept = _check_lengths(heard, listening, scans, context)
    columns = _confound_columns(listening, scans, when.tr, context)
    words = {} if context.remote else _words(language, annotation, heard, context)
    durations = _durations(heard, listening, scans, when.tr)
    told = words_plan.told_of(words, when.starts, durations)
    if math.isfinite(when.tr):
        source = annotation["source"] if not annotation.get("stories") else []
        words_plan.check_times(language, "".join(source), told, when.tr, context)
    texts = _texts(manifest, language, heard, context) if has_models else None
    words_plan.check_texts(language, words, texts, context)
    _check_enough(heard, listening, context)
    individuals = listening.individuals
    planned = LanguagePlan(
        language=language,
        name=spoken.name,
        scans=spoken.scans,
        tr=when.tr,
        trim=spoken.trim,
        annotation=annotation,
        prosody=words_plan.plan_prosody(manifest, language, context) if has_sound else None,
        texts=texts,
        corrections=words_plan.plan_corrections(language, annotation, context),
        **given,
        subjects=[
            _subject(one, scans, kept, columns, listening=listening, context=context)
            for one in listening.used
        ],
        average=listening.average,
        stacks=stacks([one.subject for one in listening.known], individuals, context.parameters),
        stories=heard.stories,
        test=heard.test,
        starts=[when.starts[key] for key in heard.stories],
        slice_time=when.slice_time,
        handedness=dataset.count_hands(context.root, [one.subject for one in listening.used]),
    )
    spans = {
        key: round(float(rows["offset"].max() - rows["onset"].min()), 3)
        for key, rows in words.items()
    }
    rows = _data_runs(planned, heard, listening, spans, context)
    return planned, [one.subject for one in listening.known], rows


def _heard(manifest: list[dict[str, Any]], language: str, context: Context) -> Heard:
    """Find out who heard what in a language."""
    described, spoken = context.described, context.described.languages[language]
    if context.remote and (context.launch / described.name).is_dir():
        context.notes.append(
            f"the data set is fetched; for the folder here write --dataset ./{described.name}"
        )
    if spoken.stories is not None:
        return heard_by_story(
            context.folder, spoken, spoken.stories, context.problems, context.notes,
            manifest=manifest if context.remote else None,
        )  # fmt: skip
    if context.remote:
        subjects = dataset.remote_subjects(manifest, language)
    else:
        subjects = dataset.local_subjects(context.root, described, language)
    return Heard(subjects, numbered_keys(described.n_runs))


def _timing(heard: Heard, listening: Listening, context: Context) -> Timing:
    """Return when scans were taken and stories began; what is wrong with it is a problem."""
    spoken = context.described.languages[listening.language]
    tr = math.nan if spoken.tr is None else spoken.tr
    starts = dict.fromkeys(heard.stories, 0.0)
    found = Timing(tr, tr / 2, starts)
    if spoken.stories is not None:
        with context.problems.collect("--dataset"):
            beside = Sidecars(context.folder)
            found = timing(listening.used, spoken, spoken.stories, beside, context.notes)
    return Timing(found.tr, found.slice_time, starts | found.starts)


def _annotation(
    manifest: list[dict[str, Any]], language: str, heard: Heard, context: Context
) -> Parcel:
    """Return where the words of a language come from."""
    own = context.described.languages[language].stories
    if own is None:
        return words_plan.plan_annotation(manifest, language, context)
    return words_plan.plan_words(manifest, own, heard.stories, context)


def _words(language: str, annotation: Parcel, heard: Heard, context: Context) -> Mapping[str, Any]:
    """Read the words of a local data set, story by story."""
    if context.described.languages[language].stories is None:
        return words_plan.read_sections(language, annotation, heard.stories, context)
    return words_plan.read_stories(annotation, heard.stories, heard.known, context)


def _texts(
    manifest: list[dict[str, Any]], language: str, heard: Heard, context: Context
) -> Parcel | None:
    """Return where the texts of a language come from."""
    own = context.described.languages[language].stories
    if own is None:
        return words_plan.plan_texts(language, context)
    return words_plan.plan_story_texts(manifest, own, heard.stories, context)


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
    by_story = context.described.languages[language].stories is not None
    return Listening(language, known, individuals, average, group, by_story)


def _first(language: str, known: list[str], wanted: list[str], problems: Problems) -> list[str]:
    """Return the individuals that ``first:N`` asks for: the first N in natural order."""
    n = max((int(item.removeprefix(FIRST)) for item in wanted if item.startswith(FIRST)), default=0)
    if n > len(known) > 0:
        problems.add(
            f"--subjects: {FIRST}{n} asks for more than the {len(known)} subjects of {language}; "
            "ask for fewer, or write all"
        )
    return in_natural_order(known)[:n]


def _check_group(
    listening: Listening, given: dict[str, Parcel | None], grid: Grid, context: Context
) -> None:
    """Report a group that is too small, or that a given mask does not fit."""
    language, numbered = listening.language, not listening.by_story
    if listening.used:
        _check_mask(grid, context)
    if listening.group and not given["isc"] and len(listening.used) == 1 and numbered:
        context.problems.add(
            f"--dataset: there is one subject of {language}, and the reliability compares halves "
            "of a group; add subjects, or give --mask, --isc and --average_subject"
        )


def _check_numbered(heard: Heard, listening: Listening, context: Context) -> None:
    """Check what names say of numbered runs, and the spaces of runs that are not here yet."""
    if not listening.by_story:
        n_runs = len(heard.stories)
        whole = [one for one in listening.used if len(one.files) == n_runs]
        dataset.check_stories(whole, context.problems)
    if context.remote:
        names = [(name, None) for one in listening.used for name in one.files]
        check_spaces(names, context.problems, context.notes)


def _check_local(
    language: str, listening: Listening, tr: float, context: Context
) -> dict[str, list[int]]:
    """Check what is used of a data set on disk; return the scans of each subject's runs."""
    described, used = context.described, listening.used
    if listening.by_story:
        paths = [path for one in used for path in one.bold]
        dataset.check_content(context.root, paths, context.problems)
    else:
        if listening.group or "all" in context.parameters["subjects"]:
            dataset.check_group(
                context.root, described, language, listening.known, context.problems
            )
        dataset.check_subjects(context.root, described, used, context.problems)
    trim = described.languages[language].trim
    return check_headers(used, context.problems, context.notes, tr=tr, n_trim=trim)


def _note_remote(listening: Listening, context: Context) -> None:
    """Say what of a data set of stories is not known before it is fetched."""
    if context.remote and listening.by_story and listening.used:
        context.notes.append(
            f"{listening.language}: the scans of the runs are not known before they are fetched: "
            "the average is refused then where runs of a story differ in length"
        )


def _check_lengths(
    heard: Heard, listening: Listening, scans: dict[str, list[int]], context: Context
) -> dict[str, int]:
    """Compare the lengths of a run over its hearers; return to what the average cuts it."""
    if not listening.by_story:
        if scans:
            check_counts(scans, listening.group, context.problems, context.notes)
        return {}
    _note_hearers(heard, listening, context)
    _note_remote(listening, context)
    by_key = {
        one.subject: dict(zip(one.keys, scans[one.subject], strict=True))
        for one in listening.used
        if one.subject in scans
    }
    kept = shortest(by_key, listening.group, context.problems, context.notes)
    return kept if listening.group else {}


def _confound_columns(
    listening: Listening, scans: dict[str, list[int]], tr: float, context: Context
) -> dict[str, list[str]]:
    """Check the tables of confounds that are asked for; return path of a run → columns."""
    wanted = [one for one in context.parameters["confounds"] if one != confounds.NONE]
    if not wanted:
        return {}
    if not listening.used:
        context.notes.append(f"{listening.language}: no run is cleaned, so --confounds has no use")
        return {}
    if context.remote or not listening.by_story:
        context.problems.add(
            "--confounds: tables of confounds are known of data sets of stories on disk alone, "
            f"not of {context.described.name}; describe its runs by names or in a runs.tsv "
            "(docs/datasets.md), or leave --confounds out"
        )
        return {}
    runs = []
    for one in listening.used:
        counts: Sequence[int | None] = scans.get(one.subject) or [None] * len(one.heard)
        for run, n_scans in zip(one.heard, counts, strict=True):
            table = context.root / run.confounds if run.confounds else None
            runs.append(confounds.RunTable(run.bold, table, n_scans))
    found = confounds.check_confounds(runs, wanted, tr, context.problems)
    paths = [path for one in listening.used for path in one.files]
    return dict(zip(paths, found, strict=True))


def _note_hearers(heard: Heard, listening: Listening, context: Context) -> None:
    """Say which stories have too few hearers for a reliability."""
    if not listening.group or not heard.stories:
        return
    hearers = {
        key: sum(key in map(story_of, one.keys) for one in listening.used) for key in heard.stories
    }
    few = [f"{label(key)} ({n})" for key, n in hearers.items() if n < LEAST_HEARERS]
    training = [key for key in heard.stories if key not in heard.test]
    if len(few) == len(hearers):
        context.notes.append(
            f"{listening.language}: no story has {LEAST_HEARERS} hearers, so there is no "
            "reliability (and no noise ceiling)"
        )
    elif few and sum(hearers[key] >= LEAST_HEARERS for key in training) < MIN_STORIES:
        context.notes.append(
            f"{listening.language}: no reliability: fewer than {MIN_STORIES} stories that may "
            f"train have {LEAST_HEARERS} hearers ({listed(few)} have fewer)"
        )
    elif few:
        context.notes.append(
            f"{listening.language}: no reliability of {listed(few)}: fewer than {LEAST_HEARERS} "
            "hearers"
        )


def _check_enough(heard: Heard, listening: Listening, context: Context) -> None:
    """Report subjects that are to be fitted alone and heard too few stories, and too few in all."""
    if not listening.by_story or not heard.subjects:
        return
    training = [key for key in heard.stories if key not in heard.test]
    if len(training) < MIN_STORIES:
        context.problems.add(
            f"--dataset: {listening.language} has {len(training)} stories that may train "
            f"({listed(map(label, training))}); {MIN_STORIES} are needed, since each is predicted "
            "from the others: mend stories in dataset.json"
        )
        return
    few = {
        one.subject: len({story_of(key) for key in one.keys}.intersection(training))
        for one in listening.used
        if one.subject in listening.individuals
    }
    said = [f"sub-{name} ({n})" for name, n in few.items() if n < MIN_STORIES]
    if said:
        context.problems.add(
            f"--subjects: {listed(said)} heard fewer than {MIN_STORIES} stories that may train, "
            "and cannot be fitted alone; name the others (they all count in the average), or "
            "leave them out of the data with subjects in dataset.json"
        )


def _durations(
    heard: Heard, listening: Listening, scans: dict[str, list[int]], tr: float
) -> dict[str, dict[str, float]]:
    """Return story → subject → seconds that its shortest run of the story lasts."""
    found: dict[str, dict[str, float]] = {key: {} for key in heard.stories}
    for one in listening.used:
        counts = scans.get(one.subject, [])
        if not listening.by_story and len(counts) != len(heard.stories):
            continue
        for key, count in zip(one.keys, counts, strict=False):
            own = found[story_of(key)]
            own[one.subject] = min(count * tr, own.get(one.subject, math.inf))
    return found


def _data_runs(
    planned: LanguagePlan,
    heard: Heard,
    listening: Listening,
    spans: Mapping[str, float],
    context: Context,
) -> list[dict[str, Any]]:
    """Return a row for every file of a language: what it is used for, or why not."""
    used = {one.subject for one in listening.used}
    scans = {one.subject: [run.scans for run in one.runs] for one in planned.subjects}
    rows = []
    for subject in listening.known:
        counts = scans.get(subject.subject, [None] * len(subject.files))
        for key, path, n_scans in zip(subject.keys, subject.files, counts, strict=False):
            found = entities(path)
            rows.append(
                {
                    "subject": subject.subject,
                    "session": found.get("ses", ""),
                    "story": label(story_of(key)),
                    "repetition": repetition_of(key),
                    "file": path.removeprefix(f"{context.root}/"),
                    "n_scans": n_scans,
                    "tr": planned.tr,
                    "words_seconds": spans.get(story_of(key)),
                    "space": found.get("space", ""),
                    "used": subject.subject in used,
                    "reason": "" if subject.subject in used else "the subject is not asked for",
                }
            )
        for row, run in zip(rows[len(rows) - len(subject.heard) :], subject.heard, strict=True):
            row["session"] = run.session
    return rows + [_unused(row) for row in heard.unused]


def _unused(run: DataRun) -> dict[str, Any]:
    """Return the row of a file that is not used."""
    return {
        "subject": run.subject,
        "session": run.session,
        "story": run.story,
        "repetition": None,
        "file": run.bold,
        "n_scans": None,
        "tr": None,
        "words_seconds": None,
        "space": entities(run.bold).get("space", ""),
        "used": False,
        "reason": run.reason,
    }


def stacks(known: list[str], individuals: list[str], parameters: Parameters) -> list[list[str]]:
    """Group the individual subjects that one ENCODE task fits together.

    A subject's group follows from its place among all subjects of the language, not among those
    asked for: one more subject changes the tasks of its own group and of no other.
    """
    size = parameters["subjects_per_task"]
    groups = (known[start : start + size] for start in range(0, len(known), size))
    chosen = ([subject for subject in group if subject in individuals] for group in groups)
    return [group for group in chosen if group]


def _subject(
    subject: Subject,
    scans: dict[str, list[int]],
    kept: Mapping[str, int],
    columns: Mapping[str, list[str]],
    *,
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
            "n_runs": len(subject.remote),
            "files": [words_plan.remote_file(row, context) for row in subject.remote],
        }
    return SubjectPlan(
        subject=subject.subject,
        remote=remote,
        individual=subject.subject in listening.individuals,
        group=listening.group,
        runs=_runs(subject, scans.get(subject.subject, []), kept, columns, context),
    )


def _runs(
    subject: Subject,
    scans: Sequence[int],
    kept: Mapping[str, int],
    columns: Mapping[str, list[str]],
    context: Context,
) -> list[RunPlan]:
    """Return the entries of a subject's runs.

    Parameters
    ----------
    scans
        Of each run; empty where they are not known.
    kept
        Key of a run → scans that are kept for the average.
    columns
        Path of a run → columns of its table of confounds that are regressed off.
    """
    made = []
    for place, (key, path) in enumerate(zip(subject.keys, subject.files, strict=True)):
        run = subject.heard[place] if subject.heard else None
        table = run.confounds if run is not None and not context.remote else None
        n_scans = scans[place] if scans else None
        longer = n_scans is not None and kept.get(key, n_scans) < n_scans
        made.append(
            RunPlan(
                key,
                run.session if run is not None else "",
                path,
                str(context.root / table) if table else None,
                n_scans,
                kept[key] if longer else None,
                columns.get(path, []),
            )
        )
    return made


def _given(
    language: str, stories: list[str], context: Context
) -> tuple[dict[str, Parcel | None], Grid]:
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
            if stories:
                own = given_files.own_file(kind, path, stories, grid)
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
