"""Certificates and proxies that the environment names and that cannot be used are named."""

import ssl
from pathlib import Path
from typing import Any

import pytest

from helpers.hub_server import COMMIT, serving_hub
from lateralization.errors import BadInput, Transient
from lateralization.sources import hub
from lateralization.sources.cache import Wanted
from lateralization.sources.certificates import HUB, REQUESTS
from lateralization.sources.download import Policy, download

NAMES = (
    *REQUESTS,
    *HUB,
    "SSL_CERT_DIR",
    "HTTPS_PROXY",
    "HTTP_PROXY",
    "ALL_PROXY",
    "https_proxy",
    "http_proxy",
)
ADDRESS = "https://127.0.0.1:9"


@pytest.fixture(autouse=True)
def _bare(monkeypatch: pytest.MonkeyPatch) -> None:
    for name in NAMES:
        monkeypatch.delenv(name, raising=False)
    monkeypatch.setattr("huggingface_hub.constants.HF_HUB_OFFLINE", False)
    monkeypatch.setattr("huggingface_hub.utils._http._GLOBAL_CLIENT", None)


def fetched(tmp_path: Path, address: str = ADDRESS) -> None:
    download([Wanted(tmp_path / "c" / "f.nii.gz", (f"{address}/f.nii.gz",))], Policy(attempts=1))


def asked(tmp_path: Path) -> None:
    hub.fetch_snapshot(hub.Request("org/m", endpoint=ADDRESS), tmp_path)


def bad_bundles(tmp_path: Path) -> dict[Path, str]:
    text = tmp_path / "text.pem"
    text.write_text("no certificate\n")
    return {tmp_path / "absent.pem": "does not exist", text: "holds no certificates"}


@pytest.mark.parametrize(("name", "act"), [*((n, fetched) for n in REQUESTS), (HUB[0], asked)])
def test_a_bundle_that_cannot_be_used_is_named(
    name: str, act: Any, tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    for bundle, problem in bad_bundles(tmp_path).items():
        monkeypatch.setenv(name, str(bundle))
        with pytest.raises(BadInput, match=f"{name} names {bundle}, which {problem}"):
            act(tmp_path)


def test_a_sound_bundle_and_a_plain_address_are_no_matter(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setenv("REQUESTS_CA_BUNDLE", str(tmp_path / "absent.pem"))
    with pytest.raises(Transient, match="refused"):
        fetched(tmp_path, "http://127.0.0.1:9")
    bundle = ssl.get_default_verify_paths().cafile
    if bundle:
        monkeypatch.setenv("REQUESTS_CA_BUNDLE", bundle)
        with pytest.raises(Transient, match="refused"):
            fetched(tmp_path)


@pytest.mark.parametrize("proxy", ["ftp://me:pass@proxy", "socks5://me:pass@proxy:1"])
def test_a_proxy_that_cannot_be_used_is_named_without_its_password(
    proxy: str, tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setenv("HTTPS_PROXY", proxy)
    with pytest.raises(BadInput, match="check HTTPS_PROXY") as caught:
        asked(tmp_path)
    assert "pass" not in str(caught.value)


def test_a_whole_cache_needs_no_certificates(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    folder = tmp_path / "hub"
    folder.mkdir()
    for name in ("config.json", "model.safetensors"):
        (folder / name).write_text("{}")
    with serving_hub(folder) as server:
        hub.fetch_snapshot(hub.Request("org/m", endpoint=server.url), tmp_path / "cache")
    monkeypatch.setenv("SSL_CERT_FILE", str(tmp_path / "absent.pem"))
    assert hub.fetch_snapshot(hub.Request("org/m", COMMIT), tmp_path / "cache").commit == COMMIT
