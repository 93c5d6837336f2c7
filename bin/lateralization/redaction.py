"""No line of a command holds a secret, however a library quotes it in an error or a warning.

Errors of HTTP libraries quote headers, as they are or escaped, whole or cut off. So all that a
command prints passes through here, and whatever six characters in a row of a secret appear are
masked.
"""

import json
import os
import re
import sys
from collections.abc import Iterable
from functools import cache
from typing import IO, Any
from urllib.parse import quote, quote_plus

VARIABLES = ("HF_TOKEN", "HUGGING_FACE_HUB_TOKEN")
"""Environment variables that hold a secret."""

LENGTH = 6
"""Characters of a secret in a row that no line may have."""

SHORTEST = 4
"""Shorter texts are no secrets; masking them would make lines unreadable."""

MASK = "***"


def redacted(text: str) -> str:
    """Return a text without the secrets of the environment, and without passwords in addresses."""
    text = re.sub(r"(?<=//)[^/\s]+@", f"{MASK}@", text)  # a password may itself hold an @
    hidden = _fragments(tuple(os.environ.get(name, "") for name in VARIABLES))
    masked = bytearray(len(text))
    for length, fragments in hidden.items():
        for start in range(len(text) - length + 1):
            if text[start : start + length] in fragments:
                masked[start : start + length] = b"\1" * length
    if not any(masked):
        return text
    parts = re.finditer(rb"\x01+|\x00+", masked)
    return "".join(MASK if part[0][0] else text[part.start() : part.end()] for part in parts)


@cache
def _fragments(secrets: tuple[str, ...]) -> dict[int, set[str]]:
    """Return what must not appear, by length: all fragments of all spellings of the secrets."""
    found: dict[int, set[str]] = {}
    for secret in secrets:
        for spelling in _spellings(secret):
            length = min(LENGTH, len(spelling))
            starts = range(len(spelling) - length + 1)
            found.setdefault(length, set()).update(spelling[at : at + length] for at in starts)
    return found


def _spellings(secret: str) -> Iterable[str]:
    """Return the ways in which libraries write a text: escaped, quoted, decoded, or its words."""
    raw = secret.encode(errors="surrogateescape")
    yield from (
        spelling
        for spelling in (
            *(secret.strip(), " ".join(secret.split()), *secret.split()),
            *(repr(secret)[1:-1], ascii(secret)[1:-1], repr(raw)[2:-1]),
            *(json.dumps(secret)[1:-1], json.dumps(secret, ensure_ascii=False)[1:-1]),
            *(quote(raw, safe=""), quote_plus(raw), raw.decode("latin-1").strip()),
        )
        if len(spelling) >= SHORTEST
    )


class _Redacting:
    """A text stream that masks secrets in what is written to another one."""

    def __init__(self, stream: IO[str]) -> None:
        self._stream = stream

    def write(self, text: str) -> int:
        """Write a text without secrets."""
        self._stream.write(redacted(text))
        return len(text)

    def writelines(self, lines: Iterable[str]) -> None:
        """Write several texts without secrets."""
        for line in lines:
            self.write(line)

    def __getattr__(self, name: str) -> Any:
        return getattr(self._stream, name)


def hide_secrets() -> None:
    """Mask secrets in all that Python prints from now on, tracebacks included.

    Without a token too: addresses may hold a password. What native code writes to the file
    descriptors does not pass through here.
    """
    if not isinstance(sys.stderr, _Redacting):
        sys.stdout, sys.stderr = _Redacting(sys.stdout), _Redacting(sys.stderr)
