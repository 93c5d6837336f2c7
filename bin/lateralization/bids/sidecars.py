"""What lies beside the runs of a BIDS tree: sidecars (``_bold.json``), events (``_events.tsv``).

A file that names fewer entities, or lies in a folder above, is of all recordings that have these
(BIDS: the principle of inheritance); the nearest one counts.
"""

import csv
import json
import math
import os
from collections.abc import Iterator, Mapping
from pathlib import Path
from typing import Any

from lateralization.bids.entities import entities, recording
from lateralization.errors import BadInput
from lateralization.problems import listed

SIDECAR, EVENTS = "_bold.json", "_events.tsv"


class Sidecars:
    """Metadata and events of the runs of one data set; each folder is listed once.

    Parameters
    ----------
    root
        Folder of the data set, which holds the raw recordings: ``sub-01/ses-1/func``.
    """

    def __init__(self, root: Path) -> None:
        self.root = root
        self._folders: dict[str, dict[str, dict[frozenset[tuple[str, str]], str]]] = {}
        self._read: dict[Path, dict[str, Any]] = {}

    def seconds(self, bold: str, name: str, *, raw: bool = True) -> float | None:
        """Return a time of a run's sidecars, as ``RepetitionTime``; None where none has it.

        Parameters
        ----------
        bold
            The run, below the data set's folder.
        name
            Of the entry.
        raw
            Whether the sidecars of the raw recording are asked, too.

        Raises
        ------
        BadInput
            A sidecar cannot be read, or its entry is no number.
        """
        for path in self._sidecars(bold, raw=raw):
            if path not in self._read:
                self._read[path] = _read_json(path)
            value = self._read[path].get(name)
            if value is None:
                continue
            number = isinstance(value, int | float) and not isinstance(value, bool)
            if not number or not math.isfinite(value) or value < 0:
                raise BadInput(f"{path}: {name} is {value!r}, no number of seconds; mend it")
            return float(value)
        return None

    def first_event(self, bold: str, trial_type: str, subject: str) -> float:
        """Return the onset of a run's first event of a type, seconds after the first scan.

        Parameters
        ----------
        bold
            The run, below the data set's folder.
        trial_type
            Type of the event.
        subject
            Whose run it is, where its name does not say.

        Raises
        ------
        BadInput
            There are no events of the run's recording, or none of the type.
        """
        wanted = {"sub": subject} | recording(bold)
        for folder in (*self._raw_folders(wanted), ""):
            name = self._nearest(folder, wanted, EVENTS)
            if name is not None:
                return _first_onset(self.root / folder / name, trial_type)
        folder = next(self._raw_folders(wanted))
        raise BadInput(
            f"{self.root / folder} has no events of {bold} (*{EVENTS} of the same entities), and "
            "events in dataset.json asks for them; add them, or give the start in a runs.tsv"
        )

    def _sidecars(self, bold: str, *, raw: bool) -> Iterator[Path]:
        """Iterate over a run's sidecars, the nearest first."""
        own, folder = entities(bold), os.path.dirname(bold)  # noqa: PTH120
        namesake = self.root / f"{bold.removesuffix('.gz').removesuffix('.nii')}.json"
        if namesake.is_file():  # whatever the names of a table of runs are made of
            yield namesake
        while folder:
            name = self._nearest(folder, own, SIDECAR)
            if name is not None:
                yield self.root / folder / name
            folder = os.path.dirname(folder)  # noqa: PTH120
        if bold.startswith("sub-") and (name := self._nearest("", own, SIDECAR)) is not None:
            yield self.root / name  # the data set is itself the folder of preprocessed runs
        if raw:
            wanted = recording(bold)
            for folder in (*self._raw_folders(wanted), ""):
                name = self._nearest(folder, wanted, SIDECAR)
                if name is not None:
                    yield self.root / folder / name

    @staticmethod
    def _raw_folders(found: Mapping[str, str]) -> Iterator[str]:
        """Iterate over the folders of a raw recording, the innermost first."""
        subject = f"sub-{found.get('sub', '')}"
        if "ses" in found:
            yield f"{subject}/ses-{found['ses']}/func"
            yield f"{subject}/ses-{found['ses']}"
        else:
            yield f"{subject}/func"
        yield subject

    def _nearest(self, folder: str, own: Mapping[str, str], ending: str) -> str | None:
        """Return the file of a folder that names the most of a run's entities, and no others."""
        if folder not in self._folders:
            self._folders[folder] = _listing(self.root / folder)
        named, items = self._folders[folder][ending], frozenset(own.items())
        if items in named:
            return named[items]
        fitting = [key for key in named if key <= items]
        return named[max(fitting, key=len)] if fitting else None


def _listing(folder: Path) -> dict[str, dict[frozenset[tuple[str, str]], str]]:
    """Return ending → entities → name of a folder's sidecars and events."""
    found: dict[str, dict[frozenset[tuple[str, str]], str]] = {SIDECAR: {}, EVENTS: {}}
    try:
        names = sorted(os.listdir(folder))  # noqa: PTH208
    except OSError:
        return found
    for name in names:
        for ending, named in found.items():
            # what names no entity (bold.json) is of all
            if name.endswith(ending) or name == ending[1:]:
                named[frozenset(entities(name).items())] = name
    return found


def _read_json(path: Path) -> dict[str, Any]:
    """Read a sidecar."""
    try:
        content = json.loads(path.read_bytes())
    except (OSError, ValueError) as error:
        raise BadInput(f"cannot read the sidecar {path} ({error}); fetch or mend it") from error
    return content if isinstance(content, dict) else {}


def _events(path: Path) -> list[dict[str, str]]:
    """Read a table of events."""
    try:
        with path.open(encoding="utf-8-sig", newline="") as opened:
            return list(csv.DictReader(opened, delimiter="\t", quoting=csv.QUOTE_NONE))
    except (OSError, ValueError, csv.Error) as error:
        raise BadInput(f"cannot read the events {path} ({error}); fetch or mend it") from error


def trial_types(path: Path) -> list[str]:
    """Return the types of the events of a file, sorted.

    Raises
    ------
    BadInput
        The file cannot be read.
    """
    return sorted({row.get("trial_type") or "" for row in _events(path)} - {""})


def _first_onset(path: Path, trial_type: str) -> float:
    """Return the earliest onset of a type of events, seconds."""
    found = [row.get("onset") or "" for row in _events(path) if row.get("trial_type") == trial_type]
    if not found:
        raise BadInput(
            f"{path} has no event with trial_type {trial_type} (it has "
            f"{listed(trial_types(path)) or 'no'} events); mend it, or events in dataset.json"
        )
    try:
        first = min(map(float, found))
    except ValueError:
        first = -1.0
    if not 0 <= first < math.inf:
        raise BadInput(f"{path}: the onset of {trial_type} is {found[0]!r}; it must be 0 s or more")
    return first
