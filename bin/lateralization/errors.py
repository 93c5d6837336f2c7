"""The failures that a user can mend, each with its exit code (see the README)."""


class BadInput(Exception):
    """Something the user gave is wrong: one line that says what, where and how to mend it."""

    exit_code = 65


class Transient(Exception):
    """A failure that may pass by itself (network): the pipeline tries the task again."""

    exit_code = 75
