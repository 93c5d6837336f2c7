"""A disk that is full or closed is an error that names the folder, in whatever is being written."""

import os
import shutil
import subprocess
import sys
from collections.abc import Iterator
from pathlib import Path

import pytest

from lateralization.disk import disk_problem
from lateralization.errors import BadInput
from lateralization.files import writing

BIN = Path(__file__).resolve().parents[2] / "bin"


@pytest.fixture
def tiny_disk(tmp_path: Path) -> Iterator[Path]:
    """Give a file system of 64 kB."""
    place = tmp_path / "tiny"
    place.mkdir()
    mount = ["mount", "-t", "tmpfs", "-o", "size=64k", "tmpfs", str(place)]
    if not shutil.which("mount") or subprocess.run(mount, check=False).returncode:
        pytest.skip("no file system can be mounted here")
    yield place
    subprocess.run(["umount", str(place)], check=True)


WRITERS = {
    "tables": "write_table(pd.DataFrame({'a': range(100000)}), 'out.tsv')",
    "JSON": "write_json(list(range(100000)), 'out.json')",
    "tensors": "save_tensors('out.safetensors', {'a': np.zeros(100000)})",
    "a map": "save_volume(np.random.rand(40, 40, 40), np.eye(4), Path('out.nii.gz'))",
    "a figure": "plt.imsave('out.png', np.random.rand(500, 500))",
    "bytes without a name": "open('out', 'wb').write(bytes(1000000))",
    "an array": "np.save('out.npy', np.zeros(100000))",
}

COMMAND = """
import argparse
from pathlib import Path
import matplotlib.pyplot as plt
import numpy as np
import pandas as pd
from lateralization.command import run
from lateralization.files import save_tensors, write_json, write_table
from lateralization.volumes import save_volume

def main(arguments):
    {writes}

run(main, argparse.ArgumentParser(prog='stage'))
"""


@pytest.mark.slow
@pytest.mark.parametrize("what", WRITERS)
def test_a_full_disk_is_named_by_its_folder(what: str, tiny_disk: Path, tmp_path: Path) -> None:
    """In a task's folder, where the log that is to hold the message is, too."""
    script = tmp_path / "stage.py"
    script.write_text(COMMAND.format(writes=WRITERS[what]))
    with (tiny_disk / ".command.err").open("w") as log:
        done = subprocess.run(
            [sys.executable, str(script)],
            cwd=tiny_disk, stderr=log, check=False,
            env=os.environ | {"PYTHONPATH": str(BIN), "MPLBACKEND": "Agg"},
        )  # fmt: skip
    said = (tiny_disk / ".command.err").read_text()
    assert done.returncode == 65, said
    if what in ("tables", "JSON", "tensors", "a map"):  # the others leave no space for a message
        assert f"no space is left in {tiny_disk}" in said.splitlines()[-1]
        assert "Traceback" not in said


def test_a_full_log_changes_no_exit_code(tiny_disk: Path, tmp_path: Path) -> None:
    script = tmp_path / "stage.py"
    lines = "import argparse\nfrom lateralization.command import run\n"
    lines += "from lateralization.errors import BadInput\n"
    lines += "def main(arguments):\n    raise BadInput('x' * 200_000)\n"
    script.write_text(lines + "run(main, argparse.ArgumentParser())\n")
    with (tiny_disk / "log").open("w") as log:
        done = subprocess.run(
            [sys.executable, str(script)], stdout=log, stderr=log, check=False,
            env=os.environ | {"PYTHONPATH": str(BIN)},
        )  # fmt: skip
    assert done.returncode == 65


@pytest.mark.parametrize(
    ("error", "said"),
    [
        (OSError(28, "No space left on device", "/data/x/part"), "no space is left in /data/x;"),
        (OSError(122, "Disk quota exceeded"), "the disk quota is used up in /task/t;"),
        (OSError(30, "Read-only file system"), "read-only for /task/t/out.tsv"),
        (PermissionError(13, "Permission denied", "/in/a.tsv"), "denied for /in/a.tsv"),
        (RuntimeError("io: No space left on device (os error 28)"), "no space is left in /task/t;"),
        (ValueError("bad"), None),
        (ConnectionResetError(104, "reset"), None),
        (FileNotFoundError(2, "No such file", "/x"), None),
    ],
)
def test_errors_of_the_disk_are_told_from_others(error: Exception, said: str | None) -> None:
    found = disk_problem(error, "/task/t/out.tsv")
    assert found == said if said is None else said in str(found)


def test_what_the_network_refuses_is_no_error_of_the_disk() -> None:
    assert disk_problem(PermissionError(13, "Permission denied")) is None


def test_the_folder_that_is_full_is_found(tiny_disk: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr("tempfile.tempdir", str(tiny_disk))
    with pytest.raises(OSError, match="No space"):
        (tiny_disk / "x").write_bytes(bytes(100_000))
    assert f"in {tiny_disk};" in str(disk_problem(OSError(28, "No space left on device")))


def test_writing_leaves_nothing_on_a_full_disk(tiny_disk: Path) -> None:
    with pytest.raises(BadInput, match=f"no space is left in {tiny_disk}/sub;"):
        _write(tiny_disk / "sub" / "out", 100_000)
    assert not list((tiny_disk / "sub").iterdir())
    _write(tiny_disk / "sub" / "out", 1000)


def _write(path: Path, n_bytes: int) -> None:
    with writing(path) as temporary:
        temporary.write_bytes(bytes(n_bytes))
