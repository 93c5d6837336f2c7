"""The figures of a section as the page shows them: one at a time, and a choice between them.

Figures that differ in a region, a form or a statistic are variants of one label; those of several
languages stand side by side in one panel.
"""

from collections.abc import Mapping, Sequence
from typing import Any


def panels_of(
    figures: Sequence[Mapping[str, Any]], names: Mapping[str, str]
) -> list[dict[str, Any]]:
    """Join the figures of one section.

    Parameters
    ----------
    figures
        Entries of ``figures.json``.
    names
        Language → its name.

    Returns
    -------
    One panel for each figure that is drawn in some language, those of one label together: its
    ``name``, ``label``, ``variant`` (empty where the label has one panel), ``place`` among the
    panels, ``captions`` (those that differ, the first without a language) and ``drawn``, the
    entries with their ``language_name``, empty where there is one language alone.
    """
    by_name: dict[str, list[dict[str, Any]]] = {}
    for figure in figures:
        if figure["drawn"]:
            spoken = names[figure["language"]] if len(names) > 1 else ""
            entry = {**figure, "language_name": spoken}
            by_name.setdefault(figure["name"], []).append(entry)
    labels = dict.fromkeys(drawn[0]["label"] for drawn in by_name.values())
    ordered = [
        (name, drawn)
        for label in labels
        for name, drawn in by_name.items()
        if drawn[0]["label"] == label
    ]
    alone = {
        label for label in labels if sum(drawn[0]["label"] == label for _, drawn in ordered) == 1
    }
    return [
        {
            "name": name, "label": drawn[0]["label"], "place": place, "drawn": drawn,
            "variant": "" if drawn[0]["label"] in alone else drawn[0]["variant"],
            "captions": _captions(drawn),
        }
        for place, (name, drawn) in enumerate(ordered)
    ]  # fmt: skip


def _captions(drawn: Sequence[Mapping[str, Any]]) -> list[dict[str, str]]:
    """Give the title and caption of the first language, and of the others what differs."""
    found: list[dict[str, str]] = []
    for one in drawn:
        told = {"title": str(one["title"]), "caption": str(one.get("caption", ""))}
        if told not in [{key: each[key] for key in told} for each in found]:
            found.append(told | {"language": str(one["language_name"]) if found else ""})
    return found
