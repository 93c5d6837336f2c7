"""What the report says of how words were found in the text."""

from collections.abc import Sequence

from lateralization.run_plan import Model


def describe_mapping(models: Sequence[Model]) -> str:
    """Name the ways in which the words of the models' tokenizers were found."""
    ways = {
        "reference": "by the matching rule of the published study [study]",
        "aligned": "by a global character alignment of annotation and text",
    }
    used = sorted({entry.mapping for entry in models})
    return f"words were found in the text {' and '.join(ways[name] for name in used)}"
