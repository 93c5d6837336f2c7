"""The published values beside this run's, where this run is of the study's data."""

from collections.abc import Iterator

import numpy as np
import pandas as pd

from lateralization.arrays import Row
from lateralization.names import AVERAGE
from lateralization.run_plan import Plan
from lateralization.statistics.asymmetry import BEST_VOXEL, SHARED, STRICT, WHOLE, regions
from lateralization.tables.fits import Space
from lateralization.tables.registry.tables import Tables

MODEL_COLUMNS = {
    "score_whole": ("scores", {"region": "whole"}),
    "score_reliable": ("scores", {"region": "reliable"}),
    "l_minus_r_whole": ("asymmetry", {"selection": "whole"}),
    "l_minus_r_reliable": ("asymmetry", {"selection": "reliable"}),
    "l_minus_r_whole_p90": ("asymmetry", {"selection": "whole_p90"}),
    "l_minus_r_reliable_iscnorm": ("asymmetry", {"selection": "reliable_iscnorm"}),
    "p90_whole": ("scores", {"region": "whole"}),
}
"""Published per-model column → table and rows that hold ours."""


def applies(plan: Plan, spaces: dict[tuple[str, str], Space], published: Row) -> str:
    """Say why the published values cannot be compared with; empty when they can.

    They apply to the study's own data: the data set was fetched, or the group mask has the
    published number of voxels, and nothing was simulated.
    """
    if plan.truth is not None:
        return "the data are simulated"
    if plan.parameters["dataset"] == "ds003643":
        return ""
    for (language, subject), space in spaces.items():
        known = published.get("languages", {}).get(language, {}).get("n_voxels", [None])[0]
        if subject == AVERAGE and space.brain.n_voxels == known:
            return ""
    return "the data are not the study's (ds003643)"


def _row(place: tuple[str, str], quantity: str, published: tuple[float, float], ours: float) -> Row:
    """Compare one value; ``published`` is the value and its tolerance."""
    value, tolerance = published
    difference = ours - value
    return {
        "quantity": quantity,
        "published": value,
        "ours": ours,
        "difference": difference,
        "tolerance": tolerance,
        "agrees": "yes" if abs(difference) <= tolerance else "no",
        "language": place[0],
        "subject": place[1],
    }


def brain_rows(language: str, space: Space, published: Row) -> Iterator[Row]:
    """Compare the mask, the reliability and the ROI sizes, which need no model."""
    isc, reliable = space.brain.isc, space.brain.reliable
    left, right = space.brain.halves[SHARED]
    ours: dict[str, float] = {"n_voxels": space.brain.n_voxels}
    if isc is not None and reliable is not None:
        ours |= {
            "n_reliable": int(reliable.sum()),
            "n_reliable_left": int((reliable & left).sum()),
            "n_reliable_right": int((reliable & right).sum()),
            "isc_p75": float(np.nanpercentile(isc, 75)),
            "isc_max": float(np.nanmax(isc)),
            "isc_mean": float(np.nanmean(isc)),
        }
        for region in regions(space.brain):
            name = region.midline if region.midline == STRICT else region.name
            if region.name != WHOLE and region.midline == STRICT:
                continue
            if region.left.any() and region.right.any():
                ours[f"isc_{name}_left"] = float(np.nanmean(isc[region.left]))
                ours[f"isc_{name}_right"] = float(np.nanmean(isc[region.right]))
    for name, (roi_left, _) in (space.brain.rois or {}).items():
        ours[f"roi_n_voxels_{name}"] = int(roi_left.sum())
    for name, (value, tolerance) in published.items():
        if name in ours:
            yield _row((language, AVERAGE), name, (value, tolerance), ours[name])


def _one(table: pd.DataFrame, where: Row, column: str) -> float:
    """Give the cell of the single row that fits ``where``; NaN when there is none."""
    chosen = pd.Series(True, index=table.index)
    for name, value in where.items():
        chosen &= table[name] == value
    found = table.loc[chosen, column]
    return float(found.iloc[0]) if len(found) == 1 and pd.notna(found.iloc[0]) else np.nan


def published_model_rows(tables: Tables, published: Row) -> Iterator[Row]:
    """Compare scores and asymmetries model by model."""
    for group in published.get("models", []):
        where = {"language": group["language"], "layer": BEST_VOXEL, "midline": SHARED}
        for name, cells in group["values"].items():
            for column, value in cells.items():
                if column not in MODEL_COLUMNS or value is None:
                    continue
                table, extra = MODEL_COLUMNS[column]
                place = where | extra | {"model": name, "subject": group["subject"]}
                if table == "scores":
                    place["hemisphere"] = "both"
                target = "left_minus_right"
                if table == "scores":
                    target = "p90_r" if column.startswith("p90") else "mean_r"
                ours = _one(tables[table], place, target)
                if np.isfinite(ours):
                    place_of = (group["language"], group["subject"])
                    known = (value, group["tolerance"][column])
                    yield _row(place_of, f"{column}, {name}", known, ours)


