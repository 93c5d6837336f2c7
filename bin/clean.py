#!/usr/bin/env python3
"""Detrend, high-pass and standardise a subject's runs within a mask."""

import argparse
from pathlib import Path

from lateralization import study
from lateralization.command import run, say
from lateralization.fmri.clean import clean_subject


def parser() -> argparse.ArgumentParser:
    """Describe the command line."""
    command = argparse.ArgumentParser(prog="clean", description=__doc__)
    command.add_argument("--bold", required=True, nargs="+", type=Path, help="resampled, in order")
    command.add_argument("--runs", nargs="+", default=[], help="their keys; not given: run-1 …")
    command.add_argument(
        "--scans", nargs="+", type=int, default=[],
        help="scans that are kept of each, from its start; 0, or not given: all",
    )  # fmt: skip
    command.add_argument(
        "--confounds", nargs="+", type=Path, default=[], help="table of each run; without: none"
    )
    command.add_argument(
        "--columns", nargs="+", default=[], metavar="NAME,NAME",
        help="columns that are regressed off each run; one list: of all",
    )  # fmt: skip
    command.add_argument("--constant", required=True, type=Path, help="map of constant voxels")
    command.add_argument("--mask", required=True, type=Path, help="brain mask")
    command.add_argument("--tr", required=True, type=float, help="repetition time, s")
    command.add_argument("--smooth", action="store_true", help="as individuals are, not the group")
    command.add_argument("--out", required=True, type=Path, help="safetensors file to write")
    return command


def main(arguments: argparse.Namespace) -> None:
    """Clean, write, say one line."""
    columns = [one.split(",") for one in arguments.columns]
    if len(columns) == 1:
        columns *= len(arguments.confounds)
    n_left_out = clean_subject(
        arguments.bold,
        arguments.constant,
        arguments.mask,
        arguments.out,
        tr=arguments.tr,
        smoothing_mm=study.SMOOTHING_MM if arguments.smooth else None,
        keys=arguments.runs,
        scans=arguments.scans,
        confounds=arguments.confounds,
        columns=columns,
    )
    say(f"{arguments.out.name}: {len(arguments.bold)} runs, {n_left_out} voxels left out")


if __name__ == "__main__":
    run(main, parser())
