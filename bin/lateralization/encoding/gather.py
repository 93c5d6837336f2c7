"""GATHER: join the parts of one model and subject into maps, scores by run, and a record."""

from collections.abc import Mapping, Sequence
from dataclasses import dataclass, fields
from pathlib import Path
from typing import Any

import numpy as np

from lateralization.arrays import Array, Booleans, Single
from lateralization.command import progress
from lateralization.encoding.parts import Part, library_versions, read_part
from lateralization.errors import BadInput
from lateralization.files import read_json, save_tensors, write_json
from lateralization.names import REASONS
from lateralization.ridge.choices import Choices
from lateralization.runs import cell, label
from lateralization.volumes import load_mask, save_map

JOINT = ("joint", "confounds")
"""Tensors of ``Part.more`` that are published."""


@dataclass(frozen=True)
class Scores:
    """All layers of one model and subject, in ascending order of layers.

    Attributes
    ----------
    r : array of shape (n_layers, n_stories, n_voxels), float32
    alphas : array of shape (n_layers, n_stories), or (n_layers, n_stories, n_voxels)
    validation_r : array of shape (n_layers, n_stories, n_alphas)
    layers : array of shape (n_layers,)
    left_out : array of shape (n_stories, n_voxels), uint8
    told : list of dict
        What each part says of how it was made.
    more : dict
        See ``Part``.
    """

    r: Array
    alphas: Array
    validation_r: Array
    layers: Array
    left_out: Array
    told: list[dict[str, Any]]
    more: dict[str, Array]


def join_parts(paths: Sequence[Path]) -> Scores:
    """Join parts, whatever their order, without changing a number.

    Raises
    ------
    BadInput
        A layer comes twice, or parts are not of the same subject.
    """
    parts: list[Part] = []
    for path in progress(paths, "parts"):
        part = read_part(path)
        if parts and not np.array_equal(parts[0].left_out, part.left_out):
            raise BadInput(f"{path} and {paths[0]} have other voxels; join parts of one subject")
        parts.append(part)
    layers = np.concatenate([part.layers for part in parts])
    order = np.argsort(layers, kind="stable")
    if len(np.unique(layers)) != len(layers):
        raise BadInput(f"the parts hold the layers {sorted(layers.tolist())}; each may come once")
    return Scores(
        r=np.concatenate([part.r for part in parts])[order],
        alphas=np.concatenate([part.alphas for part in parts])[order],
        validation_r=np.concatenate([part.validation_r for part in parts])[order],
        layers=layers[order],
        left_out=parts[0].left_out,
        told=[part.told for part in parts],
        more={name: _joined(name, parts, order) for name in parts[0].more},
    )


def _joined(name: str, parts: Sequence[Part], order: Array) -> Array:
    """Join a tensor of ``more``; what holds no layers is the same in every part."""
    if name == "confounds":
        return parts[0].more[name]
    joined: Array = np.concatenate([part.more[name] for part in parts])[order]
    return joined


def mean_over_runs(r: Array) -> Single:
    """Average r over the test stories, (n_layers, n_stories, n_voxels) → (n_layers, n_voxels)."""
    mean: Single = r.mean(axis=1, dtype=np.float64).astype(np.float32)
    return mean


def describe_left_out(left_out: Array, mask: Booleans, stories: Sequence[str]) -> dict[str, Any]:
    """List the voxels left out: place in the mask, place in the grid, numbered runs or stories.

    Parameters
    ----------
    left_out : array of shape (n_stories, n_voxels)
        0 or one of the codes of ``REASONS``.
    mask : (x, y, z) bool
    stories
        Their keys.
    """
    voxels = np.flatnonzero(left_out.any(axis=0))
    grid = np.argwhere(mask)[voxels]
    reasons = [REASONS[int(code)] for code in np.unique(left_out) if code]
    return {
        "n_voxels": len(voxels),
        "reason": "; ".join(reasons),
        "voxels": [
            {
                "voxel": int(voxel),
                "ijk": ijk.tolist(),
                "runs": [
                    cell(stories[place]) for place in np.flatnonzero(left_out[:, voxel]).tolist()
                ],
                "reason": REASONS[int(left_out[:, voxel][left_out[:, voxel] > 0].min())],
            }
            for voxel, ijk in zip(voxels, grid, strict=True)
        ],
    }


