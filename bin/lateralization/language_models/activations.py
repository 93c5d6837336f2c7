"""The whole of an extraction: load, compute this rank's share, merge, describe."""

import shutil
import time
from collections.abc import Iterator, Mapping, Sequence
from contextlib import contextmanager
from dataclasses import dataclass, field
from pathlib import Path
from typing import Any

import numpy as np
import pandas as pd

from lateralization.arrays import Floats
from lateralization.command import say
from lateralization.errors import BadInput
from lateralization.files import (
    read_json,
    read_tensor,
    read_tensors,
    tensor_names,
    write_json,
    write_table,
)
from lateralization.language_models.batches import RunTokens, Share, Window, plan_batches, runs_from
from lateralization.language_models.context import all_limited
from lateralization.language_models.devices import (
    DevicePlan,
    bytes_per_token,
    choose_placement,
    free_bytes,
    say_used,
    weights_bytes,
)
from lateralization.language_models.forward import compute, input_device, input_embedding
from lateralization.language_models.loading import load_config, load_model
from lateralization.language_models.ranks import Ranks
from lateralization.language_models.spread_check import spread_difference
from lateralization.language_models.surprisal import head_of, reads_forward, surprisal_table
from lateralization.language_models.untrained import untrained_model
from lateralization.language_models.word_vectors import merge
from lateralization.runs import shown
from lateralization.words.by_story import rows_by_story


@dataclass(frozen=True)
class ExtractionTask:
    """What to extract.

    Attributes
    ----------
    model_dir : Path
    model : dict
        Content of ``model.json``.
    words : DataFrame
        The table of words.
    windows : Path
    precision, untrained_mode : str
    seed : int
        0 for the pretrained weights.
    out : Path
    context : int
        Tokens of left context at most, the word's first one included; 0 for the whole window.
    surprisal : Path or None
        Where the table of surprisals goes.
    """

    model_dir: Path
    model: Mapping[str, Any]
    words: pd.DataFrame
    windows: Path
    precision: str
    seed: int
    untrained_mode: str
    out: Path
    context: int = 0
    surprisal: Path | None = None

    @property
    def in_order(self) -> bool:
        """Whether dropout's random stream goes through all windows, one after the other."""
        return bool(self.seed) and self.untrained_mode == "train"

    def check_order(self) -> None:
        """Refuse to read with dropout what must be read again and give the same.

        Raises
        ------
        BadInput
        """
        if self.in_order and (self.context or self.surprisal):
            raise BadInput(
                "--context and --surprisal need a model without dropout; use --untrained_mode eval"
            )

    def described(self) -> dict[str, str]:
        """Say what the states depend on, as the features file tells ENCODE and GATHER."""
        told = {"model": self.model.get("name"), "precision": self.precision, "seed": self.seed}
        if self.context:
            told["context"] = self.context
        if self.seed:
            told["untrained_mode"] = self.untrained_mode
        return {name: str(value) for name, value in told.items()}


@dataclass
class Clock:
    """Seconds spent on each part of the work."""

    seconds: dict[str, float] = field(default_factory=dict)

    @contextmanager
    def time(self, part: str) -> Iterator[None]:
        """Measure a block."""
        start = time.perf_counter()
        yield
        self.seconds[part] = round(time.perf_counter() - start, 3)


def extract(task: ExtractionTask, ranks: Ranks, clock: Clock) -> dict[str, Any] | None:
    """Extract the states of every word; the first rank writes the files.

    Returns
    -------
    dict or None
        Content of ``<out>.json``; None on other ranks than the first.

    Raises
    ------
    BadInput
        The files do not fit together, the weights do not fill the model, or a layer is broken.
    MemoryError
        One window does not fit.
    """
    runs = runs_from(read_tensors(task.windows), list(rows_by_story(task.words)))
    check_word_counts(task.words, runs)
    task.check_order()
    # One random stream goes through all windows, so the first rank takes them all.
    share = Share(ranks.rank, 1 if task.in_order else ranks.n_ranks)
    parts = task.out.parent / f".parts-{task.out.name}"
    plan = agreed_plan(task, ranks, runs, parts)
    head, no_head = None, None
    if not task.in_order or ranks.rank == 0:
        with clock.time("load"):
            model = load(task, ranks, plan)
        trunk = model.base_model
        if task.context:
            forward = reads_forward(trunk, input_device(trunk))
            runs = all_limited(runs, task.context, forward)
        batches = plan_batches(runs, plan.batch_tokens, task.in_order, share.n_ranks)
        check_embedding(trunk, runs, batches)
        difference = compared(task, plan, trunk, runs, clock)
        if task.surprisal:
            head, no_head = head_of(model, input_device(trunk))
        del model
        say(f"rank {ranks.rank} of {ranks.n_ranks}: {len(share.of(len(batches)))} batches")
        with clock.time("forward"):
            compute(trunk, runs, batches, parts, share, head=head, metadata=task.described())
        del trunk
    ranks.wait()
    if ranks.rank:
        return None
    with clock.time("write"):
        widths = write(task, runs, parts)
    dealt: dict[str, Any] = {"windows": sum(map(len, batches)), "batches": len(batches)}
    n_tokens = sum(item.length for batch in batches for item in batch)
    dealt |= {"tokens": n_tokens, "spread_difference": difference}
    done = write_description(task, ranks, clock, plan.described() | dealt, widths)
    return done | {"no_surprisal": no_head}


def compared(
    task: ExtractionTask, plan: DevicePlan, trunk: Any, runs: list[RunTokens], clock: Clock
) -> float | None:
    """Compare a spread model with its checkpoint on one device; None without spread or checkpoint.

    Raises
    ------
    BadInput
        They differ.
    """
    if not plan.spread or task.seed:
        return None
    with clock.time("compare"):
        return spread_difference(trunk, task.model_dir, runs, task.precision)


