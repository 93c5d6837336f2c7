"""What a reader can hold in the head: short files, and folders with few modules.

How long and branched a function may be is ruff's part (pyproject.toml: C901, PLR0912, PLR0915).
"""

import ast
from collections import Counter
from pathlib import Path

import pytest

ROOT = Path(__file__).parents[2]
FILES = [
    path
    for folder in ("bin", "setup", "containers", "benchmarks", "tests")
    for path in sorted((ROOT / folder).rglob("*.py"))
]
LINES = 600
"""Most lines of a file, docstrings not counted."""
LONGER = {
    "tests/unit/language_models/test_checkpoint.py": "all faults in files of the same models",
}
"""Files of up to 800 lines, and why each is one subject that would not read better in two."""
MODULES = 15
"""Most modules in a folder of the package."""


def lines_without_docstrings(text: str) -> int:
    """Count the lines of a Python file that are not part of a docstring."""
    documented = (ast.Module, ast.ClassDef, ast.FunctionDef, ast.AsyncFunctionDef)
    inside = set[int]()
    for node in ast.walk(ast.parse(text)):
        if isinstance(node, documented) and ast.get_docstring(node, clean=False) is not None:
            inside |= set(range(node.body[0].lineno, (node.body[0].end_lineno or 0) + 1))
    return len(text.splitlines()) - len(inside)


def test_docstrings_of_every_kind_are_not_counted() -> None:
    assert lines_without_docstrings('"""Two\nlines."""\n\nx = 1\n') == 2
    assert lines_without_docstrings('def f():\n    """One."""\n    return """a\nb"""\n') == 3
    assert lines_without_docstrings('class A:\n    """One\n    more."""\n') == 1


@pytest.mark.parametrize("path", FILES, ids=lambda path: str(path.relative_to(ROOT)))
def test_no_file_is_longer_than_a_reader_can_hold(path: Path) -> None:
    allowed = 800 if str(path.relative_to(ROOT)) in LONGER else LINES
    assert lines_without_docstrings(path.read_text(encoding="utf-8")) <= allowed


def test_no_folder_holds_too_many_modules() -> None:
    package = ROOT / "bin" / "lateralization"
    modules = [path for path in package.rglob("*.py") if path.stem != "__init__"]
    counts = Counter(str(path.parent.relative_to(ROOT)) for path in modules)
    assert {name: n for name, n in counts.items() if n > MODULES} == {}
