"""Tables over models: regressions and least squares."""

from collections.abc import Iterable, Iterator, Mapping, Sequence
from dataclasses import asdict, dataclass

import numpy as np

from lateralization.arrays import Booleans, Floats, Row
from lateralization.names import (
    ALL_MODELS,
    CHECKPOINT,
    LARGE,
    LARGE_SUBSET,
    LN_N,
    MODEL,
    STEP_REVISION,
    STEPS_OF,
    TRAINING_STEP,
    UNTRAINED,
)
from lateralization.statistics.asymmetry import (
    BEST_CV,
    BEST_VOXEL,
    CHOICES,
    RELIABLE,
    SHARED,
    STRICT,
    WHOLE,
)
from lateralization.statistics.intervals import corrected_t, t_interval
from lateralization.statistics.lines import MIN_MODELS, slope_on
from lateralization.statistics.regressions import (
    NO_VOXEL,
    Ols,
    Regression,
    ols,
    regress,
    regress_steps,
)
from lateralization.tables.summaries import BOTH, MEAN, P90, FitSummary, Place

LEFT_MINUS_RIGHT = "l_minus_r_"
"""Start of the name of an outcome that is an asymmetry."""

INDEX = "laterality_index_"
"""Start of the name of an outcome that is a laterality index."""

IN_CEILING = f"in_ceiling_{RELIABLE}"
"""Outcome in units of the noise ceiling: in voxels where that is high, so only of reliable ones."""

BEST_LAYER = "best_layer"


def groups(summaries: Sequence[FitSummary]) -> dict[tuple[str, str], list[FitSummary]]:
    """Sort fits into (language, subject), each in order of size."""
    found: dict[tuple[str, str], list[FitSummary]] = {}
    for summary in summaries:
        found.setdefault((summary.fit.language, summary.fit.subject), []).append(summary)
    for members in found.values():
        members.sort(key=lambda one: (np.nan_to_num(one.fit.n_parameters, nan=0), one.fit.model))
    return found


def sized_models(members: Sequence[FitSummary]) -> tuple[list[FitSummary], Floats]:
    """Trained models with a known size, and ln N."""
    models = [one for one in members if one.fit.kind == MODEL and one.fit.n_parameters > 0]
    return models, np.log([one.fit.n_parameters for one in models])


def predictors_of(members: Sequence[FitSummary]) -> list[str]:
    """List the numeric columns of the model sheet."""
    return sorted({name for one in members for name in one.fit.predictors})


@dataclass(frozen=True)
class ModelValues:
    """Outcomes of the fits of one subject under one layer rule and midline, with their predictors.

    Attributes
    ----------
    outcomes
        Name → (n_fits,) array: ``score_<region>`` (and ``score_whole_p90``),
        ``l_minus_r_<selection>``, ``laterality_index_<region>`` and, for the published choice,
        ``best_layer``, for layers chosen on other runs ``in_ceiling_reliable``.
    """

    members: Sequence[FitSummary]
    layer: str
    midline: str
    outcomes: Mapping[str, Floats]

    def of_kind(self, *kinds: str) -> Booleans:
        """Tell which fits, (n_fits,), are of one of these kinds."""
        return np.array([one.fit.kind in kinds for one in self.members], dtype=bool)

    def predictor(self, name: str) -> Floats:
        """Return ln N or a numeric column of the model sheet, (n_fits,); NaN where not known."""
        if name != LN_N:
            return np.array([one.fit.predictors.get(name, np.nan) for one in self.members])
        sizes = np.array([one.fit.n_parameters for one in self.members], dtype=np.float64)
        return np.log(np.where(sizes > 0, sizes, np.nan))

    def by_run(self, outcome: str, units: Booleans) -> tuple[Floats, Floats]:
        """Return ln N of the units and their asymmetry in each test run, (n_units, n_runs).

        Both are empty where a unit has no such runs: its asymmetry is not a difference of means, or
        it has no laterality index.
        """
        runs = [self._runs_of(one, outcome) for one in self.members]
        kept = [run for run, used in zip(runs, units, strict=True) if used and run is not None]
        if len(kept) < units.sum() or not kept:
            return np.empty(0), np.empty((0, 0))
        return self.predictor(LN_N)[units], np.stack(kept)

    def _runs_of(self, one: FitSummary, outcome: str) -> Floats | None:
        """Return an outcome of one fit by test run, (n_runs,)."""
        if outcome == IN_CEILING:
            return one.shares[self.midline].by_run
        selection = outcome.removeprefix(LEFT_MINUS_RIGHT).removeprefix(INDEX)
        sides = one.asymmetry[Place(selection, self.layer, self.midline)]
        return sides.index_by_run if outcome.startswith(INDEX) else sides.by_run

    def over_runs(self, outcome: str, units: Booleans) -> tuple[float, float, float]:
        """Interval and p over test runs of the slope on ln N; NaN where it has none.

        In units of the noise ceiling they carry the error that the splits of the subjects leave in
        the ceiling, besides that of the runs.
        """
        if not outcome.startswith((LEFT_MINUS_RIGHT, INDEX, IN_CEILING)):
            return np.nan, np.nan, np.nan
        units = units & np.isfinite(self.outcomes[outcome])
        x, by_run = self.by_run(outcome, units)
        if len(x) < MIN_MODELS or not np.isfinite(x).all() or np.ptp(x) == 0:
            return np.nan, np.nan, np.nan
        of_splits = self._variance_of_splits(x, units) if outcome == IN_CEILING else 0.0
        interval, p = corrected_t(slope_on(x, by_run), further=of_splits)
        return interval.low, interval.high, p

    def _variance_of_splits(self, x: Floats, units: Booleans) -> float:
        """Variance that the splits of the subjects leave in the slope of the shares on ``x``."""
        shares = [one.shares[self.midline] for one in self.members]
        by_trial = np.stack([one.by_trial for one, used in zip(shares, units, strict=True) if used])
        n_trials = by_trial.shape[1]
        return float(slope_on(x, by_trial).var(ddof=1)) / n_trials if n_trials else 0.0


