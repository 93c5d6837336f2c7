"""Limited context and surprisal, against a word at a time through the plain model."""

from pathlib import Path
from typing import Any

import numpy as np
import pytest
import torch
import transformers
from transformers import AutoConfig, AutoModelForCausalLM

from helpers import tiny_models
from helpers.keys import by_run
from helpers.restatement import Data, mapped, write_data
from lateralization.files import read_tensors
from lateralization.language_models.batches import RunTokens, plan_batches, runs_from
from lateralization.language_models.context import limited
from lateralization.language_models.forward import compute, input_device
from lateralization.language_models.loading import from_config, load_model
from lateralization.language_models.surprisal import head_of, reads_forward, surprisal_table
from lateralization.language_models.word_vectors import merge
from lateralization.words.by_story import rows_by_story
from lateralization.words.words import MappedRun, window_tensors, words_table

Arrays = dict[str, np.ndarray[Any, Any]]


@pytest.fixture(scope="module")
def data(tmp_path_factory: pytest.TempPathFactory) -> Data:
    return write_data(tmp_path_factory.mktemp("data"))


def extracted(model: Any, runs: list[RunTokens], folder: Path) -> tuple[Arrays, list[Any]]:
    """Return word vectors and, for each run, the surprisal of its segments."""
    folder.mkdir(parents=True)
    trunk = model.base_model
    head, _ = head_of(model, torch.device("cpu"))
    given = head if callable(head) else None
    compute(trunk, runs, plan_batches(runs, 1000), folder, head=given)
    merge(runs, folder, folder / "out.safetensors")
    bits = [np.full(len(run.segments), np.nan) for run in runs]
    for part in folder.glob("part-*"):
        tensors = read_tensors(part)
        for (run, segment), value in zip(tensors["segments"], tensors["surprisal"], strict=True):
            bits[run - 1][segment] = value
    return read_tensors(folder / "out.safetensors"), bits


def places_of(run: MappedRun) -> list[tuple[int, int]]:
    """Return window and position of the text's tokens, each once, in the first window it is in."""
    places = []
    for number in range(len(run.windows.ids)):
        content = np.flatnonzero(~run.windows.special[number])
        places += [(number, int(at)) for at in content[run.windows.stride if number else 0 :]]
    return places


def stream(run: MappedRun) -> tuple[list[int], list[tuple[int, int]], int]:
    """Return the text's tokens, each once, and each word's place among them; and the lead."""
    windows, places = run.windows, places_of(run)
    index = {place: i for i, place in enumerate(places)}
    starts = [index[tuple(anchor)] for anchor in run.anchors.tolist()]
    last = sum(place < tuple(run.pieces.table[-1, 3:]) for place in places)
    spans = list(zip(starts, [*starts[1:], last], strict=True))
    return (
        [int(windows.ids[place]) for place in places],
        spans,
        int((~windows.special[0]).argmax()),
    )


def alone(model: Path, run: MappedRun, context: int) -> tuple[list[Any], list[float]]:
    """Read each word by itself with what may precede it: states of all layers, surprisal."""
    cls = tiny_models.plain_class(AutoConfig.from_pretrained(model))
    full = cls.from_pretrained(model, dtype=torch.float32).eval()
    tokens, spans, lead = stream(run)
    vectors, bits = [], []
    for start, end in spans:
        first = max(0, start - (context - 1))
        ids = torch.tensor([[*run.windows.ids[0, :lead].tolist(), *tokens[first:end]]])
        with torch.no_grad():
            out = full(input_ids=ids, output_hidden_states=True)
        vectors.append([state[0, start - end :].mean(0).numpy() for state in out.hidden_states])
        at = range(ids.shape[1] - (end - start), ids.shape[1])
        told = out.logits[0].log_softmax(-1)
        values = [-float(told[p - 1, ids[0, p]]) / np.log(2) if p else np.nan for p in at]
        bits.append(sum(values))
    return vectors, bits


