"""Damage to files, drawn from a seed: what `test_mutations.py` does to each kind of user's file."""

import os
import random
import struct
from collections import Counter
from collections.abc import Callable
from pathlib import Path
from typing import Any

import nibabel as nib
import numpy as np

from helpers.fuzzing import one_line
from lateralization.errors import BadInput

SEEDS = int(os.environ.get("MUTATIONS", "100"))

Mutate = Callable[[random.Random, bytes], bytes]
Read = Callable[[Path], Any]


def equal(one: Any, other: Any) -> bool:
    """Compare what two readings gave: arrays by value, NaN equal to NaN."""
    if isinstance(one, np.ndarray) or isinstance(other, np.ndarray):
        one, other = np.asarray(one), np.asarray(other)
        return one.shape == other.shape and np.array_equal(one, other, equal_nan=one.dtype != "O")
    if isinstance(one, dict) and isinstance(other, dict):
        return one.keys() == other.keys() and all(equal(one[key], other[key]) for key in one)
    if isinstance(one, list | tuple) and isinstance(other, list | tuple):
        return len(one) == len(other) and all(map(equal, one, other))
    return bool(one == other)


def close(one: Any, other: Any) -> bool:
    """Compare two arrays but for rounding; NaN is equal to NaN."""
    return one.shape == other.shape and np.allclose(one, other, 1e-5, 1e-6, equal_nan=True)


def survives(
    path: Path,
    mutate: Mutate,
    read: Read,
    second: Read | None = None,
    same: Callable[[Any, Any], bool] = equal,
    seeds: int = SEEDS,
) -> Counter[str]:
    """Read a file under mutations of so many seeds: each is refused in one line, or harmless.

    Harmless is what gives the same as the whole file, or, where a second reading of the mutated
    file is given, what that finds: the mutation made another file, and it is read as it stands.
    """
    content = path.read_bytes()
    whole, tally, wrong = read(path), Counter[str](), []
    for seed in range(seeds):
        mutated = mutate(random.Random(seed), content)
        path.write_bytes(mutated)
        try:
            found = read(path)
        except BadInput as error:
            one_line(str(error))
            tally["refused"] += 1
            continue
        except Exception as error:
            wrong.append(f"seed {seed}: {type(error).__name__}: {str(error)[:200]}")
            continue
        if same(found, whole):
            tally["equal"] += 1
        elif second is not None and _agrees(found, second, path, same):
            tally["as written"] += 1
        else:
            wrong.append(f"seed {seed}: another result, and nothing was said")
    path.write_bytes(content)
    assert not wrong, wrong
    assert tally["refused"] >= seeds / 10, tally
    return tally


def _agrees(found: Any, second: Read, path: Path, same: Callable[[Any, Any], bool]) -> bool:
    try:
        return same(found, second(path))
    except Exception:  # the second reading refuses what the first has read
        return False


def damage(rng: random.Random, content: bytes) -> bytes:
    """Cut, drop, blank, double, move or change bytes, as disks and transfers do."""
    data, n = bytearray(content), len(content)
    at = rng.randrange(n)
    size = min(rng.choice([1, 2, 7, 64, 512]), n - at)
    kind = rng.choice(["cut", "drop", "blank", "double", "move", "flip", "insert", "end", "html"])
    if kind == "cut":
        del data[at:]
    elif kind == "drop":
        del data[at : at + size]
    elif kind == "blank":
        data[at : at + size] = bytes(size)
    elif kind == "double":
        data[at:at] = data[at : at + size]
    elif kind == "move":
        piece = data[at : at + size]
        del data[at : at + size]
        place = rng.randrange(len(data) + 1)
        data[place:place] = piece
    elif kind == "flip":
        data[at] ^= 1 << rng.randrange(8)
    elif kind == "insert":
        data[at:at] = rng.randbytes(size)
    elif kind == "end":
        data += rng.choice([b"\0" * size, b"\n", rng.randbytes(size)])
    else:
        data[:] = b"<html><body>503 Service Unavailable</body></html>\n"
    return bytes(data)


FLOATS = (float("nan"), float("inf"), -float("inf"), 0.0, -1.0, 1.0, 2.5, 1e30, -1e30, 1e-30)
WHOLE = (-1, 0, 1, 2, 3, 4, 5, 7, 8, 16, 64, 99, 127, 255, 32767, -32768)
FIELDS = nib.Nifti1Header.template_dtype
VALUES = {
    "scl_slope", "scl_inter", "datatype", "sform_code", "qform_code", "srow_x", "srow_y", "srow_z",
    "quatern_b", "quatern_c", "quatern_d", "qoffset_x", "qoffset_y", "qoffset_z", "pixdim",
}  # fmt: skip
"""Fields whose valid values make another file of the same form; all others must change nothing."""


