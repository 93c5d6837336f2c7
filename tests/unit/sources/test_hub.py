"""The hub: what is fetched at which commit, what is refused, and where the token is never seen."""

import json
import os
import shutil
import subprocess
import sys
from collections.abc import Iterator
from pathlib import Path
from typing import Any

import pytest
import torch
from safetensors.torch import load_file, save_file

from helpers.hub_server import COMMIT, Hub, serving_hub
from helpers.preparing import FIXTURES, ROOT, prepared, spec
from lateralization.errors import BadInput, Transient
from lateralization.language_models import loading
from lateralization.sources import hub
from lateralization.sources.model import look_up, prepare
from lateralization.sources.receipts import whole_model
from lateralization.sources.release import remove_weights


@pytest.fixture
def gpt2(tmp_path: Path) -> Path:
    return shutil.copytree(FIXTURES / "gpt2-fixture", tmp_path / "gpt2")


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
    assert (model["requested_revision"], model["revision"]) == ("", COMMIT)
    asked = prepare(from_hub | {"revision": "main"}, [], tmp_path / "cache", tmp_path / "named")
    assert (asked["requested_revision"], asked["revision"]) == ("main", COMMIT)
    names = {path.name for path in (tmp_path / "model").iterdir()}
    assert "model.safetensors" in names
    assert not names & {"pytorch_model.bin", "README.md"}
    assert {header for _, header in server.asked} == {None}
    asked = len(server.asked)
    cached = hub.fetch_snapshot(remote(server, revision=COMMIT), tmp_path / "cache")
    assert len(server.asked) == asked
    assert cached.commit == COMMIT


