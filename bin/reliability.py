#!/usr/bin/env python3
"""Predict one half of the subjects from the other, or take a given reliability in."""

import argparse
from pathlib import Path

import numpy as np

from lateralization import study
from lateralization.command import run, say
from lateralization.encoding.encode import choose_device
from lateralization.fmri.reliability import write_given, write_reliability


def parser() -> argparse.ArgumentParser:
    """Describe the command line."""
    command = argparse.ArgumentParser(prog="reliability", description=__doc__)
    source = command.add_mutually_exclusive_group(required=True)
    source.add_argument("--clean", nargs="*", type=Path, default=[], help="cleaned subjects")
    source.add_argument("--given", type=Path, help="a reliability made before")
    command.add_argument("--mask", required=True, type=Path, help="brain mask")
    command.add_argument("--stories", nargs="+", default=[], help="their keys, in order")
    command.add_argument("--test", nargs="*", default=[], help="stories that never train")
    command.add_argument("--trials", type=int, default=study.ISC_TRIALS, help="split-half trials")
    command.add_argument("--seed", type=int, default=study.ISC_SEED, help="of the shuffles")
    command.add_argument("--trim", type=int, default=study.TRIM, help="scans dropped at each end")
    command.add_argument(
        "--device", choices=("auto", "cpu", "cuda"), default="auto",
        help="auto: the GPU where there is one",
    )  # fmt: skip
    command.add_argument("--out-prefix", required=True, help="path and start of the files to write")
    return command


def main(arguments: argparse.Namespace) -> None:
    """Score the trials or read them, write, say one line."""
    if arguments.given:
        trials = write_given(arguments.given, arguments.mask, arguments.out_prefix)
        say(f"{arguments.out_prefix}: {len(trials)} trials, as given")
        return
    made = write_reliability(
        arguments.clean,
        arguments.mask,
        arguments.out_prefix,
        n_trials=arguments.trials,
        seed=arguments.seed,
        n_trim=arguments.trim,
        device=choose_device(arguments.device),
        stories=arguments.stories,
        test=arguments.test,
    )
    if made is None:
        say(f"{arguments.out_prefix}: no reliability; the run goes on without it")
        return
    trials = made
    kept = np.isfinite(trials).all(axis=0)
    say(
        f"{arguments.out_prefix}: {len(arguments.clean)} subjects, {len(trials)} trials, "
        f"mean r {trials[:, kept].mean():.4f} over {kept.sum()} voxels; {(~kept).sum()} have no "
        "reliability: a half of the subjects may be without signal there in a run"
    )


if __name__ == "__main__":
    run(main, parser())
