"""Checkpoints that transformers would read as another model than the one that was saved."""

import json
import shutil
from collections.abc import Callable
from pathlib import Path
from typing import Any

import nibabel
import numpy as np
import pandas as pd
import pytest
import torch
import transformers
from safetensors.torch import load_file, save_file
from tokenizers import Tokenizer, models, pre_tokenizers, trainers
from transformers import PreTrainedTokenizerFast

from helpers import tiny_models
from helpers.hub_server import serving_hub
from helpers.keys import run_keys
from helpers.restatement import spoken, story, write_data
from lateralization.errors import BadInput
from lateralization.files import LFS_POINTER
from lateralization.language_models.checkpoint import check_kind
from lateralization.language_models.forward import states_of
from lateralization.language_models.loading import (
    call_model,
    load_config,
    load_model,
    load_tokenizer,
    load_trunk,
)
from lateralization.language_models.surprisal import head_of
from lateralization.language_models.untrained import untrained_trunk
from lateralization.plan.model_folder import check_model_folder
from lateralization.problems import Problems
from lateralization.simulation.extraction import extract_features
from lateralization.sources import hub
from lateralization.sources.dataset import is_unfetched
from lateralization.sources.model import prepare
from lateralization.volumes import load_image
from lateralization.words import stories
from lateralization.words.annotation import read_words
from lateralization.words.words import check_vocabulary, map_words

TEXT = story(3)
IDS = torch.arange(4, 24)[None]

Weights = dict[str, torch.Tensor]


@pytest.fixture(scope="module")
def home(tmp_path_factory: pytest.TempPathFactory) -> Path:
    return tmp_path_factory.mktemp("models")


def made(home: Path, kind: str) -> Path:
    folder = home / kind
    return folder if folder.is_dir() else tiny_models.make(folder, kind, [TEXT])


def copied(home: Path, kind: str, target: Path) -> Path:
    return shutil.copytree(made(home, kind), target / kind)


def reweigh(folder: Path, change: Callable[[Weights], Weights]) -> None:
    weights = change(load_file(folder / "model.safetensors"))
    save_file(weights, folder / "model.safetensors", {"format": "pt"})


def configure(folder: Path, **changes: Any) -> None:
    told = json.loads((folder / "config.json").read_text()) | changes
    (folder / "config.json").write_text(json.dumps(told))


def states(trunk: Any) -> tuple[torch.Tensor, ...]:
    with torch.inference_mode():
        out = call_model(trunk, input_ids=IDS, output_hidden_states=True, use_cache=False)
    return tuple(states_of(out, trunk, IDS.shape))


def assert_same(folder: Path, whole: Path) -> None:
    for found, expected in zip(states(load_trunk(folder)), states(load_trunk(whole)), strict=True):
        torch.testing.assert_close(found, expected, rtol=0, atol=0)


def spec(**over: Any) -> dict[str, Any]:
    return {"name": "m", "source": "m", "kind": "local", "mapping": "aligned", "seed": 0} | over


def prepared(folder: Path, out: Path, **over: Any) -> dict[str, Any]:
    return prepare(spec(**over), sorted(folder.iterdir()), out / "cache", out / "model")


def noted(folder: Path, pickles: bool = False) -> list[str]:
    problems = Problems()
    check_model_folder(folder, pickles=pickles, trained=True, problems=problems)
    return problems


# ---- tensors that the model does not use -------------------------------------------------------


def in_eight_bits(weights: Weights, scaled: bool, kind: torch.dtype) -> Weights:
    coded: Weights = {}
    for name, values in weights.items():
        if not name.endswith("_proj.weight"):
            coded[name] = values
            continue
        scale = values.abs().max() / 100
        coded[name] = (values / scale).round().to(kind)
        if scaled:
            coded[name.replace(".weight", ".weight_scale")] = scale.reshape(1)
    return coded


QUERY = "model.layers.1.self_attn.q_proj"

