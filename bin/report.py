#!/usr/bin/env python3
"""Write the report: one page that opens from disk with no network."""

import argparse
import json
from pathlib import Path

from lateralization.command import run, say
from lateralization.report.report import write_report


def parser() -> argparse.ArgumentParser:
    """Describe the command line."""
    command = argparse.ArgumentParser(prog="report", description=__doc__)
    command.add_argument("--plan", type=Path, required=True)
    command.add_argument("--tables", type=Path, required=True, help="folder of LATERALIZE")
    command.add_argument("--figures", type=Path, required=True, help="folder of FIGURES")
    command.add_argument("--template", type=Path, required=True, help="assets/report.html.j2")
    command.add_argument("--run", default="{}", help="JSON text: what the engine knows of itself")
    command.add_argument("--out", type=Path, required=True, help="report.html")
    return command


def main(arguments: argparse.Namespace) -> None:
    """Write the page and say its first sentence."""
    said = write_report(
        arguments.plan, arguments.tables, arguments.figures, arguments.template, arguments.out,
        json.loads(arguments.run),
    )  # fmt: skip
    say(said)


if __name__ == "__main__":
    run(main, parser())
