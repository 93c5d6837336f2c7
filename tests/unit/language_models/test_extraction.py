"""Hidden states of words: against a plain re-statement, whatever the architecture or the batch."""

import json
from itertools import pairwise
from pathlib import Path
from typing import Any

import accelerate
import numpy as np
import pytest
import torch
import transformers
from transformers import AutoModelForCausalLM

from helpers import tiny_models
from helpers.keys import by_run, run_keys
from helpers.restatement import Data, assert_equal_vectors, mapped, restated, write_data
from lateralization.errors import BadInput
from lateralization.files import read_tensors
from lateralization.language_models import batches, forward, word_vectors
from lateralization.language_models.activations import check_embedding, check_word_counts
from lateralization.language_models.loading import load_config, load_tokenizer, load_trunk, measure
from lateralization.language_models.untrained import spread_out, untrained_model, untrained_trunk
from lateralization.simulation import extraction
from lateralization.words.alignment import comparable
from lateralization.words.annotation import read_words
from lateralization.words.words import map_words, window_tensors, words_table


@pytest.fixture(scope="module")
def data(tmp_path_factory: pytest.TempPathFactory) -> Data:
    return write_data(tmp_path_factory.mktemp("data"))


ENGLISH = [kind for kind in tiny_models.KINDS if kind not in ("gpt2-chinese", "gpt2-french")]
WIDTHS = {"opt-projected": [16, 16, 8]}


@pytest.mark.slow
@pytest.mark.parametrize(
    ("kind", "language"),
    [*((kind, "en") for kind in ENGLISH), ("gpt2-chinese", "cn"), ("gpt2-french", "fr")],
)
def test_every_architecture_gives_the_vectors_of_a_plain_restatement(
    tmp_path: Path, kind: str, language: str
) -> None:
    data = write_data(tmp_path, language)
    model = tiny_models.make(tmp_path / kind, kind, data[2])
    runs = mapped(model, data, "aligned", language)
    several = not kind.startswith("mamba")  # Mamba knows no limit: one window
    assert (len(runs[0].windows.ids) > 2) is several
    features = extraction.extract_features(model, data[0], data[1], language)
    assert_equal_vectors(features, restated(model, runs, language))
    assert [features[f"run-1/layer-{layer}"].shape for layer in range(3)] == [
        (len(runs[0].words), width) for width in WIDTHS.get(kind, [16, 16, 16])
    ]
    assert all(np.isfinite(values).all() and values.any() for values in features.values())
    table = words_table(runs, by_run(data[2]))
    covers = [
        comparable(word)[0] in comparable(text)[0]
        for word, text in zip(table.word, table.text, strict=True)
    ]
    assert all(covers), table[~np.array(covers)]
    ends = list(zip(table.end_window, table.end_token, strict=True))
    assert all(map(tuple.__gt__, ends, zip(table.window, table.first_token, strict=True)))
    assert not any(run.unaligned for run in runs)
    trunk = load_trunk(model)
    with torch.no_grad():
        out = trunk(torch.tensor(runs[0].windows.ids[:1]), output_hidden_states=True)
    # what the study calls the last layer: after the final norm, where there is one
    torch.testing.assert_close(out.hidden_states[-1], out.last_hidden_state, rtol=0, atol=0)


@pytest.mark.parametrize("kind", ["gpt2", "llama", "bert"])
def test_one_window_gives_the_vectors_of_a_plain_restatement(
    tmp_path: Path, data: Data, kind: str
) -> None:
    model = tiny_models.make(tmp_path / kind, kind, data[2], 1024)
    runs = mapped(model, data, "aligned")
    assert [len(run.windows.ids) for run in runs] == [1, 1]
    features = extraction.extract_features(model, data[0], data[1], "en")
    assert_equal_vectors(features, restated(model, runs))


