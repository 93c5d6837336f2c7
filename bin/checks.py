#!/usr/bin/env python3
"""Check order, timing and signal of every subject's runs against the others and the words."""

import argparse
from pathlib import Path

from lateralization import study
from lateralization.command import run, say
from lateralization.files import save_tensors, write_json, write_table
from lateralization.fmri.checks import check_files, excluded
from lateralization.words.annotation import STUDY_RUNS, read_words


def parser() -> argparse.ArgumentParser:
    """Describe the command line."""
    command = argparse.ArgumentParser(prog="checks", description=__doc__)
    command.add_argument("--clean", required=True, nargs="+", type=Path, help="cleaned subjects")
    command.add_argument("--subjects", required=True, nargs="+", help="their ids, in that order")
    command.add_argument("--mask", required=True, type=Path, help="their brain mask")
    command.add_argument("--annotation", type=Path, required=True, help="CSV of the data set")
    command.add_argument("--language", required=True, help="en, fr, cn …")
    command.add_argument("--stories", nargs="+", default=STUDY_RUNS, help="their keys, in order")
    command.add_argument("--corrections", type=Path, help="TSV; without it none")
    command.add_argument("--tr", type=float, default=study.TR, help="repetition time, s")
    command.add_argument("--trim", type=int, default=study.TRIM, help="scans dropped at each end")
    command.add_argument("--out-prefix", required=True)
    return command


def main(arguments: argparse.Namespace) -> None:
    """Write the table, the outliers and the correlations, say one line per outlier."""
    words, _ = read_words(
        arguments.annotation, arguments.language, arguments.corrections, arguments.stories
    )
    table, one_out = check_files(
        arguments.clean, arguments.subjects, arguments.mask, words,
        tr=arguments.tr, n_trim=arguments.trim,
    )  # fmt: skip
    table.insert(0, "language", arguments.language)
    write_table(table, f"{arguments.out_prefix}_checks.tsv")
    out = excluded(table)
    save_tensors(f"{arguments.out_prefix}_leave_one_out.safetensors", one_out)
    write_json({"excluded": out}, f"{arguments.out_prefix}_outliers.json")
    for row in table[table["reason"].fillna("") != ""].itertuples():
        say(f"{row.subject}, run {row.run}: {row.reason}")
    say(f"{arguments.language}: {len(arguments.clean)} subjects, {len(out)} with an outlier")


if __name__ == "__main__":
    run(main, parser())
