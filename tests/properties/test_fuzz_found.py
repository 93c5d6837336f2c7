"""What `make fuzz` found with 10,000 cases: each was a traceback, or a refusal of many lines."""

import io
import json
import zipfile
from pathlib import Path

import numpy as np
import pandas as pd
import pytest

from helpers.fuzzing import refused
from helpers.keys import run_keys
from helpers.tiny_dataset import write_annotation
from lateralization.errors import BadInput
from lateralization.files import numbers
from lateralization.language_models.loading import load_config
from lateralization.sources.dataset import read_manifest
from lateralization.words import stories
from lateralization.words.annotation import read_corrections, read_words

MODEL = Path(__file__).parents[1] / "fixtures" / "models" / "gpt2-fixture"


@pytest.mark.parametrize("column", ["onset", "offset", "section"])
def test_a_whole_number_that_no_float_holds(column: str, tmp_path: Path) -> None:
    path = write_annotation(tmp_path)
    header, first, *rest = path.read_text().splitlines()
    cells = first.split(",")
    cells[header.split(",").index(column)] = "9" * 400
    path.write_text("\n".join([header, ",".join(cells), *rest]))
    with pytest.raises(BadInput, match=column):
        read_words(path, "en", None)
    assert refused(lambda: read_words(path, "en", None))[0]  # in one line


def test_a_correction_of_a_row_that_no_float_holds(tmp_path: Path) -> None:
    path = tmp_path / "corrections.tsv"
    path.write_text(f"language\trow\taction\tword\nen\t{'9' * 400}\tset\tword\n")
    assert refused(lambda: read_corrections(path))[0]


def test_numbers_are_pandas_own_but_for_those() -> None:
    cells = pd.Series(["1", "2.5", "-1e3", "x", "", "inf", "1_0"])
    expected = pd.to_numeric(cells, errors="coerce").to_numpy(float)
    np.testing.assert_array_equal(numbers(cells), expected)
    whole = pd.Series([0.14, 10**400, "3", "x"])  # as pandas reads a column with such a cell
    with pytest.raises(OverflowError):
        pd.to_numeric(whole, errors="coerce")
    np.testing.assert_array_equal(numbers(whole), [0.14, np.inf, 3, np.nan])


def test_a_manifest_with_lines_inside_a_cell(tmp_path: Path) -> None:
    path = tmp_path / "manifest.tsv"
    path.write_text('path\tbytes\tmd5\tlanguage\tsubject\trun\n"a\nb\tc\n')
    assert refused(lambda: read_manifest(path))[0]  # in one line


def test_a_zip_that_asks_for_a_later_version(tmp_path: Path) -> None:
    written = io.BytesIO()
    with zipfile.ZipFile(written, "w") as archive:
        archive.writestr("text_en_run1.txt", "once")
    content = bytearray(written.getvalue())
    content[content.index(b"PK\x01\x02") + 6] = 78
    path = tmp_path / "texts.zip"
    path.write_bytes(content)
    with pytest.raises(NotImplementedError), zipfile.ZipFile(path):
        pass
    assert refused(lambda: stories.read_text_zip(path, "en", None, run_keys(1)))[0]


@pytest.mark.parametrize(
    ("key", "value"), [("n_head", -1), ("n_head", 10**30), ("vocab_size", 10**30), ("eos", 2**70)]
)
def test_a_number_of_a_configuration_that_no_model_has(key, value, tmp_path: Path) -> None:
    content = json.loads((MODEL / "config.json").read_text())
    (tmp_path / "config.json").write_text(json.dumps(content | {key: value}))
    assert refused(lambda: load_config(tmp_path))[0]  # in one line


@pytest.mark.parametrize("header", [b"PK\x01\x02", b"PK\x03\x04"])
def test_a_zip_whose_names_are_not_the_utf_8_that_they_claim_to_be(
    header: bytes, tmp_path: Path
) -> None:
    written = io.BytesIO()
    with zipfile.ZipFile(written, "w") as archive:
        archive.writestr("text_en_run1.txt", "once")
    content = bytearray(written.getvalue())
    start = content.index(header)
    names, flags = {b"PK\x01\x02": (46, 8), b"PK\x03\x04": (30, 6)}[header]
    content[start + flags + 1] |= 0x08  # names are UTF-8
    content[start + names + 5] = 0x80
    path = tmp_path / "texts.zip"
    path.write_bytes(content)
    assert refused(lambda: stories.read_text_zip(path, "en", None, run_keys(1)))[0]
