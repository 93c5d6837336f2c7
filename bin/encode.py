#!/usr/bin/env python3
"""Fit encoding models of a block of layers to subjects and score them on held-out stories."""

import argparse
import time
from dataclasses import fields
from pathlib import Path

import numpy as np

from lateralization import study
from lateralization.command import beginning, run, say
from lateralization.encoding.encode import EncodingTask, encode_files
from lateralization.ridge.choices import Choices


def parser() -> argparse.ArgumentParser:
    """Describe the command line."""
    command = argparse.ArgumentParser(prog="encode", description=__doc__)
    command.add_argument("--features", required=True, type=Path, help="hidden states of the words")
    command.add_argument("--words", required=True, type=Path, help="table of words and their times")
    command.add_argument(
        "--bold", required=True, nargs="+", type=Path, help="cleaned runs, one file per subject"
    )
    command.add_argument(
        "--layers", default="all", help="comma list of layers, all, or none that is left"
    )
    command.add_argument("--tr", type=float, default=study.TR, help="repetition time, s")
    command.add_argument(
        "--slice-time", type=float, help="s within a scan at which it is sampled; not given: TR / 2"
    )
    command.add_argument(
        "--starts", nargs="*", default=[], type=beginning, metavar="STORY=SECONDS",
        help="beginnings of stories after the first scan; those not named begin with it",
    )  # fmt: skip
    command.add_argument(
        "--test", nargs="*", default=[], metavar="STORY", help="stories that never train"
    )
    command.add_argument("--trim", type=int, default=study.TRIM, help="scans dropped at each end")
    command.add_argument(
        "--alpha", choices=("shared", "per_voxel"), default="shared", help="whose a penalty is"
    )
    command.add_argument(
        "--hrf", choices=("glover", "fir"), default="glover", help="how words reach the scans"
    )
    command.add_argument(
        "--inner-validation", choices=("one_run", "all_runs"), default="one_run",
        help="training stories that penalties are tried on: the first, or each in turn",
    )  # fmt: skip
    command.add_argument(
        "--components", type=int, default=None, help="principal components of the training stories"
    )
    command.add_argument(
        "--joint", nargs="*", default=[], type=Path, help="features that go jointly, one layer each"
    )
    command.add_argument("--joint-words", nargs="*", default=[], type=Path, help="their words")
    command.add_argument(
        "--precision", choices=("float32", "float64"), default="float32",
        help="of the products; float64 shows by hand what float32 costs",
    )  # fmt: skip
    command.add_argument(
        "--device", choices=("auto", "cpu", "cuda"), default="auto",
        help="auto: the GPU where there is one",
    )  # fmt: skip
    command.add_argument(
        "--out", required=True, nargs="+", type=Path, help="files to write, in the order of --bold"
    )
    return command


def main(arguments: argparse.Namespace) -> None:
    """Encode, write, say one line per subject."""
    values = vars(arguments).copy()
    outs, started = values.pop("out"), time.monotonic()
    values["starts"] = dict(values["starts"])
    choices = Choices(**{field.name: values.pop(field.name) for field in fields(Choices)})
    for out, part in zip(
        outs, encode_files(EncodingTask(**values, choices=choices), outs), strict=True
    ):
        kept = np.isfinite(part.r).all(axis=(0, 1))
        say(
            f"{out.name}: {len(part.r)} layers, {kept.sum()} voxels, {(~kept).sum()} left out, "
            f"mean r {part.r[..., kept].mean():.4f}"
        )
    say(f"{len(outs)} subjects, {time.monotonic() - started:.1f} s on {part.told['device']}")


if __name__ == "__main__":
    run(main, parser())