def write(task: ExtractionTask, runs: list[RunTokens], parts: Path) -> list[int]:
    """Write the files of a task from the parts of all ranks; return the width of each layer."""
    widths = merge(runs, parts, task.out)
    if task.surprisal:
        bits = surprisals(runs, parts)
        write_table(surprisal_table(task.words, runs, bits), task.surprisal)
    shutil.rmtree(parts)
    return widths


def agreed_plan(
    task: ExtractionTask, ranks: Ranks, runs: list[RunTokens], parts: Path
) -> DevicePlan:
    """Make the plan on the first rank and leave it to the others in a fresh folder for parts."""
    path = parts / "plan.json"
    if ranks.rank == 0:
        shutil.rmtree(parts, ignore_errors=True)
        parts.mkdir(parents=True)
        plan = plan_devices(task, ranks, runs)
        say(f"{task.model.get('name')}: {plan.reason}; batches of {plan.batch_tokens} tokens")
        write_json(plan.described(), path)
    ranks.wait()
    return DevicePlan(**read_json(path))


def plan_devices(task: ExtractionTask, ranks: Ranks, runs: list[RunTokens]) -> DevicePlan:
    """Choose how the model is placed and what a batch holds.

    With a limited context the model, which is not loaded yet, is taken to read forward: then the
    passes are the fewest.
    """
    runs = all_limited(runs, task.context, forward=True)
    return choose_placement(
        kind="cuda" if ranks.device.startswith("cuda") else "cpu",
        free=free_bytes(ranks.device, ranks.n_ranks),
        weights=weights_bytes(task.model, task.precision),
        per_token=bytes_per_token(load_config(task.model_dir), task.precision),
        windows=sum(len(run.ids) for run in runs),
        longest=max(run.ids.shape[1] for run in runs),
        processes=ranks.n_ranks,
    )


def load(task: ExtractionTask, ranks: Ranks, plan: DevicePlan) -> Any:
    """Load the model, pretrained or with random weights."""
    import torch

    torch.backends.cudnn.allow_tf32 = False
    torch.backends.cuda.matmul.allow_tf32 = False
    if task.seed:
        model = untrained_model(
            task.model_dir,
            task.seed,
            precision=task.precision,
            device=ranks.device,
            mode=task.untrained_mode,
            spread=plan.spread,
        )
    else:
        model = load_model(
            task.model_dir,
            precision=task.precision,
            device=ranks.device,
            placement="auto" if plan.spread else None,
            allow_pickle=bool(task.model.get("allow_pickle", False)),
        )
    if plan.spread:
        used = {weights.device for weights in model.parameters()}
        say_used(sum(device.type == "cuda" for device in used))
    return model


def surprisals(runs: list[RunTokens], parts: Path) -> list[Floats]:
    """Gather the surprisal of each run's segments; NaN throughout without a head."""
    found = [np.full(len(run.segments), np.nan) for run in runs]
    by_number = {run.number: bits for run, bits in zip(runs, found, strict=True)}
    for path in parts.glob("part-*.safetensors"):
        if "surprisal" in tensor_names(path):
            segments, bits = read_tensor(path, "segments"), read_tensor(path, "surprisal")
            for number, values in by_number.items():
                mine = segments[:, 0] == number
                values[segments[mine, 1]] = bits[mine]
    return found


def check_word_counts(words: pd.DataFrame, runs: list[RunTokens]) -> None:
    """Refuse a table of words that does not belong to the windows."""
    counts = {key: len(rows) for key, rows in rows_by_story(words).items()}
    for run in runs:
        if counts.get(run.key, 0) != run.n_words:
            raise BadInput(
                f"{shown(run.key)}: the table of words has {counts.get(run.key, 0)} words and "
                f"the windows file {run.n_words}; make both with one call of words.py"
            )


def check_embedding(
    trunk: Any, runs: Sequence[RunTokens], batches: Sequence[Sequence[Window]]
) -> None:
    """Refuse token ids that the model's embedding does not have, in what is read.

    Padding that is not read may have any: some tokenizers add a token for it when they are loaded.
    """
    table = getattr(input_embedding(trunk), "weight", None)
    if table is None:
        raise BadInput(f"{type(trunk).__name__} reads no tokens of a text; choose a language model")
    size = int(table.shape[0])
    by_number = {run.number: run for run in runs}
    largest = max(
        int(by_number[item.run].ids[item.window, : item.length].max())
        for batch in batches
        for item in batch
    )
    if largest >= size:
        raise BadInput(
            f"the tokenizer gives token {largest} and the model knows {size} tokens; "
            "they do not belong together"
        )


def write_description(
    task: ExtractionTask,
    ranks: Ranks,
    clock: Clock,
    plan: Mapping[str, Any],
    widths: list[int],
) -> dict[str, Any]:
    """Write ``<out>.json``: layers, widths, ranks, how the work was dealt, seconds of each part."""
    import torch
    import transformers

    device = "cpu" if ranks.device == "cpu" else torch.cuda.get_device_name(ranks.device)
    description = {
        "name": task.model.get("name"),
        "kind": "model",
        "architecture": task.model.get("architecture"),
        "n_words": len(task.words),
        "layers": list(range(len(widths))),
        "widths": widths,
        "precision": task.precision,
        "seed": task.seed,
        "untrained_mode": task.untrained_mode if task.seed else None,
        "ranks": ranks.n_ranks,
        "device": device,
        "context": task.context or None,
        "plan": plan,
        "seconds": clock.seconds,
        "versions": {"torch": torch.__version__, "transformers": transformers.__version__},
    }
    write_json(description, task.out.with_suffix(".json"))
    return description
