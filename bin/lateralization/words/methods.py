"""What the report says of how words were found in the text."""

from lateralization.problems import listed
from lateralization.run_plan import Plan


def describe_mapping(plan: Plan) -> str:
    """Name the ways in which the words of the models' tokenizers were found, and in what text."""
    ways = {
        "reference": "by the matching rule of the published study [study]",
        "aligned": "by a global character alignment of annotation and text",
    }
    used = sorted({entry.mapping for entry in plan.models})
    joined = [one.name for one in plan.languages if one.texts and one.texts.get("joined")]
    made = f", which in {listed(joined)} was joined from the words themselves," if joined else ""
    return f"words were found in the text{made} {' and '.join(ways[name] for name in used)}"
