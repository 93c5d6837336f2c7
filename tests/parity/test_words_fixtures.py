"""Parity with the study's own scripts: anchors, windows and word vectors of three models."""

from collections.abc import Iterator
from pathlib import Path
from typing import Any

import numpy as np
import pytest

from helpers.keys import run_keys
from lateralization.errors import BadInput
from lateralization.language_models.loading import load_tokenizer, load_trunk
from lateralization.simulation import extraction
from lateralization.words.annotation import read_words
from lateralization.words.stories import read_texts
from lateralization.words.words import (
    MappedRun,
    map_words,
    mapping_report,
    window_tensors,
    words_table,
)

ROOT = Path(__file__).parents[2]
FIXTURES = ROOT / "tests" / "fixtures"
MODELS = {"gpt2-fixture": "en", "opt-fixture": "en", "gpt2-fixture-chinese": "cn"}
RUNS = range(1, 10)


def texts_of(language: str) -> dict[str, str]:
    folder = FIXTURES / f"texts_{language}"
    return read_texts(sorted(folder.iterdir()), language, run_keys(9))


def mapped(model: str, mapping: str) -> list[MappedRun]:
    language = MODELS[model]
    code = language.upper()
    words, _ = read_words(
        FIXTURES / "annotation" / code / f"lpp{code}_word_information.csv",
        language,
        ROOT / "assets" / "corrections_ds003643.tsv",
    )
    tokenizer = load_tokenizer(FIXTURES / "models" / model)
    return map_words(
        tokenizer,
        words,
        texts_of(language),
        language=language,
        mapping=mapping,
        max_length=96,
    )


@pytest.fixture(scope="module", params=MODELS)
def study(request: pytest.FixtureRequest) -> Iterator[tuple[str, Any, list[MappedRun]]]:
    with np.load(FIXTURES / f"activations_{request.param}.npz") as stored:
        yield request.param, stored, mapped(request.param, "reference")


def test_anchors_windows_and_times_are_equal(study: tuple[str, Any, list[MappedRun]]) -> None:
    _, stored, runs = study
    for run in runs:
        name = run.story
        np.testing.assert_array_equal(run.anchors, stored[f"{name}/anchors"])
        np.testing.assert_array_equal(run.windows.ids, stored[f"{name}/windows"])
        np.testing.assert_array_equal(run.words["onset"], stored[f"{name}/onsets"])
        np.testing.assert_array_equal(run.words["offset"], stored[f"{name}/offsets"])


def test_word_vectors_agree_to_1e_5(
    study: tuple[str, Any, list[MappedRun]], tmp_path: Path
) -> None:
    model, stored, mapped_runs = study
    runs = extraction.runs_from(window_tensors(mapped_runs))
    trunk = load_trunk(FIXTURES / "models" / model)
    parts = tmp_path / "parts"
    parts.mkdir()
    extraction.compute(trunk, runs, extraction.plan_batches(runs, 500), parts)
    assert extraction.merge(runs, parts, tmp_path / "features.safetensors") == [16, 16, 16]
    features = extraction.read_tensors(tmp_path / "features.safetensors")
    for run in RUNS:
        for layer in range(3):
            name = f"run-{run}/layer-{layer}"
            scale = np.abs(stored[name]).max(axis=1, keepdims=True)
            assert (np.abs(features[name] - stored[name]) <= 1e-5 * scale).all(), name
            assert features[name].dtype == np.float32


@pytest.mark.parametrize("model", ["gpt2-fixture", "opt-fixture"])
def test_both_mappings_agree_on_clean_text(model: str) -> None:
    for rule, aligned in zip(mapped(model, "reference"), mapped(model, "aligned"), strict=True):
        np.testing.assert_array_equal(rule.anchors, aligned.anchors)
        inside = rule.pieces.table[:-1]
        np.testing.assert_array_equal(inside, aligned.pieces.table[:-1])
        assert aligned.unaligned == []


def test_mappings_differ_in_chinese_only_at_repeated_characters() -> None:
    model = "gpt2-fixture-chinese"
    for rule, aligned in zip(mapped(model, "reference"), mapped(model, "aligned"), strict=True):
        characters = "".join(rule.words["word"])
        repeated = {i for i in range(1, len(characters)) if characters[i] == characters[i - 1]}
        differing = np.flatnonzero((rule.anchors != aligned.anchors).any(axis=1))
        runs_of_equals = repeated | {i + 1 for i in repeated}
        assert set(differing.tolist()) <= runs_of_equals
        assert len(differing) < 12
        assert aligned.unaligned == []


def test_the_table_of_words_shows_the_characters_covered(
    study: tuple[str, Any, list[MappedRun]],
) -> None:
    model, _, runs = study
    table = words_table(runs, texts_of(MODELS[model]))
    place = ["window", "first_token", "end_window", "end_token", "text"]
    assert table.columns.tolist() == ["run", "word", "onset", "offset", *place]
    # In Chinese a word whose character repeats the one before has the next word's tokens.
    starts = [a.lstrip().startswith(b) for a, b in zip(table["text"], table["word"], strict=True)]
    assert np.mean(starts) > (0.9 if MODELS[model] == "cn" else 0.999)
    assert not table["text"].str.contains("\n").any()
    assert (table["end_window"] >= table["window"]).all()


def changed(
    row: int, word: str, mapping: str, texts: dict[str, str] | None = None
) -> list[MappedRun]:
    """Map the English fixture after a word of the annotation was replaced."""
    words, _ = read_words(
        FIXTURES / "annotation" / "EN" / "lppEN_word_information.csv",
        "en",
        ROOT / "assets" / "corrections_ds003643.tsv",
    )
    words.loc[words["row"] == row, "word"] = word
    tokenizer = load_tokenizer(FIXTURES / "models" / "gpt2-fixture")
    return map_words(
        tokenizer, words, texts or texts_of("en"), language="en", mapping=mapping, max_length=96
    )


def test_a_word_that_the_rule_does_not_find_is_named() -> None:
    with pytest.raises(BadInput) as caught:
        changed(5, "zyxw", "reference")
    for part in ("'zyxw'", "run 1", "row 5", "--word_mapping aligned"):
        assert part in str(caught.value)


def test_aligned_words_all_have_tokens_and_the_unaligned_are_listed() -> None:
    runs = changed(5, "zyxw", "aligned")
    assert [word["word"] for run in runs for word in run.unaligned] == ["zyxw"]
    for run in runs:
        covered = run.pieces.table[run.pieces.segments()[:, 0], 0]
        assert set(covered.tolist()) == set(range(len(run.words)))
    report = mapping_report(runs, "aligned")
    assert report["alignment_rate"] == pytest.approx(1 - 1 / 2095)


def test_a_text_of_another_story_is_refused() -> None:
    texts = texts_of("en")
    texts["run-4"] = "Completely unrelated: 12345 67890, etc.\n" * 40
    with pytest.raises(BadInput, match="run 4: only"):
        changed(5, "near", "aligned", texts)
