"""A spread model against its checkpoint on one device: without a GPU, over memory and disk."""

from pathlib import Path
from typing import Any

import pytest
import torch

from helpers import tiny_models
from helpers.restatement import Data, mapped, write_data
from lateralization.errors import BadInput
from lateralization.language_models import spread_check
from lateralization.language_models.activations import Clock, ExtractionTask, compared
from lateralization.language_models.batches import RunTokens, runs_from
from lateralization.language_models.devices import GIB, choose_placement
from lateralization.language_models.loading import load_trunk
from lateralization.words.words import window_tensors


@pytest.fixture(scope="module")
def data(tmp_path_factory: pytest.TempPathFactory) -> Data:
    return write_data(tmp_path_factory.mktemp("data"))


def made(tmp_path: Path, data: Data, kind: str) -> tuple[Path, list[RunTokens]]:
    model = tiny_models.make(tmp_path / kind, kind, data[2])
    return model, runs_from(window_tensors(mapped(model, data, "aligned")))


@pytest.mark.parametrize("kind", ["llama", "opt-projected", "mamba", "modernbert"])
def test_a_model_that_is_spread_rightly_passes(tmp_path: Path, data: Data, kind: str) -> None:
    model, runs = made(tmp_path, data, kind)
    for precision, least, most in (("float32", 0, 1e-6), ("bfloat16", 1e-4, 0.1)):
        room = {"cpu": 40_000}
        spread = load_trunk(model, precision=precision, placement="auto", memory=room)
        found = spread_check.spread_difference(spread, model, runs, precision)
        assert found is not None
        assert least <= found <= most


def broken(values: str) -> Any:
    """Return a hook that does to a block's states what a broken copy does."""

    def hook(_: Any, __: Any, states: torch.Tensor) -> torch.Tensor:
        if values == "swapped":
            return states.flip(1)
        return {"zero": torch.zeros_like, "noise": torch.randn_like}[values](states)

    return hook


@pytest.mark.parametrize("values", ["zero", "noise", "swapped"])
@pytest.mark.parametrize("precision", ["float32", "bfloat16"])
def test_states_that_a_copy_breaks_are_refused(
    tmp_path: Path, data: Data, values: str, precision: str
) -> None:
    model, runs = made(tmp_path, data, "llama")
    trunk = load_trunk(model, precision=precision)
    trunk.layers[0].register_forward_hook(broken(values))
    with pytest.raises(BadInput, match=r"layer 1 .*--gpus 0"):
        spread_check.spread_difference(trunk, model, runs, precision)


def test_a_checkpoint_that_is_not_read_block_by_block_is_said_to_be_uncompared(
    tmp_path: Path, data: Data, capsys: pytest.CaptureFixture[str]
) -> None:
    """Experts that transformers joins when it loads them."""
    model, runs = made(tmp_path, data, "qwen3-moe")
    assert spread_check.spread_difference(load_trunk(model), model, runs, "float32") is None
    assert "is not compared with one device" in capsys.readouterr().err


@pytest.mark.parametrize(("free", "seed", "asked"), [(1, 0, True), (8, 0, False), (1, 1, False)])
def test_only_what_is_spread_from_a_checkpoint_is_compared(
    tmp_path: Path, data: Data, free: int, seed: int, asked: bool
) -> None:
    model, runs = made(tmp_path, data, "llama")
    given: dict[str, Any] = {"model": {}, "words": None, "precision": "float32", "seed": seed}
    given |= {"untrained_mode": "eval", "out": tmp_path / "out", "windows": tmp_path}
    plan = choose_placement(
        kind="cuda", free=[free * GIB] * 2, weights=GIB, per_token=1e6, windows=1, longest=9
    )
    clock = Clock()
    found = compared(ExtractionTask(model_dir=model, **given), plan, load_trunk(model), runs, clock)
    assert (found is not None) is ("compare" in clock.seconds) is asked
