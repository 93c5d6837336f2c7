"""Weights that are read from the disk while the libraries are imported, which takes as long.

A module of its own because it starts before torch is imported, from the command.
"""

from collections.abc import Sequence
from contextlib import suppress
from pathlib import Path
from threading import Thread

from lateralization.language_models.devices import available_memory

AT_ONCE = 2**23
"""Bytes of one read."""


def read_ahead(folder: Path) -> Thread | None:
    """Begin to read a model's weights, in the background.

    Nothing is kept here: the system has them in memory when they are asked for. Weights that would
    fill half of the memory are left alone.
    """
    files = sorted(folder.glob("*.safetensors")) or sorted(folder.glob("*.bin"))
    if sum(path.stat().st_size for path in files) > available_memory() / 2:
        return None
    thread = Thread(target=_read, args=(files,), daemon=True)
    thread.start()
    return thread


def _read(files: Sequence[Path]) -> None:
    """Read files and forget what they say."""
    place = bytearray(AT_ONCE)
    for path in files:
        with suppress(OSError), path.open("rb", buffering=0) as file:
            while file.readinto(place):
                pass
