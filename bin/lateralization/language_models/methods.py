"""What the report says of language models and their hidden states."""

from collections.abc import Sequence

from lateralization import wording
from lateralization.problems import listed
from lateralization.run_plan import Model, Plan
from lateralization.words.methods import describe_mapping


def describe_models(plan: Plan) -> str:
    """Describe models, hidden states and word vectors."""
    models, given = plan.models, plan.parameters
    if not models:
        return "No language model was fitted."
    names = listed([entry.name for entry in models], 30)
    context, alone = given["context"], ""
    if context is not None:
        alone = f"; each word was read with at most {context - 1} tokens before it"
    return (
        f"Hidden states of {wording.plural(len(models), 'model')} ({names}) were computed with "
        f"transformers [transformers] in {given['precision']} and averaged over "
        f"the tokens of each word{alone}; {describe_mapping(plan)}."
        f"{_untrained_text(models, given['untrained_mode'])}"
    )


def _untrained_text(models: Sequence[Model], mode: str) -> str:
    """Name the models that were not trained, and how they were read."""
    names = [entry.name for entry in models if entry.seed]
    if not names:
        return ""
    dropout = ", and read with dropout, as in the published study [study]"
    how = dropout if mode == "train" else ""
    return f" Random weights, drawn from a seed, had {listed(names, 30)}{how}."