def record(
    scores: Scores, mask: Booleans, meta: Mapping[str, Any], model: Mapping[str, Any], words: Any
) -> dict[str, Any]:
    """Write down what was fitted, with which penalties and scores, and how.

    Parameters
    ----------
    scores : Scores
    mask : (x, y, z) bool
    meta : mapping
        Language, subject and name of the model.
    model, words : mappings
        What the model's and the words' stages wrote; empty where there is none.
    """
    kept = ~scores.left_out.any(axis=0)
    by_run = scores.r[:, :, kept].mean(axis=2, dtype=np.float64)
    constant: dict[str, Any] = {}
    for part in scores.told:
        constant |= part.get("constant_regressors", {})
    first = scores.told[0]
    of_model = ("source", "architecture", "seed", "n_parameters", "n_layers", "n_hid")
    return {
        "language": meta["language"],
        "subject": meta["subject"],
        "model": meta["model"],
        **{key: model.get(key) for key in of_model},
        "revision": model.get("requested_revision"),
        "resolved_revision": model.get("revision"),
        "precision": first.get("features", {}).get("precision", model.get("precision")),
        "encoding_precision": first.get("precision"),
        "search_risk": first.get("search_risk"),
        **{field.name: first.get(field.name, field.default) for field in fields(Choices)},
        "device": sorted({str(part.get("device")) for part in scores.told}),
        "tr": first.get("tr"),
        "slice_time": first.get("slice_time"),
        "starts": first.get("starts"),
        "trim": first.get("trim"),
        "n_voxels": int(mask.sum()),
        "runs_are": first["stories"][0].split("-", 1)[0],
        "stories": [label(story) for story in first["stories"]],
        "test": first.get("test"),
        "layers": scores.layers.tolist(),
        "volumes": [f"layer-{layer}" for layer in scores.layers.tolist()],
        "alphas": _by_run(scores.alphas).tolist(),
        "joint": _joint_record(scores),
        "r_per_run": by_run.tolist(),
        "mean_r": by_run.mean(axis=1).tolist(),
        "validation_r": np.nanmax(scores.validation_r, axis=2).tolist(),
        "left_out": describe_left_out(scores.left_out, mask, first["stories"]),
        "constant_regressors": constant,
        "mapping": words.get("mapping"),
        "model_details": dict(model),
        "words": dict(words),
        "versions": {**first.get("versions", {}), "gather": library_versions()},
    }


def _joint_record(scores: Scores) -> dict[str, Any] | None:
    """Say which confounds went jointly, with which penalties and weights; None: none did."""
    if not scores.more:
        return None
    alphas, weights = scores.more["joint_alphas"], scores.more["joint_weights"]
    if alphas.ndim == 3:
        weights = np.nanmedian(weights, axis=2)
    return {
        "confounds": scores.told[0].get("joint", []),
        "alphas": _by_run(alphas).tolist(),
        "weights": weights.tolist(),
    }


def _by_run(alphas: Array) -> Array:
    """Return the penalty of each layer and story: the median of those of the voxels."""
    return alphas if alphas.ndim == 2 else np.nanmedian(alphas, axis=2)


def gather(
    parts: Sequence[Path],
    mask_path: Path,
    meta_path: Path,
    out_prefix: str,
    *,
    model_path: Path | None = None,
    words_path: Path | None = None,
) -> Scores:
    """Join the parts and write the three files of one model and subject.

    ``<prefix>_scores.nii.gz``: (x, y, z, layers) float32, mean over the test stories, 0 outside
    the mask, NaN in left-out voxels. ``<prefix>_runs.safetensors``: ``r`` (layers, stories,
    voxels), and ``alphas`` of the same shape where each voxel has its own penalty. Where confounds
    went jointly, ``joint`` (layers, stories, voxels) and ``confounds`` (stories, voxels) too, and
    ``<prefix>_unique.nii.gz``, the mean over stories of their difference, layer by layer.
    ``<prefix>_scores.json``: the record.

    Raises
    ------
    BadInput
        Parts and mask have different voxels, parts do not fit each other, or ``meta`` lacks
        language, subject or model.
    """
    mask, affine = load_mask(mask_path)
    meta = read_json(meta_path)
    missing = {"language", "subject", "model"} - set(meta)
    if missing:
        raise BadInput(f"{meta_path} lacks {', '.join(sorted(missing))}; name what was fitted")
    scores = join_parts(parts)
    if scores.r.shape[2] != mask.sum():
        raise BadInput(
            f"{parts[0]} has {scores.r.shape[2]} voxels, {mask_path} has {mask.sum()}; "
            "give the mask that the BOLD data were cleaned with"
        )
    model = read_json(model_path) if model_path else {}
    words = read_json(words_path) if words_path else {}
    what = f"brain score (Pearson r) of {meta['model']}, one volume per layer"
    save_map(mean_over_runs(scores.r), mask, affine, f"{out_prefix}_scores.nii.gz", what)
    tensors = {"r": scores.r}
    if scores.alphas.ndim == 3:
        tensors["alphas"] = scores.alphas.astype(np.float32)
    if scores.more:
        tensors |= {name: scores.more[name] for name in JOINT}
        unique = scores.more["joint"] - scores.more["confounds"]
        what = f"r that {meta['model']} adds to its confounds, one volume per layer"
        save_map(mean_over_runs(unique), mask, affine, f"{out_prefix}_unique.nii.gz", what)
    save_tensors(f"{out_prefix}_runs.safetensors", tensors)
    write_json(record(scores, mask, meta, model, words), f"{out_prefix}_scores.json")
    return scores
