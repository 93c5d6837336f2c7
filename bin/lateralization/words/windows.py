"""A run's text as overlapping windows of tokens, and the tokens that belong to each word.

A text longer than the model's context is cut into windows that overlap by all but 64 tokens, so
that (after the first window) every token is seen with at least that much text before it. Each
token's state is taken from the earliest window that holds it.
"""

from collections.abc import Mapping, Sequence
from dataclasses import dataclass
from typing import Any

import numpy as np

from lateralization.arrays import Booleans, Integers
from lateralization.errors import BadInput

FRESH_TOKENS = 64
"""A window overlaps its predecessor by its length less this."""


@dataclass(frozen=True)
class Windows:
    """The windows of one run, padded to one length.

    Attributes
    ----------
    ids, mask : arrays of shape (n_windows, length), int64
        Token ids; 1 for tokens (special tokens too), 0 for padding.
    spans : array of shape (n_windows, length, 2), int64
        Characters of the text that each token covers, end exclusive; (0, 0) for special tokens
        and padding.
    special : array of shape (n_windows, length), bool
        True for special tokens and padding.
    max_length : int
        Positions of a full window.
    eos : int or None
        Id of the token that ends the last word in the reference rule.
    """

    ids: Integers
    mask: Integers
    spans: Integers
    special: Booleans
    max_length: int
    eos: int | None

    @property
    def stride(self) -> int:
        """Tokens of text shared by neighbouring windows."""
        return self.max_length - FRESH_TOKENS


@dataclass(frozen=True)
class Pieces:
    """Contiguous stretches of tokens whose mean states make the words of one run.

    A word's vector is the mean over its pieces of each piece's mean over its tokens: in English
    and French a word is one piece, in Chinese each of its characters is one.

    Attributes
    ----------
    table : array of shape (n_pieces, 5), int64
        Word, first window, first position in it, last window, end position in it (exclusive).
        Sorted by word; every word has at least one piece with at least one token.
    enter, leave : arrays of shape (n_windows,), int64
        Where a piece that goes on from the window before enters a window, and where one that goes
        on into the next window leaves it (exclusive).
    """

    table: Integers
    enter: Integers
    leave: Integers

    def segments(self) -> Integers:
        """Cut the pieces at window borders.

        Returns
        -------
        array of shape (n_segments, 4), int64
            Piece, window, first position, end position (exclusive); none is empty.
        """
        rows = []
        for number, (_, window, first, last_window, end) in enumerate(self.table.tolist()):
            for at in range(window, last_window + 1):
                start = first if at == window else int(self.enter[at])
                stop = end if at == last_window else int(self.leave[at])
                if stop > start:
                    rows.append((number, at, start, stop))
        return np.array(rows, np.int64).reshape(-1, 4)


def make_windows(tokenizer: Any, text: str, max_length: int) -> Windows:
    """Tokenise the text of one run into windows, with the tokenizer's own overflow.

    Parameters
    ----------
    tokenizer : a fast tokenizer of transformers
        Pads with its padding token, or with its end-of-text token when it has none.
    text : str
    max_length : int
        Tokens per window, special tokens included.

    Raises
    ------
    BadInput
        ``max_length`` leaves no room for the 64 fresh tokens of each window, the text gives no
        token, or its windows do not follow one another.
    """
    added = tokenizer.num_special_tokens_to_add(pair=False)
    if max_length <= FRESH_TOKENS or added >= FRESH_TOKENS:
        raise BadInput(
            f"the model reads {max_length} tokens at a time ({added} of them special); "
            f"more than {FRESH_TOKENS} are needed: choose a model with a longer context"
        )
    if tokenizer.pad_token is None:
        tokenizer.pad_token = tokenizer.eos_token
    # on the left, windows are counted from the text's end: the last one would come first
    tokenizer.truncation_side = "right"
    padding = {"padding": "longest", "padding_side": "right"} if tokenizer.pad_token else {}
    encoded = tokenizer(
        text,
        truncation=True,
        max_length=max_length,
        stride=max_length - FRESH_TOKENS,
        return_overflowing_tokens=True,
        return_offsets_mapping=True,
        return_special_tokens_mask=True,
        return_attention_mask=True,
        **padding,
    )
    rows = _rectangle(encoded)
    windows = Windows(
        ids=np.array(rows["input_ids"], np.int64),
        mask=np.array(rows["attention_mask"], np.int64),
        spans=np.array(rows["offset_mapping"], np.int64),
        special=np.array(rows["special_tokens_mask"], bool)
        | (np.array(rows["attention_mask"]) == 0),
        max_length=max_length,
        eos=tokenizer.eos_token_id,
    )
    return _checked(windows)


def _checked(windows: Windows) -> Windows:
    """Return windows that follow a text; refuse others, and those that hold nothing of it."""
    if windows.special.all():
        raise BadInput("the tokenizer makes no token of the text; is it this language's?")
    if (np.diff(windows.spans[..., 1].max(axis=1)) < 0).any():
        raise BadInput("the tokenizer's windows do not follow the text; is it another model's?")
    return windows


