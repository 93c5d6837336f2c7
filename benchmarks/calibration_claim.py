"""How often is the claim false? Worlds in which nothing, or something else, moves the sides.

``python benchmarks/calibration_claim.py`` writes ``calibration_claim.tsv`` to
``benchmarks/results/``: for each world the share of data sets in which the first sentence of the
report claims a change of left minus right with model size that is not there (or has the other
sign), beside that of an interval over models alone; and, where something is planted, how often it
is found, beside an interval that knows the variances. Worlds of time series go through ENCODE and
the scores that LATERALIZE takes; the others draw left minus right of models, runs and people.
"""

import argparse
import sys
from collections.abc import Callable
from concurrent.futures import ProcessPoolExecutor
from dataclasses import dataclass
from functools import partial
from pathlib import Path

import numpy as np
import pandas as pd
import torch
from scipy import stats

PROJECT = Path(__file__).resolve().parents[1]
sys.path[:0] = [str(PROJECT / "bin"), str(PROJECT / "benchmarks")]

from calibration import (  # noqa: E402
    ALPHAS,
    KINDS,
    N_FEATURES,
    N_RUNS,
    N_SCANS,
    SHAPE,
    made_brain,
    responses,
    slow,
)

from lateralization.arrays import Floats, Row  # noqa: E402
from lateralization.files import write_table  # noqa: E402
from lateralization.fmri.signals import standardise  # noqa: E402
from lateralization.ridge.ridge import encode  # noqa: E402
from lateralization.statistics.asymmetry import (  # noqa: E402
    BEST_CV,
    STRICT,
    WHOLE,
    FitScores,
    Region,
    side_means,
)
from lateralization.statistics.crossed import crossed_slope  # noqa: E402
from lateralization.statistics.regressions import regress  # noqa: E402

LEVEL = 0.05
LARGEST, SMALLEST = np.log(1e10), np.log(1e8)


@dataclass(frozen=True)
class Series:
    """A world of time series.

    Attributes
    ----------
    own
        Share of a model's error that no other model has.
    signal
        Gain of the signal on both sides.
    noise_left
        Standard deviation of the left's noise over the right's: the slope in r is then not 0, and
        its mean over all data sets is the truth.
    rise
        Gain that the largest model's own features have on the left over the right.
    """

    own: float = 1.0
    signal: float = 1.0
    noise_left: float = 1.0
    rise: float = 0.0


SERIES = {
    "independent errors": Series(),
    "own errors 0.6": Series(own=0.6),
    "own errors 0.3": Series(own=0.3),
    "own errors 0.1": Series(own=0.1),
    "own errors 0.1, weak signal": Series(own=0.1, signal=0.3),
    "own errors 0.1, strong signal": Series(own=0.1, signal=2.0),
    "own errors 0.3, left noise 1.5": Series(own=0.3, noise_left=1.5),
    "planted on the left": Series(own=0.3, rise=0.6),
}


def sides_of_series(seed: tuple[int, int], world: Series, n_models: int) -> Floats:
    """Simulate one data set and encode it with every model: (n_models, 2, n_runs)."""
    rng = np.random.default_rng(seed)
    stimulus = [slow(rng, N_SCANS, N_FEATURES) for _ in range(N_RUNS)]
    place = np.indices(SHAPE)[0].ravel() - SHAPE[0] // 2
    gains = world.signal * (1 + np.where(place < 0, world.rise, 0.0))
    gains = gains / np.where(place < 0, world.noise_left, 1.0)
    bold = responses(rng, stimulus, gains)
    common = [[slow(rng, N_SCANS, N_FEATURES) for _ in range(N_RUNS)] for _ in range(2)]
    left, right = made_brain().halves[STRICT]
    region = Region(WHOLE, STRICT, left, right)
    sides = []
    for noise in np.linspace(1.2, 0.4, n_models):
        layers = []
        for shared in common:
            states = [
                standardise(
                    run
                    + noise
                    * (
                        np.sqrt(1 - world.own) * of_all
                        + np.sqrt(world.own) * slow(rng, N_SCANS, N_FEATURES)
                    )
                )
                for run, of_all in zip(stimulus, shared, strict=True)
            ]
            layers.append(encode(states, bold, ALPHAS).r)
        scores = FitScores(np.stack(layers))
        sides.append(side_means(scores.chosen(BEST_CV, region), region))
    return np.stack(sides)


