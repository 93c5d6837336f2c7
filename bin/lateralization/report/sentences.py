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
    "changes by {change} per tenfold size ({over_models} over {models}; {over_runs} over {runs})"
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
    # the claim
    Sentence(
        "left_gains", GOOD, "the claim's interval lies above 0, and so does that of the left alone",
        "{models} gain more in the left hemisphere than in the right: {numbers}",
    ),
    Sentence(
        "right_gains", GOOD,
        "the claim's interval lies below 0, and that of the right alone above 0",
        "{models} gain more in the right hemisphere than in the left: {numbers}",
    ),
    Sentence(
        "right_loses", GOOD,
        "the claim's interval lies above 0, that of the right alone below 0, and that of the left "
        "does not lie above 0",
        "{models} lose more in the right hemisphere than in the left: {numbers}",
    ),
    Sentence(
        "left_loses", GOOD,
        "the claim's interval lies below 0, that of the left alone below 0, and that of the right "
        "does not lie above 0",
        "{models} lose more in the left hemisphere than in the right: {numbers}",
    ),
    Sentence(
        "difference_rises", GOOD,
        "the claim's interval lies above 0; the left's does not, nor does the right's lie below 0",
        "Left minus right rises {along}, and which hemisphere does it is not certain: {numbers}",
    ),
    Sentence(
        "difference_falls", GOOD,
        "the claim's interval lies below 0; the left's does not, nor does the right's lie above 0",
        "Left minus right falls {along}, and which hemisphere does it is not certain: {numbers}",
    ),
    Sentence(
        "no_change", NOTE, "the claim's interval holds 0",
        "A change of left minus right {along} is not shown: {numbers}",
    ),
    Sentence(
        "claim_undecided", NOTE, "the claim has no interval, and there are models",
        "About left minus right {along} nothing is claimed: {place}, {reason}.{lead}",
    ),
    Sentence(
        "nothing_to_claim", NOTE, "no trained model has scores",
        "No trained model has scores, so there is nothing to claim: {place}.",
    ),
    Sentence(
        "nobody_to_claim", NOTE,
        "trained models have scores, and none has them of all whom the claim is about",
        "Nothing is claimed {place}: {reason}.",
    ),
    Sentence(
        "shares", NOTE, "the claim has an interval",
        "Of the variance of this slope {models} is over models{runs}{people}; the interval counts "
        "all of it.",
    ),
    Sentence(
        "no_reliability", NOTE, "the claim asks for reliable voxels, and there is no reliability",
        "The claim asks for {asked}, and this run has no inter-subject reliability: it is about "
        "the {used} instead.",
    ),
    Sentence(
        "other_region", NOTE, "the voxels of the claim are missing on a side",
        "The claim asks for {asked}, of which a side has no voxel in this run: it is about the "
        "{used} instead.",
    ),
    # the published rule
    Sentence(
        "published_rule_differs", BAD,
        "the interval of the published rule excludes 0, that of the claim, about the same brain, "
        "does not on the same side",
        "{numbers}. The claim does not say so: the published interval does not count that all "
        "models are scored on one brain.",
    ),
    Sentence(
        "published_rule", NOTE, "any other case in which the published rule has an interval",
        "{numbers}. This interval does not count that all models are scored on one brain.",
    ),
    # signal and people
    Sentence(
        "leaning_in_reliability", NOTE, "there are models and a reliability",
        "Divided by each voxel’s reliability, {left} of {models} lean left; without the division "
        "{before} do.",
    ),
    Sentence(
        "no_people", NOTE, "no individual was fitted",
        "Only the average subject was fitted: nothing is inferred about people.",
    ),
    Sentence(
        "few_people", NOTE, "fewer than 3 individuals were fitted",
        "{people} fitted: too few for an interval over people ({needed} are needed).",
    ),
    Sentence(
        "people_without_slope", NOTE, "3 individuals or more, and no slope of each",
        "{people} were fitted; see their means and intervals below.",
    ),
    Sentence(
        "slope_over_people", NOTE, "3 individuals or more have a slope each",
        "Over {people} (whole brain, published rules), left minus right changes by {change} per "
        "tenfold size, {interval} over people alone.{small}",
    ),
    # the data behind it
    Sentence(
        "planted_undecided", NOTE, "simulated data, fewer than 3 models with scores",
        "Whether the planted rise is recovered cannot be said: {models} with scores, 3 are needed "
        "({place}).",
    ),
    Sentence(
        "planted_recovered", GOOD, "a rise was planted, and it was recovered",
        "The planted rise of left minus right is recovered ({rank}; {place}).",
    ),
    Sentence(
        "planted_missed", BAD, "a rise was planted, and it was not recovered",
        "The planted rise of left minus right is not recovered ({rank}; {place}).",
    ),
    Sentence(
        "false_alarm", BAD, "nothing was planted, and a rise was found",
        "Nothing was planted, and a rise was found: a false alarm ({rank}; {place}).",
    ),
    Sentence(
        "no_alarm", GOOD, "nothing was planted, and no rise was found",
        "Nothing was planted, and no rise was found, as it should be ({rank}; {place}).",
    ),
    Sentence(
        "planted_in_people", NOTE, "simulated data with fitted individuals",
        "{n} of {people} ({language}) show the rise by the same rule, with their noisier data.",
    ),
    Sentence(
        "published_none", NOTE, "the run has no counterpart of a published value",
        "Published values: {why_not}.",
    ),
    Sentence(
        "published_agree", GOOD, "all published values agree",
        "All {n} published values agree within their tolerance.",
    ),
    Sentence(
        "published_disagree", BAD, "a published value does not agree",
        "{agree} of {n} published values agree within their tolerance; these do not: {names}.",
    ),
    Sentence(
        "group_lacks", BAD, "runs of a subject failed before the average",
        "The average subject and the reliability of {language} are without {names}, whose runs "
        "failed on the way.",
    ),
    Sentence(
        "fits_failed", BAD, "a fit failed",
        "{fits} failed and {are} missing from every number here: {names}.",
    ),
    Sentence(
        "without_reliability", NOTE, "a voxel has scores and no reliability",
        "{voxels} of {n_voxels} {have} scores but no reliability ({language}): {reason}.",
    ),
    Sentence(
        "left_out", NOTE, "a voxel was left out",
        "{at_most}{voxels} of {n_voxels} left out ({language}: {names}): {reason}.",
    ),
    Sentence(
        "few_words_found", BAD, "fewer than 99 % of the words were found for a model",
        "Fewer than 99 % of the words were found in the text for {names}: check annotation and "
        "text.",
    ),
    Sentence(
        "words_found", GOOD, "at least 99 % of the words were found for every model",
        "{share} annotated words were found in the text.",
    ),
    # ---- the slope in other units, and the crossed check: units.py
    Sentence(
        "ceiling_agrees", NOTE,
        "the slope as share of the ceiling and the claim are clear of 0 on the same side",
        _IN_CEILING + ": clear of 0 on the same side as the claim, in r.",
    ),
    Sentence(
        "ceiling_not_shown", NOTE,
        "the claim is clear of 0, the slope as share of the ceiling is not",
        _IN_CEILING + ". The claim, in r, is clear of 0 and this is not, which is no test of their "
        "difference: how well each side is measured may make it.",
    ),
    Sentence(
        "ceiling_opposite", BAD,
        "the slope as share of the ceiling is clear of 0 on the other side than the claim",
        _IN_CEILING + ": clear of 0 on the other side than the claim, in r. How well each side is "
        "measured decides the direction.",
    ),
    Sentence(
        "ceiling_alone", NOTE,
        "the slope as share of the ceiling is clear of 0, the claim is not",
        _IN_CEILING + ": clear of 0, which the claim, in r, is not.",
    ),
    Sentence(
        "ceiling_neither", NOTE,
        "neither the slope as share of the ceiling nor the claim is clear of 0",
        _IN_CEILING + ". As by the claim, in r, a change is not shown.",
    ),
    Sentence(
        "ceiling_empty", NOTE,
        "the slope as share of the ceiling could not be computed",
        "As share of the noise ceiling, the change with size is not known: {reason}.",
    ),
    Sentence(
        "index_agrees", NOTE,
        "the slope of the laterality index and the claim are clear of 0 on the same side",
        _IN_INDEX + ": clear of 0 on the same side as the claim, in r.",
    ),
    Sentence(
        "index_not_shown", NOTE,
        "the claim is clear of 0, the slope of the laterality index is not",
        _IN_INDEX + ". The claim, in r, is clear of 0 and this is not, which is no test of "
        "their difference: scores that grow on both sides in one proportion may make it.",
    ),
    Sentence(
        "index_opposite", BAD,
        "the slope of the laterality index is clear of 0 on the other side than the claim",
        _IN_INDEX + ": clear of 0 on the other side than the claim, in r. The difference in r "
        "follows the level of the scores.",
    ),
    Sentence(
        "index_alone", NOTE,
        "the slope of the laterality index is clear of 0, the claim is not",
        _IN_INDEX + ": clear of 0, which the claim, in r, is not.",
    ),
    Sentence(
        "index_neither", NOTE,
        "neither the slope of the laterality index nor the claim is clear of 0",
        _IN_INDEX + ". As by the claim, in r, a change is not shown.",
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
        "model_leans_more", NOTE,
        "the interval of the control's lead over the model lies below 0",
        "The model that leans most leans farther to a side than any control: {numbers}",
    ),
    Sentence(
        "leans_undecided", NOTE, "the interval of that lead holds 0, or is none",
        "Whether a control leans as far to a side as the model that leans most is not decided: "
        "{numbers}",
    ),
    # confounds and ceilings, in one brain
    Sentence(
        "beyond_confounds", NOTE,
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
        "share_leans", NOTE,
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
        "pairs_gain", NOTE, "a pair passes the test over all pairs, on either side",
        "Of {pairs} of voxels, the left gains more with model size in {left} and the right in "
        "{right}, beyond chance over {people} when all are tested together (|t| above "
        "{threshold}).",
    ),
    # leakage of the folds
    Sentence(
        "folds_leak", BAD, "the mean score of 10 draws of oasm or more is beyond 0.02 and two "
        "standard errors in size",
        "The folds leak: over {draws}, features that share nothing between runs (oasm) score "
        "{score} (standard error {error}) in the whole brain, where they should score 0. Look for "
        "a run or a text that is there twice.",
    ),
    Sentence(
        "folds_hold", GOOD, "the mean score of 10 draws of oasm or more, and two standard errors "
        "around it, are within 0.02",
        "This test finds no leakage between training and test runs: over {draws}, features that "
        "share nothing between runs (oasm) score {score} (standard error {error}) in the whole "
        "brain.",
    ),
    Sentence(
        "folds_undecided", NOTE, "neither: two standard errors around the mean reach beyond 0.02, "
        "and it is not beyond them",
        "Whether training and test runs leak is not decided: over {draws}, features that share "
        "nothing between runs (oasm) score {score} (standard error {error}) in the whole brain.",
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
        "homologues_not_tested", NOTE, "the template of the images is not known to be symmetric",
        "Whether homologous places differ, and not only mirror images. {why} Images in a symmetric "
        "template (MNI152NLin2009cSym), named by template in dataset.json, would tell.",
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


def state(name: str, **values: object) -> Remark:
    """Say a sentence of the list.

    Raises
    ------
    KeyError
        The list has no sentence of this name, or the sentence needs another value.
    """
    return SENTENCES[name].say(**values)
