"""Batches of windows through a language model, reduced on the device.

Each layer's states are reduced to sums over the tokens of a word on the device as soon as a batch
is through, so that nothing of the size tokens × layers × width is kept for a text. Sums go to one
part file per batch; ``word_vectors`` makes words of them.
"""

import sys
from collections.abc import Mapping, Sequence
from concurrent.futures import Future, ThreadPoolExecutor
from dataclasses import dataclass
from pathlib import Path
from typing import Any

import numpy as np
from numpy.typing import NDArray

from lateralization.batches import Run, Share, Window
from lateralization.command import progress, say
from lateralization.errors import BadInput
from lateralization.files import save_tensors
from lateralization.windows import Integers

Floats = NDArray[np.float32]


@dataclass
class Room:
    """How many tokens of a batch the memory is known to hold."""

    tokens: int = sys.maxsize


class _NoRoom(Exception):
    """A batch did not fit into memory."""


def compute(
    trunk: Any,
    runs: Sequence[Run],
    batches: Sequence[Sequence[Window]],
    parts: Path,
    share: Share | None = None,
) -> None:
    """Run this rank's batches through the model and write each one's sums to a part file.

    A part is written while the next batch is computed.

    Parameters
    ----------
    trunk : a model of transformers that returns ``hidden_states``
    runs : sequence of Run
    batches : list of list of Window
    parts : Path
        Folder; ``part-<batch>.safetensors`` holds ``segments`` (n, 2) (run, segment of the run)
        and ``layer-<k>`` (n, width) float32, sums over the tokens of each segment.
    share : Share
        Which batches are this process's.

    Raises
    ------
    BadInput
        A layer has values that are not finite.
    MemoryError
        Not even one window fits into memory.
    """
    by_number = {run.number: run for run in runs}
    mine = (share or Share()).of(len(batches))
    room = Room()
    with ThreadPoolExecutor(1) as writer:
        written: Future[None] | None = None
        for number in progress(mine, "windows through the model", len(mine)):
            segments, sums = _fitting(trunk, by_number, list(batches[number]), room)
            _check_finite(sums, trunk)
            tensors: dict[str, NDArray[Any]] = {"segments": segments}
            tensors |= {f"layer-{layer}": values for layer, values in enumerate(sums)}
            if written:
                written.result()
            written = writer.submit(save_tensors, parts / f"part-{number}.safetensors", tensors)
        if written:
            written.result()


