"""Raw BOLD that goes when it is resampled (``--keep_raw no``).

FETCH then hands on a receipt in place of the runs (:mod:`lateralization.sources.receipts`).
"""

from collections.abc import Sequence
from pathlib import Path

import nibabel
import numpy as np

from lateralization.errors import BadInput
from lateralization.sources.receipts import (
    RECEIPT,
    Receipt,
    check_there,
    read_receipt,
    remove_files,
)


def given_receipt(given: Sequence[Path]) -> Receipt | None:
    """Return the receipt that is given in place of runs; None when runs are given.

    Raises
    ------
    BadInput
        The runs that it names are gone.
    """
    if len(given) != 1 or given[0].name != RECEIPT:
        return None
    receipt = read_receipt(given[0])
    check_there(receipt, "--keep_raw")
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
    for raw, made in zip(receipt.files, resampled, strict=True):
        _check_whole(made, int(nibabel.load(raw).shape[3]))
    return remove_files(receipt)


def _check_whole(path: Path, n_scans: int) -> None:
    """Read a resampled run back: as many scans as its source, and every byte there."""
    try:
        image = nibabel.load(path)
        data = np.asanyarray(image.dataobj)
    except Exception as error:
        raise BadInput(f"{path} cannot be read back ({error}); the raw runs are kept") from error
    if data.ndim != 4 or data.shape[3] != n_scans or not data.any():
        raise BadInput(f"{path} is not whole (shape {data.shape}); the raw runs are kept")
