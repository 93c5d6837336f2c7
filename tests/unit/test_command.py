"""What a command leaves with when something goes wrong."""

import argparse

import pytest

from lateralization.command import run
from lateralization.errors import BadInput, Transient


class OutOfMemoryError(RuntimeError):
    """As torch names a full GPU."""


CASES = [
    (BadInput("no such file"), 65, "made: no such file"),
    (Transient("no answer;\ntry again"), 75, "made: no answer; try again"),
    (MemoryError("1 GiB"), 137, "made: out of memory: 1 GiB"),
    (OutOfMemoryError("CUDA"), 137, "made: out of memory: CUDA"),
]


@pytest.mark.parametrize(("error", "code", "line"), CASES)
def test_what_can_be_mended_leaves_one_line_and_its_code(error, code, line, capsys, monkeypatch):
    def main(_arguments):
        raise error

    monkeypatch.setattr("sys.argv", ["made"])
    with pytest.raises(SystemExit) as left:
        run(main, argparse.ArgumentParser(prog="made"))
    assert left.value.code == code
    assert capsys.readouterr().err == f"{line}\n"


def test_a_bug_leaves_1_and_says_where(capsys, monkeypatch):
    monkeypatch.setattr("sys.argv", ["made"])
    with pytest.raises(SystemExit) as left:
        run(lambda _arguments: {}["a"], argparse.ArgumentParser(prog="made"))
    assert left.value.code == 1
    assert "KeyError" in capsys.readouterr().err
