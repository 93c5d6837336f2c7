"""``--features`` in the plan: which feature spaces a folder has, and whether they fit the data."""

from pathlib import Path
from typing import Any

import pandas as pd

from lateralization.baselines import own_features
from lateralization.baselines.confounds import FREQUENCY
from lateralization.baselines.own_features import KIND, SCANS, Features
from lateralization.errors import BadInput
from lateralization.files import measured
from lateralization.plan import catalogue
from lateralization.plan.catalogue import Baseline
from lateralization.plan.language_plan import Site
from lateralization.problems import Problems
from lateralization.sources.description import STUDY
from lateralization.words.annotation import read_rows, read_words

STUDY_CORRECTIONS = "corrections_ds003643.tsv"


def plan_features(folder: Path, languages: list[str], problems: Problems) -> list[Baseline]:
    """Return an entry of the plan for every feature space of a folder; mistakes are noted."""
    if not folder.is_dir():
        problems.add(f"--features: {folder} is no folder; give the folder of your features")
        return []
    found = []
    for space in own_features.find_spaces(folder, languages, problems):
        if not catalogue.is_valid_name(space.name):
            problems.add(
                f"--features: {space.name!r} becomes part of file names; use letters a-z, digits "
                "and . _ - only: rename its files"
            )
            continue
        try:
            counts = {own_features.layers_of(path) for path in space.files.values()}
        except BadInput as error:
            problems.add(f"--features: {error}")
            continue
        if len(counts) > 1:
            problems.add(f"--features: {space.name} has {counts} layers in different languages")
        files = {language: str(path) for language, path in space.files.items()}
        found.append(
            Baseline(space.name, KIND, 0, 0, list(files), files=files, n_layers=max(counts))
        )
    return found


def check_features(entries: list[Baseline], languages: list[dict[str, Any]], site: Site) -> None:
    """Report features whose rows are not the words, or not the scans, of a local data set."""
    for language in languages:
        for entry in entries:
            path = entry.files.get(language["language"])
            if path is None:
                continue
            try:
                features = own_features.read_features(Path(path), language["n_runs"])
                _check(Path(path), features, language, site.assets)
            except BadInput as error:
                site.problems.add(f"--features: {error}")


def check_frequencies(entries: list[Baseline], languages: list[dict[str, Any]], site: Site) -> None:
    """Report local annotations without the column of word frequencies that a baseline needs."""
    for language in languages:
        path, columns = language["annotation"]["path"], language["annotation"]["columns"]
        needed = any(
            one.kind == "word_frequency" and language["language"] not in one.files
            for one in entries
        )
        if path is None or not needed:
            continue
        try:
            table = read_rows(Path(path), columns)
            if FREQUENCY not in table:
                raise BadInput(
                    f"{path} has no column {columns.get(FREQUENCY, FREQUENCY)}; give "
                    "--word_frequencies, or name the column in dataset.json"
                )
            if not language["annotation"]["published"]:
                measured(table[FREQUENCY], path)
        except BadInput as error:
            site.problems.add(f"--baselines: word_frequency: {error}")


def _check(path: Path, features: Features, language: dict[str, Any], assets: Path) -> None:
    """Compare one file with what is known of the data before anything is fetched."""
    if features.rows == SCANS:
        own_features.check_scans(path, features, language["n_scans"], language["tr"])
        return
    if language["annotation"]["path"] is not None:
        own_features.check_words(path, features, _words(language, assets))


def _words(language: dict[str, Any], assets: Path) -> pd.DataFrame:
    """Read the words of a local annotation as BASELINES will, with the run's corrections."""
    entry, fixes = language["annotation"], language["corrections"]
    path = {"none": None, STUDY: assets / STUDY_CORRECTIONS}.get(fixes, fixes)
    words, _ = read_words(
        entry["path"], language["language"], path, language["n_runs"], entry["columns"]
    )
    return words
