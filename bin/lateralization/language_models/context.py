"""Words read with a limited left context, so that models of different windows can be compared.

With a context of N a word is read with its own tokens and at most N - 1 tokens of the text before
them: one of N = 1 stands alone, and N as long as the run gives what the whole window gives. A model
that reads in both directions gets as many tokens after the word, also from beyond the end of its
window: a window is only a way to read a long text, and what fits into one is read at once. Special
tokens stay where the model expects them.
"""

from collections.abc import Sequence
from dataclasses import dataclass, field, replace
from itertools import pairwise

import numpy as np

from lateralization.arrays import Booleans, Integers
from lateralization.language_models.batches import RunTokens

Cut = tuple[int, int, int, int]
"""Source (0 windows, 1 joined text), window in it, first token of text, end (0: a model that reads
forward may share what is longer)."""


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


def limited(run: RunTokens, context: int, forward: bool) -> RunTokens:
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
    A model that reads forward reads a word that crosses into the next window in two passes, as
    without a limit: the second one sees the word's beginning beside its N - 1 tokens. One that
    reads in both directions gets what a word may see in one pass, from the text of all windows
    joined; where that does not fit into a window, the word sees what its window has.
    """
    cuts = _Cuts()
    segments = run.segments.copy()
    sources, wanted = [run], [_wanted(run, context, forward)]
    chosen = np.zeros(len(segments), np.int64)
    if not forward:
        joined, own = _joined(run)
        sources, wanted = [run, joined], [*wanted, _wanted(joined, context, forward)]
        chosen = _whole_words(run, own & _fits(joined, wanted[1], run.ids.shape[1])).astype(int)
    for number, source in enumerate(chosen.tolist()):
        window, first, last = wanted[source][number].tolist()
        cut = cuts.add((source, window, first, 0 if forward else last), last)
        shift = first - int(sources[source].text[window, 0])
        segments[number, 1] = cut
        segments[number, 2:] = sources[source].segments[number, 2:] - shift
    ids, mask, text = _rows(sources, cuts, forward)
    return replace(run, ids=ids, mask=mask, segments=segments, text=text)


def _wanted(run: RunTokens, context: int, forward: bool) -> Integers:
    """Return for each segment its window, and where what is read for it begins and ends."""
    spans = _word_spans(run)
    _, window, start, stop = run.segments.T
    lead, _, end = run.text[window].T
    first = np.minimum(start, np.maximum(lead, spans[:, 0] - (context - 1)))
    last = stop if forward else np.maximum(stop, np.minimum(end, spans[:, 1] + context - 1))
    return np.column_stack([window, first, last])


def _joined(run: RunTokens) -> tuple[RunTokens, Booleans]:
    """Join the text of all windows, each token once, between the special tokens of the first.

    Returns
    -------
    Run
        One window of any length, and the segments in it.
    array of shape (n_segments,), bool
        Whether a segment has tokens of the text only that no earlier window has: the others have
        no place there.
    """
    lead, fresh, end = run.text.T
    real = int(np.flatnonzero(run.mask[0])[-1]) + 1
    own = [ids[start:stop] for ids, start, stop in zip(run.ids, fresh, end, strict=True)]
    ids = np.concatenate([run.ids[0, : lead[0]], *own, run.ids[0, end[0] : real]])
    sizes = end - fresh
    _, window, start, stop = run.segments.T
    shift = (lead[0] + np.cumsum(sizes) - sizes - fresh)[window]
    segments = run.segments.copy()
    segments[:, 1] = 0
    segments[:, 2:] += shift[:, None]
    text = np.array([[lead[0], lead[0], lead[0] + sizes.sum()]])
    whole = replace(run, ids=ids[None], mask=np.ones_like(ids[None]), segments=segments, text=text)
    return whole, (start >= fresh[window]) & (stop <= end[window])


def _fits(joined: RunTokens, wanted: Integers, length: int) -> Booleans:
    """Tell which cuts of the joined text are no longer than a window, special tokens included."""
    lead, _, end = joined.text[0]
    special = lead + joined.ids.shape[1] - end
    return np.asarray(wanted[:, 2] - wanted[:, 1] + special <= length)


def _whole_words(run: RunTokens, good: Booleans) -> Booleans:
    """Tell which segments are of words whose segments are all good."""
    words = run.pieces.table[run.segments[:, 0], 0]
    return np.asarray((np.bincount(words, weights=~good) == 0)[words])


def all_limited(runs: Sequence[RunTokens], context: int, forward: bool) -> list[RunTokens]:
    """Cut all runs as :func:`limited` does; with a context of 0 they stay as they are."""
    return [limited(run, context, forward) for run in runs] if context else list(runs)


def _word_spans(run: RunTokens) -> Integers:
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


def _rows(
    sources: Sequence[RunTokens], cuts: _Cuts, forward: bool
) -> tuple[Integers, Integers, Integers]:
    """Return ids, mask and places of the text of all cuts, each with its special tokens."""
    rows, text = [], []
    for (source, window, first, _), last in zip(cuts.numbers, cuts.ends, strict=True):
        run = sources[source]
        lead, fresh, end = run.text[window].tolist()
        real = int(np.flatnonzero(run.mask[window])[-1]) + 1
        tail = np.arange(0) if forward else np.arange(max(end, last), max(real, last))
        places = np.concatenate([np.arange(lead), np.arange(first, last), tail]).astype(int)
        rows.append((run.ids[window, places], run.mask[window, places]))
        shift = first - lead
        text.append((lead, max(lead, fresh - shift), min(end, last) - shift))
    ids = np.zeros((len(rows), max(len(row) for row, _ in rows)), np.int64)
    mask = np.zeros_like(ids)
    for number, (row, kept) in enumerate(rows):
        ids[number, : len(row)], mask[number, : len(row)] = row, kept
    return ids, mask, np.array(text, np.int64)
