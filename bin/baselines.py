#!/usr/bin/env python3
"""Make the features of a baseline or confound, or check those that a user gives."""

import argparse
from pathlib import Path

from lateralization.baselines import oasm, own_features
from lateralization.baselines.baselines import baseline, baseline_table, split_runs
from lateralization.command import run, say
from lateralization.files import read_json, save_tensors, write_json, write_table
from lateralization.runs import numbered_keys
from lateralization.words.annotation import read_words


def parser() -> argparse.ArgumentParser:
    """Describe the command line."""
    command = argparse.ArgumentParser(prog="baselines", description=__doc__)
    command.add_argument("--spec", type=Path, required=True, help="JSON: one baseline of the plan")
    command.add_argument("--annotation", type=Path, required=True, help="table of all words")
    command.add_argument("--language", required=True, help="en, fr, cn …")
    command.add_argument(
        "--stories", nargs="+", default=numbered_keys(), help="their keys, in order"
    )
    command.add_argument("--corrections", type=Path, help="TSV; without it none")
    command.add_argument("--given", type=Path, help="what its kind reads besides the annotation")
    command.add_argument("--out-prefix", required=True)
    return command


def main(arguments: argparse.Namespace) -> None:
    """Write NAME_words.tsv, NAME_activations.safetensors and NAME_activations.json."""
    spec = read_json(arguments.spec)
    words, report = read_words(
        arguments.annotation, arguments.language, arguments.corrections, arguments.stories
    )
    if spec.get("kind") == own_features.KIND:
        tensors, found = own_features.encodable(arguments.given, words, arguments.stories)
    elif spec.get("kind") == oasm.KIND:
        tensors, found = oasm.blocks(spec, words)
    else:
        vectors, found = baseline(spec, words, arguments.annotation, arguments.given)
        tensors = split_runs(vectors, words)
    first = [name for name in tensors if name.startswith(f"{arguments.stories[0]}/")]
    prefix = arguments.out_prefix
    metadata = {
        "model": str(spec.get("name")),
        "n_layers": str(len(first) - 1),
        "rows": found.get("rows", own_features.WORDS),
    }
    save_tensors(f"{prefix}_activations.safetensors", tensors, metadata)
    write_table(baseline_table(words), f"{prefix}_words.tsv")
    description = {
        "name": spec.get("name"),
        "kind": spec.get("kind"),
        "n_words": len(words),
        "layers": list(range(len(first))),
        "widths": [tensors[name].shape[1] for name in first],
        "dtype": str(tensors[first[0]].dtype),
        "annotation": report,
        **found,
    }
    write_json(description, f"{prefix}_activations.json")
    unknown = f", {found['n_unknown']} without a value" if found.get("n_unknown") else ""
    width = description["widths"][0]
    say(f"{spec.get('name')}: {len(words)} words, {width} features{unknown}")


if __name__ == "__main__":
    run(main, parser())
