"""What else the encoder costs, for ``encoding.py``: memory, HRF, reliability, growth, subjects.

Every part takes a ``Setting`` and returns a table and notes for the JSON beside it.
"""

import subprocess
import sys
import tempfile
from collections.abc import Callable, Sequence
from pathlib import Path
from statistics import median
from typing import Any, NamedTuple

import numpy as np
import pandas as pd
import torch
from encoding_data import Setting, make_bold, make_features, make_group, states
from encoding_machine import memory_bytes, product_rate
from encoding_rivals import Array, ours, timed

from lateralization.fmri.hrf import frame_times, hrf_operator, study_hrf, to_scans
from lateralization.fmri.reliability import predict_group
from lateralization.ridge.folds import one_run_each
from lateralization.ridge.race import RISK
from lateralization.ridge.ridge import make_system, nested_ridge
from lateralization.ridge.search import Search
from lateralization.ridge.systems import is_primal
from lateralization.ridge.voxels import CHUNKS, Voxels
from lateralization.study import ISC_TRIALS

Part = tuple[pd.DataFrame, dict[str, Any]]

STACKS = (1, 7, 49)
DISTINCT = 7
"""Subjects that are made; larger stacks go through them again."""

SQUARE = 4096
N_HRF_FEATURES = 4
GIB = 2**30


def say(part: str, text: str) -> None:
    """Tell what was just measured."""
    print(f"[{part}] {text}", flush=True)


def devices() -> list[str]:
    """Return where ours can run here."""
    return ["cpu", "cuda"] if torch.cuda.is_available() else ["cpu"]


class Rates(NamedTuple):
    """Rates of products on the CPU, Gflop/s; ``own`` is float32 at the solver's shape."""

    square32: float
    square64: float
    own: float


def own_shape(setting: Setting, n_features: int) -> tuple[int, int, int]:
    """Return the shape of the solver's most frequent product: hat @ responses of one chunk."""
    lengths = setting.lengths
    rows, inner = lengths[0], sum(lengths) - lengths[0] - int(median(lengths))
    if is_primal(n_features, lengths):
        rows, inner = min(rows, n_features), n_features
    return rows, inner, min(CHUNKS["cpu"], setting.n_voxels)


def rates(setting: Setting, n_features: int) -> Rates:
    """Measure what the machine can do for one number of features."""
    side = min(SQUARE, 4 * setting.n_voxels)
    square = (side, side, side)
    return Rates(
        product_rate(*square, torch.float32, setting.repeats),
        product_rate(*square, torch.float64, setting.repeats),
        product_rate(*own_shape(setting, n_features), torch.float32, 2 * setting.repeats + 1),
    )


def machine_part(setting: Setting) -> Part:
    """Measure the rate of matrix products, large and square and at the solver's shapes."""
    side = min(SQUARE, 4 * setting.n_voxels)
    shapes = [("square", 0, (side, side, side))]
    shapes += [("solver", size, own_shape(setting, size)) for size in setting.sizes]
    rows = []
    for kind, size, shape in shapes:
        for name, dtype in (("float32", torch.float32), ("float64", torch.float64)):
            rate = product_rate(*shape, dtype, 2 * setting.repeats + 1)
            say("machine", f"{kind} {shape} {name}: {rate:.1f} Gflop/s")
            rows.append([kind, size or None, *shape, name, rate])
    names = ["shape", "n_features", "rows", "inner", "columns", "precision", "gflop_per_s"]
    return pd.DataFrame(rows, columns=names), {}


def memory_part(setting: Setting) -> Part:
    """Measure the peak memory of one layer in a process of its own, at the largest size."""
    size = max(setting.sizes)
    with tempfile.TemporaryDirectory() as folder:
        for name, runs in (("x", make_features(setting.story, size)), ("y", setting.bold)):
            for number, run in enumerate(runs):
                np.save(Path(folder) / f"{name}{number}.npy", run)
        script = Path(__file__).with_name("encoding.py")
        command = [sys.executable, str(script), "--memory-of", folder]
        command += ["--threads", str(torch.get_num_threads())]
        done = subprocess.run(command, check=True, stdout=subprocess.PIPE, text=True)
    before, peak, data, seconds = map(float, done.stdout.split())
    row = {
        "n_features": size,
        "n_voxels": setting.n_voxels,
        "data_gib": data / GIB,
        "resident_before_gib": before / GIB,
        "peak_gib": peak / GIB,
        "above_before_gib": (peak - before) / GIB,
        "seconds": seconds,
    }
    say("memory", f"p = {size}: {row['above_before_gib']:.2f} GiB above the process before")
    return pd.DataFrame([row]), {"data": "features and voxels lie in memory before, all runs"}


