"""Raw BOLD that goes when it is resampled (``--keep_raw no``).

FETCH then hands on a receipt in place of the runs: it outlives them, so a resumed run takes FETCH
and RESAMPLE as done and fetches nothing again. The runs lie beside it, in the folder of the task.
"""

from collections.abc import Sequence
from contextlib import suppress
from dataclasses import dataclass
from pathlib import Path

import nibabel
import numpy as np

from lateralization.command import say
from lateralization.errors import BadInput
from lateralization.files import read_json, write_json

RECEIPT = "receipt.json"


@dataclass(frozen=True)
class Receipt:
    """Runs that were fetched: those of the task, in order, and the same files in the cache."""

    runs: tuple[Path, ...]
    cached: tuple[Path, ...]


def write_receipt(receipt: Receipt, folder: Path) -> None:
    """Write a receipt; its paths are absolute, so that another task finds the runs."""
    write_json(
        {
            "runs": [str(path.resolve()) for path in receipt.runs],
            "cached": [str(path.resolve()) for path in receipt.cached],
        },
        folder / RECEIPT,
    )


def read_receipt(given: Sequence[Path]) -> Receipt | None:
    """Return the receipt that is given in place of runs; None when runs are given.

    Raises
    ------
    BadInput
        The runs that it names are gone.
    """
    if len(given) != 1 or given[0].name != RECEIPT:
        return None
    content = read_json(given[0])
    receipt = Receipt(tuple(map(Path, content["runs"])), tuple(map(Path, content["cached"])))
    missing = [path for path in receipt.runs if not path.is_file()]
    if missing:
        task = missing[0].parent.parent
        raise BadInput(
            f"{missing[0]} is gone (--keep_raw no removes runs that are resampled); to fetch it "
            f"again remove the folder {task} and run with -resume"
        )
    return receipt


def remove_raw(receipt: Receipt, resampled: Sequence[Path]) -> int:
    """Remove a subject's raw runs, once what was made of them is read back and whole.

    Returns
    -------
    int
        Bytes of raw BOLD that were removed.

    Raises
    ------
    BadInput
        A resampled run is not whole; nothing is removed.
    """
    for raw, made in zip(receipt.runs, resampled, strict=True):
        _check_whole(made, int(nibabel.load(raw).shape[3]))
    freed = sum(path.stat().st_size for path in receipt.runs)
    for path in receipt.cached:
        try:
            path.unlink(missing_ok=True)
        except OSError as error:  # a cache of another user, or one that is read-only
            say(f"{path} stays in the cache: {error.strerror}")
    for path in receipt.runs:
        with suppress(FileNotFoundError):
            path.unlink()
    return freed


def _check_whole(path: Path, n_scans: int) -> None:
    """Read a resampled run back: as many scans as its source, and every byte there."""
    try:
        image = nibabel.load(path)
        data = np.asanyarray(image.dataobj)
    except Exception as error:
        raise BadInput(f"{path} cannot be read back ({error}); the raw runs are kept") from error
    if data.ndim != 4 or data.shape[3] != n_scans or not data.any():
        raise BadInput(f"{path} is not whole (shape {data.shape}); the raw runs are kept")
