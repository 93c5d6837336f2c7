"""Hidden states of every word, from windows of tokens through a language model.

Windows are batched by length and dealt to ranks. Each layer's states are reduced to sums over the
tokens of a word on the device as soon as a batch is through, so that nothing of the size
tokens × layers × width is kept for a text. Sums go to one part file per batch; the first rank
makes words of them, one run and layer at a time, in an order that depends neither on the batches
nor on the number of ranks.
"""

import shutil
import tempfile
from collections.abc import Iterator, Mapping, Sequence
from dataclasses import dataclass
from pathlib import Path
from typing import Any

import numpy as np
from numpy.typing import NDArray

from lateralization.annotation import read_texts, read_words
from lateralization.command import progress
from lateralization.errors import BadInput
from lateralization.features import FeaturesWriter
from lateralization.files import read_tensors, save_tensors
from lateralization.mapping import map_words, window_tensors
from lateralization.models import (
    load_config,
    load_tokenizer,
    load_trunk,
    max_length,
    offline,
    untrained_trunk,
)
from lateralization.windows import Integers, Pieces

Floats = NDArray[np.float32]

BATCH_TOKENS = {"cpu": 4096, "cuda": 16384}
"""Tokens of a batch; halved as long as the device's memory does not hold one."""


@dataclass(frozen=True)
class Run:
    """What the extraction knows of a run: windows and the stretches of tokens of each word."""

    number: int
    ids: Integers
    mask: Integers
    pieces: Pieces
    segments: Integers

    @property
    def n_words(self) -> int:
        """Words of the run."""
        return int(self.pieces.table[-1, 0]) + 1


@dataclass(frozen=True)
class Window:
    """One window to compute, cut after the last token that is needed."""

    run: int
    window: int
    length: int


@dataclass(frozen=True)
class Share:
    """Which part of the batches this process computes."""

    rank: int = 0
    n_ranks: int = 1

    def of(self, n: int) -> range:
        """Return the numbers of the batches of this rank."""
        return range(self.rank, n, self.n_ranks)


def runs_from(tensors: Mapping[str, NDArray[Any]]) -> list[Run]:
    """Rebuild the runs from the tensors of :func:`lateralization.mapping.window_tensors`.

    Raises
    ------
    BadInput
        A tensor is missing.
    """
    numbers = sorted(int(name[4:-4]) for name in tensors if name.endswith("/ids"))
    if not numbers:
        raise BadInput("the windows file has no run; make it with words.py")
    runs = []
    for number in numbers:
        try:
            table, enter, leave, ids, mask = (
                tensors[f"run-{number}/{name}"]
                for name in ("pieces", "enter", "leave", "ids", "mask")
            )
        except KeyError as error:
            raise BadInput(f"the windows file lacks {error}; make it with words.py") from error
        pieces = Pieces(table, enter, leave)
        runs.append(Run(number, ids, mask, pieces, pieces.segments()))
    return runs


def plan_batches(runs: Sequence[Run], tokens: int, in_order: bool = False) -> list[list[Window]]:
    """Deal the windows of all runs into batches of windows of one length.

    Parameters
    ----------
    runs : sequence of Run
    tokens : int
        Tokens of a batch at most; a single longer window is a batch of its own.
    in_order : bool
        One window at a time in the order of the story (dropout's random stream depends on it).

    Returns
    -------
    list of batches
        Longest windows first. A window without a word's token is left out; padding is cut off
        unless a word has it.
    """
    windows = [window for run in runs for window in _needed(run, keep_all=in_order)]
    if in_order:
        return [[window] for window in windows]
    windows.sort(key=lambda item: -item.length)
    batches: list[list[Window]] = []
    for window in windows:
        last = batches[-1] if batches else []
        if last and last[0].length == window.length and (len(last) + 1) * window.length <= tokens:
            last.append(window)
        else:
            batches.append([window])
    return batches


def _needed(run: Run, keep_all: bool) -> Iterator[Window]:
    """Yield the windows of a run that words need, each cut after its last needed token."""
    for window in range(len(run.ids)):
        ends = run.segments[run.segments[:, 1] == window, 3]
        if keep_all:
            yield Window(run.number, window, run.ids.shape[1])
        elif len(ends):
            real = int(np.flatnonzero(run.mask[window])[-1]) + 1
            yield Window(run.number, window, max(real, int(ends.max())))


