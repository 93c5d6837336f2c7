#!/usr/bin/env python3
"""Compute the hidden states of every word, all layers, with a language model."""

import argparse
import sys
from pathlib import Path

from lateralization.command import run, say
from lateralization.files import read_json, read_table, read_tensors
from lateralization.language_models import ranks
from lateralization.language_models.activations import Clock, ExtractionTask, extract
from lateralization.language_models.batches import runs_from
from lateralization.language_models.checkpoint import called
from lateralization.language_models.context import all_limited
from lateralization.language_models.devices import free_gpu_memory, processes_for, weights_bytes
from lateralization.language_models.loading import PRECISIONS, offline
from lateralization.language_models.read_ahead import read_ahead
from lateralization.runs import STORY
from lateralization.sources.receipts import whole_model


def parser() -> argparse.ArgumentParser:
    """Describe the command line."""
    command = argparse.ArgumentParser(prog="activations", description=__doc__)
    command.add_argument("--model-dir", type=Path, required=True)
    command.add_argument("--model-json", type=Path, required=True)
    command.add_argument("--words", type=Path, required=True, help="NAME_words.tsv")
    command.add_argument("--windows", type=Path, required=True, help="NAME_windows.safetensors")
    command.add_argument("--precision", default="float32", choices=PRECISIONS)
    command.add_argument("--seed", type=int, default=0, help="0: pretrained; above: untrained")
    command.add_argument("--untrained-mode", default="eval", choices=("eval", "train"))
    command.add_argument("--processes", type=int, default=1, help="ranks on this machine at most")
    command.add_argument(
        "--gpus", type=int, default=None,
        help="GPUs that must be used; 0: processors only; when not given: those that there are",
    )  # fmt: skip
    command.add_argument("--context", type=int, default=0, help="tokens of left context; 0: all")
    command.add_argument("--surprisal", type=Path, help="NAME_surprisal.tsv, when wanted")
    command.add_argument("--out", type=Path, required=True, help="NAME_activations.safetensors")
    return command


def main(arguments: argparse.Namespace) -> None:
    """Start further processes when asked to; otherwise be one of them."""
    offline()
    if arguments.processes > 1 and not ranks.launched():
        processes = processes_for(
            n_windows(arguments.windows, arguments.context),
            arguments.processes,
            weights_bytes(read_json(arguments.model_json), arguments.precision),
            lambda: free_gpu_memory(arguments.gpus),
        )
        if processes > 1:
            ranks.launch(Path(__file__).resolve(), sys.argv[1:], processes)
            return
    try:
        model = read_json(arguments.model_json)
        with whole_model(arguments.model_dir) as folder, called(folder, str(model.get("name"))):
            work(arguments, folder)
    except Exception as error:
        ranks.leave(error)
        raise


def work(arguments: argparse.Namespace, model_dir: Path) -> None:
    """Do this process's share, with the model in ``model_dir``."""
    clock = Clock()
    if not arguments.seed:
        read_ahead(model_dir)
    with clock.time("import"):
        import transformers.modeling_utils  # noqa: F401

        here = ranks.start(arguments.gpus)
    task = ExtractionTask(
        model_dir=model_dir,
        model=read_json(arguments.model_json),
        words=read_table(arguments.words, ("word", "text", STORY)),
        windows=arguments.windows,
        precision=arguments.precision,
        seed=arguments.seed,
        untrained_mode=arguments.untrained_mode,
        out=arguments.out,
        context=arguments.context,
        surprisal=arguments.surprisal,
    )
    done = extract(task, here, clock)
    if done is not None:
        seconds = ", ".join(f"{part} {value:.1f} s" for part, value in done["seconds"].items())
        say(
            f"{done['name']}: {len(done['layers'])} layers of {done['n_words']} words on "
            f"{done['ranks']} x {done['device']} ({seconds})"
        )
        if done["no_surprisal"]:
            say(f"{done['name']}: no surprisal, {done['no_surprisal']}")


def n_windows(path: Path, context: int) -> int:
    """Count what the model reads: the windows of all runs, or the pieces of a limited context.

    A model that reads forward, which is not known yet, has the fewest.
    """
    runs = all_limited(runs_from(read_tensors(path)), context, forward=True)
    return sum(len(run.ids) for run in runs)


if __name__ == "__main__":
    run(main, parser())
