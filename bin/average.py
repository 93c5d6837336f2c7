#!/usr/bin/env python3
"""Average cleaned subjects into one, or take a given average subject in."""

import argparse
from pathlib import Path

from lateralization import study
from lateralization.command import run, say
from lateralization.fmri.average import write_average
from lateralization.runs import numbered_keys


def parser() -> argparse.ArgumentParser:
    """Describe the command line."""
    command = argparse.ArgumentParser(prog="average", description=__doc__)
    source = command.add_mutually_exclusive_group(required=True)
    source.add_argument("--clean", nargs="*", type=Path, default=[], help="cleaned subjects")
    source.add_argument(
        "--given", nargs="+", type=Path, default=[], help="the runs of a given average subject"
    )
    command.add_argument("--mask", required=True, type=Path, help="brain mask")
    command.add_argument("--tr", type=float, default=study.TR, help="repetition time, s")
    command.add_argument(
        "--stories", nargs="+", default=numbered_keys(), help="keys of the stories, in order"
    )
    command.add_argument("--out", required=True, type=Path, help="safetensors file to write")
    command.add_argument("--nifti-prefix", required=True, help="start of the NIfTIs' names")
    return command


def main(arguments: argparse.Namespace) -> None:
    """Average, write, say one line."""
    n_left_out = write_average(
        arguments.mask,
        arguments.clean,
        arguments.given,
        arguments.out,
        arguments.nifti_prefix,
        tr=arguments.tr,
        stories=arguments.stories,
    )
    origin = f"of {len(arguments.clean)} subjects" if arguments.clean else "as given"
    say(f"{arguments.out.name}: average {origin}, {n_left_out} voxels left out")


if __name__ == "__main__":
    run(main, parser())
