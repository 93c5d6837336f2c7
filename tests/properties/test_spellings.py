"""Tables as people write them: every spelling is read as it is meant, or refused in one line."""

from collections.abc import Callable
from dataclasses import dataclass
from pathlib import Path
from typing import Any

import nibabel
import numpy as np
import pandas as pd
import pytest
from pandas._libs.parsers import STR_NA_VALUES

from helpers.fuzzing import refused
from helpers.keys import run_keys
from helpers.planning import lines_of, own, plan_of, write_world
from helpers.tiny_dataset import spoken
from lateralization.baselines.confounds import check_table, confound
from lateralization.baselines.own_features import read_features
from lateralization.errors import BadInput
from lateralization.files import digest_of, measured, read_table, write_table
from lateralization.fmri.atlas import read_labels
from lateralization.plan.sheets import read_sheet
from lateralization.problems import Problems
from lateralization.sources.atlas import place_atlas
from lateralization.sources.dataset import read_manifest
from lateralization.study import ANNOTATION_MD5
from lateralization.words.annotation import read_corrections, read_words

SPELT = sorted(STR_NA_VALUES - {"", "n/a"})
"""What pandas takes for a missing value, but the two that are: words here."""


@dataclass
class Reader:
    """A table that a user gives, and how it is read.

    ``known`` is what ``read`` returns of ``rows`` under ``header``; ``decimal`` is the column of
    numbers with decimals, None where there is none.
    """

    name: str
    header: list[str]
    rows: list[list[str]]
    read: Callable[[Path], Any]
    known: Any
    decimal: int | None = None

    @property
    def separator(self) -> str:
        return "\t" if self.name.endswith(".tsv") else ","


def words_of(path: Path) -> Any:
    return read_words(path, "xx", None, run_keys(1))[0]["word"].tolist()


def corrections_of(path: Path) -> Any:
    return read_corrections(path)[["row", "word", "old"]].to_numpy().tolist()


def features_of(path: Path) -> Any:
    found = read_features(path, run_keys(1))
    return found.words["run-1"], found.runs["run-1"][0][:, 0].tolist()


def frequencies_of(path: Path) -> Any:
    """Look the words up that are in the list, in its order."""
    annotation = path.with_name("annotation.csv")
    annotation.write_text(
        "word,onset,offset,section\n" + "".join(f"{word},0,1,1\n" for word in [*SPELT, "é"])
    )
    words = read_words(annotation, "xx", None, run_keys(1))[0]
    values, report = confound("word_frequency", words, annotation, path)
    return values[:, 0].tolist(), report["n_unknown"]


def sound_of(path: Path) -> Any:
    annotation = path.with_name("annotation.csv")
    annotation.write_text("word,onset,offset,section\na,0,1,1\n")
    words = read_words(annotation, "xx", None, run_keys(1))[0]
    check_table(path, (), ("time", "f0"), "")
    return confound("f0", words, annotation, path)[0].tolist()


def manifest_of(path: Path) -> Any:
    return [(row["path"], row["bytes"], row["md5"], row["subject"]) for row in read_manifest(path)]


def sheet_of(path: Path) -> Any:
    problems = Problems()
    rows = read_sheet(path, problems, [])
    if problems:
        raise BadInput(problems[0])
    return [(row.model, row.family, row.predictors) for row in rows]


