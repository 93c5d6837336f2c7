"""The windows of all runs as batches of one length, and which process computes which."""

import math
from collections.abc import Iterator, Mapping, Sequence
from dataclasses import dataclass

import numpy as np

from lateralization.arrays import Array, Integers
from lateralization.errors import BadInput
from lateralization.runs import keys_in_order
from lateralization.words.windows import Pieces

BATCH_TOKENS = {"cpu": 4096, "cuda": 16384}
"""Tokens of a batch; halved as long as the device's memory does not hold one."""


@dataclass(frozen=True)
class RunTokens:
    """What the extraction knows of a run: windows and the stretches of tokens of each word.

    Attributes
    ----------
    number : int
        Its place among the runs of the windows file, from 1.
    ids, mask : arrays of shape (n_windows, length)
        Tokens; 0 in ``mask`` for padding.
    pieces, segments
        See :class:`lateralization.words.windows.Pieces`.
    text : array of shape (n_windows, 3)
        Position of the first token of text, of the first that no earlier window has, and the end
        of the text, in each window.
    key : str
        Of the run (``runs``): its part of the names of tensors.
    """

    number: int
    ids: Integers
    mask: Integers
    pieces: Pieces
    segments: Integers
    text: Integers
    key: str

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


def runs_from(tensors: Mapping[str, Array], stories: Sequence[str] = ()) -> list[RunTokens]:
    """Rebuild the runs from the tensors of :func:`lateralization.words.words.window_tensors`.

    In the order of ``stories``, keys; numbered runs without them by their numbers.

    Raises
    ------
    BadInput
        A tensor is missing.
    """
    keys = keys_in_order((name[:-4] for name in tensors if name.endswith("/ids")), stories)
    if not keys:
        raise BadInput("the windows file has no run; make it with words.py")
    runs = []
    for number, key in enumerate(keys, start=1):
        try:
            table, enter, leave, ids, mask, text = (
                tensors[f"{key}/{name}"]
                for name in ("pieces", "enter", "leave", "ids", "mask", "text")
            )
        except KeyError as error:
            raise BadInput(f"the windows file lacks {error}; make it with words.py") from error
        pieces = Pieces(table, enter, leave)
        runs.append(RunTokens(number, ids, mask, pieces, pieces.segments(), text, key))
    return runs


def plan_batches(
    runs: Sequence[RunTokens], tokens: int, in_order: bool = False, processes: int = 1
) -> list[list[Window]]:
    """Deal the windows of all runs into batches of windows of one length.

    Parameters
    ----------
    runs : sequence of Run
    tokens : int
        Tokens of a batch at most; a single longer window is a batch of its own.
    in_order : bool
        One window at a time in the order of the story (dropout's random stream depends on it).
    processes : int
        Processes that share the batches: none is so large that another would get nothing.

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
    tokens = min(tokens, math.ceil(sum(item.length for item in windows) / processes))
    batches: list[list[Window]] = []
    for window in windows:
        last = batches[-1] if batches else []
        if last and last[0].length == window.length and (len(last) + 1) * window.length <= tokens:
            last.append(window)
        else:
            batches.append([window])
    return batches


def _needed(run: RunTokens, keep_all: bool) -> Iterator[Window]:
    """Yield the windows of a run that words need, each cut after its last needed token."""
    for window in range(len(run.ids)):
        ends = run.segments[run.segments[:, 1] == window, 3]
        if keep_all:
            yield Window(run.number, window, run.ids.shape[1])
        elif len(ends):
            real = int(np.flatnonzero(run.mask[window])[-1]) + 1
            yield Window(run.number, window, max(real, int(ends.max())))
