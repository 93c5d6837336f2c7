"""What a reader can hold in the head: no file over 400 lines, no function over 50."""

import ast
from pathlib import Path

ROOT = Path(__file__).parents[2]
FILES = [
    path
    for folder in ("bin", "setup", "containers", "benchmarks", "tests")
    for path in sorted((ROOT / folder).rglob("*.py"))
]


def test_no_file_is_longer_than_400_lines() -> None:
    lengths = {path.name: len(path.read_text().splitlines()) for path in FILES}
    assert {name: n for name, n in lengths.items() if n > 400} == {}


def test_no_function_is_longer_than_50_lines() -> None:
    lengths = {
        f"{path.name}: {node.name}": (node.end_lineno or 0) - node.lineno + 1
        for path in FILES
        for node in ast.walk(ast.parse(path.read_text()))
        if isinstance(node, ast.FunctionDef | ast.AsyncFunctionDef)
    }
    assert {name: n for name, n in lengths.items() if n > 50} == {}
