#!/usr/bin/env python3
"""Map the annotated words of the story to a model's tokens."""

import argparse
from pathlib import Path

from lateralization.command import run, say
from lateralization.files import save_tensors, write_json, write_table
from lateralization.language_models.checkpoint import called
from lateralization.language_models.loading import (
    load_config,
    load_tokenizer,
    max_length,
    offline,
    without_torch,
)
from lateralization.runs import numbered_keys
from lateralization.words.annotation import read_words
from lateralization.words.stories import read_texts
from lateralization.words.words import (
    check_vocabulary,
    map_words,
    mapping_report,
    window_tensors,
    words_table,
)


def parser() -> argparse.ArgumentParser:
    """Describe the command line."""
    command = argparse.ArgumentParser(prog="words", description=__doc__)
    command.add_argument("--annotation", type=Path, required=True, help="table of all words")
    command.add_argument(
        "--texts", type=Path, nargs="+", required=True, help="text_<language>_<story>.txt of each"
    )
    command.add_argument("--language", required=True, help="en, fr, cn …")
    command.add_argument(
        "--stories", nargs="+", default=numbered_keys(), help="their keys, in order"
    )
    command.add_argument("--corrections", type=Path, help="TSV; without it none")
    command.add_argument("--model-dir", type=Path, required=True, help="folder with the tokenizer")
    command.add_argument("--mapping", default="aligned", choices=("reference", "aligned"))
    command.add_argument("--name", required=True, help="the model's name")
    command.add_argument("--out-prefix", required=True)
    return command


def main(arguments: argparse.Namespace) -> None:
    """Write NAME_words.tsv, NAME_windows.safetensors and NAME_words.json."""
    offline()
    without_torch()
    words, report = read_words(
        arguments.annotation, arguments.language, arguments.corrections, arguments.stories
    )
    texts = read_texts(arguments.texts, arguments.language, arguments.stories)
    with called(arguments.model_dir, arguments.name):
        tokenizer = load_tokenizer(arguments.model_dir)
        config = load_config(arguments.model_dir)
        length = max_length(config, tokenizer, arguments.mapping)
        runs = map_words(
            tokenizer,
            words,
            texts,
            language=arguments.language,
            mapping=arguments.mapping,
            max_length=length,
        )
        check_vocabulary(config, runs)
    prefix = arguments.out_prefix
    description = {"name": arguments.name, "language": arguments.language}
    description |= mapping_report(runs, arguments.mapping) | {"annotation": report}
    write_table(words_table(runs, texts), f"{prefix}_words.tsv")
    save_tensors(f"{prefix}_windows.safetensors", window_tensors(runs))
    write_json(description, f"{prefix}_words.json")
    absent = report["corrections"]["absent_rows"]
    if absent:
        say(f"corrections of rows that the annotation does not have: {', '.join(map(str, absent))}")
    missed = len(description["unaligned"])
    say(
        f"{arguments.name}: {len(words)} words in {sum(description['n_windows'])} windows, "
        f"{arguments.mapping} mapping" + (f", {missed} words not in the text" if missed else "")
    )


if __name__ == "__main__":
    run(main, parser())
