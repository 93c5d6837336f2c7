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
    # leakage of the folds
    Sentence(
        "folds_leak", BAD, "the mean score of 10 draws of oasm or more is beyond 0.02 and two "
        "standard errors in size",
        "The folds leak: over {draws}, features that share nothing between runs (oasm) score "
        "{score} (standard error {error}) in the whole brain, where they should score 0. Look for "
        "a run or a text that is there twice.",
    ),
    Sentence(
        "folds_hold", GOOD, "the mean score of 10 draws of oasm or more is within 0.02 or two "
        "standard errors",
        "No leakage between training and test runs: over {draws}, features that share nothing "
        "between runs (oasm) score {score} (standard error {error}) in the whole brain.",
    ),
    Sentence(
        "folds_not_judged", NOTE, "1 to 9 draws of oasm have scores",
        "Leakage between training and test runs is not judged: {draws} of oasm have scores, and 10 "
        "are needed.",
    ),
    # what the run did not test
    Sentence(
        "joint_not_tested", NOTE, "word rate and word position did not go jointly with the models",
        "Whether the models predict more than word rate and word position do{where}: --baselines "
        "word_rate,word_position --joint word_rate,word_position (beside other baselines).",
    ),
    Sentence(
        "twins_not_tested", NOTE, "no trained model has scores of an untrained twin",
        "Whether training makes the effect, or the architecture has it{where}: --untrained_twins "
        "yes.",
    ),
    Sentence(
        "people_not_tested", NOTE, "models have scores in fewer than 6 individuals",
        "Whether it holds over people{where} ({people} with scores of models, 6 are needed for a "
        "sign-flip test at 5 %): --subjects average,first:6.",
    ),
    Sentence(
        "leakage_not_tested", NOTE, "oasm has scores of fewer than 10 draws",
        "Whether autocorrelation leaks through the folds{where}: --baselines oasm (beside other "
        "baselines).",
    ),
    Sentence(
        "story_not_tested", NOTE, "always: the runs of a data set are the parts of one story",
        "Whether it holds for a second story: a run with the --dataset of another story.",
    ),
    Sentence(
        "brains_not_tested", NOTE, "the data set is simulated",
        "Whether it holds in real brains, since these data are simulated: --dataset ds003643.",
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