def tables() -> list[Reader]:
    words = [*SPELT, "é"]
    times = [[word, f"{i}.25", f"{i}.5", "1"] for i, word in enumerate(words)]
    numbers = np.random.default_rng(0).normal(size=len(words)).round(3).tolist()
    numbers[0] = 0.5
    lower = {word.lower(): number for word, number in reversed([*zip(words, numbers, strict=True)])}
    correct = [["xx", str(i), "set", word, "old", "x"] for i, word in enumerate(words)]
    labels = [[str(i), word] for i, word in enumerate(words, 1)]
    made = []
    for ending in ("csv", "tsv"):
        made += [
            Reader(f"words.{ending}", ["word", "onset", "offset", "section"], times, words_of,
                   words, 1),
            Reader(f"f_lang-xx_words.{ending}", ["run", "word", "f"],
                   [["1", word, str(x)] for word, x in zip(words, numbers, strict=True)],
                   features_of, (words, numbers), 2),
            Reader(f"list.{ending}", ["word", "logfreq"],
                   [[word, str(x)] for word, x in zip(words, numbers, strict=True)],
                   frequencies_of, ([lower[word.lower()] for word in words], 0), 1),
            Reader(f"sound.{ending}", ["time", "f0", "section", "note"],
                   [["0.1", "100.5", "1", "é"], ["0.2", "NA", "1", "é"], ["0.3", "99.5", "1", "é"]],
                   sound_of, [[100.0]], 1),
            Reader(f"labels.{ending}", ["index", "name"], labels, read_labels,
                   {int(number): name for number, name in labels}),
        ]  # fmt: skip
    known = [[int(row[1]), row[3], "old"] for row in correct]
    header = ["language", "row", "action", "word", "old", "reason"]
    made.append(Reader("c.tsv", header, correct, corrections_of, known))
    files = [["NA/é", "7", "0" * 32, "en", "NA", "1"], ["b", "8", "1" * 32, "en", "null", "2"]]
    header = ["path", "bytes", "md5", "language", "subject", "run"]
    known = [(row[0], int(row[1]), row[2], row[4]) for row in files]
    made.append(Reader("manifest.tsv", header, files, manifest_of, known))
    models = [["NA", "é", "0.5"], ["null", "n/a", "1.5"], ["None", "", "2.5"]]
    made.append(Reader("sheet.csv", ["model", "family", "blimp"], models, sheet_of,
                       [("NA", "é", {"blimp": 0.5}), ("null", "n/a", {"blimp": 1.5}),
                        ("None", None, {"blimp": 2.5})], 2))  # fmt: skip
    return made


TABLES = tables()
READERS = pytest.mark.parametrize("table", TABLES, ids=[table.name for table in TABLES])
ENCODINGS = ("utf-8", "utf-8-sig", "utf-16", "utf-16-le", "utf-16-be", "latin-1", "cp1252")


def written(table: Reader, folder: Path, *, separator: str | None = None, encoding: str = "utf-8",
            line_end: str = "\n", rows: list[list[str]] | None = None) -> Path:  # fmt: skip
    path = folder / table.name
    lines = [table.header, *(rows if rows is not None else table.rows)]
    text = "".join((separator or table.separator).join(line) + line_end for line in lines)
    path.write_bytes(text.encode(encoding))
    return path


@READERS
@pytest.mark.parametrize("line_end", ["\n", "\r\n", "\r"])
@pytest.mark.parametrize("encoding", ENCODINGS)
def test_every_encoding_and_line_end_is_read_or_refused(table, encoding, line_end, tmp_path):
    path = written(table, tmp_path, encoding=encoding, line_end=line_end)
    failed, found = refused(lambda: table.read(path))
    assert failed is (not encoding.startswith("utf-8"))
    assert failed or found == table.known


@READERS
@pytest.mark.parametrize("separator", [",", "\t", ";", "|"])
def test_another_separator_is_named(table, separator, tmp_path):
    path = written(table, tmp_path, separator=separator)
    if separator == table.separator:
        assert table.read(path) == table.known
        return
    with pytest.raises(BadInput, match=r"has \w+ between its columns where"):
        table.read(path)


@pytest.mark.parametrize("table", [table for table in TABLES if table.decimal is not None],
                         ids=lambda table: table.name)  # fmt: skip
@pytest.mark.parametrize("number", ["0,5", "1.234,5", "1 234", "−1", "1'234.5", "50%"])
def test_a_number_in_another_notation_is_no_missing_value(table, number, tmp_path):
    """A cell of a number is quoted, so that nothing but its notation is wrong."""
    rows = [list(row) for row in table.rows]
    rows[0][table.decimal] = number if table.separator == "\t" else f'"{number}"'
    failed, _ = refused(lambda: table.read(written(table, tmp_path, rows=rows)))
    assert failed
    european = [[cell.replace(".", ",") for cell in row] for row in table.rows]
    for separator in (";", table.separator):
        path = written(table, tmp_path, rows=european, separator=separator)
        assert refused(lambda path=path: table.read(path))[0]


@READERS
def test_quoted_cells_say_the_same_and_lone_quotes_are_refused(table, tmp_path):
    if table.name == "words.tsv":  # BIDS has no quotes
        return
    rows = [[f'"{cell}"' for cell in row] for row in table.rows]
    assert table.read(written(table, tmp_path, rows=rows)) == table.known
    for first, second in ((0, 1), (0, -1), (-2, -1)):  # a stray pair joins lines
        rows = [list(row) for row in table.rows]
        for place in (first, second):
            rows[place][0] = f'"{rows[place][0]}'
        path = written(table, tmp_path, rows=rows)
        assert refused(lambda path=path: table.read(path))[0]


