"""How often a supported sentence of the report is false, from the tables of whole runs.

``python benchmarks/calibration_sentences.py`` draws runs in which models of growing score see the
same symmetric brain, lets LATERALIZE make the tables and the report its sentences, and writes
``calibration_sentences.tsv`` to ``benchmarks/results/``: for each sentence about left and right
that is said as supported, in which share of the runs. Nothing moves the sides in them, so each is
false, and so is the row ``any of them``. The runs have no ceilings, joint fits, twins or draws of
oasm: ``calibration_controls.py`` has the intervals of twins, and those of the others support none.
"""

import argparse
import contextlib
import io
import sys
import tempfile
from collections import Counter
from concurrent.futures import ProcessPoolExecutor
from dataclasses import dataclass
from functools import partial
from pathlib import Path

import numpy as np
import pandas as pd
from scipy import stats

PROJECT = Path(__file__).resolve().parents[1]
sys.path[:0] = [str(PROJECT / "bin"), str(PROJECT / "tests")]

from helpers.made_runs import MIDDLE, MadeRun, made_mask, write_run  # noqa: E402
from lateralization.arrays import Floats  # noqa: E402
from lateralization.files import save_tensors, write_table  # noqa: E402
from lateralization.report.report import make_report  # noqa: E402
from lateralization.report.sentences import GOOD  # noqa: E402
from lateralization.run_plan import read_plan  # noqa: E402
from lateralization.tables.lateralize import lateralize  # noqa: E402
from lateralization.tables.read import read_tables  # noqa: E402

NO_SIDES = {"words_found", "published_agree", "runs_in_place", "no_alarm", "folds_hold"}
"""Supported sentences that are about the data, not about left and right."""

N_RUNS = 9


@dataclass(frozen=True)
class World:
    """How the scores of a run vary.

    Attributes
    ----------
    own
        Share of the variance over runs that no other model has.
    people
        Individuals beside the average; each has chance of its own.
    """

    n_models: int = 6
    own: float = 0.3
    people: int = 0


WORLDS = {
    "6 models, own 1": World(own=1.0),
    "6 models, own 0.3": World(),
    "6 models, own 0.1": World(own=0.1),
    "12 models, own 0.3": World(12),
    "6 models, own 0.3, 6 people": World(people=6),
}


def scores(
    rng: np.random.Generator, score: float, own: float, shared: Floats, bump: Floats
) -> Floats:
    """Draw r (2 layers, n_runs, n_voxels) of a model: what is shared grows with its score."""
    n_runs, n_voxels = shared.shape
    of_model = rng.standard_normal((2, n_runs, n_voxels))
    noise = np.sqrt(1 - own) * shared[None] + np.sqrt(own) * of_model
    found: Floats = score * (bump + 0.4 * noise) + 0.01 * rng.standard_normal(noise.shape)
    return found


def said(seed: int, world: World) -> list[str]:
    """Name the supported sentences about left and right of one drawn run."""
    rng = np.random.default_rng(seed)
    mask = made_mask((4, 5, 4))
    place = np.argwhere(mask) - np.array(MIDDLE)
    bump = 0.5 + 0.5 * np.exp(-((place[:, 1:] / 3) ** 2).sum(axis=1))
    sizes = {f"model-{number}": size for number, size in enumerate(
        np.geomspace(1e8, 1e10, world.n_models))}  # fmt: skip
    people = ("average", *(f"EN{901 + number}" for number in range(world.people)))
    run = MadeRun(models=sizes, subjects=people, mask=mask, layers=2, n_runs=N_RUNS, rois=False)
    side = np.sign(place[:, 0])
    with tempfile.TemporaryDirectory() as name, contextlib.redirect_stderr(io.StringIO()):
        inputs = write_run(Path(name) / "in", run)
        for subject in people:
            # chance of a run that all models see, by voxel and common to a hemisphere
            shared = rng.standard_normal((N_RUNS, len(place)))
            shared += rng.standard_normal((N_RUNS, 2))[:, (side > 0).astype(int)]
            for number, model in enumerate(sizes):
                score = 0.1 + 0.1 * number / world.n_models
                stem = Path(name) / "in" / f"lang-en_sub-{subject}_model-{model}"
                r = scores(rng, score, world.own, shared, bump)
                save_tensors(f"{stem}_runs.safetensors", {"r": r.astype(np.float32)})
        lateralize(inputs, Path(name) / "tables")
        report = make_report(read_plan(inputs.plan), read_tables(Path(name) / "tables"), {}, [])
    (result,) = report["results"]
    remarks = [result["answer"], *result["remarks"]]
    remarks += [one for section in report["sections"] for one in section["answers"]]
    return sorted({one["name"] or one["text"][:40] for one in remarks if one["tone"] == GOOD})


def main() -> None:
    """Draw all worlds and write the table."""
    command = argparse.ArgumentParser(description=__doc__.splitlines()[0])
    command.add_argument("--worlds", nargs="+", choices=WORLDS, default=list(WORLDS))
    command.add_argument("--sets", type=int, default=200, help="runs in a world")
    command.add_argument("--processes", type=int, default=2)
    command.add_argument(
        "--out", type=Path, default=PROJECT / "benchmarks" / "results" / "calibration_sentences.tsv"
    )
    given = command.parse_args()
    rows = []
    with ProcessPoolExecutor(given.processes) as pool:
        for name in given.worlds:
            drawn = list(pool.map(partial(said, world=WORLDS[name]), range(given.sets)))
            false = [[one for one in names if one not in NO_SIDES] for names in drawn]
            counted = Counter(one for names in false for one in names)
            counted["any of them"] = sum(bool(names) for names in false)
            for sentence, n in sorted(counted.items()):
                exact = stats.binomtest(n, given.sets).proportion_ci(0.95, "exact")
                rows.append({
                    "world": name, "n_sets": given.sets, "sentence": sentence,
                    "false": n / given.sets, "low": exact.low, "high": exact.high,
                })  # fmt: skip
                print(*rows[-1].values(), sep="\t", flush=True)
    write_table(pd.DataFrame(rows), given.out)


if __name__ == "__main__":
    main()