def _fitting(
    trunk: Any, runs: Mapping[int, Run], batch: list[Window], room: Room
) -> tuple[Integers, list[Floats]]:
    """Compute a batch in as many portions as memory asks for; what fitted is remembered."""
    done: list[tuple[Integers, list[Floats]]] = []
    while batch:
        length = batch[0].length
        n = min(len(batch), max(1, room.tokens // length))
        problem = ""
        try:
            done.append(_forward(trunk, runs, batch[:n]))
        except _NoRoom as error:
            problem = str(error)
        # outside of the handler: its traceback would keep the tensors that filled the memory
        if not problem:
            batch = batch[n:]
            continue
        _empty_cache()
        if n == 1:
            raise MemoryError(f"one window of {length} tokens does not fit: {problem}")
        room.tokens = n // 2 * length
        say(f"{n} windows of {length} tokens do not fit; from now on {n // 2} at a time: {problem}")
    if len(done) == 1:
        return done[0]
    sums = [np.concatenate(layer) for layer in zip(*(sums for _, sums in done), strict=True)]
    return np.concatenate([segments for segments, _ in done]), sums


def _empty_cache() -> None:
    """Give back the GPU memory that is kept for reuse: in pieces of the wrong size."""
    import torch

    if torch.cuda.is_available():
        torch.cuda.empty_cache()


def _forward(
    trunk: Any, runs: Mapping[int, Run], batch: Sequence[Window]
) -> tuple[Integers, list[Floats]]:
    """Run one batch and sum the states of each segment, layer by layer, on the device.

    Returns
    -------
    segments : array of shape (n_segments, 2)
        Run and number of the segment within the run.
    sums : list over layers of arrays of shape (n_segments, width), float32

    Raises
    ------
    _NoRoom
        Memory does not hold the batch.
    """
    import torch

    segments, tokens, lengths = _segments_of(batch, runs)
    try:
        with torch.inference_mode():
            states = trunk(**inputs_of(trunk, runs, batch)).hidden_states
            return segments, _sums(states, tokens, lengths)
    except RuntimeError as error:
        if not (isinstance(error, torch.cuda.OutOfMemoryError) or "allocate memory" in str(error)):
            raise
        message = " ".join(str(error).split())[:200]
    raise _NoRoom(message)


def inputs_of(trunk: Any, runs: Mapping[int, Run], batch: Sequence[Window]) -> dict[str, Any]:
    """Return what the model is called with.

    Without padding no mask is given: the model then needs not look at it, which would wait for
    the GPU, and attention may take the kernel that is made for whole windows.
    """
    import torch

    device, length = input_device(trunk), batch[0].length
    ids = np.stack([runs[item.run].ids[item.window, :length] for item in batch])
    mask = np.stack([runs[item.run].mask[item.window, :length] for item in batch])
    return {
        "input_ids": torch.from_numpy(ids).to(device),
        "attention_mask": None if mask.all() else torch.from_numpy(mask).to(device),
        "output_hidden_states": True,
        "use_cache": False,
    }


def _sums(states: Sequence[Any], tokens: Integers, lengths: Integers) -> list[Floats]:
    """Sum the states over the tokens of each segment; wait for the device once, at the end."""
    import torch

    places: dict[Any, tuple[Any, Any]] = {}
    results = []
    for state in states:
        flat = state.flatten(0, 1)
        if flat.device not in places:
            found = torch.from_numpy(tokens).to(flat.device), torch.from_numpy(lengths)
            places[flat.device] = found[0], found[1].to(flat.device)
        chosen, counts = places[flat.device]
        picked = flat.index_select(0, chosen).float()
        total = torch.segment_reduce(picked, "sum", lengths=counts, axis=0, unsafe=True)
        if total.device.type != "cpu":
            host = torch.empty(total.shape, dtype=total.dtype, pin_memory=True)
            total = host.copy_(total, non_blocking=True)
        results.append(total)
    for device in places:
        if device.type == "cuda":
            torch.cuda.synchronize(device)
    return [total.numpy() for total in results]


def input_device(trunk: Any) -> Any:
    """Return the device that takes the tokens.

    Weights that are kept in host memory or on disk have no device (``meta``) until they are used;
    accelerate's hook of the embedding then knows where it computes.
    """
    embedding = trunk.get_input_embeddings()
    hook = getattr(embedding, "_hf_hook", None)
    return getattr(hook, "execution_device", None) or next(embedding.parameters()).device


def _segments_of(
    batch: Sequence[Window], runs: Mapping[int, Run]
) -> tuple[Integers, Integers, Integers]:
    """List the segments in a batch, the (flat) tokens of all of them, and how many each has."""
    segments, tokens, lengths = [], [], []
    for row, item in enumerate(batch):
        table = runs[item.run].segments
        for number in np.flatnonzero(table[:, 1] == item.window).tolist():
            start, stop = table[number, 2:].tolist()
            segments.append((item.run, number))
            tokens.append(np.arange(start, stop) + row * item.length)
            lengths.append(stop - start)
    joined = np.concatenate(tokens) if tokens else np.empty(0, np.int64)
    return np.array(segments, np.int64).reshape(-1, 2), joined, np.array(lengths, np.int64)


def _check_finite(sums: Sequence[Floats], trunk: Any) -> None:
    """Refuse layers with NaN or infinite values."""
    for layer, values in enumerate(sums):
        if not np.isfinite(values).all():
            precision = str(next(trunk.parameters()).dtype).removeprefix("torch.")
            raise BadInput(
                f"layer {layer} has values that are not finite in {precision}; "
                "use --precision float32 or check the checkpoint"
            )
