"""The linter of pipeline files names file, line and column, and leaves with the right status."""

import subprocess
from pathlib import Path

import pytest

from helpers.groovy import LIB, groovy
from helpers.setup_programs import PROJECT

pytestmark = pytest.mark.skipif(
    not LIB.is_dir(), reason="the engine's jars are not installed: run `make test`"
)


def lint(folder: Path, *arguments: str) -> subprocess.CompletedProcess[str]:
    return groovy(folder, PROJECT / "setup" / "lint.groovy", *arguments)


def test_findings_are_named_and_fail(tmp_path: Path) -> None:
    (tmp_path / "bad.nf").write_text("workflow {\n    nowhere.of(1).view()\n}\n")
    (tmp_path / "bad.config").write_text("params.a = 1\nif (true) { params.b = 2 }\n")
    later = "    channel.of([1]).map { it -> it instanceof List ? it : [it] }.view()\n"
    (tmp_path / "later.nf").write_text("workflow {\n" + later + "}\n")
    (tmp_path / "work").mkdir()
    (tmp_path / "work" / "left.nf").write_text("nonsense {{{\n")
    ran = lint(tmp_path)
    assert ran.returncode == 1
    assert "bad.nf:2:5: error: `nowhere` is not defined" in ran.stdout
    assert "bad.config:2:1: error: If statements cannot be mixed" in ran.stdout
    assert "later.nf:2:1: error: brackets are missing around instanceof" in ran.stdout
    assert "left.nf" not in ran.stdout


@pytest.mark.slow
def test_clean_files_pass_and_a_warning_fails_only_where_asked(tmp_path: Path) -> None:
    good = tmp_path / "good.nf"
    good.write_text("workflow {\n    channel.of(1).view()\n}\n")
    assert lint(tmp_path, "--strict").returncode == 0
    good.write_text("workflow {\n    unused = 1\n    def never = 2\n}\n")
    assert lint(tmp_path).returncode == 0
    strict = lint(tmp_path, "--strict")
    assert strict.returncode == 1
    assert "good.nf:3:9: warning: Variable was declared but not used" in strict.stdout


@pytest.mark.slow
def test_a_path_that_does_not_exist_is_said(tmp_path: Path) -> None:
    ran = lint(tmp_path, "missing.nf")
    assert ran.returncode == 2
    assert ran.stderr == "lint: no such file: missing.nf\n"
