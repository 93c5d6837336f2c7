"""Load the fits of a run, with the masks, reliability maps and ROIs that they belong to."""

from collections.abc import Iterator, Sequence
from dataclasses import dataclass, field, replace
from pathlib import Path
from typing import Any

import numpy as np

from lateralization.arrays import Array, Booleans, Floats
from lateralization.baselines.own_features import KIND as FEATURES
from lateralization.command import progress, say
from lateralization.errors import BadInput
from lateralization.files import Rows, read_json
from lateralization.names import (
    AVERAGE,
    BASELINE,
    CHECKPOINT,
    MODEL,
    RANDOM_SEED,
    STEP_REVISION,
    TRAINING_STEP,
    UNTRAINED,
)
from lateralization.run_plan import Baseline, Model, Plan, entries
from lateralization.statistics.areas import Halves, within
from lateralization.statistics.asymmetry import SHARED, STRICT, Brain, Layers
from lateralization.study import ROI_ORDER
from lateralization.volumes import (
    check_same_grid,
    from_volume,
    hemispheres,
    image_data,
    load_image,
    load_mask,
    mirror_index,
)

CEREBELLAR_BOX = np.array([[8.0, 40.0], [-84.0, -48.0], [-56.0, -32.0]])
"""Box in the cerebellar hemispheres, mm in MNI space: |x|, y and z from … to.

A third of the cerebellum, below the tentorium and off the vermis: crus I and II, where language is
found, and lobules VII and VIII. On the 4 mm grid no voxel of it is labelled as any part of the
cerebrum in AAL, Neuromorphometrics, Desikan-Killiany or the Talairach atlas.
"""

LEAST_OF_BOX = 0.5
"""Share of the box's voxels that a mask must hold on either side: scans often end above it."""


@dataclass(frozen=True)
class Fit:
    """One model fitted to one subject.

    Attributes
    ----------
    kind
        ``model`` (trained), ``baseline``, ``untrained``, ``checkpoint`` (a training step) or
        ``features`` (the user's own).
    layers
        Numbers of the fitted layers, in the order of the scores.
    stories
        Keys of the stories that were predicted, in the order of the scores: what one subject has
        need not be what another has.
    predictors
        Numeric columns of the model sheet (``ppl``, ``hellaswag``, …).
    record
        All that GATHER wrote of this fit.
    """

    language: str
    subject: str
    model: str
    kind: str = MODEL
    family: str = ""
    n_parameters: float = np.nan
    n_layers: float = np.nan
    n_hid: float = np.nan
    seed: float = np.nan
    layers: tuple[int, ...] = ()
    stories: tuple[str, ...] = ()
    predictors: dict[str, float] = field(default_factory=dict)
    record: dict[str, Any] = field(default_factory=dict)

    @property
    def key(self) -> tuple[str, str, str]:
        """Language, subject and model."""
        return self.language, self.subject, self.model

    @property
    def left_out(self) -> list[int]:
        """Numbers of the voxels of the mask that were left out."""
        told = self.record.get("left_out") or {}
        return [int(voxel["voxel"]) for voxel in told.get("voxels", [])]

    @property
    def columns(self) -> dict[str, Any]:
        """First columns of every table over fits."""
        return {"language": self.language, "subject": self.subject, "model": self.model}

    @property
    def traits(self) -> dict[str, Any]:
        """Last columns of every table over fits."""
        return {
            "kind": self.kind,
            "family": self.family,
            "n_parameters": self.n_parameters,
            "n_layers": self.n_layers,
            "n_hid": self.n_hid,
            "seed": self.seed,
        }


@dataclass(frozen=True)
class Space:
    """A mask with its brain, and what is needed to draw it."""

    mask: Booleans
    affine: Array
    brain: Brain

    def without(self, left_out: Sequence[int]) -> "Space":
        """Take voxels, by their number, out of hemispheres, regions and reliability.

        The hemispheres stay halves of the whole mask: nothing else moves over the midline.
        """
        if not left_out:
            return self
        used = np.ones(self.brain.n_voxels, dtype=bool)
        used[list(left_out)] = False
        isc, rois, box = self.brain.isc, self.brain.rois or {}, self.brain.cerebellum
        cut = replace(
            self.brain,
            halves=within(self.brain.halves, used),
            isc=None if isc is None else np.where(used, isc, np.nan),
            rois=within(rois, used),
            cerebellum=None if box is None else (box[0] & used, box[1] & used),
        )
        return replace(self, brain=cut)


def _known(*candidates: float | None) -> float:
    """Return the first candidate that is not None, else NaN."""
    return next((float(value) for value in candidates if value is not None), np.nan)


