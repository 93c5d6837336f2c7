"""Keys of runs: which story was heard, and for which time.

A key is a tensor's name, a part of file names and an entry of the plan: ``run-3`` is the third run
of a data set whose runs are numbered; ``story-wheels`` is a story's first hearing and
``story-wheels_rep-2`` its second. The story of a key is the key of its first hearing.
"""

import json
import re
from collections.abc import Iterable, Sequence
from pathlib import Path

from lateralization.files import open_tensors, read_metadata
from lateralization.study import N_RUNS

RUN, STORY = "run", "story"
"""What the runs of a data set are: sections by number, or stories by name."""

RUNS = "runs"
"""Entry of the metadata of a file of cleaned runs: the JSON list of their keys, in order."""

LEAST_HEARERS = 4
"""Hearers of a story whose halves can be compared, two in each; fewer have no reliability."""

NO_RUNS = ("left_out", "tsnr")
"""Tensors of such a file that are no runs."""

_REPETITION = re.compile(r"_rep-([1-9]\d*)$")


def run_key(story: str, repetition: int = 1) -> str:
    """Return the key of a story's repetition, from 1: ``story-wheels``, ``story-wheels_rep-2``."""
    return story if repetition == 1 else f"{story}_rep-{repetition}"


def numbered_keys(n_runs: int = N_RUNS) -> list[str]:
    """Return the keys of numbered runs, ``run-1`` ….

    Without a number those of the study.
    """
    return [run_key(f"{RUN}-{number}") for number in range(1, n_runs + 1)]


def is_numbered(key: str) -> bool:
    """Whether a key is of a run by number, not of a story by name."""
    return key.startswith(f"{RUN}-")


def story_of(key: str) -> str:
    """Return the story of a run's key: ``story-wheels`` of ``story-wheels_rep-2``."""
    return _REPETITION.sub("", key)


def repetition_of(key: str) -> int:
    """Return the repetition of a run's key, from 1."""
    found = _REPETITION.search(key)
    return int(found[1]) if found else 1


def label(key: str) -> str:
    """Return a story as tables have it: ``3`` of ``run-3``, ``wheels`` of ``story-wheels``."""
    return key.split("-", 1)[1]


def cell(key: str) -> int | str:
    """Return a run as tables and JSON have it: 3 of ``run-3``, ``wheels``, ``wheels_rep-2``."""
    named = label(key)
    return int(named) if is_numbered(key) else named


def shown(key: str) -> str:
    """Return a run for a message: ``run 3``, ``story wheels``, ``story wheels, repetition 2``."""
    kind, name = story_of(key).split("-", 1)
    repetition = repetition_of(key)
    return f"{kind} {name}" + (f", repetition {repetition}" if repetition > 1 else "")


def by_story(keys: Sequence[str]) -> dict[str, list[int]]:
    """Return the places of each story's runs in a list of keys, in the order of the stories."""
    places: dict[str, list[int]] = {}
    for place, key in enumerate(keys):
        places.setdefault(story_of(key), []).append(place)
    return places


def keys_in_order(keys: Iterable[str], stories: Sequence[str]) -> list[str]:
    """Sort keys of runs, each once: by the order of the stories, then by repetition.

    Stories that the list does not name stand at the end; those of numbered runs by their number.
    """
    place = {story: number for number, story in enumerate(stories)}

    def position(key: str) -> tuple[int, int, str, int]:
        story = story_of(key)
        number = label(story)
        return (
            place.get(story, len(place)),
            int(number) if is_numbered(story) and number.isdecimal() else 0,
            story,
            repetition_of(key),
        )

    return sorted(set(keys), key=position)


def run_names(path: Path | str) -> list[str]:
    """Return the keys of the runs in a file of cleaned runs, in order; only its header is read.

    A file that does not list them has numbered runs.
    """
    listed = read_metadata(path).get(RUNS)
    if listed is not None:
        return [str(key) for key in json.loads(listed)]
    with open_tensors(path) as handle:
        return keys_in_order((name for name in handle.keys() if name not in NO_RUNS), [])
