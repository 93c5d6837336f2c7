"""Reading the annotation: corrections as data, the study's row filter, and bad files."""

from pathlib import Path

import pytest

from helpers.keys import run_keys
from lateralization.errors import BadInput
from lateralization.files import digest_of
from lateralization.study import ANNOTATION_MD5
from lateralization.words.annotation import read_corrections, read_words, standard_annotation
from lateralization.words.by_story import rows_by_story
from lateralization.words.stories import read_text, read_texts

ROWS = ["The,0.5,0.7,1", ",0,0,1", '" ",1,1,1', "n/a,1,2,1", "Fox,2.0,2.5,1", "one,0.1,0.4,2"]
ASSETS = Path(__file__).parents[3] / "assets"


def annotation(folder: Path, rows: list[str], header: str = "word,onset,offset,section") -> Path:
    path = folder / "words.csv"
    path.write_text("\n".join([header, *rows]) + "\n", encoding="utf-8")
    return path


def corrections(folder: Path, *rows: str) -> Path:
    path = folder / "corrections.tsv"
    path.write_text("\n".join(["language\trow\taction\tword\told\treason", *rows]) + "\n")
    return path


def test_rows_without_a_word_are_left_out_and_labels_stay(tmp_path: Path) -> None:
    words, report = read_words(annotation(tmp_path, ROWS), "en", None, run_keys(2))
    assert words["word"].tolist() == ["The", "Fox", "one"]
    assert words["row"].tolist() == [0, 4, 5]
    assert words["run"].tolist() == [1, 1, 2]
    assert words["onset"].dtype == "float64"
    assert report["rows_without_word"] == 3


def test_columns_of_other_names_and_tabs_are_read(tmp_path: Path) -> None:
    path = tmp_path / "words.tsv"
    path.write_text('text\tstart\tend\tpart\tword\na"b\t0.5\t1\t1\tx\n')
    columns = {"word": "text", "onset": "start", "offset": "end", "section": "part"}
    words, _ = read_words(path, "en", None, run_keys(1), columns)
    assert words.to_dict("records") == [
        {"run": 1, "row": 0, "word": 'a"b', "onset": 0.5, "offset": 1.0}
    ]
    with pytest.raises(BadInput, match="no column ending; it has word, onset, end, section"):
        read_words(path, "en", None, run_keys(1), columns | {"offset": "ending"})


def test_the_standard_form_stays_byte_for_byte(tmp_path: Path) -> None:
    path = annotation(tmp_path, ["a, 0.50,1,1\r"])
    assert standard_annotation(path) == path.read_bytes()


def test_a_number_stays_a_word(tmp_path: Path) -> None:
    words, _ = read_words(annotation(tmp_path, ["1440,0,1,1"]), "en", None, run_keys(1))
    assert words["word"].tolist() == ["1440"]


def test_corrections_set_and_drop_by_label(tmp_path: Path) -> None:
    table = corrections(
        tmp_path, "en\t0\tset\tA\tThe\tarticle", "en\t4\tdrop\t\t\t", "fr\t5\tdrop\t\t\t"
    )
    words, report = read_words(annotation(tmp_path, ROWS), "en", table, run_keys(2))
    assert words["word"].tolist() == ["A", "one"]
    assert [entry["row"] for entry in report["corrections"]["applied"]] == [0, 4]
    assert report["corrections"]["unexpected"] == []


def test_corrections_of_absent_rows_are_reported(tmp_path: Path) -> None:
    table = corrections(tmp_path, "en\t3919\tdrop\t\t\t", "en\t77\tset\tx\t\t")
    words, report = read_words(annotation(tmp_path, ROWS), "en", table, run_keys(2))
    assert len(words) == 3
    assert report["corrections"]["absent_rows"] == [3919, 77]


def test_a_correction_that_finds_another_word_is_applied_and_reported(tmp_path: Path) -> None:
    table = corrections(tmp_path, "en\t4\tset\tCat\tDog\t")
    words, report = read_words(annotation(tmp_path, ROWS), "en", table, run_keys(2))
    assert "Cat" in words["word"].tolist()
    assert report["corrections"]["unexpected"][0]["expected"] == "Dog"


def test_the_studys_corrections_are_the_published_ones() -> None:
    table = read_corrections(ASSETS / "corrections_ds003643.tsv")
    drops = table[table["action"] == "drop"]
    assert drops[drops["language"] == "en"]["row"].tolist() == [3919, 6775, 6781]
    assert drops[drops["language"] == "fr"]["row"].tolist() == [338, 1204, 3333]
    assert (table[table["action"] == "set"]["language"] == "fr").all()
    assert len(table) == 15


@pytest.mark.parametrize(
    ("rows", "header", "said"),
    [
        (["a,0,1,1"], "word,onset,end,section", "no column offset"),
        (["a;0;1;1"], "word;onset;offset;section", "has semicolons between"),
        (["a,soon,1,1"], "word,onset,offset,section", "onset 'soon' is no number"),
        (["a,,1,1"], "word,onset,offset,section", "row 0 (line 2)"),
        (["a,2,1,1"], "word,onset,offset,section", "before it starts"),
        (["a,0,1,3"], "word,onset,offset,section", "not one of the runs 1 to 1"),
        (["a,0,1,x"], "word,onset,offset,section", "section x"),
        ([",0,1,1"], "word,onset,offset,section", "no word in section 1"),
        ([], "word,onset,offset,section", "no word in section 1"),
        (['a,"0,1,1'], "word,onset,offset,section", "line 2: 2 cells and the header has 4"),
        (["a,0,1,1,5"], "word,onset,offset,section", "5 cells and the header has 4"),
    ],
)
def test_bad_annotations_are_named(tmp_path: Path, rows: list[str], header: str, said: str) -> None:
    with pytest.raises(BadInput) as caught:
        read_words(annotation(tmp_path, rows, header), "en", None, run_keys(1))
    assert said in str(caught.value)
    assert "\n" not in str(caught.value)


