"""The table of trajectories: where score and asymmetry bend along each column of the sheet."""

from collections.abc import Iterator
from dataclasses import asdict

import numpy as np

from lateralization.arrays import Row
from lateralization.statistics.asymmetry import BEST_VOXEL, RELIABLE, SHARED, WHOLE
from lateralization.statistics.change_points import find_bend
from lateralization.tables.dictionary import LN_N
from lateralization.tables.fits import CHECKPOINT, MODEL
from lateralization.tables.model_tables import groups, outcomes
from lateralization.tables.summaries import Summary

OUTCOMES = tuple(f"{kind}_{region}" for region in (WHOLE, RELIABLE)
                 for kind in ("score", "l_minus_r"))  # fmt: skip


def trajectory_rows(summaries: list[Summary]) -> Iterator[Row]:
    """Bend score and left minus right over ln N and every numeric column of the model sheet.

    Trained models and training steps enter where the sheet gives a value; ln N takes trained
    models only, since steps of one model have one size. Layer and midline are the published ones.
    """
    for (language, subject), members in groups(summaries).items():
        table = outcomes(members, BEST_VOXEL, SHARED)
        predictors = sorted({name for one in members for name in one.fit.predictors})
        for predictor in [LN_N, *predictors]:
            kinds = [MODEL] if predictor == LN_N else [MODEL, CHECKPOINT]
            units = table[table["kind"].isin(kinds)]
            for outcome in OUTCOMES:
                if outcome not in units or units.empty:
                    continue
                x, y = (units[name].to_numpy(dtype=np.float64) for name in (predictor, outcome))
                yield {
                    "language": language, "subject": subject, "outcome": outcome,
                    "predictor": predictor, **asdict(find_bend(x, y)),
                }  # fmt: skip
