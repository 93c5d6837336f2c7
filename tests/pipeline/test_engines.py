"""Real runs through Podman and Apptainer, in an image that is built here from the lock.

Each engine runs the stages of ``--stage fetch`` in the light image: with torch an image takes
minutes to build and gigabytes.
"""

import json
import os
import re
import subprocess
from pathlib import Path

import pytest

from .conftest import PROJECT, Copy, arguments, copy_project
from .engines import need, variables

pytestmark = pytest.mark.pipeline

IMAGE = "localhost/lateralization:0.1.0-light"


def _call(*command: str | Path, **more: str) -> str:
    """Run a command that has to succeed and return what it printed."""
    done = subprocess.run(
        command,
        cwd=PROJECT,
        env=os.environ | variables() | more,
        capture_output=True,
        text=True,
        check=False,
        timeout=1800,
    )
    assert done.returncode == 0, done.stdout[-2000:] + done.stderr[-3000:]
    return done.stdout


@pytest.fixture(scope="module")
def light() -> str:
    """Build the light image on the base made of Debian packages; downloads are the checkout's."""
    need("podman", "base")
    more = {"BASE": "localhost/base:1", "BUILDER": "podman"}
    cache = PROJECT / ".cache" / "uv"
    if cache.is_dir():
        more["CACHE"] = str(cache)
    _call("bash", PROJECT / "containers" / "build.sh", "light", **more)
    return IMAGE


def _in_image(image: str, *command: str) -> str:
    return _call("podman", "run", "--rm", "--network=none", "--read-only", image, *command)


def test_the_image_holds_the_locked_versions_and_says_so(light: str) -> None:
    bill = json.loads(_in_image(light, "cat", "/usr/share/lateralization/sbom.json"))
    held = {
        entry["name"].replace("_", "-"): entry["version"]
        for entry in bill["components"]
        if entry["purl"].startswith("pkg:pypi/")
    }
    locked = dict(
        line.split(" ")[0].split("==")
        for line in (PROJECT / "requirements" / "run.txt").read_text().splitlines()
        if line[:1].isalnum()
    )
    assert {"numpy", "nilearn", "scipy"} <= set(held)
    assert "torch" not in held
    assert held.items() <= locked.items()
    debian = {entry["name"] for entry in bill["components"] if entry["purl"].startswith("pkg:deb/")}
    assert {"bash", "procps"} <= debian
    labels = json.loads(_call("podman", "image", "inspect", light))[0]["Labels"]
    assert labels["lateralization.kind"] == "light"
    assert labels["org.opencontainers.image.version"] == "0.1.0"


def test_the_image_is_nobody_s_root_and_has_none_of_the_project(light: str) -> None:
    assert _in_image(light, "id", "-u").strip() == "1000"
    assert _in_image(light, "bash", "-c", "ps -o comm= -p 1").strip() in ("bash", "ps")
    places = "/opt /usr/local /usr/share/lateralization /tmp /root"
    found = _in_image(
        light, "bash", "-c", f"find {places} -path '*lateralization*' 2>/dev/null; true"
    )
    assert sorted(found.split()) == [
        "/usr/share/lateralization",
        "/usr/share/lateralization/requirements.txt",
        "/usr/share/lateralization/sbom.json",
    ]


def _image_for(engine: str, light: str, folder: Path) -> str:
    """Hand the image to an engine and return the name by which it knows it."""
    if engine == "podman":
        return light
    sif = folder / "light.sif"
    root = _call("podman", "image", "mount", light).strip()
    fast = ("--mksquashfs-args", "-comp zstd -Xcompression-level 1")
    try:
        _call("apptainer", "-s", "build", *fast, sif, root)
    finally:
        _call("podman", "image", "umount", light)
    return str(sif)


@pytest.mark.parametrize(("engine", "verb"), [("podman", "run"), ("apptainer", "exec")])
def test_a_run_through_an_engine(
    engine: str,
    verb: str,
    light: str,
    small_world: Path,
    tmp_path: Path,
    monkeypatch: pytest.MonkeyPatch,
) -> None:
    need(engine)
    image = _image_for(engine, light, tmp_path)
    for name, value in variables().items():
        monkeypatch.setenv(name, value)
    copy: Copy = copy_project(tmp_path / "project")
    run = copy.run(
        *("-profile", engine, "--image", image, "--outdir", str(tmp_path / "new" / "results")),
        *("--cache_dir", str(tmp_path / "a cache")),
        *arguments(small_world, "--models", "none", "--stage", "fetch"),
    )
    assert run.exit_status == 0, run.stdout + run.stderr
    assert {"VALIDATE", "FETCH"} <= run.processes()
    commands = [path.read_text() for path in (copy.folder / "work").glob("*/*/.command.run")]
    assert len(commands) == len(run.tasks)
    for text in commands:
        lines = [line for line in text.splitlines() if f"{engine} {verb}" in line]
        assert len(lines) == 1
        assert image in lines[0]
        fetching = re.search(r"name: 'FETCH", text) is not None
        assert ("none" in re.findall(r"--network[= ](\w+)", lines[0])) == (not fetching)
    mine = (os.geteuid(), os.getegid())
    for path in (copy.folder / "work").rglob("*"):
        state = path.lstat()
        assert (state.st_uid, state.st_gid) == mine, path
