"""A user's own features: one file per feature space and language, a row per word or per scan.

``NAME_lang-LANGUAGE_words.tsv`` (or ``_scans``; ``.csv`` and ``.safetensors`` too) is fitted like
a model of that name. Rows of words are convolved with the haemodynamic response like hidden
states; rows of scans (motion, a physiological trace, an acoustic signal at the TR) are taken as
they are. A table is one layer, a safetensors file any number (``run-1/layer-0``, …, or
``story-wheels/layer-0``): the form in which this pipeline publishes activations.
"""

import re
from collections.abc import Callable, Mapping, Sequence
from dataclasses import dataclass, field
from functools import partial
from pathlib import Path
from typing import Any

import numpy as np
import pandas as pd

from lateralization.arrays import Array, Floats
from lateralization.baselines.bookkeeping import (
    is_bookkeeping_name,
    run_columns,
    stepping_columns,
    time_columns,
)
from lateralization.errors import BadInput
from lateralization.files import numbers, read_tensors, read_text_table, tensor_names
from lateralization.problems import Problems, listed
from lateralization.runs import (
    RUN,
    STORY,
    is_numbered,
    label,
    repetition_of,
    run_key,
    shown,
    story_of,
)
from lateralization.words.by_story import rows_by_story

KIND = "features"
"""Kind of such a feature space in the plan and in the tables."""

WORDS, SCANS = "words", "scans"
REPETITION = "repetition"
LABELS = {RUN: (RUN, "word"), STORY: (STORY, REPETITION, "word")}
"""Columns of a table that are no features, where runs are numbered and where they are stories."""

_NAME = re.compile(
    r"(?P<name>.+)_lang-(?P<language>[^_]+)_(?P<rows>words|scans)\.(?P<form>tsv|csv|safetensors)"
)
_TENSOR = re.compile(r"(run-[1-9]\d*|story-[^/]+)/layer-(0|[1-9]\d*)")
_HINT = "NAME_lang-LANGUAGE_words.tsv (or _scans; .csv, .safetensors)"


@dataclass
class Features:
    """One feature space in one language.

    Attributes
    ----------
    rows
        What a row is: ``words`` or ``scans``.
    runs
        Key of a run (of a story: all its repetitions that have no rows of their own) → array of
        shape (n_rows, width) for each layer, in the order of the layers.
    words
        Key → the words that the file says its rows are; empty when it does not say.
    names
        Of the columns; empty when they have none.
    """

    rows: str
    runs: dict[str, list[Array]]
    words: dict[str, list[str]] = field(default_factory=dict)
    names: list[str] = field(default_factory=list)


@dataclass
class FeatureSpace:
    """The files of one feature space: its name, and language → file."""

    name: str
    files: dict[str, Path] = field(default_factory=dict)


def rows_of(path: Path) -> str:
    """Return what a row of a file of features is, by its name: ``words`` or ``scans``."""
    return _parsed(path)["rows"]


def _parsed(path: Path) -> re.Match[str]:
    found = _NAME.fullmatch(path.name)
    if found is None:
        raise BadInput(f"{path} has no name of the form {_HINT}; rename it")
    return found


def find_spaces(folder: Path, languages: Sequence[str], problems: Problems) -> list[FeatureSpace]:
    """List the feature spaces in a folder that have a file in one of the languages.

    Hidden files and texts (``.md``, ``.txt``, ``.json``) are passed over; any other file that has
    not the form of a name, or a space with two files in one language, is a problem.
    """
    spaces: dict[str, FeatureSpace] = {}
    for path in sorted(folder.iterdir()):
        if path.name.startswith(".") or path.suffix in (".md", ".txt", ".json"):
            continue
        found = _NAME.fullmatch(path.name)
        if found is None:
            problems.add(f"--features: {path} has no name of the form {_HINT}; rename or move it")
            continue
        if found["language"] not in languages:
            continue
        space = spaces.setdefault(found["name"], FeatureSpace(found["name"]))
        other = space.files.setdefault(found["language"], path)
        if other != path:
            problems.add(f"--features: {other.name} and {path.name} are one space; leave one out")
    if not spaces and not problems:
        problems.add(
            f"--features: {folder} has no features in {listed(languages)}; name a file {_HINT}"
        )
    return list(spaces.values())


def layers_of(path: Path) -> int:
    """Return the number of layers of a file of features; of a table 1.

    Raises
    ------
    BadInput
        A safetensors file has other tensors than ``RUN/layer-L``, or lacks a layer in some run.
    """
    if path.suffix != ".safetensors":
        return 1
    return _complete(path, [_pair(path, name) for name in tensor_names(path)])


def _pair(path: Path, name: str) -> tuple[str, int]:
    """Return key of the run and layer of a tensor's name."""
    found = _TENSOR.fullmatch(name)
    if found is None:
        raise BadInput(f"{path} has a tensor {name!r}; name tensors run-1/layer-0, run-2/layer-0 …")
    return found[1], int(found[2])


