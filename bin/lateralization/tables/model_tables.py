"""Tables over models: regressions and least squares."""

from collections.abc import Iterable, Iterator, Sequence
from dataclasses import asdict

import numpy as np
import pandas as pd

from lateralization.arrays import Floats, Row
from lateralization.names import CHECKPOINT, LARGE, LARGE_SUBSET, LN_N, MODEL, UNTRAINED
from lateralization.statistics.asymmetry import BEST_VOXEL, CHOICES, RELIABLE, SHARED, STRICT, WHOLE
from lateralization.statistics.intervals import corrected_t
from lateralization.statistics.regressions import (
    MIN_MODELS,
    NO_VOXEL,
    Ols,
    Regression,
    ols,
    partial_regress,
    regress,
)
from lateralization.tables.fits import Summary


def groups(summaries: list[Summary]) -> dict[tuple[str, str], list[Summary]]:
    """Sort fits into (language, subject), each in order of size."""
    found: dict[tuple[str, str], list[Summary]] = {}
    for summary in summaries:
        found.setdefault((summary.fit.language, summary.fit.subject), []).append(summary)
    for members in found.values():
        members.sort(key=lambda one: (np.nan_to_num(one.fit.n_parameters, nan=0), one.fit.model))
    return found


def outcomes(members: list[Summary], choice: str, midline: str) -> pd.DataFrame:
    """One row per fit with its traits, predictors and every outcome.

    Outcomes are ``score_<region>`` (and ``score_whole_p90``), ``l_minus_r_<selection>`` and, for
    the published choice, ``best_layer``: the layer with the highest mean over the reliable voxels
    (whole brain where there are none), divided by the number of layers, embedding included.
    """
    rows = []
    for one in members:
        row: Row = {"model": one.fit.model, **one.fit.traits, **one.fit.predictors}
        row[LN_N] = np.log(one.fit.n_parameters) if one.fit.n_parameters > 0 else np.nan
        for score in one.scores:
            here = (score["layer"], score["hemisphere"], score["midline"])
            if here == (choice, "both", midline) and score["region"] in (WHOLE, RELIABLE):
                row[f"score_{score['region']}"] = score["mean_r"]
                if score["region"] == WHOLE:
                    row["score_whole_p90"] = score["p90_r"]
        for asymmetry in one.asymmetry:
            if asymmetry["layer"] == choice and asymmetry["midline"] == midline:
                row[f"l_minus_r_{asymmetry['selection']}"] = asymmetry["left_minus_right"]
        if choice == BEST_VOXEL and midline == SHARED:
            row["best_layer"] = relative_best_layer(one)
        rows.append(row)
    return pd.DataFrame(rows)


def say_empty_regions(rows: Iterable[Row], members: Sequence[Summary]) -> Iterator[Row]:
    """Give rows about selections their true reason where a side of the selection is empty."""
    empty = {
        side["selection"]
        for one in members
        for side in one.asymmetry
        if 0 in (side["n_left"], side["n_right"])
    }
    for row in rows:
        told = row.get("selection", str(row.get("outcome", "")).removeprefix("l_minus_r_"))
        yield row | {"reason": NO_VOXEL} if row["reason"] and told in empty else row


def relative_best_layer(one: Summary) -> float:
    """Return best layer / (number of layers, embedding included); NaN for a single layer.

    The published midline rule counts: each rule has a best layer of its own.
    """
    flagged = [row for row in one.layers if row["is_best"] and row["midline"] == SHARED]
    best = {row["region"]: row["layer"] for row in flagged}
    layer = best.get(RELIABLE, best.get(WHOLE))
    if layer is None or len(one.fit.layers) < 2:
        return np.nan
    total = one.fit.n_layers if one.fit.n_layers > 0 else max(one.fit.layers)
    return float(layer / (total + 1))


def _slopes_by_run(
    members: list[Summary], units: pd.DataFrame, key: tuple[str, str, str]
) -> tuple[float, float, float]:
    """Interval and p of the slope on ln N over test runs, for asymmetries that are means."""
    runs = {one.fit.model: one.by_run[key] for one in members if key in one.by_run}
    kept = [name for name in units["model"] if name in runs]
    x = units.set_index("model").loc[kept, LN_N].to_numpy(dtype=np.float64)
    if len(kept) < MIN_MODELS or not np.isfinite(x).all() or np.ptp(x) == 0:
        return np.nan, np.nan, np.nan
    centred = x - x.mean()
    slopes = centred @ np.stack([runs[name] for name in kept]) / (centred @ centred)
    interval, p = corrected_t(slopes)
    return interval.low, interval.high, p


def _regression_row(first: Row, result: Regression, extra: Row) -> Row:
    values = asdict(result)
    reason = values.pop("reason")
    empty = dict.fromkeys(("runs_low", "runs_high", "runs_p"), np.nan)
    return first | values | empty | extra | {"reason": reason}


def _given_score(table: pd.DataFrame, outcome: str) -> tuple[str, Floats] | None:
    """Give the score that goes with an asymmetry, to hold it constant."""
    selection = outcome.removeprefix("l_minus_r_")
    score = f"score_{RELIABLE if selection.startswith(RELIABLE) else WHOLE}"
    if not outcome.startswith("l_minus_r_") or score not in table:
        return None
    return score, table[score].to_numpy(dtype=np.float64)


