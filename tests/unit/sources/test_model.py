"""Models: local folders, a small hub, what is refused, and how size and context are found."""

import hashlib
import json
import shutil
import subprocess
import sys
from pathlib import Path
from types import SimpleNamespace
from typing import Any

import pytest
import torch
import transformers
from safetensors.torch import load_file, save_file

from helpers.preparing import FIXTURES, ROOT, prepared, spec
from lateralization.errors import BadInput
from lateralization.files import link_or_copy
from lateralization.language_models import loading
from lateralization.language_models.untrained import untrained_trunk


@pytest.fixture
def gpt2(tmp_path: Path) -> Path:
    return shutil.copytree(FIXTURES / "gpt2-fixture", tmp_path / "gpt2")


SMALL = {"hidden_size": 16, "num_hidden_layers": 2, "num_attention_heads": 2, "vocab_size": 50}


def test_a_local_model_is_linked_and_described(gpt2: Path, tmp_path: Path) -> None:
    (gpt2 / "modeling_own.py").write_text("raise SystemExit")
    (gpt2 / "training_args.bin").write_bytes(b"pickle")
    model = prepared(gpt2, tmp_path)
    names = {path.name for path in (tmp_path / "model").iterdir()}
    assert {"config.json", "tokenizer.json", "model.safetensors"} <= names
    assert not names & {"modeling_own.py", "training_args.bin"}
    assert not any(path.is_symlink() for path in (tmp_path / "model").iterdir())
    assert (model["n_parameters"], model["n_layers"], model["n_hid"]) == (15552, 2, 16)
    assert (model["max_length"], model["vocabulary"]) == (96, 464)
    assert model["architecture"] == "GPT2LMHeadModel"
    digest = hashlib.sha256((gpt2 / "model.safetensors").read_bytes()).hexdigest()
    assert [entry["sha256"] for entry in model["weights"]] == [digest]


def test_a_sheets_numbers_win_over_the_counted_ones(gpt2: Path, tmp_path: Path) -> None:
    model = prepared(gpt2, tmp_path, n_parameters=7)
    assert model["n_parameters"] == 7
    assert model["measured"]["n_parameters"] == 15552


def test_the_counted_numbers_win_over_those_that_the_study_had(
    gpt2: Path, tmp_path: Path, capsys: pytest.CaptureFixture[str]
) -> None:
    """A mirror may serve another model under a name of the study."""
    study = {"n_parameters": 124439808, "n_layers": 12, "n_hid": 768, "size_is_expected": True}
    model = prepared(gpt2, tmp_path, **study)
    assert (model["n_parameters"], model["n_layers"], model["n_hid"]) == (15552, 2, 16)
    assert "not the size of the study's" in capsys.readouterr().err


@pytest.mark.parametrize(
    ("missing", "said"),
    [
        ("config.json", "no config.json"),
        ("model.safetensors", "no weights"),
        ("tokenizer", "no tokenizer"),
    ],
)
def test_folders_that_are_not_whole_are_refused(
    gpt2: Path, tmp_path: Path, missing: str, said: str
) -> None:
    for path in gpt2.glob(f"{missing}*"):
        path.unlink()
    with pytest.raises(BadInput, match=said):
        prepared(gpt2, tmp_path)


def test_an_untrained_model_needs_no_weights(gpt2: Path, tmp_path: Path) -> None:
    (gpt2 / "model.safetensors").unlink()
    assert prepared(gpt2, tmp_path, seed=1)["weights"] == []


def test_pickled_weights_need_consent(gpt2: Path, tmp_path: Path) -> None:
    torch.save(load_file(gpt2 / "model.safetensors"), gpt2 / "pytorch_model.bin")
    (gpt2 / "model.safetensors").unlink()
    with pytest.raises(BadInput, match="no weights"):
        prepared(gpt2, tmp_path)
    with pytest.raises(BadInput, match="--allow_pickle_weights"):
        loading.load_trunk(gpt2)
    assert prepared(gpt2, tmp_path, allow_pickle=True)["weights"][0]["file"] == "pytorch_model.bin"
    expected = loading.load_trunk(FIXTURES / "gpt2-fixture").wte.weight
    found = loading.load_trunk(tmp_path / "model", allow_pickle=True).wte.weight
    torch.testing.assert_close(found, expected)