SPOILT: dict[str, tuple[Callable[[Weights], Weights], str]] = {
    "bias": (lambda w: w | {f"{QUERY}.bias": torch.ones(16)}, f"1 of .*{QUERY}.bias"),
    "third layer": (
        lambda w: w | {n.replace(".1.", ".2."): v.clone() for n, v in w.items() if ".1." in n},
        r"9 of .*model\.layers\.2\..* … \(9 in all\)",
    ),
    "last norm's bias": (lambda w: w | {"model.norm.bias": torch.ones(16)}, "norm.bias"),
    "head's bias": (lambda w: w | {"lm_head.bias": torch.ones(9)}, "lm_head.bias"),
    "lora": (lambda w: w | {f"{QUERY}.lora_A.weight": torch.ones(2, 16)}, "lora_A"),
    "gptq": (lambda w: w | {f"{QUERY}.g_idx": torch.zeros(16, dtype=torch.int32)}, "g_idx"),
    "bitsandbytes": (lambda w: w | {f"{QUERY}.weight.absmax": torch.ones(4)}, "absmax"),
    "int8": (lambda w: in_eight_bits(w, True, torch.int8), "14 of .*weight_scale"),
    "int8 without scales": (
        lambda w: in_eight_bits(w, False, torch.int8),
        "14 of its weights are stored as I8",
    ),
    "float8 without scales": (
        lambda w: in_eight_bits(w, False, torch.float8_e4m3fn),
        "stored as F8_E4M3",
    ),
    "more experts than configured": (
        lambda w: w | {"model.layers.0.mlp.experts.0.up_proj.weight": torch.ones(2)},
        "experts",
    ),
    "of torch.compile": (lambda w: {f"_orig_mod.{n}": v for n, v in w.items()}, "missing"),
}


@pytest.mark.parametrize("case", SPOILT)
def test_tensors_that_the_model_would_drop_or_misread_are_refused(
    home: Path, tmp_path: Path, case: str
) -> None:
    change, says = SPOILT[case]
    folder = copied(home, "llama", tmp_path)
    reweigh(folder, change)
    with pytest.raises(BadInput, match=says):
        load_trunk(folder)
    with pytest.raises(BadInput, match=says):  # MODEL knows it too, before a GPU is asked for
        prepared(folder, tmp_path)


def test_fewer_layers_in_the_configuration_are_refused(home: Path, tmp_path: Path) -> None:
    for kind, key in (("gpt2", "n_layer"), ("llama", "num_hidden_layers"), ("bert", None)):
        folder = copied(home, kind, tmp_path)
        configure(folder, **{key or "num_hidden_layers": 1})
        with pytest.raises(BadInput, match="have no place in the model that config"):
            load_trunk(folder)


HARMLESS: dict[str, tuple[str, dict[str, torch.Tensor]]] = {
    "masks": (
        "gpt2",
        {
            "transformer.h.0.attn.bias": torch.ones(1, 1, 8, 8, dtype=torch.uint8),
            "transformer.h.1.attn.masked_bias": torch.tensor(-1e4),
        },
    ),
    "rotary positions": ("llama", {"model.layers.0.self_attn.rotary_emb.inv_freq": torch.ones(4)}),
    "a class": ("llama", {"score.weight": torch.ones(2, 16)}),
    "a value": ("llama", {"v_head.summary.weight": torch.ones(1, 16)}),
    "multi-token prediction": ("qwen3", {"mtp.layers.0.mlp.up_proj.weight": torch.ones(4, 4)}),
    "next sentence": (
        "bert",
        {
            "cls.seq_relationship.weight": torch.ones(2, 16),
            "bert.pooler.dense.weight": torch.ones(16, 16),
            "bert.embeddings.position_ids": torch.arange(9)[None],
        },
    ),
    "a masked model's head": ("modernbert", {"decoder.weight": torch.ones(9, 16)}),
    "a tower": ("llama", {"vision_tower.layers.0.weight": torch.ones(4)}),
}


@pytest.mark.parametrize("case", HARMLESS)
def test_tensors_that_no_hidden_state_depends_on_are_passed_over(
    home: Path, tmp_path: Path, case: str
) -> None:
    kind, added = HARMLESS[case]
    folder = copied(home, kind, tmp_path)
    reweigh(folder, lambda weights: weights | added)
    assert_same(folder, made(home, kind))


def bare(home: Path, kind: str, target: Path) -> Path:
    """Save a trunk by itself: its tensors have no prefix."""
    folder = copied(home, kind, target)
    transformers.AutoModel.from_pretrained(folder).save_pretrained(folder)
    return folder


ONE = torch.ones(1)

