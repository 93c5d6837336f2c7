"""What a newcomer types: the README's shell blocks, in a fresh clone, with an empty home.

The test command itself is left out, and data and models that only a network has are not fetched:
those lines plan the run for real and only touch the files of its tasks (``-stub``).
"""

import csv
import os
import re
import subprocess
from pathlib import Path

import pytest

from .conftest import PROJECT

pytestmark = pytest.mark.pipeline

KEPT = (
    "PATH",
    "LANG",
    "TMPDIR",
    "http_proxy",
    "https_proxy",
    "HTTP_PROXY",
    "HTTPS_PROXY",
    "NO_PROXY",
)
"""Variables that say how this machine reaches its network, beside those of certificates."""

OWN = {
    "--dataset DIR": "--dataset .demo/data",
    "--texts DIR": "--texts .demo/texts",
    "--models DIR1,DIR2": "--models .demo/models/tiny-gpt2-small,.demo/models/tiny-llama-small",
}
"""What stands for a newcomer's own folders."""


def typed(readme: str) -> list[str]:
    """Return the lines that a newcomer types, with the guards."""
    blocks = re.findall(r"```bash\n(.*?)```", readme, flags=re.DOTALL)
    lines = [line.split("#")[0].strip() for block in blocks for line in block.splitlines()]
    guarded = []
    for line in filter(None, lines):
        for own, stand_in in OWN.items():
            line = line.replace(own, stand_in)  # noqa: PLW2901
        if line.startswith("nextflow run") and "--help" not in line:
            line += " -stub --outdir planned"  # noqa: PLW2901
        if line != "make test":
            guarded.append(line)
    return guarded


@pytest.fixture(scope="module")
def clone(tmp_path_factory: pytest.TempPathFactory) -> Path:
    """Clone what is committed and what is about to be, as a newcomer gets it."""
    folder = tmp_path_factory.mktemp("newcomer") / "lateralization"
    named = subprocess.run(
        ["git", "ls-files", "-z", "--cached", "--others", "--exclude-standard"],
        cwd=PROJECT, capture_output=True, check=False,
    )  # fmt: skip
    if named.returncode:
        pytest.skip("not a clone")
    for name in named.stdout.decode().split("\0"):
        source = PROJECT / name
        if name and source.is_file():
            target = folder / name
            target.parent.mkdir(parents=True, exist_ok=True)
            target.write_bytes(source.read_bytes())
            target.chmod(source.stat().st_mode)
    return folder


def test_every_line_of_the_readme_does_what_it_says(clone: Path, tmp_path: Path) -> None:
    lines = typed((PROJECT / "README.md").read_text(encoding="utf-8"))
    assert {"make demo", ". .venv/bin/activate"} < set(lines)
    assert len([line for line in lines if line.startswith("nextflow run")]) >= 3
    home = tmp_path / "home"
    home.mkdir()
    reach = {
        name: value
        for name, value in os.environ.items()
        if name in KEPT or name.startswith(("UV_", "PIP_", "SSL_", "MAVEN_")) or "_CA_" in name
    }
    # pip asks rustc for its version, where there is one, and its launcher makes a folder for itself
    reach["RUSTUP_HOME"] = str(tmp_path / "rustup")
    reach |= {"HOME": str(home), "NXF_ANSI_LOG": "false", "NXF_SYNTAX_PARSER": "v2"}
    done = subprocess.run(
        ["bash", "-euxo", "pipefail", "-c", "\n".join(lines)],
        cwd=clone, env=reach, capture_output=True, text=True, timeout=3000, check=False,
    )  # fmt: skip
    assert done.returncode == 0, done.stdout[-4000:] + done.stderr[-4000:]
    assert list(home.iterdir()) == [], "something was written outside the checkout"

    page = (clone / "results" / "report.html").read_text(encoding="utf-8")
    assert len(page) < 25e6
    with (clone / "results" / "tables" / "planted.tsv").open(encoding="utf-8") as handle:
        planted = list(csv.DictReader(handle, delimiter="\t"))
    average = [row for row in planted if row["subject"] == "average"]
    assert [row["order"] for row in average] == [*"123456"]
    assert {row["recovered"] for row in average} == {"yes"}
    assert f"The report: {clone}/results/report.html" in done.stdout
    assert "--models" in done.stdout  # of --help
