"""Whether runs of many tasks end: the engine may lose count of free cores between two threads.

``python benchmarks/many_tasks.py`` runs 1,000 tasks that do nothing, with the labels and the
configuration of the project, 20 times while other programs keep all cores busy, and writes
``many_tasks.tsv``: how each run ended and after how long. A run that waits for ever is stopped
after ``--patience`` seconds.
"""

import argparse
import os
import shutil
import subprocess
import sys
import tempfile
import time
from pathlib import Path

import pandas as pd

PROJECT = Path(__file__).resolve().parents[1]
NEXTFLOW = PROJECT / ".venv" / "bin" / "nextflow"
LABELS = ("small", "large", "gpu", "head", "network")
"""Labels of the processes; ``large`` and ``gpu`` ask for all cores of a small machine."""

PROCESS = """process {name} {{
    label '{label}'

    input:
    val number

    script:
    \"\"\"
    true
    \"\"\"
}}
"""
WORKFLOW = """include {{ watch }} from './modules/watch'
include {{ when_done }} from './modules/ending'

{processes}
workflow {{
    main:
    watch(workflow)
    when_done(workflow, params)
{calls}
}}
"""


QUICK = "\n".join(f"{scope}.enabled = false" for scope in ("trace", "report", "timeline", "dag"))
"""Without measuring them, tasks follow each other faster: more chances to meet."""


def write_workflow(folder: Path, tasks: int) -> None:
    """Write a workflow of empty tasks, as many of each label, and the configuration."""
    each = tasks // len(LABELS)
    processes = [PROCESS.format(name=label.upper(), label=label) for label in LABELS]
    calls = [f"    {label.upper()}(channel.of(1..{each}))" for label in LABELS]
    text = WORKFLOW.format(processes="\n".join(processes), calls="\n".join(calls))
    (folder / "main.nf").write_text(text)
    (folder / "quick.config").write_text(QUICK)
    for name in ("modules", "bin", "conf", "setup"):
        shutil.copytree(PROJECT / name, folder / name)
    for name in ("nextflow.config", "nextflow_schema.json"):
        shutil.copy(PROJECT / name, folder)


def run_once(folder: Path, patience: float) -> tuple[int | str, str, float]:
    """Run the workflow; return its exit status, the last line on stderr and the seconds."""
    start = time.monotonic()
    running = subprocess.Popen(
        [NEXTFLOW, "run", "main.nf", "-c", "quick.config"], cwd=folder,
        env=os.environ | {"NXF_ANSI_LOG": "false"},
        stdout=subprocess.DEVNULL, stderr=subprocess.PIPE, text=True,
    )  # fmt: skip
    try:
        _, said = running.communicate(timeout=patience)
    except subprocess.TimeoutExpired:
        running.kill()
        running.communicate()
        return "waits for ever", "", time.monotonic() - start
    lines = said.strip().splitlines()
    return running.returncode, lines[-1] if lines else "", time.monotonic() - start


def main() -> None:
    """Run the workflow again and again, and write what came of it."""
    parser = argparse.ArgumentParser(description=__doc__, allow_abbrev=False)
    parser.add_argument("--runs", type=int, default=20)
    parser.add_argument("--tasks", type=int, default=1000)
    parser.add_argument("--busy", type=int, default=2 * (os.cpu_count() or 1),
                        help="programs that compute meanwhile")  # fmt: skip
    parser.add_argument("--patience", type=float, default=1800, help="seconds per run")
    parser.add_argument("--out", type=Path, default=Path("many_tasks.tsv"))
    arguments = parser.parse_args()
    busy = [
        subprocess.Popen(["nice", sys.executable, "-c", "while True: pass"])
        for _ in range(arguments.busy)
    ]
    rows = []
    try:
        for number in range(1, arguments.runs + 1):
            with tempfile.TemporaryDirectory() as name:
                write_workflow(Path(name), arguments.tasks)
                ended, line, seconds = run_once(Path(name), arguments.patience)
            rows.append({"run": number, "tasks": arguments.tasks, "exit_status": ended,
                         "seconds": round(seconds), "load": round(os.getloadavg()[0], 1),
                         "last_line": line})  # fmt: skip
            pd.DataFrame(rows).to_csv(arguments.out, sep="\t", index=False)
    finally:
        for program in busy:
            program.kill()


if __name__ == "__main__":
    main()
