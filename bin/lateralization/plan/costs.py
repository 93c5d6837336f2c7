"""What a run will take, from its plan: disk at its peak, memory of GPUs, measured seconds."""

from dataclasses import dataclass
from pathlib import Path
from typing import Any

import numpy as np

from lateralization.baselines import oasm
from lateralization.errors import BadInput
from lateralization.files import read_json
from lateralization.language_models.sizes import BYTES
from lateralization.names import AVERAGE
from lateralization.run_plan import LanguagePlan, Model, Plan
from lateralization.study import GRID_SHAPE, N_RUNS

MASK_VOXELS = 27_000
"""About the number of voxels of a group mask on the target grid, for the estimate of disk."""

STORY_WORDS = 15_400
"""About the number of words of the story, for the estimate of the activations' disk."""


LAYER_SECONDS = ((300, 2.73, 0.56), (768, 6.42, 0.73), (1600, 11.4, 0.75), (4096, 14.3, 0.80))
"""Features, seconds of ENCODE per layer and subject on two cores, seconds on an H200."""

RUN_SECONDS = 1.02
"""Seconds of RESAMPLE per run of 141 scans, on one core."""

TRIAL_SECONDS = 24.0
"""Seconds of RELIABILITY per trial of the study's 49 subjects, on two cores."""

STORY_SECONDS = ((124_439_808, 183.0), (1_557_611_200, 7.63))
"""Weights and seconds of ACTIVATIONS: gpt2 on two cores, gpt2-xl on an H200; loading and writing
aside. Seconds are proportional to weights.

Of these tables those of benchmarks/results are the source (a test compares them).
"""


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


def scans_of(language: LanguagePlan) -> int | None:
    """Return the scans of the average subject, over all its runs; None: not known.

    Of a data set that is not here yet they are what its description says of a subject.
    """
    longest: dict[str, int] = {}
    for subject in language.subjects:
        for run in subject.runs:
            if run.scans is not None:
                longest[run.key] = max(run.scans, longest.get(run.key, 0))
    return sum(longest.values()) if longest else language.scans


def n_runs_of(language: LanguagePlan, subject: str) -> int:
    """Return the runs that a fit of a subject, or of ``average``, is made of."""
    own = [len(one.runs) for one in language.subjects if one.subject == subject]
    keys = {run.key for one in language.subjects for run in one.runs}
    return own[0] if own else len(keys) or len(language.stories)


def without_scans(plan: Plan) -> list[str]:
    """Return the languages whose BOLD has a size that is not known before its runs are read."""
    return [
        language.language
        for language in plan.languages
        if (language.subjects or language.average) and scans_of(language) is None
    ]


def fmri_disk(plan: Plan) -> tuple[int, int]:
    """Return the bytes of resampled and of cleaned BOLD, the average subject's among the latter.

    The average is held three times: as one file for the fits, as runs, and as published runs. Of
    the languages that :func:`without_scans` names nothing is counted.
    """
    grid = GRID_SHAPE[0] * GRID_SHAPE[1] * GRID_SHAPE[2]
    resampled = cleaned = 0
    for language in plan.languages:
        usual = scans_of(language) or 0
        for subject in language.subjects:
            known = [run.scans for run in subject.runs if run.scans is not None]
            scans = sum(known) if known else usual
            resampled += 4 * scans * grid
            cleaned += 4 * scans * MASK_VOXELS * (subject.group + subject.individual)
        if language.average:
            cleaned += 3 * 4 * usual * MASK_VOXELS
    return resampled, cleaned


