"""What the report says of regressors, cross-validation and scores."""

from lateralization.problems import listed
from lateralization.ridge.choices import Choices
from lateralization.ridge.methods import describe_bands, describe_components, describe_penalty
from lateralization.run_plan import Plan


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
        "predicted by ridge regression [ridge]: each run in turn was predicted from the others"
        f"{describe_components(choices)}, {describe_penalty(choices)} The brain score is "
        "Pearson’s correlation of prediction and signal, averaged over the "
        f"{first.n_runs} test runs.{describe_bands(plan.joint)}"
    )


def _layers_text(chosen: list[int] | str, *, last: bool) -> str:
    """Name the fitted layers, as the beginning of a sentence."""
    if isinstance(chosen, list):
        text = f"Each of the layers {listed(chosen, 30)}"
    elif chosen.startswith("every:"):
        text = f"Every layer whose number is a multiple of {chosen.removeprefix('every:')}"
    else:
        text = "Every layer"
    return text if last else f"{text}, but each model’s last,"
