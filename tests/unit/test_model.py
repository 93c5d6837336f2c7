"""Models: local folders, a small hub, what is refused, and how size and context are found."""

import hashlib
import json
import os
import shutil
import subprocess
import sys
from collections.abc import Iterator
from pathlib import Path
from types import SimpleNamespace
from typing import Any

import pytest
import torch
import transformers
from hub_server import COMMIT, Hub, serving_hub
from safetensors.torch import load_file, save_file

from lateralization import hub, models
from lateralization.errors import BadInput, Transient
from lateralization.model_preparation import link, prepare
from lateralization.model_weights import remove_weights, whole_model

ROOT = Path(__file__).parents[2]
FIXTURES = ROOT / "tests" / "fixtures" / "models"


@pytest.fixture
def gpt2(tmp_path: Path) -> Path:
    return shutil.copytree(FIXTURES / "gpt2-fixture", tmp_path / "gpt2")


def spec(**over: Any) -> dict[str, Any]:
    return {"name": "m", "source": "m", "kind": "local", "mapping": "aligned", "seed": 0} | over


def prepared(folder: Path, tmp_path: Path, **over: Any) -> dict[str, Any]:
    return prepare(spec(**over), sorted(folder.iterdir()), tmp_path / "cache", tmp_path / "model")


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
        models.load_trunk(gpt2)
    assert prepared(gpt2, tmp_path, allow_pickle=True)["weights"][0]["file"] == "pytorch_model.bin"
    expected = models.load_trunk(FIXTURES / "gpt2-fixture").wte.weight
    found = models.load_trunk(tmp_path / "model", allow_pickle=True).wte.weight
    torch.testing.assert_close(found, expected)


def test_models_that_bring_code_are_not_run(gpt2: Path) -> None:
    config = json.loads((gpt2 / "config.json").read_text())
    config |= {"model_type": "own", "auto_map": {"AutoConfig": "own.OwnConfig"}}
    (gpt2 / "config.json").write_text(json.dumps(config))
    (gpt2 / "own.py").write_text("raise SystemExit('code of the repository was run')")
    with pytest.raises(BadInput, match=r"config\.json cannot be used"):
        models.load_config(gpt2)


def test_encoder_decoders_are_refused(tmp_path: Path) -> None:
    transformers.T5Config(d_model=16, num_layers=1).save_pretrained(tmp_path)
    with pytest.raises(BadInput, match="encoder–decoder"):
        models.load_config(tmp_path)


def change(folder: Path, edit: Any) -> None:
    weights = load_file(folder / "model.safetensors")
    edit(weights)
    save_file(weights, folder / "model.safetensors", {"format": "pt"})


def test_missing_and_misshapen_weights_are_refused(gpt2: Path) -> None:
    change(gpt2, lambda weights: weights.pop("transformer.h.1.mlp.c_fc.weight"))
    with pytest.raises(BadInput, match="1 missing"):
        models.load_trunk(gpt2)
    name = "transformer.h.1.mlp.c_fc.weight"
    change(gpt2, lambda weights: weights.update({name: torch.zeros(16, 8)}))
    with pytest.raises(BadInput, match=r"shape|weights"):
        models.load_trunk(gpt2)


def test_a_broken_weights_file_is_refused(gpt2: Path) -> None:
    path = gpt2 / "model.safetensors"
    path.write_bytes(path.read_bytes()[:2000])
    with pytest.raises(BadInput, match="cannot load the weights"):
        models.load_trunk(gpt2)


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
    assert models.load_trunk(tmp_path).config.num_hidden_layers == 1


def test_the_checkpoints_own_type_does_not_decide(gpt2: Path) -> None:
    model = transformers.AutoModelForCausalLM.from_pretrained(gpt2, dtype=torch.float16)
    model.save_pretrained(gpt2)
    assert models.load_trunk(gpt2).dtype == torch.float32
    assert models.load_trunk(gpt2, precision="bfloat16").dtype == torch.bfloat16
    assert models.untrained_trunk(gpt2, 1).dtype == torch.float32


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
    assert models.measure(config).n_parameters == n_parameters


