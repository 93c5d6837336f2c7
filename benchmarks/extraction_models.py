"""Models of real shapes with random weights, and a text of the story's length, for a benchmark.

The text is made of random tokens: how long a pass takes does not depend on which they are.
"""

from collections.abc import Sequence
from dataclasses import dataclass
from typing import Any

import numpy as np
import torch

from lateralization.language_models.batches import RunTokens, Window
from lateralization.words.windows import FRESH_TOKENS, Pieces

WORDS = (1477, 1636, 1811, 1605, 1443, 1773, 1696, 1532, 1871)
"""Words of the nine English chapters."""

TOKENS_PER_WORD = 1.25
"""Of GPT-2's tokenizer on this text, punctuation and ends of lines included."""


@dataclass(frozen=True)
class Shape:
    """What a model is made of; ``inner`` is the width of its feed-forward layers."""

    family: str
    width: int
    layers: int
    heads: int
    inner: int
    vocabulary: int
    positions: int

    def config(self) -> Any:
        """Return the configuration of transformers."""
        from transformers import GPT2Config, LlamaConfig

        if self.family == "gpt2":
            return GPT2Config(
                vocab_size=self.vocabulary,
                n_positions=self.positions,
                n_embd=self.width,
                n_layer=self.layers,
                n_head=self.heads,
                n_inner=self.inner,
            )
        return LlamaConfig(
            vocab_size=self.vocabulary,
            max_position_embeddings=self.positions,
            hidden_size=self.width,
            intermediate_size=self.inner,
            num_hidden_layers=self.layers,
            num_attention_heads=self.heads,
            num_key_value_heads=self.heads,
        )

    def operations(self, windows: Sequence[Window]) -> float:
        """Count the operations of a pass: products with weights, and causal attention.

        What lies above the diagonal of the attention is not counted, nor are embeddings, norms,
        activations and the reduction to words.
        """
        products = 4 * self.width**2
        products += (2 if self.family == "gpt2" else 3) * self.width * self.inner
        tokens = sum(window.length for window in windows)
        pairs = sum(window.length * (window.length + 1) / 2 for window in windows)
        return self.layers * (2.0 * tokens * products + 4.0 * pairs * self.width)


SHAPES = {
    "gpt2": Shape("gpt2", 768, 12, 12, 3072, 50257, 1024),
    "gpt2-xl": Shape("gpt2", 1600, 48, 25, 6400, 50257, 1024),
    "7b": Shape("llama", 4096, 32, 32, 11008, 32000, 4096),
}

TINY = {
    "gpt2": Shape("gpt2", 32, 2, 2, 64, 500, 128),
    "gpt2-xl": Shape("gpt2", 48, 3, 2, 96, 500, 128),
    "7b": Shape("llama", 32, 2, 2, 64, 500, 1024),
}
"""The same families, for trying whether everything runs."""


def make_model(shape: Shape, precision: torch.dtype, device: str) -> Any:
    """Build a model with random weights on the device itself, head included."""
    from transformers import AutoModelForCausalLM

    from lateralization.language_models.loading import fuse

    torch.manual_seed(1)
    with torch.device(device):
        model = AutoModelForCausalLM.from_config(shape.config(), dtype=precision)
    fuse(model)
    return model.eval()


def make_text(shape: Shape, share: float = 1.0, n_runs: int = len(WORDS)) -> list[RunTokens]:
    """Make the windows of the first runs of a story: each word some tokens, each token one word."""
    return [
        make_run(number, max(2, int(share * n_words)), shape)
        for number, n_words in enumerate(WORDS[:n_runs], start=1)
    ]


def make_run(number: int, n_words: int, shape: Shape) -> RunTokens:
    """Make one run's windows, cut as :mod:`lateralization.words.windows` cuts them."""
    draw = np.random.default_rng(number)
    sizes = 1 + draw.binomial(1, TOKENS_PER_WORD - 1, n_words)
    ends = np.cumsum(sizes)
    text = draw.integers(0, shape.vocabulary, ends[-1])
    length = min(shape.positions, len(text))
    n_windows = 1 + max(0, -(-(len(text) - length) // FRESH_TOKENS))
    ids = np.zeros((n_windows, length), np.int64)
    mask = np.zeros_like(ids)
    for window in range(n_windows):
        piece = text[window * FRESH_TOKENS :][:length]
        ids[window, : len(piece)], mask[window, : len(piece)] = piece, 1
    table = [
        (word, *_place(first, length), *_place(end - 1, length, after=1))
        for word, (first, end) in enumerate(zip(ends - sizes, ends, strict=True))
    ]
    enter = np.full(n_windows, length - FRESH_TOKENS)
    enter[0] = 0
    pieces = Pieces(np.array(table, np.int64), enter, mask.sum(1))
    places = np.column_stack([np.zeros(n_windows), enter, mask.sum(1)]).astype(np.int64)
    return RunTokens(number, ids, mask, pieces, pieces.segments(), places, f"run-{number}")


def _place(token: int, length: int, after: int = 0) -> tuple[int, int]:
    """Return the earliest window that holds a token, and the token's position in it."""
    window = 0 if token < length else 1 + (token - length) // FRESH_TOKENS
    return window, int(token) - window * FRESH_TOKENS + after
