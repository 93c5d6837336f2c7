"""Remove large files once what was made of them is read back and whole.

RELEASE removes a model's weights (``--keep_models no``) after its activations, RESAMPLE a subject's
raw BOLD (``--keep_raw no``) after the resampled runs. Receipts name the files.
"""

from collections.abc import Sequence
from contextlib import suppress
from pathlib import Path

import nibabel
import numpy as np
from safetensors import SafetensorError, safe_open

from lateralization.command import say
from lateralization.errors import BadInput
from lateralization.files import read_json
from lateralization.sources.receipts import Receipt, read_receipt


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
    return _remove_files(receipt)


def _check_whole(path: Path, n_scans: int) -> None:
    """Read a resampled run back: as many scans as its source, and every byte there."""
    try:
        image = nibabel.load(path)
        data = np.asanyarray(image.dataobj)
    except Exception as error:
        raise BadInput(f"{path} cannot be read back ({error}); the raw runs are kept") from error
    if data.ndim != 4 or data.shape[3] != n_scans or not data.any():
        raise BadInput(f"{path} is not whole (shape {data.shape}); the raw runs are kept")


def remove_weights(receipt: Path, activations: Sequence[Path]) -> int:
    """Remove the weights of a receipt once all that was made of them is read back and whole.

    Parameters
    ----------
    receipt
        As :func:`lateralization.sources.receipts.set_aside` left it.
    activations
        ``NAME_activations.safetensors`` of every language, with the ``.json`` beside each.

    Returns
    -------
    int
        Bytes of weights that were removed.

    Raises
    ------
    BadInput
        An activations file is not whole; nothing is removed.
    """
    for path in activations:
        check_whole(path)
    return _remove_files(read_receipt(receipt))


def check_whole(path: Path) -> None:
    """Read activations back: every layer, all words, every number finite.

    Raises
    ------
    BadInput
        Something is missing or broken.
    """
    said = read_json(path.with_suffix(".json"))
    n_words = dict.fromkeys((f"layer-{layer}" for layer in said["layers"]), 0)
    try:
        with safe_open(path, framework="numpy") as tensors:
            for name in sorted(tensors.keys()):
                states = tensors.get_tensor(name)
                if not np.isfinite(states).all() or not states.any():
                    raise BadInput(f"{path}: {name} is broken; the weights are kept")
                n_words[name.partition("/")[2]] += len(states)
    except (OSError, SafetensorError, KeyError) as error:
        raise BadInput(f"{path} cannot be read back ({error}); the weights are kept") from error
    short = [layer for layer, count in n_words.items() if count != said["n_words"]]
    if short:
        raise BadInput(f"{path}: {short[0]} lacks words; the weights are kept")


def _remove_files(receipt: Receipt) -> int:
    """Remove a receipt's files, from the task and from the cache; return their bytes."""
    freed = sum(path.stat().st_size for path in receipt.files if path.is_file())
    for path in receipt.cached:
        try:
            path.resolve().unlink(missing_ok=True)
            path.unlink(missing_ok=True)
        except OSError as error:  # a cache of another user, or one that is read-only
            say(f"{path} stays in the cache: {error.strerror}")
    for path in receipt.files:
        with suppress(FileNotFoundError):
            path.unlink()
    return freed
