"""How fast the encoder is, beside the study's procedure and himalaya, and what it costs.

``python benchmarks/encoding.py`` writes tables and a plot to ``benchmarks/results/``;
``benchmarks/README.md`` says what they mean. ``--only`` measures some parts again and leaves the
tables of the others, ``--quick`` tries everything on small data.
"""

import argparse
import json
import sys
import time
from collections.abc import Callable, Sequence
from dataclasses import replace
from os import getloadavg
from pathlib import Path
from statistics import median
from typing import Any

PROJECT = Path(__file__).resolve().parents[1]
sys.path.insert(0, str(PROJECT / "bin"))

import encoding_costs as costs  # noqa: E402
import numpy as np  # noqa: E402
import pandas as pd  # noqa: E402
import torch  # noqa: E402
from encoding_data import Array, Setting, make_features, quick  # noqa: E402
from encoding_machine import describe, use_cores  # noqa: E402
from encoding_plot import plot  # noqa: E402
from encoding_rivals import (  # noqa: E402
    Piece,
    Reference,
    Work,
    best_way,
    himalaya_search,
    ours,
    scaled,
    timed,
)

from lateralization.ridge.search import EncodeResult  # noqa: E402
from lateralization.ridge.systems import is_primal  # noqa: E402

METHODS = "ABCD"
EXTRAPOLATED = (768, 4096)
"""Numbers of features at which a whole run of A checks what is scaled from a few steps."""

TIE = 1e-6
"""Penalties whose mean validation r differs by less are equally good."""

NO_TIME = float("nan")


def measured_runs(setting: Setting) -> list[int]:
    """Return the test runs of which A does a few steps, one per round, first to last."""
    spread = np.linspace(0, len(setting.n_scans) - 1, setting.repeats).round().astype(int)
    return [int(run) for run in spread]


def neighbours(alphas: Array, chosen: float) -> list[float]:
    """Return a penalty and those beside it."""
    at = int(np.abs(np.log(alphas / chosen)).argmin())
    return [float(alpha) for alpha in alphas[max(at - 1, 0) : at + 2]]


class AgainstA:
    """A's steps at one number of features: for each round the chosen penalty, its neighbours."""

    def __init__(self, reference: Reference, alphas: Array) -> None:
        self.reference, self.alphas = reference, alphas
        self.best: list[bool] = []
        self.validation_gap, self.r_gap = 0.0, 0.0

    def round(self, test: int, found: Any) -> None:
        """Measure A on one test run and compare with what ours found."""
        tried = neighbours(self.alphas, found.alphas[test])
        means = self.reference.search(test, tried)
        self.best.append(bool(means[tried.index(found.alphas[test])] >= means.max() - TIE))
        columns = [int(np.flatnonzero(self.alphas == alpha)[0]) for alpha in tried]
        gaps = np.abs(found.validation_r[test, columns] - means)
        self.validation_gap = max(self.validation_gap, float(np.nanmax(gaps)))
        r = self.reference.refit(test, found.alphas[test])
        self.r_gap = max(self.r_gap, float(np.nanmax(np.abs(found.r[test] - r))))

    def told(self) -> dict[str, Any]:
        """Return the columns of the table."""
        return {
            "alphas_best_in_A": f"{sum(self.best)}/{len(self.best)}",
            "max_abs_dr_A": self.r_gap,
            "max_abs_dvalidation_A": self.validation_gap,
        }


def against(name: str, found: Any, other: Any) -> dict[str, Any]:
    """Compare C with B or D: equal penalties, and r on the runs where they are equal."""
    same = found.alphas == other.alphas
    gap = np.abs(found.r[same] - other.r[same]) if same.any() else np.array([np.nan])
    return {
        f"alphas_equal_{name}": f"{int(same.sum())}/{len(same)}",
        f"max_abs_dr_{name}": float(np.nanmax(gap)),
    }


