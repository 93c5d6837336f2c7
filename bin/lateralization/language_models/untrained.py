"""Models with random weights, drawn from a seed: on one device, or spread over all there are."""

from pathlib import Path
from typing import Any

from lateralization.language_models.devices import ROOM
from lateralization.language_models.loading import from_config, fuse, known_precision, load_config


def untrained_trunk(folder: Path, seed: int, **options: Any) -> Any:
    """Build a model with random weights without its head: see :func:`untrained_model`."""
    return untrained_model(folder, seed, **options).base_model


def untrained_model(
    folder: Path,
    seed: int,
    *,
    precision: str = "float32",
    device: str = "cpu",
    mode: str = "eval",
    spread: bool = False,
) -> Any:
    """Build a model with random weights, drawn with ``seed`` by its architecture's own rule.

    Parameters
    ----------
    folder : Path
        Only the configuration is read.
    seed : int
        Seed of torch's generator; in mode ``train`` its stream goes on into the dropout masks.
    mode : str
        ``eval``, or ``train`` for dropout as in the study.
    spread : bool
        Over all GPUs, and host memory as the last resort, instead of ``device``.
    """
    import torch

    torch.manual_seed(seed)
    model = from_config(load_config(folder))
    fuse(model)
    model = model.to(getattr(torch, known_precision(precision))).train(mode == "train")
    return spread_out(model) if spread else model.to(device)


def spread_out(
    model: Any, memory: dict[int | str, int] | None = None, offload: Path | None = None
) -> Any:
    """Put the blocks of a model that is in host memory on all GPUs; what is left over stays.

    Parameters
    ----------
    model : a model of transformers
    memory : dict or None
        Bytes that each GPU (its number), ``cpu`` and ``disk`` may hold; what is free when None.
    offload : Path or None
        Folder for the blocks that go to disk.
    """
    from accelerate import dispatch_model, infer_auto_device_map
    from accelerate.utils import get_balanced_memory, get_max_memory

    model.tie_weights()
    whole = {"no_split_module_classes": list(model._no_split_modules or ())}
    if memory is None:
        # it is in host memory already, so that all of it may stay there
        free = {number: int(n / ROOM) for number, n in get_max_memory().items() if number != "cpu"}
        memory = free | {"cpu": 2 * model.get_memory_footprint()}
        memory = get_balanced_memory(model, memory, **whole)
    return dispatch_model(model, infer_auto_device_map(model, memory, **whole), offload_dir=offload)
