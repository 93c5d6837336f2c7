"""Paths as users write them, made absolute."""

import glob
import os
from pathlib import Path


def absolute(text: str | Path, base: Path) -> Path:
    """Return the absolute path that ``text`` names, relative to ``base``.

    Links are kept as they are: a model of the hub's cache is a folder of links whose targets have
    lost their names.
    """
    return Path(os.path.abspath(base / Path(text).expanduser()))  # noqa: PTH100


def folders_like(pattern: str, base: Path) -> list[Path]:
    """Return the folders that fit a pattern with wildcards, sorted."""
    path = absolute(pattern, base)
    fixed = path
    while glob.has_magic(str(fixed)):
        fixed = fixed.parent
    return sorted(found for found in fixed.glob(str(path.relative_to(fixed))) if found.is_dir())


def has_wildcard(text: str) -> bool:
    """Tell whether a text has ``*``, ``?`` or ``[``."""
    return glob.has_magic(text)