@pytest.mark.slow
@pytest.mark.parametrize(
    "kind",
    ["gpt2", "llama", "opt-projected", "gpt2-french", "mamba", "mistral-local", "gemma3-local"],
)
@pytest.mark.parametrize("context", [1, 20])
def test_each_word_alone_with_its_context_gives_the_same(
    tmp_path: Path, data: Data, kind: str, context: int
) -> None:
    model = tiny_models.make(tmp_path / kind, kind, data[2])
    found = mapped(model, data, "aligned")
    assert len(found[0].windows.ids) > 2 or kind == "mamba"
    loaded = load_model(model)
    assert reads_forward(loaded.base_model, input_device(loaded.base_model))
    runs = [limited(run, context, True) for run in runs_from(window_tensors(found))]
    vectors, bits = extracted(loaded, runs, tmp_path / "parts")
    states, surprisal = alone(model, found[0], context)
    for layer in range(3):
        expected = np.array([word[layer] for word in states])
        bound = 1e-5 * np.abs(expected).max()
        np.testing.assert_allclose(vectors[f"run-1/layer-{layer}"], expected, rtol=0, atol=bound)
    table = surprisal_table(words_table(found, by_run(data[2])), runs, bits)
    mine = table[table.run == 1]
    np.testing.assert_allclose(mine.surprisal, surprisal, rtol=1e-4, atol=1e-4)
    assert np.isnan(mine.surprisal.iloc[0]) == (kind in ("gpt2", "mamba"))
    assert (mine.surprisal.iloc[1:].isna().all()) == (context == 1 and kind in ("gpt2", "mamba"))


@pytest.mark.slow
@pytest.mark.parametrize("kind", ["gpt2", "opt", "llama", "bert", "modernbert", "gpt2-french"])
@pytest.mark.parametrize("mapping", ["aligned", "reference"])
def test_a_context_as_long_as_the_run_is_no_limit(
    tmp_path: Path, data: Data, kind: str, mapping: str
) -> None:
    model = tiny_models.make(tmp_path / kind, kind, data[2])
    found = runs_from(window_tensors(mapped(model, data, mapping)))
    trunk = load_model(model).base_model
    forward = reads_forward(trunk, input_device(trunk))
    assert forward == (kind not in ("bert", "modernbert"))
    results = []
    for number, runs in enumerate((found, [limited(run, 10_000, forward) for run in found])):
        parts = tmp_path / f"parts-{number}"
        parts.mkdir()
        compute(trunk, runs, plan_batches(runs, 1000), parts)
        merge(runs, parts, parts / "out.safetensors")
        results.append(read_tensors(parts / "out.safetensors"))
    for name, values in results[0].items():
        np.testing.assert_allclose(results[1][name], values, rtol=0, atol=3e-6, err_msg=name)


@pytest.mark.slow
@pytest.mark.parametrize(
    ("kind", "positions"), [("bert", 1024), ("bert", 96), ("modernbert-local", 96)]
)
@pytest.mark.parametrize("context", [1, 4, 20])
def test_a_model_of_both_directions_reads_a_word_with_as_much_on_both_sides(
    tmp_path: Path, data: Data, kind: str, positions: int, context: int
) -> None:
    """A word near the end of its window, or across it, too: brute force, a word at a time."""
    model = tiny_models.make(tmp_path / kind, kind, data[2], positions)
    found = mapped(model, data, "aligned")
    assert (len(found[0].windows.ids) > 2) == (positions == 96)
    trunk = load_model(model).base_model
    runs = [limited(run, context, False) for run in runs_from(window_tensors(found))]
    compute(trunk, runs, plan_batches(runs, 1000), tmp_path)
    merge(runs, tmp_path, tmp_path / "out.safetensors")
    vectors = read_tensors(tmp_path / "out.safetensors")
    tokens, spans, _ = stream(found[0])
    row = found[0].windows.ids[0, found[0].windows.mask[0] == 1]
    full = tiny_models.plain_class(AutoConfig.from_pretrained(model)).from_pretrained(model).eval()
    expected = []
    for start, end in spans:
        before = max(0, start - context + 1)
        ids = torch.tensor([[row[0], *tokens[before : end + context - 1], row[-1]]])
        with torch.no_grad():
            states = full(input_ids=ids, output_hidden_states=True).hidden_states
        place = slice(1 + start - before, 1 + end - before)
        expected.append([state[0, place].mean(0).numpy() for state in states])
    for layer in range(3):
        told = np.array([word[layer] for word in expected])
        bound = 1e-5 * np.abs(told).max()
        np.testing.assert_allclose(vectors[f"run-1/layer-{layer}"], told, rtol=0, atol=bound)


