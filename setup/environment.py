#!/usr/bin/env python3
"""Make the isolated environment .venv from hashed requirements, then the workflow engine.

Only the standard library is used: this runs on the bare machine. Everything that is written,
caches of the installers too, lies inside the checkout. A finished set-up leaves a stamp with
digests of what it was made from; while they hold, the next call does nothing.
"""

import argparse
import fcntl
import hashlib
import importlib.util
import json
import os
import shutil
import subprocess
import sys
import time
from pathlib import Path
from typing import NoReturn

ROOT = Path(__file__).resolve().parent.parent
VENV = ROOT / ".venv"
CACHE = ROOT / ".cache"
STAMP = VENV / "setup.json"
UNFINISHED = VENV / "setup.unfinished"
SOURCES = ("environment.py", "engine.py", "engine.sha256", "nextflow")
# What each level installs; the later one holds the earlier.
LEVELS = {"run": ("setup", "run"), "dev": ("setup", "run", "dev")}


def fail(message: str) -> NoReturn:
    """Leave with one line that says what to do."""
    print(f"setup: {message}", file=sys.stderr)
    raise SystemExit(1)


def say(message: str) -> None:
    """Print one line, at once."""
    print(f"setup: {message}", flush=True)


def digest(root: Path = ROOT) -> str:
    """Return the sha256 over everything that decides what the set-up makes."""
    total = hashlib.sha256()
    sources = [root / "setup" / name for name in SOURCES]
    for path in (*sorted((root / "requirements").glob("*.txt")), *sources):
        content = hashlib.sha256(path.read_bytes()).hexdigest()
        total.update(f"{path.relative_to(root)} {content}\n".encode())
    return total.hexdigest()


def is_ready(stamp: dict[str, str], wanted: dict[str, str]) -> bool:
    """Tell whether a finished set-up serves: same sources, same place, at least the level."""
    levels = list(LEVELS)
    if stamp.get("level") not in levels:
        return False
    enough = levels.index(stamp["level"]) >= levels.index(wanted["level"])
    return enough and all(stamp.get(key) == wanted[key] for key in ("digest", "root", "engine"))


def read_stamp() -> dict[str, str]:
    """Return the stamp of the last finished set-up, empty when there is none."""
    try:
        stamp = json.loads(STAMP.read_text())
    except (OSError, ValueError):
        return {}
    return stamp if isinstance(stamp, dict) else {}


def is_whole() -> bool:
    """Tell whether what a stamp promises is still there."""
    launcher = VENV / "bin" / "nextflow"
    engine = (ROOT / ".engine" / "lib").is_dir() or (ROOT / ".engine" / "installed").is_file()
    return (VENV / "bin" / "python").exists() and launcher.exists() and engine


def surroundings() -> dict[str, str]:
    """Return the variables for the installers: their caches in the checkout, no foreign modules."""
    variables = {k: v for k, v in os.environ.items() if k not in {"PYTHONPATH", "PYTHONHOME"}}
    variables |= {
        "PIP_CACHE_DIR": str(CACHE / "pip"),
        "PIP_DISABLE_PIP_VERSION_CHECK": "1",
        "PIP_NO_INPUT": "1",
        "UV_CACHE_DIR": str(CACHE / "uv"),
        "UV_PYTHON_DOWNLOADS": "never",
        "XDG_CACHE_HOME": str(CACHE),
    }
    variables.setdefault("UV_HTTP_TIMEOUT", "300")
    if "SSL_CERT_FILE" in variables:  # a site's own certificates serve every installer
        variables.setdefault("PIP_CERT", variables["SSL_CERT_FILE"])
    if "PIP_INDEX_URL" in variables:  # a site that sets a mirror for pip means uv as well
        variables.setdefault("UV_DEFAULT_INDEX", variables["PIP_INDEX_URL"])
    return variables


def call(command: list[str | Path], what: str) -> None:
    """Run a command whose output the user sees; leave with one line when it fails."""
    ran = subprocess.run([str(part) for part in command], env=surroundings(), check=False)
    if ran.returncode:
        fail(f"{what} failed (see above); it is safe to run this again")


