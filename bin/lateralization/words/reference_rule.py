"""The study's rule that finds each annotated word among a text's tokens.

Re-stated from the published method (Bonnasse-Gahot & Pallier, NeurIPS 2024): one pointer goes
forward through the tokens and stops at the first one that looks like the word. Only the first
token of a word is sought; nothing checks that the rest of the word is there.
"""

from collections.abc import Sequence
from dataclasses import dataclass

import numpy as np

from lateralization.arrays import Integers
from lateralization.errors import BadInput
from lateralization.runs import shown

IGNORED = " -'’“«»—" + "，《》。：“”；？！…、"
"""Characters without which words and tokens are compared."""

_DELETE = str.maketrans("", "", IGNORED)

_DIGIT_NAMES = {
    "threetwofive",
    "threetwosix",
    "threetwoseven",
    "threetwoeight",
    "threetwonine",
    "threethreezero",
}

PAIRS = frozenset(
    {
        ("one", "1"),
        ("did", "didn"),
        ("nt", "t"),
        ("does", "doesn"),
        ("do", "don"),
        ("is", "isn"),
        ("na\\ive", "naive"),
        ("repondit", "répondit"),
        ("oeuvre", "œuvre"),
        ("oeil", "œil"),
        ("a", "à"),
        ("coeur", "cœur"),
    }
    | {(name, "3") for name in _DIGIT_NAMES}
)
"""(annotation, token) that match though their letters do not."""

MAX_STEPS = 20
"""The search for a word fails at this many tokens, even when the last of them would match."""


@dataclass(frozen=True)
class TokenGrid:
    """The tokens of one run: overlapping windows of one length.

    Attributes
    ----------
    pieces : list over windows of list over positions
        Simplified text that each token covers; empty for special tokens and padding.
    max_length : int
        Positions of a full window; a single window may be shorter.
    stride : int
        Position at which the rule goes on in a following window.
    """

    pieces: Sequence[Sequence[str]]
    max_length: int
    stride: int


class NotFound(Exception):
    """The rule found no token for a word; carries the word's number."""

    def __init__(self, number: int) -> None:
        super().__init__(f"no token for word {number}")
        self.number = number


def simplify(text: str) -> str:
    """Lower-case a text and delete the characters that the comparison ignores."""
    return text.lower().translate(_DELETE)


def matches(word: str, piece: str, language: str) -> bool:
    """Tell whether a token looks like (the start of) a word; both are simplified."""
    least = 0 if language == "cn" else 1
    return (
        (piece != "" and word.startswith(piece))
        or (len(word) > least and word in piece)
        or (len(piece) > least and piece in word)
        or (word, piece) in PAIRS
    )


def anchor(words: Sequence[str], grid: TokenGrid, language: str) -> Integers:
    """Find the first token of each word (in Chinese: of each character).

    Parameters
    ----------
    words : sequence of str
        Words of one run, as annotated; for ``cn`` the single characters of all words.
    grid : TokenGrid
        The run's tokens.
    language : str
        ``en``, ``fr`` or ``cn``. In Chinese several characters may share a token.

    Returns
    -------
    array of shape (n_words, 2)
        Window and position of each word's first token.

    Raises
    ------
    NotFound
        No token within reach matches a word, or the text ends before it.
    """
    simple = [simplify(word) for word in words]
    found = np.empty((len(words), 2), np.int64)
    window, position = 0, 0
    for number, word in enumerate(simple):
        try:
            window, position = _seek(word, window, position, grid, language)
        except LookupError:
            raise NotFound(number) from None
        found[number] = window, position
        if language != "cn" or _moves_on(words, number, grid.pieces[window][position]):
            position += 1
    return found


def _seek(word: str, window: int, position: int, grid: TokenGrid, language: str) -> tuple[int, int]:
    """Go forward from a position until a token matches ``word``.

    Raises
    ------
    LookupError
        No match within the steps allowed, or the text is over.
    """
    for _ in range(MAX_STEPS):
        if position == grid.max_length:
            window, position = window + 1, grid.stride
        if matches(word, grid.pieces[window][position], language):
            return window, position
        position += 1
    raise LookupError(word)


def _moves_on(characters: Sequence[str], number: int, piece: str) -> bool:
    """Tell whether the token of a Chinese character is finished with that character."""
    if number + 1 == len(characters):
        return False
    return not matches(characters[number + 1], piece, "cn")


def cannot_match(word: str, story: str, row: int) -> BadInput:
    """Say that the rule failed, where, and what to do instead."""
    return BadInput(
        f"the reference matching rule finds no token for the word {word!r} "
        f"({shown(story)}, row {row} of the annotation); use --word_mapping aligned, "
        "or correct the annotation (--corrections) or the text of the run"
    )