BESIDE: dict[str, dict[str, torch.Tensor]] = {
    "tags in a row": {f"crf.{part}transitions": ONE for part in ("", "start_", "end_")},
    "SimCSE": {"mlp.dense.weight": torch.ones(16, 16), "mlp.dense.bias": ONE},
    "ColBERT": {"linear.weight": torch.ones(8, 16)},
    "JointBERT": {
        "intent_classifier.linear.weight": ONE,
        "slot_classifier.linear.bias": ONE,
    },
    "Medusa": {"medusa_head.0.0.linear.weight": ONE, "medusa_head.1.1.weight": ONE},
    "a reward": {"score.weight": ONE, "v_head.summary.bias": ONE, "rewarder.0.weight": ONE},
    "a configuration": {"config": ONE},
    "a projection": {"sentence_projection.weight": ONE, "pooling.weights": ONE},
}


@pytest.mark.parametrize("kind", ["bert", "llama", "gpt2"])
@pytest.mark.parametrize("case", BESIDE)
def test_a_module_beside_the_trunk_s_prefix_is_a_head(
    home: Path, tmp_path: Path, case: str, kind: str
) -> None:
    folder = copied(home, kind, tmp_path)
    reweigh(folder, lambda weights: weights | {n: v.clone() for n, v in BESIDE[case].items()})
    assert_same(folder, made(home, kind))


@pytest.mark.parametrize(
    "name",
    [
        "embed_scale", "embeddings_project.weight", "word_embedding_projection.weight",
        "prompt_encoder.embedding.weight", "prefix_encoder.trans.0.weight", "soft_prompt",
        "lora_A.weight", "task_adapter.down.weight", "adapters.0.up.bias", "lm_head.lora_A.weight",
        "classifier.lora_B.default.weight", "transformer.wte.weight", "wte.weight",
        "other.embed_tokens.weight", "input_projection.weight", "position_embeddings.weight",
        "norm.bias", "other.norm.weight", "layers.2.mlp.up_proj.weight", "layers.0.extra.weight",
        "h.7.mlp.weight", "more_layers.0.weight", "more.self_attn.q_proj.weight",
        "base_model.model.x.weight", "teacher.layers.5.mlp.up_proj.weight", "lm_head.scales",
        "lm_head.weight_scale", "lm_head.bias", "lm_head.g_idx", "scale", "unknown",
        "model.mlp.dense.weight", "model.crf.transitions", "model.intent_classifier.weight",
        "char_cnn.weight", "logit_scale", "steering_vectors.0.weight",
    ],
)  # fmt: skip
def test_what_may_come_before_the_last_state_is_refused_beside_the_prefix_too(
    home: Path, tmp_path: Path, name: str
) -> None:
    folder = copied(home, "llama", tmp_path)
    reweigh(folder, lambda weights: weights | {name: ONE})
    says = rf"1 of its tensors .*\({name}\).* save the trunk alone: AutoModel.from_pretrained\(F\)"
    with pytest.raises(BadInput, match=says) as caught:
        load_trunk(folder)
    assert "\n" not in str(caught.value)


def test_in_a_trunk_saved_by_itself_the_list_of_heads_decides(home: Path, tmp_path: Path) -> None:
    whole = made(home, "bert")
    for name, taken in {
        "crf.transitions": True,
        "intent_classifier.weight": True,
        "mlp.dense.weight": False,
        "linear.weight": False,
        "encoder.layer.2.output.dense.bias": False,
    }.items():
        folder = bare(home, "bert", tmp_path / name)
        reweigh(folder, lambda weights, name=name: weights | {name: ONE})
        if taken:
            assert_same(folder, whole)
        else:
            with pytest.raises(BadInput, match="have no place in the model"):
                load_trunk(folder)


def test_a_pickle_s_names_are_read_for_its_prefix(home: Path, tmp_path: Path) -> None:
    for name, taken in {"mlp.dense.weight": True, "prompt_encoder.weight": False}.items():
        folder = copied(home, "bert", tmp_path / name)
        weights = load_file(folder / "model.safetensors") | {name: ONE}
        (folder / "model.safetensors").unlink()
        torch.save(weights, folder / "pytorch_model.bin")
        if taken:
            load_trunk(folder, allow_pickle=True)
        else:
            with pytest.raises(BadInput, match="have no place in the model"):
                load_trunk(folder, allow_pickle=True)


@pytest.mark.parametrize("kind", ["llama", "qwen3"])
def test_zeros_that_a_head_would_add_change_nothing(home: Path, tmp_path: Path, kind: str) -> None:
    folder = copied(home, kind, tmp_path)
    zeros = torch.zeros(load_config(folder).vocab_size)
    reweigh(folder, lambda weights: weights | {"lm_head.bias": zeros})
    assert_same(folder, made(home, kind))
    zeros[-1] = 1e-6
    reweigh(folder, lambda weights: weights | {"lm_head.bias": zeros})
    with pytest.raises(BadInput, match=r"lm_head\.bias"):
        load_trunk(folder)


