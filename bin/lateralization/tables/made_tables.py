"""The tables of LATERALIZE, as the stages read them that draw and tell."""

from pathlib import Path

from lateralization.errors import BadInput
from lateralization.files import read_table
from lateralization.tables.dictionary import TABLES, Tables

TEXT_COLUMNS = (
    "language", "subject", "model", "layer", "region", "hemisphere", "selection", "midline",
    "kind", "family", "outcome", "predictor", "subset", "term", "roi", "quantity", "agrees",
    "source", "revision", "asked_revision", "precision", "mapping", "reason", "ci_kind", "world",
    "signs", "recovered", "parcel", "analysis", "given", "left_out", "path",
    "scale", "voxels", "summary", "runs", "families", "choice", "option",
)  # fmt: skip
NUMBERED = ("layers",)
"""Tables in which ``layer`` is always a number."""


def read_tables(folder: Path) -> Tables:
    """Read all tables of LATERALIZE.

    Raises
    ------
    BadInput
        A table, or a column of one, is missing.
    """
    tables = {}
    for name, table in TABLES.items():
        path = folder / f"{name}.tsv"
        if not path.exists():
            raise BadInput(f"{path} is missing; give the folder that LATERALIZE wrote")
        text = tuple(
            column
            for column in table.columns
            if column in TEXT_COLUMNS and not (column == "layer" and name in NUMBERED)
        )
        tables[name] = read_table(path, text)
        for column in table.columns:
            if column not in tables[name]:
                raise BadInput(
                    f"{path} has no column {column}: another version made it; run LATERALIZE again"
                )
    return tables


def subjects_drawn(tables: Tables) -> list[tuple[str, str]]:
    """One subject per language: the average, or the first individual where there is none."""
    fits = tables["asymmetry"][["language", "subject"]].drop_duplicates()
    drawn = []
    for language, mine in fits.groupby("language"):
        subjects = sorted(mine["subject"])
        drawn.append((str(language), "average" if "average" in subjects else subjects[0]))
    return drawn
