"""Keys of runs: which story was heard, and for which time.

A key is a tensor's name, a part of file names and an entry of the plan: ``run-3`` is the third run
of a data set whose runs are numbered; ``story-wheels`` is a story's first hearing and
``story-wheels_rep-2`` its second. The story of a key is the key of its first hearing.
"""

import re

RUN, STORY = "run", "story"
"""What the runs of a data set are: sections by number, or stories by name."""

_REPETITION = re.compile(r"_rep-([1-9]\d*)$")


def run_key(story: str, repetition: int = 1) -> str:
    """Return the key of a story's repetition, from 1: ``story-wheels``, ``story-wheels_rep-2``."""
    return story if repetition == 1 else f"{story}_rep-{repetition}"


def numbered_keys(n_runs: int) -> list[str]:
    """Return the keys of numbered runs, ``run-1`` and so on."""
    return [f"{RUN}-{number}" for number in range(1, n_runs + 1)]


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


def shown(key: str) -> str:
    """Return a run for a message: ``run 3``, ``story wheels``, ``story wheels, repetition 2``."""
    kind, name = story_of(key).split("-", 1)
    repetition = repetition_of(key)
    return f"{kind} {name}" + (f", repetition {repetition}" if repetition > 1 else "")