def kind_of(entry: Model | Baseline, models: Sequence[Model]) -> str:
    """Tell models, baselines, untrained models and training steps apart.

    A training step is a model at a revision ``step<N>``, or one of several ``NAME_step<N>`` of one
    NAME: a single folder that is called so is a model, and counts among the others.
    """
    if isinstance(entry, Baseline):
        return FEATURES if entry.kind == FEATURES else BASELINE
    if entry.seed > 0:
        return UNTRAINED
    step = TRAINING_STEP.fullmatch(entry.name)
    named = [TRAINING_STEP.fullmatch(other.name) for other in models]
    series = [other for other in named if step and other and other[1] == step[1]]
    at_step = STEP_REVISION.fullmatch(entry.revision or "")
    return CHECKPOINT if at_step or len(series) > 1 else MODEL


def describe_fit(record: dict[str, Any], plan: Plan) -> Fit:
    """Join what GATHER recorded of a fit with what the plan says of its model.

    Parameters
    ----------
    record
        A ``_scores.json``; sizes that it has were counted and come before those of the plan.
    plan
        The plan of the run.

    Raises
    ------
    BadInput
        The plan has no model of this name.
    """
    language, name = record["language"], record["model"]
    known = {entry.name: entry for entry in entries(plan.models, plan.baselines)}
    if name not in known:
        raise BadInput(f"the plan has no model {name}; give the plan that the scores were made by")
    entry = known[name]
    kind = kind_of(entry, plan.models)
    fit = Fit(
        language, record["subject"], name, kind, family=kind, seed=float(entry.seed),
        layers=tuple(int(layer) for layer in record["layers"]),
        stories=tuple(f"{record['runs_are']}-{story}" for story in record["stories"]),
        record=record,
    )  # fmt: skip
    if isinstance(entry, Baseline):
        return fit
    return replace(
        fit,
        family=entry.family,
        n_parameters=_known(record.get("n_parameters"), entry.n_parameters),
        n_layers=_known(record.get("n_layers"), entry.n_layers),
        n_hid=_known(record.get("n_hid"), entry.n_hid),
        predictors=entry.predictors | entry.own_predictors.get(language, {}),
    )


def _stem(path: Path, suffix: str) -> str:
    if not path.name.endswith(suffix):
        raise BadInput(f"{path} does not end in {suffix}; give the files that GATHER wrote")
    return path.name.removesuffix(suffix)


def pair_files(scores: Sequence[Path], runs: Sequence[Path]) -> list[tuple[Path, Path]]:
    """Pair ``X_scores.json`` with ``X_runs.safetensors``, sorted by name.

    Raises
    ------
    BadInput
        A file has no partner, or two have one name.
    """
    descriptions = {_stem(path, "_scores.json"): path for path in scores}
    tensors = {_stem(path, "_runs.safetensors"): path for path in runs}
    alone = sorted(descriptions.keys() ^ tensors.keys())
    if alone:
        raise BadInput(f"{alone[0]}: give both its _scores.json and its _runs.safetensors")
    if len(descriptions) != len(scores):
        raise BadInput("two score files have the same name; give each fit once")
    return [(descriptions[stem], tensors[stem]) for stem in sorted(descriptions)]


def iterate_fits(
    scores: Sequence[Path], runs: Sequence[Path], plan: Plan
) -> Iterator[tuple[Fit, Layers]]:
    """Read fits one by one; at the end give each random baseline averaged over its seeds.

    Yields
    ------
    Fit and its scores, (n_layers, n_runs, n_voxels), to be read layer by layer. The average over
    seeds is taken per run and voxel, as published; its name has no ``_seed``.

    Raises
    ------
    BadInput
        See :func:`pair_files` and :func:`describe_fit`; or scores have another form than the record
        says, or two fits of a subject are of different stories.
    """
    heard: dict[tuple[str, str], Fit] = {}
    sums: dict[tuple[str, str, str], tuple[Fit, Floats, int]] = {}
    for description, tensor in progress(pair_files(scores, runs), "fits"):
        r = Rows(tensor, "r")
        record = read_json(description)
        if len(r.shape) != 3:
            raise BadInput(f"{tensor}: r has shape {r.shape}, (layers, runs, voxels) is needed")
        fit = describe_fit(record, plan)
        if len(fit.layers) != len(r):
            raise BadInput(f"{description} lists {len(fit.layers)} layers, {tensor} has {len(r)}")
        if len(fit.stories) != r.shape[1]:
            raise BadInput(
                f"{description} lists {len(fit.stories)} stories, {tensor} has {r.shape[1]}"
            )
        first = heard.setdefault(fit.key[:2], fit)
        if fit.stories != first.stories:
            raise BadInput(
                f"{' '.join(fit.key)} and {first.model} are scored on different stories; give fits "
                "of the same BOLD data"
            )
        yield fit, r
        named = RANDOM_SEED.fullmatch(fit.model)
        if named:
            key = (fit.language, fit.subject, named.group(1))
            _, total, count = sums.get(key, (fit, np.zeros(r.shape), 0))
            sums[key] = (fit, total + np.stack(list(r)), count + 1)
    for (language, subject, name), (fit, total, count) in sums.items():
        record = {"n_seeds": count, "left_out": fit.record.get("left_out")}
        mean = Fit(
            language, subject, name, BASELINE, "baseline", layers=fit.layers, stories=fit.stories,
            record=record,
        )  # fmt: skip
        yield mean, total / count


