"""One interval of a slope over models that counts models, test runs and people together.

All models are scored on the same brain and the same runs, so that what is chance there moves all
of them: an interval over models alone does not see it. Models, runs and people are crossed random
factors, and the variance of the slope is the sum of what each contributes. What is chance of one
model in one run of one person shows in the spread over models already; it is taken off the spread
over runs and over people (method of moments for crossed effects: Searle, Casella & McCulloch 1992,
Variance Components). What runs contribute is corrected for the training runs that their folds
share (``corrected_t``). Degrees of freedom are Satterthwaite's.

Models of one family are copies of each other. With ``MIN_FAMILIES`` families or more, families
are the units of a jackknife (CR3: Bell & McCaffrey 2002; MacKinnon, Nielsen & Webb 2023,
J. Econometrics 232:272-299); with fewer no variance between families can be estimated, so each
has its own intercept, and the slope is that within families.

Where some people lack some runs, each person counts alike, and the variances are those of an
incomplete crossed design: mean squares over people and over runs, equated with what they are
expected to be (Henderson 1953, Biometrics 9:226-252). With nothing missing they are the same.
"""

from collections.abc import Mapping, Sequence
from dataclasses import dataclass, field

import numpy as np
from scipy import optimize, stats

from lateralization.arrays import Booleans, Floats
from lateralization.statistics.intervals import LEVEL
from lateralization.statistics.lines import slope_on

MIN_MODELS = 5
MIN_RUNS = 3
MIN_FAMILIES = 5

MIN_MODELS_APART = 10
"""Models from which on the variance over them is taken by leaving out one at a time."""

WITHIN = 0.1
"""Below this share of its variance within families, the predictor goes with the families."""

ROUNDING = 1e-9
"""A standard error below this share of the slope is rounding: measures never agree so well."""

MODELS, RUNS, PEOPLE = "models", "runs", "people"

TOO_FEW_SHARED = (
    "people share too few runs for what is of people and what is of runs to be told apart"
)


@dataclass(frozen=True)
class Component:
    """Variance of a slope over the units of one factor, with its degrees of freedom."""

    variance: float
    df: float


@dataclass(frozen=True)
class CrossedSlope:
    """A slope over models with its interval; NaN with a reason where it cannot be had.

    Attributes
    ----------
    slope, low, high, df
        Least-squares slope, 95 % limits and degrees of freedom.
    parts
        Factor (``models``, ``runs``, ``people``) → its variance of the slope.
    n_families
        Number of families.
    within
        Whether the slope is that within families, which are then fixed.
    """

    slope: float = np.nan
    low: float = np.nan
    high: float = np.nan
    df: float = np.nan
    parts: Mapping[str, Component] = field(default_factory=dict)
    n_families: int = 0
    within: bool = False
    reason: str = ""

    def share(self, factor: str) -> float:
        """Return a factor's share of the summed variance; NaN where it was not counted."""
        total = sum(part.variance for part in self.parts.values())
        return self.parts[factor].variance / total if factor in self.parts else np.nan


def _indicator(families: Sequence[str]) -> Floats:
    """Return which model, (n_models, n_families), is of which family."""
    names = sorted(set(families))
    found: Floats = (np.array(families)[:, None] == np.array(names)[None, :]).astype(np.float64)
    return found


def _residual(values: Floats, nuisance: Floats) -> Floats:
    """Take out of (n_models, ...) what the columns of (n_models, n) explain."""
    flat = values.reshape(len(values), -1)
    rest: Floats = flat - nuisance @ np.linalg.lstsq(nuisance, flat, rcond=None)[0]
    return rest.reshape(values.shape)


def _jackknifed(x: Floats, y: Floats, units: Floats) -> Component:
    """Variance of the slope of y on x by leaving out one unit at a time.

    units: (n_models, n_units). Models that scatter differently at different sizes do not bias it.
    """
    n = units.shape[1]
    slopes = []
    for one in units.T:
        kept = one == 0
        if np.ptp(x[kept]) == 0:
            return Component(np.inf, 1)
        slopes.append(float(slope_on(x[kept], y[kept])))
    spread = ((np.array(slopes) - float(slope_on(x, y))) ** 2).sum()
    return Component((n - 1) / n * float(spread), n - (2 if n == len(x) else 1))


