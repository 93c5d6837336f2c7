"""One name for one thing: classes and functions, and modules of stages after their processes."""

import ast
import re
from collections import defaultdict
from pathlib import Path

from lateralization.simulation.own_code import PACKAGE, files_of, imports

PROJECT = Path(__file__).resolve().parents[2]


def repeated(folder: Path) -> dict[str, list[str]]:
    """Return the public classes and functions that several modules define: name → modules."""
    places = defaultdict(list)
    for path in sorted(folder.rglob("*.py")):
        for node in ast.parse(path.read_bytes()).body:
            named = isinstance(node, ast.FunctionDef | ast.AsyncFunctionDef | ast.ClassDef)
            if named and not node.name.startswith("_"):
                places[node.name].append(str(path.relative_to(folder)))
    return {name: found for name, found in places.items() if len(found) > 1}


def processes() -> set[str]:
    """Return the names of all processes, in lower case."""
    texts = (path.read_text(encoding="utf-8") for path in (PROJECT / "modules").glob("*.nf"))
    return {name.lower() for text in texts for name in re.findall(r"(?m)^process (\w+)", text)}


def test_no_public_name_stands_in_two_modules() -> None:
    assert repeated(PACKAGE) == {}


def test_a_repeated_name_is_found(tmp_path: Path) -> None:
    (tmp_path / "room").mkdir()
    (tmp_path / "a.py").write_text("class Run: ...\ndef _own(): ...\nRUN = 1\n")
    (tmp_path / "room" / "b.py").write_text("def Run(): ...\ndef _own(): ...\n")
    assert repeated(tmp_path) == {"Run": ["a.py", "room/b.py"]}


def test_the_main_module_of_a_stage_is_named_like_its_process() -> None:
    """``bin/gather.py``, the command of GATHER, imports ``<room>/gather.py``."""
    unlike = {
        name
        for name in processes()
        if not any(
            path.endswith(f"/{name}.py") for path in files_of(imports(PROJECT / f"bin/{name}.py"))
        )
    }
    assert unlike == set()
