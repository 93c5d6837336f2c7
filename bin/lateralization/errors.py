"""The failures that a user can mend, each with its exit code (see the README)."""

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