def regression_comparison(tables: Tables, published: Row) -> Iterator[Row]:
    """Compare correlations over models, where the same number of models entered."""
    for entry in published.get("regressions", []):
        keys = ("language", "subject", "outcome", "predictor", "subset")
        where = {key: entry[key] for key in keys}
        where |= {"layer": BEST_VOXEL, "midline": SHARED, "n_models": entry["n_models"]}
        ours = _one(tables["regressions"], where, "r")
        if np.isfinite(ours):
            label = f"r of {entry['outcome']} and {entry['predictor']} ({entry['subset']})"
            place = (entry["language"], entry["subject"])
            yield _row(place, label, (entry["r"], entry["tolerance"]), ours)


STUDY = ("en", "average")
"""The study prints least squares and regions for the average of its English subjects."""

STUDY_MODELS = 28

P_FACTOR = 2.0
"""A p value agrees when it is the printed one within this factor."""

SLOPE_TOLERANCE = 2e-4


def _p_row(place: tuple[str, str], quantity: str, published: float, ours: float) -> Row:
    """Compare p values by their ratio: both are written as they are, the rule is in log units."""
    row = _row(place, quantity, (published, np.nan), ours)
    close = ours > 0 and abs(np.log(ours / published)) <= np.log(P_FACTOR)
    return row | {"agrees": "yes" if close else "no"}


def ols_comparison(tables: Tables, published: Row) -> Iterator[Row]:
    """Compare the least-squares tables, where the study's number of models entered."""
    where: Row = {"language": STUDY[0], "subject": STUDY[1], "n_models": STUDY_MODELS}
    where |= {"layer": BEST_VOXEL, "midline": SHARED}
    for outcome, known in published.get("ols", {}).items():
        place = where | {"outcome": outcome}
        r2 = _one(tables["ols"], place | {"term": "const"}, "r2")
        if np.isfinite(r2):
            yield _row(STUDY, f"R² of {outcome}", (known["r2"], 0.005), r2)
        for term, values in known.items():
            t = _one(tables["ols"], place | {"term": term}, "t") if isinstance(values, dict) else 0
            if isinstance(values, dict) and np.isfinite(t):
                yield _row(STUDY, f"t of {term} for {outcome}", (values["t"], 0.2), t)


def roi_comparison(tables: Tables, published: Row) -> Iterator[Row]:
    """Compare the slopes of both sides of each ROI and the p of their difference."""
    for name, known in published.get("roi", {}).items():
        where = {"language": STUDY[0], "subject": STUDY[1], "roi": name, "n_models": STUDY_MODELS}
        for side in ("slope_left", "slope_right"):
            ours = _one(tables["roi"], where, side)
            if np.isfinite(ours):
                yield _row(STUDY, f"{side}, {name}", (known[side], SLOPE_TOLERANCE), ours)
        ours = _one(tables["roi"], where, "slope_t_test_p")
        if np.isfinite(ours):
            yield _p_row(STUDY, f"slope_t_test_p, {name}", known["slope_t_test_p"], ours)


def area_comparison(tables: Tables, published: Row) -> Iterator[Row]:
    """Compare the reliability of the areas, left minus right, and the correlations over areas."""
    parcels = published.get("parcels", {"values": []})
    for (language, subject), rows in tables["areas"].groupby(["language", "subject"]):
        if len(rows) != len(parcels["values"]) or language not in ("en", "cn"):
            continue
        for known, ours in zip(parcels["values"], rows["isc_left_minus_right"], strict=True):
            if np.isfinite(ours):
                value = (known[language][0], parcels["tolerance"])
                label = f"reliability left minus right, {known['name']}"
                yield _row((str(language), str(subject)), label, value, float(ours))
    for language, relations in published.get("area_relations", {}).items():
        for quantity, known in relations.items():
            where = {"language": language, "subject": "average", "quantity": quantity}
            ours = _one(tables["area_relations"], where | {"n": known["n"]}, "r")
            if np.isfinite(ours):
                yield _row((language, "average"), f"r of {quantity}", (known["r"], 0.01), ours)


def comparison_rows(
    tables: Tables, spaces: dict[tuple[str, str], Space], published: Row
) -> Iterator[Row]:
    """Every published value that this run has a counterpart of."""
    for (language, subject), space in spaces.items():
        if subject == AVERAGE and language in published.get("languages", {}):
            yield from brain_rows(language, space, published["languages"][language])
    yield from published_model_rows(tables, published)
    yield from regression_comparison(tables, published)
    yield from ols_comparison(tables, published)
    yield from roi_comparison(tables, published)
    yield from area_comparison(tables, published)
