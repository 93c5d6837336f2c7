"""What every command shares: exit codes, one-line messages, progress in the log."""

import argparse
import sys
import traceback
from collections.abc import Callable, Iterable, Iterator
from typing import NoReturn, TypeVar

from tqdm import tqdm

from lateralization.errors import BadInput, Transient, is_out_of_memory

Item = TypeVar("Item")

OUT_OF_MEMORY = 137
BUG = 1


def say(text: str) -> None:
    """Print one line to the task's log (stderr)."""
    print(" ".join(text.split("\n")), file=sys.stderr, flush=True)


def progress(items: Iterable[Item], label: str, total: int | None = None) -> Iterator[Item]:
    """Iterate over ``items`` and show how far the work is, at most every two seconds."""
    yield from tqdm(items, desc=label, total=total, mininterval=2.0, file=sys.stderr, ascii=True)


def exit_code(error: BaseException) -> int:
    """Return what a command leaves with: 65 bad input, 75 may pass, 137 memory, 1 a bug."""
    if isinstance(error, BadInput | Transient):
        return error.exit_code
    return OUT_OF_MEMORY if is_out_of_memory(error) else BUG


def _parsed(parser: argparse.ArgumentParser) -> argparse.Namespace:
    """Parse the command line; a wrong one, of which argparse has told, is bad input."""
    try:
        return parser.parse_args()
    except SystemExit as left:
        sys.exit(BadInput.exit_code if left.code else 0)


def run(main: Callable[[argparse.Namespace], None], parser: argparse.ArgumentParser) -> NoReturn:
    """Parse the command line, call ``main`` and leave with the exit code of what happened.

    Bad input, a wrong command line included, leaves with 65 and one line, a passing failure with
    75, lack of memory (host or GPU) with 137 so that the pipeline retries with more, anything else
    is a bug: traceback and 1.
    """
    arguments = _parsed(parser)
    try:
        main(arguments)
    except Exception as error:
        code = exit_code(error)
        if code == BUG:
            traceback.print_exc()
        else:
            say(f"{parser.prog}: {'out of memory: ' if code == OUT_OF_MEMORY else ''}{error}")
        sys.exit(code)
    sys.exit(0)
