"""The digest that each process takes covers exactly the Python that the process runs."""

import subprocess
from pathlib import Path

import pytest

from lateralization.simulation.own_code import PACKAGE, files_of, imports, reachable

from .conftest import NEXTFLOW, PROJECT

pytestmark = pytest.mark.pipeline

BIN = PROJECT / "bin"


def _reachable(command: str) -> set[str]:
    """List a command and the files that it reaches, by Python's own parser."""
    inside = files_of(imports(BIN / f"{command}.py"))
    files = {path for module in inside for path in reachable(module)}
    return {f"{command}.py"} | {f"{PACKAGE.name}/{path}" for path in files}


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
