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


_SLOPE = (
    "changes by {change} per tenfold size ({over_models} over {models}; {over_runs} over test runs)"
)
_IN_CEILING = (
    f"As share of the noise ceiling, in voxels where that is high, left minus right {_SLOPE}"
)
_IN_INDEX = f"The laterality index, (left - right) / (left + right), in {{region}} {_SLOPE}"
_CROSSED = (
    "In the hemispheres of the cerebellum left minus right is {cerebellum} (r), mean over "
    "{models}, beside {cortex} in {region}. "
)

# fmt: off
SENTENCES = _by_name((
    # ---- the slope in other units, and the crossed check: units.py
    Sentence(
        "ceiling_agrees", NOTE,
        "the slope as share of the ceiling and that in r are clear of 0 on the same side",
        _IN_CEILING + ": clear of 0 on the same side as in r.",
    ),
    Sentence(
        "ceiling_not_shown", BAD,
        "the slope in r is clear of 0, that as share of the ceiling is not",
        _IN_CEILING + ". In r the change is clear of 0, here it is not: how well each side is "
        "measured may make it.",
    ),
    Sentence(
        "ceiling_opposite", BAD,
        "the slope as share of the ceiling is clear of 0 on the other side than that in r",
        _IN_CEILING + ": clear of 0 on the other side than in r. How well each side is measured "
        "decides the direction.",
    ),
    Sentence(
        "ceiling_alone", NOTE,
        "the slope as share of the ceiling is clear of 0, that in r is not",
        _IN_CEILING + ": clear of 0, which the change in r is not.",
    ),
    Sentence(
        "ceiling_neither", NOTE,
        "neither the slope as share of the ceiling nor that in r is clear of 0",
        _IN_CEILING + ". As in r, a change is not shown.",
    ),
    Sentence(
        "ceiling_empty", NOTE,
        "the slope as share of the ceiling could not be computed",
        "As share of the noise ceiling, the change with size is not known: {reason}.",
    ),
    Sentence(
        "index_agrees", NOTE,
        "the slope of the laterality index and that in r are clear of 0 on the same side",
        _IN_INDEX + ": clear of 0 on the same side as in r.",
    ),
    Sentence(
        "index_not_shown", BAD,
        "the slope in r is clear of 0, that of the laterality index is not",
        _IN_INDEX + ". In r the change is clear of 0, here it is not: scores that grow on both "
        "sides in one proportion may make it.",
    ),
    Sentence(
        "index_opposite", BAD,
        "the slope of the laterality index is clear of 0 on the other side than that in r",
        _IN_INDEX + ": clear of 0 on the other side than in r. The difference in r follows the "
        "level of the scores.",
    ),
    Sentence(
        "index_alone", NOTE,
        "the slope of the laterality index is clear of 0, that in r is not",
        _IN_INDEX + ": clear of 0, which the change in r is not.",
    ),
    Sentence(
        "index_neither", NOTE,
        "neither the slope of the laterality index nor that in r is clear of 0",
        _IN_INDEX + ". As in r, a change is not shown.",
    ),
    Sentence(
        "index_empty", NOTE,
        "the slope of the laterality index could not be computed",
        "The change of the laterality index with size is not known: {reason}.",
    ),
    Sentence(
        "crossed_opposite", NOTE,
        "means over models of left minus right differ in sign between cortex and cerebellum",
        _CROSSED + "The signs are opposite, as the crossed connections of the two lead one to "
        "expect; no test is made of it.",
    ),
    Sentence(
        "crossed_same", NOTE,
        "means over models of left minus right have one sign in cortex and cerebellum",
        _CROSSED + "The signs are the same, where crossed connections lead one to expect opposite "
        "ones: what favours one half of the whole image (coil, position, preprocessing) may have "
        "a part in both. No test is made of it.",
    ),
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
