#!/usr/bin/env python3
"""Simulate a data set of the layout of ds003643, with a story, tiny models and a planted truth."""

import argparse
from pathlib import Path

from lateralization.command import run, say
from lateralization.simulated_dataset import Settings, simulate
from lateralization.worlds import WORLDS

STORY = Path(__file__).resolve().parents[1] / "assets" / "story"
default = Settings()
parser = argparse.ArgumentParser(prog="simulate.py", description=__doc__)
parser.add_argument("out", type=Path, help="folder that gets data/, texts/ and models/")
parser.add_argument("--world", default=default.world, help=f"one of {', '.join(WORLDS)}")
parser.add_argument("--seed", type=int, default=default.seed, help="everything random follows it")
parser.add_argument("--subjects", type=int, default=default.subjects, help="how many people")
parser.add_argument("--first-subject", default=default.first_subject, help="identifier, EN901")
parser.add_argument("--voxel-mm", type=float, default=default.voxel_mm, help="edge of the voxels")
parser.add_argument("--scans", type=int, default=None, help="about how many scans per run")
parser.add_argument("--models", type=int, default=default.models, help="how many tiny models")
parser.add_argument("--runs", type=int, default=default.runs, help="how many runs")
parser.add_argument("--tr", type=float, default=default.tr, help="repetition time, s")
parser.add_argument("--if-missing", action="store_true", help="skip when it is there already")


def main(arguments: argparse.Namespace) -> None:
    """Simulate and say where it is."""
    settings = Settings(
        world=arguments.world,
        seed=arguments.seed,
        subjects=arguments.subjects,
        first_subject=arguments.first_subject,
        voxel_mm=arguments.voxel_mm,
        scans=arguments.scans,
        models=arguments.models,
        runs=arguments.runs,
        tr=arguments.tr,
    )
    simulate(arguments.out, settings, STORY, if_missing=arguments.if_missing)
    say(f"{arguments.out}: world {settings.world}, {settings.subjects} subjects")


if __name__ == "__main__":
    run(main, parser)
