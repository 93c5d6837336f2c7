"""A table as the registry describes it, and its columns by their names."""

from collections.abc import Iterable, Mapping
from dataclasses import dataclass, field, replace

from lateralization.tables.registry.columns import COLUMNS, TEXT, Column


@dataclass(frozen=True)
class Table:
    """A table, ``tables/<name>.tsv``.

    Attributes
    ----------
    description
        What it holds; the first line of its data dictionary.
    columns
        Its columns in order.
    empty
        Why it has no rows where it has none, unless the run has a reason of its own.
    section
        Section of the report that shows it; empty: none does.
    title, caption
        What stands above it in the report.
    shown
        Columns that the report shows, in order.
    rows
        Column → value of the rows that the report shows; empty: it shows all.
    """

    name: str
    description: str
    columns: tuple[Column, ...]
    empty: str = ""
    section: str = ""
    title: str = ""
    caption: str = ""
    shown: tuple[str, ...] = ()
    rows: Mapping[str, str] = field(default_factory=dict)

    @property
    def names(self) -> list[str]:
        """Names of the columns in order."""
        return [column.name for column in self.columns]

    @property
    def text(self) -> tuple[str, ...]:
        """Names of the columns of text."""
        return tuple(column.name for column in self.columns if column.type == TEXT)

    @property
    def meanings(self) -> dict[str, str]:
        """Column → meaning."""
        return {column.name: column.meaning for column in self.columns}

    def dictionary(self, n_rows: int, reason: str = "") -> dict[str, object]:
        """Return the data dictionary of a table of ``n_rows`` rows.

        ``reason``: why this run's table is empty, where that is not the usual reason.
        """
        described: dict[str, object] = {"description": self.description, "rows": n_rows}
        if why := (reason or self.empty) if n_rows == 0 else "":
            described["reason"] = why
        return described | {"columns": self.meanings}


def columns_named(names: str, **own: str | Column) -> tuple[Column, ...]:
    """Return columns by their names; ``own``: one that is another, or means more, in this table."""
    columns = {name: COLUMNS[name] for name in names.split()}
    for name, mine in own.items():
        columns[name] = mine if isinstance(mine, Column) else replace(columns[name], meaning=mine)
    return tuple(columns.values())


def names_of(text: str) -> tuple[str, ...]:
    """Return words as a tuple."""
    return tuple(text.split())


def by_name(tables: Iterable[Table]) -> dict[str, Table]:
    """Return tables by their names."""
    return {table.name: table for table in tables}
