"""What a run will take, from its plan: disk at its peak, memory of GPUs, measured seconds."""

from typing import Any

from lateralization.study import GRID_SHAPE, N_RUNS

MASK_VOXELS = 27_000
"""About the number of voxels of a group mask on the target grid, for the estimate of disk."""

STORY_WORDS = 15_400
"""About the number of words of the story, for the estimate of the activations' disk."""

BYTES = {"float32": 4, "bfloat16": 2, "float16": 2}
WINDOW = 2048
"""Tokens that the estimate of a pass's memory counts: one long window. Larger batches take what
the device has, so this is what a model needs, not what it will use."""

MEASURED = (
    ("RESAMPLE", 1.02, "a run of 141 scans, one core"),
    ("ENCODE", 6.42, "a layer of 768 features, 25,870 voxels, two cores"),
    ("ENCODE", 2.52, "the same on an H200"),
    ("ACTIVATIONS", 7.63, "the story through gpt2-xl on an H200, loading and writing aside"),
)
"""Stage, seconds, unit of work: from the tables of benchmarks/results (a test compares them)."""


FIGURES = 25_000_000
"""About what figures, tables and the report take, made and published."""


def fmri_disk(plan: dict[str, Any]) -> tuple[int, int]:
    """Return the bytes of resampled and of cleaned BOLD, the average subject's among the latter.

    The average is held three times: as one file for the fits, as runs, and as published runs.
    """
    grid = GRID_SHAPE[0] * GRID_SHAPE[1] * GRID_SHAPE[2]
    resampled = cleaned = 0
    for language in plan["languages"]:
        known = language["n_scans"]
        usual = language["scans"] or 0
        for subject in language["subjects"]:
            scans = sum(known[subject["subject"]]) if subject["subject"] in known else usual
            resampled += 4 * scans * grid
            cleaned += 4 * scans * MASK_VOXELS * (subject["group"] + subject["individual"])
        if language["average"]:
            scans = max((sum(counts) for counts in known.values()), default=usual)
            cleaned += 3 * 4 * scans * MASK_VOXELS
    return resampled, cleaned


def scores_disk(plan: dict[str, Any], layers: dict[str, int | None]) -> int:
    """Return the bytes of the fits: blocks of layers, gathered, and published once more.

    Parameters
    ----------
    plan
        The plan.
    layers
        Fitted layers of each model; of those that are not known nothing is counted.
    """
    fitted = sum(layers[fit["model"]] or 0 for fit in plan["fits"])
    return 3 * 4 * fitted * (N_RUNS + 1) * MASK_VOXELS


def activations_disk(plan: dict[str, Any]) -> int:
    """Return the bytes of the activations of the models whose size is known, and of baselines."""
    values = sum(
        len(model["languages"]) * (int(model["n_layers"]) + 1) * int(model["n_hid"])
        for model in plan["models"]
        if model["n_layers"] and model["n_hid"]
    )
    values += sum(
        len(entry["languages"]) * int(entry.get("dims") or 300) for entry in plan["baselines"]
    )
    return 4 * STORY_WORDS * values


def gpu_memory(model: dict[str, Any], precision: str) -> float | None:
    """Return the bytes that a model needs on a GPU for one long window; None: size not known.

    Weights, the states of all layers in the pass's precision and summed in float32, and the work
    of one block (four times its width in the feed-forward part).
    """
    if not (model["n_parameters"] and model["n_layers"] and model["n_hid"]):
        return None
    width, layers = int(model["n_hid"]), int(model["n_layers"]) + 1
    block = (8 + 4 * 4) * width
    per_token = BYTES[precision] * (layers * width + block) + 4 * layers * width
    return float(BYTES[precision] * int(model["n_parameters"]) + WINDOW * per_token)
