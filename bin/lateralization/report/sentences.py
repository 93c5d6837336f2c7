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
    # controls of the effect of size
    Sentence(
        "size_beyond_score", GOOD,
        "the interval of the effect of size given the score (errors of the score taken off, 10 "
        "models or more) excludes 0",
        "Size changes left minus right beyond what the brain score explains: for {who}, among "
        "models of equal score left minus right changes by {direct}, {over}; through the score "
        "by {indirect}.{families}",
    ),
    Sentence(
        "score_carries", BAD,
        "that interval holds 0, and that of the effect through the score excludes it",
        "Beyond the brain score, through which size changes left minus right, size is not shown to "
        "do anything: for {who}, among models of equal score left minus right changes by {direct}, "
        "{over}; through the score by {indirect}.{families}",
    ),
    Sentence(
        "score_undecided", NOTE, "both intervals hold 0",
        "Whether size changes left minus right through the brain score or beside it is not "
        "decided: for {who}, among models of equal score left minus right changes by {direct}, "
        "{over}; through the score by {indirect}.{families}",
    ),
    Sentence(
        "score_and_size_together", NOTE,
        "there is no interval given the score: fewer than 10 models or 3 runs, or score and size "
        "go too closely together",
        "Size and brain score cannot be told apart for {who}: {reason}.{families}",
    ),
    Sentence(
        "without_one_family", NOTE,
        "said after a sentence on size and score where two slopes or more have an interval, each "
        "without one family",
        " Without any one of {n} families the slope of left minus right lies between {least} and "
        "{most}.",
    ),
    Sentence(
        "no_control", NOTE, "there are trained models, and no baseline and no untrained model",
        "No baseline was fitted, so it is not known how much confounds (word rate, signal quality) "
        "lean to one side.",
    ),
    Sentence(
        "control_leans_more", BAD,
        "the interval of the control's lead over the model lies above 0",
        "A control leans farther to a side than any model, so confounds can decide the sign of an "
        "asymmetry: {numbers}",
    ),
    Sentence(
        "model_leans_more", GOOD,
        "the interval of the control's lead over the model lies below 0",
        "The most lateralised model leans farther to a side than any control: {numbers}",
    ),
    Sentence(
        "leans_undecided", NOTE, "the interval of that lead holds 0, or is none",
        "Whether a control leans as far to a side as the most lateralised model is not decided: "
        "{numbers}",
    ),
    # confounds and ceilings, in one brain
    Sentence(
        "beyond_confounds", GOOD,
        "the interval over runs of the left minus right that the largest model adds excludes 0",
        "In this story the largest model leans {side} beyond the confounds: for {who}, {model} "
        "adds {adds} to the r of {confounds} alone ({alone}), and left minus right of what it adds "
        "is {difference}.",
    ),
    Sentence(
        "not_beyond_confounds", BAD, "that interval holds 0",
        "An asymmetry beyond the confounds is not shown: for {who}, {model} adds {adds} to the r "
        "of {confounds} alone ({alone}), and left minus right of what it adds is {difference}.",
    ),
    Sentence(
        "share_leans", GOOD,
        "the interval over runs of left minus right as a share of the ceiling, of the largest "
        "model, excludes 0",
        "In this story, of what can be predicted more is predicted on the {side}: for {who}, "
        "{model} reaches {share} of the ceiling, and left minus right is {difference}.",
    ),
    Sentence(
        "share_even", NOTE, "that interval holds 0",
        "Of what can be predicted, a side of which more is predicted is not shown: for {who}, "
        "{model} reaches {share} of the ceiling, and left minus right is {difference}.",
    ),
    # runs of the data
    Sentence(
        "runs_not_judged", NOTE, "no outlier, and fewer subjects than the check needs",
        "The order and timing of {over} were not judged: that takes {needed} subjects or more.",
    ),
    Sentence(
        "runs_in_place", GOOD, "no outlier among enough subjects, and nothing amiss in everybody",
        "Of {over} none is an outlier: each follows the others at its own place and time.",
    ),
    Sentence(
        "runs_out_of_place", BAD, "a run is an outlier, or something is amiss in everybody",
        "Of {over} {n} should not be trusted: {which}.",
    ),
    # untrained twins
    Sentence(
        "few_twins", NOTE, "twins, but no interval of the slope of what training adds",
        "Of size nothing can be said with so few twins: for {who}, training adds {gain} to left "
        "minus right, on average over {twins} with an untrained twin.",
    ),
    Sentence(
        "with_training", GOOD,
        "the interval over models and runs of the slope of what training adds excludes 0",
        "What training adds to left minus right changes with size: for {who}, it adds {gain} on "
        "average over {twins} with an untrained twin, and that changes by {added}, {over}; left "
        "minus right of the untrained twins changes by {before}.",
    ),
    Sentence(
        "before_training", BAD, "that interval holds 0, and that of the untrained twins excludes 0",
        "The effect of size is there before training: for {who}, left minus right of the untrained "
        "twins changes by {before}, {over}; training adds {gain} on average over {twins}, and that "
        "changes by {added}.",
    ),
    Sentence(
        "neither_certain", NOTE, "both intervals hold 0",
        "Neither before nor through training is an effect of size certain: for {who}, training "
        "adds {gain} to left minus right on average over {twins} with an untrained twin, and that "
        "changes by {added}, {over}; left minus right of the untrained twins changes by {before}.",
    ),
    # other ways to compute it
    Sentence(
        "sign_stands", NOTE, "more than 95 % of the specifications have one sign",
        "The sign of the effect of size depends on hardly any choice of the analysis: for {who}, "
        "it is positive in {positive} of {n} over {models} models, with an interval over models "
        "above 0 in {above} and below 0 in {below}. They share their data, so their number is no "
        "evidence. The median correlation is {median}; it differs most with the choice of "
        "{choice}, from {ends}.",
    ),
    Sentence(
        "sign_depends", BAD, "no sign has more than 95 % of the specifications",
        "The sign of the effect of size depends on the analysis: for {who}, it is positive in "
        "{positive} of {n} over {models} models, with an interval over models above 0 in {above} "
        "and below 0 in {below}. The median correlation is {median}; it differs most with the "
        "choice of {choice}, from {ends}.",
    ),
    Sentence(
        "no_bend", NOTE, "no bend has p < 0.05 over the number of trajectories",
        "For {who}, a straight line describes left minus right along {over} as well as a bent one.",
    ),
    Sentence(
        "bends", NOTE, "a bend has p < 0.05 over the number of trajectories",
        "For {who}, left minus right bends along {n} of {over}, most clearly at {along} = {place} "
        "over {units} ({p}, not corrected for their number; models of one family are not "
        "independent).",
    ),
    # pairs of voxels over people
    Sentence(
        "pairs_not_judged", NOTE, "too few people for a test of single pairs at 5 %",
        "Over {people} no test of single voxels at 5 % is possible: {pairs} are not judged.",
    ),
    Sentence(
        "no_pair", NOTE, "no pair passes the test over all pairs",
        "Of {pairs} of voxels none gains more with model size on one side beyond chance over "
        "{people} when all are tested together (|t| above {threshold}).",
    ),
    Sentence(
        "pairs_gain", GOOD, "a pair passes the test over all pairs, on either side",
        "Of {pairs} of voxels, the left gains more with model size in {left} and the right in "
        "{right}, beyond chance over {people} when all are tested together (|t| above "
        "{threshold}).",
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
