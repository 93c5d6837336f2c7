"""What the report says of regressors, cross-validation and scores."""

from collections.abc import Mapping
from typing import Any

from lateralization.problems import listed
from lateralization.ridge.methods import describe_bands, describe_components, describe_penalty
from lateralization.study import N_RUNS, TRIM


def describe_encoding(plan: dict[str, Any]) -> str:
    """Describe the encoder and its cross-validation."""
    first: dict[str, Any] = next(iter(plan.get("languages", [])), {})
    n_trim, n_runs = first.get("trim", TRIM), first.get("n_runs", N_RUNS)
    layers = _layers_text(plan.get("parameters", {}))
    encoder = plan.get("encoder", {})
    way = "was convolved with a haemodynamic response function [hrf]"
    if encoder.get("hrf") == "fir":
        way = (
            "was summed over the words that begin in each scan and entered with delays of 1 to 5 "
            "scans (finite impulse response [fir])"
        )
    return (
        f"{layers} {way}, {n_trim:g} scans at each end of a run were dropped, and the signal was "
        "predicted by ridge regression [ridge]: each run in turn was predicted from the others"
        f"{describe_components(encoder)}, {describe_penalty(encoder)} The brain score is "
        f"Pearson’s correlation of prediction and signal, averaged over the {n_runs:g} test runs."
        f"{describe_bands(plan.get('joint') or [])}"
    )


def _layers_text(given: Mapping[str, Any]) -> str:
    """Say which layers were fitted, as the beginning of a sentence."""
    chosen = given.get("layers", "all")
    if isinstance(chosen, list):
        text = f"Each of the layers {listed(chosen, 30)}"
    elif str(chosen).startswith("every:"):
        text = f"Every layer whose number is a multiple of {str(chosen).partition(':')[2]}"
    else:
        text = "Every layer"
    return f"{text}, but each model’s last," if given.get("last_layer") == "no" else text
