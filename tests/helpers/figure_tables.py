"""Small tables of known content, in the form that figures read; the regressions are the real ones.

One list of models goes in; what the figures of a test need of it comes out, without a made run.
"""

from collections.abc import Mapping, Sequence
from dataclasses import asdict
from typing import Any

import numpy as np
import pandas as pd

from lateralization.names import LARGE, LARGE_SUBSET, LN_N
from lateralization.statistics.change_points import find_bend
from lateralization.statistics.regressions import regress
from lateralization.tables.registry.tables import Tables

PLACE = {"language": "en", "subject": "average"}
PUBLISHED = {"layer": "best_voxel", "midline": "shared"}
SELECTIONS = ("whole", "whole_p90", "reliable", "reliable_iscnorm")
TRAITS = ["kind", "family", "n_parameters", "n_layers"]
OUTCOMES = [*(f"score_{name}" for name in ("whole", "reliable")), "best_layer",
            *(f"l_minus_r_{name}" for name in SELECTIONS)]  # fmt: skip


def model(name: str, n_parameters: float = 1e9, **more: Any) -> dict[str, Any]:
    """One fit; ``more`` overrides its traits, its values, or gives ``predictors``."""
    size = np.log(n_parameters) if n_parameters > 0 else 15.0
    told = {"model": name, "kind": "model", "family": "made", "n_parameters": n_parameters,
            "n_layers": 4.0, "score": 0.01 * size + 0.001 * np.sin(7 * size),
            "l_minus_r": 0.002 * (size - 18 + np.cos(5 * size)),
            "predictors": {}, "source": f"org/{name}", "asked_revision": ""}  # fmt: skip
    return told | more


def _regressions(frame: pd.DataFrame, values: pd.DataFrame) -> list[dict[str, Any]]:
    rows = []
    for subset in ("all", LARGE_SUBSET):
        for predictor in values:
            mine = frame["kind"] == "model"
            if subset != "all":
                mine &= frame["n_parameters"] > LARGE
            for outcome in OUTCOMES:
                y = frame["score" if outcome.startswith("score") else "l_minus_r"]
                found = asdict(regress(values.loc[mine, predictor].to_numpy(), y[mine].to_numpy()))
                rows.append({**PLACE, **PUBLISHED, "subset": subset, "predictor": predictor,
                             "outcome": outcome, **found})  # fmt: skip
    return rows


def _trajectories(frame: pd.DataFrame, values: pd.DataFrame) -> list[dict[str, Any]]:
    rows = []
    named = frame["model"].str.extract(r"(?P<base>.+)_step(?P<step>\d+)")
    steps = named[frame["kind"] == "checkpoint"].dropna().astype({"step": int})
    subsets = {"all": frame.index[frame["kind"] == "model"]} | {
        f"steps of {base}": mine.sort_values("step").index for base, mine in steps.groupby("base")
    }
    for subset, mine in subsets.items():
        for predictor in values if subset == "all" else values.columns.drop(LN_N):
            for outcome in ("score", "l_minus_r"):
                bend = find_bend(values.loc[mine, predictor].to_numpy(float),
                                 frame.loc[mine, outcome].to_numpy(), subset != "all")  # fmt: skip
                rows.append({**PLACE, "predictor": predictor, "subset": subset,
                             "outcome": f"{outcome}_reliable", **asdict(bend)})  # fmt: skip
    return rows


def tables_of(models: Sequence[Mapping[str, Any]], rois: Sequence[str] = ()) -> Tables:
    """Make the tables of these models."""
    frame = pd.DataFrame(models)
    sides = [
        frame[["model", *TRAITS]].assign(
            **PLACE, **PUBLISHED, selection=selection, left=frame["score"] + frame["l_minus_r"] / 2,
            right=frame["score"] - frame["l_minus_r"] / 2, left_minus_right=frame["l_minus_r"],
            ci_low=frame["l_minus_r"] - 0.01, ci_high=frame["l_minus_r"] + 0.01,
        ) for selection in (*SELECTIONS, *rois)
    ]  # fmt: skip
    scores = [
        frame[["model", *TRAITS]].assign(
            **PLACE, **PUBLISHED, region=region, hemisphere="both", mean_r=frame["score"]
        ) for region in ("whole", "reliable")
    ]  # fmt: skip
    sheet = pd.DataFrame(list(frame["predictors"]), index=frame.index)
    values = pd.DataFrame({LN_N: np.log(frame["n_parameters"])}).join(sheet)
    told = [{"language": "en", "model": row["model"], "predictor": name, "value": value}
            for row in models for name, value in row["predictors"].items()]  # fmt: skip
    regions = [
        {**PLACE, "roi": name, "n_left": 9, "n_right": 9, "isc_left": 0.3, "isc_left_low": 0.29,
         "isc_left_high": 0.31, "isc_right": 0.2, "isc_right_low": 0.19, "isc_right_high": 0.21,
         "slope_left": np.nan, "r": np.nan, "crossed_p_holm": np.nan,
         "reason": "2 models, 3 needed"} for name in rois
    ]  # fmt: skip
    return {
        "asymmetry": pd.concat(sides, ignore_index=True),
        "scores": pd.concat(scores, ignore_index=True),
        "predictors": pd.DataFrame(told, columns=["language", "model", "predictor", "value"]),
        "regressions": pd.DataFrame(_regressions(frame, values)),
        "trajectories": pd.DataFrame(_trajectories(frame, values)),
        "models": frame[["model", "source", "asked_revision"]].assign(
            language="en", revision="abc123"),
        "roi": pd.DataFrame(regions),
    }  # fmt: skip
