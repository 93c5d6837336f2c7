#!/usr/bin/env python3
"""Bring one parcel (a subject's BOLD, an annotation, the texts, GloVe) to a folder, verified."""

import argparse
from pathlib import Path

from lateralization.command import run, say
from lateralization.files import read_json
from lateralization.sources.fetch import fetch


def parser() -> argparse.ArgumentParser:
    """Describe the command line."""
    command = argparse.ArgumentParser(prog="fetch", description=__doc__)
    command.add_argument("--parcel", type=Path, required=True, help="what to bring, JSON")
    command.add_argument("--source", type=Path, nargs="*", default=[], help="the user's own files")
    command.add_argument("--cache", type=Path, required=True, help="folder of verified downloads")
    command.add_argument("--out", type=Path, required=True, help="folder for the parcel")
    return command


def main(arguments: argparse.Namespace) -> None:
    """Fetch the parcel and say one line."""
    parcel = read_json(arguments.parcel)
    files = fetch(parcel, arguments.source, arguments.cache, arguments.out)
    size = sum(path.stat().st_size for path in files)
    say(f"{parcel['kind']}: {len(files)} files, {size / 1e6:.1f} MB, verified")


if __name__ == "__main__":
    run(main, parser())
