"""Keys of numbered runs."""

from collections.abc import Sequence
from typing import TypeVar

Content = TypeVar("Content")


def run_keys(n_runs: int) -> list[str]:
    """Return ``run-1`` … ``run-n``."""
    return [f"run-{run}" for run in range(1, n_runs + 1)]


def by_run(contents: Sequence[Content]) -> dict[str, Content]:
    """Return what belongs to each run by its key."""
    return dict(zip(run_keys(len(contents)), contents, strict=True))
