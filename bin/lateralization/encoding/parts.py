"""The file of one block of layers, which ENCODE writes and GATHER joins."""

import json
import platform
from dataclasses import dataclass, field
from importlib.metadata import version
from importlib.util import find_spec
from pathlib import Path
from typing import Any

import numpy as np

from lateralization import __version__
from lateralization.arrays import Array
from lateralization.errors import BadInput
from lateralization.files import read_metadata, read_tensors, save_tensors

TENSORS = ("r", "alphas", "validation_r", "layers", "left_out")

MORE = ("joint", "joint_alphas", "joint_weights", "confounds")
"""Tensors of a part whose model was also fitted together with confounds."""


@dataclass(frozen=True)
class Part:
    """Scores of some layers.

    Attributes
    ----------
    r : array of shape (n_layers, n_stories, n_voxels), float32
        Pearson's r on each test story; NaN in left-out voxels.
    alphas : array of shape (n_layers, n_stories), or (n_layers, n_stories, n_voxels)
        Chosen penalties, of all voxels or of each.
    validation_r : array of shape (n_layers, n_stories, n_alphas)
        Mean r on the validation stories.
    layers : array of shape (n_layers,), int64
        Numbers of the layers.
    left_out : array of shape (n_stories, n_voxels), uint8
        0, or a code of ``REASONS``.
    told : dict
        How it was done: keys of the stories, precision, device, versions, constant regressors.
    more : dict
        Where confounds went jointly: ``joint`` (n_layers, n_stories, n_voxels), r of model and
        confounds together; ``joint_alphas`` and ``joint_weights``, chosen for it; ``confounds``
        (n_stories, n_voxels), r of the confounds alone.
    """

    r: Array
    alphas: Array
    validation_r: Array
    layers: Array
    left_out: Array
    told: dict[str, Any]
    more: dict[str, Array] = field(default_factory=dict)


def write_part(part: Part, path: Path) -> None:
    """Write a part; the same part gives the same bytes."""
    tensors = {name: np.asarray(getattr(part, name)) for name in TENSORS}
    tensors |= {name: np.asarray(values) for name, values in part.more.items()}
    save_tensors(path, tensors, {"encode": json.dumps(part.told, sort_keys=True)})


def read_part(path: Path) -> Part:
    """Read a part.

    Raises
    ------
    BadInput
        The file is no part.
    """
    tensors = read_tensors(path)
    missing = set(TENSORS) - set(tensors)
    if missing:
        raise BadInput(f"{path} lacks {', '.join(sorted(missing))}; give the files of encode.py")
    if len(tensors["r"]) != len(tensors["layers"]):
        raise BadInput(f"{path}: {len(tensors['r'])} layers of scores, {tensors['layers']} named")
    told = json.loads(read_metadata(path).get("encode", "{}"))
    more = {name: tensors[name] for name in MORE if name in tensors}
    return Part(**{name: tensors[name] for name in TENSORS}, told=told, more=more)


def library_versions() -> dict[str, str]:
    """Return the versions of all that the numbers depend on.

    The image of a stage that computes nothing with torch is without it.
    """
    names = ["numpy", "scipy", "pandas", "safetensors"]
    names += ["torch"] if find_spec("torch") else []
    return {
        "lateralization": __version__,
        "python": platform.python_version(),
        **{name: version(name) for name in names},
    }
