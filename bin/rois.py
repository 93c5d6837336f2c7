#!/usr/bin/env python3
"""Write the language regions: spheres around published peaks within the brain mask."""

import argparse
from pathlib import Path

from lateralization.command import run, say
from lateralization.fmri.rois import write_rois


def parser() -> argparse.ArgumentParser:
    """Describe the command line."""
    command = argparse.ArgumentParser(prog="rois", description=__doc__)
    command.add_argument("--mask", required=True, type=Path, help="brain mask")
    command.add_argument(
        "--centres", required=True, type=Path, help="TSV: name, x, y, z, radius_mm (MNI, mm)"
    )
    command.add_argument("--out-prefix", required=True, help="start of the names of the files")
    return command


def main(arguments: argparse.Namespace) -> None:
    """Select, write, say one line."""
    sizes = write_rois(arguments.mask, arguments.centres, arguments.out_prefix)
    say("voxels per region: " + ", ".join(f"{name} {size}" for name, size in sizes.items()))


if __name__ == "__main__":
    run(main, parser())