def _rectangle(encoded: Any) -> dict[str, list[list[Any]]]:
    """Pad windows to one length where the tokenizer has no token to pad with."""
    filler = {"offset_mapping": (0, 0), "special_tokens_mask": 1}
    names = ("input_ids", "attention_mask", "offset_mapping", "special_tokens_mask")
    longest = max(len(ids) for ids in encoded["input_ids"])
    return {
        name: [list(row) + [filler.get(name, 0)] * (longest - len(row)) for row in encoded[name]]
        for name in names
    }


def fresh_start(windows: Windows) -> Integers:
    """Return the position of each window's first token that no earlier window has."""
    lead = (~windows.special).argmax(axis=1)
    fresh = lead + windows.stride
    fresh[0] = lead[0]
    return np.asarray(fresh, np.int64)


def text_end(windows: Windows) -> Integers:
    """Return the position after each window's last token of text."""
    length = windows.special.shape[1]
    return np.asarray(length - (~windows.special)[:, ::-1].argmax(axis=1), np.int64)


def text_places(windows: Windows) -> Integers:
    """Return, per window, the first token of text, the first new one, and the text's end."""
    lead = (~windows.special).argmax(axis=1)
    return np.column_stack([lead, fresh_start(windows), text_end(windows)]).astype(np.int64)


def reference_pieces(anchors: Integers, owners: Sequence[int], windows: Windows) -> Pieces:
    """Apply the study's rule: a piece runs from its anchor up to the next one.

    Parameters
    ----------
    anchors : array of shape (n_units, 2)
        Window and position of each unit (word, or Chinese character).
    owners : sequence of n_units int
        The word that each unit belongs to, ascending.
    windows : Windows

    Notes
    -----
    A piece that crosses into the next window takes all tokens to the end of its own window
    (the closing special token too) and those from position ``stride`` on in the next one (which,
    with special tokens, repeats one token). The last piece ends at the first end-of-text token of
    its window. A unit that shares its token with the next one is left out; a word without units
    takes the pieces of the next word.
    """
    n_windows, length = windows.ids.shape
    enter = np.full(n_windows, windows.stride, np.int64)
    enter[0] = 0
    leave = np.full(n_windows, length, np.int64)
    last_end = int(anchors[-1, 0]), _last_end(anchors, windows)
    by_word = _cut(anchors, owners, last_end, enter, leave)
    _borrow(by_word)
    return Pieces(joined(by_word), enter, leave)


def _last_end(anchors: Integers, windows: Windows) -> int:
    """Return where the last unit ends: at an end-of-text token, or with its window."""
    window, position = anchors[-1].tolist()
    rest = windows.ids[window, position:]
    ends = np.flatnonzero(rest == windows.eos) if windows.eos is not None else np.empty(0, int)
    return int(position + (ends[0] if len(ends) else len(rest)))


def aligned_pieces(anchors: Integers, owners: Sequence[int], windows: Windows) -> Pieces:
    """Make pieces of text tokens only: no special token, no padding, nothing twice.

    As :func:`reference_pieces`, but a word whose units all share the next word's token takes that
    token.
    """
    enter, leave = fresh_start(windows), text_end(windows)
    by_word = _cut(anchors, owners, (len(leave) - 1, int(leave[-1])), enter, leave)
    for word, (window, position) in zip(owners, anchors.tolist(), strict=True):
        if not by_word[word]:
            by_word[word] = [[word, window, position, window, position + 1]]
    return Pieces(joined(by_word), enter, leave)


def _cut(
    anchors: Integers,
    owners: Sequence[int],
    last_end: tuple[int, int],
    enter: Integers,
    leave: Integers,
) -> dict[int, list[list[int]]]:
    """Cut the tokens at the anchors; return each word's pieces that have a token."""
    ends = np.concatenate([anchors[1:], [last_end]])
    table = np.column_stack([np.asarray(owners, np.int64), anchors, ends]).astype(np.int64)
    full = set(Pieces(table, enter, leave).segments()[:, 0].tolist())
    by_word: dict[int, list[list[int]]] = {word: [] for word in owners}
    for number, row in enumerate(table.tolist()):
        if number in full:
            by_word[row[0]].append(row)
    return by_word


def joined(by_word: Mapping[int, Sequence[Sequence[int]]]) -> Integers:
    """Return the table of pieces, ordered by word."""
    rows = [row for word in sorted(by_word) for row in by_word[word]]
    return np.array(rows, np.int64).reshape(-1, 5)


def _borrow(by_word: dict[int, list[list[int]]]) -> None:
    """Give a word without pieces those of the next word, from the end backwards."""
    following: list[list[int]] = []
    for word in sorted(by_word, reverse=True):
        if not by_word[word]:
            by_word[word] = [[word, *row[1:]] for row in following]
        following = by_word[word]
