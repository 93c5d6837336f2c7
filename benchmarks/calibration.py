"""Do the intervals cover and do the tests keep their size? Simulation, 2,000 data sets a cell.

``python benchmarks/calibration.py`` writes two tables to ``benchmarks/results/``:

* ``calibration_units.tsv``: intervals, tests and estimates over independent units (runs, people,
  models; n = 5, 9, 28, 49), made normal, skewed and heavy-tailed;
* ``calibration_series.tsv``: time series, smooth in space and time, of a symmetric brain, through
  ENCODE and LATERALIZE: what the shared training runs of the folds do to intervals over runs.
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
from scipy.ndimage import gaussian_filter
from scipy.signal import lfilter

PROJECT = Path(__file__).resolve().parents[1]
sys.path.insert(0, str(PROJECT / "bin"))

from lateralization.arrays import Floats, Row  # noqa: E402
from lateralization.files import write_table  # noqa: E402
from lateralization.fmri.signals import standardise  # noqa: E402
from lateralization.ridge.ridge import encode  # noqa: E402
from lateralization.statistics.asymmetry import (  # noqa: E402
    BEST_CV,
    BEST_VOXEL,
    SHARED,
    STRICT,
    Brain,
    FitScores,
)
from lateralization.statistics.intervals import corrected_t, jackknife_interval, t_interval  # noqa: E402
from lateralization.statistics.lines import slope_on  # noqa: E402
from lateralization.statistics.permutation import holm, sign_flip_p  # noqa: E402
from lateralization.statistics.regressions import regress  # noqa: E402
from lateralization.tables.fits import Fit  # noqa: E402
from lateralization.tables.model_tables import regressions  # noqa: E402
from lateralization.tables.summaries import Place, summarise  # noqa: E402
from lateralization.volumes import hemispheres, mirror_index  # noqa: E402

SIZES = (5, 9, 28, 49)
PLANTED = 0.3
"""Planted mean, in standard deviations of the units; planted slope, per unit of x."""

N_REGIONS = 7
KINDS: dict[str, Callable[..., Floats]] = {
    "normal": lambda rng, n: rng.standard_normal(n),
    "skewed": lambda rng, n: (rng.gamma(4.0, 1.0, n) - 4.0) / 2.0,
    "heavy-tailed": lambda rng, n: rng.standard_t(5, n) / np.sqrt(5 / 3),
}


# --- independent units ---------------------------------------------------------------------------


def one_of_units(rng: np.random.Generator, kind: str, n: int) -> Row:
    """Draw one data set of n units: what was covered, what was rejected, what was estimated."""
    null = KINDS[kind](rng, n)
    planted = PLANTED + KINDS[kind](rng, n)
    mean, nothing_there = t_interval(planted), t_interval(null)
    x = np.linspace(-1, 1, n)
    line = regress(x, PLANTED * x + KINDS[kind](rng, n))
    nothing = regress(x, KINDS[kind](rng, n))
    spread = jackknife_interval(lambda kept: float(np.log(planted[kept].std(ddof=1))), n)
    # Regions of one brain go together: half of their variance is common.
    shared = KINDS[kind](rng, n)
    regions = [(shared + KINDS[kind](rng, n)) / np.sqrt(2) for _ in range(N_REGIONS)]
    corrected = np.nanmin(holm(sign_flip_p(values, 999) for values in regions))
    return {
        "t interval of a mean: covers": mean.low <= PLANTED <= mean.high,
        "t interval of a slope: covers": line.slope_low <= PLANTED <= line.slope_high,
        "jackknife interval of ln sd (no mean): covers": spread.low <= 0 <= spread.high,
        "t interval of a mean: rejects": nothing_there.low > 0 or nothing_there.high < 0,
        "sign-flip test of a mean: rejects": sign_flip_p(null, 999) <= 0.05,
        "test of a slope: rejects": nothing.p <= 0.05,
        "any of 7 regions after Holm: rejects": corrected <= 0.05,
        "mean: bias": mean.mean - PLANTED,
        "slope: bias": line.slope - PLANTED,
    }


def summarise_cells(drawn: list[Row], where: Row) -> list[Row]:
    """Turn data sets into rows: the share (or mean), its standard error, and whether it is good."""
    rows = []
    for quantity, column in pd.DataFrame(drawn).astype(float).items():
        values = column.dropna()
        mean, error = float(values.mean()), float(values.std() / np.sqrt(len(values)))
        what = str(quantity).rsplit(": ", 1)[1]
        good = {
            "covers": 0.93 <= mean <= 0.97,
            "rejects": mean <= 0.06,
            "bias": abs(mean) <= 3 * error,
        }.get(what)
        rows.append(
            where
            | {"quantity": quantity, "value": mean, "standard_error": error, "n": len(values)}
            | {"good": "" if good is None else "yes" if good else "no"}
        )
    return rows


def units_cell(cell: tuple[str, int], n_sets: int, seed: int) -> list[Row]:
    """Simulate one kind and number of units."""
    kind, n = cell
    rng = np.random.default_rng([seed, n, list(KINDS).index(kind)])
    drawn = [one_of_units(rng, kind, n) for _ in range(n_sets)]
    return summarise_cells(drawn, {"units": kind, "n_units": n})


# --- time series through ENCODE and LATERALIZE ---------------------------------------------------

SHAPE = (9, 4, 4)
"""Voxels of the made brain: x = 4 is its midline."""
N_RUNS, N_SCANS, N_FEATURES = 9, 60, 6
MODELS = {"small": 1e8, "middle": 1e9, "large": 1e10}
NOISE_OF_STATES = (1.2, 0.8, 0.4)
"""Noise in the models' features, largest in the smallest model: scores grow with size."""
ALPHAS = np.logspace(0, 5, 6)


