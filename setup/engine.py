#!/usr/bin/env python3
"""Put the workflow engine into the checkout: an installed Nextflow, or verified jars.

The jars are listed in ``setup/engine.sha256`` by coordinates and digest; each is fetched by
those alone and none is used before its digest has been compared. ``lock`` resolves the list anew.
``store`` does the same for what lets the engine's Java reach an object store in tests
(``setup/store.sha256``).
"""

import argparse
import hashlib
import os
import re
import shutil
import subprocess
import sys
import time
from collections.abc import Sequence
from concurrent.futures import ThreadPoolExecutor
from pathlib import Path
from typing import NamedTuple

ROOT = Path(__file__).resolve().parent.parent
LOCK = ROOT / "setup" / "engine.sha256"
ENGINE = ROOT / ".engine"
LAUNCHER = ROOT / ".venv" / "bin" / "nextflow"

# The newest release that is whole in the public repository: nf-lang is published with 25.04.0
# only, and lib-trace, which a run does not need, not at all.
WANTED = ("io.nextflow:nextflow:25.04.4", "io.nextflow:nf-lang:25.04.0")
LEFT_OUT = ("io.seqera", "lib-trace")
STORE_LOCK = ROOT / "setup" / "store.sha256"
STORE_WANTED = ("software.amazon.nio.s3:aws-java-nio-spi-for-s3:2.3.0",)
OLDEST = (25, 4)
TRIES = 3


class EngineError(Exception):
    """The engine cannot be put in place: one line that says why and what to do."""


class Jar(NamedTuple):
    """One line of the lock file."""

    sha256: str
    group: str
    artifact: str
    version: str

    @property
    def name(self) -> str:
        """The file's name."""
        return f"{self.artifact}-{self.version}.jar"

    @property
    def folder(self) -> Path:
        """The file's folder below a repository."""
        return Path(*self.group.split("."), self.artifact, self.version)


def sha256(path: Path) -> str:
    """Return the sha256 of a file as hexadecimal digits."""
    with path.open("rb") as stream:
        return hashlib.file_digest(stream, "sha256").hexdigest()


def read_lock(path: Path = LOCK) -> list[Jar]:
    """Read the lock file: a digest and ``group:artifact:version`` on each line.

    Raises
    ------
    EngineError
        A line is of another form.
    """
    jars = []
    for number, line in enumerate(path.read_text().splitlines(), start=1):
        found = re.fullmatch(r"([0-9a-f]{64})  ([^:\s]+):([^:\s]+):([^:\s]+)", line)
        if not found:
            raise EngineError(f"{path.name}:{number} is no digest and coordinates: {line!r}")
        jars.append(Jar(*found.groups()))
    return jars


def verify(jar: Jar, path: Path) -> None:
    """Compare a fetched file with its locked digest; a file that differs is removed.

    Raises
    ------
    EngineError
        The file's bytes are not the locked ones.
    """
    found = sha256(path)
    if found != jar.sha256:
        path.unlink()
        raise EngineError(
            f"{jar.name} is not the file that {LOCK.name} or {STORE_LOCK.name} names "
            f"(sha256 {found[:12]}… instead of {jar.sha256[:12]}…) and was removed: run this "
            "again; if it stays, the source was tampered with or the lock is wrong"
        )


def fetch(jar: Jar, repository: Path) -> Path:
    """Return the verified file of a jar below ``repository``, fetching it where it is missing.

    Raises
    ------
    EngineError
        It cannot be fetched, or its bytes are not the locked ones.
    """
    from jgo.maven import MavenContext

    path = repository / jar.folder / jar.name
    if path.exists() and sha256(path) != jar.sha256:
        path.unlink()  # what a broken-off fetch left
    context = MavenContext(repo_cache=repository, timeout=60)
    artifact = context.project(jar.group, jar.artifact).at_version(jar.version).artifact()
    for attempt in range(1, TRIES + 1):
        try:
            artifact.resolve()
            break
        except (OSError, RuntimeError) as error:
            path.unlink(missing_ok=True)
            if attempt == TRIES:
                raise EngineError(f"cannot fetch {jar.name}: {error}") from error
            time.sleep(2**attempt)
    verify(jar, path)
    return path


def install_jars(jars: list[Jar], engine: Path = ENGINE) -> None:
    """Fill ``engine/lib`` with exactly the locked jars, at once or not at all."""
    lib = engine / "lib"
    present = {path.name: path for path in lib.glob("*.jar")}
    same_names = set(present) == {jar.name for jar in jars}
    if same_names and all(sha256(present[jar.name]) == jar.sha256 for jar in jars):
        return
    repository = ROOT / ".cache" / "maven"
    with ThreadPoolExecutor(8) as pool:
        paths = list(pool.map(lambda jar: fetch(jar, repository), jars))
    part = engine / "lib.part"
    shutil.rmtree(part, ignore_errors=True)
    part.mkdir(parents=True)
    for path in paths:
        shutil.copyfile(path, part / path.name)
    shutil.rmtree(lib, ignore_errors=True)
    part.rename(lib)


