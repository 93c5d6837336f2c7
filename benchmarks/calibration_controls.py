"""Do the controls keep their level? Simulation on scores by model and run, without ENCODE.

``python benchmarks/calibration_controls.py`` writes ``results/calibration_controls.tsv``: for each
control and world the share of data sets in which its interval covers the truth, or in which it
rejects where nothing is to be found; ``before`` is the same with the usual formula, which the
pipeline used before. In every world the folds of a model share training runs, so that the
variance of a mean is 1.3 times that of independent runs (as in ``calibration.py``).
"""

import argparse
import sys
from collections.abc import Callable
from concurrent.futures import ProcessPoolExecutor
from dataclasses import dataclass, replace
from functools import partial
from pathlib import Path

import numpy as np
import pandas as pd
from scipy import stats
from scipy.signal import lfilter

PROJECT = Path(__file__).resolve().parents[1]
sys.path[:0] = [str(PROJECT / "bin"), str(PROJECT / "benchmarks")]

from calibration import summarise_cells  # noqa: E402

from lateralization.arrays import Floats, Row  # noqa: E402
from lateralization.files import write_table  # noqa: E402
from lateralization.statistics.change_points import find_bend  # noqa: E402
from lateralization.statistics.intervals import corrected_t, t_interval  # noqa: E402
from lateralization.statistics.lines import lines  # noqa: E402
from lateralization.statistics.permutation import holm, sign_flip_p  # noqa: E402
from lateralization.statistics.regressions import regress_steps  # noqa: E402
from lateralization.statistics.score_controls import (  # noqa: E402
    compare_leans,
    left_on_right,
    mediation,
    slope_over_models,
    within_families,
)

N_RUNS = 9
RATIO = 1.3
"""Variance of a mean over runs, over that of independent runs: measured by ``calibration.py``."""

SCORE_ON_SIZE = 0.01
N_BOOT = 500
N_REGIONS = 7


@dataclass(frozen=True)
class World:
    """What the models of a made study do; errors are standard deviations of means over runs.

    Attributes
    ----------
    through, beside
        Change of left minus right per unit of the score, and per unit of ln N beside it.
    scatter
        Standard deviation over models of left minus right beside both.
    own
        Share of the error that each model has for itself; the rest is common to all.
    tilt
        Variance of a common error that grows with size, as a share of the error's.
    left_noise
        Error of the left over that of the right.
    family_slopes
        Standard deviation over families of the slope of left minus right on ln N.
    """

    through: float = 0.0
    beside: float = 0.0
    scatter: float = 0.001
    error: float = 0.004
    own: float = 1.0
    tilt: float = 0.0
    left_noise: float = 1.0
    family_slopes: float = 0.0


WORLDS = {
    "errors of their own": World(),
    "noisy scores": World(error=0.012),
    "left noise 1.5": World(left_noise=1.5),
    "shared errors": World(own=0.3, tilt=0.3),
    "through the score": World(through=0.3, scatter=0.002),
    "families differ": World(family_slopes=0.001),
    "families differ, shared errors": World(family_slopes=0.001, own=0.3, tilt=0.3),
}
SIZES = (6, 10, 28)


def errors(rng: np.random.Generator, n: int) -> Floats:
    """Errors of both sides in each run, (n, runs, 2), of which the mean over runs has variance 1.

    The sides share 0.7 of their variance; the folds share what makes the ratio.
    """
    fold = (RATIO - 1) / (RATIO - 1 + N_RUNS)

    def drawn(runs: int) -> Floats:
        both, own = rng.standard_normal((n, runs, 1)), rng.standard_normal((n, runs, 2))
        found: Floats = np.sqrt(0.7) * both + np.sqrt(0.3) * own
        return found

    return np.sqrt(N_RUNS / RATIO) * (np.sqrt(1 - fold) * drawn(N_RUNS) + np.sqrt(fold) * drawn(1))


def made_study(rng: np.random.Generator, world: World, n: int) -> tuple[Floats, Floats, list[str]]:
    """Draw a study: ln N, (n,); left and right score, (n, runs, 2); families of four models."""
    size, place = rng.uniform(18, 24, n), np.arange(n) // 4
    score = 0.2 + SCORE_ON_SIZE * (size - 21) + 0.01 * rng.standard_normal(n)
    slopes = world.beside + world.family_slopes * rng.standard_normal(n)[place]
    difference = world.through * score + slopes * (size - 21)
    difference += world.scatter * rng.standard_normal(n)
    noise = np.sqrt(world.own) * errors(rng, n) + np.sqrt(1 - world.own) * errors(rng, 1)
    noise += np.sqrt(world.tilt) * ((size - 21) / 2)[:, None, None] * errors(rng, 1)
    true = np.stack([score + difference / 2, score - difference / 2], axis=-1)
    noise *= world.error * np.array([world.left_noise, 1.0])
    return size, true[:, None] + noise, [f"family {family}" for family in place]


# --- the usual formulas --------------------------------------------------------------------------


