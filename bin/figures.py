#!/usr/bin/env python3
"""Draw every figure that the tables allow, as SVG and PNG."""

import argparse
from pathlib import Path

from lateralization.command import run, say
from lateralization.figures.figures import draw_all


def parser() -> argparse.ArgumentParser:
    """Describe the command line."""
    command = argparse.ArgumentParser(prog="figures", description=__doc__)
    command.add_argument("--tables", type=Path, required=True, help="folder of LATERALIZE")
    command.add_argument("--out", type=Path, required=True)
    command.add_argument("--processes", type=int, default=1, help="how many draw side by side")
    return command


def main(arguments: argparse.Namespace) -> None:
    """Draw and say so."""
    say(draw_all(arguments.tables, arguments.out, arguments.processes))


if __name__ == "__main__":
    run(main, parser())
