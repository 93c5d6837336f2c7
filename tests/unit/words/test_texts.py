"""What a text hides: line ends of other systems, and characters that nobody sees."""

import zipfile
from collections import Counter

import numpy as np
import pytest

from helpers.keys import run_keys
from helpers.planning import lines_of, own, plan_of, write_world
from lateralization.errors import BadInput
from lateralization.words.invisible import count_invisible, is_blank
from lateralization.words.stories import (
    hidden_characters,
    read_text_zip,
    read_texts,
    text_name,
    texts_from,
)


@pytest.mark.parametrize("seed", range(20))
def test_line_ends_are_those_of_python_s_text_mode(tmp_path, seed):
    """The study read its texts in that mode; nothing but line ends changes."""
    rng = np.random.default_rng(seed)
    pieces = ["a", "é", " ", "\r", "\n", "\r\n", "\f", "\v", "\x85", "\u2028", "\u00a0", "\ufeff"]
    path = tmp_path / "text_en_run1.txt"
    path.write_bytes(("b" + "".join(rng.choice(pieces, 60))).encode())
    assert read_texts([path], "en", run_keys(1)) == {"run-1": path.read_text("utf-8")}


def test_texts_of_windows_and_of_unix_are_the_same_text(tmp_path):
    names = [f"text_en_run{run}.txt" for run in (1, 2, 3)]
    for name, end in zip(names, ("\n", "\r\n", "\r"), strict=True):
        (tmp_path / name).write_bytes(f"The fox came.{end}{end}He said:{end}".encode())
    (text,) = set(read_texts([tmp_path / name for name in names], "en", run_keys(3)).values())
    assert text == "The fox came.\n\nHe said:\n"


HIDDEN = {
    "\f": "U+000C (FORM FEED)", "\t": "U+0009 (TAB)", "\u00ad": "U+00AD (SOFT HYPHEN)",
    "\u200b": "U+200B (ZERO WIDTH SPACE)", "\u200d": "U+200D (ZERO WIDTH JOINER)",
    "\ufeff": "U+FEFF (ZERO WIDTH NO-BREAK SPACE)", "\u00a0": "U+00A0 (NO-BREAK SPACE)",
    "\u202f": "U+202F (NARROW NO-BREAK SPACE)", "\u200f": "U+200F (RIGHT-TO-LEFT MARK)",
    "\u2028": "U+2028 (LINE SEPARATOR)", "\x01": "U+0001 (CONTROL CHARACTER)",
    "\x85": "U+0085 (NEXT LINE)", "\u3000": "U+3000 (IDEOGRAPHIC SPACE)",
    "\ufffd": "U+FFFD (REPLACEMENT CHARACTER)", "\ufe0f": "U+FE0F (VARIATION SELECTOR-16)",
    "\u2060": "U+2060 (WORD JOINER)", "\U000e0100": "U+E0100 (VARIATION SELECTOR-17)",
    "\U000e01ef": "U+E01EF (VARIATION SELECTOR-256)", "\ufe00": "U+FE00 (VARIATION SELECTOR-1)",
    "\u180b": "U+180B (MONGOLIAN FREE VARIATION SELECTOR ONE)", "\U000e0041":
    "U+E0041 (TAG LATIN CAPITAL LETTER A)", "\u2065": "U+2065 (WITHOUT A NAME)",
}  # fmt: skip


@pytest.mark.parametrize(("character", "name"), HIDDEN.items(), ids=HIDDEN.values())
def test_each_is_counted_and_named(character, name):
    content = f"The{character} fox{character}.\r\n".encode()
    assert hidden_characters({"a.txt": content}) == [f"a.txt: 2 {name}"]


def test_what_can_be_seen_is_not_counted():
    seen = "“Où?” « l’été » — naïve – 「你好」 e\u0301 Ω\n"
    assert count_invisible(seen) == Counter()
    assert hidden_characters({"a": seen.encode()}) == []
    assert is_blank(" \t\u200b")
    assert is_blank("\U000e0100\ufe0f")
    assert not is_blank("\ufffd")


@pytest.mark.parametrize("zipped", [False, True])
def test_the_plan_says_which_how_many_and_where(tmp_path, zipped):
    world = write_world(tmp_path)
    for run, text in ((2, "\u00a0word0\u00a0\u200b"), (5, "\f")):
        path = world / "texts" / f"text_en_run{run}.txt"
        path.write_text(path.read_text("utf-8") + text, "utf-8")
    texts = "texts"
    if zipped:
        texts = "texts.zip"
        with zipfile.ZipFile(world / texts, "w") as archive:
            for path in sorted((world / "texts").iterdir()):
                archive.write(path, path.name)
    (note,) = [n for n in plan_of(world, **own(world, texts=texts))["notes"] if "--texts" in n]
    assert note == (
        "--texts has invisible characters, which models read like any others: text_en_run2.txt: "
        "2 U+00A0 (NO-BREAK SPACE), 1 U+200B (ZERO WIDTH SPACE); text_en_run5.txt: "
        "1 U+000C (FORM FEED)"
    )


@pytest.mark.parametrize(
    ("content", "says"),
    [
        ("word0 word1".encode("utf-16-le"), "has NUL characters (byte 1)"),
        ("word0 word1".encode("utf-16"), "has NUL characters (byte 3)"),
        (b"\xef\xbb\xbfword0", "byte-order mark"),
        ("\u200b\u00a0\n".encode(), "is empty"),
        ("été".encode("latin-1"), "is not UTF-8"),
        (b"wor\0d0", "has NUL characters (byte 3)"),
    ],
)
def test_a_text_that_is_damaged_is_refused_in_one_line(tmp_path, capsys, content, says):
    world = write_world(tmp_path)
    path = world / "texts" / "text_en_run3.txt"
    path.write_bytes(content)
    line, *_ = lines_of(world, capsys, **own(world))
    assert line.startswith("--texts: ")
    assert says in line
    with zipfile.ZipFile(tmp_path / "t.zip", "w") as archive:
        archive.writestr("text_en_run1.txt", content)
    with pytest.raises(BadInput):
        read_text_zip(tmp_path / "t.zip", "en", None, run_keys(1))


def test_texts_of_stories_are_found_by_their_names(tmp_path):
    keys = ["story-b_2", "story-01"]
    for name in ("story-01", "story-b_2", "story-of-nobody", "run1"):
        (tmp_path / f"text_en_{name}.txt").write_text(f"{name}\r\n")
    found = read_texts(sorted(tmp_path.iterdir()), "en", keys)
    assert list(found.items()) == [("story-b_2", "story-b_2\n"), ("story-01", "story-01\n")]
    assert list(texts_from([tmp_path], "en", None, keys)) == [text_name("en", key) for key in keys]
    with pytest.raises(BadInput, match="lacks text_en_story-none"):
        read_texts(sorted(tmp_path.iterdir()), "en", [*keys, "story-none"])