def p_least_squares(y: Floats, design: Floats) -> float:
    """Test of the first column's coefficient by least squares, errors alike."""
    rest = y - design @ np.linalg.lstsq(design, y, rcond=None)[0]
    df = len(y) - design.shape[1]
    inverse = np.linalg.inv(design.T @ design)
    t = (inverse @ design.T @ y)[0] / np.sqrt(rest @ rest / df * inverse[0, 0])
    return float(2 * stats.t.sf(abs(t), df))


def percentile_indirect(rng: np.random.Generator, x: Floats, m: Floats, y: Floats) -> Floats:
    """Percentile bootstrap over models of the effect through the score."""
    drawn = rng.integers(len(x), size=(N_BOOT, len(x)))
    x, m, y = (one[drawn] - one[drawn].mean(axis=1, keepdims=True) for one in (x, m, y))
    xx, mm, xm = (x * x).sum(1), (m * m).sum(1), (x * m).sum(1)
    xy, my = (x * y).sum(1), (m * y).sum(1)
    with np.errstate(divide="ignore", invalid="ignore"):
        indirect = xm / xx * (xx * my - xm * xy) / (xx * mm - xm**2)
    limits: Floats = np.nanpercentile(indirect, [2.5, 97.5])
    return limits


# --- one data set of each kind -------------------------------------------------------------------


def one_of_models(rng: np.random.Generator, world: World, n: int) -> Row:
    """Draw a study and ask every control over models."""
    size, sides, families = made_study(rng, world, n)
    by_run, means = sides[..., 0] - sides[..., 1], sides.mean(axis=1)
    score, difference, ones = means.mean(axis=1), means[:, 0] - means[:, 1], np.ones(n)
    row: Row = {}
    if not world.family_slopes:
        through = world.through * SCORE_ON_SIZE
        line = lines(size, difference[:, None])
        slope = slope_over_models(size, by_run, families)
        row |= {
            "slope on size, before: covers": line.slope_low[0] <= through <= line.slope_high[0],
            "slope on size: covers": slope.low <= through <= slope.high if slope.p >= 0 else np.nan,
        }
    if not world.family_slopes and not world.through:
        found = left_on_right(size, sides)
        row |= {
            "slope 1 of left on right, before: rejects": p_least_squares(
                difference, np.column_stack([means[:, 1], ones])
            )
            < 0.05,
            "slope 1 of left on right: rejects": found.p < 0.05,
        }
    if not world.family_slopes and n >= 10:
        paths = {one.path: one.found for one in mediation(size, sides)}
        design = np.column_stack([size, score, ones])
        low, high = percentile_indirect(rng, size, score, difference)
        told = not paths["direct"].reason
        row |= {
            "size given the score, before: rejects": p_least_squares(difference, design) < 0.05,
            "size given the score: rejects": paths["direct"].p < 0.05,
            "size and score told apart: share": told,
            "effect through the score, before: covers": low <= through <= high,
        }
        for name, true in (("direct", 0.0), ("indirect", through), ("total", through)):
            limits = paths[name].low <= true <= paths[name].high
            row[f"{name} effect: covers"] = limits if not paths[name].reason else np.nan
    if world.family_slopes and n >= 12:
        names = np.unique(families, return_inverse=True)[1]
        design = np.column_stack([size, np.eye(names.max() + 1)[names]])
        found = within_families(size, by_run, families)
        row |= {
            "mean slope within families, before: rejects": p_least_squares(difference, design)
            < 0.05,
            "mean slope within families: rejects": found.p < 0.05,
        }
    return row


def one_of_regions(rng: np.random.Generator, world: World, n: int) -> Row:
    """Ask seven regions, half of whose errors are common, whether any has a star."""
    size, common, families = made_study(rng, world, n)
    regions = [(common + made_study(rng, world, n)[1]) / np.sqrt(2) for _ in range(N_REGIONS)]
    by_run = np.stack([sides[..., 0] - sides[..., 1] for sides in regions])
    before = lines(size, by_run.mean(axis=2).T).p
    now = [slope_over_models(size, one, families).p for one in by_run]
    return {
        "a star in any of 7 regions, before: rejects": before.min() <= 0.05,
        "a star in any of 7 regions, p over models by Holm: rejects": holm(before).min() <= 0.05,
        "a star in any of 7 regions: rejects": np.nanmin(holm(now)) <= 0.05,
    }


def one_of_leans(rng: np.random.Generator, world: tuple[int, float], n: int) -> Row:
    """Draw controls and n models that all lean as far, to either side: nobody leads."""
    n_controls, lean = world
    noise = 0.004 * (errors(rng, n_controls + n) + errors(rng, 1))
    by_run = noise[..., 0] - noise[..., 1] + lean * rng.choice([-1, 1], n_controls + n)[:, None]
    controls, models = by_run[:n_controls], by_run[n_controls:]
    farthest = [np.abs(some.mean(axis=1)).max() for some in (controls, models)]
    return {
        "lead of a control, before: rejects": farthest[0] >= farthest[1],
        "lead of a control: rejects": compare_leans(controls, models).p < 0.05,
    }


