"""What is heard, in a language's part of the plan: annotation, prosody, texts, corrections."""

from collections.abc import Mapping, Sequence
from contextlib import suppress
from dataclasses import dataclass
from pathlib import Path
from typing import Any

import pandas as pd

from lateralization.arrays import Floats
from lateralization.baselines.confounds import SOUND, check_table
from lateralization.bids.language import Stories
from lateralization.errors import BadInput
from lateralization.files import digest_of, read_json
from lateralization.fmri.hrf import words_outside
from lateralization.plan.context import Context
from lateralization.problems import listed
from lateralization.run_plan import Parcel
from lateralization.runs import STORY, label, numbered_keys, shown
from lateralization.sources import dataset, given_files
from lateralization.sources.dataset import is_unfetched
from lateralization.sources.description import STUDY
from lateralization.words import stories
from lateralization.words.annotation import TIMED, is_published, read_words, words_of
from lateralization.words.by_story import rows_by_story
from lateralization.words.sources import read_words_table
from lateralization.words.story_check import check_told, odd_words, read_story_files

EARLY = 0.2
"""Share of a run. Times may be minutes where all words end before it, and scans where the last
words end within it before second n of n scans."""

LONG_TR = 1.25
"""Repetition time, s, from which on a run of its length in scans would leave much of it silent."""


@dataclass(frozen=True)
class Told:
    """One story, and the recordings of those who heard it.

    Attributes
    ----------
    key
        Of the story.
    onsets, offsets
        (n_words,), seconds after the first scan.
    durations
        Subject → seconds that its shortest run of the story lasts.
    """

    key: str
    onsets: Floats
    offsets: Floats
    durations: dict[str, float]


def remote_file(row: Mapping[str, Any], context: Context) -> dict[str, Any]:
    """Return what FETCH needs to know of one file of the manifest."""
    urls = dataset.urls(context.described.name, row["path"], context.parameters["data_endpoint"])
    pinned = {name: row[name] for name in dataset.CHECKSUMS if row.get(name)}
    return {"path": row["path"], "bytes": row["bytes"], **pinned, "urls": urls}


