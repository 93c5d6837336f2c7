"""Read the tables of LATERALIZE, and choose their rows: for FIGURES and REPORT."""

from pathlib import Path
from typing import Any

import numpy as np
import pandas as pd

from lateralization import wording
from lateralization.errors import BadInput
from lateralization.files import read_table
from lateralization.names import LN_N
from lateralization.runs import RUN, STORY
from lateralization.tables.registry.tables import PUBLISHED, TABLES, Tables

NO_RELIABILITY = "no reliability map"
"""Why all is absent that is of reliable voxels, or divided by the reliability."""

WORDS = {
    "whole": "whole brain",
    "reliable": "reliable voxels",
    "whole_p90": "90th percentile of the whole brain",
    "reliable_iscnorm": "reliable voxels, divided by the reliability",
    "whole_paired": "whole brain, voxel against mirror image",
    "reliable_paired": "reliable pairs of voxels",
    "cerebellum": "cerebellum",
}


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
        tables[name] = read_table(path, table.text)
        for column in table.names:
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


def runs_counted(tables: Tables, language: str, n: int, numbered: str = RUN) -> str:
    """Write how many runs: ``9 runs`` where they have numbers, ``6 stories`` where they have names.

    ``numbered``: the noun for numbered runs.
    """
    return wording.plural(n, STORY if has_stories(tables, language) else numbered)


def has_stories(tables: Tables, language: str) -> bool:
    """Tell whether the runs of a language have names: those of stories."""
    labels = of(tables["claim_runs"], language=language)["run"].astype(str)
    return not labels.str.fullmatch(r"\d+").all()


class TooFewError(Exception):
    """The tables hold too little for a figure; the message says what is missing."""


def of(table: pd.DataFrame, **where: Any) -> pd.DataFrame:
    """Choose the rows whose columns have the given values."""
    chosen = pd.Series(True, index=table.index)
    for name, value in where.items():
        column = table[name]
        chosen &= column.isin(value) if isinstance(value, list | tuple) else column == value
    return table[chosen]


def need(table: pd.DataFrame, n: int, what: str) -> pd.DataFrame:
    """Return the table, or say what is missing when it has fewer than ``n`` rows.

    Raises
    ------
    TooFewError
        Fewer rows than needed.
    """
    if len(table) < n:
        few = f"only {len(table)} of the {n} {what} that are needed"
        raise TooFewError(few if len(table) else f"no {what}")
    return table


def with_numbers(rows: pd.DataFrame, column: str, what: str, n: int = 1) -> pd.DataFrame:
    """Return the rows whose number is known, or say with the table's own reason why they are few.

    Raises
    ------
    TooFewError
        Fewer than ``n`` rows have a number; the column ``reason`` says of the others why.
    """
    found = rows[np.isfinite(rows[column].astype(float))]
    try:
        return need(found, n, what)
    except TooFewError as few:
        missing = rows.drop(found.index)["reason"].dropna().astype(str)
        reasons = "; ".join(text for text in missing.unique() if text)
        raise TooFewError(f"{few}: {reasons}" if reasons else str(few)) from None


def selection_of(tables: Tables, language: str, subject: str) -> str:
    """Reliable voxels where the subject has some, else the whole brain."""
    mine = of(tables["asymmetry"], language=language, subject=subject)
    return "reliable" if (mine["selection"] == "reliable").any() else "whole"


def need_selection(tables: Tables, language: str, subject: str, selection: str) -> None:
    """Say why a selection of voxels is absent where that is for want of a map, not of models.

    Raises
    ------
    TooFewError
        It is of reliable voxels without a reliability, or of pairs where the mask has none.
    """
    known = set(of(tables["asymmetry"], language=language, subject=subject)["selection"])
    if selection.startswith("reliable") and "reliable" not in known:
        raise TooFewError(NO_RELIABILITY)
    if selection.endswith("_paired") and selection not in known:
        raise TooFewError("the mask is not mirror-symmetric")


def models_of(tables: Tables, language: str, subject: str, selection: str) -> pd.DataFrame:
    """Asymmetries of the trained models with a known size, as published, in order of size."""
    rows = of(
        tables["asymmetry"], language=language, subject=subject, selection=selection,
        kind="model", layer="best_voxel", midline=midline_of(selection),
    )  # fmt: skip
    return rows[rows["n_parameters"] > 0].sort_values("n_parameters")


def midline_of(selection: str) -> str:
    """Pairs of voxels leave the midline out; everything else shares it, as published."""
    return "strict" if selection.endswith("_paired") else "shared"


def regression(tables: Tables, outcome: str, **where: Any) -> pd.Series | None:
    """Row of a regression on ln N over all models; None when it is not in the table."""
    wanted = {"predictor": LN_N, "subset": "all", **PUBLISHED, **where}
    rows = of(tables["regressions"], outcome=outcome, **wanted)
    return rows.iloc[0] if len(rows) == 1 else None