def test_the_side_that_a_tokenizer_pads_on_changes_nothing(tmp_path: Path, data: Data) -> None:
    """Positions count from the left: states of a model padded there would be others."""
    model = tiny_models.make(tmp_path / "gpt2", "gpt2", data[2])
    right = extraction.extract_features(model, data[0], data[1], "en")
    settings = json.loads((model / "tokenizer_config.json").read_text())
    (model / "tokenizer_config.json").write_text(json.dumps(settings | {"padding_side": "left"}))
    assert load_tokenizer(model).padding_side == "left"
    left = extraction.extract_features(model, data[0], data[1], "en")
    for name, values in right.items():
        np.testing.assert_array_equal(left[name], values)


def test_a_text_that_ends_with_its_window_and_words_across_seams(
    tmp_path: Path, data: Data
) -> None:
    model = tiny_models.make(tmp_path / "model", "gpt2", data[2], 1024)
    n_tokens = int(mapped(model, data, "aligned")[0].windows.mask.sum())
    positions = next(n for n in range(90, n_tokens) if (n_tokens - n) % 64 == 0)
    model = tiny_models.make(tmp_path / "model", "gpt2", data[2], positions)
    runs = mapped(model, data, "aligned")
    assert runs[0].windows.mask.all()
    assert len(runs[0].windows.ids) > 1
    table = words_table(runs, by_run(data[2]))
    assert (table["end_window"] > table["window"]).any()
    features = extraction.extract_features(model, data[0], data[1], "en")
    assert_equal_vectors(features, restated(model, runs))


def test_layers_mean_what_they_meant_in_the_study(tmp_path: Path, data: Data) -> None:
    ids = torch.tensor([[5, 6, 7, 8]])
    gemma = load_trunk(tiny_models.make(tmp_path / "gemma", "gemma", data[2]))
    with torch.no_grad():
        states = gemma(input_ids=ids, output_hidden_states=True)
        scaled = gemma.embed_tokens.weight[ids] * gemma.config.hidden_size**0.5
        torch.testing.assert_close(states.hidden_states[0], scaled)
        torch.testing.assert_close(states.hidden_states[-1], states.last_hidden_state)
        mamba = load_trunk(tiny_models.make(tmp_path / "mamba", "mamba", data[2]))
        states = mamba(input_ids=ids, output_hidden_states=True).hidden_states
        assert not torch.allclose(states[0], mamba.embeddings(ids))
        torch.testing.assert_close(states[2], mamba.norm_f(states[1]))


def test_results_depend_neither_on_batches_nor_on_ranks(tmp_path: Path, data: Data) -> None:
    model = tiny_models.make(tmp_path / "gpt2", "gpt2", data[2])
    runs = batches.runs_from(window_tensors(mapped(model, data, "reference")))
    trunk = load_trunk(model)
    results = []
    for windows, n_ranks in ((1, 1), (3, 1), (16, 2), (1, 3)):
        tokens = 96 * windows
        parts = tmp_path / f"parts-{tokens}-{n_ranks}"
        parts.mkdir()
        planned = batches.plan_batches(runs, tokens)
        for rank in range(n_ranks):
            share = batches.Share(rank, n_ranks)
            forward.compute(trunk, runs, planned, parts, share)
        word_vectors.merge(runs, parts, parts / "out.safetensors")
        results.append(read_tensors(parts / "out.safetensors"))
    for other in results[1:]:
        for name, values in results[0].items():
            np.testing.assert_allclose(other[name], values, rtol=0, atol=2e-6)


def test_batches_are_as_large_as_they_may_be(tmp_path: Path, data: Data) -> None:
    model = tiny_models.make(tmp_path / "gpt2", "gpt2", data[2])
    runs = batches.runs_from(window_tensors(mapped(model, data, "reference")))
    for tokens in (1, 96, 300, 10_000):
        planned = batches.plan_batches(runs, tokens)
        sizes = [(batch[0].length, len(batch)) for batch in planned]
        assert all(n * length <= tokens or n == 1 for length, n in sizes)
        for (length, n), (following, _) in pairwise(sizes):
            assert following < length or (n + 1) * length > tokens
    assert max(n for _, n in sizes) > 1


