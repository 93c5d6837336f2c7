#!/usr/bin/env python3
"""Check order, timing and signal of every subject's runs against the others and the words."""

import argparse
import json
from pathlib import Path

from lateralization import study
from lateralization.command import beginning, run, say
from lateralization.files import save_tensors, write_json, write_table
from lateralization.fmri.checks import check_files, excluded
from lateralization.fmri.hrf import Sampling
from lateralization.runs import RUN, STORY, is_numbered, numbered_keys
from lateralization.words.annotation import read_words


def parser() -> argparse.ArgumentParser:
    """Describe the command line."""
    command = argparse.ArgumentParser(prog="checks", description=__doc__)
    command.add_argument("--clean", required=True, nargs="+", type=Path, help="cleaned subjects")
    command.add_argument("--subjects", required=True, nargs="+", help="their ids, in that order")
    command.add_argument("--mask", required=True, type=Path, help="their brain mask")
    command.add_argument("--annotation", type=Path, required=True, help="CSV of the data set")
    command.add_argument("--language", required=True, help="en, fr, cn …")
    command.add_argument(
        "--stories", nargs="+", default=numbered_keys(), help="keys of the stories, in order"
    )
    command.add_argument(
        "--starts", nargs="*", default=[], type=beginning, metavar="STORY=SECONDS",
        help="beginnings of stories after the first scan; those not named begin with it",
    )  # fmt: skip
    command.add_argument(
        "--slice-time", type=float, help="s within a scan at which it is sampled; not given: TR / 2"
    )
    command.add_argument("--corrections", type=Path, help="TSV; without it none")
    command.add_argument("--tr", type=float, default=study.TR, help="repetition time, s")
    command.add_argument("--trim", type=int, default=study.TRIM, help="scans dropped at each end")
    command.add_argument("--out-prefix", required=True)
    return command


def main(arguments: argparse.Namespace) -> None:
    """Write the table, the outliers and the correlations, say one line per outlier."""
    words, _ = read_words(
        arguments.annotation, arguments.language, arguments.corrections, len(arguments.stories)
    )
    table, one_out = check_files(
        arguments.clean, arguments.subjects, arguments.mask, words,
        Sampling(arguments.tr, arguments.slice_time, dict(arguments.starts)),
        n_trim=arguments.trim, stories=arguments.stories,
    )  # fmt: skip
    table.insert(0, "language", arguments.language)
    write_table(table, f"{arguments.out_prefix}_checks.tsv")
    out = excluded(table)
    save_tensors(
        f"{arguments.out_prefix}_leave_one_out.safetensors",
        {subject: r for subject, (_, r) in one_out.items()},
        {"stories": json.dumps({subject: stories for subject, (stories, _) in one_out.items()})},
    )
    write_json({"excluded": out}, f"{arguments.out_prefix}_outliers.json")
    kind = RUN if is_numbered(arguments.stories[0]) else STORY
    for row in table[table["reason"].fillna("") != ""].itertuples():
        say(f"{row.subject}, {kind} {row.run}: {row.reason}")
    say(f"{arguments.language}: {len(arguments.clean)} subjects, {len(out)} with an outlier")


if __name__ == "__main__":
    run(main, parser())
