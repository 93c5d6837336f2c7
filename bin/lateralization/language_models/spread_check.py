"""Whether a model that is spread over several devices gives the states that one device gives.

On some machines copies between GPUs go wrong without an error (peer-to-peer access that firmware
or a virtual machine breaks): the states are then numbers like any others. So a few tokens of the
first window are read once more by the same weights on one device: in float32 on the CPU, block by
block from the checkpoint, which takes memory for one block and about the time of loading.

A module of its own because only a model on several devices is checked so.
"""

from collections.abc import Sequence
from pathlib import Path
from typing import Any

from lateralization.command import say
from lateralization.errors import BadInput
from lateralization.language_models.batches import RunTokens
from lateralization.language_models.forward import input_device, states_of
from lateralization.language_models.loading import call_model, load_trunk

TOKENS = 16
"""Tokens that are read twice."""

BOUNDS = {"float32": 1e-3, "bfloat16": 0.3, "float16": 0.3}
"""Mean relative distance of a layer's states that precision explains; of wrong ones it is about 1.

Half precisions lose a few hundredths over many blocks."""


def spread_difference(
    trunk: Any, folder: Path, runs: Sequence[RunTokens], precision: str
) -> float | None:
    """Compare a spread model with its weights on one device.

    Parameters
    ----------
    trunk : a model of transformers, spread
    folder : Path
        Its checkpoint.
    runs : sequence of Run
    precision : str
        Of ``trunk``.

    Returns
    -------
    float or None
        The largest over layers of the mean over tokens of ``|a - b| / |b|``; None where the
        checkpoint cannot be read block by block, which the log says.

    Raises
    ------
    BadInput
        They differ by more than the precision explains.
    """
    try:
        plain = load_trunk(folder, device="disk")
    except BadInput as error:
        say(f"what is spread is not compared with one device: {error}")
        return None
    found, expected = _states(trunk, runs[0]), _states(plain, runs[0])
    distances = [
        float(((a - b).norm(dim=-1) / b.norm(dim=-1).clamp(min=1e-12)).mean())
        for a, b in zip(found, expected, strict=True)
    ]
    for layer, distance in enumerate(distances):
        if not distance <= BOUNDS[precision]:  # NaN too
            raise BadInput(
                f"layer {layer} of the model spread over several devices differs from that on one "
                f"device (by {distance:.2g} of its size): copies between this machine's GPUs may "
                "be wrong; take one GPU that holds the model, or none (--gpus 0)"
            )
    return max(distances)


def _states(trunk: Any, run: RunTokens) -> list[Any]:
    """Return all layers' states of the first tokens of a run: (tokens, width), float32, host."""
    import torch

    ids = torch.from_numpy(run.ids[:1, : min(TOKENS, int(run.mask[0].sum()))])
    inputs = {"input_ids": ids.to(input_device(trunk)), "output_hidden_states": True}
    with torch.inference_mode():
        out = call_model(trunk, **inputs, use_cache=False)
        return [state[0].float().cpu() for state in states_of(out, trunk, ids.shape)]
