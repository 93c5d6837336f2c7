"""An S3-compatible server on loopback (moto), and what lets the engine's Java reach it.

moto needs an older python-dateutil than the pipeline, so it lives in an environment of its own,
which ``make s3-server`` makes; without it these tests skip, and fail in CI.
"""

import os
import socket
import subprocess
import time
from collections.abc import Iterator
from contextlib import contextmanager
from pathlib import Path

import pytest
import requests

FOLDER = Path(__file__).resolve().parents[2] / ".venv" / "s3"
PYTHON = FOLDER / "bin" / "python"
JARS = FOLDER / "java" / "lib"


def for_java() -> dict[str, str]:
    """Return the variables by which the engine knows addresses ``s3x://HOST:PORT/BUCKET/…``."""
    return {
        "NXF_CLASSPATH": f"{JARS}/*",
        "NXF_OPTS": "-Ds3.spi.endpoint-protocol=http -Ds3.spi.force-path-style=true",
        "AWS_ACCESS_KEY_ID": "any",
        "AWS_SECRET_ACCESS_KEY": "any",
        "AWS_REGION": "us-east-1",
    }


@contextmanager
def serving_s3() -> Iterator[str]:
    """Serve an empty store and yield its address."""
    if not (PYTHON.exists() and JARS.is_dir()):
        reason = "no S3 server: run `make s3-server`"
        pytest.fail(reason) if os.environ.get("REQUIRE_ENGINES") == "1" else pytest.skip(reason)
    with socket.socket() as probe:
        probe.bind(("127.0.0.1", 0))
        port = probe.getsockname()[1]
    address = f"http://127.0.0.1:{port}"
    command = [PYTHON, "-m", "moto.server", "-H", "127.0.0.1", "-p", str(port)]
    running = subprocess.Popen(command, stdout=subprocess.DEVNULL, stderr=subprocess.DEVNULL)
    try:
        deadline = time.monotonic() + 300
        while not _answers(address):
            assert running.poll() is None, "the server has ended"
            assert time.monotonic() < deadline
            time.sleep(0.1)
        yield address
    finally:
        running.terminate()
        running.wait()


def _answers(address: str) -> bool:
    try:
        return requests.get(address, timeout=60).ok
    except requests.ConnectionError:
        return False
