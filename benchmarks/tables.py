"""LATERALIZE, FIGURES and REPORT at the size of the study: seconds and peak memory.

``python benchmarks/tables.py`` makes scores of two cases on an ellipsoid of about 25,870 voxels and
measures each command in a process of its own:

* ``study``: 28 models × 33 layers for the average subject, 20 seeds of random baselines, and 45
  individual fits (5 people × 9 models), 9 test runs each;
* ``people``: 49 people × 9 models;
* ``few``: a small case that shows that everything runs.

The made files of different fits are links to a few files of scores, so that the disk holds a few
gigabytes instead of hundreds; each fit is read and reduced in full.
"""

import argparse
import json
import os
import resource
import shutil
import subprocess
import sys
import tempfile
import time
from pathlib import Path
from typing import Any

import numpy as np
import pandas as pd

PROJECT = Path(__file__).resolve().parents[1]
sys.path[:0] = [str(PROJECT / "bin"), str(PROJECT / "tests")]

from helpers.made_plans import (  # noqa: E402
    made_baseline,
    made_language,
    made_model,
    made_plan,
    made_subject,
)
from helpers.made_runs import made_atlas, made_mask  # noqa: E402
from lateralization.files import save_tensors, write_json, write_table  # noqa: E402
from lateralization.run_plan import FitPlan  # noqa: E402
from lateralization.study import GRID_AFFINE, GRID_SHAPE  # noqa: E402
from lateralization.volumes import save_volume  # noqa: E402

RADIUS = (16.0, 21.0, 18.3)
"""Half axes, voxels, of an ellipsoid with about as many voxels as the study's English mask."""

CASES = {
    # models of the average, people, models of each person, seeds of each random baseline
    "study": (28, 5, 9, 10),
    "people": (9, 49, 9, 0),
    "few": (3, 1, 2, 0),
}
ROIS = {"TP": 6, "aSTS": 8, "pSTS": 10, "AG_TPJ": 12, "BA44": 14, "BA45": 5, "BA47": 7}


def _scores(path: Path, n_layers: int, mask: Any, seed: int) -> None:
    """Write (layers, 9 runs, voxels) of smooth-free noise around a profile over layers."""
    rng = np.random.default_rng(seed)
    shape = (n_layers, 9, int(mask.sum()))
    r = rng.normal(0.2, 0.05, shape).astype(np.float32)
    r += (0.1 - 0.2 * np.linspace(-0.5, 0.5, n_layers) ** 2)[:, None, None].astype(np.float32)
    save_tensors(path, {"r": r})


def _fit(folder: Path, subject: str, model: str, source: Path, n_layers: int) -> None:
    stem = folder / f"lang-en_sub-{subject}_model-{model}"
    Path(f"{stem}_runs.safetensors").symlink_to(source)
    record = {"language": "en", "subject": subject, "model": model, "revision": "made"}
    record |= {"layers": list(range(n_layers)), "left_out": {"reason": ""}}
    record |= {"runs_are": "run", "stories": [str(run) for run in range(1, 10)]}
    write_json(record, f"{stem}_scores.json")


def _brain(folder: Path, mask: Any, people: list[str]) -> None:
    for stem in ("lang-en", *(f"lang-en_sub-{one}" for one in people)):
        save_volume(mask.astype(np.int8), GRID_AFFINE, folder / f"{stem}_mask.nii.gz")
    trials = np.zeros((*GRID_SHAPE, 10), np.float32)
    trials[mask] = np.random.default_rng(1).uniform(0.05, 0.9, (int(mask.sum()), 1))
    save_volume(trials, GRID_AFFINE, folder / "lang-en_isc.nii.gz")
    for name, x in ROIS.items():
        roi = np.zeros(GRID_SHAPE, np.int8)
        roi[x : x + 4, 20:24, 16:20] = 1
        save_volume(roi, GRID_AFFINE, folder / f"lang-en_roi-{name}.nii.gz")


