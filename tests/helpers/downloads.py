"""A file of a bad server, as the tests of downloads want it."""

import hashlib
import random
import time

from lateralization.sources import download
from lateralization.sources.cache import Wanted
from lateralization.sources.download import Policy

LONG = 300.0
"""Seconds after which a test fails that waits for something; much more than it ever takes."""

CONTENT = random.Random(1).randbytes(3_000_000)
QUICK = Policy(attempts=4, backoff=0.01, connections=3, timeout=(LONG, LONG))
"""Short pauses; a busy machine may take its time to answer."""

IMPATIENT = Policy(attempts=200, backoff=0.01, timeout=(LONG, 1.0))
"""Gives up on a server that says nothing, as often as a busy machine needs."""


def wanted(server, tmp_path, content=CONTENT, name="a", **more):
    pinned = {
        "n_bytes": len(content),
        "algorithm": "md5",
        "digest": hashlib.md5(content, usedforsecurity=False).hexdigest(),
        **more,
    }
    return Wanted(tmp_path / "cache" / name, (f"{server.url}/{name}",), **pinned)


def unpinned(server, tmp_path, name="a"):
    return wanted(server, tmp_path, name=name, n_bytes=None, algorithm="sha256", digest=None)


def fetch(file, policy=QUICK):
    download.download([file], policy)
    assert not [file.beside(ending) for ending in ("part", "lock") if file.beside(ending).exists()]
    return file.target.read_bytes()


def wait_until(true):
    """Wait for a condition; fail when it does not come."""
    deadline = time.monotonic() + LONG
    while not true():
        assert time.monotonic() < deadline, "what is waited for does not happen"
        time.sleep(0.02)


def left_over(file):
    """Return the hidden files beside a file."""
    return {path.name for path in file.target.parent.iterdir() if path.name.startswith(".")}