def plan_annotation(manifest: list[dict[str, Any]], language: str, context: Context) -> Parcel:
    """Return where the annotation of numbered runs comes from; a local one is checked.

    ``published`` says that it is the study's own, whatever the data set is called: its rows and
    the study's corrections belong together.
    """
    described = context.described
    name = described.languages[language].annotation
    if context.remote:
        return {
            "path": None,
            "source": [],
            "files": _pinned(manifest, [name], context),
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


def plan_words(
    manifest: list[dict[str, Any]], own: Stories, keys: Sequence[str], context: Context
) -> Parcel:
    """Return where the words of stories come from: one file for each story, or one table.

    Parameters
    ----------
    keys
        Of the stories.
    """
    described = context.described
    each = "{story}" in own.words
    pairs = _of_stories(own.words, keys) if each else []
    names = [path for _, path in pairs] if each else [own.words]
    place, files = _source(manifest, names, "words", context)
    return {
        "path": None,
        "source": place,
        "files": files,
        "stories": pairs,
        "columns": described.columns,
        "tier": own.tier,
        "dataset": described.name,
        "version": described.version,
        "published": False,
    }


def plan_story_texts(
    manifest: list[dict[str, Any]], own: Stories, keys: Sequence[str], context: Context
) -> Parcel:
    """Return where the texts of stories come from: their files, or their words."""
    if context.parameters["texts"] is not None:
        context.problems.add(
            "--texts: a data set of stories names its texts itself, with text in dataset.json; "
            "leave --texts out"
        )
    if own.text is None:
        return {**plan_words(manifest, own, keys, context), "joined": True, "password": None}
    pairs = _of_stories(own.text, keys)
    place, files = _source(manifest, [path for _, path in pairs], "text", context)
    return {
        "source": place,
        "files": files,
        "stories": pairs,
        "dataset": context.described.name,
        "version": context.described.version,
        "password": None,
    }


def _of_stories(pattern: str, keys: Sequence[str]) -> list[list[str]]:
    """Return key and path of each story."""
    return [[key, pattern.replace("{story}", label(key))] for key in keys]


def _source(
    manifest: list[dict[str, Any]], names: Sequence[str], what: str, context: Context
) -> tuple[list[str], list[dict[str, Any]]]:
    """Return files of a data set as they are on this machine, or as they are fetched."""
    if context.remote:
        return [], _pinned(manifest, names, context)
    paths = [context.root / name for name in names]
    unfetched = [path for path in paths if is_unfetched(path)]
    missing = [path for path in paths if not path.is_file() and path not in unfetched]
    dataset.check_content(context.root, unfetched, context.problems)
    if missing:
        more = f" ({len(missing)} of {len(paths)} are missing)" if len(paths) > 1 else ""
        context.problems.add(
            f"--dataset: {missing[0]} does not exist{more}; put the {what} of the story there, or "
            "leave the story out (stories in dataset.json)"
        )
    return [str(path) for path in paths], []


def _pinned(
    manifest: list[dict[str, Any]], names: Sequence[str], context: Context
) -> list[dict[str, Any]]:
    """Return files of the manifest; what it does not have is a mistake."""
    by_path = {row["path"]: row for row in manifest}
    missing = [name for name in names if name not in by_path]
    if missing:
        context.problems.add(
            f"--dataset: the manifest does not have {listed(missing, 3)}; make it again with "
            "bin/manifest.py, or mend dataset.json"
        )
    return [remote_file(by_path[name], context) for name in names if name in by_path]


def read_stories(
    parcel: Parcel, keys: Sequence[str], known: Sequence[str], context: Context
) -> dict[str, pd.DataFrame]:
    """Read and check the words of the stories of a local data set.

    Parameters
    ----------
    parcel
        As :func:`plan_words` returns it.
    keys
        Of the stories that are used.
    known
        Names of all stories that have a run, those that are left out too.

    Returns
    -------
    dict
        Key → words (``word``, ``onset``, ``offset``) of what can be read.
    """
    found: dict[str, pd.DataFrame] = {}
    paths, columns = [Path(path) for path in parcel["source"]], parcel["columns"]
    if parcel["stories"] or not paths:
        there = {key: path for key, path in zip(keys, paths, strict=True) if path.is_file()}
        found, notes = read_story_files(there, columns, parcel["tier"], context.problems)
        context.notes.extend(notes)
    else:
        with context.problems.collect("--dataset"):
            found = _read_table(paths[0], keys, known, columns, context)
    if not found:
        return {}
    words = pd.concat(
        [rows.assign(**{STORY: label(key)})[[STORY, *TIMED]] for key, rows in found.items()],
        ignore_index=True,
    )
    spoken: dict[str, pd.DataFrame] = {}
    with context.problems.collect("--dataset"):
        where = context.root / parcel["source"][0] if not parcel["stories"] else "the words"
        checked, report = words_of(words, where, "", None, list(found))
        context.notes.extend(odd_words(checked, report))
        spoken = rows_by_story(checked)
    for key, rows in spoken.items():
        _check_early(rows, shown(key), context)
    return spoken


def _read_table(
    path: Path, keys: Sequence[str], known: Sequence[str], columns: dict[str, str], context: Context
) -> dict[str, pd.DataFrame]:
    """Read one table of words, and compare its stories with those that have runs."""
    if not path.is_file():
        return {}
    table, notes = read_words_table(path, columns)
    context.notes.extend(notes)
    rows = {f"{STORY}-{name}": rows for name, rows in table.groupby(STORY, sort=False)}
    if strange := [label(key) for key in rows if label(key) not in known]:
        raise BadInput(
            f"{path} has words of {listed(strange)}, of which there is no run; mend the names in "
            "its column of stories, or take the rows out"
        )
    if silent := [label(key) for key in keys if key not in rows]:
        raise BadInput(
            f"{path} has no word of {listed(silent)}; add them, or leave the story out (stories in "
            "dataset.json)"
        )
    return {key: rows[key].reset_index(drop=True) for key in keys}


def _check_early(words: pd.DataFrame, where: str, context: Context) -> None:
    """Report words that begin before their story does."""
    early = words[words["onset"] < 0]
    if len(early):
        first = early.iloc[0]
        row = f", row {first['row']}" if "row" in early else ""
        context.problems.add(
            f"--dataset: {where}: {len(early)} words begin before 0 s (first: "
            f"{first['word']!r}{row}); mend their times"
        )


def plan_prosody(manifest: list[dict[str, Any]], language: str, context: Context) -> Parcel | None:
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
        "files": [remote_file(row, context)],
        "columns": columns,
        "dataset": described.name,
        "version": described.version,
    }


