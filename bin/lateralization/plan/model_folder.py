"""A local model: whether the folder is what ``save_pretrained`` writes, and whole."""

from collections.abc import Callable
from functools import partial
from pathlib import Path
from typing import Any, TypeVar

from lateralization.errors import BadInput
from lateralization.files import read_json
from lateralization.language_models.checkpoint import (
    NO_ARCHITECTURE,
    check_pointers,
    fault_of_kind,
    parts_of,
    read_config,
    tensor_types,
)
from lateralization.problems import Problems

Found = TypeVar("Found")

TOKENIZERS = (
    ("tokenizer.json",),
    ("vocab.json", "merges.txt"),
    ("vocab.txt",),
    ("tokenizer.model",),
    ("spiece.model",),
    ("sentencepiece.bpe.model",),
)
TOKENIZER_SETTINGS = ("tokenizer.json", "tokenizer_config.json")
SMALL = (".json", ".txt", ".model", ".jinja")


def check_model_folder(
    folder: Path, *, pickles: bool, trained: bool, problems: Problems
) -> tuple[list[str], dict[str, Any]]:
    """Check a local model and list the files that it needs.

    Parameters
    ----------
    folder
        Folder in ``save_pretrained`` form.
    pickles
        Whether ``.bin`` weights may be loaded.
    trained
        Whether the weights are needed (an untrained model needs its configuration only).

    Returns
    -------
    files
        Absolute paths: configuration, tokenizer, weights.
    config
        Content of ``config.json``; empty when it cannot be read.
    """
    config = _noted(folder, lambda: read_config(folder), problems) or {}
    if config.get("is_encoder_decoder") is True:
        problems.add(
            f"--models: {folder} is an encoder–decoder ({config.get('model_type')}); choose a "
            "model that reads a text in one pass (GPT, Llama, BERT …)"
        )
    elif config and not isinstance(config.get("model_type"), str):
        problems.add(f"--models: {folder}: {NO_ARCHITECTURE}")
    if not any(all((folder / name).is_file() for name in names) for names in TOKENIZERS):
        problems.add(
            f"--models: {folder} has no tokenizer (tokenizer.json, or vocab.json and merges.txt, "
            "or vocab.txt, or tokenizer.model); save it there with save_pretrained"
        )
    files = [
        path
        for path in sorted(folder.iterdir())
        if path.is_file() and path.suffix in SMALL and not path.name.endswith(".index.json")
    ]
    _noted(folder, lambda: check_pointers(files, folder), problems)
    for name in TOKENIZER_SETTINGS:
        if (folder / name).is_file():
            _noted(folder, partial(_check_object, folder / name), problems)
    if trained:
        fault = fault_of_kind(config, (path.name for path in folder.iterdir()))
        if fault:
            problems.add(f"--models: {folder}: {fault}")
        files += _weights(folder, pickles, problems)
    return [str(path) for path in files], config


def _check_object(path: Path) -> None:
    """Refuse a file that is not a JSON object."""
    if not isinstance(read_json(path), dict):
        raise BadInput(f"{path.name} is not a JSON object; save the tokenizer again")


def _noted(folder: Path, check: Callable[[], Found], problems: Problems) -> Found | None:
    """Return what a check of a model finds; None, and a note, when it refuses."""
    try:
        return check()
    except BadInput as error:
        problems.add(f"--models: {folder}: {str(error).removeprefix(f'model {folder}: ')}")
        return None


def _weights(folder: Path, pickles: bool, problems: Problems) -> list[Path]:
    """List the weights: safetensors first, a pickle only when allowed."""
    safe = _shards(folder, "model.safetensors", problems)
    if safe:
        _noted(folder, lambda: tensor_types(safe, folder), problems)
        return safe
    pickled = _shards(folder, "pytorch_model.bin", problems)
    if pickled and not pickles:
        problems.add(
            f"--models: {folder} has pickled weights only ({pickled[0].name}), and a pickle can "
            "run code; if you trust it add --allow_pickle_weights yes"
        )
    elif not pickled:
        problems.add(
            f"--models: {folder} has no weights (model.safetensors or its index and parts); "
            "save the model there with save_pretrained"
        )
    _noted(folder, lambda: check_pointers(pickled, folder), problems)
    return pickled


def _shards(folder: Path, name: str, problems: Problems) -> list[Path]:
    """List a file of weights, or the index and the parts that it names."""
    if (folder / name).is_file():
        return [folder / name]
    index = folder / f"{name}.index.json"
    if not index.is_file():
        return []
    parts = _noted(folder, lambda: parts_of(index), problems)
    if parts is None:
        return [index]
    missing = [part for part in parts if not (folder / part).is_file()]
    if missing:
        problems.add(
            f"--models: {folder} lacks {len(missing)} of {len(parts)} parts of its weights "
            f"({missing[0]}); copy them there"
        )
    return [index, *(folder / part for part in parts if part not in missing)]