def test_the_token_comes_from_the_environment_only(
    server: Hub, tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setenv("HF_TOKEN", "hf_test")
    hub.fetch_snapshot(remote(server), tmp_path)
    assert {header for _, header in server.asked} == {"Bearer hf_test"}


@pytest.mark.parametrize("shell", ["HF_ENDPOINT", "HF_HUB_OFFLINE", "TRANSFORMERS_OFFLINE"])
def test_the_shell_s_variables_choose_no_server_and_ask_for_no_second_try(
    shell: str, gpt2: Path, tmp_path: Path
) -> None:
    """The command as MODEL calls it, with the official hub behind a proxy that nobody answers."""
    (tmp_path / "spec.json").write_text(json.dumps(spec(kind="hub", source="org/m")))
    command = [sys.executable, str(ROOT / "bin" / "model.py"), "--spec", "spec.json"]
    with serving_hub(gpt2) as other:
        environment = {n: value for n, value in os.environ.items() if "PROXY" not in n.upper()}
        environment |= {"HTTPS_PROXY": "http://127.0.0.1:9", "HF_HUB_OFFLINE": "0"}
        environment |= {"HF_TOKEN": "hf_test", shell: other.url if shell == "HF_ENDPOINT" else "1"}
        if shell == "TRANSFORMERS_OFFLINE":
            del environment["HF_HUB_OFFLINE"]
        done = subprocess.run(
            [*command, "--cache", "cache", "--out", "model"],
            cwd=tmp_path, env=environment, capture_output=True, text=True, check=False,
        )  # fmt: skip
    assert other.asked == []
    if shell == "HF_ENDPOINT":
        assert (done.returncode, "cannot be reached" in done.stderr) == (75, True), done.stderr
    else:
        assert done.returncode == 65, done.stderr
        assert len(done.stderr.splitlines()) == 1
        assert f"for {shell} is set: unset it" in done.stderr


def test_the_server_is_the_official_one_when_none_is_given(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    """Whatever the client took from the environment when it was imported."""
    asked: list[str | None] = []

    def model_info(api: Any, *_arguments: Any, **_options: Any) -> None:
        asked.append(api.endpoint)
        raise ConnectionError("no route to host")

    monkeypatch.setattr("huggingface_hub.constants.HF_HUB_OFFLINE", False)
    monkeypatch.setattr("huggingface_hub.constants.ENDPOINT", "http://of-the-shell")
    monkeypatch.setattr("huggingface_hub.HfApi.model_info", model_info)
    with pytest.raises(Transient):
        hub.fetch_snapshot(hub.Request("org/m"), tmp_path)
    assert asked == [hub.OFFICIAL_HUB]


def test_a_client_that_is_kept_offline_uses_the_cache(
    server: Hub, tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    hub.fetch_snapshot(remote(server), tmp_path)
    monkeypatch.setattr("huggingface_hub.constants.HF_HUB_OFFLINE", True)
    asked = len(server.asked)
    assert hub.fetch_snapshot(remote(server), tmp_path).commit == COMMIT
    with pytest.raises(BadInput, match=r"org/m at revision v2 .* HF_HUB_OFFLINE is set"):
        hub.fetch_snapshot(remote(server, revision="v2"), tmp_path)
    assert len(server.asked) == asked


def test_no_variable_of_the_shell_brings_a_stage_that_is_offline_to_the_network(
    monkeypatch: pytest.MonkeyPatch,
) -> None:
    names = ("HF_HUB_OFFLINE", "HF_HUB_DISABLE_TELEMETRY", "TOKENIZERS_PARALLELISM")
    for name in (*names, "TRANSFORMERS_VERBOSITY"):
        monkeypatch.setenv(name, "0")
    loading.offline()
    assert os.environ["HF_HUB_OFFLINE"] == "1"


@pytest.mark.parametrize(
    "server",
    ["http://mirror/x", "HTTP://10.0.0.7:80", "http://127.0.0.1.evil.org", "http://localhost.org",
     "http://127.0.0.1@mirror/", "http://[2001:db8::1]/"],
)  # fmt: skip
def test_the_token_does_not_leave_the_machine_unencrypted(
    server: str, tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    def connected() -> None:
        raise ConnectionError("a connection was made")

    monkeypatch.setattr("huggingface_hub.constants.HF_HUB_OFFLINE", False)
    monkeypatch.setattr(hub, "_connect", connected)
    monkeypatch.setenv("HF_TOKEN", "hf_MarkedSecretOfTheTest")
    with pytest.raises(BadInput, match=r"HF_TOKEN.* is not sent to .*https://") as caught:
        hub.fetch_snapshot(hub.Request("org/m", endpoint=server), tmp_path)
    assert "Marked" not in str(caught.value)
    monkeypatch.delenv("HF_TOKEN")
    with pytest.raises(Transient, match="a connection was made"):
        hub.fetch_snapshot(hub.Request("org/m", endpoint=server), tmp_path)


@pytest.mark.parametrize(
    "server",
    ["https://mirror/x", "http://127.0.0.1:80", "http://127.8.9.1", "http://[::1]:5/",
     "http://localhost:5000/hub", "http://LOCALHOST"],
)  # fmt: skip
def test_the_token_is_sent_encrypted_or_on_this_machine(server: str) -> None:
    hub.check_confidential(server)


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
        hub.fetch_snapshot(remote(server, revision="v2"), tmp_path)


def test_a_gated_model_names_its_page_its_conditions_and_what_is_lacking(
    server: Hub, tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    server.spoilt = "gated"
    monkeypatch.delenv("HF_TOKEN", raising=False)
    request = hub.Request("meta-llama/Llama-3.1-8B", endpoint=server.url)
    with pytest.raises(BadInput) as caught:
        hub.fetch_snapshot(request, tmp_path)
    assert "meta-llama/Llama-3.1-8B is gated and no token is given: accept Meta's" in str(
        caught.value
    )
    assert f"on {server.url}/meta-llama/Llama-3.1-8B, then" in str(caught.value)
    monkeypatch.setenv("HF_TOKEN", "hf_marked")
    with pytest.raises(BadInput, match="the account of your token has no access yet") as caught:
        hub.fetch_snapshot(request, tmp_path)
    assert "hf_marked" not in str(caught.value)


def test_names_are_looked_up_before_anything_is_fetched(
    server: Hub, tmp_path: Path, capsys: pytest.CaptureFixture[str]
) -> None:
    good = spec(kind="hub", source="org/m", endpoint=server.url)
    wrong = [good | {"name": name, "source": f"org/{name}"} for name in ("x", "y")]
    cache = tmp_path / "cache"
    assert look_up([good], cache, refuse=True) == {"m": COMMIT}
    assert not [path for path, _ in server.asked if "/resolve/" in path]
    assert not cache.exists()
    server.spoilt = "absent"
    with pytest.raises(BadInput, match=r"model org/x .*\(and 1 more above\)"):
        look_up(wrong, cache, refuse=True)
    assert "model org/y " in capsys.readouterr().err
    assert look_up(wrong, cache, refuse=False) == {"x": None, "y": None}
    said = capsys.readouterr().err
    assert "model org/x " in said
    assert "model org/y " in said


def test_weights_that_cannot_be_used_are_found_by_the_look_up(
    server: Hub, gpt2: Path, tmp_path: Path
) -> None:
    (gpt2 / "model.safetensors").unlink()
    from_hub = spec(kind="hub", source="org/m", endpoint=server.url)
    with pytest.raises(BadInput, match="pickled weights only"):
        look_up([from_hub], tmp_path, refuse=True)
    assert look_up([from_hub | {"allow_pickle": True}], tmp_path, refuse=True) == {"m": COMMIT}
    assert look_up([from_hub | {"seed": 1}], tmp_path, refuse=True) == {"m": COMMIT}


def test_an_unreachable_hub_is_a_passing_failure_unless_the_cache_has_the_model(
    server: Hub, tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    def unreachable(*arguments: Any, **options: Any) -> None:
        raise ConnectionError("no route to host")

    hub.fetch_snapshot(remote(server), tmp_path / "cache")
    monkeypatch.setattr("huggingface_hub.HfApi.model_info", unreachable)
    with pytest.raises(Transient, match="cannot be reached"):
        hub.fetch_snapshot(remote(server), tmp_path / "empty")
    from_hub = spec(kind="hub", source="org/m", endpoint=server.url)
    assert look_up([from_hub], tmp_path / "cache", refuse=True) == {"m": COMMIT}
    with pytest.raises(Transient, match="cannot be reached"):
        look_up([from_hub], tmp_path / "empty", refuse=True)
    assert look_up([from_hub], tmp_path / "empty", refuse=False) == {"m": None}
    assert hub.fetch_snapshot(remote(server, revision=COMMIT), tmp_path / "cache").commit == COMMIT
    assert hub.fetch_snapshot(remote(server), tmp_path / "cache").commit == COMMIT
    with pytest.raises(Transient):
        hub.fetch_snapshot(remote(server, revision="v2"), tmp_path / "cache")


def test_a_whole_cache_is_used_under_every_name_of_its_commit(
    server: Hub, tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    """Somebody else's cache, where nothing can be written: the hub is asked what ``main`` is."""
    hub.fetch_snapshot(remote(server, revision=COMMIT), tmp_path)

    def closed(*arguments: Any, **options: Any) -> None:
        raise BadInput("permission is denied")

    monkeypatch.setattr("lateralization.sources.hub.write_json", closed)
    monkeypatch.setattr("huggingface_hub.snapshot_download", closed)
    asked = len(server.asked)
    assert hub.fetch_snapshot(remote(server), tmp_path).commit == COMMIT
    assert hub.fetch_snapshot(remote(server, revision="v1"), tmp_path).commit == COMMIT
    assert len(server.asked) == asked + 2


def test_pickles_of_the_hub_need_consent(server: Hub, tmp_path: Path) -> None:
    (server.folder / "model.safetensors").unlink()
    with pytest.raises(BadInput, match="--allow_pickle_weights"):
        hub.fetch_snapshot(remote(server), tmp_path)
    assert (
        "pytorch_model.bin" in hub.fetch_snapshot(remote(server, allow_pickle=True), tmp_path).files
    )
    assert (
        "pytorch_model.bin"
        not in hub.fetch_snapshot(remote(server, weights=False), tmp_path / "b").files
    )


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
    loading.load_trunk(tmp_path / "model")
    (server.folder / "model-00002-of-00002.safetensors").unlink()
    with pytest.raises(BadInput, match=r"lacks 1 of 2 parts .*00002-of-00002"):
        hub.fetch_snapshot(remote(server), tmp_path / "holed")
    index.write_text(json.dumps({"weight_map": {"a": "../../outside"}}))
    with pytest.raises(BadInput, match="outside"):
        hub.fetch_snapshot(remote(server), tmp_path / "other")


def test_a_damaged_download_is_removed_and_tried_again(server: Hub, tmp_path: Path) -> None:
    from_hub = spec(kind="hub", source="org/m", endpoint=server.url)
    server.spoilt = "damaged"
    with pytest.raises(Transient, match="damaged"):
        prepare(from_hub, [], tmp_path / "cache", tmp_path / "model")
    server.spoilt = ""
    assert prepare(from_hub, [], tmp_path / "cache", tmp_path / "model")["weights"]


@pytest.mark.slow
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
        whole = loading.load_trunk(folder).wte.weight
    torch.testing.assert_close(whole, loading.load_trunk(FIXTURES / "gpt2-fixture").wte.weight)
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
    snapshot = hub.fetch_snapshot(remote(server), tmp_path)
    assert "/store/model.safetensors" in {path for path, _ in server.asked}
    assert snapshot.sha256["model.safetensors"]