def model_values(members: Sequence[FitSummary], layer: str, midline: str) -> ModelValues:
    """Collect the outcomes of the fits of one subject, in the order of their regions."""
    outcomes: dict[str, Floats] = {}
    for place in members[0].scores:
        if place[1:] == (layer, midline) and place.selection in (WHOLE, RELIABLE):
            sides = np.array([one.scores[place][BOTH] for one in members])
            outcomes[f"score_{place.selection}"] = sides[:, MEAN]
            if place.selection == WHOLE:
                outcomes["score_whole_p90"] = sides[:, P90]
    for place in members[0].asymmetry:
        if place[1:] == (layer, midline):
            lead = [one.asymmetry[place].difference for one in members]
            outcomes[LEFT_MINUS_RIGHT + place.selection] = np.array(lead)
    for place in members[0].asymmetry:
        if place[1:] == (layer, midline) and place.selection in (WHOLE, RELIABLE):
            index = [one.asymmetry[place].index.mean for one in members]
            outcomes[INDEX + place.selection] = np.array(index)
    if layer == BEST_CV and all(midline in one.shares for one in members):
        shares = [t_interval(one.shares[midline].by_run).mean for one in members]
        outcomes[IN_CEILING] = np.array(shares)
    if (layer, midline) == (BEST_VOXEL, SHARED):
        outcomes[BEST_LAYER] = np.array([one.relative_best_layer for one in members])
    return ModelValues(members, layer, midline, outcomes)


def _all_values(members: Sequence[FitSummary]) -> Iterator[ModelValues]:
    for layer in CHOICES:
        for midline in (SHARED, STRICT):
            yield model_values(members, layer, midline)


def empty_selections(members: Sequence[FitSummary]) -> set[str]:
    """Name the selections of which a side has no usable voxel in some fit."""
    return {
        place.selection
        for one in members
        for place, sides in one.asymmetry.items()
        if 0 in (sides.n_left, sides.n_right)
    }


def explain_empty_regions(rows: Iterable[Row], empty: set[str]) -> Iterator[Row]:
    """Give rows about selections their true reason where a side of the selection is empty."""
    for row in rows:
        outcome = str(row.get("outcome", "")).removeprefix(LEFT_MINUS_RIGHT).removeprefix(INDEX)
        about = row.get("selection", outcome)
        yield row | {"reason": NO_VOXEL} if row["reason"] and about in empty else row


@dataclass(frozen=True)
class ModelRegression:
    """A regression over the models of one subject, with what it is of.

    Attributes
    ----------
    runs_low, runs_high, runs_p
        Interval and p over test runs of the slope on ln N, for asymmetries that are means, in r or
        in another unit.
    """

    outcome: str
    predictor: str
    layer: str
    midline: str
    subset: str
    found: Regression
    runs_low: float = np.nan
    runs_high: float = np.nan
    runs_p: float = np.nan

    @property
    def is_main(self) -> bool:
        """Whether it is on ln N over all trained models."""
        return (self.predictor, self.subset) == (LN_N, ALL_MODELS)

    @property
    def row(self) -> Row:
        """The row of the table ``regressions``, without the subject."""
        values = {name: value for name, value in vars(self).items() if name != "found"}
        return values | asdict(self.found)