class Full:
    """A model whose memory holds a number of windows at most."""

    def __init__(self, trunk: Any, fits: int, error: Exception) -> None:
        self.trunk, self.fits, self.seen, self.error = trunk, fits, [0], error

    def parameters(self) -> Any:
        return self.trunk.parameters()

    def get_input_embeddings(self) -> Any:
        return self.trunk.get_input_embeddings()

    def __call__(self, **inputs: Any) -> Any:
        self.seen.append(len(inputs["input_ids"]))
        if self.seen[-1] > self.fits:
            raise self.error
        return self.trunk(**inputs)


FULL = [
    torch.cuda.OutOfMemoryError("no room"),
    RuntimeError("[enforce fail at alloc_cpu.cpp] DefaultCPUAllocator: can't allocate memory"),
    RuntimeError("CUDA error: out of memory\nCUDA kernel errors might be reported later"),
    RuntimeError("CUDA error: CUBLAS_STATUS_ALLOC_FAILED when calling `cublasCreate(handle)`"),
]


@pytest.mark.parametrize(("fits", "error"), [*((1, error) for error in FULL), (0, FULL[0])])
def test_a_batch_that_does_not_fit_is_halved_down_to_one_window(
    tmp_path: Path, data: Data, fits: int, error: Exception
) -> None:
    model = tiny_models.make(tmp_path / "gpt2", "gpt2", data[2])
    runs = batches.runs_from(window_tensors(mapped(model, data, "reference")))
    full = Full(load_trunk(model), fits, error)
    planned = batches.plan_batches(runs, 400)
    if fits:
        forward.compute(full, runs, planned, tmp_path)
        word_vectors.merge(runs, tmp_path, tmp_path / "out.safetensors")
        assert max(full.seen) > 1
        return
    with pytest.raises(MemoryError, match="one window"):
        forward.compute(full, runs, planned, tmp_path)


def test_other_failures_of_a_batch_are_no_lack_of_memory(tmp_path: Path, data: Data) -> None:
    model = tiny_models.make(tmp_path / "gpt2", "gpt2", data[2])
    runs = batches.runs_from(window_tensors(mapped(model, data, "reference")))
    full = Full(load_trunk(model), 1, RuntimeError("CUDA error: device-side assert triggered"))
    with pytest.raises(RuntimeError, match="assert"):
        forward.compute(full, runs, batches.plan_batches(runs, 400), tmp_path)


def test_models_that_do_not_read_a_plain_text_are_refused(tmp_path: Path, data: Data) -> None:
    model = tiny_models.make(tmp_path / "gpt2", "gpt2", data[2])
    runs = batches.runs_from(window_tensors(mapped(model, data, "aligned")))
    size = {"vocab_size": 464, "hidden_size": 16, "intermediate_size": 16}
    xmod = transformers.XmodConfig(
        **size, num_hidden_layers=1, num_attention_heads=2, languages=("en_XX", "fr_XX")
    )
    funnel = transformers.FunnelConfig(
        vocab_size=464, d_model=16, n_head=2, d_head=8, d_inner=16, block_sizes=[1, 1]
    )
    for trunk, said in (
        (transformers.XmodModel(xmod), "XmodModel cannot read a plain text: Input language"),
        (transformers.FunnelModel(funnel), "FunnelModel gives no hidden state"),
    ):
        with pytest.raises(BadInput, match=said):
            forward.compute(trunk.eval(), runs, batches.plan_batches(runs, 400), tmp_path)


@pytest.mark.parametrize(("value", "said"), [(float("nan"), "not finite"), (0.0, "zero for every")])
def test_broken_layers_are_refused(tmp_path: Path, data: Data, value: float, said: str) -> None:
    model = tiny_models.make(tmp_path / "gpt2", "gpt2", data[2])
    runs = batches.runs_from(window_tensors(mapped(model, data, "reference")))
    trunk = load_trunk(model)
    with torch.no_grad():
        trunk.ln_f.weight.fill_(value)
        trunk.ln_f.bias.fill_(value)

    def extract() -> None:
        forward.compute(trunk, runs, batches.plan_batches(runs, 400), tmp_path)
        word_vectors.merge(runs, tmp_path, tmp_path / "out.safetensors")

    with pytest.raises(BadInput, match=said):
        extract()
    assert not (tmp_path / "out.safetensors").exists()