def header_fields(rng: random.Random, content: bytes) -> bytes:
    """Write one or two fields of a NIfTI header anew: any field, within its range or not."""
    header = np.frombuffer(content[:348], FIELDS).copy()
    for name in rng.choices(FIELDS.names, k=rng.choice([1, 1, 2])):
        flat = header[name].reshape(-1)
        at = rng.randrange(flat.size)
        if flat.dtype.kind == "f":
            flat[at] = rng.choice([*FLOATS, struct.unpack("<f", rng.randbytes(4))[0]])
        elif flat.dtype.kind in "iu":
            flat[at] = np.array(rng.choice([*WHOLE, rng.randrange(65536)])).astype(flat.dtype)
        else:
            flat[at] = rng.randbytes(flat.dtype.itemsize)
        header[name] = flat.reshape(header[name].shape)
    return header.tobytes() + content[348:]


def changed_fields(content: bytes, other: bytes) -> set[str]:
    """Return the header fields in which two files differ."""
    one, two = (np.frombuffer(data[:348], FIELDS)[0] for data in (content, other))
    return {name for name in FIELDS.names if one[name].tobytes() != two[name].tobytes()}


CELLS = ("", " ", "nan", "NaN", "inf", "-1e999", "1_0", "0x10", "1,5", "²", "\0", '"', "n/a",
         "None", "9" * 400, "é", "\u2028", "#REF!", "1e3")  # fmt: skip


KINDS = (
    "cell", "cell", "column", "header", "swap", "drop", "double", "exchange", "short", "long",
    "widest", "separator", "one separator", "decimal", "ends", "encoding", "bytes", "quote",
    "blank",
)  # fmt: skip


def table_damage(separator: str) -> Mutate:
    """Damage a table as spreadsheets, editors and transfers do."""
    other = ";" if separator == "," else ","

    def mutate(rng: random.Random, content: bytes) -> bytes:
        kind = rng.choice(KINDS)
        lines = [line.split(separator) for line in content.decode().splitlines()]
        if kind == "one separator":
            row = rng.randrange(len(lines))
            lines[row] = [other.join(lines[row])]
        lines = _rows_damaged(rng, kind, lines)
        text = "\n".join(separator.join(line) for line in lines) + "\n"
        if kind == "separator":
            text = text.replace(separator, rng.choice([other, "|", " ", "\t", ";"]))
        elif kind == "decimal":
            text = text.replace(".", ",")
        elif kind == "ends":
            text = text.replace("\n", rng.choice(["\r\n", "\r", "\n\n", "\u2028"]))
        elif kind == "encoding":
            return (text + "é").encode(rng.choice(["utf-16", "utf-8-sig", "latin-1", "utf-32"]))
        return damage(rng, text.encode()) if kind == "bytes" else text.encode()

    return mutate


def _rows_damaged(rng: random.Random, kind: str, lines: list[list[str]]) -> list[list[str]]:
    """Damage cells, rows or columns; other kinds leave them as they are."""
    row, at = rng.randrange(len(lines)), rng.randrange(len(lines[0]))
    cell = min(at, len(lines[row]) - 1)
    if kind == "cell":
        lines[row][cell] = rng.choice(CELLS)
    elif kind == "column":
        lines = [line[:at] + line[at + 1 :] for line in lines]
    elif kind == "header":
        lines[0][at] = rng.choice([*CELLS, *lines[0], lines[0][at].upper(), lines[0][at] + " "])
    elif kind == "swap":
        lines[row].reverse()
    elif kind == "drop":
        del lines[row]
    elif kind == "double":
        lines.insert(row, list(lines[row]))
    elif kind == "exchange":
        lines[row], lines[-1] = lines[-1], lines[row]
    elif kind == "short":
        del lines[row][at:]
    elif kind == "long":
        lines[row].insert(at, rng.choice([*CELLS, "1"]))
    elif kind == "widest":
        lines = [[*line, "1"] for line in lines]
    elif kind == "quote":
        lines[row][cell] += '"'
    elif kind == "blank":
        lines.insert(row, [rng.choice(["", " "])])
    return lines
