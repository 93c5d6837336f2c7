"""Time the specification curve at the study's size: 28 models, 25,870 voxels, nine runs.

python benchmarks/specifications.py --models 28 --voxels 25870 --layers 33
"""

import argparse
import sys
import time
from pathlib import Path

import numpy as np

sys.path.insert(0, str(Path(__file__).parents[1] / "bin"))

from lateralization.statistics.asymmetry import SHARED, STRICT, Brain, FitScores
from lateralization.statistics.specifications import Reading, curve, influence, specify


def made_brain(n_voxels: int) -> Brain:
    """Make a brain of two mirror-image halves with a reliability and one ROI."""
    rng = np.random.default_rng(0)
    left = np.arange(n_voxels) < n_voxels // 2
    roi = (np.arange(n_voxels) < n_voxels // 50, np.arange(n_voxels) >= n_voxels - n_voxels // 50)
    halves = {SHARED: (left, ~left), STRICT: (left, ~left)}
    mirror = np.arange(n_voxels)[::-1].copy()
    return Brain(halves, rng.uniform(0.1, 0.9, n_voxels), {"all": roi}, mirror)


def measure(n_models: int, n_voxels: int, n_layers: int, n_runs: int = 9) -> tuple[float, int]:
    """Return the seconds of the whole curve and its number of specifications."""
    brain, rng, spent, models = made_brain(n_voxels), np.random.default_rng(1), 0.0, []
    for k in range(n_models):
        r = rng.normal(0.2, 0.05, (n_layers, n_runs, n_voxels)).astype(np.float32)
        started = time.perf_counter()
        values = specify(FitScores(r), brain, range(n_layers), n_layers - 1, "run-1")
        spent += time.perf_counter() - started
        models.append(Reading(float(k), f"family {k % 8}", values))
    started = time.perf_counter()
    rows = curve(models)
    influence(rows)
    return spent + time.perf_counter() - started, len(rows)


if __name__ == "__main__":
    command = argparse.ArgumentParser(description=__doc__)
    command.add_argument("--models", type=int, default=28)
    command.add_argument("--voxels", type=int, default=25870)
    command.add_argument("--layers", type=int, default=33)
    given = command.parse_args()
    seconds, n = measure(given.models, given.voxels, given.layers)
    print(f"{n} specifications of {given.models} models in {seconds:.1f} s")
