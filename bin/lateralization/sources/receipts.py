"""Receipts: what a task hands on in place of large files that go when they are used.

A receipt outlives its files, so a resumed run takes the tasks that made and used them as done and
fetches nothing again. The files lie next to it, in the folder of the task: a subject's raw BOLD
(``--keep_raw no``: from FETCH to RESAMPLE) or a model's weights (``--keep_models no``: from MODEL
to ACTIVATIONS and RELEASE).
"""

import os
import tempfile
from collections.abc import Iterator, Sequence
from contextlib import contextmanager
from dataclasses import dataclass
from pathlib import Path

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
