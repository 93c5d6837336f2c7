"""Batches of windows through a language model, reduced on the device.

Each layer's states are reduced to sums over the tokens of a word on the device as soon as a batch
is through, so that nothing of the size tokens × layers × width is kept for a text.
``word_vectors`` makes words of the sums and writes them.
"""

import sys
from collections.abc import Mapping, Sequence
from concurrent.futures import Future, ThreadPoolExecutor
from contextlib import closing
from dataclasses import dataclass
from pathlib import Path
from typing import Any, NamedTuple

import numpy as np

from lateralization.arrays import Array, Booleans, Floats, Integers
from lateralization.command import progress, say
from lateralization.errors import BadInput, is_out_of_memory, one_line
from lateralization.language_models.batches import RunTokens, Share, Window
from lateralization.language_models.loading import call_model
from lateralization.language_models.surprisal import Head, of_tokens
from lateralization.language_models.word_vectors import Collector

Tensors = dict[str, Array]


class Network(NamedTuple):
    """A model without its head, and the head where surprisal is asked for."""

    trunk: Any
    head: Head | None = None


@dataclass
class Room:
    """How many tokens of a batch the memory is known to hold."""

    tokens: int = sys.maxsize


class _NoRoom(Exception):
    """A batch did not fit into memory."""


def compute(
    trunk: Any,
    runs: Sequence[RunTokens],
    batches: Sequence[Sequence[Window]],
    parts: Path,
    share: Share | None = None,
    *,
    head: Head | None = None,
    metadata: Mapping[str, str] | None = None,
) -> None:
    """Run this rank's batches through the model and write the words of each.

    They are written while the next batch is computed.

    Parameters
    ----------
    trunk : a model of transformers that returns ``hidden_states``
    runs : sequence of Run
    batches : list of list of Window
    parts : Path
        Folder, shared by all ranks, for :func:`lateralization.language_models.word_vectors.merge`.
    share : Share
        Which batches are this process's.
    head : Head or None
        With a head the parts hold ``surprisal`` (n,) too, bits of each segment.
    metadata : dict of str
        Goes into the header of the features file.

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
    collector = Collector(runs, parts, metadata or {})
    with closing(collector), ThreadPoolExecutor(1) as writer:
        written: Future[None] | None = None
        for number in progress(mine, "windows through the model", len(mine)):
            tensors = _fitting(Network(trunk, head), by_number, list(batches[number]), room)
            if written:
                written.result()
            written = writer.submit(collector.put, number, tensors)
        if written:
            written.result()


def _fitting(
    network: Network, runs: Mapping[int, RunTokens], batch: list[Window], room: Room
) -> Tensors:
    """Compute a batch in as many portions as memory asks for; what fitted is remembered."""
    done: list[Tensors] = []
    while batch:
        length = batch[0].length
        n = min(len(batch), max(1, room.tokens // length))
        problem = ""
        try:
            done.append(_forward(network, runs, batch[:n]))
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
    return {name: np.concatenate([portion[name] for portion in done]) for name in done[0]}


def _empty_cache() -> None:
    """Give back the GPU memory that is kept for reuse: in pieces of the wrong size."""
    import torch

    if torch.cuda.is_available():
        torch.cuda.empty_cache()


def _forward(network: Network, runs: Mapping[int, RunTokens], batch: Sequence[Window]) -> Tensors:
    """Run one batch and sum the states of each segment, layer by layer, on the device.

    Returns
    -------
    dict of arrays
        ``segments`` (n_segments, 2): run and number of the segment within the run; ``layer-<k>``
        (n_segments, width), float32; ``surprisal`` (n_segments,) where there is a head.

    Raises
    ------
    _NoRoom
        Memory does not hold the batch.
    BadInput
        The model does not read a plain text, or a layer has values that are not finite.
    """
    import torch

    segments, tokens, lengths = segments_of(batch, runs)
    try:
        with torch.inference_mode():
            inputs = inputs_of(network.trunk, runs, batch)
            out = call_model(network.trunk, **inputs)
            states = states_of(out, network.trunk, inputs["input_ids"].shape)
            tensors = {"segments": segments} | _sums(states, tokens, lengths, network.trunk)
            if network.head:
                bits = _surprisal(network.head, out, inputs, _places(batch, runs, tokens))
                tensors["surprisal"] = np.add.reduceat(bits, np.cumsum(lengths) - lengths)
            return tensors
    except RuntimeError as error:
        if not is_out_of_memory(error):
            raise
        message = one_line(error, 200)
    raise _NoRoom(message)


def inputs_of(trunk: Any, runs: Mapping[int, RunTokens], batch: Sequence[Window]) -> dict[str, Any]:
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


def states_of(out: Any, trunk: Any, shape: Sequence[int]) -> Sequence[Any]:
    """Return the hidden states of an answer, layer by layer, each (batch, length, width).

    Raises
    ------
    BadInput
        The model gives no state of every token (Funnel, which joins them).
    """
    states = getattr(out, "hidden_states", None) or ()
    if not states or any(state.shape[:-1] != shape for state in states):
        raise BadInput(
            f"{type(trunk).__name__} gives no hidden state of every token in every layer; "
            "choose another model"
        )
    return tuple(states)


def _sums(states: Sequence[Any], tokens: Integers, lengths: Integers, trunk: Any) -> Tensors:
    """Sum the states over the tokens of each segment; wait for the device once, at the end.

    Whether sums are finite is found where they are: one byte per layer leaves the device for it.
    """
    import torch

    places: dict[Any, tuple[Any, Any]] = {}
    results, finite = [], []
    for state in states:
        flat = state.flatten(0, 1)
        if flat.device not in places:
            found = torch.from_numpy(tokens).to(flat.device), torch.from_numpy(lengths)
            places[flat.device] = found[0], found[1].to(flat.device)
        chosen, counts = places[flat.device]
        picked = flat.index_select(0, chosen).float()
        total = torch.segment_reduce(picked, "sum", lengths=counts, axis=0, unsafe=True)
        finite.append(total.isfinite().all())
        if total.device.type != "cpu":
            host = torch.empty(total.shape, dtype=total.dtype, pin_memory=True)
            total = host.copy_(total, non_blocking=True)
        results.append(total)
    for device in places:
        if device.type == "cuda":
            torch.cuda.synchronize(device)
    _check_finite([bool(every) for every in finite], trunk)
    return {f"layer-{layer}": total.numpy() for layer, total in enumerate(results)}


def _places(
    batch: Sequence[Window], runs: Mapping[int, RunTokens], tokens: Integers
) -> tuple[Integers, Booleans, Booleans]:
    """Return the tokens of a batch, which of them count, and which have a token before them.

    Special tokens do not count, nor does a token of text that an earlier window had.
    """
    rows, positions = np.divmod(tokens, batch[0].length)
    text = np.array([runs[item.run].text[item.window] for item in batch])
    counted = (positions >= text[rows, 1]) & (positions < text[rows, 2])
    return tokens, counted, positions > 0


def _surprisal(
    head: Head,
    out: Any,
    inputs: Mapping[str, Any],
    places: tuple[Integers, Booleans, Booleans],
) -> Floats:
    """Return the surprisal of each token: 0 where it does not count, NaN without predecessor."""
    tokens, counted, preceded = places
    bits = np.where(counted, np.nan, 0.0)
    asked = counted & preceded
    states, ids = out.last_hidden_state.flatten(0, 1), inputs["input_ids"].flatten()
    bits[asked] = of_tokens(head, states, ids, tokens[asked])
    return bits


def input_device(trunk: Any) -> Any:
    """Return the device that takes the tokens.

    Weights that are kept in host memory or on disk have no device (``meta``) until they are used;
    accelerate's hook of the embedding then knows where it computes.
    """
    embedding = input_embedding(trunk)
    hook = getattr(embedding, "_hf_hook", None)
    return getattr(hook, "execution_device", None) or next(embedding.parameters()).device


def input_embedding(trunk: Any) -> Any:
    """Return the embedding of the tokens; BART's kin have theirs in a decoder within the trunk."""
    try:
        return trunk.get_input_embeddings()
    except NotImplementedError:
        return trunk.decoder.get_input_embeddings()


