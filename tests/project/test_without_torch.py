"""WORDS reads configurations and tokenizers without torch: the same tokens, two seconds earlier."""

import json
import os
import subprocess
import sys
from pathlib import Path

import pytest

from helpers import tiny_models

ROOT = Path(__file__).parents[2]
TEXT = (ROOT / "tests" / "fixtures" / "texts_en" / "text_en_run1.txt").read_text(encoding="utf-8")

READ = """
import json, sys
from pathlib import Path
from lateralization.language_models.loading import (
    load_config, load_tokenizer, max_length, offline, without_torch
)

offline()
if sys.argv[2] == "without":
    without_torch()
text, told = Path(sys.argv[3]).read_text(encoding="utf-8"), {}
for folder in sorted(Path(sys.argv[1]).iterdir()):
    tokenizer, config = load_tokenizer(folder), load_config(folder)
    encoded = tokenizer(text, return_offsets_mapping=True)
    told[folder.name] = [max_length(config, tokenizer, kind) for kind in ("reference", "aligned")]
    told[folder.name] += [tokenizer.eos_token_id, encoded["input_ids"], encoded["offset_mapping"]]
print(json.dumps([sys.modules.get("torch") is not None, told]))
"""


@pytest.mark.slow
def test_every_kind_of_model_has_the_same_tokens_without_torch(tmp_path: Path) -> None:
    for kind in tiny_models.KINDS:
        tiny_models.make(tmp_path / "models" / kind, kind, [TEXT])
    (tmp_path / "text").write_text(TEXT, encoding="utf-8")
    told = {}
    for how in ("with", "without"):
        done = subprocess.run(
            [sys.executable, "-c", READ, tmp_path / "models", how, tmp_path / "text"],
            env=os.environ | {"PYTHONPATH": str(ROOT / "bin"), "OMP_NUM_THREADS": "1"},
            capture_output=True,
            text=True,
            check=True,
        )
        assert "PyTorch" not in done.stderr
        imported, told[how] = json.loads(done.stdout)
        assert imported == (how == "with")
    assert told["with"] == told["without"]
    assert len(told["with"]) == len(tiny_models.KINDS)