@dataclass(frozen=True)
class Slopes:
    """A world of left minus right itself, in units of the models' own spread.

    Attributes
    ----------
    n_models, n_people
        How many; one person is an average brain.
    families
        Models in each family; empty: each its own.
    of_models, of_families, of_runs, of_people, of_all
        Standard deviations of what varies: a model's own asymmetry, a family's, a run's slope, a
        person's slope, and what is chance of one model in one run of one person.
    kind
        Distribution of the people's slopes.
    slope
        What is planted, per unit of the predictor's range.
    """

    n_models: int = 6
    n_people: int = 1
    families: tuple[int, ...] = ()
    of_models: float = 1.0
    of_families: float = 0.0
    of_runs: float = 0.5
    of_people: float = 0.0
    of_all: float = 1.0
    kind: str = "normal"
    slope: float = 0.0


SLOPES = {
    **{f"{n} models": Slopes(n_models=n) for n in (5, 6, 9, 14, 28)},
    "28 models in 8 unequal families": Slopes(
        28, families=(7, 6, 5, 4, 2, 2, 1, 1), of_models=0.3, of_families=1.0
    ),
    "12 models in 2 families": Slopes(12, families=(8, 4), of_models=0.3, of_families=1.0),
    "10 models in 4 families": Slopes(10, families=(4, 3, 2, 1), of_models=0.3, of_families=1.0),
    "runs alone": Slopes(of_models=0.0, of_all=0.1, of_runs=1.0),
    "12 people": Slopes(n_people=12, of_people=1.0),
    "12 people who share the runs' chance": Slopes(n_people=12, of_people=0.3, of_runs=1.0),
    "6 skewed people": Slopes(n_people=6, of_people=1.0, kind="skewed"),
    "12 skewed people": Slopes(n_people=12, of_people=1.0, kind="skewed"),
    "6 heavy-tailed people": Slopes(n_people=6, of_people=1.0, kind="heavy-tailed"),
    "planted, 6 models": Slopes(slope=5.0),
    "planted, 28 models": Slopes(28, slope=3.0),
    "planted, 12 people": Slopes(n_people=12, of_people=1.0, slope=5.0),
}


def drawn_slopes(seed: tuple[int, int], world: Slopes) -> tuple[Floats, Floats, list[str]]:
    """Draw x (n_models,), left minus right (n_people, n_models, n_runs) and the families."""
    rng = np.random.default_rng(seed)
    x = np.sort(rng.uniform(-0.5, 0.5, world.n_models))
    sizes = world.families or (1,) * world.n_models
    family = rng.permutation(np.repeat(np.arange(len(sizes)), sizes))
    shape = (world.n_people, world.n_models, N_RUNS)
    of_models = world.of_models * rng.standard_normal(world.n_models)
    of_models += world.of_families * rng.standard_normal(len(sizes))[family]
    slopes = (
        world.slope
        + world.of_runs * rng.standard_normal(N_RUNS)[None, None, :]
        + world.of_people * KINDS[world.kind](rng, world.n_people)[:, None, None]
    )
    y = slopes * x[None, :, None] + of_models[None, :, None]
    return x, y + world.of_all * rng.standard_normal(shape), [f"family {one}" for one in family]


def judged(x: Floats, y: Floats, families: list[str]) -> Row:
    """Give the claim of one data set and an interval over models alone."""
    found, alone = crossed_slope(x, y, families), regress(x, y.mean(axis=(0, 2)))
    return {
        "slope": found.slope, "low": found.low, "high": found.high,
        "alone_low": alone.slope_low, "alone_high": alone.slope_high,
    }  # fmt: skip


def of_series(seed: tuple[int, int], world: Series, n_models: int) -> Row:
    """Judge one data set of a world of time series."""
    sides = sides_of_series(seed, world, n_models)
    x = np.linspace(SMALLEST, LARGEST, n_models)
    return judged(x, (sides[:, 0] - sides[:, 1])[None], [f"model {n}" for n in range(n_models)])


