"""Windows of tokens and the tokens of each word."""

import json
from itertools import chain
from pathlib import Path
from typing import Any

import numpy as np
import pytest

from lateralization.errors import BadInput
from lateralization.language_models.loading import load_tokenizer
from lateralization.words.windows import (
    Pieces,
    Windows,
    aligned_pieces,
    fresh_start,
    make_windows,
    reference_pieces,
    text_end,
)


class Numbers:
    """A tokenizer whose tokens are numbered words; ``lead`` and ``tail`` special tokens."""

    pad_token, eos_token, eos_token_id = "<pad>", None, None

    def __init__(self, lead: int, tail: int) -> None:
        from tokenizers import Tokenizer, models, pre_tokenizers, processors
        from transformers import PreTrainedTokenizerFast

        vocabulary = {"<s>": 0, "</s>": 1, "<pad>": 2}
        vocabulary |= {str(n): n + 3 for n in range(400)}
        inner = Tokenizer(models.WordLevel(vocabulary, unk_token="<pad>"))
        inner.pre_tokenizer = pre_tokenizers.WhitespaceSplit()
        inner.post_processor = processors.TemplateProcessing(
            single=" ".join(["<s>"] * lead + ["$A"] + ["</s>"] * tail),
            special_tokens=[("<s>", 0), ("</s>", 1)],
        )
        self.fast = PreTrainedTokenizerFast(tokenizer_object=inner, pad_token="<pad>")


def windows_of(n: int, lead: int, tail: int, max_length: int = 128) -> Windows:
    text = " ".join(map(str, range(n)))
    return make_windows(Numbers(lead, tail).fast, text, max_length)


@pytest.mark.parametrize(
    ("lead", "tail", "starts", "repeated", "padding"),
    [
        (0, 0, [0, 64, 128, 192], [128, 192, 256], 20),
        (1, 0, [0, 63, 126, 189], [126, 189, 252], 16),
        (1, 1, [0, 62, 124, 186], [125, 187, 249], 12),
    ],
)
def test_windows_are_those_of_the_study(
    lead: int, tail: int, starts: list[int], repeated: list[int], padding: int
) -> None:
    windows = windows_of(300, lead, tail)
    assert (windows.ids[:, lead] - 3).tolist() == starts
    assert (windows.ids[1:, 64] - 3).tolist() == repeated
    assert int((windows.mask == 0).sum()) == padding
    if tail:
        assert (windows.ids[:-1, 127] == 1).all()


@pytest.mark.parametrize(("lead", "tail"), [(0, 0), (1, 0), (1, 1), (2, 1)])
def test_fresh_tokens_are_the_text_once(lead: int, tail: int) -> None:
    windows = windows_of(300, lead, tail)
    fresh = [
        token
        for window, (start, end) in enumerate(
            zip(fresh_start(windows), text_end(windows), strict=True)
        )
        for token in windows.ids[window, start:end].tolist()
    ]
    assert fresh == list(range(3, 303))


def test_a_short_text_is_one_unpadded_window() -> None:
    windows = windows_of(50, 1, 1)
    assert windows.ids.shape == (1, 52)
    assert windows.mask.all()


@pytest.mark.parametrize("max_length", [1, 64])
def test_a_context_of_64_tokens_is_too_short(max_length: int) -> None:
    with pytest.raises(BadInput, match="longer context"):
        windows_of(10, 0, 0, max_length)


def test_a_tokenizer_without_a_padding_token_pads_all_the_same() -> None:
    fast = Numbers(0, 0).fast
    fast.pad_token = None
    windows = make_windows(fast, " ".join(map(str, range(300))), 128)
    assert windows.ids.shape == (4, 128)
    assert int((windows.mask == 0).sum()) == 20


NUMBERS = " ".join(map(str, range(300)))

STORED: dict[str, dict[str, Any]] = {
    "truncation_side": {"settings": {"truncation_side": "left"}},
    "padding_side": {"settings": {"padding_side": "left"}},
    "model_max_length": {"settings": {"model_max_length": 100}},
    "split_special_tokens": {"settings": {"split_special_tokens": True}},
    "clean_up": {"settings": {"clean_up_tokenization_spaces": True}},
    "chat_template": {"settings": {"chat_template": "{{ 'You are a bear.' }}"}},
    "truncation": {
        "inner": {
            "truncation": {
                **{"direction": "Left", "max_length": 90, "stride": 5},
                "strategy": "LongestFirst",
            }
        }
    },
    "padding": {
        "inner": {
            "padding": {
                **{"strategy": {"Fixed": 200}, "direction": "Left", "pad_to_multiple_of": 7},
                **{"pad_id": 5, "pad_type_id": 0, "pad_token": "2"},
            }
        }
    },
}


@pytest.mark.parametrize("what", STORED)
def test_what_a_tokenizers_files_ask_for_changes_no_window(tmp_path: Path, what: str) -> None:
    """Its makers stored how they cut and padded; the study's windows are cut in one way."""
    Numbers(1, 1).fast.save_pretrained(tmp_path)
    for part, name in (("settings", "tokenizer_config.json"), ("inner", "tokenizer.json")):
        path = tmp_path / name
        path.write_text(json.dumps(json.loads(path.read_text()) | STORED[what].get(part, {})))
    plain = make_windows(Numbers(1, 1).fast, NUMBERS, 128)
    found = make_windows(load_tokenizer(tmp_path), NUMBERS, 128)
    for name in ("ids", "mask", "spans", "special"):
        np.testing.assert_array_equal(getattr(found, name), getattr(plain, name))


