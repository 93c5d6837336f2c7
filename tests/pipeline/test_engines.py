"""Real runs through Podman, Docker and Apptainer, in an image that is built here from the lock.

Podman runs all stages of the light image, the others those of ``--stage fetch``: with torch an
image takes minutes to build and gigabytes. Where one was built (``make images ARGS=cpu``), Podman
runs every stage in its own.
"""

import json
import os
import re
import shutil
import subprocess
from collections.abc import Iterator
from pathlib import Path

import pytest

from lateralization.files import digest_of

from .conftest import PROJECT, Copy, Run, arguments, copy_project
from .engines import SCRIPT, need, variables

pytestmark = pytest.mark.pipeline


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


def _build(kind: str, *options: str, tag: str = "") -> str:
    """Build an image on the base made of Debian packages; downloads are the checkout's."""
    more = {"BASE": "localhost/base:1", "BUILDER": "podman", "OPTIONS": " ".join(options)}
    cache = PROJECT / ".cache" / "uv"
    if cache.is_dir():
        more["CACHE"] = str(cache)
    if tag:
        more["TAG"] = tag
    _call("bash", PROJECT / "containers" / "build.sh", kind, **more)
    return f"localhost/lateralization:{tag or '0.1.0'}-{kind}"


@pytest.fixture(scope="module")
def light() -> str:
    """The light image, made of the lock."""
    need("podman", "base")
    return _build("light")


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


PROBE = '''

def _look():
    """Leave beside the task what it can reach: interfaces of the network, and the image's files."""
    import errno, json
    try:
        open("/opt/written", "w").close()
        root = "written"
    except OSError as error:
        root = errno.errorcode[error.errno]
    rows = open("/proc/net/dev").read().splitlines()[2:]
    networks = sorted(row.split(":")[0].strip() for row in rows)
    with open("seen.json", "w") as handle:
        json.dump({"root": root, "networks": networks}, handle)
'''


def _probed(copy: Copy) -> Copy:
    """Have every command of a copy of the project look around before it does anything."""
    command = copy.folder / "bin" / "lateralization" / "command.py"
    begins = "    arguments = _parsed(parser)\n"
    text = command.read_text()
    assert begins in text
    command.write_text(text.replace(begins, begins + "    _look()\n") + PROBE)
    return copy


def _image_for(engine: str, light: str, folder: Path) -> str:
    """Hand the image to an engine and return the name by which it knows it."""
    if engine == "podman":
        return light
    if engine == "docker":
        _call("bash", "-c", f"podman save -q --format docker-archive {light} | docker load -q")
        return light
    sif = folder / "light.sif"
    root = _call("podman", "image", "mount", light).strip()
    fast = ("--mksquashfs-args", "-comp zstd -Xcompression-level 1")
    try:
        _call("apptainer", "-s", "build", *fast, sif, root)
    finally:
        _call("podman", "image", "umount", light)
    return str(sif)


@pytest.fixture(scope="module")
def clone(small_world: Path, tmp_path_factory: pytest.TempPathFactory) -> Path:
    """The small world as a DataLad clone: data files are links to content below .git/annex."""
    world = shutil.copytree(small_world, tmp_path_factory.mktemp("clone") / "world")
    for path in [*(world / "data").rglob("*.nii.gz"), *(world / "data").rglob("*.csv")]:
        key = f"MD5E-s{path.stat().st_size}--{digest_of(path, 'md5')}{''.join(path.suffixes[-2:])}"
        content = world / "data" / ".git" / "annex" / "objects" / "0a" / "9Z" / key / key
        content.parent.mkdir(parents=True, exist_ok=True)
        path.rename(content)
        content.chmod(0o444)
        path.symlink_to(os.path.relpath(content, path.parent))
    return world


@pytest.fixture(scope="module", autouse=True)
def _daemons() -> Iterator[None]:
    """Leave no daemon behind."""
    yield
    subprocess.run(["bash", str(SCRIPT), "stop", "docker"], check=False)


@pytest.fixture
def reached(monkeypatch: pytest.MonkeyPatch) -> None:
    """Let clients find the engines of the tests."""
    for name, value in variables().items():
        monkeypatch.setenv(name, value)


def _check_tasks(copy: Copy, run: Run, line_of: str, *images: str) -> None:
    """Every task ran in one of the images, reached what it may, and left files of the user's."""
    interfaces = sorted(path.name for path in Path("/sys/class/net").iterdir())
    for task in run.tasks:
        folder = Path(task["workdir"])
        lines = [
            line for line in (folder / ".command.run").read_text().splitlines() if line_of in line
        ]
        assert len(lines) == 1, task
        assert len([image for image in images if f" {image} " in lines[0]]) == 1
        fetching = task["process"] in ("FETCH", "MODEL")
        assert ("none" in re.findall(r"--network[= ](\w+)", lines[0])) == (not fetching)
        seen = json.loads((folder / "seen.json").read_text())
        assert seen["root"] == "EROFS"
        if fetching:
            assert set(interfaces) <= set(seen["networks"])
        else:
            assert seen["networks"] == ["lo"]
    mine = (os.geteuid(), os.getegid())
    for path in (copy.folder / "work").rglob("*"):
        state = path.lstat()
        assert (state.st_uid, state.st_gid) == mine, path


