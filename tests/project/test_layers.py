"""Which room of the package may import which: only what stands below it, never a neighbour."""

import ast
from collections.abc import Iterator
from pathlib import Path

from lateralization.simulation.own_code import PACKAGE, files_of, imports

LAYERS = (
    ("plan", "simulation", "report", "figures"),
    ("sources", "encoding", "tables"),
    ("fmri", "language_models", "baselines"),
    ("ridge", "words", "statistics", "bids"),
)
"""Rooms from the top down; those of one row do not know each other."""

SHARED = (
    (
        *(
            "command",
            "disk",
            "files",
            "names",
            "nifti",
            "problems",
            "redaction",
            "run_plan",
            "runs",
        ),
        *("volumes", "wording"),
    ),
    ("arrays", "errors", "study"),
)
"""Modules of the package itself, below all rooms. Those of one row may use each other."""

DEPTH = {name: depth for depth, row in enumerate(LAYERS + SHARED) for name in row}


def _room(path: str) -> str:
    """Return the room of a file, or the name of a module of the package itself."""
    return path.split("/", maxsplit=1)[0].removesuffix(".py")


def _edges(folder: Path) -> Iterator[tuple[str, str]]:
    """Yield each import of one module of the package by another."""
    for path in sorted(folder.rglob("*.py")):
        for target in sorted(files_of(imports(path), folder)):
            if not target.endswith("__init__.py"):
                yield str(path.relative_to(folder)), target


def broken(folder: Path) -> set[str]:
    """List the imports that go up or to a neighbour."""
    found = set()
    for source, target in _edges(folder):
        above, below = _room(source), _room(target)
        sideways = DEPTH[above] == DEPTH[below] and above not in SHARED[0] + SHARED[1]
        if above != below and (DEPTH[above] > DEPTH[below] or sideways):
            found.add(f"{source} -> {target}")
    return found


def test_every_module_stands_in_a_room() -> None:
    rooms = {_room(str(path.relative_to(PACKAGE))) for path in PACKAGE.rglob("*.py")}
    assert rooms - {"__init__"} == set(DEPTH)


def test_the_package_of_a_room_holds_a_docstring_and_nothing_else() -> None:
    """What it imported would be in the digest of every stage of the room."""
    for path in PACKAGE.glob("*/__init__.py"):
        (only,) = ast.parse(path.read_text(encoding="utf-8")).body
        assert isinstance(only, ast.Expr), path
        assert isinstance(only.value, ast.Constant), path


def test_a_room_imports_only_what_stands_below_it() -> None:
    assert broken(PACKAGE) == set()


def test_a_look_up_or_aside_is_seen(tmp_path: Path) -> None:
    for name, text in {
        "ridge/a.py": "from lateralization.plan.b import c\n",
        "plan/b.py": "from lateralization import study\nfrom lateralization.figures import d\n",
        "figures/d.py": "from lateralization.ridge import a\n",
        "study.py": "import lateralization.figures.d\n",
    }.items():
        (tmp_path / name).parent.mkdir(exist_ok=True)
        (tmp_path / name).write_text(text)
    assert broken(tmp_path) == {
        "ridge/a.py -> plan/b.py",
        "plan/b.py -> figures/d.py",
        "study.py -> figures/d.py",
    }


def test_no_two_modules_import_each_other_in_a_circle() -> None:
    waiting: dict[str, set[str]] = {}
    for source, target in _edges(PACKAGE):
        waiting.setdefault(source, set()).add(target)
        waiting.setdefault(target, set())
    while free := {path for path, targets in waiting.items() if not targets}:
        waiting = {path: targets - free for path, targets in waiting.items() if path not in free}
    assert waiting == {}
