#!/usr/bin/env python3
"""Resample a subject's runs to the 4 mm grid, with their brain masks and constant voxels."""

import argparse
from pathlib import Path

from lateralization.command import run, say
from lateralization.fmri.resample import resample_subject
from lateralization.runs import numbered_keys
from lateralization.sources.receipts import given_receipt
from lateralization.sources.release import remove_raw


def parser() -> argparse.ArgumentParser:
    """Describe the command line."""
    command = argparse.ArgumentParser(prog="resample", description=__doc__)
    command.add_argument("--subject", required=True, help="name for the log, as sub-EN057")
    command.add_argument(
        "--bold",
        required=True,
        nargs="+",
        type=Path,
        help="4-D NIfTIs, in the order of --runs, or FETCH's receipt",
    )
    command.add_argument("--runs", nargs="+", default=numbered_keys(), help="their keys, in order")
    command.add_argument("--out-prefix", required=True, help="start of the names of the files")
    return command


def main(arguments: argparse.Namespace) -> None:
    """Resample, write, remove raw runs that are not kept, say one line."""
    receipt = given_receipt(arguments.bold)
    bold = list(receipt.files) if receipt else arguments.bold
    resample_subject(arguments.subject, bold, arguments.out_prefix, arguments.runs)
    if receipt:
        made = [Path(f"{arguments.out_prefix}_{key}.nii") for key in arguments.runs]
        freed = remove_raw(receipt, made)
        say(f"{arguments.subject}: {freed / 1e6:.0f} MB of raw BOLD removed (--keep_raw no)")
    say(f"{arguments.subject}: {len(bold)} runs resampled")


if __name__ == "__main__":
    run(main, parser())