def _over_models(x: Floats, y: Floats, member: Floats, within: bool) -> Component:
    """Variance of the slope over models, over families where there are enough, or within them.

    Below ``MIN_MODELS_APART`` models it is that of least squares, of models that scatter equally at
    all sizes: leaving out one of so few gives an interval almost twice as wide.
    """
    n_families = member.shape[1]
    if n_families >= MIN_FAMILIES and n_families < len(x):
        return _jackknifed(x, y, member)
    if not within and len(x) >= MIN_MODELS_APART:
        return _jackknifed(x, y, np.eye(len(x)))
    nuisance = member if within else np.ones((len(x), 1))
    centred = _residual(x, nuisance)
    rest = _residual(y, np.column_stack([nuisance, x]))
    df = len(x) - nuisance.shape[1] - 1
    return Component(float(rest @ rest) / df / float(centred @ centred), df)


def _over_units(slopes: Floats, noise: float, correction: float = 0.0) -> Component:
    """Variance of the mean of the slopes of n units beyond that of noise.

    ``correction`` is added to 1 / n.
    """
    n = slopes.size
    beyond = max(float(slopes.var(ddof=1)) / n - noise, 0.0)
    return Component(beyond * (1 + n * correction), n - 1)


def _interaction(weights: Floats, y: Floats, x: Floats, nuisance: Floats) -> float:
    """Variance of the slope from what is chance of one model in one run of one person.

    y: (n_people, n_models, n_runs).
    """
    n_people, n_models, n_runs = y.shape
    rest = _residual(np.moveaxis(y, 1, 0), np.column_stack([nuisance, x]))
    df = n_models - nuisance.shape[1] - 1
    for axis, n in ((1, n_people), (2, n_runs)):
        if n > 1:
            rest = rest - rest.mean(axis=axis, keepdims=True)
            df *= n - 1
    mean_square = float((rest**2).sum()) / df
    return float(mean_square * (weights @ weights) / (n_people * n_runs))


def over_cells(y: Floats, heard: Booleans) -> Floats:
    """Average over the runs that each person heard, and over people, each alike.

    Parameters
    ----------
    y : (n_people, n_models, n_runs)
    heard : (n_people, n_runs)

    Returns
    -------
    (n_models,)
    """
    if heard.all():
        found: Floats = y.mean(axis=(0, 2))
        return found
    own: Floats = np.where(heard[:, None], y, 0.0).sum(axis=2) / heard.sum(axis=1)[:, None]
    found = own.mean(axis=0)
    return found


def _expected(weights: Floats) -> float:
    """Return how often the variance of independent effects is in the mean square of some means.

    weights: (n_means, n_effects), of each effect in each mean. Of the effects that the means are
    of, and no other, it is 1.
    """
    apart = weights - weights.mean(axis=0)
    return float((apart**2).sum()) / (len(weights) - 1)


def _complete(
    weights: Floats, y: Floats, x: Floats, nuisance: Floats
) -> tuple[float, dict[str, Component]]:
    """Mean slope and its variances over runs and people, where everybody has all runs.

    y: (n_people, n_models, n_runs); ``weights`` @ y is the slope of a run of a person.
    """
    slopes = np.einsum("m,pmk->pk", weights, y)
    n_people, n_runs = slopes.shape
    noise = _interaction(weights, y, x, nuisance)
    parts = {RUNS: _over_units(slopes.mean(axis=0), noise, 1 / (n_runs - 1))}
    if n_people > 1:
        parts[PEOPLE] = _over_units(slopes.mean(axis=1), noise)
    return float(slopes.mean()), parts