@pytest.mark.parametrize("mapping", ["aligned", "reference"])
def test_what_a_word_may_see_is_read_from_its_window_where_it_does_not_fit_into_one(
    tmp_path: Path, data: Data, mapping: str
) -> None:
    model = tiny_models.make(tmp_path / "bert", "bert", data[2])
    for run in runs_from(window_tensors(mapped(model, data, mapping))):
        length = run.ids.shape[1]
        for context in (30, 60, 200):
            cut = limited(run, context, False)
            assert cut.ids.shape[1] <= length
            old, new = run.segments, cut.segments
            assert (old[:, 0] == new[:, 0]).all()
            assert (old[:, 3] - old[:, 2] == new[:, 3] - new[:, 2]).all()
            for before, after in zip(old, new, strict=True):
                tokens = run.ids[before[1], before[2] : before[3]]
                assert (tokens == cut.ids[after[1], after[2] : after[3]]).all()
                kept = cut.mask[after[1], after[2] : after[3]]
                # the study's rule gives the last word the padding of its window
                assert (kept == run.mask[before[1], before[2] : before[3]]).all()


def plain_bits(model: Path, run: MappedRun) -> list[float]:
    """Return the surprisal of each token of the text, one window at a time; NaN without a before.

    A word that straddles a seam has tokens of two windows.
    """
    full = AutoModelForCausalLM.from_pretrained(model, dtype=torch.float32).eval()
    told = []
    for ids, mask in zip(run.windows.ids, run.windows.mask, strict=True):
        with torch.no_grad():
            told.append(full(torch.tensor(ids[None, : mask.sum()])).logits[0].log_softmax(-1))
    return [
        -float(told[window][at - 1, run.windows.ids[window, at]]) / np.log(2) if at else np.nan
        for window, at in places_of(run)
    ]


@pytest.mark.slow
@pytest.mark.parametrize("mapping", ["aligned", "reference"])
@pytest.mark.parametrize("kind", ["gpt2", "opt", "llama", "gpt2-french"])
def test_surprisal_of_whole_windows_is_that_of_the_plain_model(
    tmp_path: Path, data: Data, kind: str, mapping: str
) -> None:
    """Word by word: each token once, in the first window it is in, with all that precedes it."""
    model = tiny_models.make(tmp_path / kind, kind, data[2])
    found = mapped(model, data, mapping)
    runs = runs_from(window_tensors(found))
    _, bits = extracted(load_model(model), runs, tmp_path / "parts")
    rows = rows_by_story(surprisal_table(words_table(found, by_run(data[2])), runs, bits))
    for run in found:
        assert len(run.windows.ids) > 2
        tokens, spans, lead = stream(run)
        plain = plain_bits(model, run)
        mine = rows[run.story]
        expected = [sum(plain[start:end]) for start, end in spans]
        assert np.isnan(expected[0]) == (lead == 0)
        np.testing.assert_allclose(mine.surprisal, expected, rtol=1e-5, atol=1e-5)
        np.testing.assert_array_less(0, expected[1:])
        assert len(tokens) == len(plain)