ODD = ["The,0.5,0.7,1", "fox,,1,1", "soon,1,,1", "said,3,2,1", "nowhere,4,5,", "ten,4,5,10",
       "one,0.1,0.4,2"]  # fmt: skip


def test_odd_rows_of_the_published_annotation_are_passed_over_or_used_as_in_the_study(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch, capsys: pytest.CaptureFixture[str]
) -> None:
    path = annotation(tmp_path, ODD)
    with pytest.raises(BadInput):
        read_words(path, "en", None, run_keys(2))
    monkeypatch.setitem(ANNOTATION_MD5, "en", digest_of(path, "md5"))
    words, report = read_words(path, "en", None, run_keys(2))
    assert words["word"].tolist() == ["The", "said", "one"]
    assert words["row"].tolist() == [0, 3, 6]
    assert (report["n_words"], report["rows_left_out"]) == (3, 4)
    said = capsys.readouterr().err
    assert "2 words, first at row 4 (line 6): their section is none of the runs 1 to 2" in said
    assert "2 words, first at row 1 (line 3): they have no times" in said
    assert "1 words, first at row 3 (line 5): they end before they start" in said
    # of another language it is not the published one
    with pytest.raises(BadInput):
        read_words(path, "fr", None, run_keys(2))


def test_other_encodings_are_refused(tmp_path: Path) -> None:
    path = tmp_path / "words.csv"
    path.write_bytes("word,onset,offset,section\nété,0,1,1\n".encode("latin-1"))
    with pytest.raises(BadInput, match="not UTF-8"):
        read_words(path, "fr", None, run_keys(1))
    with pytest.raises(BadInput, match="not UTF-8"):
        read_text(path)


def test_missing_and_empty_files_are_refused(tmp_path: Path) -> None:
    (tmp_path / "empty").write_text("")
    for path in (tmp_path / "empty", tmp_path / "absent"):
        with pytest.raises(BadInput):
            read_words(path, "en", None, run_keys(1))
        with pytest.raises(BadInput):
            read_text(path)


def test_line_ends_of_a_text_are_those_of_python_s_text_mode(tmp_path: Path) -> None:
    path = tmp_path / "text_en_run1.txt"
    path.write_bytes("a\r\n\r\nb\rc\n\u2028d\x85\x0ce\n".encode())
    (text,) = read_texts([path], "en", run_keys(1)).values()
    assert text == path.read_text("utf-8") == "a\n\nb\nc\n\u2028d\x85\x0ce\n"
    with pytest.raises(BadInput, match="lacks text_en_run2"):
        read_texts([path], "en", run_keys(2))


@pytest.mark.parametrize(
    ("line", "said"),
    [
        ("en\tx\tdrop\t\t\t", "line 2"),
        ("en\t-1\tdrop\t\t\t", "line 2"),
        ("en\t1\tremove\t\t\t", "'remove'"),
        ("en\t1\tset\t\t\t", "needs a word"),
    ],
)
def test_bad_corrections_are_named(tmp_path: Path, line: str, said: str) -> None:
    with pytest.raises(BadInput, match=said):
        read_corrections(corrections(tmp_path, line))


def test_corrections_without_columns_are_refused(tmp_path: Path) -> None:
    path = tmp_path / "c.tsv"
    path.write_text("language,row\nen,1\n")
    with pytest.raises(BadInput, match="has commas between its columns where tabs"):
        read_corrections(path)


KEYS = ["story-01", "story-b_2"]


def stories(folder: Path, rows: list[str]) -> Path:
    return annotation(folder, rows, "story,word,onset,offset")


def test_stories_by_name_come_in_the_order_of_the_plan(tmp_path: Path) -> None:
    rows = [
        "b_2,grown,0.5,0.7",
        "01,null,0.1,0.2",
        "left out,x,0,1",
        "b_2,ups,0.8,1",
        '01,"No, no",2,3',
    ]
    words, report = read_words(stories(tmp_path, rows), "en", None, KEYS)
    assert words.columns.tolist() == ["story", "row", "word", "onset", "offset"]
    assert words["story"].tolist() == ["01", "01", "b_2", "b_2"]
    assert words["word"].tolist() == ["null", "No, no", "grown", "ups"]
    assert words["row"].tolist() == [1, 4, 0, 3]
    assert report["n_words"] == 4
    assert list(rows_by_story(words)) == KEYS


def test_a_story_without_words_is_refused(tmp_path: Path) -> None:
    with pytest.raises(BadInput, match="no word of 01; every story needs words"):
        read_words(stories(tmp_path, ["b_2,x,0,1"]), "en", None, KEYS)


def test_two_stories_of_one_text_are_refused(tmp_path: Path) -> None:
    rows = [f"{story},word{i},{i},{i + 0.5}" for story in ("01", "b_2") for i in range(60)]
    with pytest.raises(BadInput, match="stories 01 and b_2 have the words of one story") as caught:
        read_words(stories(tmp_path, rows), "en", None, KEYS)
    assert str(caught.value).endswith("give both one name, or leave one out")


def test_corrections_name_rows_of_the_table_of_all_stories(tmp_path: Path) -> None:
    table = corrections(tmp_path, "en\t1\tset\tfox\tx\tmisspelt", "en\t0\tdrop\t\t\tnoise")
    rows = ["01,um,0,1", "01,x,1,2", "b_2,y,0,1"]
    words, report = read_words(stories(tmp_path, rows), "en", table, KEYS)
    assert words["word"].tolist() == ["fox", "y"]
    assert len(report["corrections"]["applied"]) == 2
