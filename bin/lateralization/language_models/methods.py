"""What the report says of language models and their hidden states."""

from collections.abc import Mapping, Sequence
from typing import Any

from lateralization import wording
from lateralization.problems import listed
from lateralization.words.methods import describe_mapping


def describe_models(plan: dict[str, Any]) -> str:
    """Describe models, hidden states and word vectors."""
    models, given = plan.get("models", []), plan.get("parameters", {})
    if not models:
        return "No language model was fitted."
    names = listed([entry["name"] for entry in models], 30)
    context = given.get("context")
    alone = ""
    if context:
        alone = f"; each word was read with at most {int(context) - 1} tokens before it"
    return (
        f"Hidden states of {wording.plural(len(models), 'model')} ({names}) were computed with "
        f"transformers [transformers] in {given.get('precision', 'float32')} and averaged over "
        f"the tokens of each word{alone}; {describe_mapping(models)}."
        f"{_untrained_text(models, given)}"
    )


def _untrained_text(models: Sequence[dict[str, Any]], given: Mapping[str, Any]) -> str:
    """Say which models were not trained, and how they were read."""
    names = [entry["name"] for entry in models if entry.get("seed")]
    if not names:
        return ""
    dropout = ", and read with dropout, as in the published study [study]"
    how = dropout if given.get("untrained_mode") == "train" else ""
    return f" Random weights, drawn from a seed, had {listed(names, 30)}{how}."