def of_slopes(seed: tuple[int, int], world: Slopes) -> Row:
    """Judge one data set of a world of left minus right."""
    return judged(*drawn_slopes(seed, world))


def share(n: int, total: int) -> tuple[float, float, float]:
    """Return a share with its 95 % limits (Clopper and Pearson)."""
    exact = stats.binomtest(n, total).proportion_ci(0.95, "exact")
    return n / total, float(exact.low), float(exact.high)


def summarised(name: str, drawn: list[Row], planted: bool, truth: float | None) -> Row:
    """Count in how many data sets the claim, and an interval over models alone, are false.

    ``truth``: the slope; None: its mean over all data sets.
    """
    table = pd.DataFrame(drawn).astype(float)
    true = float(table["slope"].mean()) if truth is None else truth
    rejected = {
        kind: np.sign(table[f"{kind}low"]) * (np.sign(table[f"{kind}low"]) ==
              np.sign(table[f"{kind}high"]))
        for kind in ("", "alone_")
    }  # fmt: skip
    row: Row = {"world": name, "n_sets": len(table), "truth": true}
    direction = np.sign(true) if planted else 0
    for kind, label in (("", "claim"), ("alone_", "models alone")):
        wrong = int(((rejected[kind] != 0) & (rejected[kind] != direction)).sum())
        row[f"{label}: false"], row[f"{label}: low"], row[f"{label}: high"] = share(
            wrong, len(table)
        )
    covers = (table["low"] <= true) & (true <= table["high"])
    row["claim: covers"] = float(covers.mean())
    row["claim: width over that of known variances"] = float(
        (table["high"] - table["low"]).mean() / (2 * 1.96 * table["slope"].std(ddof=1))
    )
    found = (rejected[""] == direction) & (direction != 0)
    row["claim: found"] = float(found.mean()) if direction else np.nan
    known = np.abs(table["slope"]) > 1.96 * table["slope"].std(ddof=1)
    row["known variances: found"] = float(known.mean()) if direction else np.nan
    return row


def _share(seeds: list[tuple[int, int]], work: Callable[[tuple[int, int]], Row]) -> list[Row]:
    torch.set_num_threads(1)
    return [work(seed) for seed in seeds]


def simulate(
    work: Callable[[tuple[int, int]], Row], n_sets: int, seed: int, pool: ProcessPoolExecutor
) -> list[Row]:
    """Draw data sets in the processes of the pool."""
    seeds = [(seed, one) for one in range(n_sets)]
    shares = [seeds[first::8] for first in range(8)]
    return [one for found in pool.map(partial(_share, work=work), shares) for one in found]


def main() -> None:
    """Simulate all worlds and write the table."""
    command = argparse.ArgumentParser(description=__doc__.splitlines()[0])
    command.add_argument("--worlds", nargs="+", default=[*SLOPES, *SERIES])
    command.add_argument("--sets", type=int, default=1000, help="data sets in a world")
    command.add_argument("--models", type=int, default=6, help="models of the time series")
    command.add_argument("--seed", type=int, default=1)
    command.add_argument("--processes", type=int, default=2)
    command.add_argument(
        "--out", type=Path, default=PROJECT / "benchmarks" / "results" / "calibration_claim.tsv"
    )
    given = command.parse_args()
    rows = []
    with ProcessPoolExecutor(given.processes) as pool:
        for place, name in enumerate([*SLOPES, *SERIES]):
            if name not in given.worlds:
                continue
            if name in SLOPES:
                work, planted = partial(of_slopes, world=SLOPES[name]), SLOPES[name].slope != 0
                truth: float | None = SLOPES[name].slope
            else:
                series = SERIES[name]
                work = partial(of_series, world=series, n_models=given.models)
                planted = series.rise != 0 or series.noise_left != 1
                truth = None if planted else 0.0
            rows.append(
                summarised(
                    name, simulate(work, given.sets, given.seed + place, pool), planted, truth
                )
            )
            print(pd.DataFrame(rows[-1:]).to_string(index=False, header=False), flush=True)
    write_table(pd.DataFrame(rows), given.out)


if __name__ == "__main__":
    main()