def memory_of(folder: Path, alphas: Array) -> str:
    """Encode saved data and tell memory before, at the peak and of the data, and seconds."""
    runs = range(len(list(folder.glob("y*.npy"))))
    features = [np.load(folder / f"x{run}.npy") for run in runs]
    bold = [np.load(folder / f"y{run}.npy") for run in runs]
    data = sum(run.nbytes for run in [*features, *bold])
    before, _ = memory_bytes()
    seconds, _ = timed(lambda: ours(features, bold, alphas, "cpu"))
    return f"{before} {memory_bytes()[1]} {data} {seconds}"


def hrf_part(setting: Setting) -> Part:
    """Measure words to regressors for all runs, beside nilearn feature by feature."""
    from nilearn.glm.first_level.hemodynamic_models import compute_regressor

    size = 4096 if 4096 in setting.sizes else max(setting.sizes)
    story = setting.story
    words = list(zip(story.onsets, story.durations, story.n_scans, strict=True))
    layer = [states(story, run, size) for run in range(len(words))]
    built, applied, features = [], [], range(min(N_HRF_FEATURES, size))
    for _ in range(setting.repeats):
        seconds, operators = timed(lambda: [hrf_operator(*run) for run in words])
        built.append(seconds)
        pairs = list(zip(operators, layer, strict=True))
        seconds, made = timed(lambda pairs=pairs: [to_scans(*pair) for pair in pairs])
        applied.append(seconds)
    theirs, difference = [], 0.0
    for feature in features:

        def one(feature: int = feature) -> list[Array]:
            return [
                compute_regressor((on, last, x[:, feature]), study_hrf, frame_times(n))[0][:, 0]
                for (on, last, n), x in zip(words, layer, strict=True)
            ]

        seconds, found = timed(one)
        theirs.append(seconds)
        for run, expected in zip(made, found, strict=True):
            gap = np.abs(run[:, feature] - expected).max() / np.abs(expected).max()
            difference = max(difference, float(gap))
    total, scaled = median(built) + median(applied), size * median(theirs)
    row = {
        "n_features": size,
        "ours_build_seconds": median(built),
        "ours_apply_seconds": median(applied),
        "ours_seconds": total,
        "nilearn_features_measured": len(theirs),
        "nilearn_seconds_per_feature": median(theirs),
        "nilearn_seconds_scaled": scaled,
        "nilearn_over_ours": scaled / total,
        "max_relative_difference": difference,
    }
    say("hrf", f"p = {size}: ours {total:.3f} s, nilearn {scaled:.0f} s (scaled)")
    return pd.DataFrame([row]), {"covers": "all runs; neither trims nor standardises"}


def reliability_part(setting: Setting) -> Part:
    """Measure trials of RELIABILITY, given the means of both groups."""
    measured = ISC_TRIALS if setting.full else min(2, ISC_TRIALS)
    rows = []
    for device in devices():
        spent = []
        for trial in range(measured):
            first, second = (
                make_group(setting.story, setting.n_voxels, 2 * trial + half) for half in (0, 1)
            )
            seconds, _ = timed(
                lambda first=first, second=second, device=device: predict_group(
                    first, second, setting.alphas, device=device
                )
            )
            spent.append(seconds)
            say("reliability", f"{device}, trial {trial + 1}: {seconds:.1f} s")
        total = sum(spent) if setting.full else ISC_TRIALS * median(spent)
        rows.append(
            {
                "device": device,
                "n_voxels": setting.n_voxels,
                "trials_measured": measured,
                "seconds_per_trial": median(spent),
                "trials": ISC_TRIALS,
                "seconds_all_trials": total,
                "scaled": not setting.full,
            }
        )
    return pd.DataFrame(rows), {"covers": "predict_group; the group means are given"}


