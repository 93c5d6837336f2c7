#!/usr/bin/env python3
"""Write docs/licences.md: the licence of every locked package, from what is installed here."""

import re
import sys
from importlib.metadata import Distribution, distributions
from pathlib import Path
from typing import Any

ROOT = Path(__file__).resolve().parents[1]
PAGE = ROOT / "docs" / "licences.md"
USES = {
    "run": "pipeline",
    "setup": "set-up",
    "dev": "tests and quality gates",
    "s3": "tests' S3 server",
}
"""Lock file → what its packages are for; a package is named for the first one that has it."""

ELSEWHERE = "not installed on Linux"

HEAD = """# Licences of the dependencies

Every package of `requirements/*.txt`, with the licence that its own metadata names. Made by
`make licences`; a test compares the names with the lock files. The project itself is under the
licence in `LICENSE`, and holds no code of these packages.

| package | licence | used by |
|---|---|---|
"""


def normal(name: str) -> str:
    """Return a package's name as indexes compare names (PEP 503)."""
    return re.sub(r"[-_.]+", "-", name).lower()


def locked() -> dict[str, str]:
    """Return every locked package → what it is for."""
    found: dict[str, str] = {}
    for lock, use in USES.items():
        text = (ROOT / "requirements" / f"{lock}.txt").read_text(encoding="utf-8")
        for name in re.findall(r"^([A-Za-z0-9._-]+)==", text, re.MULTILINE):
            found.setdefault(normal(name), use)
    return dict(sorted(found.items()))


def licence(package: Distribution) -> str:
    """Return the licence that a package names: as an expression, by classifier, or in words."""
    told: dict[str, Any] = package.metadata.json
    classified = [
        line.rsplit(" :: ", maxsplit=1)[-1]
        for line in told.get("classifier", [])
        if line.startswith("License :: ") and line != "License :: OSI Approved"
    ]
    words = (told.get("license", "")).strip().splitlines()[:1] or _first_line(package)
    return told.get("license_expression") or "; ".join(classified) or "".join(words) or "not named"


def _first_line(package: Distribution) -> list[str]:
    """Return the first line of a package's licence file."""
    for file in package.files or []:
        if re.match(r"licen[sc]e", file.name, re.IGNORECASE):
            lines = Path(str(file.locate())).read_text(encoding="utf-8").split("\n")
            return [line.strip() for line in lines if line.strip()][:1]
    return []


def installed() -> dict[str, Distribution]:
    """Return the packages of this environment and of the S3 server's."""
    server = [str(path) for path in (ROOT / ".venv/s3/lib").glob("python3*/site-packages")]
    return {normal(one.metadata["Name"]): one for one in distributions(path=[*server, *sys.path])}


def main() -> None:
    """Write the page."""
    here = installed()
    rows = [
        f"| {name} | {licence(here[name]) if name in here else ELSEWHERE} | {use} |\n"
        for name, use in locked().items()
    ]
    PAGE.write_text(HEAD + "".join(rows), encoding="utf-8")


if __name__ == "__main__":
    main()