def one_of_steps(rng: np.random.Generator, memory: float, n: int) -> Row:
    """Draw two trajectories over steps that have nothing to do with each other."""
    x, y = lfilter([1], [1, -memory], rng.standard_normal((2, n + 200)), axis=1)[:, 200:]
    return {
        "two trajectories, before: rejects": lines(x, y[:, None]).p[0] < 0.05,
        "two trajectories: rejects": regress_steps(x, y).p < 0.05,
    }


def one_of_bends(rng: np.random.Generator, memory: float, n: int) -> Row:
    """Draw a trajectory over the logarithm of the step, without a bend."""
    y = lfilter([1], [1, -memory], rng.standard_normal(n + 200))[200:]
    x = np.arange(n, dtype=np.float64)
    return {
        "change point of a trajectory, before: rejects": find_bend(x, y).p < 0.05,
        "change point of a trajectory: rejects": find_bend(x, y, steps=True).p < 0.05,
    }


def one_of_people(rng: np.random.Generator, _: float, n: int) -> Row:
    """Draw people with skewed values of mean 0 (a gamma of shape 1)."""
    values = rng.gamma(1.0, 1.0, n) - 1.0
    found = t_interval(values)
    both = (found.low > 0 or found.high < 0) and sign_flip_p(values) <= 0.05
    return {
        "t over people: rejects": found.low > 0 or found.high < 0,
        "sign flips over people: rejects": sign_flip_p(values) <= 0.05,
        "both over people: rejects": both,
    }


def one_of_reliabilities(rng: np.random.Generator, error: float, n: int) -> Row:
    """Draw a model of a symmetric brain, its score divided by a reliability with an error per side.

    n voxels a side; the error is that of a side's mean, as a share of the reliability.
    """
    true = rng.uniform(0.2, 0.5, (2, n))
    reliability = (
        true + 0.02 * rng.standard_normal((2, n)) + error * 0.35 * rng.standard_normal((2, 1))
    )
    by_run = 0.01 * errors(rng, 1)[0]
    ratios = (0.5 * true[:, None] + by_run.T[..., None]) / reliability[:, None]
    sides = ratios.mean(axis=2)
    return {
        "score over reliability, t over runs, before: rejects": corrected_t(sides[0] - sides[1])[1]
        < 0.05,
    }


@dataclass(frozen=True)
class Cell:
    """A cell of the table: who draws a data set, in which world, of how many units."""

    world: str
    n_units: int
    draw: Callable[..., Row]
    what: object


def cells() -> list[Cell]:
    """List all cells."""
    found = [
        Cell(name, n, one_of_models, world)
        for name, world in WORLDS.items()
        for n in SIZES
        if not world.family_slopes or n >= 12
    ]
    found += [Cell(name, 10, one_of_regions, replace(WORLDS[name], scatter=0.002))
              for name in ("errors of their own", "shared errors")]  # fmt: skip
    found += [Cell(f"{k} controls lean as far", n, one_of_leans, (k, 0.02))
              for k in (2, 8) for n in (6, 28)]  # fmt: skip
    found += [Cell(f"steps, AR({memory:g})", n, one_of_steps, memory)
              for memory in (0.0, 0.8, 1.0) for n in (8, 16, 32)]  # fmt: skip
    found += [Cell(f"steps, AR({memory:g})", n, one_of_bends, memory)
              for memory in (0.8, 1.0) for n in (8, 16, 32)]  # fmt: skip
    found += [Cell("skewed people", n, one_of_people, 0.0) for n in (5, 6, 8, 12)]
    found += [Cell(f"reliability off by {100 * error:g} % a side", 100, one_of_reliabilities, error)
              for error in (0.0, 0.02, 0.04)]  # fmt: skip
    found += [Cell(f"{k} controls, no lean", n, one_of_leans, (k, 0.0))
              for k in (2, 8) for n in (6, 28)]  # fmt: skip
    return found


def rows_of(numbered: tuple[int, Cell], n_sets: int, seed: int) -> list[Row]:
    """Simulate one cell."""
    number, cell = numbered
    rng = np.random.default_rng([seed, number])
    drawn = [cell.draw(rng, cell.what, cell.n_units) for _ in range(n_sets)]
    return summarise_cells(drawn, {"world": cell.world, "n_units": cell.n_units})


def main() -> None:
    """Simulate and write the table."""
    command = argparse.ArgumentParser(description=__doc__.splitlines()[0])
    command.add_argument("--sets", type=int, default=2000, help="data sets in a cell")
    command.add_argument("--seed", type=int, default=1)
    command.add_argument("--processes", type=int, default=1)
    command.add_argument("--results", type=Path, default=PROJECT / "benchmarks" / "results")
    given = command.parse_args()
    given.results.mkdir(parents=True, exist_ok=True)
    work = partial(rows_of, n_sets=given.sets, seed=given.seed)
    with ProcessPoolExecutor(given.processes) as pool:
        rows = [row for part in pool.map(work, enumerate(cells())) for row in part]
    write_table(pd.DataFrame(rows), given.results / "calibration_controls.tsv")


if __name__ == "__main__":
    main()
