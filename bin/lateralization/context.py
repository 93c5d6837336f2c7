"""Words read with a limited left context, so that models of different windows can be compared.

With a context of N a word is read with its own tokens and at most N - 1 tokens of the text before
them: one of N = 1 stands alone, and N as long as the run gives what the whole window gives. A model
that reads in both directions gets as many tokens after the word. Special tokens stay where the
model expects them.
"""

from collections.abc import Sequence
from dataclasses import dataclass, field
from itertools import pairwise

import numpy as np

from lateralization.arrays import Integers
from lateralization.batches import Run

Cut = tuple[int, int, int]
"""Window, first token of text, end (0: a model that reads forward may share what is longer)."""


@dataclass
class _Cuts:
    """The pieces of text that are to be read, and where each ends."""

    numbers: dict[Cut, int] = field(default_factory=dict)
    ends: list[int] = field(default_factory=list)

    def add(self, cut: Cut, end: int) -> int:
        """Return the number of a piece of text; it is as long as its longest use."""
        number = self.numbers.setdefault(cut, len(self.numbers))
        if number == len(self.ends):
            self.ends.append(end)
        self.ends[number] = max(self.ends[number], end)
        return number


def limited(run: Run, context: int, forward: bool) -> Run:
    """Cut a run's windows so that no word sees more than ``context`` allows.

    Parameters
    ----------
    run : Run
    context : int
        1 or more.
    forward : bool
        Whether the model reads from left to right only. Words whose context begins at the start
        of a window then share one pass.

    Returns
    -------
    Run
        The same words; a window for each different piece of text.

    Notes
    -----
    A word that crosses into the next window is read in two passes, as without a limit: the second
    one sees the word's beginning beside its N - 1 tokens.
    """
    cuts = _Cuts()
    segments = run.segments.copy()
    spans = _word_spans(run)
    for number, (_, window, start, stop) in enumerate(run.segments.tolist()):
        lead, _, end = run.text[window].tolist()
        word_start, word_stop = spans[number].tolist()
        first = min(start, max(lead, word_start - (context - 1)))
        last = stop if forward else max(stop, min(end, word_stop + context - 1))
        cut = cuts.add((window, first, 0 if forward else last), last)
        shift = first - lead
        segments[number, 1:] = cut, start - shift, stop - shift
    ids, mask, text = _rows(run, cuts, forward)
    return Run(run.number, ids, mask, run.pieces, segments, text)


def all_limited(runs: Sequence[Run], context: int, forward: bool) -> list[Run]:
    """Cut all runs as :func:`limited` does; with a context of 0 they stay as they are."""
    return [limited(run, context, forward) for run in runs] if context else list(runs)


def _word_spans(run: Run) -> Integers:
    """Return for each segment where its word begins and ends, in positions of its window.

    Before the window's start (after its end) where the word has a part in another window.
    """
    segments = run.segments
    words = run.pieces.table[segments[:, 0], 0]
    _, fresh, end = run.text[segments[:, 1]].T
    # tokens of the text that are here for the first time: no special token, nothing twice
    own = np.maximum(0, np.minimum(segments[:, 3], end) - np.maximum(segments[:, 2], fresh))
    spans = segments[:, 2:].copy()
    borders = [*np.flatnonzero(np.diff(words, prepend=-1)).tolist(), len(words)]
    for start, stop in pairwise(borders):
        part = segments[start:stop]
        for number in range(start, stop):
            window = segments[number, 1]
            here = part[part[:, 1] == window]
            earlier = part[:, 1] < window
            spans[number] = here[:, 2].min(), here[:, 3].max()
            if earlier.any():
                spans[number, 0] = fresh[number] - own[start:stop][earlier].sum()
            if (part[:, 1] > window).any():
                spans[number, 1] = end[number]
    return spans


def _rows(run: Run, cuts: _Cuts, forward: bool) -> tuple[Integers, Integers, Integers]:
    """Return ids, mask and places of the text of all cuts, each with its special tokens."""
    rows, text = [], []
    for (window, first, _), last in zip(cuts.numbers, cuts.ends, strict=True):
        lead, fresh, end = run.text[window].tolist()
        real = int(np.flatnonzero(run.mask[window])[-1]) + 1
        tail = np.arange(0) if forward else np.arange(max(end, last), max(real, last))
        rows.append(
            (window, np.concatenate([np.arange(lead), np.arange(first, last), tail]).astype(int))
        )
        shift = first - lead
        text.append((lead, max(lead, fresh - shift), min(end, last) - shift))
    ids = np.zeros((len(rows), max(len(places) for _, places in rows)), np.int64)
    mask = np.zeros_like(ids)
    for number, (window, places) in enumerate(rows):
        ids[number, : len(places)] = run.ids[window, places]
        mask[number, : len(places)] = run.mask[window, places]
    return ids, mask, np.array(text, np.int64)
