"""The cache of downloads: verified whenever a file is used, shared safely by many runs.

A file is written beside its place as ``.<name>.part`` and renamed when it is whole and verified:
what has its final name is complete. A run that is killed leaves the part for the next to go on
with. A lock on ``.<name>.lock`` makes two runs fetch a file once; where the file system has no
locks, each writes a part of its own and the last rename wins, with the same content.
"""

import contextlib
import errno
import os
import socket
import threading
from collections.abc import Iterator
from dataclasses import dataclass
from pathlib import Path
from typing import IO

from filelock import FileLock, Timeout

from lateralization.command import say
from lateralization.errors import BadInput
from lateralization.files import GIT_BLOB, digest_of, hasher, read_json, write_json

CHUNK = 1 << 18
"""Bytes read at a time: little enough to stay in a core's cache on the way to the disk."""
NO_LOCKS = {errno.ENOLCK, errno.ENOTSUP, errno.EOPNOTSUPP, errno.EBADF, errno.EINVAL, errno.ENOSYS}
FULL = {errno.ENOSPC, errno.EDQUOT}
POLL_SECONDS = 0.2


@dataclass(frozen=True)
class Wanted:
    """A file that the cache should hold.

    Attributes
    ----------
    target
        Its place in the cache.
    urls
        Addresses to try, in order.
    n_bytes
        Its length; None when it is not pinned.
    algorithm, digest
        ``md5``, ``sha256`` or ``git blob``, and the value in hex; None when it is not pinned.
    """

    target: Path
    urls: tuple[str, ...]
    n_bytes: int | None = None
    algorithm: str = "sha256"
    digest: str | None = None

    def beside(self, ending: str) -> Path:
        """Return the path of a helper file of this one."""
        return self.target.with_name(f".{self.target.name}.{ending}")


def is_whole(wanted: Wanted) -> bool:
    """Tell whether the cache holds the file, with the right length and checksum.

    A file that is not pinned is compared with the record of its download.
    """
    path = wanted.target
    try:
        size = path.stat().st_size
        if wanted.digest is not None:
            right_size = wanted.n_bytes in (None, size)
            return right_size and digest_of(path, wanted.algorithm) == wanted.digest
        record = read_json(wanted.beside("json"))
        return bool(size == record["bytes"] and digest_of(path, "sha256") == record["sha256"])
    except (OSError, BadInput, KeyError, TypeError):
        return False


class PartialFile:
    """The beginning of a file that is being fetched; its checksum grows with it.

    What an earlier run left is kept and hashed first. git's checksum starts with the length of
    the whole file, so that one is made at the end.
    """

    def __init__(self, path: Path, algorithm: str) -> None:
        self.path = path
        self._algorithm = algorithm
        self._handle: IO[bytes] = path.open("a+b")
        self.size = 0
        self._hash = hasher(algorithm)
        self._handle.seek(0)
        while chunk := self._handle.read(CHUNK):
            self._hash.update(chunk)
            self.size += len(chunk)

    def write(self, chunk: bytes) -> None:
        """Append bytes."""
        self._handle.write(chunk)
        self._hash.update(chunk)
        self.size += len(chunk)

    def restart(self) -> None:
        """Throw away what there is."""
        self._handle.truncate(0)
        self._handle.seek(0)
        self.size, self._hash = 0, hasher(self._algorithm)

    def beginning(self) -> bytes:
        """Return the first bytes, by which formats are known."""
        self._handle.flush()
        with self.path.open("rb") as handle:
            return handle.read(16)

    @property
    def digest(self) -> str:
        """Checksum of what there is, in hex."""
        if self._algorithm == GIT_BLOB:
            self._handle.flush()
            return digest_of(self.path, GIT_BLOB)
        return self._hash.hexdigest()

    def flush(self) -> None:
        """Let other readers of the file see all bytes.

        They are not forced to the disk, which would take longer than a small file's transfer:
        what a power failure damages is found when the file is used, and fetched again.
        """
        self._handle.flush()

    def close(self) -> None:
        """Close the file; what is there stays for the next attempt."""
        self._handle.close()


def keep(part: PartialFile, wanted: Wanted, url: str) -> None:
    """Give a verified part its final name; a file that is not pinned gets a record."""
    part.flush()
    if wanted.digest is None:
        record = {"url": url, "bytes": part.size, "sha256": part.digest}
        write_json(record, wanted.beside("json"))
    part.path.chmod(0o444)
    os.replace(part.path, wanted.target)
    wanted.beside("validator").unlink(missing_ok=True)


@contextlib.contextmanager
def locked(wanted: Wanted, stop: threading.Event) -> Iterator[Path]:
    """Hold the lock of a file and give the path of its part.

    Raises
    ------
    BadInput
        The cache is not writable.
    Stopped
        Another file failed while this one waited for its lock.
    """
    try:
        wanted.target.parent.mkdir(parents=True, exist_ok=True)
        lock = _acquire(wanted, stop)
    except OSError as error:
        raise BadInput(not_writable(wanted, error)) from error
    if lock is None:
        own = f"{socket.gethostname()}-{os.getpid()}-{threading.get_ident()}"
        yield wanted.beside(f"{own}.part")
        return
    try:
        yield wanted.beside("part")
    finally:
        # A run that waits notices that the file it opened is gone, and locks a new one.
        wanted.beside("lock").unlink(missing_ok=True)
        lock.release()


def not_writable(wanted: Wanted, error: OSError) -> str:
    """Say that a file is missing from a cache that cannot be written."""
    state = "is damaged in" if wanted.target.exists() else "is not in"
    if error.errno in FULL:
        return f"no space left for {wanted.target}; free some, or give another --cache_dir"
    return (
        f"{wanted.target.name} {state} the cache, and {wanted.target.parent} cannot be written "
        f"({error.strerror}); run --stage fetch where it can, or give another --cache_dir"
    )


def _acquire(wanted: Wanted, stop: threading.Event) -> FileLock | None:
    """Lock a file's lock; None where the file system has no locks."""
    lock = FileLock(wanted.beside("lock"), fallback_to_soft=False)
    try:
        with contextlib.suppress(Timeout):
            lock.acquire(blocking=False)
            return lock
        say(f"{wanted.target.name}: another run is fetching it; waiting")
        lock.acquire(poll_interval=POLL_SECONDS, cancel_check=stop.is_set)
    except Timeout:
        raise Stopped from None
    except OSError as error:
        if error.errno not in NO_LOCKS:
            raise
        wanted.beside("lock").unlink(missing_ok=True)
        return None
    return lock


class Stopped(Exception):
    """Another file has failed, so this one is given up."""
