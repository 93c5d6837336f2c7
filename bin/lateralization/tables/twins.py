"""Trained less untrained: what training adds, the architecture and its width held constant.

A model's untrained twins have its architecture and random weights (one for each seed); what they
predict comes with the number of features and the words themselves. Where all of an effect of size
is there before training, the difference does not rise with size.
"""

import re
from collections.abc import Iterator, Sequence

import numpy as np

from lateralization.arrays import Row
from lateralization.names import LN_N, MODEL, UNTRAINED
from lateralization.statistics.intervals import corrected_t
from lateralization.statistics.regressions import regress
from lateralization.tables.control_tables import Place, scores_by_place, sides_by_place
from lateralization.tables.fits import Fit, Summary
from lateralization.tables.model_tables import groups, say_empty_regions

TWIN = re.compile(r"(.+)_untrained(?:_seed\d+)?")


def is_twin(untrained: Fit, trained: Fit) -> bool:
    """Tell whether one is the other without its training: by name, or by source and revision."""
    named = TWIN.fullmatch(untrained.model)
    if named and named[1] == trained.model:
        return True
    sources = [
        (fit.record.get("source"), fit.record.get("resolved_revision"))
        for fit in (untrained, trained)
    ]
    return bool(sources[0][0]) and sources[0] == sources[1]


def twin_pairs(members: Sequence[Summary]) -> Iterator[tuple[Summary, list[Summary]]]:
    """Give each trained model that has untrained twins, with all of them."""
    untrained = [one for one in members if one.fit.kind == UNTRAINED]
    for one in members:
        if one.fit.kind == MODEL:
            twins = [other for other in untrained if is_twin(other.fit, one.fit)]
            if twins:
                yield one, twins


def _gain(trained: Summary, twins: Sequence[Summary], place: Place) -> Row:
    """Compare a model with the mean over its twins in one selection."""
    scores = [scores_by_place(one).get(place, np.nan) for one in (trained, *twins)]
    sides = [sides_by_place(one)[place] for one in (trained, *twins)]
    leads = [left - right for left, right in sides]
    runs = [one.by_run.get(place) for one in (trained, *twins)]
    by_run = np.full(1, np.nan)
    if all(run is not None for run in runs):
        by_run = np.asarray(runs[0]) - np.mean(np.array(runs[1:]), axis=0)
    interval, p = corrected_t(by_run)
    return {
        "n_twins": len(twins), "trained_score": scores[0],
        "untrained_score": float(np.mean(scores[1:])),
        "score_gain": scores[0] - float(np.mean(scores[1:])),
        "trained_l_minus_r": leads[0], "untrained_l_minus_r": float(np.mean(leads[1:])),
        "l_minus_r_gain": leads[0] - float(np.mean(leads[1:])),
        "ci_low": interval.low, "ci_high": interval.high, "p": p,
    }  # fmt: skip


OUTCOMES = ("trained_l_minus_r", "untrained_l_minus_r", "l_minus_r_gain", "score_gain")


def _regressions(rows: Sequence[Row]) -> Iterator[Row]:
    """Regress what training adds, and what it is the difference of, on ln N."""
    size = np.log([row["n_parameters"] for row in rows])
    for outcome in OUTCOMES:
        found = regress(size, np.array([row[outcome] for row in rows]))
        yield {"outcome": outcome, "predictor": LN_N} | vars(found)


def twin_rows(summaries: list[Summary]) -> dict[str, list[Row]]:
    """Give the rows of the tables ``twins`` and ``twin_regressions``."""
    tables: dict[str, list[Row]] = {"twins": [], "twin_regressions": []}
    for (language, subject), members in groups(summaries).items():
        found: dict[Place, list[Row]] = {}
        for trained, twins in twin_pairs(members):
            shared = set.intersection(*(set(sides_by_place(one)) for one in (trained, *twins)))
            for place in sides_by_place(trained):
                if place in shared:
                    row = trained.fit.columns | _gain(trained, twins, place) | trained.fit.traits
                    found.setdefault(place, []).append(row)
        for place, rows in found.items():
            where = dict(zip(("selection", "layer", "midline"), place, strict=True))
            tables["twins"] += [row | where for row in rows]
            known = [row for row in rows if row["n_parameters"] > 0]
            head = {"language": language, "subject": subject} | where
            told = [head | row for row in _regressions(known)]
            tables["twin_regressions"] += say_empty_regions(told, members)
    return tables
