"""Container engines and Slurm for tests: installed and started by tests/engines/engines.sh."""

import os
import subprocess
from pathlib import Path

import pytest

SCRIPT = Path(__file__).resolve().parents[1] / "engines" / "engines.sh"


def need(*names: str) -> None:
    """Install and start engines; one that cannot be had fails in CI and skips elsewhere.

    Outside CI nothing is installed: a test changes no system that it was not given.
    """
    in_ci = os.environ.get("REQUIRE_ENGINES") == "1"
    tasks = ("install", "start") if in_ci else ("start",)
    for task in tasks:
        if os.geteuid() != 0:
            problem = "engines of the tests are started as root only"
        else:
            done = subprocess.run(
                ["bash", str(SCRIPT), task, *names], capture_output=True, text=True, check=False
            )
            if done.returncode == 0:
                continue
            problem = (done.stderr.strip().splitlines() or ["no reason given"])[-1]
        message = f"{task} {' '.join(names)}: {problem}"
        if in_ci:
            pytest.fail(message)
        pytest.skip(message)


def variables() -> dict[str, str]:
    """Return the environment variables that reach the engines."""
    shown = subprocess.run(
        ["bash", str(SCRIPT), "environment"], capture_output=True, text=True, check=True
    ).stdout
    return dict(line.split("=", maxsplit=1) for line in shown.splitlines())
