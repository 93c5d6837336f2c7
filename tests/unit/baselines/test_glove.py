"""Files of word vectors as they are published: blanks in words, counts, other separators."""

import zipfile

import numpy as np
import pytest

from helpers.fuzzing import refused
from lateralization.baselines.glove import glove_vectors, glove_width, read_glove
from lateralization.errors import BadInput

DIMS = 5
PUBLISHED = [",", "at", "the", "at name@domain.com", ". . .", ".\u00a0.\u00a0.", "to\u0085", "null",
             "nan", "NA", "new york", "to", "prince"]  # fmt: skip


@pytest.fixture
def rows():
    rng = np.random.default_rng(0)
    return {word: rng.normal(size=DIMS).round(4).tolist() for word in PUBLISHED}


def text_of(rows, separator=" ", end="\n"):
    return "".join(
        f"{word}{separator}{separator.join(map(str, row))}{end}" for word, row in rows.items()
    )


@pytest.mark.parametrize(
    ("separator", "end"), [(" ", "\n"), (" ", " \n"), (" ", "\r\n"), ("\t", "\n"), ("  ", "\n")]
)
@pytest.mark.parametrize("head", ["", "\ufeff", "counts"])
def test_a_word_is_what_stands_before_its_numbers(tmp_path, rows, separator, end, head):
    path = tmp_path / "glove.txt"
    head = f"{len(rows)} {DIMS}\n" if head == "counts" else head
    path.write_bytes((head + text_of(rows, separator, end)).encode())
    wanted = ["at", "to", "the", "New York", "null", "nan", ",", "absent"]
    vectors, unknown = glove_vectors(wanted, path)
    expected = [rows[word.lower()] for word in wanted[:-1]] + [[0] * DIMS]
    np.testing.assert_allclose(vectors, expected, rtol=1e-6)
    assert unknown == {"absent": 1}
    assert glove_width(path) == DIMS


def test_of_a_word_twice_the_later_counts_and_it_is_said(tmp_path, rows, capsys):
    path = tmp_path / "glove.txt"
    path.write_text(text_of(rows) + "at 1 1 1 1 1\n")
    assert read_glove(path, {"at"}, DIMS)["at"].tolist() == [1] * DIMS
    assert "words with several vectors, of which the last counts: at" in capsys.readouterr().err


@pytest.mark.parametrize("form", ["txt", "zip"])
@pytest.mark.parametrize("cut", [1, 2, 3])
def test_a_last_line_without_its_end_is_pointed_out(tmp_path, rows, capsys, form, cut):
    """The last number may have lost digits, and what is left is a number, too."""
    path = tmp_path / f"glove.{form}"

    def write(text):
        if form == "txt":
            path.write_text(text, "utf-8")
            return
        with zipfile.ZipFile(path, "w") as archive:
            archive.writestr("mine.txt", text)

    write(text_of(rows)[:-cut])
    glove_vectors(["the"], path)
    assert "line end" not in capsys.readouterr().err
    glove_vectors(["the", "prince"], path)
    says = f"{path} ends without a line end: if the file was cut short, so is the last number of "
    assert says + "'prince'" in capsys.readouterr().err
    write(text_of(rows))
    glove_vectors(["the", "prince"], path)
    assert "line end" not in capsys.readouterr().err


@pytest.mark.parametrize(
    ("change", "says"),
    [
        (lambda text: text.replace("the ", "the 0.5 "), "'the' has 6 numbers, not 5"),
        (lambda text: text.replace("the ", "the x"), "number that is not finite"),
        (lambda text: text.replace("the ", "the nan 1 1 1 1\nthe "), "number that is not finite"),
        (lambda text: text.replace("the ", "the 1 1 1 1\nthe "), "'the' has 4 numbers, not 5"),
        (lambda text: text[:-12], "ends too early"),
        (lambda text: f"99 {DIMS}\n" + text, "ends too early"),
        (lambda text: f"{len(PUBLISHED)} 7\n" + text, "says that words have 7 numbers"),
        (lambda text: text.replace(" ", ";"), "does not begin with a word and its numbers"),
        (lambda text: text.replace(".", ","), "does not begin with a word and its numbers"),
    ],
)
def test_damage_is_one_line(tmp_path, rows, change, says):
    path = tmp_path / "glove.txt"
    path.write_text(change(text_of(rows)), "utf-8")
    with pytest.raises(BadInput) as caught:
        glove_vectors(["the", "at"], path)
    assert says in str(caught.value)
    assert "\n" not in str(caught.value)


def test_any_mutation_is_refused_or_changes_no_other_word(tmp_path, rows):
    """A changed digit cannot be seen; a word may not get numbers of another line, or too few."""
    path = tmp_path / "glove.txt"
    whole = text_of(rows).encode()
    numbers = {str(abs(x)) for row in rows.values() for x in row}
    rng = np.random.default_rng(1)
    for _ in range(300):
        data = bytearray(whole)
        at = int(rng.integers(len(data)))
        if rng.random() < 0.5:
            del data[at : at + int(rng.integers(1, 9))]
        else:
            data[at : at + 1] = rng.choice([b" ", b"\n", b"\t", b"\0", b"\xff", b"x", b"  "])
        path.write_bytes(bytes(data))
        failed, found = refused(lambda: glove_vectors(["the", "at", "prince"], path))
        if failed:
            continue
        for word, vector in zip(("the", "at", "prince"), found[0], strict=True):
            kept = sum(str(abs(round(float(x), 4))) in numbers for x in vector)
            assert kept >= DIMS - 2 or not vector.any(), (word, vector)


def test_hidden_entries_of_a_zip_are_passed_over(tmp_path, rows):
    path = tmp_path / "glove.zip"
    with zipfile.ZipFile(path, "w") as archive:
        archive.writestr("mine.txt", text_of(rows))
        archive.writestr("__MACOSX/._mine.txt", "\0")
    assert glove_width(path) == DIMS
