#!/usr/bin/env python3
"""Check order, timing and signal of every subject's runs against the others and the words."""

import argparse
from pathlib import Path

from lateralization import study
from lateralization.annotation import read_words
from lateralization.checking import check_files, excluded
from lateralization.command import run, say
from lateralization.files import save_tensors, write_json, write_table


def main(arguments: argparse.Namespace) -> None:
    """Write the table, the outliers and the correlations, say one line per outlier."""
    words, _ = read_words(
        arguments.annotation, arguments.language, arguments.corrections, arguments.n_runs
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


parser = argparse.ArgumentParser(prog="checks", description=__doc__)
parser.add_argument("--clean", required=True, nargs="+", type=Path, help="cleaned subjects")
parser.add_argument("--subjects", required=True, nargs="+", help="their ids, in the same order")
parser.add_argument("--mask", required=True, type=Path, help="their brain mask")
parser.add_argument("--annotation", type=Path, required=True, help="CSV of the data set")
parser.add_argument("--language", required=True, help="en, fr, cn …")
parser.add_argument("--n-runs", type=int, default=study.N_RUNS, help="runs of the story")
parser.add_argument("--corrections", type=Path, help="TSV; without it none")
parser.add_argument("--tr", type=float, default=study.TR, help="repetition time, s")
parser.add_argument("--trim", type=int, default=study.TRIM, help="scans dropped at each end")
parser.add_argument("--out-prefix", required=True)

if __name__ == "__main__":
    run(main, parser)
