"""The entities of BIDS names, ``sub-01_task-pieman_bold.nii.gz``: key and label."""

import re
from collections.abc import Iterable
from typing import TypeVar

ENTITY = re.compile(r"(?:^|[_/])([a-z]+)-([A-Za-z0-9+]+)")
"""A BIDS entity of a path, ``task-lppEN``: key and label."""

NUMBERS = ("run", "echo")
"""Entities whose labels are numbers: fMRIPrep writes ``run-1`` for a raw ``run-01``."""

DERIVED = ("space", "res", "den", "desc", "cohort", "label", "hemi", "atlas", "stat")
"""Entities that a derivative has and the raw recording has not."""

Name = TypeVar("Name")


def entities(path: str) -> dict[str, str]:
    """Return the BIDS entities of a path: key to label, of the last that has the key."""
    found = dict(ENTITY.findall(path))
    for key in NUMBERS:
        if found.get(key, "").isdigit():
            found[key] = str(int(found[key]))
    return found


def recording(path: str) -> dict[str, str]:
    """Return the entities of the raw recording that a derivative was made of."""
    return {key: label for key, label in entities(path).items() if key not in DERIVED}


def natural_key(name: object) -> list[str]:
    """Return a key by which names sort as people sort them, run-9 before run-10."""
    return re.sub(r"\d+", lambda digits: digits[0].zfill(9), str(name)).split("/")


def in_natural_order(names: Iterable[Name]) -> list[Name]:
    """Sort names or paths by :func:`natural_key`."""
    return sorted(names, key=natural_key)
