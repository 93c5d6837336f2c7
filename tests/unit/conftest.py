"""Fixtures that several files of unit tests share; they import what takes seconds where used."""

from pathlib import Path
from typing import Any

import pytest


@pytest.fixture(scope="session")
def bold() -> dict[str, Any]:
    """The study's average subject: run → (n_scans, n_voxels)."""
    from encode_inputs import average_subject

    return average_subject()


@pytest.fixture
def files(tmp_path: Path, bold: dict[str, Any]) -> Path:
    """A folder with the inputs of ENCODE, as the stages before it leave them."""
    from encode_inputs import write_inputs

    write_inputs(tmp_path, bold)
    return tmp_path
