"""What every command shares: exit codes, one-line messages, progress in the log."""

import argparse
import sys
import traceback
from collections.abc import Callable, Iterable, Iterator
from typing import NoReturn, TypeVar

from tqdm import tqdm

from lateralization.errors import BadInput, Transient

Item = TypeVar("Item")

OUT_OF_MEMORY = 137
BUG = 1


def say(text: str) -> None:
    """Print one line to the task's log (stderr)."""
    print(" ".join(text.split("\n")), file=sys.stderr, flush=True)


def progress(items: Iterable[Item], label: str, total: int | None = None) -> Iterator[Item]:
    """Iterate over ``items`` and show how far the work is, at most every two seconds."""
    yield from tqdm(items, desc=label, total=total, mininterval=2.0, file=sys.stderr, ascii=True)


def _is_out_of_memory(error: BaseException) -> bool:
    """Tell host and GPU memory failures from other errors without importing torch."""
    return isinstance(error, MemoryError) or type(error).__name__ == "OutOfMemoryError"


def run(main: Callable[[argparse.Namespace], None], parser: argparse.ArgumentParser) -> NoReturn:
    """Parse the command line, call ``main`` and leave with the exit code of what happened.

    Bad input leaves with 65 and one line, a passing failure with 75, lack of memory (host or
    GPU) with 137 so that the pipeline retries with more, anything else is a bug: traceback and 1.
    """
    arguments = parser.parse_args()
    try:
        main(arguments)
    except (BadInput, Transient) as error:
        say(f"{parser.prog}: {error}")
        sys.exit(error.exit_code)
    except Exception as error:
        if _is_out_of_memory(error):
            say(f"{parser.prog}: out of memory: {error}")
            sys.exit(OUT_OF_MEMORY)
        traceback.print_exc()
        sys.exit(BUG)
    sys.exit(0)