def reliability_disk(plan: Plan) -> int:
    """Return the bytes that the means of both halves take, while the reliability is computed.

    Of the languages that :func:`without_scans` names nothing is counted.
    """
    trials = int(plan.parameters["isc_trials"])
    most = 0
    for language in plan.languages:
        group = sum(subject.group for subject in language.subjects)
        scans = scans_of(language)
        if language.isc or group < 2 or scans is None:
            continue
        kept = scans - 2 * language.trim * n_runs_of(language, AVERAGE)
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
    n_stories = {language.language: len(language.stories) for language in plan.languages}
    maps = sum((layers[fit.model] or 0) * (n_stories[fit.language] + 1) for fit in plan.fits)
    return 3 * 4 * maps * MASK_VOXELS


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


@dataclass(frozen=True)
class Hours:
    """Estimated hours of a run's long stages, summed over their tasks.

    Attributes
    ----------
    stages
        Stage → hours, of two cores, or of a GPU where the stage has one.
    on_gpu
        Stages that have a GPU.
    unknown
        Models whose size is not known before they are fetched: they count as nothing.
    """

    stages: dict[str, float]
    on_gpu: frozenset[str]
    unknown: int

    @property
    def gpu(self) -> float:
        """GPU hours."""
        return sum(value for stage, value in self.stages.items() if stage in self.on_gpu)

    @property
    def total(self) -> float:
        """Hours of all stages, one task after another."""
        return sum(self.stages.values())


def estimated_hours(plan: Plan, layers: dict[str, int | None]) -> Hours:
    """Estimate the hours that the long stages take, at the rates that benchmarks/ measured.

    Parameters
    ----------
    plan
        The plan of the run.
    layers
        Fitted layers of each model and baseline; None where that is not known.
    """
    gpu = int(plan.parameters["gpus"]) > 0
    widths = {model.name: shape_of(model)[1] for model in plan.models}
    widths |= {entry.name: entry.dims for entry in plan.baselines}
    alone = {*plan.joint, *(one.name for one in plan.baselines if one.kind == oasm.KIND)}
    shares = _shares(plan)
    encode = sum(
        shares[fit.language, fit.subject]
        * (layers[fit.model] or 0)
        * _layer_seconds(plan, widths[fit.model] or 0, gpu)
        * (1 if fit.model in alone else JOINTLY[len(plan.joint)])
        for fit in plan.fits
    )
    weights, seconds = STORY_SECONDS[gpu]
    read = sum(len(model.languages) * (model.n_parameters or 0) for model in plan.models)
    runs = sum(len(subject.runs) for one in plan.languages for subject in one.subjects)
    group = sum(
        len(subject.runs) / N_RUNS
        for language in plan.languages
        for subject in language.subjects
        if subject.group and not language.isc
    )
    stages = {
        "RESAMPLE": runs * RUN_SECONDS,
        "RELIABILITY": int(plan.parameters["isc_trials"]) * TRIAL_SECONDS * group / 49,
        "ACTIVATIONS": read * seconds / weights,
        "ENCODE": encode,
    }
    unknown = sum(not (model.n_parameters and layers[model.name]) for model in plan.models)
    return Hours(
        {stage: value / 3600 for stage, value in stages.items()},
        frozenset(("ACTIVATIONS", "ENCODE")) if gpu else frozenset(),
        unknown,
    )


def _shares(plan: Plan) -> dict[tuple[str, str], float]:
    """Return of each language and subject of the fits its runs, as a share of the study's nine."""
    languages = {language.language: language for language in plan.languages}
    return {
        (code, subject): n_runs_of(languages[code], subject) / N_RUNS
        for code, subject in {(fit.language, fit.subject) for fit in plan.fits}
    }


def _layer_seconds(plan: Plan, width: int, gpu: bool) -> float:
    """Return the seconds of one layer of one subject; the options of the encoder multiply them."""
    features, on_cores, on_gpu = zip(*LAYER_SECONDS, strict=True)
    delays = 5 if plan.encoder["hrf"] == "fir" else 1
    folds = 8 if plan.encoder["inner_validation"] == "all_runs" else 1
    seconds = np.interp(width * delays, features, on_gpu if gpu else on_cores)
    return float(folds * seconds)