def compute(
    trunk: Any,
    runs: Sequence[Run],
    batches: Sequence[Sequence[Window]],
    parts: Path,
    share: Share | None = None,
) -> None:
    """Run this rank's batches through the model and write each one's sums to a part file.

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
    for number in progress(mine, "windows through the model", len(mine)):
        batch = list(batches[number])
        segments, sums = _halving(trunk, by_number, batch)
        _check_finite(sums, trunk)
        tensors: dict[str, NDArray[Any]] = {"segments": segments}
        tensors |= {f"layer-{layer}": values for layer, values in enumerate(sums)}
        save_tensors(parts / f"part-{number}.safetensors", tensors)


def _halving(
    trunk: Any, runs: Mapping[int, Run], batch: list[Window]
) -> tuple[Integers, list[Floats]]:
    """Compute a batch; when memory does not hold it, its halves."""
    import torch

    try:
        return _forward(trunk, runs, batch)
    except RuntimeError as error:
        if not (isinstance(error, torch.cuda.OutOfMemoryError) or "allocate memory" in str(error)):
            raise
        message = " ".join(str(error).split())[:200]
    if torch.cuda.is_available():
        torch.cuda.empty_cache()
    if len(batch) == 1:
        raise MemoryError(f"one window of {batch[0].length} tokens does not fit: {message}")
    middle = len(batch) // 2
    first_segments, first = _halving(trunk, runs, batch[:middle])
    last_segments, last = _halving(trunk, runs, batch[middle:])
    sums = [np.concatenate(pair) for pair in zip(first, last, strict=True)]
    return np.concatenate([first_segments, last_segments]), sums


def _forward(
    trunk: Any, runs: Mapping[int, Run], batch: Sequence[Window]
) -> tuple[Integers, list[Floats]]:
    """Run one batch and sum the states of each segment, layer by layer, on the device.

    Returns
    -------
    segments : array of shape (n_segments, 2)
        Run and number of the segment within the run.
    sums : list over layers of arrays of shape (n_segments, width), float32
    """
    import torch

    device = input_device(trunk)
    length = batch[0].length
    ids = np.stack([runs[item.run].ids[item.window, :length] for item in batch])
    mask = np.stack([runs[item.run].mask[item.window, :length] for item in batch])
    segments, tokens, lengths = _segments_of(batch, runs)
    with torch.inference_mode():
        states = trunk(
            input_ids=torch.from_numpy(ids).to(device),
            attention_mask=torch.from_numpy(mask).to(device),
            output_hidden_states=True,
            use_cache=False,
        ).hidden_states
        sums = []
        for state in states:
            flat = state.flatten(0, 1)
            picked = flat[torch.from_numpy(tokens).to(flat.device)].float()
            counts = torch.from_numpy(lengths).to(flat.device)
            total = torch.segment_reduce(picked, "sum", lengths=counts, axis=0)
            sums.append(total.cpu().numpy())
    return segments, sums


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


def merge(
    runs: Sequence[Run], parts: Path, out: Path, metadata: Mapping[str, str] | None = None
) -> list[int]:
    """Make word vectors from the part files and write the features file, atomically.

    Returns
    -------
    list of int
        Width of each layer.

    Raises
    ------
    BadInput
        A layer is zero everywhere.
    """
    from lateralization.features import PartReader

    reader = PartReader(sorted(parts.glob("part-*.safetensors")))
    widths = reader.widths
    info = dict(metadata or {}) | {"n_layers": str(len(widths) - 1)}
    shapes = {
        f"run-{run.number}/layer-{layer}": (run.n_words, width)
        for run in runs
        for layer, width in enumerate(widths)
    }
    filled = np.zeros(len(widths), bool)
    with FeaturesWriter(out, shapes, info) as writer:
        for run in progress(runs, "word vectors"):
            for layer in range(len(widths)):
                sums = reader.read(run.number, layer, len(run.segments))
                vectors = word_means(sums, run.segments, run.pieces)
                filled[layer] |= bool(vectors.any())
                writer.write(f"run-{run.number}/layer-{layer}", vectors)
        if not filled.all():
            raise BadInput(
                f"layer {int((~filled).argmax())} is zero for every word; check the checkpoint"
            )
    return widths


def word_means(sums: Floats, segments: Integers, pieces: Pieces) -> Floats:
    """Average the sums over segments to words.

    Parameters
    ----------
    sums : array of shape (n_segments, width)
        Sums over the tokens of each segment.
    segments : array of shape (n_segments, 4)
        Piece, window, first position, end position; sorted by piece.
    pieces : Pieces

    Returns
    -------
    array of shape (n_words, width), float32
        Mean over the word's pieces of the means over their tokens.
    """
    counts = np.bincount(segments[:, 0], weights=segments[:, 3] - segments[:, 2])
    firsts = np.flatnonzero(np.diff(segments[:, 0], prepend=-1))
    means = np.add.reduceat(sums.astype(np.float64), firsts, axis=0) / counts[:, None]
    words = pieces.table[:, 0]
    starts = np.flatnonzero(np.diff(words, prepend=-1))
    per_word = np.bincount(words)
    return (np.add.reduceat(means, starts, axis=0) / per_word[:, None]).astype(np.float32)


def extract_features(
    model_dir: Path,
    annotation: Path,
    texts: list[Path],
    language: str,
    mapping: str = "aligned",
    *,
    seed: int = 0,
    n_runs: int | None = None,
) -> dict[str, NDArray[Any]]:
    """Compute the word vectors of a local model in one call, on the CPU.

    Parameters
    ----------
    model_dir : Path
        Folder in ``save_pretrained`` form.
    annotation : Path
        CSV in the data set's form, used without corrections.
    texts : list of Path
        One text per run.
    language : str
        ``en``, ``fr`` or ``cn``.
    mapping : str
        ``reference`` or ``aligned``.
    seed : int
        0 for the pretrained weights, otherwise random weights with this seed.
    n_runs : int or None
        Runs; as many as texts when None.

    Returns
    -------
    dict of arrays
        ``run-<r>/layer-<k>``, shape (n_words, width), float32.
    """
    offline()
    n = n_runs or len(texts)
    words, _ = read_words(annotation, language, None, n)
    tokenizer = load_tokenizer(Path(model_dir))
    length = max_length(load_config(Path(model_dir)), tokenizer, mapping)
    mapped = map_words(
        tokenizer,
        words,
        read_texts(texts, n),
        language=language,
        mapping=mapping,
        max_length=length,
    )
    runs = runs_from(window_tensors(mapped))
    trunk = untrained_trunk(Path(model_dir), seed) if seed else load_trunk(Path(model_dir))
    folder = Path(tempfile.mkdtemp(prefix="features-"))
    try:
        compute(trunk, runs, plan_batches(runs, BATCH_TOKENS["cpu"]), folder)
        merge(runs, folder, folder / "features.safetensors")
        return read_tensors(folder / "features.safetensors")
    finally:
        shutil.rmtree(folder)