def _incomplete(
    weights: Floats, y: Floats, x: Floats, nuisance: Floats, heard: Booleans
) -> tuple[float, dict[str, Component]] | None:
    """Give what :func:`_complete` does, where some people lack some runs.

    None where people share too few runs for people, runs and chance to be told apart.
    """
    n_people, n_runs = heard.shape
    own, hearers = heard.sum(axis=1), heard.sum(axis=0)
    both = np.block([[np.diag(own), heard], [heard.T, np.diag(hearers)]]).astype(np.float64)
    rank = int(np.linalg.matrix_rank(both, hermitian=True))
    df = (len(x) - nuisance.shape[1] - 1) * (int(own.sum()) - rank)
    if not df:
        return None
    rest = _residual(np.moveaxis(y, 1, 0), np.column_stack([nuisance, x]))
    sums = np.concatenate([rest.sum(axis=2), rest.sum(axis=1)], axis=1)
    means = sums @ np.linalg.pinv(both, hermitian=True)  # of people and of runs, model by model
    rest = np.where(heard, rest - means[:, :n_people, None] - means[:, None, n_people:], 0.0)
    chance = float((rest**2).sum()) / df * float(weights @ weights)
    slopes = np.einsum("m,pmk->pk", weights, y)
    of_runs, of_people = slopes.sum(axis=0) / hearers, slopes.sum(axis=1) / own
    seen = [float(one.var(ddof=1)) - chance * float((1 / n).mean())
            for one, n in ((of_runs, hearers), (of_people, own))]  # fmt: skip
    in_people = heard / own[:, None]
    expected = np.array([[1.0, _expected((heard / hearers).T)], [_expected(in_people), 1.0]])
    over_runs, over_people = optimize.nnls(expected, np.array(seen))[0]
    # the training runs that a person's folds share count as in ``corrected_t``
    counted = float((in_people.mean(axis=0) ** 2).sum()) + float((1 / (own - 1)).mean())
    return float(of_people.mean()), {
        RUNS: Component(float(over_runs) * counted, n_runs - 1),
        PEOPLE: Component(float(over_people) / n_people, n_people - 1),
    }


def _why_not(x: Floats, y: Floats, heard: Booleans, member: Floats, within: bool) -> str:
    n_models, n_runs = y.shape[1:]
    if n_models < MIN_MODELS:
        return f"{n_models} model{'' if n_models == 1 else 's'}, {MIN_MODELS} needed"
    if n_runs < MIN_RUNS:
        return f"{n_runs} test runs, {MIN_RUNS} needed"
    if not np.isfinite(y[np.broadcast_to(heard[:, None], y.shape)]).all():
        return "a side of the region has no usable voxel in some fit"
    if np.ptp(x) == 0:
        return "all models have one value of the predictor"
    if within:
        inside = _residual(x, member)
        share = float(inside @ inside) / float(((x - x.mean()) ** 2).sum())
        if share < WITHIN or n_models - member.shape[1] < 2:
            return "families and predictor cannot be told apart"
    return ""


def crossed_slope(
    x: Floats, y: Floats, families: Sequence[str], heard: Booleans | None = None
) -> CrossedSlope:
    """Slope over models of an outcome that several people and runs share, with one interval.

    Parameters
    ----------
    x : (n_models,)
        ln N, or another predictor.
    y : (n_people, n_models, n_runs)
        Outcome, as left minus right, in each test run of each person; one person for an average
        brain, whose variance over people is then not counted.
    families : (n_models,)
        Family of each model.
    heard : (n_people, n_runs)
        The runs that each person has, at least two; None: all. Elsewhere ``y`` does not matter.

    Returns
    -------
    CrossedSlope
        Without an interval, and with the reason, below 5 models or 3 runs, where a value is not
        finite, where families and size go together, where people share too few runs, or where
        nothing varies.
    """
    heard = np.ones((len(y), y.shape[2]), bool) if heard is None else heard
    member = _indicator(families)
    n_families = member.shape[1]
    within = 1 < n_families < MIN_FAMILIES
    reason = _why_not(x, y, heard, member, within)
    if reason:
        return CrossedSlope(n_families=n_families, within=within, reason=reason)
    nuisance = member if within else np.ones((len(x), 1))
    centred = _residual(x, nuisance)
    weights = centred / float(centred @ centred)
    average = over_cells(y, heard)
    found = (
        _complete(weights, y, x, nuisance)
        if heard.all()
        else _incomplete(weights, np.where(heard[:, None], y, 0.0), x, nuisance, heard)
    )
    if found is None:
        return CrossedSlope(n_families=n_families, within=within, reason=TOO_FEW_SHARED)
    slope, beside = found
    parts = {MODELS: _over_models(x, average, member, within), **beside}
    variance = sum(part.variance for part in parts.values())
    if not (np.isfinite(variance) and np.sqrt(variance) > ROUNDING * abs(slope)):
        return CrossedSlope(
            slope, parts=parts, n_families=n_families, within=within,
            reason="the slope does not vary over models: nothing was measured",
        )  # fmt: skip
    df_all = variance**2 / sum(part.variance**2 / part.df for part in parts.values())
    half = float(stats.t.ppf(0.5 + LEVEL / 2, df_all)) * np.sqrt(variance)
    return CrossedSlope(slope, slope - half, slope + half, df_all, parts, n_families, within)