def layer_row(setting: Setting, size: int) -> tuple[dict[str, Any], str]:
    """Measure all contenders at one number of features, in rounds; return a row, and B's ways."""
    features, bold, alphas = make_features(setting.story, size), setting.bold, setting.alphas
    spent: dict[str, list[float]] = {name: [] for name in METHODS}
    told, checks = "", {}
    reference = AgainstA(Reference(features, bold), alphas)
    if "B" in setting.methods:
        way, told = best_way(features, bold, alphas, max(1, setting.n_voxels // 5))
        checks["B_way"] = str(way)
    with_gpu = "D" in setting.methods and "cuda" in costs.devices()
    if with_gpu:
        ours(features, bold, alphas, "cuda")  # the first call starts the device
    for test in measured_runs(setting):
        seconds, found = timed(lambda: ours(features, bold, alphas, "cpu"))
        spent["C"].append(seconds)
        if with_gpu:
            seconds, theirs = timed(lambda: ours(features, bold, alphas, "cuda"))
            spent["D"].append(seconds)
            checks |= against("D", found, theirs)
        if "B" in setting.methods:
            seconds, theirs = timed(lambda: himalaya_search(way, features, bold, alphas))
            spent["B"].append(seconds)
            checks |= against("B", found, theirs)
        if "A" in setting.methods:
            reference.round(test, found)
            checks |= reference.told()
        for name in "BCD":
            if spent[name]:
                costs.say("layers", f"p = {size}, {name}: {spent[name][-1]:.2f} s")
    pieces = reference.reference.pieces
    if pieces:
        spent["A"].append(scaled(pieces, len(alphas), len(bold)))
        costs.say("layers", f"p = {size}, A: {spent['A'][0]:.1f} s, scaled from {counts(pieces)}")
    row = times(setting, size, spent) | {"A_fits_measured": counts(pieces)} | checks
    row |= exhaustive(setting, features, found)
    return row | reached(setting, features, row["C_seconds"]), told


def counts(pieces: list[Piece]) -> int:
    """Count the fits among the steps of A."""
    return sum(piece.kind != "stack" for piece in pieces)


def times(setting: Setting, size: int, spent: dict[str, list[float]]) -> dict[str, Any]:
    """Return medians and ratios of one number of features."""
    seconds = {name: median(values) if values else NO_TIME for name, values in spent.items()}
    return {
        "n_features": size,
        "n_voxels": setting.n_voxels,
        "n_scans": sum(setting.lengths),
        "form": "primal" if is_primal(size, setting.lengths) else "dual",
        "rounds": setting.repeats,
        **{f"{name}_seconds": value for name, value in seconds.items()},
        "A_over_B": seconds["A"] / seconds["B"],
        "A_over_C": seconds["A"] / seconds["C"],
        "B_over_C": seconds["B"] / seconds["C"],
        "A_over_D": seconds["A"] / seconds["D"],
    }


def exhaustive(setting: Setting, features: Sequence[Array], found: EncodeResult) -> dict[str, Any]:
    """Score every penalty on every voxel: the answer of the default must be the same."""
    seconds, whole = timed(lambda: ours(features, setting.bold, setting.alphas, "cpu", risk=0))
    return {
        "exhaustive_seconds": seconds,
        "alphas_equal_exhaustive": f"{int((whole.alphas == found.alphas).sum())}/{len(whole.r)}",
        "max_abs_dr_exhaustive": float(np.nanmax(np.abs(whole.r - found.r))),
        "share_of_penalties_kept": float(np.isfinite(found.validation_r).mean()),
    }


def reached(setting: Setting, features: Sequence[Array], seconds: float) -> dict[str, float]:
    """Compare C with what the machine can do: its work over its time, and over each rate."""
    rates = costs.rates(setting, features[0].shape[1])
    with Work() as done:  # counted in a run of its own: counting takes time
        ours(features, setting.bold, setting.alphas, "cpu")
    gflop32, gflop64 = done.gflop[torch.float32], done.gflop[torch.float64]
    per_second = (gflop32 + gflop64) / seconds
    return {
        "C_gflop_float32": gflop32,
        "C_gflop_float64": gflop64,
        "C_gflop_per_s": per_second,
        "rate_float32_solver_shape": rates.own,
        "rate_float32_square": rates.square32,
        "rate_float64_square": rates.square64,
        "share_of_float32_rate": per_second / rates.own,
        "share_of_attainable": (gflop32 / rates.own + gflop64 / rates.square64) / seconds,
    }


def layers_part(setting: Setting) -> costs.Part:
    """Measure A, B, C and D at every number of features."""
    rows, ways = [], {}
    for size in setting.sizes:
        row, told = layer_row(setting, size)
        rows.append(row)
        ways[str(size)] = told
    return pd.DataFrame(rows), {
        "covers": "the nested search on ready regressors; the HRF step is in encoding_hrf.tsv",
        "A": f"scaled: {len(setting.alphas)} penalties and a refit for each of "
        f"{len(setting.n_scans)} test runs, from the fits measured",
        "B": "tuned on one test run and a fifth of the voxels",
        "B_ways": ways,
    }


def extrapolation_part(setting: Setting) -> costs.Part:
    """Run all of A on a tenth of the voxels, and scale it from a few steps at that size."""
    n_voxels, alphas = max(1, setting.n_voxels // 10), setting.alphas
    bold = [np.ascontiguousarray(run[:, :n_voxels]) for run in setting.bold]
    rows = []
    for size in [size for size in setting.sizes if size in EXTRAPOLATED] or setting.sizes[:1]:
        features = make_features(setting.story, size)
        found = ours(features, bold, alphas, "cpu")
        few = AgainstA(Reference(features, bold), alphas)
        for test in measured_runs(setting):
            few.round(test, found)
        pieces = few.reference.pieces
        guess = scaled(pieces, len(alphas), len(bold))
        complete = Reference(features, bold)
        seconds, result = timed(lambda complete=complete: complete.whole(alphas))
        costs.say("extrapolation", f"p = {size}: {guess:.1f} s scaled, {seconds:.1f} s in full")
        rows.append(
            {
                "n_features": size,
                "n_voxels": n_voxels,
                "fits_in_full": counts(complete.pieces),
                "full_seconds": seconds,
                "fits_measured": counts(pieces),
                "scaled_seconds": guess,
                "scaled_over_full": guess / seconds,
                "within_25_percent": abs(guess / seconds - 1) <= 0.25,
                "alphas_equal": f"{int((result.alphas == found.alphas).sum())}/{len(bold)}",
                "max_abs_dr": float(np.abs(result.r - found.r).max()),
            }
        )
    return pd.DataFrame(rows), {}


PARTS: dict[str, Callable[[Setting], costs.Part]] = {
    "machine": costs.machine_part,
    "layers": layers_part,
    "extrapolation": extrapolation_part,
    "memory": costs.memory_part,
    "hrf": costs.hrf_part,
    "reliability": costs.reliability_part,
    "growth": costs.growth_part,
    "subjects": costs.subjects_part,
}


def measure(setting: Setting, parts: list[str], results: Path) -> None:
    """Measure parts; each writes its table and its entry of ``encoding.json`` when it is done."""
    results.mkdir(parents=True, exist_ok=True)
    notes = results / "encoding.json"
    told = json.loads(notes.read_text()) if notes.is_file() else {}
    for part in parts:
        load, started = getloadavg()[0], time.strftime("%Y-%m-%dT%H:%M:%S%z")
        seconds, (table, said) = timed(lambda part=part: PARTS[part](setting))
        table.insert(0, "load_before", round(load, 2))
        path = results / f"encoding_{part}.tsv"
        table.to_csv(path, sep="\t", index=False, float_format="%.6g")
        told[part] = {
            "started": started,
            "seconds": round(seconds, 1),
            "seed": setting.seed,
            "repeats": setting.repeats,
            "methods": setting.methods,
            "full": setting.full,
            "machine": describe(),
            **said,
        }
        notes.write_text(json.dumps(told, indent=1) + "\n")
    plot(results)


def main() -> None:
    """Measure what is asked for, write tables and plot."""
    command = argparse.ArgumentParser(description=__doc__)
    command.add_argument("--memory-of", type=Path, help=argparse.SUPPRESS)
    command.add_argument("--only", default=",".join(PARTS), help="comma list of parts")
    command.add_argument("--sizes", help="comma list of numbers of features")
    command.add_argument("--methods", default=METHODS, help="beside C, in the part layers")
    command.add_argument("--repeats", type=int, default=3, help="rounds; medians are reported")
    command.add_argument("--threads", type=int, help="cores to use; all without")
    command.add_argument("--full", action="store_true", help="all trials and all stacked subjects")
    command.add_argument("--quick", action="store_true", help="small data, to try the benchmark")
    command.add_argument("--results", type=Path, default=Path(__file__).parent / "results")
    given = command.parse_args()
    use_cores(given.threads)
    setting = Setting(repeats=given.repeats, methods=given.methods, full=given.full)
    if given.memory_of:
        print(costs.memory_of(given.memory_of, setting.alphas))
        return
    setting = quick(setting) if given.quick else setting
    if given.sizes:
        sizes = tuple(int(size) for size in given.sizes.split(","))
        stacks = tuple(size for size in setting.stack_sizes if size in sizes) or sizes[:1]
        growth = setting.growth_size if setting.growth_size in sizes else sizes[0]
        setting = replace(setting, sizes=sizes, stack_sizes=stacks, growth_size=growth)
    parts = given.only.split(",")
    if unknown := sorted(set(parts) - set(PARTS)):
        command.error(f"--only {','.join(unknown)}: give some of {','.join(PARTS)}")
    measure(setting, parts, given.results)


if __name__ == "__main__":
    main()
