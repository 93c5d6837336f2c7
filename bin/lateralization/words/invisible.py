"""Characters that nobody sees: a word made of them alone, and those that a text hides."""

import unicodedata
from collections import Counter

INVISIBLE = frozenset(("Cc", "Cf", "Zs", "Zl", "Zp"))
"""Unicode categories: control and format characters, blanks, separators of lines, paragraphs."""

BLANK_LETTERS = frozenset("\u034f\u115f\u1160\u17b4\u17b5\u2800\u3164\uffa0")
"""Characters of other categories whose glyph is empty: fillers, joiners, the blank of Braille."""

IGNORABLE = (("\u180b", "\u180f"), ("\u2060", "\u206f"), ("\ufe00", "\ufe0f"), ("\ufff0", "\ufff8"),
             ("\U000e0000", "\U000e0fff"))  # fmt: skip
"""First and last of the characters that Unicode reserves for none to see: variation selectors (of
Mongolian, general, supplementary), tags, and those that are still free (Default_Ignorable)."""

USUAL = frozenset("\n ")
"""What separates words and lines in a plain text."""

UNNAMED = {"\t": "TAB", "\r": "CARRIAGE RETURN", "\f": "FORM FEED", "\v": "VERTICAL TAB",
           "\x00": "NULL", "\x85": "NEXT LINE"}  # fmt: skip
"""Names of control characters, which Unicode does not name."""


def is_invisible(character: str) -> bool:
    """Check whether a character leaves no mark on the page, or stands for a lost one (U+FFFD)."""
    return (
        unicodedata.category(character) in INVISIBLE
        or character in BLANK_LETTERS
        or any(first <= character <= last for first, last in IGNORABLE)
        or character == "\ufffd"
    )


def is_blank(text: str) -> bool:
    """Check whether a text has nothing that can be seen; an empty text is blank."""
    return all(is_invisible(character) and character != "\ufffd" for character in text)


def count_invisible(text: str, usual: frozenset[str] = USUAL) -> Counter[str]:
    """Count the invisible characters of a text, those in ``usual`` left out."""
    unusual = Counter(text)
    return Counter({c: n for c, n in unusual.items() if c not in usual and is_invisible(c)})


def name_counts(counts: Counter[str]) -> str:
    """Name characters with their numbers, as ``3 U+00A0 (NO-BREAK SPACE)``; most frequent first."""
    return ", ".join(
        f"{number} U+{ord(character):04X} ({_name(character)})"
        for character, number in sorted(counts.items(), key=lambda item: (-item[1], item[0]))
    )


def _name(character: str) -> str:
    """Return the name of a character in Unicode."""
    control = unicodedata.category(character) == "Cc"
    other = "CONTROL CHARACTER" if control else "WITHOUT A NAME"
    return unicodedata.name(character, UNNAMED.get(character, other))