def _complete(path: Path, pairs: Sequence[tuple[str, int]]) -> int:
    """Return the number of layers; every run must have all of them."""
    runs, layers = {run for run, _ in pairs}, {layer for _, layer in pairs}
    wanted = {(run, layer) for run in runs for layer in range(len(layers))}
    missing = sorted(wanted - set(pairs))
    if missing or not pairs:
        run, layer = missing[0] if missing else (f"{RUN}-1", 0)
        raise BadInput(f"{path} has no tensor {run}/layer-{layer}; every run needs every layer")
    return len(layers)


def read_features(path: Path, stories: Sequence[str]) -> Features:
    """Read a file of features.

    Parameters
    ----------
    path : Path
        A table with one column of numbers per feature, and a column ``run`` (1, 2, …), or
        ``story`` and where it matters ``repetition`` (1, 2, …; empty: 1); optionally ``word``. Or
        safetensors with a tensor ``RUN/layer-L`` of shape (n_rows, width) for every run and layer.
    stories : sequence of str
        Keys of the stories, in order; of others that the file has nothing is kept.

    Raises
    ------
    BadInput
        The file cannot be read, lacks a run or has other numbers of runs, no feature, a cell that
        is no finite number, or a column of bookkeeping
        (:mod:`lateralization.baselines.bookkeeping`).
    """
    by_number = is_numbered(stories[0])
    if path.suffix == ".safetensors":
        features = _from_tensors(path)
    else:
        features = _from_table(path, RUN if by_number else STORY)
    place = {story: number for number, story in enumerate(stories)}
    known = sorted(
        (key for key in features.runs if by_number or story_of(key) in place),
        key=lambda key: (place.get(story_of(key), len(place)), repetition_of(key)),
    )
    if by_number and known != list(stories):
        runs = listed(label(run) for run in known)
        raise BadInput(f"{path} has the runs {runs or 'none'}; the story has 1 to {len(stories)}")
    if lacking := [label(story) for story in stories if story not in known]:
        raise BadInput(f"{path} lacks the stories {listed(lacking)}; add their rows")
    features.runs = {key: features.runs[key] for key in known}
    what = "counts its rows or their time (every row of a run adds the same step)"
    _refuse(path, features, stepping_columns, what)
    _refuse(path, features, run_columns, "is the number of the run, or grows evenly with it")
    return features


def _refuse(
    path: Path,
    features: Features,
    find: Callable[[Mapping[str, Array]], list[int]],
    what: str,
) -> None:
    """Refuse features of which a column is found to be bookkeeping by its values."""
    for layer in range(len(next(iter(features.runs.values())))):
        found = find({run: layers[layer] for run, layers in features.runs.items()})
        if found:
            name = features.names[found[0]] if features.names else f"{found[0]} of layer-{layer}"
            raise BadInput(f"{path}: column {name} {what}, which is no feature; remove the column")


def _from_tensors(path: Path) -> Features:
    """Read a safetensors file."""
    tensors = {_pair(path, name): values for name, values in read_tensors(path).items()}
    n_layers = _complete(path, list(tensors))
    runs = sorted({run for run, _ in tensors}, key=_natural)
    for (run, layer), values in tensors.items():
        first = tensors[runs[0], layer]
        where = f"{path}, {run}/layer-{layer}"
        if values.ndim != 2 or not values.size or values.shape[1] != first.shape[1]:
            raise BadInput(
                f"{where} has shape {values.shape}; rows × features are needed, and as many "
                "features in every run"
            )
        if values.dtype.kind not in "fiu" or not np.isfinite(values).all():
            raise BadInput(f"{where} has a value that is no finite number")
        if len(values) != len(tensors[run, 0]):
            raise BadInput(f"{where} has {len(values)} rows, layer 0 {len(tensors[run, 0])}")
    return Features(
        rows_of(path), {run: [tensors[run, layer] for layer in range(n_layers)] for run in runs}
    )


def _natural(key: str) -> tuple[int, str]:
    """Return the place of a run's key among others: run-9 stands before run-10."""
    return len(key) if is_numbered(key) else 0, key


def _from_table(path: Path, column: str) -> Features:
    """Read a TSV or CSV whose rows are told apart by a column, ``run`` or ``story``."""
    table = read_text_table(path, ())
    names = [name for name in table.columns if name not in LABELS[column]]
    keys = _keys(table, column, path) if column in table else np.zeros(len(table))
    if bookkeeping := [
        name for name in names if is_bookkeeping_name(name, partial(_by_run, table[name], keys))
    ]:
        shown = [_shown(name) for name in bookkeeping]
        raise BadInput(
            f"{path} has the columns {listed(shown)}, which say where a row is and are no "
            "features; remove them, or rename one that is meant as a feature"
        )
    if column not in table or not names:
        raise BadInput(
            f"{path} has the columns {listed(table.columns) or 'none'}; needed are {column} and "
            "one column of numbers per feature"
        )
    values = np.column_stack([_numbers(table, name, path) for name in names])
    runs = sorted(set(keys.tolist()), key=_natural)
    spoken = {}
    if "word" in table:
        words = table["word"].to_numpy(object)
        spoken = {run: words[keys == run].tolist() for run in runs}
    return Features(rows_of(path), {run: [values[keys == run]] for run in runs}, spoken, names)