@READERS
def test_a_table_that_is_cut_loses_no_cell_unsaid(table, tmp_path):
    path = written(table, tmp_path)
    whole = path.read_bytes()
    last_row = whole[:-1].rindex(b"\n") + 1
    last_separator = whole.rindex(table.separator.encode())
    cut_in_row = range(last_row + 1, last_separator + 1)
    if table.name.startswith("sheet"):  # all but the name may be missing in a sheet
        cut_in_row = range(0)
    for end in cut_in_row:
        path.write_bytes(whole[:end])
        assert refused(lambda: table.read(path))[0], whole[last_row:end]
    path.write_bytes(whole[:-1])
    assert table.read(path) == table.known
    for damaged in (whole[:20] + b"\0" + whole[20:], whole + b"\x1a", whole + b"\xff\xfe"):
        path.write_bytes(damaged)
        assert refused(lambda: table.read(path))[0]


def test_a_table_without_a_last_line_end_is_mentioned(tmp_path, capsys):
    """Its last cell may be cut short, which nothing else shows: section 1 of 12."""
    path = tmp_path / "words.csv"
    for end, mentioned in (("\n", False), ("", True)):
        path.write_text(f"word,onset,offset,section\na,0,1,1{end}")
        assert words_of(path) == ["a"]
        assert ("ends without a line end" in capsys.readouterr().err) is mentioned


@READERS
def test_200_mutations_end_in_one_line_or_are_read(table, tmp_path):
    """A cell of another letter cannot be known; other columns and rows may not move."""
    path = written(table, tmp_path)
    whole = path.read_bytes()
    rng = np.random.default_rng(20)
    for _ in range(200):
        data = bytearray(whole)
        at, way = int(rng.integers(len(data))), int(rng.integers(5))
        if way == 0:
            data[at] ^= 1 << int(rng.integers(8))
        elif way == 1:
            data[at:at] = bytes(rng.choice([0, 9, 10, 13, 34, 44, 59, 255], 2).astype(np.uint8))
        elif way == 2:
            del data[at : at + int(rng.integers(1, 20))]
        elif way == 3:
            data[at:at] = data[at : at + 30]
        else:
            del data[at:]
        path.write_bytes(bytes(data))
        failed, found = refused(lambda: table.read(path))
        if not failed and way == 0 and isinstance(found, list):
            assert len(found) in (len(table.known), len(table.known) - 1), bytes(data)


@READERS
def test_blank_lines_and_wide_rows(table, tmp_path):
    path = written(table, tmp_path)
    path.write_bytes(path.read_bytes() + b"\n\n")
    assert table.read(path) == table.known
    rows = [[*row, "x"] for row in table.rows]
    assert refused(lambda: table.read(written(table, tmp_path, rows=rows)))[0]
    twice = Reader(table.name, [*table.header, table.header[0]], rows, table.read, None)
    assert refused(lambda: table.read(written(twice, tmp_path)))[0]


BLANKS = ["", " ", "  ", "\u00a0", "\u200b", "\u3000", "\ufeff", " \u00a0 ", "\u2060", "\u00ad",
          "\u2003", "\u3164", "n/a", " n/a "]  # fmt: skip


@pytest.mark.parametrize("blank", BLANKS)
@pytest.mark.parametrize("ending", ["csv", "tsv"])
def test_blanks_of_any_spelling_are_no_words(blank, ending, tmp_path):
    separator = "," if ending == "csv" else "\t"
    rows = [["a", "0", "1", "1"], [blank, "1", "2", "1"], ["b", "2", "3", "1"]]
    path = tmp_path / f"words.{ending}"
    text = [separator.join(row) for row in [["word", "onset", "offset", "section"], *rows]]
    path.write_text("\n".join(text) + "\n", "utf-8")
    words, report = read_words(path, "xx", None, run_keys(1))
    assert words["word"].tolist() == ["a", "b"]
    assert words["row"].tolist() == [0, 2]
    assert report["rows_without_word"] == 1


def test_a_tab_between_quotes_is_no_word(tmp_path):
    path = tmp_path / "words.csv"
    path.write_text('word,onset,offset,section\n"\t",0,1,1\na,1,2,1\n')
    assert words_of(path) == ["a"]


