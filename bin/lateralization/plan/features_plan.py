"""``--features`` in the plan: which feature spaces a folder has, and whether they fit the data."""

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
from lateralization.words.annotation import read_rows, read_words

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
        path = language.annotation["path"]
        if entry is None or path is None:
            continue
        given = entry.files.get(language.language)
        option = "--baselines: word_frequency" if given is None else "--word_frequencies"
        with context.problems.collect(option):
            if given is None:
                _check_frequency_column(path, language.annotation)
            else:
                _note_unknown(Path(given), path, language, context)


def _check_frequency_column(path: str, annotation: Parcel) -> None:
    """Refuse an annotation without frequencies, or with numbers in another notation."""
    columns = annotation["columns"]
    table = read_rows(Path(path), columns)
    if FREQUENCY not in table:
        raise BadInput(
            f"{path} has no column {columns.get(FREQUENCY, FREQUENCY)}; give --word_frequencies, "
            "or name the column in dataset.json"
        )
    if not annotation["published"]:
        measured(table[FREQUENCY], path)


def _note_unknown(given: Path, path: str, language: LanguagePlan, context: Context) -> None:
    """Mention words of the story that a list of frequencies does not have."""
    words = _words(path, language, context.assets)
    unknown = confound("word_frequency", words, Path(path), given)[1]["n_unknown"]
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
    annotation = language.annotation["path"]
    if annotation is not None:
        own_features.check_word_rows(path, features, _words(annotation, language, assets))


def _words(path: str, language: LanguagePlan, assets: Path) -> pd.DataFrame:
    """Read the words of a local annotation as BASELINES will, with the run's corrections."""
    given, columns = language.corrections, language.annotation["columns"]
    corrections = {"none": None, STUDY: assets / STUDY_CORRECTIONS}.get(given, given)
    words, _ = read_words(path, language.language, corrections, language.stories, columns)
    return words
