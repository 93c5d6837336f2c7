"""A user's own features: one file per feature space and language, a row per word or per scan.

``NAME_lang-LANGUAGE_words.tsv`` (or ``_scans``; ``.csv`` and ``.safetensors`` too) is fitted like
a model of that name. Rows of words are convolved with the haemodynamic response like hidden
states; rows of scans (motion, a physiological trace, an acoustic signal at the TR) are taken as
they are. A table is one layer, a safetensors file any number (``run-1/layer-0``, …): the form in
which this pipeline publishes activations.
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

KIND = "features"
"""Kind of such a feature space in the plan and in the tables."""

WORDS, SCANS = "words", "scans"
LABELS = ("run", "word")
"""Columns of a table that are no features."""

_NAME = re.compile(
    r"(?P<name>.+)_lang-(?P<language>[^_]+)_(?P<rows>words|scans)\.(?P<form>tsv|csv|safetensors)"
)
_TENSOR = re.compile(r"run-([1-9]\d*)/layer-(0|[1-9]\d*)")
_HINT = "NAME_lang-LANGUAGE_words.tsv (or _scans; .csv, .safetensors)"


@dataclass
class Features:
    """One feature space in one language.

    Attributes
    ----------
    rows
        What a row is: ``words`` or ``scans``.
    runs
        Run → array of shape (n_rows, width) for each layer, in the order of the layers.
    words
        Run → the words that the file says its rows are; empty when it does not say.
    names
        Of the columns; empty when they have none.
    """

    rows: str
    runs: dict[int, list[Array]]
    words: dict[int, list[str]] = field(default_factory=dict)
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
        A safetensors file has other tensors than ``run-R/layer-L``, or lacks a layer in some run.
    """
    if path.suffix != ".safetensors":
        return 1
    return _complete(path, [_pair(path, name) for name in tensor_names(path)])


def _pair(path: Path, name: str) -> tuple[int, int]:
    """Return run and layer of a tensor's name."""
    found = _TENSOR.fullmatch(name)
    if found is None:
        raise BadInput(f"{path} has a tensor {name!r}; name tensors run-1/layer-0, run-2/layer-0 …")
    return int(found[1]), int(found[2])


def _complete(path: Path, pairs: Sequence[tuple[int, int]]) -> int:
    """Return the number of layers; every run must have all of them."""
    runs, layers = {run for run, _ in pairs}, {layer for _, layer in pairs}
    wanted = {(run, layer) for run in runs for layer in range(len(layers))}
    missing = sorted(wanted - set(pairs))
    if missing or not pairs:
        run, layer = missing[0] if missing else (1, 0)
        raise BadInput(f"{path} has no tensor run-{run}/layer-{layer}; every run needs every layer")
    return len(layers)


def read_features(path: Path, n_runs: int) -> Features:
    """Read a file of features.

    Parameters
    ----------
    path : Path
        A table with a column ``run`` (1, 2, …), optionally ``word``, and one column of numbers per
        feature; or safetensors with a tensor ``run-R/layer-L`` of shape (n_rows, width) for every
        run and layer.
    n_runs : int
        Runs of the story.

    Raises
    ------
    BadInput
        The file cannot be read, has other runs, no feature, a cell that is no finite number, or a
        column of bookkeeping (:mod:`lateralization.baselines.bookkeeping`).
    """
    features = _from_tensors(path) if path.suffix == ".safetensors" else _from_table(path)
    if sorted(features.runs) != list(range(1, n_runs + 1)):
        raise BadInput(
            f"{path} has the runs {listed(sorted(features.runs)) or 'none'}; the story has 1 to "
            f"{n_runs}"
        )
    what = "counts its rows or their time (every row of a run adds the same step)"
    _refuse(path, features, stepping_columns, what)
    _refuse(path, features, run_columns, "is the number of the run, or grows evenly with it")
    return features


def _refuse(
    path: Path,
    features: Features,
    find: Callable[[Mapping[int, Array]], list[int]],
    what: str,
) -> None:
    """Refuse features of which a column is found to be bookkeeping by its values."""
    for layer in range(len(features.runs[1])):
        found = find({run: layers[layer] for run, layers in features.runs.items()})
        if found:
            name = features.names[found[0]] if features.names else f"{found[0]} of layer-{layer}"
            raise BadInput(f"{path}: column {name} {what}, which is no feature; remove the column")


def _from_tensors(path: Path) -> Features:
    """Read a safetensors file."""
    tensors = {_pair(path, name): values for name, values in read_tensors(path).items()}
    n_layers = _complete(path, list(tensors))
    for (run, layer), values in tensors.items():
        first = tensors.get((1, layer), values)
        where = f"{path}, run-{run}/layer-{layer}"
        if values.ndim != 2 or not values.size or values.shape[1] != first.shape[1]:
            raise BadInput(
                f"{where} has shape {values.shape}; rows × features are needed, and as many "
                "features in every run"
            )
        if values.dtype.kind not in "fiu" or not np.isfinite(values).all():
            raise BadInput(f"{where} has a value that is no finite number")
        if len(values) != len(tensors[run, 0]):
            raise BadInput(f"{where} has {len(values)} rows, layer 0 {len(tensors[run, 0])}")
    runs = sorted({run for run, _ in tensors})
    return Features(
        rows_of(path), {run: [tensors[run, layer] for layer in range(n_layers)] for run in runs}
    )