def test_a_second_table_of_words_must_be_the_same(home: Path, tmp_path: Path) -> None:
    name = "bert.embeddings.word_embeddings.weight"
    folder = copied(home, "bert", tmp_path)
    reweigh(folder, lambda w: w | {name.replace("weight", "_weight"): w[name].clone()})
    assert_same(folder, made(home, "bert"))
    reweigh(folder, lambda w: w | {name.replace("weight", "_weight"): w[name] + 1e-3})
    with pytest.raises(BadInput, match=r"word_embeddings\._weight"):
        load_trunk(folder)


@pytest.mark.parametrize("pickled", [False, True])
@pytest.mark.parametrize("kind", ["gpt2", "bert"])
def test_a_weight_with_and_without_the_prefix_must_be_the_same(
    home: Path, tmp_path: Path, kind: str, pickled: bool
) -> None:
    prefix, name = {
        "gpt2": ("transformer", "wte.weight"),
        "bert": ("bert", "encoder.layer.1.output.dense.bias"),
    }[kind]
    for shift in (0.0, 1.0):
        folder = copied(home, kind, tmp_path / str(shift))
        weights = load_file(folder / "model.safetensors")
        weights[name] = weights[f"{prefix}.{name}"] + shift
        save_file(weights, folder / "model.safetensors", {"format": "pt"})
        if pickled:
            (folder / "model.safetensors").unlink()
            torch.save(weights, folder / "pytorch_model.bin")
        if shift:
            with pytest.raises(BadInput, match="are there twice, with and without"):
                load_trunk(folder, allow_pickle=True)
        else:
            load_trunk(folder, allow_pickle=True)


@pytest.mark.parametrize("kind", ["llama", "qwen2", "qwen3"])
def test_a_model_for_answers_is_read_under_its_own_prefix(
    home: Path, tmp_path: Path, kind: str
) -> None:
    config = transformers.AutoConfig.from_pretrained(made(home, kind))
    model = transformers.AutoModelForQuestionAnswering.from_config(config).eval()
    folder = copied(home, kind, tmp_path)
    model.save_pretrained(folder)
    assert any(name.startswith("transformer.") for name in load_file(folder / "model.safetensors"))
    found, expected = states(load_trunk(folder)), states(model.base_model)
    for a, b in zip(found, expected, strict=True):
        torch.testing.assert_close(a, b, rtol=0, atol=0)
    assert prepared(folder, tmp_path)["weights"]
    reweigh(folder, lambda w: w | {"transformer.layers.2.mlp.up_proj.weight": ONE})
    with pytest.raises(BadInput, match=r"layers\.2\.mlp"):
        load_trunk(folder)


def test_weights_under_other_names_are_not_called_missing_alone(home: Path, tmp_path: Path) -> None:
    folder = copied(home, "llama", tmp_path)
    reweigh(folder, lambda weights: {f"wrapped.{name}": value for name, value in weights.items()})
    with pytest.raises(BadInput, match=r"calls its weights otherwise \(wrapped\..*save the trunk"):
        load_trunk(folder)


def test_of_layers_beyond_the_last_only_those_that_predict_further_tokens_are_passed_over(
    tmp_path: Path,
) -> None:
    """DeepSeek-V3 and GLM number them after the model's own."""
    shape = {"hidden_size": 16, "intermediate_size": 16, "moe_intermediate_size": 8, "n_group": 1}
    shape |= {"num_attention_heads": 2, "num_key_value_heads": 2, "n_routed_experts": 4}
    shape |= {"num_experts_per_tok": 2, "topk_group": 1, "kv_lora_rank": 8, "q_lora_rank": 8}
    shape |= {"qk_rope_head_dim": 4, "qk_nope_head_dim": 4, "v_head_dim": 8, "vocab_size": 50}
    config = transformers.DeepseekV3Config(**shape, num_hidden_layers=2, first_k_dense_replace=1)
    torch.manual_seed(0)
    transformers.DeepseekV3ForCausalLM(config).save_pretrained(tmp_path / "whole")
    folder = shutil.copytree(tmp_path / "whole", tmp_path / "mtp")
    predicting = {"eh_proj.weight": torch.ones(16, 32), "enorm.weight": torch.ones(16)}
    predicting |= {"mlp.gate.weight": torch.ones(4, 16)}
    reweigh(folder, lambda w: w | {f"model.layers.2.{n}": v for n, v in predicting.items()})
    assert_same(folder, tmp_path / "whole")
    configure(folder, num_hidden_layers=1)
    with pytest.raises(BadInput, match=r"model\.layers\.1\."):
        load_trunk(folder)


