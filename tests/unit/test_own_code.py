"""Which modules make the simulated data."""

import shutil
from pathlib import Path

import pytest

from lateralization.own_code import PACKAGE, content_of, imports, modules_of


def test_what_a_module_imports_is_followed_to_its_end() -> None:
    found = modules_of("simulated_dataset")
    # it reads hidden states with the pipeline's own code, and fits nothing
    assert {"simulated_dataset", "forward", "word_vectors", "alignment", "volumes"} <= set(found)
    assert not {"ridge", "report"} & set(found)


def test_an_edit_of_any_of_them_is_seen(tmp_path: Path) -> None:
    folder = shutil.copytree(PACKAGE, tmp_path / "lateralization")
    before = content_of("simulated_dataset", folder)
    for name in ("forward", "volumes", "worlds"):
        path = folder / f"{name}.py"
        path.write_text(path.read_text(encoding="utf-8") + "# an edit\n", encoding="utf-8")
        after = content_of("simulated_dataset", folder)
        assert after != before
        before = after
    (folder / "ridge.py").write_text("# another\n", encoding="utf-8")
    assert content_of("simulated_dataset", folder) == before


def test_a_relative_import_which_the_engine_would_not_follow_is_refused(tmp_path: Path) -> None:
    path = tmp_path / "module.py"
    path.write_text("from lateralization import hrf\nimport lateralization.study\n")
    assert imports(path) == {"hrf", "study"}
    path.write_text("from .hrf import hrf_operator\n")
    with pytest.raises(ValueError, match="line 1: write the import in full"):
        imports(path)
