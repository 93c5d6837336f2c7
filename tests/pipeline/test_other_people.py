"""What other people own is used as it is, and what is nobody else's is in no file of a run.

Real runs of ``--stage fetch`` against a local hub, some of them with files of another user.
"""

import json
import os
import shutil
import subprocess
from collections.abc import Iterator, Sequence
from pathlib import Path
from typing import Any

import pytest

from helpers.hub_server import Hub, serving_hub

from .conftest import NEXTFLOW, PROJECT, arguments

pytestmark = pytest.mark.pipeline

OWNER = 12345
"""A user of the machine who is nobody that the tests run as."""

ORDINARY = ("setpriv", "--bounding-set=-all", "--inh-caps=-all")
"""Begins a command line: root as an ordinary user, whom the rights of others' files bind."""

SECRET = "MarkedSecretOfTheTest"
FIXTURE = PROJECT / "tests" / "fixtures" / "models" / "gpt2-fixture"


@pytest.fixture
def hub(tmp_path: Path) -> Iterator[Hub]:
    with serving_hub(shutil.copytree(FIXTURE, tmp_path / "hub")) as server:
        yield server


def fetched(
    launch: Path, hub: Hub, world: Path, *more: str, prefix: Sequence[str] = (), **variables: str
) -> subprocess.CompletedProcess[str]:
    """Fetch ``org/m`` from the hub, started in a folder of the user's."""
    launch.mkdir(exist_ok=True)
    given = ("--models", "org/m", "--hf_endpoint", hub.url, "--stage", "fetch", "--atlas", "none")
    cleared = {name: value for name, value in os.environ.items() if not name.startswith("HF_")}
    return subprocess.run(
        [*prefix, str(NEXTFLOW), "run", str(PROJECT / "main.nf"), *arguments(world, *given, *more)],
        cwd=launch,
        env=cleared | {"NXF_ANSI_LOG": "false", "HOME": str(launch)} | variables,
        capture_output=True,
        text=True,
        errors="surrogateescape",
        check=False,
    )


def last_line(run: subprocess.CompletedProcess[str]) -> str:
    return run.stderr.strip().splitlines()[-1]


# ---- the token -----------------------------------------------------------------------------------


@pytest.mark.parametrize(
    ("token", "sent"),
    [
        (f" \thf_{SECRET}\r\n", f"hf_{SECRET}"),
        (f"hf_{SECRET[:12]}\r\n{SECRET[12:]}", None),
        (f"hf_{SECRET}é", None),
        (f'"hf_{SECRET}"', f'"hf_{SECRET}"'),
    ],
)
def test_the_token_is_in_nothing_that_a_run_leaves(
    token: str, sent: str | None, hub: Hub, small_world: Path, tmp_path: Path
) -> None:
    launch = tmp_path / "launch"
    if sent is not None:
        hub.spoilt = "denied"  # what the hub refuses is quoted, too
    run = fetched(launch, hub, small_world, HF_TOKEN=token)
    assert run.returncode != 0
    if sent is None:
        assert "characters that no token has" in last_line(run)
        assert not hub.asked
    else:
        assert "refuses access" in last_line(run)
        assert {header for _path, header in hub.asked} == {f"Bearer {sent}"}
    left = [path for path in launch.rglob("*") if path.is_file()]
    assert any(path.name == ".command.err" for path in left)
    pieces = {SECRET[:12].encode(), SECRET[12:].encode()}
    assert not [path for path in left if any(piece in path.read_bytes() for piece in pieces)]
    said = (run.stdout + run.stderr).encode(errors="surrogateescape")
    assert not any(piece in said for piece in pieces)


# ---- somebody else's cache, checkout and secrets -------------------------------------------------


needs_root = pytest.mark.skipif(
    os.geteuid() != 0 or not shutil.which("setpriv"), reason="files of another user need root"
)


def of_another(*places: Path) -> None:
    """Give folders with all that is in them to another user, who lets nobody else write."""
    for place in places:
        for path in (place, *place.rglob("*")):
            os.chown(path, OWNER, OWNER, follow_symlinks=False)


@needs_root
def test_the_cache_of_somebody_else_works_where_all_is_there(
    hub: Hub, small_world: Path, tmp_path: Path
) -> None:
    cache = tmp_path / "cache"
    sheet = tmp_path / "models.csv"
    sheet.write_text("model,source,revision\nm,org/m,main\n")
    given: tuple[str, ...] = ("--cache_dir", str(cache), "--models", str(sheet))
    filled = fetched(tmp_path / "owner", hub, small_world, *given)
    assert filled.returncode == 0, filled.stdout + filled.stderr
    secrets = tmp_path / "nextflow" / "secrets" / "store.json"
    secrets.parent.mkdir(parents=True)
    secrets.write_text(json.dumps([{"name": "HF_TOKEN", "value": "hf_of_the_owner"}]))
    secrets.chmod(0o600)
    of_another(cache, secrets.parent)
    as_other: dict[str, Any] = {"prefix": ORDINARY, "NXF_SECRETS_FILE": str(secrets)}
    online = fetched(tmp_path / "online", hub, small_world, *given, **as_other)
    assert online.returncode == 0, online.stdout + online.stderr
    hub.shutdown()
    hub.server_close()
    offline = fetched(tmp_path / "offline", hub, small_world, *given, **as_other)
    assert offline.returncode == 0, offline.stdout + offline.stderr


@needs_root
def test_what_the_cache_of_somebody_else_lacks_is_named(
    hub: Hub, small_world: Path, tmp_path: Path
) -> None:
    cache = tmp_path / "cache"
    given = ("--cache_dir", str(cache))
    assert fetched(tmp_path / "owner", hub, small_world, *given).returncode == 0
    for path in cache.rglob("model.safetensors"):
        path.unlink()
    of_another(cache)
    run = fetched(tmp_path / "launch", hub, small_world, *given, prefix=ORDINARY)
    assert run.returncode != 0
    assert "model org/m at revision main is not whole in --cache_dir" in last_line(run)
    assert "permission is denied" in last_line(run)
