"""Global alignment of annotation and text."""

import time

import numpy as np
import pytest

from lateralization.words.alignment import align, comparable

TEXT = "The lamp-keeper said: “I don't know.”\n\tEleven geese flew, two by two; nobody saw it!"
SPOKEN = "The lamp-keeper said I don't know Eleven geese flew two by two nobody saw it"
WORDS = SPOKEN.split(" ")


def starts_in(text: str, words: list[str]) -> list[str]:
    return [text[start] for start in align(words, text).starts]


def test_clean_words_start_at_their_first_letter() -> None:
    found = align(WORDS, TEXT)
    assert found.aligned.all()
    assert [TEXT[start:].startswith(word) for start, word in zip(found.starts, WORDS, strict=True)]
    assert starts_in(TEXT, WORDS) == [word[0] for word in WORDS]


@pytest.mark.parametrize(
    ("spoken", "printed"),
    [
        ("café", "cafe\u0301"),
        ("OEUVRE", "œuvre"),
        ("ﬁn", "FIN"),
        ("naïve", "naive"),
        ("Straße", "STRASSE"),
    ],
)
def test_spelling_variants_compare_equal_enough(spoken: str, printed: str) -> None:
    assert align([spoken], printed).aligned.all()


def test_a_ligature_is_part_of_its_word_however_it_is_spelt() -> None:
    words = ["mouton", "oeuvre", "Æsop", "aesop", "Lodz"]
    text = "mouton (œuvre) aesop Æsop Łódź"
    assert align(words, text).starts.tolist() == [0, 8, 15, 21, 26]


def test_split_and_joined_words_align() -> None:
    found = align(["lamp", "keeper", "did", "n't", "goodbye"], "lamp-keeper didn't good bye")
    assert found.aligned.all()
    assert found.starts.tolist() == [0, 5, 12, 15, 19]


def test_a_word_said_otherwise_takes_the_text_between_its_neighbours() -> None:
    text = "asteroid 325 was small"
    found = align(["asteroid", "three-twenty-five", "was", "small"], text)
    assert found.aligned.tolist() == [True, False, True, True]
    assert found.starts.tolist() == [0, 9, 13, 17]
    assert (found.borrowed == -1).all()


def test_a_word_that_is_not_printed_borrows_from_a_neighbour() -> None:
    found = align(["the", "sheep", "dog"], "the dog")
    assert found.aligned.tolist() == [True, False, True]
    assert found.borrowed.tolist() == [-1, 0, -1]
    assert found.starts.tolist() == [0, 0, 4]


def test_a_missing_first_and_last_word_borrow_inwards() -> None:
    found = align(["zzz", "fox", "qqq"], "fox")
    assert found.aligned.tolist() == [False, True, False]
    assert found.borrowed.tolist() == [1, -1, 1]


@pytest.mark.parametrize("n", [30, 700])
def test_a_passage_that_only_the_text_has_is_skipped(n: int) -> None:
    extra = "Chapter, with many other words in it. " * (n // 38 + 1)
    at = TEXT.index("Eleven")
    text = TEXT[:at] + extra + TEXT[at:]
    words = align(WORDS, text)
    assert words.aligned.all()
    inside = (words.starts >= at) & (words.starts < at + len(extra))
    assert inside.sum() == 0


def test_an_annotation_that_has_a_sentence_twice_keeps_the_rest() -> None:
    doubled = WORDS[:6] + ["zebras", "quarrel"] * 20 + WORDS[6:]
    found = align(doubled, TEXT)
    assert found.aligned[:6].all()
    assert found.aligned[46:].all()
    assert not found.aligned[6:46].any()


def test_starts_never_go_backwards_whatever_the_input() -> None:
    rng = np.random.default_rng(0)
    for _ in range(20):
        letters = rng.choice(list("abcde ."), 300)
        words = "".join(rng.choice(list("abcde "), 250)).split() or ["a"]
        found = align(words, "".join(letters))
        own = found.borrowed < 0
        assert (np.diff(found.starts[own]) >= 0).all()
        assert ((found.starts >= 0) & (found.starts < len(letters))).all()


def test_nothing_to_compare_is_nothing_aligned() -> None:
    assert not align(["—", "…"], "abc").aligned.any()
    assert not align(["a"], "…").aligned.any()


def test_a_text_of_ten_thousand_characters_takes_seconds() -> None:
    rng = np.random.default_rng(1)
    words = ["".join(rng.choice(list("etaoinshrdlu"), rng.integers(1, 9))) for _ in range(2000)]
    text = " ".join(words)
    start = time.process_time()
    found = align([*words[:500], *words[520:]], text)
    assert time.process_time() - start < 10
    assert found.aligned.mean() > 0.995


def test_comparable_keeps_the_origin_of_each_letter() -> None:
    reduced, origin = comparable("É, œ!")
    assert reduced == "eœ" or reduced == "eoe"
    assert origin[0] == 0
