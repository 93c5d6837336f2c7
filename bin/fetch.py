#!/usr/bin/env python3
"""Bring one parcel (a subject's BOLD, an annotation, the texts, GloVe) to a folder, verified."""

import argparse
from pathlib import Path

from lateralization.command import run, say
from lateralization.download import Policy
from lateralization.fetching import fetch
from lateralization.files import read_json, write_json

parser = argparse.ArgumentParser(prog="fetch.py", description=__doc__)
parser.add_argument("--parcel", type=Path, required=True, help="what to bring, JSON")
parser.add_argument("--source", type=Path, nargs="*", default=[], help="the user's own files")
parser.add_argument("--cache", type=Path, required=True, help="folder of verified downloads")
parser.add_argument("--out", type=Path, required=True, help="folder for the parcel")
parser.add_argument("--connections", type=int, default=4, help="files fetched at a time")
parser.add_argument("--attempts", type=int, default=6, help="attempts in a row without progress")
parser.add_argument("--backoff", type=float, default=1.0, help="seconds before the second attempt")


def main(arguments: argparse.Namespace) -> None:
    """Fetch the parcel and write a record of it beside the folder."""
    policy = Policy(
        attempts=arguments.attempts,
        backoff=arguments.backoff,
        connections=arguments.connections,
    )
    parcel = read_json(arguments.parcel)
    record = fetch(parcel, arguments.source, arguments.cache, arguments.out, policy)
    write_json(record, arguments.out.with_name(f"{arguments.out.name}.json"))
    total = sum(file["bytes"] for file in record["files"])
    say(f"{record['kind']}: {len(record['files'])} files, {total / 1e6:.1f} MB, verified")


if __name__ == "__main__":
    run(main, parser)
