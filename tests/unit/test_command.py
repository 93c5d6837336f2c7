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


@pytest.mark.parametrize("words", [["--n", "many"], ["--nn", "1"], [], ["--n", "1", "left over"]])
def test_a_wrong_command_line_is_bad_input_and_calls_nothing(words, capsys, monkeypatch):
    parser = argparse.ArgumentParser(prog="made")
    parser.add_argument("--n", type=int, required=True)
    monkeypatch.setattr("sys.argv", ["made", *words])
    with pytest.raises(SystemExit) as left:
        run(lambda _arguments: pytest.fail("called"), parser)
    assert left.value.code == 65
    assert capsys.readouterr().err.splitlines()[-1].startswith("made: error: ")


def test_help_is_no_mistake(capsys, monkeypatch):
    monkeypatch.setattr("sys.argv", ["made", "--help"])
    with pytest.raises(SystemExit) as left:
        run(lambda _arguments: pytest.fail("called"), argparse.ArgumentParser(prog="made"))
    assert left.value.code == 0
    assert "usage: made" in capsys.readouterr().out


def test_a_bug_leaves_1_and_says_where(capsys, monkeypatch):
    monkeypatch.setattr("sys.argv", ["made"])
    with pytest.raises(SystemExit) as left:
        run(lambda _arguments: {}["a"], argparse.ArgumentParser(prog="made"))
    assert left.value.code == 1
    assert "KeyError" in capsys.readouterr().err