@pytest.mark.parametrize(
    ("config", "limit", "mapping", "expected"),
    [
        (transformers.GPT2Config(), 10**30, "aligned", 1024),
        (transformers.GPT2Config(), 512, "aligned", 512),
        (transformers.GPT2Config(), 512, "reference", 1024),
        (transformers.MambaConfig(), 10**30, "reference", 32000),
        (transformers.OPTConfig(), 10**30, "reference", 2048),
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
    assert models.max_length(config, tokenizer, mapping) == expected


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
    length = models.max_length(config, SimpleNamespace(model_max_length=None), "aligned")
    assert trunk(torch.full((1, length), 5)).last_hidden_state.shape[1] == length == 80
    with pytest.raises((IndexError, RuntimeError)):
        trunk(torch.full((1, length + 1), 5))


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
    tokenizer = models.load_tokenizer(tmp_path / "model")
    assert tokenizer.tokenize("船日") == ["船", "日"]


def test_links_do_not_end_outside(tmp_path: Path) -> None:
    (tmp_path / "blob").write_text("x")
    (tmp_path / "name").symlink_to(tmp_path / "blob")
    link(tmp_path / "name", tmp_path / "out")
    assert not (tmp_path / "out").is_symlink()
    assert (tmp_path / "out").read_text() == "x"


@pytest.fixture
def server(gpt2: Path, monkeypatch: pytest.MonkeyPatch) -> Iterator[Hub]:
    (gpt2 / "pytorch_model.bin").write_bytes(b"pickle")
    (gpt2 / "README.md").write_text("card")
    monkeypatch.delenv("HF_TOKEN", raising=False)
    monkeypatch.setattr("huggingface_hub.constants.HF_HUB_OFFLINE", False)
    with serving_hub(gpt2) as hub_server:
        yield hub_server


def remote(server: Hub, **over: Any) -> hub.Request:
    return hub.Request("org/m", endpoint=server.url, **over)


def test_a_model_of_the_hub_is_fetched_at_its_commit(server: Hub, tmp_path: Path) -> None:
    from_hub = spec(kind="hub", source="org/m", endpoint=server.url)
    model = prepare(from_hub, [], tmp_path / "cache", tmp_path / "model")
    assert model["revision"] == COMMIT
    names = {path.name for path in (tmp_path / "model").iterdir()}
    assert "model.safetensors" in names
    assert not names & {"pytorch_model.bin", "README.md"}
    assert {header for _, header in server.asked} == {None}
    asked = len(server.asked)
    cached = hub.fetch(remote(server, revision=COMMIT), tmp_path / "cache")
    assert len(server.asked) == asked
    assert cached.commit == COMMIT


def test_the_token_comes_from_the_environment_only(
    server: Hub, tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setenv("HF_TOKEN", "hf_test")
    hub.fetch(remote(server), tmp_path)
    assert {header for _, header in server.asked} == {"Bearer hf_test"}


@pytest.mark.parametrize(
    ("spoilt", "said"),
    [
        ("gated", "nextflow secrets set HF_TOKEN"),
        ("absent", "does not exist"),
        ("norevision", "no revision v2"),
        ("denied", "refuses access"),
    ],
)
def test_what_the_hub_refuses_is_said(server: Hub, tmp_path: Path, spoilt: str, said: str) -> None:
    server.spoilt = spoilt
    with pytest.raises(BadInput, match=said):
        hub.fetch(remote(server, revision="v2"), tmp_path)


def test_an_unreachable_hub_is_a_passing_failure_unless_the_cache_has_the_model(
    server: Hub, tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    def unreachable(*arguments: Any, **options: Any) -> None:
        raise ConnectionError("no route to host")

    hub.fetch(remote(server), tmp_path / "cache")
    monkeypatch.setattr("huggingface_hub.HfApi.model_info", unreachable)
    with pytest.raises(Transient, match="cannot be reached"):
        hub.fetch(remote(server), tmp_path / "empty")
    assert hub.fetch(remote(server, revision=COMMIT), tmp_path / "cache").commit == COMMIT
    assert hub.fetch(remote(server), tmp_path / "cache").commit == COMMIT
    with pytest.raises(Transient):
        hub.fetch(remote(server, revision="v2"), tmp_path / "cache")


def test_pickles_of_the_hub_need_consent(server: Hub, tmp_path: Path) -> None:
    (server.folder / "model.safetensors").unlink()
    with pytest.raises(BadInput, match="--allow_pickle_weights"):
        hub.fetch(remote(server), tmp_path)
    assert "pytorch_model.bin" in hub.fetch(remote(server, allow_pickle=True), tmp_path).files
    assert "pytorch_model.bin" not in hub.fetch(remote(server, weights=False), tmp_path / "b").files


def test_weights_in_parts_are_those_of_the_index(server: Hub, tmp_path: Path) -> None:
    weights = load_file(server.folder / "model.safetensors")
    (server.folder / "model.safetensors").unlink()
    half = len(weights) // 2
    parts = {"model-00001-of-00002.safetensors": dict(list(weights.items())[:half])}
    parts["model-00002-of-00002.safetensors"] = dict(list(weights.items())[half:])
    for name, part in parts.items():
        save_file(part, server.folder / name, {"format": "pt"})
    save_file(weights, server.folder / "consolidated.safetensors")
    names = {tensor: name for name, part in parts.items() for tensor in part}
    index = server.folder / "model.safetensors.index.json"
    index.write_text(json.dumps({"metadata": {}, "weight_map": names}))
    from_hub = spec(kind="hub", source="org/m", endpoint=server.url)
    model = prepare(from_hub, [], tmp_path / "cache", tmp_path / "model")
    assert [entry["file"] for entry in model["weights"]] == sorted(parts)
    assert not (tmp_path / "model" / "consolidated.safetensors").exists()
    models.load_trunk(tmp_path / "model")
    index.write_text(json.dumps({"weight_map": {"a": "../../outside"}}))
    with pytest.raises(BadInput, match="outside"):
        hub.fetch(remote(server), tmp_path / "other")


def test_a_damaged_download_is_removed_and_tried_again(server: Hub, tmp_path: Path) -> None:
    from_hub = spec(kind="hub", source="org/m", endpoint=server.url)
    server.spoilt = "damaged"
    with pytest.raises(Transient, match="damaged"):
        prepare(from_hub, [], tmp_path / "cache", tmp_path / "model")
    server.spoilt = ""
    assert prepare(from_hub, [], tmp_path / "cache", tmp_path / "model")["weights"]


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
    assert "Traceback" not in done.stderr


@pytest.mark.parametrize("spoilt", ["", "gated", "absent", "denied"])
def test_the_token_is_in_no_file_and_no_line(server: Hub, tmp_path: Path, spoilt: str) -> None:
    token = "hf_SecretOfTheTest"
    server.spoilt = spoilt
    given = spec(kind="hub", source="org/m", endpoint=server.url)
    (tmp_path / "spec.json").write_text(json.dumps(given))
    command = [sys.executable, str(ROOT / "bin" / "model.py"), "--spec", "spec.json"]
    done = subprocess.run(
        [*command, "--cache", "cache", "--out", "model"],
        cwd=tmp_path, capture_output=True, check=False,
        env=os.environ | {"HF_TOKEN": token, "HF_HUB_OFFLINE": "0", "HOME": str(tmp_path)},
    )  # fmt: skip
    assert done.returncode == (65 if spoilt else 0), done.stderr
    assert {header for _, header in server.asked} == {f"Bearer {token}"}
    written = [path for path in tmp_path.rglob("*") if path.is_file()]
    assert not [path for path in written if token.encode() in path.read_bytes()]
    assert token.encode() not in done.stdout + done.stderr


# ---- weights that are not kept ------------------------------------------------------------------


def activations(tmp_path: Path, spoilt: bool = False) -> Path:
    """Write activations of two layers and two words in the form of the pipeline's."""
    states = {f"run-{run}/layer-{k}": torch.ones(1, 4) for run in (1, 2) for k in (0, 1)}
    if spoilt:
        states["run-2/layer-1"][0, 2] = float("nan")
    path = tmp_path / "x_activations.safetensors"
    save_file(states, path)
    path.with_suffix(".json").write_text(json.dumps({"layers": [0, 1], "n_words": 2}))
    return path


def test_weights_that_are_not_kept_go_when_their_activations_are_whole(
    server: Hub, tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.chdir(tmp_path)
    given = spec(kind="hub", source="org/m", endpoint=server.url, keep=False)
    model = prepare(given, [], tmp_path / "cache", tmp_path / "model")
    assert not list((tmp_path / "model").glob("*.safetensors"))
    with whole_model(tmp_path / "model") as folder:
        whole = models.load_trunk(folder).wte.weight
    torch.testing.assert_close(whole, models.load_trunk(FIXTURES / "gpt2-fixture").wte.weight)
    receipt = tmp_path / "model" / "receipt.json"
    for broken in (True, False):
        path = activations(tmp_path, spoilt=broken)
        if broken:
            with pytest.raises(BadInput, match="is broken; the weights are kept"):
                remove_weights(receipt, [path])
    short = json.loads(path.with_suffix(".json").read_text()) | {"n_words": 3}
    path.with_suffix(".json").write_text(json.dumps(short))
    with pytest.raises(BadInput, match="lacks words"):
        remove_weights(receipt, [path])
    n_bytes = model["weights"][0]["bytes"]
    held = [p for p in tmp_path.rglob("*") if p.is_file() and p.stat().st_size == n_bytes]
    assert len([p for p in held if "gpt2" not in p.parts]) >= 2  # the task's and the cache's
    assert remove_weights(receipt, [activations(tmp_path)]) == n_bytes
    held = [p for p in tmp_path.rglob("*") if p.is_file() and p.stat().st_size == n_bytes]
    assert not [p for p in held if "gpt2" not in p.parts]
    with (
        pytest.raises(BadInput, match=r"--keep_models no .*; to fetch it again"),
        whole_model(tmp_path / "model"),
    ):
        pass
    again = prepare(given, [], tmp_path / "cache", tmp_path / "again" / "model")
    assert again["weights"] == model["weights"]


def test_the_files_of_a_user_are_never_removed(gpt2: Path, tmp_path: Path) -> None:
    prepared(gpt2, tmp_path, keep=False)
    assert (tmp_path / "model" / "model.safetensors").is_file()
    assert not (tmp_path / "model" / "receipt.json").exists()


def test_weights_come_by_a_redirect_to_the_store(server: Hub, tmp_path: Path) -> None:
    snapshot = hub.fetch(remote(server), tmp_path)
    assert "/store/model.safetensors" in {path for path, _ in server.asked}
    assert snapshot.sha256["model.safetensors"]
