"""The workflow itself, without the science: what thousands of tasks cost the engine.

``python benchmarks/workflow.py`` makes dry runs (``-stub``: VALIDATE plans for real, every other
task only touches its files) of growing numbers of tasks, the last one the study's whole English
sweep with all its subjects, and writes ``workflow.tsv``. ``--worth TRACE`` reads the trace of a
real run instead and writes ``workflow_worth.tsv``: what its tasks did beside what starting them
cost.
"""

import argparse
import os
import re
import shutil
import subprocess
import tempfile
import time
from pathlib import Path
from typing import Any

import pandas as pd

PROJECT = Path(__file__).resolve().parents[1]
NEXTFLOW = PROJECT / ".venv" / "bin" / "nextflow"

BASELINE = ["--models", "none", "--subjects", "all", "--random_dims", "300",
            "--baselines", "random_vector", "--individual_models", "random_vector"]  # fmt: skip
CASES: dict[str, list[str]] = {
    "smallest": ["--languages", "fr", "--baselines", "random_vector", "--random_dims", "300",
                 "--random_seeds", "1", "--models", "gpt2-base-french"],
    "1000": [*BASELINE, "--random_seeds", "1-12"],
    "2000": [*BASELINE, "--random_seeds", "1-29"],
    "5000": [*BASELINE, "--random_seeds", "1-80"],
    "study": ["--models", str(PROJECT / "assets" / "models_en.csv"), "--subjects", "all"],
}  # fmt: skip
"""Name → parameters. Every further seed is one more model of the average and 49 individuals."""

LIVE = re.compile(r"Pause \w+.*?(\d+)M->(\d+)M\(")
"""Heap before and after a collection, in the log of Java's garbage collector."""


def resident(pid: int) -> float:
    """Return the most memory that a process ever held, MB; 0 when it is gone."""
    try:
        status = Path(f"/proc/{pid}/status").read_text()
    except OSError:
        return 0.0
    found = re.search(r"VmHWM:\s+(\d+) kB", status)
    return int(found[1]) / 1000 if found else 0.0


def heap(log: Path) -> tuple[int, int]:
    """Return the most heap ever used and the most that a collection left, MB."""
    found = [(int(a), int(b)) for a, b in LIVE.findall(log.read_text())]
    return max((a for a, _ in found), default=0), max((b for _, b in found), default=0)


def measure(name: str, folder: Path) -> dict[str, Any]:
    """Make one dry run in an empty folder and measure it.

    Raises
    ------
    RuntimeError
        The run failed.
    """
    collections = folder / "gc.log"
    load = os.getloadavg()[0]
    start = time.monotonic()
    with (folder / "out.log").open("w") as out:
        running = subprocess.Popen(
            [str(NEXTFLOW), "run", str(PROJECT / "main.nf"), "-stub", *CASES[name]],
            cwd=folder,
            stdout=out,
            stderr=subprocess.STDOUT,
            env=os.environ | {"NXF_OPTS": f"-Xlog:gc:file={collections}", "NXF_ANSI_LOG": "false"},
        )
        held = 0.0
        while running.poll() is None:
            held = max(held, resident(running.pid))
            time.sleep(0.2)
    seconds = time.monotonic() - start
    if running.returncode:
        raise RuntimeError(f"{name} failed:\n{(folder / 'out.log').read_text()[-2000:]}")
    most, live = heap(collections)
    return {"case": name, "load_before": round(load, 2), **size(folder, seconds),
            "heap_most_mb": most, "heap_live_mb": live, "resident_mb": round(held)}  # fmt: skip


def size(folder: Path, seconds: float) -> dict[str, Any]:
    """Count tasks and files of a finished dry run, and weigh the engine's reports."""
    written = folder / "results" / "pipeline_info"
    tasks = len(pd.read_csv(written / "trace.tsv", sep="\t"))
    files = [path for path in (folder / "work").rglob("*") if not path.is_dir()]
    engines = [path for path in files if path.name.startswith(".command.")]
    megabytes = {f"{name.split('.')[0]}_mb": (written / name).stat().st_size / 1e6
                 for name in ("report.html", "timeline.html", "trace.tsv")}  # fmt: skip
    return {
        "tasks": tasks,
        "seconds": round(seconds, 1),
        "ms_per_task": round(1000 * seconds / tasks),
        "files_per_task": round(len(files) / tasks, 1),
        "files_per_task_of_the_engine": round(len(engines) / tasks, 1),
        **{name: round(value, 2) for name, value in megabytes.items()},
    }


def worth(trace: Path) -> pd.DataFrame:
    """Compare what the tasks of a real run did with what starting them cost.

    Parameters
    ----------
    trace
        ``pipeline_info/trace.tsv`` of a run; tasks from the cache do not count.

    Returns
    -------
    DataFrame
        Per process: tasks, median seconds of work, median seconds around it (staging, start,
        waiting for the engine's notice), and the share of work in all that the tasks took.
    """
    table = pd.read_csv(trace, sep="\t")
    table = table[table["status"] == "COMPLETED"]
    table["process"] = table["process"].str.split(":").str[-1]  # of SCORES:ENCODE
    table["work"] = table["realtime"] / 1000
    table["around"] = (table["duration"] - table["realtime"]) / 1000
    grouped = table.groupby("process", sort=False)
    found = pd.DataFrame(
        {
            "tasks": grouped.size(),
            "work_seconds": grouped["work"].median().round(2),
            "around_seconds": grouped["around"].median().round(2),
            "share_of_work": (grouped["work"].sum() / grouped["duration"].sum() * 1000).round(3),
        }
    )
    return found.reset_index()


parser = argparse.ArgumentParser(description=__doc__)
parser.add_argument("--cases", default="1000,2000,5000,study", help=f"of {', '.join(CASES)}")
parser.add_argument("--worth", type=Path, help="trace.tsv of a real run, read instead")
parser.add_argument("--results", type=Path, default=PROJECT / "benchmarks" / "results")


def main(arguments: argparse.Namespace) -> None:
    """Measure the cases, or read a trace, and write the table."""
    arguments.results.mkdir(parents=True, exist_ok=True)
    if arguments.worth:
        found = worth(arguments.worth)
        print(found.to_string(index=False))
        found.to_csv(arguments.results / "workflow_worth.tsv", sep="\t", index=False)
        return
    path = arguments.results / "workflow.tsv"
    for name in arguments.cases.split(","):
        folder = Path(tempfile.mkdtemp(prefix=f"workflow-{name}-"))
        try:
            row = measure(name, folder)
        finally:
            shutil.rmtree(folder, ignore_errors=True)
        print(row, flush=True)
        known = (
            pd.read_csv(path, sep="\t", dtype={"case": str}) if path.exists() else pd.DataFrame()
        )
        others = known[known.case != name] if len(known) else known
        pd.concat([others, pd.DataFrame([row])]).to_csv(path, sep="\t", index=False)


if __name__ == "__main__":
    main(parser.parse_args())