# ---- quantized weights and adapters ------------------------------------------------------------


@pytest.mark.parametrize(
    "changes",
    [
        *({"quantization_config": {"quant_method": method, "bits": 4}}
          for method in ("gptq", "awq", "bitsandbytes", "fp8", "compressed-tensors", "hqq", "eetq",
                         "quanto", "aqlm", "torchao", "mxfp4", "modelopt", "of tomorrow")),
        {"quantization_config": {"load_in_4bit": True}},
        {"quantization_config": "int4"},
        {"compression_config": {"format": "pack-quantized"}},
        {"quantization": {"group_size": 64, "bits": 4}},
        {"text_config": {"quantization_config": {"quant_method": "gptq"}}},
    ],
    ids=json.dumps,
)  # fmt: skip
def test_quantized_weights_are_refused_from_the_configuration(
    home: Path, tmp_path: Path, changes: dict[str, Any]
) -> None:
    folder = copied(home, "gpt2", tmp_path)
    configure(folder, **changes)
    with pytest.raises(BadInput, match=r"its weights are quantized .*choose its checkpoint in"):
        check_kind(folder)
    assert any("weights are quantized" in line for line in noted(folder))


@pytest.mark.parametrize(
    ("name", "says"),
    [
        ("quantize_config.json", "quantized"),
        ("hf_quant_config.json", "quantized"),
        ("adapter_config.json", "adapter beside its weights"),
        ("adapter_model.safetensors", "adapter beside its weights"),
        ("adapters.safetensors", "adapter beside its weights"),
        ("pytorch_lora_weights.safetensors", "adapter beside its weights"),
    ],
)
def test_files_of_quantizers_and_adapters_beside_the_weights_are_refused(
    home: Path, tmp_path: Path, name: str, says: str
) -> None:
    folder = copied(home, "gpt2", tmp_path)
    (folder / name).write_text("{}")
    (line,) = noted(folder)
    assert says in line
    with pytest.raises(BadInput, match=says):
        load_trunk(folder)
    with pytest.raises(BadInput, match=says):
        prepared(folder, tmp_path)


@pytest.mark.parametrize("way", ["quantization_config", "adapter_config.json"])
def test_the_hub_is_not_asked_for_weights_that_cannot_be_read(
    home: Path, tmp_path: Path, monkeypatch: pytest.MonkeyPatch, way: str
) -> None:
    monkeypatch.setattr("huggingface_hub.constants.HF_HUB_OFFLINE", False)
    folder = copied(home, "gpt2", tmp_path)
    if way == "quantization_config":
        configure(folder, quantization_config={"quant_method": "gptq"})
    else:
        (folder / way).write_text("{}")
    with serving_hub(folder) as server:
        request = hub.Request("org/m", endpoint=server.url)
        with pytest.raises(BadInput, match=r"model org/m: it.* (quantized|adapter)"):
            hub.fetch_snapshot(request, tmp_path / "cache")
        assert any(path.endswith("config.json") for path, _ in server.asked)
        assert not any(path.endswith(".safetensors") for path, _ in server.asked)


def test_an_untrained_model_does_not_ask_how_the_weights_were_quantized(
    home: Path, tmp_path: Path
) -> None:
    folder = copied(home, "llama", tmp_path)
    configure(folder, quantization_config={"quant_method": "gptq", "bits": 4}, dtype="float16")
    found, expected = (
        states(untrained_trunk(folder, 3)),
        states(untrained_trunk(made(home, "llama"), 3)),
    )
    for a, b in zip(found, expected, strict=True):
        torch.testing.assert_close(a, b, rtol=0, atol=0)
    assert prepared(folder, tmp_path, seed=3)["weights"] == []


# ---- what config.json asks for -----------------------------------------------------------------