def test_untrained_models_depend_on_their_seed_only(tmp_path: Path, data: Data) -> None:
    model = tiny_models.make(tmp_path / "gpt2", "gpt2", data[2])
    (model / "model.safetensors").unlink()
    one, again, two = (
        extraction.extract_features(model, data[0], data[1], "en", seed=seed) for seed in (1, 1, 2)
    )
    np.testing.assert_array_equal(one["run-1/layer-2"], again["run-1/layer-2"])
    assert not np.allclose(one["run-1/layer-2"], two["run-1/layer-2"])


def test_dropout_takes_the_windows_in_the_order_of_the_story(tmp_path: Path, data: Data) -> None:
    model = tiny_models.make(tmp_path / "gpt2", "gpt2", data[2])
    runs = batches.runs_from(window_tensors(mapped(model, data, "reference")))
    planned = batches.plan_batches(runs, 5000, in_order=True)
    places = [(item.run, item.window) for batch in planned for item in batch]
    assert places == sorted(places)
    assert len(places) == sum(len(run.ids) for run in runs)


def test_dropouts_random_stream_goes_on_from_the_weights(tmp_path: Path, data: Data) -> None:
    model = tiny_models.make(tmp_path / "gpt2", "gpt2", data[2])
    runs = batches.runs_from(window_tensors(mapped(model, data, "reference")))
    trunk = untrained_trunk(model, 1, mode="train")
    planned = batches.plan_batches(runs, 5000, in_order=True)
    forward.compute(trunk, runs, planned, tmp_path)
    word_vectors.merge(runs, tmp_path, tmp_path / "out.safetensors")
    torch.manual_seed(1)
    plain = AutoModelForCausalLM.from_config(load_config(model)).train()
    run = runs[0]
    with torch.no_grad():
        first = plain(torch.tensor(run.ids[:1]), output_hidden_states=True).hidden_states[2][0]
    word = int(np.flatnonzero(run.pieces.table[:, 3] == 0)[10])
    start, end = run.pieces.table[word, [2, 4]]
    found = read_tensors(tmp_path / "out.safetensors")["run-1/layer-2"][word]
    np.testing.assert_allclose(found, first[start:end].mean(0).numpy(), atol=1e-6)


def test_words_and_windows_must_belong_together(tmp_path: Path, data: Data) -> None:
    model = tiny_models.make(tmp_path / "gpt2", "gpt2", data[2])
    made = mapped(model, data, "reference")
    runs = batches.runs_from(window_tensors(made))
    table = words_table(made, by_run(data[2]))
    check_word_counts(table, runs)
    with pytest.raises(BadInput, match="run 2"):
        check_word_counts(table.iloc[:-1], runs)
    with pytest.raises(BadInput, match=r"words\.py"):
        batches.runs_from({})


def test_every_process_gets_a_batch_where_there_are_windows_enough(
    tmp_path: Path, data: Data
) -> None:
    """Equal windows that fit into one batch would leave nothing to the other processes."""
    model = tiny_models.make(tmp_path / "gpt2", "gpt2", data[2])
    runs = batches.runs_from(window_tensors(mapped(model, data, "reference")))
    n = sum(map(len, batches.plan_batches(runs, 1)))
    for processes in range(1, 6):
        planned = batches.plan_batches(runs, 10**6, processes=processes)
        assert sum(map(len, planned)) == n
        assert len(planned) >= processes
        shares = [batches.Share(rank, processes).of(len(planned)) for rank in range(processes)]
        assert all(len(share) for share in shares)


