"""What the extraction holds in host memory does not grow with the text."""

import gc
import tracemalloc
from pathlib import Path
from typing import Any

import pytest
import torch
from transformers import GPT2Config

from helpers import tiny_models
from helpers.restatement import mapped, write_data
from lateralization.language_models.batches import plan_batches, runs_from
from lateralization.language_models.forward import compute
from lateralization.language_models.loading import load_trunk
from lateralization.words.words import window_tensors

WIDTH = 256


class Watched:
    """A model that notes, whenever it is called, what arrays hold: of torch, of numpy."""

    def __init__(self, trunk: Any) -> None:
        self.trunk, self.held = trunk, list[int]()
        self.own = {id(parameter) for parameter in trunk.parameters()}

    def parameters(self) -> Any:
        return self.trunk.parameters()

    def get_input_embeddings(self) -> Any:
        return self.trunk.get_input_embeddings()

    def __call__(self, **inputs: Any) -> Any:
        tensors = {
            one.untyped_storage().data_ptr(): one.untyped_storage().nbytes()
            for one in gc.get_objects()
            if issubclass(type(one), torch.Tensor) and id(one) not in self.own
        }
        self.held.append(sum(tensors.values()) + tracemalloc.get_traced_memory()[0])
        return self.trunk(**inputs)


@pytest.mark.slow
def test_host_memory_does_not_grow_with_the_text(tmp_path: Path) -> None:
    data = write_data(tmp_path, repeats=(20, 17))
    tiny_models.KINDS["wider"] = (
        lambda size, positions: GPT2Config(
            n_embd=WIDTH, n_layer=2, n_head=2, n_positions=positions, vocab_size=size
        ),
        tiny_models.bare,
    )
    model = tiny_models.make(tmp_path / "wider", "wider", data[2])
    runs = runs_from(window_tensors(mapped(model, data, "aligned")))
    batches = plan_batches(runs, 1)
    trunk = Watched(load_trunk(model))
    tracemalloc.start()
    try:
        compute(trunk, runs, batches, tmp_path)
    finally:
        tracemalloc.stop()
        del tiny_models.KINDS["wider"]
    assert len(trunk.held) == len(batches) > 25
    words = sum(run.n_words for run in runs)
    every_word = words * 3 * WIDTH * 4
    # one batch is computed while another is written
    grown = max(trunk.held[3:]) - min(trunk.held[:3])
    assert grown < every_word / 4, (grown, every_word)
