"""Helpers for tests of setup/, whose programs belong to no package."""

import stat
from importlib.util import module_from_spec, spec_from_file_location
from pathlib import Path
from typing import Any

PROJECT = Path(__file__).resolve().parents[2]


def load(name: str) -> Any:
    """Import ``setup/<name>.py`` as a module."""
    spec = spec_from_file_location(f"setup_{name}", PROJECT / "setup" / f"{name}.py")
    assert spec is not None
    assert spec.loader is not None
    module = module_from_spec(spec)
    spec.loader.exec_module(module)
    return module


def script(path: Path, text: str) -> Path:
    """Write an executable bash script."""
    path.parent.mkdir(parents=True, exist_ok=True)
    path.write_text(f"#!/bin/bash\n{text}\n")
    path.chmod(path.stat().st_mode | stat.S_IXUSR)
    return path
