"""The set-up of the environment: when it has nothing to do, what it mends, what it refuses."""

import os
import shutil
import subprocess
from pathlib import Path
from typing import Any

import pytest

from helpers.setup_programs import PROJECT, load, script

environment = load("environment")
WANTED = {"level": "run", "engine": "auto", "digest": "d", "root": "/r"}


@pytest.mark.parametrize(
    ("change", "ready"),
    [
        ({}, True),
        ({"level": "dev"}, True),
        ({"digest": "e"}, False),
        ({"root": "/moved"}, False),
        ({"engine": "pinned"}, False),
        ({"level": "other"}, False),
    ],
)
def test_a_stamp_serves_while_sources_place_and_engine_are_the_same(
    change: dict[str, str], ready: bool
) -> None:
    assert environment.is_ready(WANTED | change, WANTED) is ready


def test_a_stamp_of_the_lower_level_does_not_serve_the_higher() -> None:
    assert not environment.is_ready(WANTED, WANTED | {"level": "dev"})
    assert not environment.is_ready({}, WANTED)


def test_the_digest_follows_content_and_not_time(tmp_path: Path) -> None:
    for folder in ("requirements", "setup"):
        (tmp_path / folder).mkdir()
        for path in (PROJECT / folder).iterdir():
            if path.is_file():
                shutil.copy(path, tmp_path / folder)
    before = environment.digest(tmp_path)
    locked = tmp_path / "requirements" / "run.txt"
    os.utime(locked, (1, 1))
    assert environment.digest(tmp_path) == before
    text = locked.read_text()
    locked.write_text(text.replace("numpy==2", "numpy==3"))
    assert environment.digest(tmp_path) != before
    locked.write_text(text)
    launcher = tmp_path / "setup" / "nextflow"
    launcher.write_text(launcher.read_text() + "\n")
    assert environment.digest(tmp_path) != before


@pytest.fixture
def commands(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> list[list[str]]:
    """Point the set-up at an empty folder and collect the commands that it would run."""
    called: list[list[str]] = []

    def call(command: list[object], _what: str) -> None:
        called.append([str(part) for part in command])

    monkeypatch.setattr(environment, "VENV", tmp_path / ".venv")
    monkeypatch.setattr(environment, "UNFINISHED", tmp_path / "setup.unfinished")
    monkeypatch.setattr(environment, "call", call)
    return called


def test_packages_are_installed_by_hash_and_from_wheels_only(commands: list[list[str]]) -> None:
    environment.make_venv()
    environment.install("dev")
    pip, uv = commands[1], commands[2]
    for command in (pip, uv):
        assert "--require-hashes" in command
        assert command[command.index("--only-binary") + 1] == ":all:"
    assert [part.rsplit("/", 1)[1] for part in uv if part.endswith(".txt")] == [
        "setup.txt",
        "run.txt",
        "dev.txt",
    ]
    assert "--reinstall" not in uv
    assert not environment.UNFINISHED.exists()


def test_a_broken_off_install_is_laid_anew(
    commands: list[list[str]], monkeypatch: pytest.MonkeyPatch
) -> None:
    def broken(_command: list[object], _what: str) -> None:
        raise KeyboardInterrupt

    with monkeypatch.context() as patch:
        patch.setattr(environment, "call", broken)
        with pytest.raises(KeyboardInterrupt):
            environment.install("run")
    environment.install("run")
    assert "--reinstall" in commands[-1]


@pytest.mark.parametrize(
    ("missing", "message"),
    [
        ({"venv"}, "this Python has no venv module"),
        ({"ensurepip", "pip"}, "this Python has neither ensurepip nor pip"),
    ],
)
def test_a_python_without_venv_or_pip_is_one_clear_line(
    commands: list[list[str]],
    monkeypatch: pytest.MonkeyPatch,
    capsys: pytest.CaptureFixture[str],
    missing: set[str],
    message: str,
) -> None:
    monkeypatch.setattr(
        environment.importlib.util, "find_spec", lambda name: None if name in missing else name
    )
    with pytest.raises(SystemExit) as left:
        environment.make_venv()
    assert left.value.code == 1
    said = capsys.readouterr().err
    assert message in said
    assert "python3-venv" in said
    assert said.count("\n") == 1
    assert commands == []


def test_without_ensurepip_the_pip_of_the_calling_python_serves(
    commands: list[list[str]], monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setattr(
        environment.importlib.util, "find_spec", lambda name: None if name == "ensurepip" else name
    )
    environment.make_venv()
    assert "--without-pip" in commands[0]
    assert commands[1][1:5] == ["-m", "pip", "--python", str(environment.VENV / "bin" / "python")]


def test_installers_keep_their_caches_in_the_checkout(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setenv("PYTHONPATH", "/elsewhere")
    monkeypatch.setenv("SSL_CERT_FILE", "/site.pem")
    monkeypatch.delenv("PIP_CERT", raising=False)
    variables: dict[str, Any] = environment.surroundings()
    for name in ("PIP_CACHE_DIR", "UV_CACHE_DIR", "XDG_CACHE_HOME"):
        assert variables[name].startswith(str(PROJECT))
    assert "PYTHONPATH" not in variables
    assert variables["PIP_CERT"] == "/site.pem"


def test_a_python_that_is_too_old_is_one_clear_line(tmp_path: Path) -> None:
    for name in ("python3", "python"):
        script(tmp_path / name, "exit 1")  # what the question for the version answers
    for name in ("bash", "dirname"):
        (tmp_path / name).symlink_to(str(shutil.which(name)))
    ran = subprocess.run(
        ["bash", str(PROJECT / "setup" / "setup.sh")],
        env={"PATH": str(tmp_path)},
        capture_output=True,
        text=True,
        check=False,
    )
    assert ran.returncode == 1
    assert ran.stderr.startswith("setup: Python 3.11 or later is needed")
    assert ran.stderr.count("\n") == 1


def test_the_environment_of_another_checkout_is_never_emptied(
    commands: list[list[str]], tmp_path: Path, capsys: pytest.CaptureFixture[str]
) -> None:
    other = tmp_path / "other"
    other.mkdir()
    environment.VENV.symlink_to(other)
    with pytest.raises(SystemExit):
        environment.make_venv()
    assert not commands
    assert f".venv is a link to {other}" in capsys.readouterr().err
