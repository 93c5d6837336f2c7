"""The tables of the report: chosen rows and columns, as plain values for JSON and the page."""

import math
from collections.abc import Sequence
from dataclasses import dataclass
from typing import Any

import pandas as pd

from lateralization import wording
from lateralization.tables.dictionary import COLUMNS, TABLES, Tables
from lateralization.tables.made_tables import PUBLISHED

MAX_ROWS = 400
"""More rows than this are cut in the page; the file in tables/ has them all."""


@dataclass(frozen=True)
class Choice:
    """One table of the page: where it stands, and what of its file is shown."""

    table: str
    section: str
    title: str
    columns: str
    caption: str
    where: dict[str, Any] | None = None


CHOICES = (
    Choice(
        "planted", "trust", "Planted and recovered",
        "language subject model order planted_left_minus_right recovered_left_minus_right "
        "ci_low ci_high recovered_order spearman recovered world",
        "The order of the recovered values should be that of the planted ones.",
    ),
    Choice(
        "published", "trust", "Published and ours",
        "quantity published ours difference tolerance agrees language subject",
        "A difference beyond the tolerance on unchanged data points to another version of data "
        "or models; values read off figures carry the tolerance of the reading.",
    ),
    Choice(
        "failures", "trust", "Fits that failed", "language subject model reason",
        "These were planned and are missing from every table, figure and sentence.",
    ),
    Choice(
        "left_out", "trust", "Voxels left out",
        "language subject model n_voxels n_left_out share reason",
        "A share above a few percent speaks of a field of view that cuts the brain.",
    ),
    Choice(
        "regressions", "size", "Regressions over models",
        "language subject outcome predictor subset n_models r p slope slope_low slope_high "
        "runs_low runs_high layer midline reason",
        "Slopes are per unit of the predictor; ln N rises by 2.3 per tenfold size.",
    ),
    Choice(
        "ols", "size", "Size, depth and width together",
        "language subject outcome term n_models coefficient std_err t p ci_low ci_high r2 reason",
        "Size and width of models go closely together: a single coefficient says little when "
        "its neighbours have wide intervals.",
        PUBLISHED,
    ),
    Choice(
        "asymmetry", "hemispheres", "Left and right of every fit",
        "language subject model kind selection left right left_minus_right ci_low ci_high "
        "ci_kind in_ceiling layer midline n_left n_right",
        "Shown for the published rules of layer and midline; the file has the other rules.",
        PUBLISHED,
    ),
    Choice(
        "scores", "size", "Brain scores",
        "language subject model kind region hemisphere n_voxels mean_r p90_r",
        "Scores at the best layer of each voxel; the file has every layer.",
        PUBLISHED,
    ),
    Choice(
        "layers", "layers", "Best layer of every fit",
        "language subject model layer relative_depth region mean_r left_minus_right ci_low ci_high",
        "The layer with the highest mean over the region.",
        {"is_best": ["True"], "midline": "shared"},
    ),
    Choice(
        "roi", "regions", "Regions of interest",
        "language subject roi n_left n_right n_models left_minus_right r p p_holm slope runs_low "
        "runs_high runs_p runs_p_holm slope_left slope_right slope_t_test_p isc_left isc_right "
        "reason",
        "Every region is tested: the columns named holm are corrected for their number.",
    ),
    Choice(
        "areas", "regions", "Areas of the atlas",
        "language subject parcel n_left n_right isc_left isc_right isc_left_minus_right isc_p "
        "isc_p_holm score_left score_right n_models slope r p p_holm",
        "The t test of the reliability is over voxels, as published; believe the corrected one.",
    ),
    Choice(
        "area_relations", "regions", "Over areas", "language subject quantity n r p slope reason",
        "Whether asymmetry grows where the signal is asymmetric.",
    ),
    Choice(
        "sensitivity", "trust", "Other thresholds",
        "language subject percentile midline n_left n_right n_models left_minus_right r p slope "
        "slope_low slope_high reason",
        "The headline under other reliability cuts and midline rules.",
    ),
    Choice(
        "subjects", "people", "Means over people",
        "language model quantity n_subjects mean ci_low ci_high ci_kind p_sign_flip p_smallest "
        "p_holm reason",
        "Intervals over people; the rows without a model are slopes on ln N.",
        PUBLISHED,
    ),
    Choice(
        "models", "used", "Models and baselines",
        "language model kind family source revision precision mapping alignment_rate "
        "n_parameters n_layers n_hid seed",
        "What was run, at which revision.",
    ),
)  # fmt: skip


def plain(value: Any) -> Any:
    """Return a table's cell as JSON has it: text, number, or None for an empty cell."""
    if value is None or (isinstance(value, float) and not math.isfinite(value)):
        return None
    if hasattr(value, "item"):
        return plain(value.item())
    return None if value == "" else value


def shown(value: Any, column: str) -> str:
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


def chosen_rows(table: pd.DataFrame, where: dict[str, Any] | None) -> pd.DataFrame:
    """Choose rows; flags are compared as text."""
    for name, wanted in (where or {}).items():
        values = wanted if isinstance(wanted, list) else [wanted]
        table = table[table[name].astype(str).isin(values)]
    return table


def one_table(choice: Choice, tables: Tables) -> dict[str, Any] | None:
    """Make the entry of one table; None when it has no rows."""
    rows = chosen_rows(tables[choice.table], choice.where)
    if rows.empty:
        return None
    names = choice.columns.split()
    cells = [[plain(value) for value in row] for row in rows[names].head(MAX_ROWS).to_numpy(object)]
    used = [
        i for i, name in enumerate(names)
        if name in names[:3] or any(row[i] is not None for row in cells)
    ]  # fmt: skip
    meanings = TABLES[choice.table].extra
    columns = [
        {
            "name": names[i],
            "meaning": meanings.get(names[i]) or COLUMNS[names[i]],
            "numeric": all(isinstance(row[i], int | float | None) for row in cells),
        }
        for i in used
    ]
    return {
        "id": choice.table, "section": choice.section, "title": choice.title,
        "caption": choice.caption, "file": f"tables/{choice.table}.tsv", "columns": columns,
        "rows": [[row[i] for i in used] for row in cells],
        "n_rows": len(rows),
    }  # fmt: skip


def all_tables(tables: Tables, choices: Sequence[Choice] = CHOICES) -> list[dict[str, Any]]:
    """Make the entries of all tables that have rows."""
    entries = [one_table(choice, tables) for choice in choices]
    return [entry for entry in entries if entry is not None]
