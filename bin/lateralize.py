#!/usr/bin/env python3
"""Turn the brain scores of all fits into tables of scores, asymmetries and regressions."""

import argparse
from pathlib import Path

from lateralization.command import run, say
from lateralization.tables.lateralize import Inputs, lateralize


def parser() -> argparse.ArgumentParser:
    """Describe the command line."""
    command = argparse.ArgumentParser(prog="lateralize", description=__doc__)
    command.add_argument("--plan", type=Path, required=True)
    command.add_argument("--scores", type=Path, nargs="+", required=True, help="*_scores.json")
    command.add_argument("--runs", type=Path, nargs="+", required=True, help="*_runs.safetensors")
    command.add_argument("--masks", type=Path, nargs="+", required=True, help="*_mask.nii.gz")
    command.add_argument("--isc", type=Path, nargs="*", default=[], help="*_isc.nii.gz")
    command.add_argument("--rois", type=Path, nargs="*", default=[], help="*_roi-*.nii.gz")
    command.add_argument("--truth", type=Path, help="what a simulator planted")
    command.add_argument("--published", type=Path, help="values of the published study")
    command.add_argument("--atlas", type=Path, nargs="*", default=[], help="files of FETCH")
    command.add_argument("--ceilings", type=Path, nargs="*", default=[],
                         help="*_isc_runs.safetensors, *_leave_one_out.safetensors")  # fmt: skip
    command.add_argument("--checks", type=Path, nargs="*", default=[], help="files of CHECKS")
    command.add_argument("--out", type=Path, required=True, help="folder of the tables")
    command.add_argument("--maps", type=Path, required=True, help="folder of the maps (NIfTI)")
    return command


def main(arguments: argparse.Namespace) -> None:
    """Write the tables and say so."""
    values = vars(arguments).copy()
    out, maps = values.pop("out"), values.pop("maps")
    say(lateralize(Inputs(**values), out, maps))


if __name__ == "__main__":
    run(main, parser())
