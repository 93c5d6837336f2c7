"""What the images hold, from the one lock: the kinds' parts, and which stages need torch."""

import importlib.util
import re
import sys
from pathlib import Path
from types import ModuleType

import pytest

from lateralization.simulation.own_code import PACKAGE, files_of, imports, reachable

PROJECT = Path(__file__).resolve().parents[2]
LOCK = (PROJECT / "requirements" / "run.txt").read_text()


def _load(path: Path) -> ModuleType:
    spec = importlib.util.spec_from_file_location(f"image_{path.stem}", path)
    assert spec is not None
    assert spec.loader is not None
    module = importlib.util.module_from_spec(spec)
    sys.modules[spec.name] = module
    spec.loader.exec_module(module)
    return module


select = _load(PROJECT / "containers" / "part_of_lock.py")


def test_the_gpu_image_holds_the_whole_lock() -> None:
    assert "".join(select.select(LOCK, "gpu").values()) == LOCK


def test_smaller_images_hold_parts_of_larger_ones() -> None:
    light, cpu, gpu = (select.select(LOCK, kind) for kind in ("light", "cpu", "gpu"))
    assert light.items() < cpu.items() < gpu.items()
    assert "torch" in cpu
    assert "triton" not in cpu
    assert not [name for name in light if name.startswith(("torch", "nvidia", "cuda"))]
    assert all("--hash=sha256:" in block for block in gpu.values())


@pytest.mark.parametrize("kind", ["light", "cpu"])
def test_what_is_left_out_is_needed_by_nothing_that_stays(kind: str) -> None:
    from importlib.metadata import PackageNotFoundError, requires

    from packaging.requirements import Requirement

    stays = select.select(LOCK, kind)
    left_out = set(select.entries(LOCK)) - set(stays)
    for name in stays:
        if kind == "cpu" and (name == "torch" or name.startswith("nvidia-")):
            continue  # these say that they need all of CUDA
        try:
            lines = [Requirement(line) for line in requires(name) or []]
        except PackageNotFoundError:  # another platform's
            continue
        needs = {line.name for line in lines if not line.marker or line.marker.evaluate()}
        assert needs.isdisjoint(left_out), f"{name} needs {needs & left_out}"


def _imports(command: str) -> str:
    """Return the text of a command and of all files of the package that it reaches."""
    path = PROJECT / "bin" / command
    if not path.exists():
        return ""
    inside = {file for each in files_of(imports(path)) for file in reachable(each)}
    return "\n".join(each.read_text() for each in (path, *(PACKAGE / file for file in inside)))


def test_the_stages_with_torch_are_those_that_import_it() -> None:
    config = (PROJECT / "conf" / "resources.config").read_text()
    found = re.search(r"\]\[.*/\.\*\(([\w|]+)\)/ \? 'cpu'", config)
    assert found is not None
    commands = {path.stem for path in (PROJECT / "modules").glob("*.nf")} - {"run", "code"}
    pattern = r"(?m)^\s*(?:from|import)\s+(torch|accelerate|transformers)\b"
    needing = {name.upper() for name in commands if re.search(pattern, _imports(f"{name}.py"))}
    assert set(found[1].split("|")) == needing
