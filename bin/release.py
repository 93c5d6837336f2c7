#!/usr/bin/env python3
"""Remove a model's weights once its activations are read back and whole."""

import argparse
from pathlib import Path

from lateralization.command import run, say
from lateralization.files import write_json
from lateralization.sources.release import remove_weights


def parser() -> argparse.ArgumentParser:
    """Describe the command line."""
    command = argparse.ArgumentParser(prog="release", description=__doc__)
    command.add_argument("--name", required=True, help="the model, for the log")
    command.add_argument("--receipt", type=Path, required=True, help="MODEL's receipt")
    command.add_argument(
        "--activations", type=Path, nargs="+", required=True, help="NAME_activations.safetensors"
    )
    command.add_argument("--out", type=Path, required=True, help="what was removed, JSON")
    return command


def main(arguments: argparse.Namespace) -> None:
    """Verify, remove, say one line."""
    freed = remove_weights(arguments.receipt, arguments.activations)
    write_json({"model": arguments.name, "bytes": freed}, arguments.out)
    say(f"{arguments.name}: {freed / 1e6:.1f} MB of weights removed (--keep_models no)")


if __name__ == "__main__":
    run(main, parser())
