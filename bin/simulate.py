#!/usr/bin/env python3
"""Simulate a data set of the layout of ds003643, with a story, tiny models and a planted truth."""

import argparse
from pathlib import Path

from lateralization.command import run, say
from lateralization.simulation.simulate import Settings, simulate
from lateralization.simulation.worlds import WORLDS

STORY = Path(__file__).resolve().parents[1] / "assets" / "story"
DEFAULT = Settings()


def parser() -> argparse.ArgumentParser:
    """Describe the command line."""
    command = argparse.ArgumentParser(prog="simulate", description=__doc__)
    command.add_argument("out", type=Path, help="folder that gets data/, texts/ and models/")
    command.add_argument("--world", default=DEFAULT.world, help=f"one of {', '.join(WORLDS)}")
    command.add_argument(
        "--seed", type=int, default=DEFAULT.seed, help="everything random follows it"
    )
    command.add_argument("--subjects", type=int, default=DEFAULT.subjects, help="how many people")
    command.add_argument("--first-subject", default=DEFAULT.first_subject, help="identifier, EN901")
    command.add_argument(
        "--voxel-mm", type=float, default=DEFAULT.voxel_mm, help="edge of the voxels"
    )
    command.add_argument("--scans", type=int, default=None, help="about how many scans per run")
    command.add_argument("--models", type=int, default=DEFAULT.models, help="how many tiny models")
    command.add_argument("--runs", type=int, default=DEFAULT.runs, help="how many runs")
    command.add_argument("--tr", type=float, default=DEFAULT.tr, help="repetition time, s")
    command.add_argument("--if-missing", action="store_true", help="skip when it is there already")
    return command


def main(arguments: argparse.Namespace) -> None:
    """Simulate and say where it is."""
    values = vars(arguments).copy()
    out, if_missing = values.pop("out"), values.pop("if_missing")
    settings = Settings(**values)
    simulate(out, settings, STORY, if_missing=if_missing)
    say(f"{out}: world {settings.world}, {settings.subjects} subjects")


if __name__ == "__main__":
    run(main, parser())