ASKED: list[dict[str, Any]] = [
    {"return_dict": False, "use_return_dict": False},
    {"output_hidden_states": False, "output_attentions": True, "output_router_logits": True},
    {"use_cache": True, "torchscript": True, "gradient_checkpointing": True},
    {"attn_implementation": "eager", "experts_implementation": "grouped_mm"},
    {"_attn_implementation": "flash_attention_2"},
    {"attn_implementation": "someones/kernel"},
    {"torch_dtype": "float8"},
    {"dtype": "auto"},
    {"dtype": 5, "torch_dtype": None, "use_bfloat16": True},
    {"chunk_size_feed_forward": 7, "pruned_heads": {"0": [1]}},
    {"attention_dropout": 0.5, "attn_pdrop": 0.5, "hidden_dropout_prob": 0.5},
    {"auto_map": {"AutoConfig": "own.Config", "AutoModelForCausalLM": "own.Model"}},
    {"transformers_weights": "other.safetensors", "architectures": 5, "name_or_path": "else/where"},
    {"id2label": 3, "num_labels": "two", "problem_type": "none", "quantization_config": {}},
]


@pytest.mark.slow
@pytest.mark.parametrize("kind", ["gpt2", "llama", "qwen3-moe", "bert", "gemma3", "mamba"])
def test_what_a_configuration_asks_for_beside_the_architecture_changes_nothing(
    home: Path, tmp_path: Path, kind: str
) -> None:
    for number, asked in enumerate(ASKED):
        folder = copied(home, kind, tmp_path / str(number))
        configure(folder, **asked)
        assert_same(folder, made(home, kind))
        assert (
            load_tokenizer(folder)(TEXT).input_ids
            == load_tokenizer(made(home, kind))(TEXT).input_ids
        )


def test_a_configuration_that_ties_what_the_checkpoint_does_not_changes_no_logit(
    home: Path, tmp_path: Path
) -> None:
    folder = copied(home, "llama", tmp_path)
    last = states(load_trunk(folder))[-1][0]
    expected, _ = head_of(load_model(folder), "cpu")
    configure(folder, tie_word_embeddings=True)
    found, _ = head_of(load_model(folder), "cpu")
    assert expected
    assert found
    with torch.inference_mode():
        torch.testing.assert_close(found(last), expected(last))


@pytest.mark.parametrize(
    ("changes", "says"),
    [
        ({"model_type": None}, "does not name its architecture"),
        ({"model_type": "own"}, "cannot be used"),
        ({"n_layer": 0}, "layers is 0"),
        ({"n_layer": -2}, "layers is -2"),
        ({"n_layer": "two"}, "cannot be used"),
        ({"n_layer": 10**9}, "n_layer 1000000000, more than any model has"),
        ({"n_embd": 0}, "hidden_size is 0"),
        ({"n_embd": 17}, "cannot be used"),
        ({"n_head": 0}, "cannot be used"),
        ({"vocab_size": -1}, "vocab_size is -1"),
        ({"activation_function": "gelu_of_tomorrow"}, "cannot be used"),
        ({"n_embd": 32}, "of another shape"),
    ],
    ids=json.dumps,
)
def test_a_configuration_that_describes_no_model_is_one_line(
    home: Path, tmp_path: Path, changes: dict[str, Any], says: str
) -> None:
    folder = copied(home, "gpt2", tmp_path)
    configure(folder, **changes)
    with pytest.raises(BadInput, match=says) as caught:
        prepared(folder, tmp_path)
    assert "\n" not in str(caught.value)


@pytest.mark.parametrize(
    "content", ["", "[]", "[1]", "{", "null", "[" * 100_000, '{"a": "\\ud8', "\x00"]
)
def test_a_configuration_that_is_no_json_object_is_one_line(
    home: Path, tmp_path: Path, content: str
) -> None:
    folder = copied(home, "gpt2", tmp_path)
    (folder / "config.json").write_text(content)
    assert len(noted(folder)) == 1
    with pytest.raises(BadInput, match=r"config\.json"):
        load_config(folder)


# ---- files that are not whole ------------------------------------------------------------------


def in_parts(folder: Path, twice: bool = False) -> list[Path]:
    weights = load_file(folder / "model.safetensors")
    (folder / "model.safetensors").unlink()
    names = sorted(weights)
    half = len(names) // 2
    dealt = [names[:half], names[half - twice :]]
    paths = [folder / f"model-0000{k}-of-00002.safetensors" for k in (1, 2)]
    for path, part in zip(paths, dealt, strict=True):
        save_file({name: weights[name] for name in part}, path, {"format": "pt"})
    placed = {name: path.name for path, part in zip(paths, dealt, strict=True) for name in part}
    index = {"metadata": {}, "weight_map": placed}
    (folder / "model.safetensors.index.json").write_text(json.dumps(index))
    return paths


