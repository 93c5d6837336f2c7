#!/usr/bin/env python3
"""Join the blocks of layers of one model and subject into maps of brain scores."""

import argparse
from pathlib import Path

from lateralization.command import run, say
from lateralization.encoding.gather import gather


def parser() -> argparse.ArgumentParser:
    """Describe the command line."""
    command = argparse.ArgumentParser(prog="gather", description=__doc__)
    command.add_argument("--parts", required=True, nargs="+", type=Path, help="files of encode.py")
    command.add_argument("--mask", required=True, type=Path, help="brain mask of the BOLD data")
    command.add_argument("--meta", required=True, type=Path, help="JSON: language, subject, model")
    command.add_argument("--model-json", type=Path, default=None, help="what is known of the model")
    command.add_argument("--words-json", type=Path, default=None, help="how words were mapped")
    command.add_argument("--out-prefix", required=True, help="path and start of the files to write")
    return command


def main(arguments: argparse.Namespace) -> None:
    """Gather, write, say one line."""
    scores = gather(
        arguments.parts,
        arguments.mask,
        arguments.meta,
        arguments.out_prefix,
        model_path=arguments.model_json,
        words_path=arguments.words_json,
    )
    say(f"{arguments.out_prefix}: {len(scores.layers)} layers from {len(arguments.parts)} parts")


if __name__ == "__main__":
    run(main, parser())