def shared_and_each(
    features: Sequence[Array],
    subjects: Sequence[Sequence[Array]],
    alphas: Array,
) -> tuple[float, list[float]]:
    """Encode several subjects with one set of features, on the CPU.

    Returns
    -------
    seconds of what is done once for all of them, and seconds of each subject on top
    """

    def search() -> Search:
        system = make_system(features, float(alphas.min()))
        return Search(system, one_run_each(len(features)), alphas, risk=RISK, dtype=torch.float32)

    shared, started = timed(search)
    each = []
    for bold in subjects:
        seconds, _ = timed(lambda bold=bold: started.fit(Voxels(bold)))
        each.append(seconds)
    return shared, each


def subjects_part(setting: Setting) -> Part:
    """Measure the time per subject for 1, 7 and 49 subjects of equal run lengths."""
    stock = [make_bold(setting.story, setting.n_voxels, subject) for subject in range(DISTINCT)]
    rows = []
    for size in setting.stack_sizes:
        features = make_features(setting.story, size)
        alone = median(
            timed(lambda: ours(features, stock[0], setting.alphas, "cpu"))[0]  # noqa: B023
            for _ in range(setting.repeats)
        )
        for count in STACKS:
            measured = count if setting.full else min(count, DISTINCT)
            stack = [stock[number % DISTINCT] for number in range(measured)]
            shared, each = shared_and_each(features, stack, setting.alphas)
            total = shared + (sum(each) if measured == count else count * median(each))
            rows.append(
                {
                    "n_features": size,
                    "n_subjects": count,
                    "n_measured": measured,
                    "n_distinct": min(measured, DISTINCT),
                    "shared_seconds": shared,
                    "shared_seconds_per_subject": shared / count,
                    "voxel_seconds_per_subject": (total - shared) / count,
                    "seconds_per_subject": total / count,
                    "alone_seconds": alone,
                }
            )
            say("subjects", f"p = {size}, {count}: {total / count:.2f} s each, alone {alone:.2f} s")
    return pd.DataFrame(rows), {}


def exponent(values: Sequence[float], seconds: Sequence[float]) -> float:
    """Fit seconds ∝ value^exponent by least squares of the logarithms."""
    return float(np.polyfit(np.log(values), np.log(seconds), 1)[0])


def growth_part(setting: Setting) -> Part:
    """Measure how time grows when voxels, layers, subjects and penalties are doubled twice."""
    features = make_features(setting.story, setting.growth_size)
    quarter = setting.n_voxels // 4
    part = [run[:, :quarter] for run in setting.bold]
    low, high = np.log10(setting.alphas.min()), np.log10(setting.alphas.max())

    def layers(number: int) -> None:
        voxels = Voxels(part, chunk=CHUNKS["cpu"])
        for _ in range(number):
            nested_ridge(make_system(features, float(setting.alphas.min())), voxels, setting.alphas)

    def with_alphas(number: int) -> None:
        ours(features, part, np.logspace(low, high, number), "cpu")

    def with_voxels(number: int) -> None:
        ours(features, [run[:, :number] for run in setting.bold], setting.alphas, "cpu")

    def with_subjects(number: int) -> None:
        shared_and_each(features, [part] * number, setting.alphas)

    half = len(setting.alphas) // 2
    work: dict[str, tuple[int, Callable[[int], None]]] = {
        "voxels": (quarter, with_voxels),
        "layers": (1, layers),
        "subjects": (1, with_subjects),
        "alphas": (half, with_alphas),
    }
    with_voxels(quarter)  # the first call pays for starting threads
    rows = []
    for quantity, (base, run) in work.items():
        values = [base, 2 * base, 4 * base]
        seconds = [
            median(
                timed(lambda value=value, run=run: run(value))[0] for _ in range(setting.repeats)
            )
            for value in values
        ]
        fitted = exponent(values, seconds)
        say("growth", f"{quantity} {values}: {[round(s, 2) for s in seconds]} s, ^{fitted:.2f}")
        rows += [
            [setting.growth_size, quantity, value, spent, fitted]
            for value, spent in zip(values, seconds, strict=True)
        ]
    names = ["n_features", "quantity", "value", "seconds", "exponent"]
    return pd.DataFrame(rows, columns=names), {
        "base": f"{quarter} voxels, one layer, one subject, {len(setting.alphas)} penalties"
    }
