#!/usr/bin/env python3
"""Make the manifest of another OpenNeuro data set from a clone of its git-annex tree."""

import argparse
from pathlib import Path

from lateralization.command import run, say
from lateralization.files import write_table
from lateralization.sources.description import read_description
from lateralization.sources.manifest import manifest, pinned_files

SCHEMA = Path(__file__).resolve().parents[1] / "assets" / "dataset.schema.json"


def parser() -> argparse.ArgumentParser:
    """Describe the command line."""
    command = argparse.ArgumentParser(prog="manifest", description=__doc__)
    command.add_argument("--tree", type=Path, required=True, help="clone; no content is needed")
    command.add_argument("--revision", default="HEAD", help="tag, branch or commit")
    command.add_argument("--description", type=Path, required=True, help="dataset.json")
    command.add_argument("--also", nargs="*", default=[], help="patterns of further files to pin")
    command.add_argument("--out", type=Path, required=True, help="TSV, beside the description")
    return command


def main(arguments: argparse.Namespace) -> None:
    """Read the tree, write the manifest, say one line."""
    description = read_description(arguments.description, SCHEMA)
    files = pinned_files(arguments.tree, arguments.revision)
    rows = manifest(description, files, arguments.also, arguments.description.parent)
    write_table(rows, arguments.out)
    total = rows["bytes"].astype(int).sum() / 1e9
    say(f"{arguments.out}: {len(rows)} files of {description.name}, {total:.1f} GB")


if __name__ == "__main__":
    run(main, parser())