def _roi_masks(
    paths: Sequence[Path], language: str, mask: Booleans, affine: Array, mask_path: Path
) -> dict[str, tuple[Booleans, Booleans]]:
    """Read ROIs and mirror them; both sides hold the voxels that lie in the mask."""
    prefix = f"lang-{language}_roi-"
    named = {
        path.name.removeprefix(prefix).removesuffix(".nii.gz"): path
        for path in paths
        if path.name.startswith(prefix)
    }
    order = [name for name in ROI_ORDER if name in named] + sorted(named.keys() - set(ROI_ORDER))
    found = {}
    for name in order:
        image = load_image(named[name], 3)
        check_same_grid(image, mask.shape, affine, named[name], mask_path)
        # with a partner on the other side: where the mask is asymmetric, neither side has more
        inside = (image_data(image, named[name]) > 0.5) & mask & mask[::-1]
        found[name] = (from_volume(inside, mask), from_volume(inside[::-1], mask))
    return found


def cerebellar_sides(mask: Booleans, affine: Array) -> Halves | None:
    """Select the voxels of a mask in the box ``CEREBELLAR_BOX``, left and right, (n_voxels,) each.

    None where the mask holds less than half of the box on a side.
    """
    world = affine[:3, :3] @ np.indices(mask.shape).reshape(3, -1) + affine[:3, 3:]
    folded = np.vstack([np.abs(world[:1]), world[1:]]).T
    inside = ((folded >= CEREBELLAR_BOX[:, 0]) & (folded <= CEREBELLAR_BOX[:, 1])).all(axis=1)
    sides = [(inside & on).reshape(mask.shape) for on in (world[0] < 0, world[0] > 0)]
    if any((side & mask).sum() < max(LEAST_OF_BOX * side.sum(), 1) for side in sides):
        return None
    return sides[0][mask], sides[1][mask]


def read_space(
    mask_path: Path, isc_path: Path | None, roi_paths: Sequence[Path], language: str
) -> Space:
    """Read a mask with its reliability (mean over trials) and its ROIs.

    Raises
    ------
    BadInput
        A file is damaged, or lies on another grid than the mask.
    """
    mask, affine = load_mask(mask_path)
    isc = None
    if isc_path is not None:
        image = load_image(isc_path, 4)
        check_same_grid(image, mask.shape, affine, isc_path, mask_path)
        trials = from_volume(image_data(image, isc_path), mask).astype(np.float64)
        isc = trials.mean(axis=0)
    halves = {SHARED: hemispheres(mask, "shared"), STRICT: hemispheres(mask, "strict")}
    rois = _roi_masks(roi_paths, language, mask, affine, mask_path)
    mirror = mirror_index(mask) if np.array_equal(mask, mask[::-1]) else None
    return Space(mask, affine, Brain(halves, isc, rois, mirror, cerebellar_sides(mask, affine)))


class Spaces:
    """The spaces of a run, each read once when it is first needed."""

    def __init__(self, masks: Sequence[Path], isc: Sequence[Path], rois: Sequence[Path]) -> None:
        self._masks = {_stem(path, "_mask.nii.gz"): path for path in masks}
        self._isc = {_stem(path, "_isc.nii.gz"): path for path in isc}
        self._rois = list(rois)
        self._read: dict[tuple[str, str], Space] = {}

    def group(self, language: str) -> Space | None:
        """Give the space of a language's group; None where the run has none."""
        known = f"lang-{language}" in self._masks
        return self.get(language, AVERAGE) if known else None

    def get(self, language: str, subject: str) -> Space:
        """Give the group space for ``average`` and the subject's own for an individual.

        Individuals have no reliability of their own: they are scored over the whole brain and
        in the ROIs, as published.

        Raises
        ------
        BadInput
            There is no mask of it, or files do not fit each other.
        """
        key = (language, subject)
        if key not in self._read:
            group = f"lang-{language}"
            stem = group if subject == AVERAGE else f"{group}_sub-{subject}"
            if stem not in self._masks:
                raise BadInput(f"there is no mask {stem}_mask.nii.gz; give it with --masks")
            isc = self._isc.get(group) if subject == AVERAGE else None
            if subject == AVERAGE and isc is None:
                say(f"{group}: no reliability map, so nothing is said of reliable voxels")
            self._read[key] = read_space(self._masks[stem], isc, self._rois, language)
        return self._read[key]
