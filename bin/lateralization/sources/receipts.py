"""Receipts: what a task hands on in place of large files that go when they are used.

A receipt outlives its files, so a resumed run takes the tasks that made and used them as done and
fetches nothing again. The files lie next to it, in the folder of the task: a subject's raw BOLD
(``--keep_raw no``: from FETCH to RESAMPLE) or a model's weights (``--keep_models no``: from MODEL
to ACTIVATIONS and RELEASE).
"""

import os
import tempfile
from collections.abc import Iterator, Sequence
from contextlib import contextmanager, suppress
from dataclasses import dataclass
from pathlib import Path

import nibabel
import numpy as np
from safetensors import SafetensorError, safe_open

from lateralization.command import say
from lateralization.errors import BadInput
from lateralization.files import read_json, write_json

ASIDE = "weights"
"""Folder beside the model's that its weights are moved to."""


RECEIPT = "receipt.json"


@dataclass(frozen=True)
class Receipt:
    """Files that were fetched: those of the task, in order, and the same files in the cache."""

    files: tuple[Path, ...]
    cached: tuple[Path, ...]

    @property
    def task(self) -> Path:
        """Folder of the task that fetched."""
        return self.files[0].parent.parent


def write_receipt(receipt: Receipt, folder: Path) -> None:
    """Write a receipt; its paths are absolute, so that another task finds the files.

    Links of the cache are kept as they are: they and what they point to go together.
    """
    write_json(
        {
            "files": [str(path.resolve()) for path in receipt.files],
            "cached": [str(path.absolute()) for path in receipt.cached],
        },
        folder / RECEIPT,
    )


def read_receipt(path: Path) -> Receipt:
    """Read a receipt, whether or not its files are still there."""
    content = read_json(path)
    return Receipt(tuple(map(Path, content["files"])), tuple(map(Path, content["cached"])))


def check_there(receipt: Receipt, option: str) -> None:
    """Check that the files of a receipt are there.

    Raises
    ------
    BadInput
        They are gone; ``option`` names the parameter that removes them.
    """
    missing = [path for path in receipt.files if not path.is_file()]
    if missing:
        raise BadInput(
            f"{missing[0]} is gone ({option} no removes what is used); to fetch it again remove "
            f"the folder {receipt.task} and run with -resume"
        )


def remove_files(receipt: Receipt) -> int:
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