def test_parts_of_weights_are_checked_against_each_other(home: Path, tmp_path: Path) -> None:
    folder = copied(home, "gpt2", tmp_path / "right")
    in_parts(folder)
    assert not noted(folder)
    assert_same(folder, made(home, "gpt2"))
    folder = copied(home, "gpt2", tmp_path / "twice")
    in_parts(folder, twice=True)
    (line,) = noted(folder)
    assert "both hold transformer" in line
    with pytest.raises(BadInput, match="both hold"):
        load_trunk(folder)
    folder = copied(home, "gpt2", tmp_path / "empty")
    in_parts(folder)[1].write_bytes(b"")
    (line,) = noted(folder)
    assert "00002.safetensors is no safetensors file, or not whole" in line
    with pytest.raises(BadInput, match="not whole"):
        prepared(folder, tmp_path)


@pytest.mark.parametrize(
    ("index", "says"),
    [
        ("[]", "does not name the parts of the weights"),
        ('{"weight_map": {"w": 3}}', "does not name the parts of the weights"),
        ('{"weight_map": {"w": "../other.safetensors"}}', "outside the repository"),
        ('{"weight_map": {"w": "away.safetensors"}}', "lacks 1 of 1 parts"),
        ("[" * 100_000, "cannot read"),
    ],
)
def test_a_broken_index_is_one_line(home: Path, tmp_path: Path, index: str, says: str) -> None:
    folder = copied(home, "gpt2", tmp_path)
    in_parts(folder)
    (folder / "model.safetensors.index.json").write_text(index)
    assert says in noted(folder)[0]


@pytest.mark.parametrize("content", ["[]", "{", "", "null", "\x00"])
@pytest.mark.parametrize("name", ["tokenizer.json", "tokenizer_config.json"])
def test_a_tokenizer_that_is_no_json_object_is_known_before_anything_runs(
    home: Path, tmp_path: Path, name: str, content: str
) -> None:
    folder = copied(home, "gpt2", tmp_path)
    (folder / name).write_text(content)
    (line,) = noted(folder)
    assert name in line
    with pytest.raises(BadInput, match="its tokenizer cannot be used"):
        prepared(folder, tmp_path)


POINTER = LFS_POINTER + b"v1\noid sha256:" + b"0" * 64 + b"\nsize 548105171\n"


@pytest.mark.parametrize("name", ["model.safetensors", "tokenizer.json", "config.json"])
def test_a_pointer_of_git_lfs_is_called_one(home: Path, tmp_path: Path, name: str) -> None:
    folder = copied(home, "gpt2", tmp_path)
    (folder / name).write_bytes(POINTER)
    says = f"{name} is a Git LFS pointer, not the file itself; run `git lfs pull`"
    assert says in noted(folder)[0]
    with pytest.raises(BadInput, match=says):
        prepared(folder, tmp_path)
    with pytest.raises(BadInput, match=says):
        load_tokenizer(folder) if name == "tokenizer.json" else load_trunk(folder)


def test_a_pointer_in_place_of_a_text_an_annotation_or_an_image_is_called_one(
    tmp_path: Path,
) -> None:
    path = tmp_path / "run.nii.gz"
    path.write_bytes(POINTER)
    assert is_unfetched(path)
    for read in (
        lambda: stories.check_text(POINTER, "text_en_run1.txt"),
        lambda: read_words(path, "en", None, run_keys(9)),
        lambda: load_image(path, 4),
    ):
        with pytest.raises(BadInput, match="is a Git LFS pointer"):
            read()
    nibabel.save(nibabel.Nifti1Image(np.zeros((2, 2, 2, 2), np.float32), np.eye(4)), path)
    assert not is_unfetched(path)


@pytest.mark.parametrize("value", [float("nan"), float("inf")])
def test_weights_that_are_no_numbers_are_refused_where_they_are_read(
    home: Path, tmp_path: Path, value: float
) -> None:
    data = write_data(tmp_path)
    folder = tiny_models.make(tmp_path / "gpt2", "gpt2", data[2])

    def spoil(weights: Weights) -> Weights:
        weights["transformer.h.1.mlp.c_fc.weight"][0, 0] = value
        return weights

    reweigh(folder, spoil)
    with pytest.raises(BadInput, match="layer 2 has values that are not finite"):
        extract_features(folder, data[0], data[1], "en")


# ---- tokenizers --------------------------------------------------------------------------------


