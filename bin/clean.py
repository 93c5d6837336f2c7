#!/usr/bin/env python3
"""Detrend, high-pass and standardise a subject's runs within a mask."""

import argparse
from pathlib import Path

from lateralization import study
from lateralization.cleaning import clean_subject
from lateralization.command import run, say


def main(arguments: argparse.Namespace) -> None:
    """Clean, write, say one line."""
    n_left_out = clean_subject(
        arguments.bold,
        arguments.constant,
        arguments.mask,
        arguments.out,
        tr=arguments.tr,
        smoothing_mm=study.SMOOTHING_MM if arguments.smooth else None,
    )
    say(f"{arguments.out.name}: {len(arguments.bold)} runs, {n_left_out} voxels left out")


parser = argparse.ArgumentParser(prog="clean", description=__doc__)
parser.add_argument("--bold", required=True, nargs="+", type=Path, help="resampled runs, in order")
parser.add_argument("--constant", required=True, type=Path, help="map of constant source voxels")
parser.add_argument("--mask", required=True, type=Path, help="brain mask")
parser.add_argument("--tr", required=True, type=float, help="repetition time, s")
parser.add_argument("--smooth", action="store_true", help="as individuals are, not the group")
parser.add_argument("--out", required=True, type=Path, help="safetensors file to write")

if __name__ == "__main__":
    run(main, parser)
