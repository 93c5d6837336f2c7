"""The tables of the report: chosen rows and columns, as plain values for JSON and the page."""

import math
import re
from collections.abc import Mapping
from typing import Any

import pandas as pd
from markupsafe import Markup, escape

from lateralization import wording
from lateralization.tables.registry.table import Table
from lateralization.tables.registry.tables import TABLES, Tables

MAX_ROWS = 400
"""More rows than this are cut in the page; the file in tables/ has them all."""


NAMES = ("model", "parcel", "roi", "predictor", "outcome", "subject", "run", "file")
"""Columns that name what a row is about, the first that a table has: it stays while one scrolls."""

_FILE = re.compile(
    r"\b(?:(?:tables|figures|pipeline_info)/[\w.-]+\.\w+|(?P<table>\w+)\.(?:tsv|safetensors))\b"
)


def linked(text: str) -> Markup:
    """Return a text for the page, with a link on every file of the results that it names."""

    def link(found: re.Match[str]) -> str:
        name, table = found[0], found["table"]
        if table is not None and table not in TABLES:
            return name
        return f'<a href="{name if table is None else f"tables/{name}"}">{name}</a>'

    return Markup(_FILE.sub(link, str(escape(text))))  # noqa: S704 - escaped before


def css(column: Mapping[str, Any]) -> Markup:
    """Return the class attribute of a column's cells; empty where it needs none."""
    names = [name for name, given in (("numeric", "numeric"), ("name", "sticky")) if column[given]]
    return Markup(f' class="{" ".join(names)}"' if names else "")  # noqa: S704 - names of ours


def plain(value: Any) -> Any:
    """Return a table's cell as JSON has it: text, number, or None for an empty cell."""
    if value is None or (isinstance(value, float) and not math.isfinite(value)):
        return None
    if hasattr(value, "item"):
        return plain(value.item())
    return None if value == "" else value


def written(value: Any, column: str) -> str:
    """Write a cell for reading; the value itself stays beside it for sorting and download."""
    if value is None:
        return ""
    if isinstance(value, bool) or not isinstance(value, int | float):
        return str(value)
    if column == "n_parameters":
        return wording.size(float(value))
    if column in ("seed", "layer", "order", "recovered_order"):
        return f"{value:g}"
    return wording.number(float(value))


def chosen_rows(table: pd.DataFrame, where: Mapping[str, str]) -> pd.DataFrame:
    """Choose the rows whose columns have the given values; flags are compared as text."""
    for name, value in where.items():
        table = table[table[name].astype(str) == value]
    return table


def one_table(table: Table, content: pd.DataFrame) -> dict[str, Any] | None:
    """Make the entry of one table; None when none of its rows is shown."""
    rows = chosen_rows(content, table.rows)
    if rows.empty:
        return None
    names = list(table.shown or table.names)
    cells = [[plain(value) for value in row] for row in rows[names].head(MAX_ROWS).to_numpy(object)]
    used = [
        i for i, name in enumerate(names)
        if name in names[:3] or any(row[i] is not None for row in cells)
    ]  # fmt: skip
    name_column = next((name for name in NAMES if name in names), names[0])
    columns = [
        {
            "name": names[i],
            "meaning": table.meanings[names[i]],
            "numeric": all(isinstance(row[i], int | float | None) for row in cells),
            "sticky": names[i] == name_column,
        }
        for i in used
    ]
    return {
        "id": table.name, "section": table.section, "title": table.title,
        "caption": table.caption, "file": f"tables/{table.name}.tsv", "columns": columns,
        "rows": [[row[i] for i in used] for row in cells],
        "n_rows": len(rows), "n_in_file": len(content), "n_columns_in_file": len(table.names),
    }  # fmt: skip


def all_tables(tables: Tables) -> list[dict[str, Any]]:
    """Make the entries of all tables that the report shows and that have rows."""
    entries = [one_table(table, tables[name]) for name, table in TABLES.items() if table.section]
    return [entry for entry in entries if entry is not None]
