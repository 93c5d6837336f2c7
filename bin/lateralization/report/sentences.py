"""Every sentence about results that the page can say, with its tone and when it is said.

A function that reads tables chooses a sentence by name and fills in its numbers; no other place
has words about results. The tone is how well a sentence is supported, never which side of the
brain it favours.
"""

from collections.abc import Iterable
from dataclasses import asdict, dataclass

GOOD, BAD, NOTE = "good", "bad", "note"
"""Supported by the test that it names; read this before citing; exploratory, or not decided."""


@dataclass(frozen=True)
class Remark:
    """A sentence with its numbers."""

    tone: str
    text: str
    name: str = ""

    def plain(self) -> dict[str, str]:
        """Return it as JSON has it."""
        return asdict(self)


@dataclass(frozen=True)
class Sentence:
    """One sentence that the page can say.

    Attributes
    ----------
    name
        What the code and the tests call it.
    tone
        One of ``GOOD``, ``BAD``, ``NOTE``.
    when
        The condition under which it is said.
    words
        Its text, with ``{names}`` of the values to be filled in.
    """

    name: str
    tone: str
    when: str
    words: str

    def say(self, **values: object) -> Remark:
        """Fill in the values, already written as text.

        Raises
        ------
        KeyError
            A value is missing.
        """
        return Remark(self.tone, self.words.format(**values), self.name)


def _by_name(sentences: Iterable[Sentence]) -> dict[str, Sentence]:
    return {sentence.name: sentence for sentence in sentences}


# fmt: off
SENTENCES = _by_name((
))
# fmt: on


def say(name: str, **values: object) -> Remark:
    """Say a sentence of the list.

    Raises
    ------
    KeyError
        The list has no sentence of this name, or the sentence needs another value.
    """
    return SENTENCES[name].say(**values)