@dataclass(frozen=True)
class World:
    """What the simulated brains do.

    Attributes
    ----------
    rise
        Gain of the left over the right.
    same_story
        The stimulus is the same in all data sets.
    signal
        Gain of the signal on both sides; 0: the responses have nothing to do with the stimulus.
    """

    rise: float = 0.0
    same_story: bool = False
    signal: float = 1.0


def slow(rng: np.random.Generator, n_scans: int, *shape: int) -> Floats:
    """Noise that is autocorrelated over scans (0.4), (n_scans, *shape), of variance 1."""
    white = rng.standard_normal((n_scans + 20, *shape))
    made: Floats = lfilter([np.sqrt(1 - 0.4**2)], [1, -0.4], white, axis=0)[20:]
    return made


def made_brain() -> Brain:
    """Give the made brain, all of it mask."""
    mask = np.ones(SHAPE, dtype=bool)
    halves = {SHARED: hemispheres(mask, "shared"), STRICT: hemispheres(mask, "strict")}
    return Brain(halves, None, {}, mirror_index(mask))


def responses(rng: np.random.Generator, stimulus: list[Floats], gains: Floats) -> list[Floats]:
    """Responses (n_scans, n_voxels) by run: smooth weights on the stimulus, smooth slow noise.

    ``gains`` (n_voxels,) scale the signal. The weights are the same on both sides.
    """
    weights = gaussian_filter(np.random.default_rng(7).standard_normal((N_FEATURES, *SHAPE)),
                              (0, 1, 1, 1))  # fmt: skip
    weights += weights[:, ::-1]
    weights = weights.reshape(N_FEATURES, -1)
    weights /= np.linalg.norm(weights, axis=0)
    runs = []
    for scans in stimulus:
        noise = gaussian_filter(slow(rng, len(scans), *SHAPE), (0, 1.5, 1.5, 1.5))
        noise = noise.reshape(len(scans), -1)
        runs.append(standardise(gains * (scans @ weights) + 2 * noise / noise.std()))
    return runs


def one_of_series(seed: tuple[int, int], world: World) -> Row:
    """Simulate one data set, encode it with three models, and let LATERALIZE reduce it.

    With one story for all data sets, what its runs have of their own is no chance.
    """
    rng = np.random.default_rng(seed)
    of_story = np.random.default_rng(11) if world.same_story else rng
    stimulus = [slow(of_story, N_SCANS, N_FEATURES) for _ in range(N_RUNS)]
    place = np.indices(SHAPE)[0].ravel() - SHAPE[0] // 2
    bold = responses(rng, stimulus, world.signal * (1 - np.sign(place) * world.rise / 2))
    summaries = []
    for (name, size), noise in zip(MODELS.items(), NOISE_OF_STATES, strict=True):
        layers = []
        for extra in (0.0, 0.5):
            drawn = np.random.default_rng(13) if world.same_story else rng
            states = [
                standardise(run + (noise + extra) * slow(drawn, N_SCANS, N_FEATURES))
                for run in stimulus
            ]
            layers.append(encode(states, bold, ALPHAS).r)
        fit = Fit("en", "average", name, n_parameters=size, layers=(0, 1), n_layers=1)
        summaries.append(summarise(fit, FitScores(np.stack(layers)), made_brain()))
    place = Place("whole", BEST_CV, STRICT)
    largest = summaries[-1].asymmetry[place]
    published = summaries[-1].asymmetry[Place("whole", BEST_VOXEL, SHARED)].by_run
    line = next(
        one for one in regressions(summaries)
        if (one.outcome, one.layer, one.midline) == ("l_minus_r_whole", BEST_CV, STRICT)
        and one.is_main
    )  # fmt: skip
    ln_n = np.log(list(MODELS.values()))
    slopes = slope_on(ln_n, np.stack([one.asymmetry[place].by_run for one in summaries]))
    return {
        "slopes": slopes, "by_run": largest.by_run, "published": published.mean(),
        "low": largest.interval.low, "high": largest.interval.high, "slope": line.found.slope,
        "slope_low": line.runs_low, "slope_high": line.runs_high, "slope_p": line.runs_p,
        "index": largest.index,
    }  # fmt: skip


