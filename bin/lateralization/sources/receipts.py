"""Receipts: what a task hands on in place of large files that go when they are used.

A receipt outlives its files, so a resumed run takes the tasks that made and used them as done and
fetches nothing again. The files lie beside it, in the folder of the task.
"""

from contextlib import suppress
from dataclasses import dataclass
from pathlib import Path

from lateralization.command import say
from lateralization.errors import BadInput
from lateralization.files import read_json, write_json

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
