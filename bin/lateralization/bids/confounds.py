"""Tables of confounds (``_desc-confounds_timeseries.tsv``): which columns are regressed off a run.

Choices have the names of the strategies of nilearn's ``load_confounds``, whose columns they are.
Its cosines are not taken: they are the slow waves that the high-pass filter takes off anyway.
"""

import math
import re
from collections import defaultdict
from collections.abc import Sequence
from dataclasses import dataclass
from pathlib import Path

import numpy as np

from lateralization.arrays import Floats
from lateralization.errors import BadInput
from lateralization.files import read_json, read_text_table
from lateralization.problems import Problems, listed
from lateralization.study import HIGH_PASS_HZ, MIN_SCANS

NONE, COMPCOR = "none", "compcor"
MOTION = ("trans_x", "trans_y", "trans_z", "rot_x", "rot_y", "rot_z")
EXPANSION = ("", "_derivative1", "_power2", "_derivative1_power2")
CHOICES = {
    "motion": MOTION,
    "motion24": tuple(f"{name}{ending}" for name in MOTION for ending in EXPANSION),
    "motion+wm_csf": (*MOTION, "csf", "white_matter"),
}
"""Choice → its columns; those of ``compcor`` are in the table's sidecar."""

COMPONENT = re.compile(r"a_comp_cor_\d+")
LEAVE_OUT = "or leave it out of --confounds"


@dataclass(frozen=True)
class RunTable:
    """A run and its table of confounds.

    Attributes
    ----------
    bold
        The run, for messages.
    table
        None: there is none.
    scans
        Of the run; None where they are not known.
    """

    bold: str
    table: Path | None
    scans: int | None


def read_confounds(path: Path, columns: Sequence[str]) -> Floats:
    """Read columns of a table of confounds, (scans, columns).

    A derivative has no value in the first scan: it gets that of the second, as nilearn's
    ``load_confounds`` has it.

    Raises
    ------
    BadInput
        The table cannot be read, lacks a column, or has a cell that is no number.
    """
    import pandas as pd

    if not path.is_file():
        raise BadInput(f"{path} does not exist here; fetch it, or leave --confounds out")
    table = read_text_table(path, columns, strict=False)
    lacking = [name for name in columns if name not in table]
    if lacking:
        raise BadInput(f"{path}; no column {listed(lacking, 4)}: mend the table, {LEAVE_OUT}")
    cells = table[list(columns)]
    values: Floats = cells.apply(pd.to_numeric, errors="coerce").to_numpy(np.float64, copy=True)
    if len(values) > 1:
        values[0] = np.where(np.isnan(values[0]), values[1], values[0])
    wrong = np.argwhere(~np.isfinite(values))
    if len(wrong):
        row, column = wrong[0]
        raise BadInput(
            f"{path}: {columns[column]} is {cells.iat[row, column]!r} in row {row + 1}, no number; "
            f"mend the table, {LEAVE_OUT}"
        )
    return values


def chosen_columns(path: Path, wanted: Sequence[str]) -> list[str]:
    """Return the columns of a table that a choice stands for.

    Parameters
    ----------
    path
        The table.
    wanted
        Choices and names of columns.

    Raises
    ------
    BadInput
        The sidecar of the table tells no components of CompCor.
    """
    found: list[str] = []
    for name in wanted:
        found += _components(path) if name == COMPCOR else CHOICES.get(name, (name,))
    return list(dict.fromkeys(found))


def _components(path: Path) -> list[str]:
    """Return the components of CompCor of the combined mask that fMRIPrep retained."""
    beside = path.with_suffix(".json")
    told = read_json(beside) if beside.is_file() else {}
    found = [
        name
        for name, entry in told.items()
        if COMPONENT.fullmatch(name) and entry.get("Mask") == "combined"
    ]
    if not found:
        raise BadInput(
            f"{beside} tells no component of the combined mask (a_comp_cor_00 …); put the sidecar "
            "of fMRIPrep beside its table, or name the columns in --confounds"
        )
    return sorted(found)


def degrees_of_freedom(scans: int, tr: float, n_confounds: int) -> int:
    """Count what a run of some scans (``tr`` s each) has left.

    Mean, trend, confounds and the filter are taken off; the filter costs as many as there are
    cosines below its cut-off (the rule of nilearn's and SPM's cosine filters).
    """
    return scans - 2 - int(2 * scans * tr * HIGH_PASS_HZ) - n_confounds


def check_confounds(
    runs: Sequence[RunTable], wanted: Sequence[str], tr: float, problems: Problems
) -> list[list[str]]:
    """Check the tables of all runs; what several have in common is one problem.

    Parameters
    ----------
    runs
        Those that are used.
    wanted
        See :func:`chosen_columns`.
    tr
        Repetition time, seconds.

    Returns
    -------
    list of lists of str
        Columns that are regressed off each run; none where something is wrong with it.
    """
    faults: dict[str, list[str]] = defaultdict(list)
    found = []
    for run in runs:
        try:
            found.append(_columns_of(run, wanted, tr))
        except BadInput as error:
            what, _, mend = str(error).rpartition("; ")
            faults[mend].append(what)
            found.append([])
    for mend, wrong in faults.items():
        problems.add(f"--confounds: {listed(wrong, 4)}; {mend}")
    return found


def _columns_of(run: RunTable, wanted: Sequence[str], tr: float) -> list[str]:
    """Check the table of one run; return its columns."""
    if run.table is None:
        raise BadInput(
            f"{run.bold} has no table of confounds; put fMRIPrep's "
            "(_desc-confounds_timeseries.tsv) beside the run, or name it in the column confounds "
            "of runs.tsv"
        )
    columns = chosen_columns(run.table, wanted)
    n_rows = len(read_confounds(run.table, columns))
    if run.scans is None or math.isnan(tr):
        return columns
    if n_rows != run.scans:
        raise BadInput(
            f"{run.table} has {n_rows} rows and the run {run.scans} scans; a table has a row for "
            "each scan: find out which of both is of another run"
        )
    left = degrees_of_freedom(run.scans, tr, len(columns))
    if left < MIN_SCANS:
        raise BadInput(
            f"{run.bold} has {run.scans} scans, of which filter and {len(columns)} confounds leave "
            f"{left} degrees of freedom; {MIN_SCANS} are needed: choose fewer --confounds"
        )
    return columns