def test_models_without_surprisal_say_why(tmp_path: Path, data: Data) -> None:
    bert = load_model(tiny_models.make(tmp_path / "bert", "bert", data[2]))
    assert "both directions" in str(head_of(bert, torch.device("cpu"))[1])
    tiny_models.make(tmp_path / "gpt2", "gpt2", data[2])
    assert callable(head_of(load_model(tmp_path / "gpt2"), torch.device("cpu"))[0])
    strange = load_model(tmp_path / "gpt2")
    plain = strange.forward
    strange.forward = lambda input_ids, **given: _biased(
        plain(input_ids=input_ids, **given), input_ids
    )
    assert "unknown kind" in str(head_of(strange, torch.device("cpu"))[1])


@pytest.mark.parametrize("kind", ["llama", "bert", "gpt2"])
def test_no_surprisal_comes_from_a_head_that_the_checkpoint_lacks(
    tmp_path: Path, data: Data, kind: str
) -> None:
    """Transformers draws it at random; one that is the embedding itself is there."""
    model = tiny_models.make(tmp_path / kind, kind, data[2])
    whole = load_model(model)
    assert whole.base_model is not whole
    whole.base_model.save_pretrained(model)
    bare = load_model(model)
    ids = torch.tensor([[4, 5, 6, 7]])
    with torch.no_grad():
        states = bare.base_model(ids).last_hidden_state
        torch.testing.assert_close(states, whole.base_model(ids).last_hidden_state)
        head, reason = head_of(bare, torch.device("cpu"))
        if kind == "gpt2":
            assert callable(head)
            torch.testing.assert_close(head(states[0]), whole(ids).logits[0])
            return
    assert head is None
    assert "has no language-modelling head" in str(reason)


def _biased(out: Any, ids: Any) -> Any:
    """Let the logits hang on the tokens themselves, past the trunk."""
    out.logits = out.logits + ids[..., None]
    return out


HEADS: dict[str, dict[str, Any]] = {
    "RecurrentGemma": {"logits_soft_cap": 0.5, "head_dim": 8, "lru_width": 16},
    "Gemma2": {"final_logit_softcapping": 0.5, "head_dim": 8},
    "Cohere": {"logit_scale": 0.25},
    "Granite": {"logits_scaling": 4.0},
    "HyperCLOVAX": {"logits_scaling": 4.0},
    "Bert": {"is_decoder": True},
    "Llama4Text": {"intermediate_size_mlp": 16, "num_local_experts": 2, "head_dim": 8},
    "Bart": {"d_model": 16, "decoder_layers": 1, "decoder_attention_heads": 2},
    "OPT": {"ffn_dim": 16, "word_embed_proj_dim": 8, "do_layer_norm_before": False},
}
"""Scales, caps, a layer before the product, a trunk of another name or within it, a projection."""


@pytest.mark.parametrize("name", HEADS)
def test_a_head_is_the_models_own_whatever_it_does_to_the_product(name: str) -> None:
    shape = {"hidden_size": 16, "num_hidden_layers": 1, "num_attention_heads": 2}
    shape |= {"intermediate_size": 16, "vocab_size": 50, "num_key_value_heads": 1}
    shape |= {"pad_token_id": 0, "bos_token_id": 1, "eos_token_id": 2}
    config = getattr(transformers, f"{name}Config")(**shape, **HEADS[name])
    torch.manual_seed(5)
    model = from_config(config).eval()
    ids = torch.randint(3, 50, (1, 9))
    with torch.no_grad():
        for parameter in model.parameters():
            parameter.add_(0.1 * torch.randn_like(parameter))
        expected = model(ids, use_cache=False).logits[0]
        states = model.base_model(ids, use_cache=False).last_hidden_state[0]
        head, reason = head_of(model, torch.device("cpu"))
        assert reason is None
        assert head is not None
        torch.testing.assert_close(head(states), expected)
