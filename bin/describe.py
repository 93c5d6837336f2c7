#!/usr/bin/env python3
"""Draft dataset.json and runs.tsv of a data set from the names of its files (BIDS)."""

import argparse
import re
from pathlib import Path

import pandas as pd

from lateralization.bids.draft import COLUMNS, TABLE, Draft, draft
from lateralization.bids.language import FILE
from lateralization.command import run, say
from lateralization.errors import BadInput
from lateralization.files import write_json, write_table


def parser() -> argparse.ArgumentParser:
    """Describe the command line."""
    command = argparse.ArgumentParser(prog="describe", description=__doc__)
    command.add_argument("folder", type=Path, help="the data set, or a clone without content")
    command.add_argument("--out", type=Path, help="folder of the drafts; the data set's own")
    return command


def table(made: Draft) -> pd.DataFrame:
    """Return the table of runs, (n_runs, 7) of text."""
    cells = [[getattr(row, name) for name in COLUMNS] for row in made.runs]
    shown = [["n/a" if cell in (None, "") else str(cell) for cell in row] for row in cells]
    return pd.DataFrame(shown, columns=pd.Index(COLUMNS))


def main(arguments: argparse.Namespace) -> None:
    """Write both drafts and print what is open."""
    root = arguments.folder.resolve()
    if not root.is_dir():
        raise BadInput(f"{arguments.folder} is no folder; give the folder of a data set")
    out = root if arguments.out is None else arguments.out
    there = [name for name in (FILE, TABLE) if (out / name).exists()]
    if there:
        raise BadInput(
            f"{out} has {' and '.join(there)} already; take them away, or give --out another folder"
        )
    made = draft(root, re.sub(r"[^A-Za-z0-9._-]+", "-", root.name).strip("-_.") or "dataset")
    out.mkdir(parents=True, exist_ok=True)
    write_json(made.description, out / FILE)
    write_table(table(made), out / TABLE)
    for line in made.open:
        print(f"open: {line}")
    subjects, stories = ({getattr(row, name) for row in made.runs} for name in ("subject", "story"))
    say(f"{out / FILE}: {len(made.runs)} runs of {len(stories)} stories, {len(subjects)} people")


if __name__ == "__main__":
    run(main, parser())
