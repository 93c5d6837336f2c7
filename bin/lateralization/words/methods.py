"""What the report says of how words were found in the text."""

from collections.abc import Sequence
from typing import Any


def describe_mapping(models: Sequence[dict[str, Any]]) -> str:
    """Name the ways in which the words of the models' tokenizers were found."""
    mappings = {entry.get("mapping") for entry in models}
    ways = {
        "reference": "by the matching rule of the published study [study]",
        "aligned": "by a global character alignment of annotation and text",
    }
    how = " and ".join(ways[name] for name in sorted(m for m in mappings if m in ways))
    return f"words were found in the text {how or 'by the study’s rule'}"
