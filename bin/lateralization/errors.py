"""The failures that a user can mend, each with its exit code (see the README)."""

from collections.abc import Iterator
from contextlib import contextmanager

FULL = (
    "allocate memory",
    "CUDA error: out of memory",
    "CUBLAS_STATUS_ALLOC_FAILED",
    "CUDNN_STATUS_ALLOC_FAILED",
)
"""What torch and the libraries below it say when memory is short, in errors of a general kind."""


class BadInput(Exception):
    """Something the user gave is wrong: one line that says what, where and how to mend it."""

    exit_code = 65


class Transient(Exception):
    """A failure that may pass by itself (network): the pipeline tries the task again."""

    exit_code = 75


def is_out_of_memory(error: BaseException) -> bool:
    """Tell host and GPU memory failures from other errors without importing torch."""
    if isinstance(error, MemoryError) or type(error).__name__ == "OutOfMemoryError":
        return True
    return isinstance(error, RuntimeError) and any(text in str(error) for text in FULL)


def one_line(error: BaseException, longest: int = 300) -> str:
    """Return an error's message on one line of at most ``longest`` characters, or its type."""
    return " ".join(str(error).split())[:longest] or type(error).__name__


@contextmanager
def as_bad_input(what: str) -> Iterator[None]:
    """Turn what libraries raise for a damaged file, of whatever type, into one line.

    Raises
    ------
    BadInput
        Something else than a lack of memory is raised.
    """
    try:
        yield
    except BaseException as error:
        panic = type(error).__name__ == "PanicException"  # of Rust, which is no Exception
        if isinstance(error, BadInput) or is_out_of_memory(error):
            raise
        if not panic and not isinstance(error, Exception):
            raise
        raise BadInput(f"{what} cannot be used: {one_line(error)}") from error
