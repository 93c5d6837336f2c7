"""A disk that is full, read-only or closed to the user, in words that name the folder."""

import errno
import os
import shutil
import tempfile
from pathlib import Path

FULL = {
    errno.ENOSPC: "no space is left",
    errno.EDQUOT: "the disk quota is used up",
    errno.EFBIG: "a file has reached the largest size allowed",
}
CLOSED = {
    errno.EROFS: "the file system is read-only",
    errno.EACCES: "permission is denied",
    errno.EPERM: "permission is denied",
}
TEXTS = {"No space left on device": errno.ENOSPC, "Disk quota exceeded": errno.EDQUOT}
"""What libraries say that do not pass the number of the error on."""

ALMOST_NOTHING = 1 << 20
"""Free bytes below which a disk counts as full."""


def disk_problem(error: BaseException, target: Path | str | None = None) -> str | None:
    """Say what keeps a file from being written or read; None for errors of another kind.

    Parameters
    ----------
    error : exception
    target : path, optional
        The file that was being written, for errors that do not name theirs.
    """
    number = error.errno if isinstance(error, OSError) else None
    if number is None:
        number = next((value for text, value in TEXTS.items() if text in str(error)), None)
    if number is None and type(error) is OSError and _is_full(_full_folder()):
        number = errno.ENOSPC  # NumPy: "8192 requested and 0 written"
    named = getattr(error, "filename", None)
    if isinstance(named, str | bytes | os.PathLike):
        target = os.fsdecode(named)
    if number in FULL:
        folder = Path(target).absolute().parent if target else _full_folder()
        return f"{FULL[number]} in {folder}; free some, or use a folder on another disk"
    if number in CLOSED and target:
        return f"{CLOSED[number]} for {Path(target).absolute()}; check its rights and its folder's"
    return None


def _full_folder() -> Path:
    """Return where files are written that no error names: the folder of the two that is full."""
    here, temporary = Path.cwd(), Path(tempfile.gettempdir())
    return temporary if _is_full(temporary) and not _is_full(here) else here


def _is_full(folder: Path) -> bool:
    return shutil.disk_usage(folder).free < ALMOST_NOTHING