def test_the_published_annotation_is_read_with_pandas_missing_values(tmp_path, monkeypatch):
    path = tmp_path / "words.csv"
    cells = ["The", "null", "NA", '"  "', "\u200b", '" "', "", "fox"]
    path.write_text("word,onset,offset,section\n" + "".join(f"{c},0,1,1\n" for c in cells))
    assert words_of(path) == ["The", "null", "NA", "fox"]
    monkeypatch.setitem(ANNOTATION_MD5, "xx", digest_of(path, "md5"))
    assert words_of(path) == ["The", "  ", "\u200b", "fox"]


def test_names_of_areas_come_through_as_they_are(tmp_path):
    names = {1: "NA", 2: "None", 3: 'a "b"', 4: "nan"}
    table = tmp_path / "mine.csv"
    table.write_text('index,name\n0,Background\n1,NA\n2,None\n3,"a ""b"""\n4,nan\n')
    assert read_labels(table) == names
    image = tmp_path / "mine.nii"
    nibabel.save(nibabel.Nifti1Image(np.ones((2, 2, 2), np.int16), np.eye(4)), image)
    place_atlas([image, table], tmp_path, tmp_path)
    assert read_labels(tmp_path / "atlas.tsv") == names
    table.write_text("index,name\n1,\n")
    assert refused(lambda: read_labels(table))[0]


def test_published_words_are_read_back_whatever_they_are(tmp_path):
    words = [*SPELT, "n/a", '"', "a,b", "True", "007", "1e5"]
    write_table(pd.DataFrame({"word": words, "r": 0.5}), tmp_path / "w.tsv")
    assert read_table(tmp_path / "w.tsv", ("word",))["word"].tolist() == words


def test_what_has_no_value_stays_missing():
    cells = pd.Series(["1", "NA", "", "--undefined--", "n/a", "1.#IND", "2"], name="f0")
    np.testing.assert_array_equal(
        measured(cells, "x"), [1, np.nan, np.nan, np.nan, np.nan, np.nan, 2]
    )


def test_the_plan_notes_rows_without_a_word_and_odd_words(tmp_path):
    world = write_world(tmp_path)
    path = world / "data" / "annotation" / "EN" / "lppEN_word_information.csv"
    text = path.read_text("utf-8").replace("\nword3", "\nwo\u200brd3").replace("word4", " word4")
    path.write_text(text, "utf-8")
    notes = "\n".join(plan_of(world, **own(world))["notes"])
    assert "1 of 181 rows have no word (an empty cell, blanks or n/a)" in notes
    assert "words have invisible characters in them: 9 U+200B (ZERO WIDTH SPACE)" in notes
    assert "9 words have blanks around them (first: ' word4', row 4)" in notes


def test_frequencies_with_decimal_commas_are_refused_by_the_plan(tmp_path, capsys):
    world = write_world(tmp_path)
    table = world / "list.tsv"
    table.write_text("word\tlogfreq\nword1\t3,5\nword2\t4\n")
    line, *_ = lines_of(world, capsys, **own(world, baselines="word_frequency",
                                             word_frequencies="list.tsv"))  # fmt: skip
    assert line.startswith("--word_frequencies: ")
    assert "line 2: logfreq is '3,5'; write numbers with a decimal point" in line


def test_words_that_a_list_of_frequencies_lacks_are_counted_in_the_plan(tmp_path):
    world = write_world(tmp_path)
    given = own(world, baselines="word_frequency", word_frequencies="list.tsv")
    for known, mentioned in ((20, []), (15, ["45 of 180 words have no frequency in list.tsv"])):
        rows = [
            f"{word}\t{i / 7}\n"
            for run in range(1, 10)
            for i, word in enumerate(spoken(run)[:known])
        ]
        (world / "list.tsv").write_text("word\tlogfreq\n" + "".join(rows))
        notes = [note for note in plan_of(world, **given)["notes"] if "frequency in" in note]
        assert [note.split(": ")[-1].partition(" and")[0] for note in notes] == mentioned


@pytest.mark.parametrize(
    ("more", "end"),
    [
        ({"joint": "word_rate", "baselines": "none"}, "or leave --joint out"),
        ({"joint": "word_rate"}, "or choose from random_vector_300d_seed1"),
    ],
)
def test_a_sentence_about_joint_baselines_ends(tmp_path, capsys, more, end):
    world = write_world(tmp_path)
    line, *_ = lines_of(world, capsys, **own(world, **more))
    assert line.endswith(end)
