"""Which modules make the simulated data."""

import shutil
from pathlib import Path

import pytest

from lateralization.simulation.own_code import PACKAGE, content_of, files_of, imports, reachable

DATA_SET = "simulation/simulate.py"


def test_what_a_module_imports_is_followed_to_its_end() -> None:
    found = set(reachable(DATA_SET))
    # it reads hidden states with the pipeline's own code, and fits nothing
    assert {
        DATA_SET,
        "language_models/forward.py",
        "language_models/word_vectors.py",
        "words/alignment.py",
        "volumes.py",
    } <= found
    assert not {path for path in found if path.startswith(("ridge/", "report/"))}


def test_packages_on_the_way_are_among_them() -> None:
    found = set(reachable(DATA_SET))
    assert {"__init__.py", "words/__init__.py", "simulation/__init__.py"} <= found
    assert "figures/__init__.py" not in found


def test_an_edit_of_any_of_them_is_seen(tmp_path: Path) -> None:
    folder = shutil.copytree(PACKAGE, tmp_path / "lateralization")
    before = content_of(DATA_SET, folder)
    for name in ("language_models/forward.py", "volumes.py", "words/__init__.py"):
        path = folder / name
        path.write_text(path.read_text(encoding="utf-8") + "# an edit\n", encoding="utf-8")
        after = content_of(DATA_SET, folder)
        assert after != before
        before = after
    (folder / "ridge" / "ridge.py").write_text("# another\n", encoding="utf-8")
    assert content_of(DATA_SET, folder) == before


def test_every_form_of_an_import_is_read(tmp_path: Path) -> None:
    path = tmp_path / "module.py"
    path.write_text(
        "from lateralization import study\n"
        "import lateralization.errors as wrong\n"
        "from lateralization.words import windows as cut\n"
        "from lateralization.fmri.hrf import hrf\n"
        "import lateralizations.other\n"
    )
    assert files_of(imports(path)) == {
        *("__init__.py", "study.py", "errors.py"),
        *("words/__init__.py", "words/windows.py", "fmri/__init__.py", "fmri/hrf.py"),
    }


def test_a_relative_import_which_the_engine_would_not_follow_is_refused(tmp_path: Path) -> None:
    path = tmp_path / "module.py"
    path.write_text("from .hrf import hrf_operator\n")
    with pytest.raises(ValueError, match="line 1: write the import in full"):
        imports(path)
