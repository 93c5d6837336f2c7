"""Tables and tensors as they are read, and what is refused in their place."""

import json
import struct
from collections.abc import Callable
from pathlib import Path
from typing import Any

import numpy as np
import pandas as pd
import pytest

from helpers.keys import run_keys
from lateralization.baselines.confounds import check_table
from lateralization.baselines.glove import glove_vectors
from lateralization.baselines.own_features import layers_of, read_features
from lateralization.errors import BadInput
from lateralization.files import (
    IS_POINTER,
    LFS_POINTER,
    Rows,
    check_columns,
    open_tensors,
    read_json,
    read_table,
    save_tensors,
    write_table,
)
from lateralization.fmri.atlas import read_labels
from lateralization.plan.sheets import read_sheet
from lateralization.problems import Problems
from lateralization.words.annotation import read_corrections, read_rows

POINTER = LFS_POINTER + b"v1\noid sha256:" + b"0" * 64 + b"\nsize 548105171\n"


def sheet(path: Path) -> None:
    problems = Problems()
    read_sheet(path, problems, [])
    problems.stop()


READERS: dict[str, Callable[[Path], Any]] = {
    "dataset.json": read_json,
    "a_lang-en_words.tsv": lambda path: read_features(path, run_keys(1)),
    "a_lang-en_words.safetensors": layers_of,
    "glove.txt": lambda path: glove_vectors(["a"], path),
    "glove.zip": lambda path: glove_vectors(["a"], path),
    "models.csv": sheet,
    "corrections.tsv": read_corrections,
    "atlas.tsv": read_labels,
    "annotation.csv": read_rows,
    "frequencies.tsv": lambda path: check_table(path, ("word", "logfreq"), ("logfreq",), "mend it"),
}


@pytest.mark.parametrize("name", READERS)
def test_a_pointer_of_git_lfs_is_named(tmp_path: Path, name: str) -> None:
    path = tmp_path / name
    path.write_bytes(POINTER)
    with pytest.raises(BadInput) as caught:
        READERS[name](path)
    assert str(caught.value).endswith(f"{path} {IS_POINTER}")


@pytest.mark.parametrize("name", [name for name in READERS if name.endswith((".csv", ".tsv"))])
@pytest.mark.parametrize("line", ["sep=,", "SEP=;", '"sep=\t"', "sep=,,,,"])
def test_the_line_that_gives_excel_the_separator_is_named(
    tmp_path: Path, name: str, line: str
) -> None:
    path = tmp_path / name
    path.write_text(f"\ufeff{line}\r\nword,onset\r\na,1\r\n", "utf-8", newline="")
    with pytest.raises(BadInput, match=r"(?i)begins with the line .*sep=.*; remove it$"):
        READERS[name](path)


def raw_tensor(path: Path, kind: str, size: int) -> Path:
    """Write one tensor of four numbers of any type, all bits 0."""
    entry = {"dtype": kind, "shape": [2, 2], "data_offsets": [0, size]}
    header = json.dumps({"run-1/layer-0": entry}).encode()
    path.write_bytes(struct.pack("<Q", len(header)) + header + bytes(size))
    return path


@pytest.mark.parametrize(
    ("kind", "size"), [("BF16", 8), ("F8_E4M3", 4), ("F8_E5M2", 4), ("F4", 2), ("C64", 32)]
)
def test_numbers_that_numpy_lacks_are_named(tmp_path: Path, kind: str, size: int) -> None:
    path = raw_tensor(tmp_path / "a_lang-en_words.safetensors", kind, size)
    for read in (layers_of, lambda path: read_features(path, run_keys(1))):
        with pytest.raises(BadInput) as caught:
            read(path)
        assert str(caught.value) == (
            f"cannot read {path}: its tensor 'run-1/layer-0' is of type {kind}, which is not "
            "supported; save it as float32 (F32)"
        )


@pytest.mark.parametrize(
    ("kind", "size"),
    [("F16", 8), ("F32", 16), ("F64", 32), ("I8", 4), ("U16", 8), ("I64", 32), ("BOOL", 4)],
)
def test_numbers_that_numpy_has_are_read(tmp_path: Path, kind: str, size: int) -> None:
    path = raw_tensor(tmp_path / "a.safetensors", kind, size)
    assert Rows(path, "run-1/layer-0")[1].tolist() == [0, 0]


