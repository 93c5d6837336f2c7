"""What a run will take, from its plan: disk at its peak, memory of GPUs, measured seconds."""

from pathlib import Path
from typing import Any

from lateralization.baselines import oasm
from lateralization.errors import BadInput
from lateralization.files import read_json
from lateralization.language_models.sizes import BYTES
from lateralization.run_plan import Model, Plan
from lateralization.study import GRID_SHAPE, N_RUNS

MASK_VOXELS = 27_000
"""About the number of voxels of a group mask on the target grid, for the estimate of disk."""

STORY_WORDS = 15_400
"""About the number of words of the story, for the estimate of the activations' disk."""


MEASURED = (
    ("RESAMPLE", 1.02, "a run of 141 scans, one core"),
    ("ENCODE", 6.42, "a layer of 768 features, 25,870 voxels, two cores"),
    ("ENCODE", 2.52, "the same on an H200"),
    ("ACTIVATIONS", 7.63, "the story through gpt2-xl on an H200, loading and writing aside"),
)
"""Stage, seconds, unit of work: from the tables of benchmarks/results (a test compares them)."""


JOINTLY = {0: 1.0, 1: 1.8, 2: 4.5, 3: 5.5}
"""Cost of a layer with so many confounds, in fits of the layer alone (benchmarks/README.md)."""

FIGURES = 60_000_000
"""About what figures, tables and the report take, made and published (53 MB of the demo)."""

WINDOW = 2048
"""Tokens that the estimate of a pass's memory counts: one long window. Larger batches take what
the device has, so this is what a model needs, not what it will use."""


def shape_of(model: Model) -> tuple[int | None, int | None]:
    """Return layers without the embedding, and width, as far as they are known before fetching.

    A folder's are looked up in its configuration by the names that most architectures use: good
    enough for an estimate, and to refuse ``--layers`` that lie beyond the model.
    """
    config = _config_of(model)

    def known(given: Any, *names: str) -> int | None:
        values = [given, *(config.get(name) for name in names)]
        return next((value for value in values if isinstance(value, int) and value > 0), None)

    return (
        known(model.n_layers, "num_hidden_layers", "n_layer", "n_layers", "num_layers"),
        known(model.n_hid, "hidden_size", "n_embd", "d_model", "dim"),
    )


def _config_of(model: Model) -> dict[str, Any]:
    """Return a folder's configuration; empty without one that can be read, which others report."""
    path = Path(model.source, "config.json")
    if model.kind != "local" or not path.is_file():
        return {}
    try:
        config: dict[str, Any] = read_json(path)
        return config | (config.get("text_config") or {})
    except (BadInput, AttributeError, TypeError):
        return {}


def gpu_bytes_needed(model: Model, precision: str) -> float | None:
    """Return the bytes that a model needs on a GPU for one long window; None: size not known.

    Weights, the states of all layers in the pass's precision and summed in float32, and the work
    of one block (four times its width in the feed-forward part).
    """
    depth, width = shape_of(model)
    if not (model.n_parameters and depth and width):
        return None
    layers = depth + 1
    block = (8 + 4 * 4) * width
    per_token = BYTES[precision] * (layers * width + block) + 4 * layers * width
    return float(BYTES[precision] * model.n_parameters + WINDOW * per_token)


def encode_seconds(plan: Plan, layers: dict[str, int | None]) -> float:
    """Estimate what ENCODE takes on two cores (with ``--gpus`` on a GPU), every layer as if of 768.

    Parameters
    ----------
    plan
        The plan of the run.
    layers
        Fitted layers of each model; of those that are not known nothing is counted.
    """
    on_cores, on_gpu = (seconds for stage, seconds, _ in MEASURED if stage == "ENCODE")
    alone = {*plan.joint, *(one.name for one in plan.baselines if one.kind == oasm.KIND)}
    fits = sum(
        (layers[fit.model] or 0) * (1 if fit.model in alone else JOINTLY[len(plan.joint)])
        for fit in plan.fits
    )
    return fits * (on_gpu if plan.parameters["gpus"] else on_cores)


def resample_seconds(plan: Plan) -> float:
    """Estimate what RESAMPLE takes on one core."""
    runs = sum(len(language.subjects) * language.n_runs for language in plan.languages)
    return runs * next(seconds for stage, seconds, _ in MEASURED if stage == "RESAMPLE")


def fmri_disk(plan: Plan) -> tuple[int, int]:
    """Return the bytes of resampled and of cleaned BOLD, the average subject's among the latter.

    The average is held three times: as one file for the fits, as runs, and as published runs.
    """
    grid = GRID_SHAPE[0] * GRID_SHAPE[1] * GRID_SHAPE[2]
    resampled = cleaned = 0
    for language in plan.languages:
        known = language.n_scans
        usual = language.scans or 0
        for subject in language.subjects:
            scans = sum(known[subject.subject]) if subject.subject in known else usual
            resampled += 4 * scans * grid
            cleaned += 4 * scans * MASK_VOXELS * (subject.group + subject.individual)
        if language.average:
            scans = max((sum(counts) for counts in known.values()), default=usual)
            cleaned += 3 * 4 * scans * MASK_VOXELS
    return resampled, cleaned


def reliability_disk(plan: Plan) -> int:
    """Return the bytes that the means of both halves take, while the reliability is computed."""
    trials = int(plan.parameters["isc_trials"])
    most = 0
    for language in plan.languages:
        group = sum(subject.group for subject in language.subjects)
        if language.isc or group < 2:
            continue
        scans = max((sum(counts) for counts in language.n_scans.values()), default=language.scans)
        kept = (scans or 0) - 2 * language.trim * language.n_runs
        most += 2 * 4 * trials * kept * MASK_VOXELS
    return most


def scores_disk(plan: Plan, layers: dict[str, int | None]) -> int:
    """Return the bytes of the fits: blocks of layers, gathered, and published once more.

    Parameters
    ----------
    plan
        The plan of the run.
    layers
        Fitted layers of each model; of those that are not known nothing is counted.
    """
    fitted = sum(layers[fit.model] or 0 for fit in plan.fits)
    return 3 * 4 * fitted * (N_RUNS + 1) * MASK_VOXELS


def activations_disk(plan: Plan) -> int:
    """Return the bytes of the activations of the models whose size is known, and of baselines."""
    values = 0
    for model in plan.models:
        layers, width = shape_of(model)
        values += len(model.languages) * (layers + 1) * width if layers and width else 0
    values += sum(
        len(entry.languages) * (entry.dims or 300)
        for entry in plan.baselines
        if entry.kind != oasm.KIND  # its rows are drawn by ENCODE
    )
    return 4 * STORY_WORDS * values
