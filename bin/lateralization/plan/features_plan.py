"""``--features`` in the plan: which feature spaces a folder has, and whether they fit the data."""

from contextlib import suppress
from pathlib import Path

import pandas as pd

from lateralization.baselines import own_features
from lateralization.baselines.confounds import FREQUENCY, confound
from lateralization.baselines.own_features import KIND, SCANS, Features
from lateralization.errors import BadInput
from lateralization.files import measured
from lateralization.plan import catalogue
from lateralization.plan.context import Context
from lateralization.problems import Problems
from lateralization.run_plan import Baseline, LanguagePlan, Parcel
from lateralization.sources.description import STUDY
from lateralization.words.annotation import read_rows, read_words, words_of
from lateralization.words.sources import gather_words, timed

STUDY_CORRECTIONS = "corrections_ds003643.tsv"


def plan_features(folder: Path, languages: list[str], problems: Problems) -> list[Baseline]:
    """Return an entry of the plan for every feature space of a folder; mistakes are noted."""
    if not folder.is_dir():
        problems.add(f"--features: {folder} is no folder; give the folder of your features")
        return []
    found: list[Baseline] = []
    for space in own_features.find_spaces(folder, languages, problems):
        if not catalogue.is_valid_name(space.name):
            problems.add(
                f"--features: {space.name!r} becomes part of file names; use letters a-z, digits "
                "and . _ - only: rename its files"
            )
            continue
        with problems.collect("--features"):
            counts = {own_features.layers_of(path) for path in space.files.values()}
            if len(counts) > 1:
                problems.add(f"--features: {space.name} has {counts} layers in different languages")
            files = {language: str(path) for language, path in space.files.items()}
            found.append(
                Baseline(space.name, KIND, 0, 0, list(files), files=files, n_layers=max(counts))
            )
    return found


def check_features(
    entries: list[Baseline], languages: list[LanguagePlan], context: Context
) -> None:
    """Report features whose rows are not the words, or not the scans, of a local data set."""
    for language in languages:
        for entry in entries:
            path = entry.files.get(language.language)
            if path is None:
                continue
            with context.problems.collect("--features"):
                features = own_features.read_features(Path(path), language.stories)
                _check(Path(path), features, language, context.assets)


def check_frequencies(
    entries: list[Baseline], languages: list[LanguagePlan], context: Context
) -> None:
    """Report word frequencies that are missing: a local annotation's column, or words of a list."""
    entry = next((one for one in entries if one.kind == "word_frequency"), None)
    for language in languages:
        if entry is None or not language.annotation["source"]:
            continue
        given = entry.files.get(language.language)
        option = "--baselines: word_frequency" if given is None else "--word_frequencies"
        with context.problems.collect(option):
            if given is None:
                _check_frequency_column(language.annotation)
            else:
                _note_unknown(Path(given), language, context)


def _check_frequency_column(annotation: Parcel) -> None:
    """Refuse an annotation without frequencies, or with numbers in another notation."""
    columns, path = annotation["columns"], annotation["source"][0]
    table = (
        _rows_of_stories(annotation) if "stories" in annotation else read_rows(Path(path), columns)
    )
    if table is None:
        return
    if FREQUENCY not in table:
        raise BadInput(
            f"{path} has no column {columns.get(FREQUENCY, FREQUENCY)}; give --word_frequencies, "
            "or name the column in dataset.json"
        )
    if not annotation["published"]:
        measured(table[FREQUENCY], path)


def _note_unknown(given: Path, language: LanguagePlan, context: Context) -> None:
    """Mention words of the story that a list of frequencies does not have."""
    words = _words(language, context.assets)
    if words is None:
        return
    unknown = confound("word_frequency", words, given, given)[1]["n_unknown"]
    if unknown:
        context.notes.append(
            f"{language.language}: --word_frequencies: {unknown} of {len(words)} words have no "
            f"frequency in {given.name} and get the mean of the others"
        )


def _check(path: Path, features: Features, language: LanguagePlan, assets: Path) -> None:
    """Compare one file with what is known of the data before anything is fetched."""
    if features.rows == SCANS:
        scans = {
            one.subject: {run.key: run.scans for run in one.runs if run.scans is not None}
            for one in language.subjects
        }
        own_features.check_scans(path, features, scans)
        return
    words = _words(language, assets)
    if words is not None:
        own_features.check_word_rows(path, features, words)


def _words(language: LanguagePlan, assets: Path) -> pd.DataFrame | None:
    """Read the words of a local data set as BASELINES will, with the run's corrections.

    None where they are not here yet, or cannot be read, which has been said of them.
    """
    given, annotation = language.corrections, language.annotation
    if not annotation["source"]:
        return None
    corrections = {"none": None, STUDY: assets / STUDY_CORRECTIONS}.get(given, given)
    code, keys, source = language.language, language.stories, annotation["source"][0]
    if "stories" not in annotation:
        return read_words(source, code, corrections, keys, annotation["columns"])[0]
    rows = _rows_of_stories(annotation)
    return None if rows is None else words_of(rows, source, code, corrections, keys)[0]


def _rows_of_stories(annotation: Parcel) -> pd.DataFrame | None:
    """Return the words of all stories that have a time; None where a file cannot be read."""
    keys = [key for key, _ in annotation["stories"]]
    paths = [Path(path) for path in annotation["source"]]
    with suppress(BadInput):
        return timed(gather_words(paths, keys, annotation["columns"], annotation["tier"]))
    return None
