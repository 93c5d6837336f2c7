"""Cases for parsers: valid files with what they say, and the same files spoilt.

A case is valid (its value is known) or spoilt. A parser may refuse a spoilt file with one line, or
read it as a second reading, written here on its own, does.
"""

import os
import struct
from collections import Counter
from collections.abc import Callable
from dataclasses import dataclass
from typing import Any

from hypothesis import HealthCheck, Phase, given, settings
from hypothesis import strategies as st

from lateralization.errors import BadInput
from lateralization.problems import Problems

CASES = int(os.environ.get("FUZZ_CASES", "250"))
VALID = 0.2
"""Least share of valid cases."""

HOSTILE = [
    "", " ", '"', "'", "\t", "\n", "\r", "\0", ",", ";", "$(touch x)", "`touch x`", "../x", "/etc",
    "<script>", "é", "\u2028", "\ufeff", "NA", "nan", "inf", "-1", "1e999", "True", "null", "²",
    "1_0", "0x10", "9" * 400, "--out", "\\", "#",
]  # fmt: skip
"""What goes into cells, beside random text."""

WORDS = st.text(st.characters(codec="utf-8", categories=["L"]), min_size=1, max_size=6)


@dataclass
class Case:
    """A file's content, and whether it is as it should be; ``known`` is what it says."""

    content: bytes
    valid: bool
    known: Any = None


def hostile() -> st.SearchStrategy[str]:
    """Cells that should not be there."""
    return st.sampled_from(HOSTILE) | st.text(max_size=5)


@st.composite
def spoilt(draw: st.DrawFn, content: bytes) -> bytes:
    """Cut, change or add a few bytes."""
    data = bytearray(content)
    for _ in range(draw(st.integers(1, 3))):
        at = draw(st.integers(0, max(len(data) - 1, 0)))
        kind = draw(st.sampled_from(["cut", "change", "add", "end", "double"]))
        if kind == "cut":
            del data[at : at + draw(st.integers(1, 20))]
        elif kind == "change" and data:
            data[at] = draw(st.integers(0, 255))
        elif kind == "add":
            data[at:at] = draw(st.binary(min_size=1, max_size=4)) or b"?"
        elif kind == "end":
            del data[at:]
        else:
            data[at:at] = data[at : at + 30]
    return bytes(data)


@st.composite
def tables(draw: st.DrawFn, header: list[str], rows: list[list[str]], separator: str) -> bytes:
    """Spoil a table: a cell, a column's name, the width of one row or of all, or its bytes."""
    header, rows = list(header), [list(row) for row in rows]
    kind = draw(st.sampled_from(["cell", "column", "name", "wider", "widest", "shorter", "bytes"]))
    row = rows[draw(st.integers(0, len(rows) - 1))]
    at = draw(st.integers(0, len(header) - 1))
    if kind == "cell":
        row[at] = draw(hostile())
    elif kind == "column":
        cell = draw(hostile())
        for each in rows:
            each[at] = cell
    elif kind == "name":
        header[at] = draw(hostile() | st.sampled_from(header))
    elif kind == "wider":
        row.insert(at, draw(hostile() | st.just("1")))
    elif kind == "widest":
        for each in rows:
            each.append(draw(st.sampled_from(["", "1", "x"])))
    elif kind == "shorter":
        del row[at:]
    text = "\n".join(separator.join(each) for each in [header, *rows]) + "\n"
    content = text.encode("utf-8", "surrogatepass")
    return draw(spoilt(content)) if kind == "bytes" else content


def fuzz(cases: st.SearchStrategy[Case], check: Callable[[Case], str]) -> None:
    """Run ``check`` on ``CASES`` cases; it returns ``valid``, ``refused`` or ``read``.

    The few hundred of every day are always the same; more of them are drawn anew.
    """
    tally: Counter[str] = Counter()

    @settings(
        max_examples=CASES,
        deadline=None,
        database=None,
        phases=[Phase.generate],  # making a failing case smaller takes minutes
        derandomize=CASES <= 500,
        suppress_health_check=list(HealthCheck),
    )
    @given(cases)
    def each(case: Case) -> None:
        outcome = check(case)
        assert outcome == "valid" or not case.valid, f"a valid file is {outcome}"
        tally[outcome] += 1

    each()
    assert sum(tally.values()) >= CASES
    assert tally["valid"] >= VALID * sum(tally.values()), tally
    assert tally["refused"], tally


def one_line(message: str) -> None:
    """Check that a refusal is one line that says something."""
    assert message.strip()
    assert "\n" not in message.strip()
    assert "Traceback" not in message


def refused(read: Callable[[], Any]) -> tuple[bool, Any]:
    """Return whether a file is refused, and else what it says."""
    try:
        return False, read()
    except BadInput as error:
        one_line(str(error))
        return True, None


def noted(problems: Problems) -> bool:
    """Return whether mistakes were noted, each in one line."""
    for problem in problems:
        one_line(problem)
    return bool(problems)


def with_header(content: bytes, *edits: tuple[int, str, tuple[Any, ...]]) -> bytes:
    """Change fields of a NIfTI that is not compressed: offset, form (``struct``) and values."""
    changed = bytearray(content)
    for offset, form, values in edits:
        struct.pack_into(form, changed, offset, *values)
    return bytes(changed)