def test_models_that_bring_code_are_not_run(gpt2: Path) -> None:
    config = json.loads((gpt2 / "config.json").read_text())
    config |= {"model_type": "own", "auto_map": {"AutoConfig": "own.OwnConfig"}}
    (gpt2 / "config.json").write_text(json.dumps(config))
    (gpt2 / "own.py").write_text("raise SystemExit('code of the repository was run')")
    with pytest.raises(BadInput, match=r"config\.json cannot be used"):
        loading.load_config(gpt2)


def test_encoder_decoders_are_refused(tmp_path: Path) -> None:
    transformers.T5Config(d_model=16, num_layers=1).save_pretrained(tmp_path)
    with pytest.raises(BadInput, match="encoder–decoder"):
        loading.load_config(tmp_path)


def change(folder: Path, edit: Any) -> None:
    weights = load_file(folder / "model.safetensors")
    edit(weights)
    save_file(weights, folder / "model.safetensors", {"format": "pt"})


def test_missing_and_misshapen_weights_are_refused(gpt2: Path) -> None:
    change(gpt2, lambda weights: weights.pop("transformer.h.1.mlp.c_fc.weight"))
    with pytest.raises(BadInput, match="1 missing"):
        loading.load_trunk(gpt2)
    name = "transformer.h.1.mlp.c_fc.weight"
    change(gpt2, lambda weights: weights.update({name: torch.zeros(16, 8)}))
    with pytest.raises(BadInput, match=r"shape|weights"):
        loading.load_trunk(gpt2)


def test_a_broken_weights_file_is_refused(gpt2: Path) -> None:
    path = gpt2 / "model.safetensors"
    path.write_bytes(path.read_bytes()[:2000])
    with pytest.raises(BadInput, match=r"model\.safetensors is no safetensors file, or not whole"):
        loading.load_trunk(gpt2)


def test_a_checkpoint_without_a_head_is_whole(tmp_path: Path) -> None:
    config = transformers.LlamaConfig(
        hidden_size=16,
        intermediate_size=16,
        num_hidden_layers=1,
        num_attention_heads=2,
        vocab_size=20,
        tie_word_embeddings=False,
    )
    transformers.LlamaModel(config).save_pretrained(tmp_path)
    assert loading.load_trunk(tmp_path).config.num_hidden_layers == 1


def test_a_checkpoint_without_a_pooler_is_whole(tmp_path: Path) -> None:
    """Masked models are saved without the layer that the bare model has on top."""
    config = transformers.AlbertConfig(**SMALL, embedding_size=8, intermediate_size=16)
    whole = transformers.AlbertForMaskedLM(config)
    whole.save_pretrained(tmp_path)
    ids = torch.tensor([[4, 5, 6, 7]])
    with torch.no_grad():
        read, expected = loading.load_trunk(tmp_path)(ids), whole.albert.eval()(ids)
    torch.testing.assert_close(read.last_hidden_state, expected.last_hidden_state)


def test_the_blocks_of_a_decoder_by_itself_are_counted(tmp_path: Path) -> None:
    shape = {"d_model": 16, "vocab_size": 50, "encoder_ffn_dim": 16, "decoder_ffn_dim": 16}
    shape |= {"encoder_layers": 2, "decoder_layers": 3, "max_position_embeddings": 80}
    transformers.BartForCausalLM(transformers.BartConfig(**shape)).save_pretrained(tmp_path)
    size = loading.measure(loading.load_config(tmp_path))
    with torch.no_grad():
        trunk, ids = loading.load_trunk(tmp_path), torch.tensor([[4, 5]])
        states = trunk(ids, use_cache=False, output_hidden_states=True).hidden_states
    assert (size.n_layers, size.n_hid) == (len(states) - 1, 16) == (3, 16)


