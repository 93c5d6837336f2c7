#!/usr/bin/env python3
"""Combine the brain masks of all runs into one mirror-symmetric mask."""

import argparse
from pathlib import Path

from lateralization.command import run, say
from lateralization.fmri.mask import copy_mask, write_group_mask
from lateralization.volumes import load_mask


def parser() -> argparse.ArgumentParser:
    """Describe the command line."""
    command = argparse.ArgumentParser(prog="mask", description=__doc__)
    source = command.add_mutually_exclusive_group(required=True)
    source.add_argument(
        "--epi-masks", nargs="+", type=Path, default=[], help="one 4-D NIfTI of masks per subject"
    )
    source.add_argument("--given", type=Path, help="a mask made before")
    command.add_argument("--out", required=True, type=Path, help="the mask to write")
    return command


def main(arguments: argparse.Namespace) -> None:
    """Combine, write, say one line."""
    if arguments.given:
        copy_mask(arguments.given, arguments.out)
    else:
        write_group_mask(arguments.epi_masks, arguments.out)
    n_voxels = int(load_mask(arguments.out)[0].sum())
    origin = "given" if arguments.given else f"from {len(arguments.epi_masks)} subjects"
    say(f"{arguments.out.name}: {n_voxels} voxels, {origin}")


if __name__ == "__main__":
    run(main, parser())
