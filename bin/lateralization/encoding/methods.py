"""What the report says of regressors, cross-validation and scores."""

from lateralization import runs, wording
from lateralization.problems import listed
from lateralization.ridge.choices import Choices
from lateralization.ridge.methods import describe_bands, describe_components, describe_penalty
from lateralization.run_plan import LanguagePlan, Plan


def describe_encoding(plan: Plan) -> str:
    """Describe the encoder and its cross-validation."""
    first = plan.languages[0]
    layers = _layers_text(plan.layers, last=plan.parameters["last_layer"] == "yes")
    choices = Choices(**plan.encoder)
    way = "was convolved with a haemodynamic response function [hrf]"
    if choices.hrf == "fir":
        way = (
            "was summed over the words that begin in each scan and entered with delays of 2, 4, 6, "
            "8 and 10 s (finite impulse response [fir])"
        )
    return (
        f"{layers} {way}, {first.trim} scans at each end of a run were dropped, and the signal was "
        f"predicted by ridge regression [ridge]: {_folds_text(plan.languages)}"
        f"{describe_components(choices)}, {describe_penalty(choices)} The brain score is "
        "Pearson’s correlation of prediction and signal, averaged over "
        f"{_scored_text(plan.languages)}.{describe_bands(plan.joint)}"
    )


def _folds_text(languages: list[LanguagePlan]) -> str:
    """Say from what each run, or story, is predicted."""
    kind = languages[0].kind_of_runs
    text = f"each {kind} in turn was predicted from the others"
    tests = [runs.label(story) for entry in languages for story in entry.test]
    if tests:
        text += f", but {listed(tests, 30)}, which nothing was fitted to"
    heard = (run.key for entry in languages for one in entry.subjects for run in one.runs)
    if any(runs.repetition_of(key) > 1 for key in heard):
        text += ", a story that was heard k times with all its runs, each of weight 1/k"
    return text


def _scored_text(languages: list[LanguagePlan]) -> str:
    """Say over what a score is averaged."""
    entry = languages[0]
    if entry.kind_of_runs == runs.RUN:
        return f"the {len(entry.stories)} test runs"
    counts = {len(one.stories) for one in languages}
    if len(counts) == 1 and not any(one.has_gaps for one in languages):
        return f"the {wording.plural(counts.pop(), runs.STORY)}"
    return "the stories that were heard"


def _layers_text(chosen: list[int] | str, *, last: bool) -> str:
    """Name the fitted layers, as the beginning of a sentence."""
    if isinstance(chosen, list):
        text = f"Each of the layers {listed(chosen, 30)}"
    elif chosen.startswith("every:"):
        text = f"Every layer whose number is a multiple of {chosen.removeprefix('every:')}"
    else:
        text = "Every layer"
    return text if last else f"{text}, but each model’s last,"