def segments_of(
    batch: Sequence[Window], runs: Mapping[int, RunTokens]
) -> tuple[Integers, Integers, Integers]:
    """List the segments in a batch, the (flat) tokens of all of them, and how many each has."""
    segments, tokens, lengths = [], [], []
    for row, item in enumerate(batch):
        table = runs[item.run].segments
        numbers = np.flatnonzero(table[:, 1] == item.window)
        starts, sizes = table[numbers, 2], table[numbers, 3] - table[numbers, 2]
        segments.append(np.column_stack([np.full(len(numbers), item.run), numbers]))
        # tokens count on within a segment; each begins at its own place
        firsts = row * item.length + starts - (np.cumsum(sizes) - sizes)
        tokens.append(np.repeat(firsts, sizes) + np.arange(sizes.sum()))
        lengths.append(sizes)
    return np.concatenate(segments), np.concatenate(tokens), np.concatenate(lengths)


def _check_finite(finite: Sequence[bool], trunk: Any) -> None:
    """Refuse layers with NaN or infinite values."""
    if not all(finite):
        precision = str(next(trunk.parameters()).dtype).removeprefix("torch.")
        raise BadInput(
            f"layer {finite.index(False)} has values that are not finite in {precision}; "
            "use --precision float32 or check the checkpoint"
        )
