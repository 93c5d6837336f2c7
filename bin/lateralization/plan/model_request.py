"""What naming the models and baselines of a run depends on."""

from dataclasses import dataclass
from pathlib import Path

from lateralization.plan.parameters import Parameters
from lateralization.plan.places import absolute
from lateralization.problems import Problems


@dataclass
class Choice:
    """What naming a model depends on.

    Attributes
    ----------
    parameters
        The run's parameters.
    assets
        Folder of the study's lists.
    launch
        Folder that relative paths are relative to.
    problems, notes
        Gather the mistakes, and what the user should know.
    """

    parameters: Parameters
    assets: Path
    launch: Path
    problems: Problems
    notes: list[str]

    def path(self, text: str) -> Path:
        """Return the absolute path that a text names."""
        return absolute(text, self.launch)