def test_the_checkpoints_own_type_does_not_decide(gpt2: Path) -> None:
    model = transformers.AutoModelForCausalLM.from_pretrained(gpt2, dtype=torch.float16)
    model.save_pretrained(gpt2)
    assert loading.load_trunk(gpt2).dtype == torch.float32
    assert loading.load_trunk(gpt2, precision="bfloat16").dtype == torch.bfloat16
    assert untrained_trunk(gpt2, 1).dtype == torch.float32


@pytest.mark.parametrize(
    ("config", "n_parameters"),
    [
        (transformers.GPT2Config(), 124439808),
        (
            transformers.MambaConfig(hidden_size=768, num_hidden_layers=24, vocab_size=50280),
            129135360,
        ),
        (
            transformers.OPTConfig(
                vocab_size=50272,
                hidden_size=1024,
                word_embed_proj_dim=512,
                num_hidden_layers=24,
                num_attention_heads=16,
                ffn_dim=4096,
                do_layer_norm_before=False,
            ),
            331196416,
        ),
        (
            transformers.Qwen2Config(
                vocab_size=151936,
                hidden_size=896,
                intermediate_size=4864,
                num_hidden_layers=24,
                num_attention_heads=14,
                num_key_value_heads=2,
                tie_word_embeddings=True,
            ),
            494032768,
        ),
    ],
)
def test_parameters_are_counted_as_in_the_study(config: Any, n_parameters: int) -> None:
    assert loading.measure(config).n_parameters == n_parameters


@pytest.mark.parametrize(
    ("config", "expert"),
    [
        (
            transformers.AriaTextConfig(
                **SMALL, num_key_value_heads=1, intermediate_size=8, moe_num_experts=4, moe_topk=1
            ),
            3 * 16 * 8,
        ),
        (
            transformers.JetMoeConfig(
                **{**SMALL, "num_attention_heads": None},
                **{"num_key_value_heads": 1, "kv_channels": 8, "intermediate_size": 8},
                **{"num_local_experts": 4, "num_experts_per_tok": 1},
            ),
            3 * 16 * 8 + 2 * 16 * 8,
        ),
    ],
    ids=["aria", "jetmoe"],
)
def test_the_experts_of_families_that_name_them_otherwise_are_counted(
    config: Any, expert: int
) -> None:
    size = loading.measure(config)
    assert size.n_parameters - size.n_active == pytest.approx(2 * 3 * expert, rel=0.1)


@pytest.mark.parametrize(
    ("config", "limit", "mapping", "expected"),
    [
        (transformers.GPT2Config(), 10**30, "aligned", 1024),
        (transformers.GPT2Config(), 512, "aligned", 512),
        (transformers.GPT2Config(), 512, "reference", 1024),
        (transformers.MambaConfig(), 10**30, "reference", 32000),
        (transformers.OPTConfig(), 10**30, "reference", 2048),
        (transformers.XLNetConfig(), 10**30, "aligned", 32000),
        (transformers.XLNetConfig(), 512, "aligned", 512),
        (transformers.MptConfig(max_seq_len=1500), 10**30, "aligned", 1500),
        (
            transformers.RobertaConfig(max_position_embeddings=514, pad_token_id=1),
            10**30,
            "aligned",
            512,
        ),
    ],
)
def test_windows_are_as_long_as_the_model_reads(
    config: Any, limit: int, mapping: str, expected: int
) -> None:
    tokenizer = SimpleNamespace(model_max_length=limit)
    assert loading.max_length(config, tokenizer, mapping) == expected


