"""The study's matching rule, case by case."""

import numpy as np
import pytest

from lateralization.words.reference_rule import (
    MAX_STEPS,
    NotFound,
    TokenGrid,
    anchor,
    cannot_match,
    matches,
    simplify,
)


def grid(*windows: list[str], max_length: int = 100, stride: int = 36) -> TokenGrid:
    return TokenGrid(windows, max_length, stride)


@pytest.mark.parametrize(
    ("text", "simple"),
    [
        ("Lamp-Keeper’s", "lampkeepers"),
        (" “Fox”—«", "fox"),
        ("？火，桥、", "火桥"),
        ("end.", "end."),
        ("‘a‘\n", "‘a‘\n"),
        ("…", ""),
    ],
)
def test_simplify_deletes_only_the_listed_characters(text: str, simple: str) -> None:
    assert simplify(text) == simple


@pytest.mark.parametrize(
    ("word", "piece", "language", "result"),
    [
        ("lamp", "la", "en", True),
        ("lamp", "l", "en", True),
        ("lamp", "", "en", False),
        ("am", "lamp", "en", True),
        ("a", "lamp", "en", False),
        ("a", "lamp", "cn", True),
        ("xlampx", "lamp", "en", True),
        ("xa", "a", "en", False),
        ("xa", "a", "cn", True),
        ("one", "1", "en", True),
        ("threetwofive", "3", "cn", True),
        ("na\\ive", "naive", "fr", True),
        ("oeil", "œil", "en", True),
        ("", "a", "en", False),
        ("", "", "cn", False),
    ],
)
def test_a_word_matches_its_piece_by_the_rule_of_its_language(
    word: str, piece: str, language: str, result: bool
) -> None:
    assert matches(word, piece, language) is result


def test_every_word_consumes_its_token() -> None:
    found = anchor(["the", "the", "fox"], grid(["the", "the", "fo", "x"]), "en")
    assert found.tolist() == [[0, 0], [0, 1], [0, 2]]


def test_tokens_between_words_are_skipped() -> None:
    found = anchor(["fox", "sleeps"], grid(["“", "fo", "x", ",", "sleep", "s"]), "en")
    assert found.tolist() == [[0, 1], [0, 4]]


def test_the_twentieth_step_comes_too_late() -> None:
    reached = grid(["."] * (MAX_STEPS - 1) + ["fox"])
    assert anchor(["fox"], reached, "en").tolist() == [[0, MAX_STEPS - 1]]
    with pytest.raises(NotFound):
        anchor(["fox"], grid(["."] * MAX_STEPS + ["fox"]), "en")


def test_the_pointer_goes_on_at_the_stride_of_the_next_window() -> None:
    first, second = ["a", "b", "c", "d"], ["c", "d", "e", "f"]
    found = anchor(list("abcdef"), grid(first, second, max_length=4, stride=2), "en")
    assert found.tolist() == [[0, 0], [0, 1], [0, 2], [0, 3], [1, 2], [1, 3]]


def test_chinese_characters_share_a_token() -> None:
    found = anchor(list("船日走"), grid(["船日", "走"]), "cn")
    assert found.tolist() == [[0, 0], [0, 0], [0, 1]]


def test_a_repeated_chinese_character_stays_on_its_token() -> None:
    # As published: the second of two equal characters still matches the first one's token.
    assert anchor(list("月月走"), grid(["月", "月", "走"]), "cn").tolist() == [
        [0, 0],
        [0, 0],
        [0, 2],
    ]


def test_a_text_that_ends_early_is_no_index_error() -> None:
    with pytest.raises(NotFound) as caught:
        anchor(["fox", "sleeps"], grid(["fox"]), "en")
    assert caught.value.number == 1


def test_the_message_names_the_word_and_the_way_out() -> None:
    message = str(cannot_match("fox", "run-3", 812))
    for part in ("'fox'", "run 3", "row 812", "--word_mapping aligned"):
        assert part in message
    assert isinstance(anchor(["a"], grid(["a"]), "en"), np.ndarray)
