"""What planning depends on, and paths as users write them."""

import glob
import os
from dataclasses import dataclass
from pathlib import Path

from lateralization.plan.parameters import Parameters
from lateralization.problems import Problems
from lateralization.sources.description import STUDY, Description


@dataclass(frozen=True)
class Context:
    """What planning depends on.

    Attributes
    ----------
    parameters
        The run's parameters.
    described
        The data set's description.
    assets
        Folder of the study's lists, manifests and addresses.
    launch
        Folder that relative paths are relative to.
    problems, notes
        Gather the mistakes, and what the user should know.
    """

    parameters: Parameters
    described: Description
    assets: Path
    launch: Path
    problems: Problems
    notes: list[str]

    @property
    def remote(self) -> bool:
        """Whether the data set is fetched."""
        return not self.root.is_dir() or self.parameters["dataset"] == STUDY

    @property
    def root(self) -> Path:
        """Folder of a data set on disk."""
        return self.path(self.parameters["dataset"])

    @property
    def folder(self) -> Path:
        """Folder of the description: of a data set on disk its own, else that of the manifest."""
        manifest = self.described.manifest
        return manifest.parent if self.remote and manifest else self.root

    def path(self, text: str, language: str = "") -> Path:
        """Return the absolute path that a text names; ``{lang}`` is the language."""
        return absolute(text.replace("{lang}", language) if language else text, self.launch)


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
