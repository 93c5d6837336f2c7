"""Sizes of language models: parameters, layers and widths, from their configuration."""

from pathlib import Path
from typing import Any

from lateralization.errors import BadInput
from lateralization.files import read_json

BYTES = {"float32": 4, "bfloat16": 2, "float16": 2}
"""Of a number in each precision that weights can have."""

WINDOW = 2048
"""Tokens that the estimate of a pass's memory counts: one long window. Larger batches take what
the device has, so this is what a model needs, not what it will use."""


def shape_of(model: dict[str, Any]) -> tuple[int | None, int | None]:
    """Return layers without the embedding, and width, as far as they are known before fetching.

    A folder's are looked up in its configuration by the names that most architectures use: good
    enough for an estimate, and to refuse ``--layers`` that lie beyond the model.
    """
    config = _config_of(model)

    def known(given: Any, *names: str) -> int | None:
        values = [given, *(config.get(name) for name in names)]
        return next((value for value in values if isinstance(value, int) and value > 0), None)

    return (
        known(model["n_layers"], "num_hidden_layers", "n_layer", "n_layers", "num_layers"),
        known(model["n_hid"], "hidden_size", "n_embd", "d_model", "dim"),
    )


def _config_of(model: dict[str, Any]) -> dict[str, Any]:
    """Return a folder's configuration; empty without one that can be read, which others report."""
    path = Path(model["source"], "config.json")
    if model["kind"] != "local" or not path.is_file():
        return {}
    try:
        config: dict[str, Any] = read_json(path)
        return config | (config.get("text_config") or {})
    except (BadInput, AttributeError, TypeError):
        return {}


def gpu_bytes_needed(model: dict[str, Any], precision: str) -> float | None:
    """Return the bytes that a model needs on a GPU for one long window; None: size not known.

    Weights, the states of all layers in the pass's precision and summed in float32, and the work
    of one block (four times its width in the feed-forward part).
    """
    depth, width = shape_of(model)
    if not (model["n_parameters"] and depth and width):
        return None
    layers = depth + 1
    block = (8 + 4 * 4) * width
    per_token = BYTES[precision] * (layers * width + block) + 4 * layers * width
    return float(BYTES[precision] * int(model["n_parameters"]) + WINDOW * per_token)