@pytest.mark.usefixtures("reached")
@pytest.mark.parametrize(("engine", "verb"), [("docker", "run"), ("apptainer", "exec")])
def test_fetching_through_an_engine(
    engine: str, verb: str, light: str, clone: Path, tmp_path: Path
) -> None:
    need(engine)
    image = _image_for(engine, light, tmp_path)
    copy = _probed(copy_project(tmp_path / "project"))
    run = copy.run(
        *("-profile", engine, "--image", image, "--outdir", str(tmp_path / "new" / "results")),
        *("--cache_dir", str(tmp_path / "a cache")),
        *arguments(clone, "--models", "none", "--stage", "fetch"),
    )
    assert run.exit_status == 0, run.stdout + run.stderr
    assert run.processes() == {"VALIDATE", "FETCH"}
    _check_tasks(copy, run, f"{engine} {verb}", image)


@pytest.mark.usefixtures("reached")
def test_all_stages_of_the_light_image_through_podman(
    light: str, clone: Path, tmp_path: Path
) -> None:
    copy = _probed(copy_project(tmp_path / "project"))
    settings = copy.folder / "conf" / "resources.config"
    # what needs torch runs outside: its image takes minutes to build and gigabytes
    text = settings.read_text()
    large = "cpu: 'localhost/lateralization:0.1.0-cpu'"
    assert large in text
    settings.write_text(text.replace(large, "cpu: null"))
    more = ("--models", "none", "--subjects", "average", "--random_dims", "32")
    run = copy.run("-profile", "podman", *arguments(clone, *more))
    assert run.exit_status == 0, run.stdout + run.stderr
    assert (copy.folder / "results" / "report.html").exists()
    outside = {"RELIABILITY", "ENCODE"}
    stages = {"VALIDATE", "FETCH", "RESAMPLE", "MASK", "ROIS", "CLEAN", "CHECKS", "AVERAGE",
              "BASELINES", "GATHER", "LATERALIZE", "FIGURES", "REPORT"}  # fmt: skip
    assert run.processes() == stages | outside
    asked = _call("podman", "image", "inspect", "--format", "{{.Id}}", light).strip()
    digests = json.loads((copy.folder / "results/pipeline_info/digests.json").read_text())
    assert digests["images"] == {light: f"sha256:{asked}"}
    run.tasks = [task for task in run.tasks if task["process"] not in outside]
    _check_tasks(copy, run, "podman run", light)


@pytest.mark.usefixtures("reached")
def test_all_stages_in_their_own_images_through_podman(
    light: str, clone: Path, tmp_path: Path
) -> None:
    large = light.replace("light", "cpu")
    if subprocess.run(["podman", "image", "exists", large], check=False).returncode:
        pytest.skip("takes minutes and 10 GB: make images ARGS=cpu, and run this test again")
    imported = _in_image(large, "python", "-c", "import torch, transformers, accelerate; print(1)")
    assert imported.strip() == "1"
    copy = _probed(copy_project(tmp_path / "project"))
    run = copy.run("-profile", "test,podman", *arguments(clone))
    assert run.exit_status == 0, run.stdout + run.stderr
    assert (copy.folder / "results" / "report.html").exists()
    _check_tasks(copy, run, "podman run", light, large)
    in_large = {
        task["process"]
        for task in run.tasks
        if f" {large} " in (Path(task["workdir"]) / ".command.run").read_text()
    }
    assert in_large == {"MODEL", "WORDS", "ACTIVATIONS", "ENCODE", "RELIABILITY"}


@pytest.mark.usefixtures("reached")
def test_a_second_build_gives_the_same_files_and_versions(light: str) -> None:
    again = _build("light", "--no-cache", tag="again")
    # what an engine mounts into a container is no part of the image, the folder itself neither
    mounted = ("/proc", "/sys", "/dev", "/etc", "/run", "/tmp", "/var/tmp")
    image = " ".join(f"! -path {folder} ! -path '{folder}/*'" for folder in mounted)
    # of compiled modules name and size: Python writes equal ones in more than one way
    listing = (
        f"find / -xdev {image} -printf '%y %m %U:%G %s %p %l\\n' | sort; sha256sum"
        " /usr/share/lateralization/*; find /opt -type f ! -name '*.pyc' -print0 | sort -z"
        " | xargs -0 sha256sum"
    )
    try:
        first, second = (_in_image(image, "bash", "-c", listing) for image in (light, again))
    finally:
        _call("podman", "rmi", again)
    assert first.count("\n") > 10_000
    assert first == second