def _one_table(
    members: list[Summary], table: pd.DataFrame, choice: str, midline: str
) -> Iterator[Row]:
    """Regress every outcome of one table on every predictor."""
    names = [name for name in map(str, table) if name.startswith(("score_", "l_minus_r_"))]
    names += ["best_layer"] if "best_layer" in table else []
    predictors = sorted({name for one in members for name in one.fit.predictors})
    models = table[table["kind"] == MODEL]
    seen = table[table["kind"].isin([MODEL, CHECKPOINT])]
    subsets = {"all": (models, seen), LARGE_SUBSET: (models[models["n_parameters"] > LARGE], None)}
    for outcome in names:
        choice_columns = {"layer": choice, "midline": midline}
        for subset, (sized, stepped) in subsets.items():
            extra = choice_columns | {"subset": subset}
            for predictor in [LN_N, *predictors]:
                units = stepped if stepped is not None and predictor != LN_N else sized
                x, y = (units[name].to_numpy(dtype=np.float64) for name in (predictor, outcome))
                row = _regression_row(
                    {"outcome": outcome, "predictor": predictor}, regress(x, y), extra
                )
                if predictor == LN_N and outcome.startswith("l_minus_r_"):
                    key = (outcome.removeprefix("l_minus_r_"), choice, midline)
                    limits = _slopes_by_run(members, units, key)
                    row["runs_low"], row["runs_high"], row["runs_p"] = limits
                yield row
        held = _given_score(models, outcome)
        if held is not None:
            x, y = (models[name].to_numpy(dtype=np.float64) for name in (LN_N, outcome))
            first = {"outcome": outcome, "predictor": f"{LN_N} given {held[0]}"}
            extra = choice_columns | {"subset": "all"}
            yield _regression_row(first, partial_regress(x, y, held[1]), extra)


def _family_rows(table: pd.DataFrame) -> Iterator[Row]:
    """Regressions within families of trained and of untrained models, as the training analysis."""
    names = [name for name in map(str, table) if name.startswith(("score_", "l_minus_r_"))]
    for kind, start in ((MODEL, ""), (UNTRAINED, "untrained, ")):
        units = table[table["kind"] == kind]
        groups_of = {f"{start}family {name}": rows for name, rows in units.groupby("family")}
        if kind == UNTRAINED and len(units):
            groups_of["untrained"] = units
        for subset, rows in groups_of.items():
            if len(rows) < MIN_MODELS:
                continue
            x = rows[LN_N].to_numpy(dtype=np.float64)
            for outcome in names:
                found = regress(x, rows[outcome].to_numpy(dtype=np.float64))
                extra = {"layer": BEST_VOXEL, "midline": SHARED, "subset": subset}
                yield _regression_row({"outcome": outcome, "predictor": LN_N}, found, extra)


def _tables(members: list[Summary]) -> Iterator[tuple[str, str, pd.DataFrame]]:
    for choice in CHOICES:
        for midline in (SHARED, STRICT):
            yield choice, midline, outcomes(members, choice, midline)


def regression_rows(summaries: list[Summary]) -> Iterator[Row]:
    """Regressions of every outcome on ln N and every predictor of the model sheet.

    Only trained models enter, except in the subsets that are named untrained. ln N leaves
    training steps out (they all have one size); the other predictors take them in where the
    sheet gives a value.
    """
    for (language, subject), members in groups(summaries).items():
        for choice, midline, table in _tables(members):
            found = list(_one_table(members, table, choice, midline))
            if choice == BEST_VOXEL and midline == SHARED:
                found += _family_rows(table)
            for row in say_empty_regions(found, members):
                yield {"language": language, "subject": subject} | row


def _ols_rows(first: Row, result: Ols) -> Iterator[Row]:
    whole = {
        "r2": result.r2, "r2_adj": result.r2_adj, "f": result.f, "f_p": result.f_p,
        "aic": result.aic, "bic": result.bic, "condition": result.condition,
        "reason": result.reason,
    }  # fmt: skip
    empty = dict.fromkeys(("coefficient", "std_err", "t", "p", "ci_low", "ci_high"), np.nan)
    terms: list[Row] = [asdict(term) for term in result.terms] or [{"term": "", **empty}]
    for term in terms:
        yield first | {"term": term.pop("term"), "n_models": result.n_models} | term | whole


def ols_rows(summaries: list[Summary]) -> Iterator[Row]:
    """Ordinary least squares of every outcome on ln N, layers with the embedding, and width."""
    for (language, subject), members in groups(summaries).items():
        for choice, midline, table in _tables(members):
            models = table[table["kind"] == MODEL]
            predictors = {
                LN_N: models[LN_N].to_numpy(dtype=np.float64),
                "layers_with_embedding": models["n_layers"].to_numpy(dtype=np.float64) + 1,
                "n_hid": models["n_hid"].to_numpy(dtype=np.float64),
            }
            for outcome in map(str, table):
                if not outcome.startswith(("score_", "l_minus_r_")):
                    continue
                first = {"language": language, "subject": subject, "outcome": outcome}
                result = ols(models[outcome].to_numpy(dtype=np.float64), predictors)
                for row in say_empty_regions(_ols_rows(first, result), members):
                    yield row | {"layer": choice, "midline": midline}