def test_a_model_with_random_weights_may_be_spread(tmp_path: Path, data: Data) -> None:
    """Blocks that are put elsewhere, here on disk, give the states of the whole model."""
    ids = torch.tensor([[5, 6, 7, 8]])
    for kind in ("gpt2", "llama"):
        folder = tiny_models.make(tmp_path / kind, kind, data[2])
        (folder / "model.safetensors").unlink()
        whole = untrained_model(folder, 3, spread=True)  # without a GPU all of it stays
        room: dict[int | str, int] = {"cpu": whole.get_memory_footprint() * 19 // 20, "disk": 10**9}
        spread = spread_out(untrained_model(folder, 3), room, tmp_path / f"disk-{kind}")
        kept = {parameter.device.type for parameter in spread.parameters()}
        assert kept == {"cpu", "meta"}
        told = [
            one.base_model(ids, output_hidden_states=True).hidden_states for one in (whole, spread)
        ]
        for expected, found in zip(*told, strict=True):
            torch.testing.assert_close(found, expected)


def test_tokens_that_the_model_does_not_know_are_refused_where_they_are_read(
    tmp_path: Path, data: Data
) -> None:
    """Padding is not read: a tokenizer may have added a token for it that the model lacks."""
    model = tiny_models.make(tmp_path / "gpt2", "gpt2", data[2])
    tokenizer = load_tokenizer(model)
    tokenizer.add_special_tokens({"pad_token": "[PAD]"})
    assert tokenizer.pad_token_id == len(tokenizer) - 1
    words, _ = read_words(data[0], "en", None, run_keys(2))
    made = map_words(
        tokenizer, words, by_run(data[2]), language="en", mapping="aligned", max_length=96
    )
    runs = batches.runs_from(window_tensors(made))
    assert any((run.ids == tokenizer.pad_token_id).any() for run in runs)
    trunk = load_trunk(model)
    planned = batches.plan_batches(runs, 400)
    read = max(int(run.ids[run.mask == 1].max()) for run in runs)
    for size, known in ((tokenizer.pad_token_id, True), (read + 1, True), (read, False)):
        trunk.set_input_embeddings(torch.nn.Embedding(size, tiny_models.WIDTH))
        if known:
            check_embedding(trunk, runs, planned)
            forward.compute(trunk, runs, planned, tmp_path)
            continue
        with pytest.raises(BadInput, match=f"gives token {read} and the model knows {read} tokens"):
            check_embedding(trunk, runs, planned)


def test_a_model_of_pictures_is_refused() -> None:
    shape = {"hidden_size": 16, "num_hidden_layers": 1, "num_attention_heads": 2}
    sees = transformers.ViTModel(transformers.ViTConfig(**shape, intermediate_size=16))
    with pytest.raises(BadInput, match="ViTModel reads no tokens of a text"):
        check_embedding(sees, [], [])


def test_weights_that_lie_outside_the_device_give_the_same_vectors(
    tmp_path: Path, data: Data
) -> None:
    """What is spread by ``device_map`` is read block by block: here from disk."""
    model = tiny_models.make(tmp_path / "gpt2", "gpt2", data[2])
    runs = batches.runs_from(window_tensors(mapped(model, data, "aligned")))
    trunk = load_trunk(model)
    spread = load_trunk(model)
    accelerate.disk_offload(spread, tmp_path / "weights", execution_device=torch.device("cpu"))
    assert {parameter.device.type for parameter in spread.parameters()} == {"meta"}
    results = []
    for number, one in enumerate((trunk, spread)):
        parts = tmp_path / f"parts-{number}"
        parts.mkdir()
        forward.compute(one, runs, batches.plan_batches(runs, 400), parts)
        word_vectors.merge(runs, parts, parts / "out.safetensors")
        results.append(read_tensors(parts / "out.safetensors"))
    for name, values in results[0].items():
        np.testing.assert_array_equal(results[1][name], values)


def test_of_a_mixture_of_experts_all_and_active_parameters_are_counted(
    tmp_path: Path, data: Data
) -> None:
    config = load_config(tiny_models.make(tmp_path / "moe", "qwen3-moe", data[2]))
    size = measure(config)
    expert = 3 * config.hidden_size * config.moe_intermediate_size
    idle = config.num_hidden_layers * (config.num_experts - config.num_experts_per_tok) * expert
    assert size.n_active == size.n_parameters - idle
    dense = measure(load_config(tiny_models.make(tmp_path / "dense", "qwen3", data[2])))
    assert dense.n_active == dense.n_parameters
