"""Weights that go when their activations are verified (``--keep_models no``).

MODEL then hands on a receipt in place of the weights (:mod:`lateralization.sources.receipts`),
ACTIVATIONS follows it, and RELEASE removes them from the task and from the cache.
"""

import os
import tempfile
from collections.abc import Iterator, Sequence
from contextlib import contextmanager
from pathlib import Path

import numpy as np
from safetensors import SafetensorError, safe_open

from lateralization.errors import BadInput
from lateralization.files import read_json
from lateralization.sources.receipts import (
    RECEIPT,
    Receipt,
    check_there,
    read_receipt,
    remove_files,
    write_receipt,
)

ASIDE = "weights"
"""Folder beside the model's that its weights are moved to."""


def set_aside(folder: Path, names: Sequence[str], cached: Path) -> None:
    """Move the weights of a model out of its folder, and leave a receipt in their place.

    Parameters
    ----------
    folder
        The model's folder.
    names
        Files of the weights in it; nothing happens when there are none (an untrained model).
    cached
        Folder in the cache that holds the same files.
    """
    if not names:
        return
    aside = folder.with_name(ASIDE)
    aside.mkdir(exist_ok=True)
    for name in names:
        os.replace(folder / name, aside / name)
    files = tuple(aside / name for name in names)
    write_receipt(Receipt(files, tuple(cached / name for name in names)), folder)


@contextmanager
def whole_model(folder: Path) -> Iterator[Path]:
    """Give a folder that has the weights too; the given one when nothing was set aside.

    Raises
    ------
    BadInput
        The weights are gone.
    """
    if not (folder / RECEIPT).is_file():
        yield folder
        return
    receipt = read_receipt(folder / RECEIPT)
    check_there(receipt, "--keep_models")
    with tempfile.TemporaryDirectory(prefix=".model-", dir=Path.cwd()) as made:
        for path in [*folder.iterdir(), *receipt.files]:
            (Path(made) / path.name).symlink_to(path.resolve())
        yield Path(made)


def remove_weights(receipt: Path, activations: Sequence[Path]) -> int:
    """Remove the weights of a receipt once all that was made of them is read back and whole.

    Parameters
    ----------
    receipt
        As :func:`set_aside` left it.
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
    return remove_files(read_receipt(receipt))


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
