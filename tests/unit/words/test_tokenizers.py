"""Words and tokens that do not meet one to one: shared tokens, rows that the filter drops."""

from pathlib import Path

import numpy as np
import pandas as pd
import pytest

from helpers import tiny_models
from helpers.restatement import mapped, spoken, story, write_data
from lateralization.errors import BadInput
from lateralization.simulation.extraction import extract_features
from lateralization.words.words import map_words, mapping_report, window_tensors, words_table


def test_words_that_share_a_token_each_get_it(tmp_path: Path) -> None:
    """A tokenizer that joins words: each word takes the token that its first character is in."""
    text = story(6)
    words = spoken(text)
    table = pd.DataFrame({"run": 1, "row": range(len(words)), "word": words})
    table = table.assign(onset=0.0, offset=0.4)
    tokenizer = tiny_models.across_words([text])
    run = map_words(
        tokenizer, table, {"run-1": text}, language="en", mapping="aligned", max_length=96
    )[0]
    assert not run.unaligned
    places = [tuple(row) for row in run.pieces.table[:, 1:].tolist()]
    shared = [at for at in range(len(words) - 1) if places[at][:2] == places[at + 1][:2]]
    assert len(shared) > 10
    at = 0
    for number, word in enumerate(words):
        at = text.index(word, at)
        window, first = run.anchors[number]
        start, end = run.windows.spans[window, first]
        assert start <= at < end, word
        at += len(word)


def test_a_row_without_a_word_shifts_no_character_of_the_words_after_it(tmp_path: Path) -> None:
    """The study counted dropped rows too, so that characters went to the words beside them."""
    data = write_data(tmp_path, "cn")
    model = tiny_models.make(tmp_path / "model", "gpt2-chinese", data[2])
    plain = extract_features(model, data[0], data[1], "cn", "reference")
    lines = data[0].read_text(encoding="utf-8").splitlines()
    for at, empty in ((40, ",19.1,19.2,1"), (12, "n/a,5.1,5.2,1"), (4, " ,1.1,1.2,1")):
        lines.insert(at, empty)
    data[0].write_text("\n".join(lines) + "\n", encoding="utf-8")
    assert len(mapped(model, data, "reference", "cn")[0].words) == plain["run-1/layer-0"].shape[0]
    for mapping in ("reference", "aligned"):
        found = extract_features(model, data[0], data[1], "cn", mapping)
        if mapping == "reference":
            for name, values in plain.items():
                np.testing.assert_array_equal(found[name], values)
        assert found["run-1/layer-0"].shape == plain["run-1/layer-0"].shape


def test_stories_by_name_keep_their_names_and_their_order() -> None:
    texts = {"story-b_2": "The crow sat.\n", "story-01": "The fox came. The crow sat.\n"}
    spoken_words = {"01": ["fox", "zyxw", "crow"], "b_2": ["crow", "sat"]}
    rows = [(story, word) for story, words in spoken_words.items() for word in words]
    table = pd.DataFrame(rows, columns=["story", "word"]).assign(
        row=range(5), onset=0.0, offset=1.0
    )
    tokenizer = tiny_models.across_words(list(texts.values()))
    runs = map_words(tokenizer, table, texts, language="en", mapping="aligned", max_length=96)
    assert [run.story for run in runs] == list(texts)
    words = words_table(runs, texts)
    assert words.columns.tolist()[:4] == ["story", "word", "onset", "offset"]
    assert words["story"].tolist() == ["b_2", "b_2", "01", "01", "01"]
    assert {name.split("/")[0] for name in window_tensors(runs)} == set(texts)
    (missing,) = mapping_report(runs, "aligned")["unaligned"]
    assert (missing["story"], missing["word"]) == ("01", "zyxw")
    with pytest.raises(BadInput, match="story b_2: only 0% of the annotated words are in its text"):
        map_words(tokenizer, table, texts | {"story-b_2": "12 34 56"}, language="en",
                  mapping="aligned", max_length=96)  # fmt: skip
