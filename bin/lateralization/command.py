"""What every command shares: exit codes, one-line messages, progress in the log."""

import argparse
import os
import sys
import traceback
from collections.abc import Callable, Iterable, Iterator
from contextlib import suppress
from typing import NoReturn, TypeVar

from tqdm import tqdm

from lateralization.disk import disk_problem
from lateralization.errors import BadInput, Transient, is_out_of_memory
from lateralization.redaction import hide_secrets

Item = TypeVar("Item")

OUT_OF_MEMORY = 137
BUG = 1


class Log:
    """The task's log (stderr), for ``tqdm`` too; a full disk under it ends no work."""

    def write(self, text: str) -> None:
        """Write text, if its disk takes it."""
        with suppress(OSError):
            sys.stderr.write(text)

    def flush(self) -> None:
        """Flush, if its disk takes it."""
        with suppress(OSError):
            sys.stderr.flush()


LOG = Log()


def say(text: str) -> None:
    """Print one line to the task's log; a meter that is drawn there goes on below it."""
    tqdm.write(" ".join(text.split("\n")) + "\n", file=LOG, end="")
    LOG.flush()


def progress(items: Iterable[Item], label: str, total: int | None = None) -> Iterator[Item]:
    """Iterate over ``items`` and show how far the work is, at most every two seconds."""
    yield from tqdm(items, desc=label, total=total, mininterval=2.0, file=LOG, ascii=True)


def exit_code(error: BaseException) -> int:
    """Return what a command leaves with: 65 bad input, 75 may pass, 137 memory, 1 a bug."""
    if isinstance(error, BadInput | Transient):
        return error.exit_code
    if is_out_of_memory(error):
        return OUT_OF_MEMORY
    return BUG if disk_problem(error) is None else BadInput.exit_code


def beginning(text: str) -> tuple[str, float]:
    """Read a story and its beginning from the command line: ``story-wheels=1.5``."""
    story, _, seconds = text.rpartition("=")
    return story, float(seconds)


def _parsed(parser: argparse.ArgumentParser) -> argparse.Namespace:
    """Parse the command line; a wrong one, of which argparse has told, is bad input."""
    try:
        return parser.parse_args()
    except SystemExit as left:
        sys.exit(BadInput.exit_code if left.code else 0)


def _close_files(error: BaseException | None) -> None:
    """Close the files of failed calls: a message may need their space on a full disk."""
    while error is not None:
        traceback.clear_frames(error.__traceback__)
        error = error.__cause__ or error.__context__


def _give_up_unwritten() -> None:
    """Let go of output that a full disk does not take, which would change the exit code."""
    for stream in (sys.stdout, sys.stderr):
        try:
            stream.flush()
        except OSError:
            os.dup2(os.open(os.devnull, os.O_WRONLY), stream.fileno())


def run(main: Callable[[argparse.Namespace], None], parser: argparse.ArgumentParser) -> NoReturn:
    """Parse the command line, call ``main`` and leave with the exit code of what happened.

    Bad input, a wrong command line and a full disk included, leaves with 65 and one line, a passing
    failure with 75, lack of memory (host or GPU) with 137 so that the pipeline retries with more,
    anything else is a bug: traceback and 1. Nothing that is printed holds a secret.
    """
    arguments = _parsed(parser)
    hide_secrets()
    try:
        main(arguments)
    except Exception as error:
        code = exit_code(error)
        if code == BUG:
            with suppress(OSError):
                traceback.print_exc()
        else:
            told = f"out of memory: {error}" if code == OUT_OF_MEMORY else disk_problem(error)
            told = told or str(error)
            _close_files(error)
            say(f"{parser.prog}: {told}")
        _give_up_unwritten()
        sys.exit(code)
    sys.exit(0)