def make_case(folder: Path, case: str, n_layers: int, radius: tuple[float, ...]) -> int:
    """Write all files of a case; returns the number of its fits."""
    n_models, n_people, n_own, n_seeds = CASES[case]
    mask = made_mask((radius[0], radius[1], radius[2]))
    sources = [folder / f"source{i}.safetensors" for i in range(3)]
    for seed, path in enumerate(sources):
        _scores(path, n_layers, mask, seed)
    single = folder / "single.safetensors"
    _scores(single, 1, mask, 9)
    people = [f"EN{57 + i:03d}" for i in range(n_people)]
    _brain(folder, mask, people)
    models = [
        made_model(
            f"model{i}", n_parameters=int(1e8 * 1.2**i), n_layers=n_layers - 1,
            n_hid=512 + 64 * ((i * 7) % 11), family=f"fam{i % 8}",
            predictors={"ppl": 30.0 - i, "hellaswag": 30.0 + i},
        )
        for i in range(n_models)
    ]  # fmt: skip
    baselines = [
        made_baseline(f"random_{kind}_1024d_seed{seed}", f"random_{kind}", dims=1024, seed=seed)
        for kind in ("vector", "embedding") for seed in range(1, n_seeds + 1)
    ]  # fmt: skip
    fits = [("average", model.name) for model in models if case != "people"]
    fits += [(one, model.name) for one in people for model in models[:n_own]]
    for number, (subject, model) in enumerate(fits):
        _fit(folder, subject, model, sources[number % 3], n_layers)
    for baseline in baselines:
        _fit(folder, "average", baseline.name, single, 1)
        fits.append(("average", baseline.name))
    plan = made_plan(
        parameters={"dataset": "made"}, models=models, baselines=baselines,
        fits=[FitPlan("en", subject, model) for subject, model in fits],
        languages=[made_language(subjects=[made_subject(one) for one in people])],
    )  # fmt: skip
    write_json(plan.to_json(), folder / "plan.json")
    made_atlas(folder)
    return len(fits)


def timed(command: list[str]) -> tuple[float, float]:
    """Run a command in a process of its own; returns seconds and its peak memory in GiB."""
    start = time.perf_counter()
    code = (
        "import json, resource, subprocess, sys\n"
        "done = subprocess.run(json.loads(sys.argv[1]), stdout=subprocess.DEVNULL)\n"
        "print(resource.getrusage(resource.RUSAGE_CHILDREN).ru_maxrss)\n"
        "sys.exit(done.returncode)\n"
    )
    asked = [sys.executable, "-c", code, json.dumps(command)]
    done = subprocess.run(asked, stdout=subprocess.PIPE, text=True, check=True)
    return time.perf_counter() - start, int(done.stdout) / 1024**2


def measure(case: str, n_layers: int, radius: tuple[float, ...], work: Path) -> list[dict]:
    """Make a case and run the three commands on it; one row per command."""
    folder = work / case
    folder.mkdir()
    n_fits = make_case(folder, case, n_layers, radius)
    everything = {
        "scores": sorted(folder.glob("*_scores.json")),
        "runs": sorted(folder.glob("*_runs.safetensors")),
        "masks": sorted(folder.glob("*_mask.nii.gz")),
        "isc": sorted(folder.glob("*_isc.nii.gz")),
        "rois": sorted(folder.glob("*_roi-*.nii.gz")),
        "atlas": sorted(folder.glob("atlas.*")),
    }
    tables, figures = folder / "tables", folder / "figures"
    lists = [text for name, paths in everything.items() for text in (f"--{name}", *map(str, paths))]
    plan = ["--plan", str(folder / "plan.json")]
    template = ["--template", str(PROJECT / "assets" / "report.html.j2")]
    report = folder / "report.html"
    shown = ["--tables", str(tables), "--figures", str(figures)]
    commands = {
        "lateralize": [*plan, *lists, "--out", str(tables), "--maps", str(tables.parent / "maps")],
        "figures": ["--tables", str(tables), "--out", str(figures), "--processes", "2"],
        "report": [*plan, *shown, *template, "--out", str(report)],
    }
    rows = []
    for name, options in commands.items():
        load = round(os.getloadavg()[0], 1)
        program = str(PROJECT / "bin" / f"{name}.py")
        seconds, peak = timed([sys.executable, program, *options])
        rows.append({"case": case, "command": name, "fits": n_fits, "layers": n_layers,
                     "seconds": round(seconds, 1), "peak_gib": round(peak, 2),
                     "load_before": load})  # fmt: skip
        print(rows[-1], flush=True)
    rows[-1]["report_mb"] = round(report.stat().st_size / 1e6, 1)
    shutil.rmtree(folder)
    return rows


def main() -> None:
    """Measure the cases and write their table."""
    command = argparse.ArgumentParser(description=__doc__.splitlines()[0])
    command.add_argument("--cases", default="study,people")
    command.add_argument("--quick", action="store_true", help="few voxels and layers")
    command.add_argument("--results", type=Path, default=PROJECT / "benchmarks" / "results")
    given = command.parse_args()
    n_layers, radius = (3, (6.0, 6.0, 6.0)) if given.quick else (33, RADIUS)
    rows = []
    with tempfile.TemporaryDirectory() as work:
        for case in given.cases.split(","):
            rows += measure(case, n_layers, radius, Path(work))
    given.results.mkdir(parents=True, exist_ok=True)
    write_table(pd.DataFrame(rows), given.results / "tables.tsv")
    limit = resource.getrusage(resource.RUSAGE_SELF).ru_maxrss / 1024**2
    print(f"made with {limit:.1f} GiB; {given.results / 'tables.tsv'}")


if __name__ == "__main__":
    main()