def _keys(table: pd.DataFrame, column: str, path: Path) -> Array:
    """Return the key of every row's run, (n_rows,)."""
    if column == RUN:
        named = [f"{RUN}-{number:g}" for number in _numbers(table, RUN, path)]
    else:
        again = table[REPETITION] if REPETITION in table else pd.Series("", index=table.index)
        times = _numbers(
            again.str.strip().replace(["", "n/a"], "1").to_frame(REPETITION), REPETITION, path
        )
        named = [
            run_key(f"{STORY}-{story.strip()}", int(time))
            for story, time in zip(table[STORY], times, strict=True)
        ]
    return np.array(named, object)


def _by_run(column: "pd.Series[Any]", keys: Array) -> list[Floats]:
    """Return a column's values in each run, NaN for what is not a number."""
    return [numbers(part) for _, part in column.groupby(keys, sort=False)]


def _numbers(table: pd.DataFrame, name: str, path: Path) -> Floats:
    """Return a column of finite numbers."""
    values = numbers(table[name])
    bad = np.flatnonzero(~np.isfinite(values))
    if len(bad):
        cell = table[name].iloc[int(bad[0])]
        raise BadInput(
            f"{path}, line {int(bad[0]) + 2}: {name} is {cell!r}, no finite number"
            + ("" if name in (RUN, REPETITION) else "; a row without a value needs one, 0 perhaps")
        )
    return values


def check_word_rows(path: Path, features: Features, words: pd.DataFrame) -> None:
    """Check that rows of words are the words of the story, in their order.

    Parameters
    ----------
    words : DataFrame
        As :func:`lateralization.words.annotation.read_words` returns it.

    Raises
    ------
    BadInput
        Another number of rows than of words, another word where the file says its words, or a
        column that is their onset or offset.
    """
    rows = rows_by_story(words)
    for run, layers in features.runs.items():
        spoken = rows[story_of(run)]["word"].tolist()
        if len(layers[0]) != len(spoken):
            raise BadInput(
                f"{path}: {shown(run)} has {len(layers[0])} rows, and {len(spoken)} words are "
                "fitted; give one row for each word, in the order of a published _words.tsv"
            )
        pairs = zip(features.words.get(run, []), spoken, strict=False)
        for row, (mine, theirs) in enumerate(pairs, start=1):
            if mine.casefold() != theirs.casefold():
                raise BadInput(
                    f"{path}: row {row} of {shown(run)} is of {mine!r}, and the word there is "
                    f"{theirs!r}; bring the rows into the order of a published _words.tsv"
                )
    for time in ("onset", "offset"):
        seconds = {run: rows[story_of(run)][time].to_numpy(float) for run in features.runs}
        what = f"is the {time} of the words (--baselines word_position fits it)"
        _refuse(path, features, partial(time_columns, times=seconds), what)


def check_scans(path: Path, features: Features, n_scans: Mapping[str, Mapping[str, int]]) -> None:
    """Check that rows of scans are as many as every subject's run has, before trimming.

    Parameters
    ----------
    n_scans
        Subject → key of a run → its scans.

    Raises
    ------
    BadInput
        A subject's run has another number of scans.
    """
    for subject, counts in n_scans.items():
        for run, wanted in counts.items():
            found = len(features.runs.get(run, features.runs[story_of(run)])[0])
            if found != wanted:
                raise BadInput(
                    f"{path}: {shown(run)} has {found} rows, and {wanted} scans in sub-{subject}; "
                    "give one row for each scan, those at the ends too"
                )


def encodable(
    path: Path, words: pd.DataFrame, stories: Sequence[str]
) -> tuple[dict[str, Array], dict[str, Any]]:
    """Read a user's file in the form that ENCODE takes.

    Returns
    -------
    tensors : dict
        ``RUN/layer-L`` → array of shape (n_rows, width).
    report : dict
        What a row is, and the name of the file.

    Raises
    ------
    BadInput
        See :func:`read_features` and :func:`check_word_rows`.
    """
    features = read_features(path, stories)
    if features.rows == WORDS:
        check_word_rows(path, features, words)
    tensors = {
        f"{run}/layer-{layer}": values
        for run, layers in features.runs.items()
        for layer, values in enumerate(layers)
    }
    return tensors, {"rows": features.rows, "file": path.name}


def _shown(name: str) -> str:
    """Return a column's name; pandas makes one up for a column without."""
    return f"{name} (it has no name)" if name.startswith("Unnamed: ") else repr(name)