def _over_models(values: ModelValues) -> Iterator[ModelRegression]:
    """Regress every outcome on every predictor, over trained models."""
    models = values.of_kind(MODEL)
    sizes = np.array([one.fit.n_parameters for one in values.members], dtype=np.float64)
    where = (values.layer, values.midline)
    for outcome, y in values.outcomes.items():
        for subset, units in {ALL_MODELS: models, LARGE_SUBSET: models & (sizes > LARGE)}.items():
            for predictor in [LN_N, *predictors_of(values.members)]:
                found = regress(values.predictor(predictor)[units], y[units])
                runs = (np.nan, np.nan, np.nan)
                if predictor == LN_N:
                    runs = values.over_runs(outcome, units)
                yield ModelRegression(outcome, predictor, *where, subset, found, *runs)


def series_of_steps(members: Sequence[FitSummary]) -> dict[str, list[int]]:
    """Return the places of the training steps of each model that has some, in their order.

    A step is told by its name (``pythia-6.9b_step1000``), or by the revision that was asked for
    (``step1000``); then the source names the model, as it is named by another step of that source.
    """
    places = [i for i, one in enumerate(members) if one.fit.kind == CHECKPOINT]
    named = {i: TRAINING_STEP.fullmatch(members[i].fit.model) for i in places}
    source = {i: str(members[i].fit.record.get("source")) for i in places}
    base = {source[i]: match[1] for i, match in named.items() if match}
    found: dict[str, list[tuple[int, int]]] = {}
    for i in places:
        match = named[i]
        asked = STEP_REVISION.fullmatch(str(members[i].fit.record.get("revision")))
        if match or asked:
            model = match[1] if match else base.get(source[i], source[i])
            step = int(match[2]) if match else int(asked[1]) if asked else 0
            found.setdefault(model, []).append((step, i))
    return {model: [i for _, i in sorted(steps)] for model, steps in sorted(found.items())}


def _over_steps(values: ModelValues) -> Iterator[ModelRegression]:
    """Regress every outcome on the columns of the sheet, over the steps of one model at a time."""
    where = (values.layer, values.midline)
    for model, places in series_of_steps(values.members).items():
        for predictor in predictors_of([values.members[i] for i in places]):
            x = values.predictor(predictor)[places]
            for outcome, y in values.outcomes.items():
                found = regress_steps(x, y[places])
                yield ModelRegression(outcome, predictor, *where, f"{STEPS_OF}{model}", found)


def _over_families(values: ModelValues) -> Iterator[ModelRegression]:
    """Regressions within families of trained and of untrained models, as the training analysis."""
    families = np.array([one.fit.family for one in values.members])
    x = values.predictor(LN_N)
    for kind, start in ((MODEL, ""), (UNTRAINED, "untrained, ")):
        of_kind = values.of_kind(kind)
        subsets = {
            f"{start}family {name}": of_kind & (families == name)
            for name in sorted(set(families[of_kind]))
        }
        if kind == UNTRAINED:
            subsets["untrained"] = of_kind
        for subset, units in subsets.items():
            if units.sum() < MIN_MODELS:
                continue
            for outcome, y in values.outcomes.items():
                if outcome != BEST_LAYER:
                    found = regress(x[units], y[units])
                    yield ModelRegression(
                        outcome, LN_N, values.layer, values.midline, subset, found
                    )


def regressions(members: Sequence[FitSummary]) -> list[ModelRegression]:
    """Regress every outcome of one subject on ln N and every predictor of the model sheet.

    Only trained models enter, except in the subsets that are named untrained. The training steps
    of a model are a subset of their own, regressed by their first differences.
    """
    found: list[ModelRegression] = []
    for values in _all_values(members):
        found += [*_over_models(values), *_over_steps(values)]
        if (values.layer, values.midline) == (BEST_VOXEL, SHARED):
            found += _over_families(values)
    return found


Regressions = Mapping[tuple[str, str], Sequence[ModelRegression]]
"""(language, subject) → its regressions."""


def regression_rows(summaries: Sequence[FitSummary], found: Regressions) -> Iterator[Row]:
    """Give rows of ``regressions``."""
    for (language, subject), members in groups(summaries).items():
        rows = (one.row for one in found[language, subject])
        for row in explain_empty_regions(rows, empty_selections(members)):
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


def ols_rows(summaries: Sequence[FitSummary]) -> Iterator[Row]:
    """Ordinary least squares of every outcome on ln N, layers with the embedding, and width."""
    for (language, subject), members in groups(summaries).items():
        models = [one for one in members if one.fit.kind == MODEL]
        empty = empty_selections(members)
        for values in _all_values(members):
            units = values.of_kind(MODEL)
            predictors = {
                LN_N: values.predictor(LN_N)[units],
                "layers_with_embedding": np.array([one.fit.n_layers + 1 for one in models]),
                "n_hid": np.array([one.fit.n_hid for one in models]),
            }
            for outcome, y in values.outcomes.items():
                if outcome == BEST_LAYER:
                    continue
                first = {"language": language, "subject": subject, "outcome": outcome}
                result = ols(y[units], predictors)
                for row in explain_empty_regions(_ols_rows(first, result), empty):
                    yield row | {"layer": values.layer, "midline": values.midline}