def read_sections(
    language: str, annotation: Parcel, keys: Sequence[str], context: Context
) -> dict[str, pd.DataFrame]:
    """Read and check the annotation of the numbered runs of a local data set.

    The rows of the published annotation are what they are, and are not read here.

    Returns
    -------
    dict
        Key → words; empty where they cannot be read.
    """
    path, columns = annotation["path"], context.described.columns
    if path is None or annotation["published"]:
        return {}
    rows: dict[str, pd.DataFrame] = {}
    with context.problems.collect("--dataset"):
        words, report = read_words(path, language, None, keys, columns)
        _check_early(words, path, context)
        context.notes.extend(f"{language}: {path}: {odd}" for odd in odd_words(words, report))
        rows = rows_by_story(words)
    return rows


def told_of(
    words: Mapping[str, pd.DataFrame],
    starts: Mapping[str, float],
    durations: Mapping[str, Mapping[str, float]],
) -> list[Told]:
    """Bring words and recordings together, story by story.

    Parameters
    ----------
    words
        Key of a story → its words.
    starts
        Key → beginning of the story after the first scan, seconds.
    durations
        Key → subject → seconds that its shortest run of the story lasts.
    """
    return [
        Told(
            key,
            rows["onset"].to_numpy(float) + starts[key],
            rows["offset"].to_numpy(float) + starts[key],
            dict(durations[key]),
        )
        for key, rows in words.items()
        if durations.get(key)
    ]


def check_times(
    language: str, source: str, told: Sequence[Told], tr: float, context: Context
) -> None:
    """Compare the words of every story with the scans of all who heard it.

    Parameters
    ----------
    source
        File of the words, for messages; empty: each story has one.
    tr
        Repetition time, seconds.
    """
    for story in told:
        if not _is_on_clock(source, story, context):
            break
    _note_ends(language, source, told, tr, context)


def _is_on_clock(source: str, story: Told, context: Context) -> bool:
    """Refuse words on another clock than the scans of their run, in all subjects or in some."""
    durations, onsets = story.durations, story.onsets
    short = [name for name, seconds in durations.items() if words_outside(onsets, seconds)]
    if short and len(short) == len(durations):
        outside = words_outside(onsets, max(durations.values()))
        context.problems.add(
            f"--dataset: {f'{source}: ' if source else ''}words of {shown(story.key)}: {outside}; "
            "onsets must be seconds from the first scan of their run: mend their unit, or count "
            "each run from 0"
        )
    elif short:
        context.problems.add(
            f"--dataset: {shown(story.key)} of {_people(short)} is too short for its story: of the "
            f"words{f' of {source}' if source else ''} "
            f"{words_outside(onsets, durations[short[0]])}, and in the other subjects most do not; "
            "it is cut off or of another story: mend it, or leave the subject out"
        )
    return not short