def serves() -> bool:
    """Tell whether .venv was made here (not copied from elsewhere) and its Python runs."""
    python = VENV / "bin" / "python"
    activate = VENV / "bin" / "activate"
    try:
        here = str(VENV) in activate.read_text()
        ran = subprocess.run([python, "-c", ""], check=False, capture_output=True)
    except OSError:
        return False
    return here and ran.returncode == 0


def make_venv() -> None:
    """Make .venv where there is none that serves; pip comes from the Python or from outside."""
    if VENV.is_symlink():  # making one anew would empty the environment of another checkout
        fail(f".venv is a link to {VENV.resolve()}: each checkout has its own; remove the link")
    if not serves():
        if importlib.util.find_spec("venv") is None:
            fail("this Python has no venv module: install it (Debian, Ubuntu: python3-venv)")
        bundled = importlib.util.find_spec("ensurepip") is not None
        if not bundled and importlib.util.find_spec("pip") is None:
            fail("this Python has neither ensurepip nor pip: install python3-venv (Debian, Ubuntu)")
        say(f"making .venv with Python {sys.version.split()[0]}")
        options: list[str | Path] = [] if bundled else ["--without-pip"]
        call([sys.executable, "-m", "venv", "--clear", *options, VENV], "making .venv")
    inside = list((VENV / "lib").glob("python3*/site-packages/pip"))
    python = VENV / "bin" / "python"
    # Without a pip of its own the environment is filled by the pip of the calling Python.
    outside: list[str | Path] = [sys.executable, "-m", "pip", "--python", python]
    pip = [python, "-m", "pip"] if inside else outside
    installers = ROOT / "requirements" / "setup.txt"
    checked = ["--quiet", "--require-hashes", "--no-deps", "--only-binary", ":all:"]
    call([*pip, "install", *checked, "-r", installers], "installing the installers")


def install(level: str) -> None:
    """Install the locked packages of a level; a broken-off earlier try is laid anew.

    An installer that was stopped can leave a package that looks whole and is not, so a marker
    stands while it works, and whoever finds one installs every package again.
    """
    broken_off = UNFINISHED.exists()
    UNFINISHED.touch()
    requirements: list[str | Path] = []
    for name in LEVELS[level]:
        requirements += ["-r", ROOT / "requirements" / f"{name}.txt"]
    again: list[str | Path] = ["--reinstall"] if broken_off else []
    say("installing the locked packages (several GB, most of it is torch)")
    python = VENV / "bin" / "python"
    command: list[str | Path] = [VENV / "bin" / "uv", "pip", "install", "--python", python]
    checked = ["--require-hashes", "--only-binary", ":all:"]
    call([*command, *checked, *again, *requirements], "installing the packages")
    UNFINISHED.unlink()


def set_up(level: str, choice: str | None) -> None:
    """Bring the environment and the engine to the wanted level, unless they are there."""
    engine = choice or read_stamp().get("engine", "auto")
    wanted = {"level": level, "engine": engine, "digest": digest(), "root": str(ROOT)}
    CACHE.mkdir(exist_ok=True)
    with (CACHE / "setup.lock").open("w") as lock:
        fcntl.flock(lock, fcntl.LOCK_EX)  # two calls at once would spoil each other's .venv
        if is_ready(read_stamp(), wanted) and is_whole() and not UNFINISHED.exists():
            return
        start = time.monotonic()
        STAMP.unlink(missing_ok=True)
        if UNFINISHED.exists() and not serves():
            shutil.rmtree(VENV)
        make_venv()
        install(level)
        jars = ["--jars"] if level == "dev" else []
        program: list[str | Path] = [VENV / "bin" / "python", ROOT / "setup" / "engine.py"]
        call([*program, "install", "--engine", engine, *jars], "installing the engine")
        part = STAMP.with_suffix(".part")
        part.write_text(json.dumps(wanted, indent=1) + "\n")
        part.replace(STAMP)
        say(f"done in {time.monotonic() - start:.0f} s")


def main() -> None:
    """Read the command line and set up."""
    parser = argparse.ArgumentParser(description=__doc__)
    parser.add_argument("level", choices=LEVELS, nargs="?", default="run")
    parser.add_argument("--engine", choices=("auto", "installed", "pinned"))
    arguments = parser.parse_args()
    set_up(arguments.level, arguments.engine)


if __name__ == "__main__":
    main()
