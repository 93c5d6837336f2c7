"""MODEL run on a folder of a model."""

from pathlib import Path
from typing import Any

from lateralization.sources.model import prepare

ROOT = Path(__file__).parents[2]
FIXTURES = ROOT / "tests" / "fixtures" / "models"


def spec(**over: Any) -> dict[str, Any]:
    return {"name": "m", "source": "m", "kind": "local", "mapping": "aligned", "seed": 0} | over


def prepared(folder: Path, tmp_path: Path, **over: Any) -> dict[str, Any]:
    return prepare(spec(**over), sorted(folder.iterdir()), tmp_path / "cache", tmp_path / "model")