def _note_ends(
    language: str, source: str, told: Sequence[Told], tr: float, context: Context
) -> None:
    """Mention words after the last scan, and last words so early that times may not be seconds."""
    ends = {story.key: float(story.offsets.max()) for story in told}
    first = {story.key: next(iter(story.durations.values())) for story in told}
    if told and _other_unit([(ends[key], first[key]) for key in ends], tr):
        key = told[0].key
        context.notes.append(
            f"{language}: {f'{source}: ' if source else ''}the last word of {shown(key)} ends at "
            f"{ends[key]:g} s and the scans at {first[key]:g} s, and so in all runs; are the times "
            "seconds?"
        )
    late = {
        story.key: [name for name, end in story.durations.items() if ends[story.key] > end]
        for story in told
    }
    n_hearers = {story.key: len(story.durations) for story in told}
    if whole := [label(key) for key, names in late.items() if len(names) == n_hearers[key]]:
        kind = told[0].key.split("-", 1)[0]
        context.notes.append(
            f"{language}: words of {kind} {listed(whole)} end after the last scan; what lies after "
            "it is not used"
        )
    context.notes.extend(
        f"{language}: words of {shown(key)} end after the last scan of {_people(names)}, and not "
        "in the other subjects; what lies after it is not used: is the run whole, and of that "
        "story?"
        for key, names in late.items()
        if 0 < len(names) < n_hearers[key]
    )


def _other_unit(pairs: Sequence[tuple[float, float]], tr: float) -> bool:
    """Whether last words end so early in every run that times may be minutes, or scans.

    Parameters
    ----------
    pairs
        Of every run the end of its last word and of its last scan, seconds.
    """
    minutes = all(end < EARLY * duration for end, duration in pairs)
    scans = tr >= LONG_TR and all(
        (1 - EARLY) * duration / tr < end <= duration / tr for end, duration in pairs
    )
    return minutes or scans


def _people(names: Sequence[str]) -> str:
    """Return subjects for a message."""
    return listed(f"sub-{name}" for name in names)


def check_texts(
    language: str, words: Mapping[str, pd.DataFrame], texts: Parcel | None, context: Context
) -> None:
    """Compare a local data set's texts with its words; what cannot be read has been said."""
    if not (texts and texts["source"] and words) or texts.get("joined"):
        return
    sources = [Path(source) for source in texts["source"]]
    told: dict[str, tuple[str, bytes]] = {}
    if pairs := texts.get("stories"):
        for (key, _), path in zip(pairs, sources, strict=True):
            if path.is_file():
                with context.problems.collect("--dataset"):
                    told[key] = (str(path), stories.read_text(path))
        _note_hidden(dict(told.values()), context)
    else:
        with suppress(BadInput, OSError):
            found = stories.texts_from(sources, language, texts["password"], list(words))
            told = dict(zip(words, found.items(), strict=True))
    spoken = {key: words[key] for key in told if key in words}
    if spoken:
        with context.problems.collect("--dataset" if pairs else "--texts"):
            check_told(pd.concat(spoken.values()), {key: told[key] for key in spoken})


def plan_texts(language: str, context: Context) -> Parcel | None:
    """Return where a language's texts come from; local ones are read and checked."""
    if not context.parameters.sound("texts", "texts_password"):
        return None
    given, password = context.parameters["texts"], context.parameters["texts_password"]
    keys = numbered_keys(context.described.n_runs)
    pinned = read_json(context.assets / "texts.json")
    known = pinned["texts"].get(language) if context.described.name == STUDY else None
    if given is None:
        if known is None:
            context.problems.add(
                f"--texts: the study has no texts for {language} of {context.described.name}; give "
                f"a folder with {stories.text_name(language, keys[0])} … {len(keys)}"
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
        _note_hidden(stories.read_text_zip(path, language, password, keys), context)
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
    keys = numbered_keys(context.described.n_runs)
    paths = stories.texts_of_folder(path, language, keys)
    _note_hidden(stories.read_text_files(paths, language, keys), context)
    names = [str(text) for text in paths]
    return {"source": names, "password": None}


def plan_corrections(language: str, annotation: Parcel, context: Context) -> str:
    """Return which corrections are applied: ``ds003643``, ``none`` or a file."""
    if not context.parameters.sound("corrections"):
        return "none"
    wanted = str(context.parameters["corrections"])
    if context.described.languages[language].stories is not None:
        if wanted.lower() not in ("auto", "none"):
            context.problems.add(
                "--corrections: rows of tables of words are mended in the tables of a data set of "
                "stories; leave --corrections out"
            )
        return "none"
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
