"""The whole of an extraction: load, compute this rank's share, merge, describe."""

import shutil
import time
from collections.abc import Iterator, Mapping
from contextlib import contextmanager
from dataclasses import dataclass, field
from pathlib import Path
from typing import Any

import pandas as pd

from lateralization.batches import BATCH_TOKENS, Run, Share, Window, plan_batches, runs_from
from lateralization.errors import BadInput
from lateralization.files import read_tensors, write_json
from lateralization.forward import compute
from lateralization.models import load_trunk, untrained_trunk
from lateralization.ranks import Ranks
from lateralization.word_vectors import merge

ROOM = 1.25
"""Memory that a model is taken to need on a GPU, over that of its weights."""

BYTES = {"float32": 4, "bfloat16": 2, "float16": 2}


@dataclass(frozen=True)
class Task:
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
    """

    model_dir: Path
    model: Mapping[str, Any]
    words: pd.DataFrame
    windows: Path
    precision: str
    seed: int
    untrained_mode: str
    out: Path


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


def extract(task: Task, ranks: Ranks, clock: Clock) -> dict[str, Any] | None:
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
    runs = runs_from(read_tensors(task.windows))
    check_words(task.words, runs)
    in_order = bool(task.seed) and task.untrained_mode == "train"
    batches = plan_batches(runs, batch_tokens(ranks), in_order)
    # The random stream of dropout goes through all windows, so one rank takes them all.
    share = Share(ranks.rank, 1 if in_order and ranks.rank == 0 else ranks.n_ranks)
    parts = task.out.parent / f".parts-{task.out.name}"
    if ranks.rank == 0:
        shutil.rmtree(parts, ignore_errors=True)
        parts.mkdir(parents=True)
    ranks.wait()
    if not in_order or ranks.rank == 0:
        with clock.time("load"):
            trunk = load(task, ranks)
        check_vocabulary(trunk, runs)
        with clock.time("forward"):
            compute(trunk, runs, batches, parts, share)
        del trunk
    ranks.wait()
    if ranks.rank:
        return None
    with clock.time("write"):
        widths = merge(runs, parts, task.out, {"model": str(task.model.get("name"))})
    shutil.rmtree(parts)
    return describe(task, ranks, clock, batches, widths)


def batch_tokens(ranks: Ranks) -> int:
    """Return how many tokens a batch may have on this device."""
    return BATCH_TOKENS["cuda" if ranks.device.startswith("cuda") else "cpu"]


def load(task: Task, ranks: Ranks) -> Any:
    """Load the model, pretrained or with random weights."""
    import torch

    torch.backends.cudnn.allow_tf32 = False
    torch.backends.cuda.matmul.allow_tf32 = False
    if task.seed:
        return untrained_trunk(
            task.model_dir,
            task.seed,
            precision=task.precision,
            device=ranks.device,
            mode=task.untrained_mode,
        )
    return load_trunk(
        task.model_dir,
        precision=task.precision,
        device=ranks.device,
        placement=placement(task, ranks),
        allow_pickle=bool(task.model.get("allow_pickle", False)),
    )


def placement(task: Task, ranks: Ranks) -> str | None:
    """Decide whether a model is spread over all GPUs: only when it does not fit into one.

    Returns
    -------
    ``auto`` or None
    """
    import torch

    if not ranks.device.startswith("cuda") or ranks.n_ranks > 1 or torch.cuda.device_count() < 2:
        return None
    free, _ = torch.cuda.mem_get_info(ranks.device)
    return "auto" if needed_bytes(task) > free else None


def needed_bytes(task: Task) -> float:
    """Estimate the memory of the weights and of one batch beside them."""
    measured = task.model.get("measured") or task.model
    return float(measured.get("n_parameters") or 0) * BYTES[task.precision] * ROOM


def check_words(words: pd.DataFrame, runs: list[Run]) -> None:
    """Refuse a table of words that does not belong to the windows."""
    counts = words["run"].value_counts().to_dict()
    for run in runs:
        if counts.get(run.number, 0) != run.n_words:
            raise BadInput(
                f"run {run.number}: the table of words has {counts.get(run.number, 0)} words and "
                f"the windows file {run.n_words}; make both with one call of words.py"
            )


def check_vocabulary(trunk: Any, runs: list[Run]) -> None:
    """Refuse token ids that the model's embedding does not have."""
    size = int(trunk.get_input_embeddings().weight.shape[0])
    largest = max(int(run.ids.max()) for run in runs)
    if largest >= size:
        raise BadInput(
            f"the tokenizer gives token {largest} and the model knows {size} tokens; "
            "they do not belong together"
        )


def describe(
    task: Task,
    ranks: Ranks,
    clock: Clock,
    batches: list[list[Window]],
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
        "plan": {
            "windows": sum(len(batch) for batch in batches),
            "tokens": sum(item.length for batch in batches for item in batch),
            "batches": len(batches),
            "batch_tokens": batch_tokens(ranks),
            "placement": placement(task, ranks) or "one device per rank",
        },
        "seconds": clock.seconds,
        "versions": {"torch": torch.__version__, "transformers": transformers.__version__},
    }
    write_json(description, task.out.with_suffix(".json"))
    return description