@pytest.mark.parametrize("asked", [{"add_bos_token": False}, {"add_eos_token": True}])
def test_the_special_tokens_that_a_tokenizer_asks_for_are_in_every_window(
    tmp_path: Path, asked: dict[str, bool]
) -> None:
    fast = Numbers(1, 0).fast
    fast.add_special_tokens({"bos_token": "<s>", "eos_token": "</s>"})
    fast.save_pretrained(tmp_path)
    path = tmp_path / "tokenizer_config.json"
    path.write_text(json.dumps(json.loads(path.read_text()) | asked))
    windows = make_windows(load_tokenizer(tmp_path), NUMBERS, 128)
    lead, tail = (windows.ids[0, 0] == 0), (windows.ids[0, -1] == 1)
    assert (windows.special[:, 0] == lead).all()
    assert (windows.special[:-1, -1] == tail).all()
    own = [
        windows.ids[number, start:end]
        for number, (start, end) in enumerate(
            zip(fresh_start(windows), text_end(windows), strict=True)
        )
    ]
    assert (np.concatenate(own) - 3).tolist() == list(range(300))


def test_windows_that_go_backwards_are_refused() -> None:
    fast = Numbers(1, 1).fast

    class Stubborn(type(fast)):  # type: ignore[misc]
        truncation_side = property(lambda self: "left", lambda self, value: None)

    fast.__class__ = Stubborn
    with pytest.raises(BadInput, match="do not follow the text"):
        make_windows(fast, NUMBERS, 128)


def some_windows(n_windows: int, length: int, eos: int | None = None, **over: Any) -> Windows:
    ids = np.arange(n_windows * length).reshape(n_windows, length) + 100
    special = np.zeros((n_windows, length), bool)
    return Windows(
        ids=over.get("ids", ids),
        mask=np.ones_like(ids),
        spans=np.zeros((n_windows, length, 2), np.int64),
        special=over.get("special", special),
        max_length=length,
        eos=eos,
    )


def covered(pieces: Pieces) -> list[list[tuple[int, int, int]]]:
    rows: list[list[tuple[int, int, int]]] = [[] for _ in range(int(pieces.table[-1, 0]) + 1)]
    for piece, window, start, end in pieces.segments().tolist():
        rows[int(pieces.table[piece, 0])].append((window, start, end))
    return rows


def test_a_word_runs_up_to_the_next_words_first_token() -> None:
    anchors = np.array([[0, 2], [0, 5], [0, 6]])
    pieces = reference_pieces(anchors, range(3), some_windows(1, 80))
    assert covered(pieces) == [[(0, 2, 5)], [(0, 5, 6)], [(0, 6, 80)]]


def test_a_word_across_a_seam_takes_both_sides() -> None:
    anchors = np.array([[0, 78], [1, 20]])
    pieces = reference_pieces(anchors, range(2), some_windows(2, 80))
    assert covered(pieces) == [[(0, 78, 80), (1, 16, 20)], [(1, 20, 80)]]


def test_the_last_word_stops_at_the_end_of_text_token() -> None:
    ids = np.array([[5, 6, 7, 9, 9]])
    windows = some_windows(1, 5, eos=9, ids=ids)
    pieces = reference_pieces(np.array([[0, 1], [0, 2]]), range(2), windows)
    assert covered(pieces)[-1] == [(0, 2, 3)]


def test_aligned_words_have_no_special_token_and_no_padding() -> None:
    windows = windows_of(300, 1, 1)
    anchors = np.array([[0, 125], [1, 66], [3, 66]])
    pieces = aligned_pieces(anchors, range(3), windows)
    rows = covered(pieces)
    assert rows[0] == [(0, 125, 127), (1, 65, 66)]
    assert rows[1] == [(1, 66, 127), (2, 65, 127), (3, 65, 66)]
    assert rows[2] == [(3, 66, 115)]
    for window, start, end in chain(*rows):
        assert not windows.special[window, start:end].any()


def test_the_last_word_goes_on_to_the_end_of_the_text() -> None:
    """Its end may lie in a later window than its first token."""
    windows = windows_of(252, 1, 1)
    assert len(windows.ids) == 4
    rows = covered(aligned_pieces(np.array([[0, 3], [2, 125]]), range(2), windows))
    assert rows[-1] == [(2, 125, 127), (3, 65, 67)]


def test_words_on_one_token_share_it() -> None:
    anchors = np.array([[0, 1], [0, 1], [0, 4]])
    pieces = aligned_pieces(anchors, range(3), some_windows(1, 80))
    assert covered(pieces) == [[(0, 1, 2)], [(0, 1, 4)], [(0, 4, 80)]]


def test_a_chinese_word_is_the_mean_of_its_characters() -> None:
    anchors = np.array([[0, 0], [0, 1], [0, 1], [0, 3]])
    pieces = reference_pieces(anchors, [0, 0, 1, 1], some_windows(1, 80))
    assert covered(pieces) == [[(0, 0, 1)], [(0, 1, 3), (0, 3, 80)]]


def test_a_word_without_characters_of_its_own_takes_the_next_word() -> None:
    anchors = np.array([[0, 2], [0, 2], [0, 2], [0, 5]])
    pieces = reference_pieces(anchors, [0, 1, 2, 3], some_windows(1, 80))
    assert covered(pieces) == [[(0, 2, 5)]] * 3 + [[(0, 5, 80)]]