def parse_version(text: str) -> tuple[int, int] | None:
    """Return (year, month) of the release that ``nextflow -version`` printed."""
    found = re.search(r"\bversion (\d+)\.(\d+)\.\d+", text)
    return (int(found[1]), int(found[2])) if found else None


def version_of(command: Path) -> tuple[int, int] | None:
    """Return the release of a Nextflow, None when it does not run."""
    try:
        ran = subprocess.run(
            [command, "-version"], capture_output=True, text=True, timeout=120, check=False
        )
    except (OSError, subprocess.TimeoutExpired):
        return None
    return None if ran.returncode else parse_version(ran.stdout)


def installed_nextflow(search: str) -> Path | None:
    """Return the first ``nextflow`` on a search path that is new enough and is not our launcher."""
    for folder in search.split(os.pathsep):
        command = Path(folder or ".") / "nextflow"
        if not command.is_file() or not os.access(command, os.X_OK):
            continue
        command = command.absolute()
        if command.resolve() == LAUNCHER.resolve():
            continue
        release = version_of(command)
        if release and release >= OLDEST:
            return command
        why = "does not run" if release is None else f"is release {release[0]}.{release[1]:02d}"
        print(f"setup: {command} {why}: not used (25.04 or later is needed)")
    return None


def install(choice: str, jars_too: bool) -> None:
    """Install the engine of a choice (auto, installed, pinned) and the launcher.

    Raises
    ------
    EngineError
        No installed Nextflow serves and one was demanded, or the jars cannot be had.
    """
    found = None if choice == "pinned" else installed_nextflow(os.environ.get("PATH", ""))
    if choice == "installed" and found is None:
        raise EngineError("no nextflow of release 25.04 or later is on PATH")
    ENGINE.mkdir(exist_ok=True)
    if found is None or jars_too:
        print("setup: fetching the engine and comparing it with setup/engine.sha256", flush=True)
        install_jars(read_lock())
    pointer = ENGINE / "installed"
    if found:
        pointer.write_text(f"{found}\n")
    else:
        pointer.unlink(missing_ok=True)
    part = LAUNCHER.with_name("nextflow.part")
    shutil.copyfile(ROOT / "setup" / "nextflow", part)
    part.chmod(0o755)
    part.replace(LAUNCHER)
    release = version_of(LAUNCHER)
    if release is None:
        raise EngineError(f"{LAUNCHER} does not run: see what `{LAUNCHER} -version` says")
    print(f"setup: Nextflow {release[0]}.{release[1]:02d} ({found or 'of this checkout'})")


def lock(names: Sequence[str] = WANTED, path: Path = LOCK) -> None:
    """Resolve the wanted releases and write their jars' digests and coordinates.

    Raises
    ------
    EngineError
        The repository cannot be reached.
    """
    from jgo.maven import MavenContext

    context = MavenContext(repo_cache=ROOT / ".cache" / "maven", timeout=60)
    left_out = [context.project(*LEFT_OUT)]
    wanted = [context.create_dependency(name, exclusions=left_out) for name in names]
    try:
        inputs, others = context.resolver.resolve(wanted)
    except OSError as error:
        raise EngineError(f"cannot resolve {names[0]}: {error}") from error
    lines = []
    for found in (*inputs, *others):
        if found.scope not in {"test", "provided", "system"} and not found.optional:
            digest = sha256(found.artifact.resolve())
            lines.append(f"{digest}  {found.groupId}:{found.artifactId}:{found.version}")
    by_name = sorted(lines, key=lambda line: line.split()[1])
    path.write_text("\n".join(by_name) + "\n")
    print(f"{path.name}: {len(lines)} jars")


def main() -> None:
    """Read the command line; leave with one line on failure."""
    parser = argparse.ArgumentParser(description=__doc__)
    parser.add_argument("task", choices=("install", "lock", "store"))
    parser.add_argument("--engine", choices=("auto", "installed", "pinned"), default="auto")
    parser.add_argument("--jars", action="store_true", help="the jars too, for the linter")
    arguments = parser.parse_args()
    if (
        "SSL_CERT_FILE" in os.environ
    ):  # a site's own certificates, by the name that jgo's client knows
        os.environ.setdefault("REQUESTS_CA_BUNDLE", os.environ["SSL_CERT_FILE"])
    try:
        if arguments.task == "lock":
            lock()
            lock(STORE_WANTED, STORE_LOCK)
        elif arguments.task == "store":
            install_jars(read_lock(STORE_LOCK), ROOT / ".venv" / "s3" / "java")
        else:
            install(arguments.engine, arguments.jars)
    except EngineError as error:
        print(f"setup: {error}", file=sys.stderr)
        raise SystemExit(1) from None


if __name__ == "__main__":
    main()