def whole_words(texts: list[str], unknown: str | None = None) -> PreTrainedTokenizerFast:
    """One token for each word; what it does not know is an error, or the unknown token."""
    inner = Tokenizer(models.WordLevel(unk_token=unknown) if unknown else models.WordLevel())
    inner.pre_tokenizer = pre_tokenizers.Whitespace()
    named = [unknown] if unknown else []
    trainer = trainers.WordLevelTrainer(special_tokens=[*named, "</s>"], show_progress=False)
    inner.train_from_iterator(texts, trainer)
    return PreTrainedTokenizerFast(tokenizer_object=inner, eos_token="</s>", unk_token=unknown)


def characters(texts: list[str]) -> PreTrainedTokenizerFast:
    """BPE without an unknown token: a character that it does not know is left out."""
    inner = Tokenizer(models.BPE())
    inner.pre_tokenizer = pre_tokenizers.Whitespace()
    trainer = trainers.BpeTrainer(vocab_size=200, special_tokens=["</s>"], show_progress=False)
    inner.train_from_iterator(texts, trainer)
    return PreTrainedTokenizerFast(tokenizer_object=inner, eos_token="</s>")


def table_of(text: str) -> pd.DataFrame:
    words = spoken(text)
    table = pd.DataFrame({"run": 1, "row": range(len(words)), "word": words})
    return table.assign(onset=0.0, offset=0.4)


@pytest.mark.parametrize("tokenizer_of", [whole_words, characters])
@pytest.mark.parametrize("at", [0, 5, -1])
def test_a_word_that_a_tokenizer_cannot_encode_is_named(tokenizer_of: Any, at: int) -> None:
    words = TEXT.split()
    words[at] = "ЖЖЖЖ"
    text = " ".join(words)
    tokenizer = tokenizer_of([TEXT])
    with pytest.raises(BadInput, match="its tokenizer cannot encode the word 'ЖЖЖЖ'"):
        map_words(
            tokenizer,
            table_of(text),
            {"run-1": text},
            language="en",
            mapping="aligned",
            max_length=96,
        )


def test_a_word_that_is_an_unknown_token_or_known_in_part_is_read() -> None:
    words = TEXT.split()
    words[5] = "ЖЖЖЖ"
    text = " ".join(words)
    options: dict[str, Any] = {"language": "en", "mapping": "aligned", "max_length": 96}
    (run,) = map_words(whole_words([TEXT], "[UNK]"), table_of(text), {"run-1": text}, **options)
    assert len(run.words) == len(spoken(text))
    text = text.replace("ЖЖЖЖ", "Жhe")
    (run,) = map_words(characters([TEXT]), table_of(text), {"run-1": text}, **options)
    assert len(run.words) == len(spoken(text))


def test_tokens_that_the_model_does_not_know_are_refused_by_words(
    home: Path, tmp_path: Path
) -> None:
    folder = copied(home, "gpt2", tmp_path)
    tokenizer = load_tokenizer(folder)
    (run,) = map_words(
        tokenizer, table_of(TEXT), {"run-1": TEXT}, language="en", mapping="aligned", max_length=96
    )
    check_vocabulary(load_config(folder), [run])
    configure(folder, vocab_size=100)
    with pytest.raises(BadInput, match="the model knows 100 tokens"):
        check_vocabulary(load_config(folder), [run])


@pytest.mark.parametrize("limit", ["many", -1, 0, True, [512]])
def test_a_tokenizers_limit_that_is_no_number_is_one_line(
    home: Path, tmp_path: Path, limit: Any
) -> None:
    folder = copied(home, "gpt2", tmp_path)
    told = json.loads((folder / "tokenizer_config.json").read_text())
    (folder / "tokenizer_config.json").write_text(json.dumps(told | {"model_max_length": limit}))
    with pytest.raises(BadInput, match="tokenizer cannot be used"):
        prepared(folder, tmp_path)


def test_what_the_model_was_is_recorded_of_every_file(home: Path, tmp_path: Path) -> None:
    settings = prepared(made(home, "gpt2"), tmp_path)["settings"]
    assert {"config.json", "tokenizer.json"} <= {entry["file"] for entry in settings}
    folder = copied(home, "gpt2", tmp_path)
    configure(folder, layer_norm_epsilon=0.1)
    changed = prepared(folder, tmp_path / "changed")["settings"]
    differing = [a["file"] for a, b in zip(settings, changed, strict=True) if a != b]
    assert differing == ["config.json"]
