"""Fixtures that several rooms share, which tests share a process, and which begin.

The helpers of the tests are the package ``helpers``; fixtures import it where they use it.
"""

from pathlib import Path
from typing import Any

import pytest

FINISHED = "finished"
"""The tests that share the one whole run of ``tests/pipeline/conftest.py``."""

SHARING = (
    "pipeline/test_tree.py",
    "pipeline/test_resume.py",
    "pipeline/test_slurm.py",
    "pipeline/test_failures.py",
    "pipeline/test_own_features.py",
    "::test_the_published_profile",
)
"""Parts of the names of those tests."""

LONGEST_FIRST = (
    FINISHED,
    "test_newcomer.py",
    "pipeline/test_mirror.py",
    "test_other_data.py",
    "test_bad_input.py",
    "test_report_browser.py",
    "test_first_screen.py",
)
"""Ends of the groups that begin, so that none of the long ones is left alone at the end."""


def group(nodeid: str) -> str:
    """Name the tests that one process runs: those of a file, for they share what they set up."""
    return (
        FINISHED if any(part in nodeid for part in SHARING) else nodeid.split("::", maxsplit=1)[0]
    )


def _place(item: pytest.Item) -> int:
    """Return the place of a test's group among those that begin; all others are behind them."""
    name = group(item.nodeid)
    return next((i for i, end in enumerate(LONGEST_FIRST) if name.endswith(end)), 99)


def pytest_collection_modifyitems(items: list[pytest.Item]) -> None:
    """Put the groups in order; the order within each stays."""
    items.sort(key=_place)


@pytest.hookimpl(optionalhook=True)
def pytest_xdist_make_scheduler(config: pytest.Config, log: Any) -> Any:
    """Deal out whole groups. (Marks of groups are lost on the way to the scheduler.)"""
    from xdist.scheduler import LoadScopeScheduling

    class Groups(LoadScopeScheduling):
        """A group at a time, in the order of collection."""

        def _split_scope(self, nodeid: str) -> str:
            return group(nodeid)

    return Groups(config, log)


@pytest.fixture(scope="session")
def bold() -> dict[str, Any]:
    """The study's average subject: run → (n_scans, n_voxels)."""
    from helpers.encode_inputs import average_subject

    return average_subject()


@pytest.fixture
def files(tmp_path: Path, bold: dict[str, Any]) -> Path:
    """A folder with the inputs of ENCODE, as the stages before it leave them."""
    from helpers.encode_inputs import write_inputs

    write_inputs(tmp_path, bold)
    return tmp_path