def test_a_folder_in_place_of_tensors_is_named(tmp_path: Path) -> None:
    path = tmp_path / "a_lang-en_words.safetensors"
    path.mkdir()
    with pytest.raises(BadInput, match="it is a folder; give a safetensors file"):
        layers_of(path)


def test_an_error_of_the_caller_is_not_taken_for_one_of_the_file(tmp_path: Path) -> None:
    save_tensors(tmp_path / "a.safetensors", {"a": np.ones(2)})
    with pytest.raises(FileNotFoundError), open_tensors(tmp_path / "a.safetensors"):
        (tmp_path / "other").read_bytes()
    with pytest.raises(BadInput), open_tensors(tmp_path / "a.safetensors") as handle:
        handle.get_tensor("b")


NEEDED = ("word", "onset")
HEADER = "word,note,onset,other\n"


@pytest.mark.parametrize(
    "rows",
    [
        'a,"first line\nsecond, with a comma",1,2\n',
        'a,"first\r\n\r\nthird",1,2\nb,,2,\n',
        'a,x,1,"ends\nhere"\n',
        'a,"two ""marks""\nin it",1,2',
    ],
)
def test_a_cell_of_two_lines_may_stand_where_it_is_not_read(rows: str) -> None:
    content = (HEADER + rows).encode()
    assert check_columns(content, ",", "t.csv", NEEDED)[0] == "word"
    with pytest.raises(BadInput, match="a cell has a line end in it"):
        check_columns(content, ",", "t.csv", ())


@pytest.mark.parametrize(
    ("rows", "says"),
    [
        ('"a\nb",x,1,2\n', "line 3: a cell has a line end in it"),
        # speech in its own marks: what stands between them would be one cell
        ('"Hello,x,1,2\nyou",y,2,3\n', "line 3: a cell has a line end in it"),
        ('a,"x,1,2\nb,y,2,3\nc,z",3,4\n', "line 4: a cell has a line end in it"),
        ('a,"x,1,2\n\n\nc,z",3,4\n', "line 5: a cell has a line end in it"),
        ('a,x,1,"2\nb,y,2,3"\n', "line 3: a cell has a line end in it"),
        ('a,x,1,2\n"He" said,x,1,2\n', "line 3: a cell begins with a quotation mark"),
        ('a,x,1,2\nb,x,1,"2', "line 3: a cell begins with a quotation mark"),
        ('a,"x,1,2\nb,y,2,3\n', "line 3: 2 cells and the header has 4"),
    ],
)
def test_a_stray_quotation_mark_is_refused(rows: str, says: str) -> None:
    with pytest.raises(BadInput) as caught:
        check_columns((HEADER + rows).encode(), ",", "t.csv", NEEDED)
    assert f"t.csv, {says}" in str(caught.value)
    assert "quotation mark" in str(caught.value)
    assert "\n" not in str(caught.value)


def test_a_note_of_two_lines_does_not_move_the_rows_of_an_annotation(tmp_path: Path) -> None:
    path = tmp_path / "annotation.csv"
    path.write_text('word,onset,offset,section,note\na,0,1,1,"Alt\nEnter"\nb,1,2,1,\n')
    assert read_rows(path)["word"].tolist() == ["a", "b"]


def test_an_empty_cell_of_text_is_an_empty_text_and_of_numbers_a_missing_one(
    tmp_path: Path,
) -> None:
    table = pd.DataFrame({
        "word": ["null", "", "NA"], "reason": ["", "", ""], "r": [1.5, np.nan, 2.0],
    })  # fmt: skip
    write_table(table, tmp_path / "table.tsv")
    read = read_table(tmp_path / "table.tsv", ("word", "reason", "absent"))
    assert read["word"].tolist() == ["null", "", "NA"]
    assert read["reason"].tolist() == ["", "", ""]
    np.testing.assert_array_equal(read["r"], [1.5, np.nan, 2.0])


def test_a_table_without_rows_has_its_columns(tmp_path: Path) -> None:
    write_table(pd.DataFrame({"word": [], "r": []}), tmp_path / "table.tsv")
    assert list(read_table(tmp_path / "table.tsv", ("word",)).columns) == ["word", "r"]
