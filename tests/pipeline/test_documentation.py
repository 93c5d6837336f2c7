"""Schema, configuration, help and README name the same parameters with the same defaults."""

import importlib.util
import json
import re
import subprocess
from pathlib import Path
from types import ModuleType
from typing import Any

import pytest

from lateralization.plan.validate import make_plan

from .conftest import NEXTFLOW, PROJECT

pytestmark = pytest.mark.pipeline


def _readme_module() -> ModuleType:
    spec = importlib.util.spec_from_file_location("readme", PROJECT / "setup" / "readme.py")
    assert spec is not None
    assert spec.loader is not None
    module = importlib.util.module_from_spec(spec)
    spec.loader.exec_module(module)
    return module


def _nextflow(*arguments: str, folder: Path) -> str:
    return subprocess.run(
        [str(NEXTFLOW), *arguments], cwd=folder, capture_output=True, text=True, check=True
    ).stdout


def _parameters(folder: Path, *arguments: str) -> dict[str, Any]:
    """Parameters of nextflow.config as the engine has them."""
    text = _nextflow("config", str(PROJECT), "-o", "json", *arguments, folder=folder)
    found: dict[str, Any] = json.loads(text[text.index("{") :])["params"]
    return found


@pytest.fixture(scope="module")
def configured(tmp_path_factory: pytest.TempPathFactory) -> dict[str, Any]:
    """Parameters of nextflow.config with their defaults."""
    return _parameters(tmp_path_factory.mktemp("config"))


def test_the_configuration_has_the_schema_s_defaults(configured: dict[str, Any]) -> None:
    schema = {name: entry.get("default") for name, entry in _readme_module().parameters().items()}
    shown = {name: None if value in ("", None) else value for name, value in configured.items()}
    assert shown == schema


def test_the_reference_profile_is_the_study_s_whole_sweep(tmp_path: Path) -> None:
    given = _parameters(tmp_path, "-profile", "reference")
    request = {
        "params": {name: value for name, value in given.items() if value and name != "help"},
        "launch_dir": str(tmp_path),
        "project_dir": str(PROJECT),
    }
    plan = make_plan(request, PROJECT / "assets").to_json()
    models = {model["name"]: model for model in plan["models"]}
    untrained = {name for name, model in models.items() if model["seed"]}
    steps = {name for name in models if name.startswith("pythia-6.9b_step")}
    assert (len(models), len(untrained), len(steps)) == (28 + 9 + 6, 9, 6)
    individual = {fit["model"] for fit in plan["fits"] if fit["subject"] == "EN057"}
    assert individual == {name.removesuffix("_untrained_seed1") for name in untrained}
    assert {model["mapping"] for model in models.values()} == {"reference"}


def test_the_help_names_every_parameter(configured: dict[str, Any], tmp_path: Path) -> None:
    text = _nextflow("run", str(PROJECT / "main.nf"), "--help", folder=tmp_path)
    assert set(re.findall(r"^  --(\w+)", text, flags=re.MULTILINE)) == set(configured)


@pytest.mark.parametrize("page", ["README.md", "docs/outputs.md", "docs/glossary.md"])
def test_what_is_written_from_the_code_is_current(page: str) -> None:
    assert _readme_module().current(page) == (PROJECT / page).read_text(encoding="utf-8")


def test_the_messages_that_usage_explains_are_the_code_s() -> None:
    """A message that is worded anew is worded anew there, too; the engine's own are not ours."""
    text = (PROJECT / "docs" / "usage.md").read_text(encoding="utf-8")
    rows = text.partition("## When something fails")[2].splitlines()
    messages = [match[1] for row in rows if (match := re.match(r"\| `([^`]+)` \|", row))]
    sources = [
        *(PROJECT / "bin" / "lateralization").rglob("*.py"),
        PROJECT / "modules" / "ending.nf",
        PROJECT / "setup" / "lease.sh",
    ]
    code = "\n".join(path.read_text(encoding="utf-8") for path in sources)
    joined = re.sub(r'"\s*\n\s*f?"', "", code)  # a message runs over several lines
    assert len(messages) > 10
    missing = [one for one in messages if one not in joined]
    assert missing == ["Unknown configuration profile"]


def test_the_links_of_the_pages_lead_somewhere() -> None:
    for page in [*PROJECT.glob("*.md"), *(PROJECT / "docs").glob("*.md")]:
        for target in re.findall(r"\]\(([^)#]+)\)", page.read_text(encoding="utf-8")):
            if not target.startswith("http"):
                assert (page.parent / target).exists(), (page.name, target)