def test_a_roberta_reads_exactly_its_window(tmp_path: Path) -> None:
    config = transformers.RobertaConfig(
        vocab_size=30,
        hidden_size=16,
        num_hidden_layers=1,
        num_attention_heads=2,
        intermediate_size=16,
        max_position_embeddings=82,
        pad_token_id=1,
    )
    trunk = transformers.RobertaModel(config).eval()
    length = loading.max_length(config, SimpleNamespace(model_max_length=None), "aligned")
    assert trunk(torch.full((1, length), 5)).last_hidden_state.shape[1] == length == 80
    with pytest.raises((IndexError, RuntimeError)):
        trunk(torch.full((1, length + 1), 5))


def test_a_prophetnet_reads_exactly_its_window_and_one_too_long_is_no_fault_of_its_kind() -> None:
    config = transformers.ProphetNetConfig(
        vocab_size=30,
        hidden_size=16,
        num_decoder_layers=1,
        num_decoder_attention_heads=2,
        decoder_ffn_dim=16,
        max_position_embeddings=82,
        is_encoder_decoder=False,
        is_decoder=True,
        add_cross_attention=False,
    )
    trunk = loading.from_config(config).eval().base_model
    length = loading.max_length(config, SimpleNamespace(model_max_length=None), "aligned")
    read = loading.call_model(trunk, input_ids=torch.full((1, length), 5), use_cache=False)
    assert read.last_hidden_state.shape[1] == length == 80
    with pytest.raises(IndexError):  # a window that is too long is a fault of ours, and says so
        loading.call_model(trunk, input_ids=torch.full((1, length + 1), 5), use_cache=False)


def test_a_model_with_a_short_context_is_refused(gpt2: Path, tmp_path: Path) -> None:
    config = json.loads((gpt2 / "config.json").read_text()) | {"n_positions": 64}
    (gpt2 / "config.json").write_text(json.dumps(config))
    with pytest.raises(BadInput, match="64 tokens"):
        prepared(gpt2, tmp_path)


def test_the_tokenizer_of_another_model_leaves_its_limit_behind(gpt2: Path, tmp_path: Path) -> None:
    other = shutil.copytree(FIXTURES / "gpt2-fixture-chinese", tmp_path / "other")
    settings = json.loads((other / "tokenizer_config.json").read_text()) | {"model_max_length": 70}
    (other / "tokenizer_config.json").write_text(json.dumps(settings))
    before = (gpt2 / "tokenizer.json").read_bytes()
    model = prepared(gpt2, tmp_path, tokenizer_source=str(other))
    assert (gpt2 / "tokenizer.json").read_bytes() == before
    assert model["max_length"] == 96
    assert model["vocabulary"] == 57
    tokenizer = loading.load_tokenizer(tmp_path / "model")
    assert tokenizer.tokenize("船日") == ["船", "日"]


def test_links_do_not_end_outside(tmp_path: Path) -> None:
    (tmp_path / "blob").write_text("x")
    (tmp_path / "name").symlink_to(tmp_path / "blob")
    link_or_copy(tmp_path / "name", tmp_path / "out")
    assert not (tmp_path / "out").is_symlink()
    assert (tmp_path / "out").read_text() == "x"


@pytest.mark.slow
def test_the_command_leaves_with_65_and_one_line(gpt2: Path, tmp_path: Path) -> None:
    (gpt2 / "config.json").unlink()
    (tmp_path / "spec.json").write_text(json.dumps(spec()))
    done = subprocess.run(
        [
            *(sys.executable, ROOT / "bin" / "model.py", "--spec", "spec.json"),
            *("--cache", "cache", "--out", "model", "--source", *gpt2.iterdir()),
        ],
        cwd=tmp_path,
        capture_output=True,
        text=True,
        check=False,
    )
    assert done.returncode == 65
    assert "no config.json" in done.stderr.splitlines()[-1]
    assert "model m:" in done.stderr.splitlines()[-1]
    assert "Traceback" not in done.stderr
