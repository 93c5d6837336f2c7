"""What the report says of the data set."""

from typing import Any

from lateralization import wording
from lateralization.study import N_RUNS, TR


def _languages(plan: dict[str, Any]) -> str:
    parts = []
    for entry in plan.get("languages", []):
        name, n = entry["name"], len(entry.get("subjects") or [])
        parts.append(f"{wording.plural(n, 'subject')} in {name}" if n else name)
    return ", ".join(parts)


def describe_data(plan: dict[str, Any]) -> str:
    """Describe data set, story and subjects."""
    first: dict[str, Any] = next(iter(plan.get("languages", [])), {})
    where = "simulated data" if plan.get("truth") else "functional MRI"
    if plan.get("parameters", {}).get("dataset") == "ds003643" and not plan.get("truth"):
        where = "functional MRI of the data set ds003643 [data]"
    return (
        f"We analysed {where} of listeners to a story in {first.get('n_runs', N_RUNS):g} runs "
        f"({_languages(plan)}; repetition time {first.get('tr', TR):g} s)."
    )