def quantities(drawn: list[Row], rise: float) -> list[Row]:
    """Compare the intervals with the truth: 0, or with an effect the mean over all data sets."""
    runs = np.stack([one["by_run"] for one in drawn])
    truth = runs.mean() if rise else 0.0
    slope = np.mean([one["slope"] for one in drawn]) if rise else 0.0
    index = np.nanmean([one["index"].mean for one in drawn]) if rise else 0.0
    within = float(runs.var(axis=1, ddof=1).mean()) / N_RUNS
    rows = []
    for one, values in zip(drawn, runs, strict=True):
        intervals = {"asymmetry": (truth, values), "slope": (slope, one["slopes"])}
        row: Row = {}
        for what, (true, by_run) in intervals.items():
            plain, corrected = t_interval(by_run), corrected_t(by_run)[0]
            row |= {
                f"{what}, corrected for shared runs: covers": corrected.low
                <= true
                <= corrected.high,
                f"{what}, not corrected: covers": plain.low <= true <= plain.high,
            }
        limits = one["index"]
        known = np.isfinite(limits.low)
        row["laterality index, Fieller's limits where it has some: covers"] = (
            limits.low <= index <= limits.high if known else np.nan
        )
        row["laterality index has limits: share"] = known
        row["variance of the mean over that of independent runs: ratio"] = (
            values.mean() - runs.mean()
        ) ** 2 / within
        if not rise:
            row |= {
                "left minus right, nothing planted: bias": values.mean(),
                "slope, nothing planted: bias": one["slope"],
                "slope's test over runs, of the tables: rejects": one["slope_p"] <= 0.05,
            }
        else:
            row["left minus right found where the left is planted: share"] = one["low"] > 0
        rows.append(row)
    return rows


UNITS = "units"
WORLDS = {
    "nothing planted, other stories": World(),
    "nothing planted, one story": World(same_story=True),
    "left planted, other stories": World(rise=0.5),
    "no signal at all": World(signal=0.0),
}


def _share(seeds: list[tuple[int, int]], world: World) -> list[Row]:
    torch.set_num_threads(1)
    return [one_of_series(seed, world) for seed in seeds]


def series_rows(worlds: list[str], n_sets: int, seed: int, processes: int) -> list[Row]:
    """Simulate the named worlds of time series."""
    rows = []
    for place, (name, world) in enumerate(WORLDS.items()):
        if name not in worlds:
            continue
        seeds = [(seed + place, one) for one in range(n_sets)]
        shares = [seeds[first::processes] for first in range(processes)]
        with ProcessPoolExecutor(processes) as pool:
            found = pool.map(partial(_share, world=world), shares)
            drawn = [one for share in found for one in share]
        rows += summarise_cells(quantities(drawn, world.rise), {"world": name, "n_runs": N_RUNS})
        print(pd.DataFrame(rows).tail(8).to_string(index=False, header=False), flush=True)
    return rows


def main() -> None:
    """Simulate and write both tables."""
    command = argparse.ArgumentParser(description=__doc__.splitlines()[0])
    command.add_argument("--parts", nargs="+", choices=[UNITS, *WORLDS], default=[UNITS, *WORLDS])
    command.add_argument("--sets", type=int, default=2000, help="data sets in a cell")
    command.add_argument("--series", type=int, help="data sets in a world; as --sets")
    command.add_argument("--seed", type=int, default=1)
    command.add_argument("--processes", type=int, default=2)
    command.add_argument("--results", type=Path, default=PROJECT / "benchmarks" / "results")
    given = command.parse_args()
    given.results.mkdir(parents=True, exist_ok=True)
    if UNITS in given.parts:
        cells = [(kind, n) for kind in KINDS for n in SIZES]
        with ProcessPoolExecutor(given.processes) as pool:
            work = partial(units_cell, n_sets=given.sets, seed=given.seed)
            units = [row for rows in pool.map(work, cells) for row in rows]
        write_table(pd.DataFrame(units), given.results / "calibration_units.tsv")
    worlds = [part for part in given.parts if part != UNITS]
    if worlds:
        series = series_rows(worlds, given.series or given.sets, given.seed, given.processes)
        write_table(pd.DataFrame(series), given.results / "calibration_series.tsv")


if __name__ == "__main__":
    main()
