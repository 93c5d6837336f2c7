"""The digest that each process takes covers exactly the Python that the process runs."""

import ast
import subprocess
from pathlib import Path

import pytest

from .conftest import NEXTFLOW, PROJECT

pytestmark = pytest.mark.pipeline

BIN = PROJECT / "bin"


def _imports(path: Path) -> set[str]:
    """Modules of the package that a file imports, by Python's own parser."""
    names: set[str] = set()
    for node in ast.walk(ast.parse(path.read_text())):
        if isinstance(node, ast.ImportFrom) and (node.module or "").startswith("lateralization"):
            assert node.level == 0
            inside = (node.module or "").split(".")[1:]
            names |= {inside[0]} if inside else {alias.name for alias in node.names}
        elif isinstance(node, ast.Import):
            names |= {
                a.name.split(".")[1] for a in node.names if a.name.startswith("lateralization.")
            }
    return {name for name in names if (BIN / "lateralization" / f"{name}.py").exists()}


def _reachable(command: str) -> set[str]:
    known: set[str] = {"lateralization/__init__.py"}
    queue = [f"{command}.py"]
    while queue:
        script = queue.pop()
        if script not in known:
            known.add(script)
            queue += [f"lateralization/{name}.py" for name in _imports(BIN / script)]
    return known


def test_the_digest_follows_every_import(tmp_path: Path) -> None:
    commands = sorted(path.stem for path in BIN.glob("*.py"))
    script = tmp_path / "main.nf"
    script.write_text(
        f"include {{ reachable }} from '{PROJECT}/modules/code'\n"
        "workflow {\n    main:\n"
        f"    {commands!r}.each {{ name ->\n"
        "        println('FOUND ' + name + ' ' + reachable(name + '.py').join(' '))\n    }\n"
        "}\n"
    )
    (tmp_path / "bin").symlink_to(BIN)
    done = subprocess.run(
        [str(NEXTFLOW), "run", str(script)],
        cwd=tmp_path,
        capture_output=True,
        text=True,
        check=True,
    )
    found = {
        line.split()[1]: set(line.split()[2:])
        for line in done.stdout.splitlines()
        if line.startswith("FOUND ")
    }
    assert set(found) == set(commands)
    for command in commands:
        assert found[command] == _reachable(command), command


def test_no_command_shadows_an_installed_module() -> None:
    import sys
    from importlib.metadata import packages_distributions

    taken = set(sys.stdlib_module_names) | set(packages_distributions())
    assert {path.stem for path in BIN.glob("*.py")} & taken == set()