def _from_table(path: Path) -> Features:
    """Read a TSV or CSV."""
    table = read_text_table(path, ())
    names = [name for name in table.columns if name not in LABELS]
    if bookkeeping := [
        name for name in names if is_bookkeeping_name(name, partial(_by_run, table, name))
    ]:
        shown = [_shown(name) for name in bookkeeping]
        raise BadInput(
            f"{path} has the columns {listed(shown)}, which say where a row is and are no "
            "features; remove them, or rename one that is meant as a feature"
        )
    if "run" not in table or not names:
        raise BadInput(
            f"{path} has the columns {listed(table.columns) or 'none'}; needed are run and one "
            "column of numbers per feature"
        )
    run_of_row = _numbers(table, "run", path)
    values = np.column_stack([_numbers(table, name, path) for name in names])
    runs = sorted(set(run_of_row.tolist()))
    spoken = {}
    if "word" in table:
        words = table["word"].to_numpy(object)
        spoken = {int(run): words[run_of_row == run].tolist() for run in runs}
    return Features(
        rows_of(path),
        {int(run): [values[run_of_row == run]] for run in runs},
        spoken,
        names,
    )


def _by_run(table: pd.DataFrame, name: str) -> list[Floats]:
    """Return a column's values in each run, NaN for what is not a number."""
    runs = table["run"] if "run" in table else np.zeros(len(table))
    return [numbers(part) for _, part in table[name].groupby(runs, sort=False)]


def _numbers(table: pd.DataFrame, name: str, path: Path) -> Floats:
    """Return a column of finite numbers."""
    values = numbers(table[name])
    bad = np.flatnonzero(~np.isfinite(values))
    if len(bad):
        cell = table[name].iloc[int(bad[0])]
        raise BadInput(
            f"{path}, line {int(bad[0]) + 2}: {name} is {cell!r}, no finite number"
            + ("" if name == "run" else "; a row without a value needs one, 0 perhaps")
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
    for run, layers in features.runs.items():
        spoken = words.loc[words["run"] == run, "word"].tolist()
        if len(layers[0]) != len(spoken):
            raise BadInput(
                f"{path}: run {run} has {len(layers[0])} rows, and {len(spoken)} words are "
                "fitted; give one row for each word, in the order of a published _words.tsv"
            )
        pairs = zip(features.words.get(run, []), spoken, strict=False)
        for row, (mine, theirs) in enumerate(pairs, start=1):
            if mine != theirs:
                raise BadInput(
                    f"{path}: row {row} of run {run} is of {mine!r}, and the word there is "
                    f"{theirs!r}; bring the rows into the order of a published _words.tsv"
                )
    for time in ("onset", "offset"):
        seconds = {
            run: words.loc[words["run"] == run, time].to_numpy(float) for run in features.runs
        }
        what = f"is the {time} of the words (--baselines word_position fits it)"
        _refuse(path, features, partial(time_columns, times=seconds), what)


def check_scans(path: Path, features: Features, n_scans: Mapping[str, Sequence[int]]) -> None:
    """Check that rows of scans are as many as every subject's run has, before trimming.

    Raises
    ------
    BadInput
        A subject's run has another number of scans.
    """
    for subject, counts in n_scans.items():
        for run, wanted in enumerate(counts, start=1):
            found = len(features.runs[run][0])
            if found != wanted:
                raise BadInput(
                    f"{path}: run {run} has {found} rows, and {wanted} scans in sub-{subject}; "
                    "give one row for each scan, those at the ends too"
                )


def encodable(
    path: Path, words: pd.DataFrame, n_runs: int
) -> tuple[dict[str, Array], dict[str, Any]]:
    """Read a user's file in the form that ENCODE takes.

    Returns
    -------
    tensors : dict
        ``run-R/layer-L`` → array of shape (n_rows, width).
    report : dict
        What a row is, and the name of the file.

    Raises
    ------
    BadInput
        See :func:`read_features` and :func:`check_word_rows`.
    """
    features = read_features(path, n_runs)
    if features.rows == WORDS:
        check_word_rows(path, features, words)
    tensors = {
        f"run-{run}/layer-{layer}": values
        for run, layers in features.runs.items()
        for layer, values in enumerate(layers)
    }
    return tensors, {"rows": features.rows, "file": path.name}


def _shown(name: str) -> str:
    """Return a column's name; pandas makes one up for a column without."""
    return f"{name} (it has no name)" if name.startswith("Unnamed: ") else repr(name)
