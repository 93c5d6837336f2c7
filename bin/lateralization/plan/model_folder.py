"""A local model: whether the folder is what ``save_pretrained`` writes, and whole."""

import json
import struct
from pathlib import Path
from typing import Any

from lateralization.problems import Problems

TOKENIZERS = (
    ("tokenizer.json",),
    ("vocab.json", "merges.txt"),
    ("vocab.txt",),
    ("tokenizer.model",),
    ("spiece.model",),
    ("sentencepiece.bpe.model",),
)
SMALL = (".json", ".txt", ".model", ".jinja")
MAX_HEADER = 100_000_000
"""Longest header of a safetensors file, bytes; the format's own limit."""


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
    config = _read_config(folder, problems)
    if config.get("is_encoder_decoder") is True:
        problems.add(
            f"--models: {folder} is an encoder–decoder ({config.get('model_type')}); choose a "
            "model that reads a text in one pass (GPT, Llama, BERT …)"
        )
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
    if trained:
        files += _weights(folder, pickles, problems)
    return [str(path) for path in files], config


def _read_config(folder: Path, problems: Problems) -> dict[str, Any]:
    """Read ``config.json``."""
    try:
        config = json.loads((folder / "config.json").read_text(encoding="utf-8"))
    except FileNotFoundError:
        problems.add(
            f"--models: {folder} has no config.json; give a folder written by save_pretrained"
        )
        return {}
    except (OSError, ValueError) as error:
        problems.add(f"--models: cannot read {folder / 'config.json'} ({error}); save it again")
        return {}
    if not isinstance(config, dict):
        problems.add(f"--models: {folder / 'config.json'} is no JSON object; save it again")
        return {}
    return config


def _weights(folder: Path, pickles: bool, problems: Problems) -> list[Path]:
    """List the weights: safetensors first, a pickle only when allowed."""
    safe = _shards(folder, "model.safetensors", problems)
    if safe:
        for path in safe:
            _check_safetensors(path, problems)
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
    return pickled


def _shards(folder: Path, name: str, problems: Problems) -> list[Path]:
    """List a file of weights, or the index and the parts that it names."""
    if (folder / name).is_file():
        return [folder / name]
    index = folder / f"{name}.index.json"
    if not index.is_file():
        return []
    try:
        parts = sorted(set(json.loads(index.read_text(encoding="utf-8"))["weight_map"].values()))
    except (OSError, ValueError, KeyError, AttributeError) as error:
        problems.add(f"--models: cannot read {index} ({error!r}); save the model again")
        return [index]
    missing = [part for part in parts if not (folder / part).is_file()]
    if missing:
        problems.add(
            f"--models: {folder} lacks {len(missing)} of {len(parts)} parts of its weights "
            f"({missing[0]}); copy them there"
        )
    return [index, *(folder / part for part in parts if part not in missing)]


def _check_safetensors(path: Path, problems: Problems) -> None:
    """Compare a file's length with what its header says, without reading the weights."""
    if path.suffix != ".safetensors":
        return
    size = path.stat().st_size
    try:
        with path.open("rb") as handle:
            (length,) = struct.unpack("<Q", handle.read(8))
            if length > min(size, MAX_HEADER):
                raise ValueError("its header is longer than the file")
            header = json.loads(handle.read(length))
        ends = [entry["data_offsets"][1] for name, entry in header.items() if name[:2] != "__"]
    except (OSError, ValueError, KeyError, TypeError, AttributeError, struct.error) as error:
        problems.add(f"--models: {path} is no safetensors file ({error}); copy it again")
        return
    expected = 8 + length + max(ends, default=0)
    if size != expected:
        problems.add(
            f"--models: {path} has {size} bytes and its header says {expected}: it is not whole; "
            "copy it again"
        )
