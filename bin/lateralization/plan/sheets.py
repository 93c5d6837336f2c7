"""Model sheets: a CSV with one model per row."""

import csv
import difflib
import io
import math
from dataclasses import dataclass, field, replace
from pathlib import Path

from lateralization.errors import BadInput
from lateralization.files import OTHER_NOTATION, decode_table, other_separator
from lateralization.problems import Problems, listed, nearest

WHOLE = ("seed", "n_parameters", "n_layers", "n_hid")
TEXT = ("model", "source", "revision", "family")
KNOWN = (*TEXT, *WHOLE, "ppl", "hellaswag")

MISSPELT = 0.82
"""Likeness from which a column is taken for a misspelt one of ``TEXT`` and ``WHOLE``: sources,
n_layer. Further measures may be called like those that are there (hellaswag_0shot)."""


@dataclass
class Row:
    """One model as it was asked for; ``None`` is an empty cell.

    ``where`` says which row of which sheet, or which parameter, for messages; ``folder`` is the
    sheet's, None when the model was named on the command line.
    """

    model: str
    where: str
    folder: Path | None = None
    source: str | None = None
    revision: str | None = None
    family: str | None = None
    seed: int | None = None
    n_parameters: int | None = None
    n_layers: int | None = None
    n_hid: int | None = None
    predictors: dict[str, float] = field(default_factory=dict)


def read_sheet(path: Path, problems: Problems, notes: list[str]) -> list[Row]:
    """Read and check a model sheet.

    Parameters
    ----------
    path
        The CSV; UTF-8, columns separated by commas, in any order.
    problems
        Gathers the mistakes: no ``model`` column, a cell that is no number, a name twice.
    notes
        Gathers what the user should know (columns of text, which are left out).

    Returns
    -------
    list of Row
        The rows that can be used.
    """
    try:
        text = decode_table(path.read_bytes(), f"the sheet {path}")
        if other := other_separator(text, ",", ["model"]):
            raise BadInput(f"the sheet {path} {other}")
        lines = list(csv.reader(io.StringIO(text, newline=""), strict=True))
    except FileNotFoundError:
        problems.add(f"--models: the sheet {path} does not exist; check the path")
        return []
    except BadInput as error:
        problems.add(f"--models: {error}")
        return []
    except (OSError, csv.Error) as error:
        problems.add(f"--models: cannot read the sheet {path} ({error}); save it as CSV in UTF-8")
        return []
    filled = [(i, [cell.strip() for cell in line]) for i, line in enumerate(lines, 1) if any(line)]
    if not filled:
        problems.add(f"--models: the sheet {path} is empty; give a header and one row per model")
        return []
    header = filled[0][1]
    if not _check_header(header, path, problems):
        return []
    if len(filled) == 1:
        problems.add(f"--models: the sheet {path} has a header and no models; add one row each")
    texts = _text_columns(header, [cells for _, cells in filled[1:]])
    if texts:
        notes.append(f"{path.name}: columns of text are no predictors: {listed(texts)}")
    rows = [
        _row(header, texts, cells, f"{path}, line {line}", problems) for line, cells in filled[1:]
    ]
    found = [replace(row, folder=path.parent) for row in rows if row]
    return _without_duplicates(found, path, problems)


def _check_header(header: list[str], path: Path, problems: Problems) -> bool:
    """Check the sheet's column names."""
    if "model" not in header:
        best = nearest("model", [name for name in header if name], 1)
        hint = f"; rename {best[0]}" if best else "; add it"
        problems.add(f"--models: the sheet {path} has no column named model{hint}")
        return False
    for name in header:
        meant = _meant(name)
        if meant and meant not in header:
            problems.add(
                f"--models: the sheet {path} has a column {name}, which would be a predictor of "
                f"that name; rename it {meant}, or call the predictor something else"
            )
            return False
    twice = sorted({name for name in header if name and header.count(name) > 1})
    if twice:
        problems.add(f"--models: the sheet {path} has two columns {twice[0]}; keep one")
    return not twice


def _meant(name: str) -> str | None:
    """Return the known column that a further column's name is a misspelling of."""
    if name in KNOWN or not name:
        return None
    plain = name.lower().replace(" ", "_")
    near = difflib.get_close_matches(plain, (*TEXT, *WHOLE), n=1, cutoff=MISSPELT)
    return plain if plain in KNOWN else near[0] if near else None


def _number(cell: str) -> float | None:
    """Return a finite number, or None."""
    try:
        number = float(cell)
    except ValueError:
        return None
    return number if math.isfinite(number) else None


def _text_columns(header: list[str], rows: list[list[str]]) -> list[str]:
    """Return the further columns in which no cell is a number, in whatever notation."""
    found = []
    for position, name in enumerate(header):
        cells = [row[position] for row in rows if position < len(row) and row[position]]
        numeric = any(_number(cell) is not None or OTHER_NOTATION.fullmatch(cell) for cell in cells)
        if name and name not in KNOWN and cells and not numeric:
            found.append(name)
    return found


def _row(
    header: list[str], texts: list[str], cells: list[str], where: str, problems: Problems
) -> Row | None:
    """Check one row; None when it cannot be used."""
    if len(cells) > len(header) and any(cells[len(header) :]):
        problems.add(
            f"--models: {where} has {len(cells)} cells and the header {len(header)}; "
            "quote a cell that has a comma in it"
        )
        return None
    filled = {name: cell for name, cell in zip(header, cells, strict=False) if name and cell != ""}
    if "model" not in filled:
        problems.add(f"--models: {where} has no name in the column model; give one")
        return None
    row = Row(filled["model"], where)
    for name, cell in filled.items():
        if name in TEXT:
            setattr(row, name, cell)
        elif name not in texts:
            _set_number(row, name, cell, problems)
    return row


def _set_number(row: Row, name: str, cell: str, problems: Problems) -> None:
    """Put one numeric cell into its row."""
    number = _number(cell)
    whole = name in WHOLE
    smallest = 0 if name == "seed" else 1
    if number is None or (whole and (number != int(number) or number < smallest)):
        kind = f"a whole number from {smallest} on" if whole else "a number"
        problems.add(
            f"--models: {row.where}: {name} of {row.model} is {cell!r}; give {kind} or leave it "
            "empty"
        )
    elif whole:
        setattr(row, name, int(number))
    else:
        row.predictors[name] = number


def _without_duplicates(rows: list[Row], path: Path, problems: Problems) -> list[Row]:
    """Report models that are in the sheet twice; the first row is kept."""
    first: dict[str, Row] = {}
    for row in rows:
        if row.model in first:
            problems.add(
                f"--models: the sheet {path} has {row.model} twice ({first[row.model].where} and "
                f"{row.where}); keep one, or give the second another name "
                f"(such as {row.model}_untrained_seed1)"
            )
        first.setdefault(row.model, row)
    return list(first.values())
