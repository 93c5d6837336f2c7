"""How far a download is: files, bytes, rate and time left, a line at a time."""

import threading
import time

from lateralization.command import say

MEGABYTE = 1e6
EVERY = 5.0
"""Seconds between lines."""


class Meter:
    """Counts files and bytes of several threads and says so at most every few seconds.

    Parameters
    ----------
    label
        First word of each line.
    n_files
        Files in all.
    n_bytes
        Bytes in all; None when that is not known.
    """

    def __init__(self, label: str, n_files: int, n_bytes: int | None) -> None:
        self.label, self.n_files, self.n_bytes = label, n_files, n_bytes
        self.files = 0
        self.bytes = 0
        self.received = 0
        self._lock = threading.Lock()
        self._start = self._last = time.monotonic()

    def add(self, n_bytes: int, received: bool = True) -> None:
        """Count bytes that are here; ``received`` ones came over the network just now."""
        with self._lock:
            self.bytes += n_bytes
            if received:
                self.received += n_bytes
            now = time.monotonic()
            if now - self._last < EVERY:
                return
            self._last = now
        say(self.line())

    def end_file(self) -> None:
        """Count one file that is whole."""
        with self._lock:
            self.files += 1

    def line(self) -> str:
        """Return the state as one line."""
        seconds = max(time.monotonic() - self._start, 1e-6)
        rate = self.received / seconds
        total = "" if self.n_bytes is None else f"/{self.n_bytes / MEGABYTE:.1f}"
        text = (
            f"{self.label}: {self.files}/{self.n_files} files, {self.bytes / MEGABYTE:.1f}{total} "
            f"MB, {rate / MEGABYTE:.1f} MB/s"
        )
        left = 0 if self.n_bytes is None else self.n_bytes - self.bytes
        return f"{text}, {left / rate:.0f} s left" if left > 0 and rate > 0 else text
