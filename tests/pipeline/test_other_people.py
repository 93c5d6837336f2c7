"""What other people own is used as it is, and what is nobody else's is in no file of a run.

Real runs of ``--stage fetch`` against a local hub, some of them as another user of the machine.
"""

import json
import os
import shutil
import subprocess
from collections.abc import Iterator
from pathlib import Path
from typing import Any

import pytest
from hub_server import Hub, serving_hub

from .conftest import NEXTFLOW, PROJECT, arguments

pytestmark = pytest.mark.pipeline

NOBODY = 65534
SECRET = "MarkedSecretOfTheTest"
FIXTURE = PROJECT / "tests" / "fixtures" / "models" / "gpt2-fixture"


@pytest.fixture
def hub(tmp_path: Path) -> Iterator[Hub]:
    with serving_hub(shutil.copytree(FIXTURE, tmp_path / "hub")) as server:
        yield server


def fetched(
    launch: Path, hub: Hub, world: Path, *more: str, user: int | None = None, **variables: str
) -> subprocess.CompletedProcess[str]:
    """Fetch ``org/m`` from the hub, started in a folder of the user's."""
    launch.mkdir(exist_ok=True)
    os.chown(launch, user or os.geteuid(), -1)
    given = ("--models", "org/m", "--hf_endpoint", hub.url, "--stage", "fetch", "--atlas", "none")
    cleared = {name: value for name, value in os.environ.items() if not name.startswith("HF_")}
    return subprocess.run(
        [str(NEXTFLOW), "run", str(PROJECT / "main.nf"), *arguments(world, *given, *more)],
        cwd=launch,
        env=cleared | {"NXF_ANSI_LOG": "false", "HOME": str(launch)} | variables,
        capture_output=True,
        text=True,
        errors="surrogateescape",
        check=False,
        user=user,
        group=user,
        extra_groups=None if user is None else [],
    )


def last_line(run: subprocess.CompletedProcess[str]) -> str:
    return run.stderr.strip().splitlines()[-1]


# ---- the token -----------------------------------------------------------------------------------


@pytest.mark.parametrize(
    ("token", "sent"),
    [
        (f"hf_{SECRET}\r", f"hf_{SECRET}"),
        (f" \thf_{SECRET}\r\n", f"hf_{SECRET}"),
        (f"hf_{SECRET[:12]}\r\n{SECRET[12:]}", None),
        (f"hf_{SECRET} {SECRET}", None),
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


@pytest.fixture
def open_place(tmp_path: Path) -> Iterator[Path]:
    """Give a folder that every user can enter; skip where the checkout is closed to others."""
    if os.geteuid() != 0:
        pytest.skip("a second user needs root")
    tried = subprocess.run(
        [str(PROJECT / ".venv/bin/python"), "-c", "import numpy"],
        user=NOBODY, group=NOBODY, extra_groups=[], cwd="/", check=False,
    )  # fmt: skip
    if tried.returncode:
        pytest.skip("this checkout is closed to other users")
    place = Path("/tmp") / f"others-{tmp_path.parent.name}-{tmp_path.name}-{os.getpid()}"
    place.mkdir(mode=0o755)
    yield place
    shutil.rmtree(place)


@pytest.mark.parametrize("revision", ["", "main"])
def test_the_cache_of_somebody_else_works_where_all_is_there(
    revision: str, hub: Hub, small_world: Path, open_place: Path
) -> None:
    world = shutil.copytree(small_world, open_place / "world")
    cache = open_place / "cache"
    sheet = open_place / "models.csv"
    sheet.write_text(f"model,source,revision\nm,org/m,{revision}\n")
    given: tuple[str, ...] = ("--cache_dir", str(cache), "--models", str(sheet))
    filled = fetched(open_place / "owner", hub, world, *given)
    assert filled.returncode == 0, filled.stdout + filled.stderr
    secrets = open_place / "nextflow" / "secrets" / "store.json"
    secrets.parent.mkdir(parents=True)
    secrets.write_text(json.dumps([{"name": "HF_TOKEN", "value": "hf_of_the_owner"}]))
    secrets.chmod(0o600)
    as_other: dict[str, Any] = {"user": NOBODY, "NXF_SECRETS_FILE": str(secrets)}
    online = fetched(open_place / "online", hub, world, *given, **as_other)
    assert online.returncode == 0, online.stdout + online.stderr
    hub.shutdown()
    hub.server_close()
    offline = fetched(open_place / "offline", hub, world, *given, **as_other)
    assert offline.returncode == 0, offline.stdout + offline.stderr


def test_what_the_cache_of_somebody_else_lacks_is_named(
    hub: Hub, small_world: Path, open_place: Path
) -> None:
    world = shutil.copytree(small_world, open_place / "world")
    cache = open_place / "cache"
    given = ("--cache_dir", str(cache))
    assert fetched(open_place / "owner", hub, world, *given).returncode == 0
    for path in cache.rglob("model.safetensors"):
        path.unlink()
    run = fetched(open_place / "launch", hub, world, *given, user=NOBODY)
    assert run.returncode != 0
    assert "model org/m at revision main is not whole in --cache_dir" in last_line(run)
    assert "permission is denied" in last_line(run)
