"""A made run for the tests: files in the form that LATERALIZE is given, with known effects."""

from dataclasses import dataclass, field
from pathlib import Path
from typing import Any

import nibabel as nib
import numpy as np

from helpers.made_plans import made_baseline, made_language, made_model, made_plan, made_subject
from lateralization.files import save_tensors, write_json
from lateralization.names import family_of
from lateralization.run_plan import FitPlan, Model, Plan, entries
from lateralization.runs import label
from lateralization.study import GRID_AFFINE, GRID_SHAPE
from lateralization.tables.lateralize import Inputs

MIDDLE = (18, 22, 18)
"""Voxel around which the made brain is symmetric: x = 0 is plane 18."""


@dataclass
class MadeRun:
    """What the made run holds; the defaults are a small run with everything in it."""

    models: dict[str, float] = field(
        default_factory=lambda: {"tiny": 1e6, "small": 1e7, "medium": 1e8, "large": 1e9}
    )
    layers: int = 4
    n_runs: int = 9
    stories: tuple[str, ...] = ()
    """Keys of the stories in place of numbered runs."""
    lacks: dict[str, tuple[str, ...]] = field(default_factory=dict)
    """Subject → keys of the stories that it did not hear."""
    subjects: tuple[str, ...] = ("average",)
    isc: bool = True
    rois: bool = True
    baselines: bool = True
    rise: float = 0.01
    """Left minus right per unit of ln N."""
    noise: float = 0.004
    run_noise: float = 0.006
    """Standard deviation over runs of half of left minus right."""
    missing: tuple[str, ...] = ()
    """Models that have no scores."""
    left_out: int = 0
    truth: bool = False
    study: bool = False
    """Two families more, models above 3e9, untrained ones, training steps, and an atlas."""
    atlas: bool = False
    notes: tuple[str, ...] = ()
    mask: np.ndarray | None = None
    parameters: dict[str, Any] = field(default_factory=dict)

    @property
    def keys(self) -> list[str]:
        """Keys of all stories, in order."""
        return list(self.stories) or [f"run-{run}" for run in range(1, self.n_runs + 1)]

    def heard_by(self, subject: str) -> list[str]:
        """Keys of the stories of one subject."""
        return [key for key in self.keys if key not in self.lacks.get(subject, ())]


STUDY_MODELS = {
    "gpt2": 1.2e8, "gpt2-medium": 3.5e8, "gpt2-large": 7.7e8, "gpt2-xl": 1.6e9,
    "Qwen1.5-1.8B": 1.8e9, "Qwen1.5-4B": 4.0e9, "Qwen1.5-7B": 7.7e9, "Qwen1.5-14B": 1.4e10,
}  # fmt: skip
UNTRAINED = ("gpt2", "gpt2-medium", "gpt2-large", "Qwen1.5-1.8B", "Qwen1.5-4B", "Qwen1.5-7B")
STEPS = (0, 1000, 143000)


def _study_models() -> list[dict[str, Any]]:
    """Models as in the study's lists: families, skill, untrained twins, checkpoints of one."""
    models = [
        {"name": name, "n_parameters": size, "family": family_of(name),
         "predictors": {"ppl": 30.0 - 3 * i + i % 2, "hellaswag": 30.0 + 6 * i - i % 3}}
        for i, (name, size) in enumerate(STUDY_MODELS.items())
    ]  # fmt: skip
    models += [
        {"name": f"{name}_untrained_seed1", "n_parameters": STUDY_MODELS[name],
         "family": family_of(name), "seed": 1}
        for name in UNTRAINED
    ]  # fmt: skip
    models += [
        {"name": f"pythia-6.9b_step{step}", "n_parameters": 6.9e9, "family": "pythia",
         "revision": f"step{step}"}
        for step in STEPS
    ]  # fmt: skip
    return models


def made_atlas(folder: Path, n_areas: int = 48) -> list[Path]:
    """Write an atlas of areas in slabs from back to front, odd labels left, as FETCH does."""
    labels = np.zeros(GRID_SHAPE, np.int16)
    slab = np.arange(GRID_SHAPE[1]) * n_areas // GRID_SHAPE[1]
    labels[: MIDDLE[0]] = (1 + 2 * slab)[None, :, None]
    labels[MIDDLE[0] + 1 :] = (2 + 2 * slab)[None, :, None]
    image = _nifti(labels, folder / "atlas.nii.gz")
    lines = [
        f"{2 * area + side}\t{('Left', 'Right')[side - 1]} Area {area + 1}\n"
        for area in range(n_areas) for side in (1, 2) if (labels == 2 * area + side).any()
    ]  # fmt: skip
    (folder / "atlas.tsv").write_text("index\tname\n" + "".join(lines), encoding="utf-8")
    return [image, folder / "atlas.tsv"]


def made_mask(radius: tuple[float, float, float] = (8, 10, 8)) -> np.ndarray:
    """An ellipsoid on the study's grid, symmetric about x = 0."""
    axes = np.indices(GRID_SHAPE).reshape(3, -1).T - np.array(MIDDLE)
    return ((axes / np.array(radius)) ** 2).sum(axis=1).reshape(GRID_SHAPE) <= 1


def scores_of(run: MadeRun, n_parameters: float, mask: np.ndarray, seed: int) -> np.ndarray:
    """r (layers, runs, voxels): grows with N, more on the left; the middle layers are best."""
    rng = np.random.default_rng(seed)
    place = np.argwhere(mask) - np.array(MIDDLE)
    bump = np.exp(-((np.abs(place[:, 0]) - 9) ** 2 + place[:, 1] ** 2 + place[:, 2] ** 2) / 150)
    size = np.log(n_parameters / 1e6) if n_parameters else -4.0
    side = np.where(place[:, 0] < 0, 0.5, np.where(place[:, 0] > 0, -0.5, 0.0))
    best = (0.1 + 0.01 * size) * bump + run.rise * size * side - 0.02 * side * bump
    depth = np.linspace(-1, 1, run.layers) if run.layers > 1 else np.zeros(1)
    profile = 0.05 - 0.05 * depth**2
    n_runs = len(run.keys)
    noise = rng.normal(0, run.noise, (run.layers, n_runs, place.shape[0]))
    shift = rng.normal(0, 0.002, (1, n_runs, 1)) + rng.normal(0, run.run_noise, n_runs)[
        None, :, None
    ] * np.sign(side)
    r = (best[None, None, :] + profile[:, None, None] + noise + shift).astype(np.float32)
    r[:, :, : run.left_out] = np.nan
    return r


def _nifti(data: np.ndarray, path: Path) -> Path:
    image = nib.Nifti1Image(data, GRID_AFFINE)
    nib.save(image, path)
    return path


def _write_fit(folder: Path, language: str, subject: str, model: str, r: np.ndarray, **more: Any):
    stem = folder / f"lang-{language}_sub-{subject}_model-{model.replace('/', '__')}"
    save_tensors(f"{stem}_runs.safetensors", {"r": r})
    record = {
        "language": language, "subject": subject, "model": model, "n_voxels": r.shape[2],
        "layers": list(range(len(r))),
        "alphas": np.full(r.shape[:2], 1e4), "r_per_run": np.nanmean(r, axis=2),
        "left_out": {
            "voxels": [{"voxel": int(v)} for v in np.flatnonzero(np.isnan(r).any(axis=(0, 1)))],
            "reason": "constant in run 3",
        },
        "revision": "", "resolved_revision": "abc123", "source": f"org/{model}",
        "precision": "float32",
    }  # fmt: skip
    write_json(record | more, f"{stem}_scores.json")


def _write_brain(folder: Path, run: MadeRun, mask: np.ndarray, language: str) -> None:
    for subject in run.subjects:
        stem = f"lang-{language}" + ("" if subject == "average" else f"_sub-{subject}")
        _nifti(mask.astype(np.int8), folder / f"{stem}_mask.nii.gz")
    if run.isc:
        place = np.argwhere(mask) - np.array(MIDDLE)
        bump = np.exp(-((np.abs(place[:, 0]) - 9) ** 2 + (place[:, 1:] ** 2).sum(1)) / 200)
        trials = np.zeros((*GRID_SHAPE, 2), np.float32)
        rng = np.random.default_rng(3)
        for trial in range(2):
            trials[mask, trial] = 0.1 + 0.5 * bump + rng.normal(0, 0.01, len(place))
        _nifti(trials, folder / f"lang-{language}_isc.nii.gz")
    if run.rois:
        for name, x in {"TP": 14, "AG_TPJ": 13}.items():
            roi = np.zeros(GRID_SHAPE, np.int8)
            roi[x - 2 : x + 1, 20:24, 16:20] = 1
            _nifti(roi * mask, folder / f"lang-{language}_roi-{name}.nii.gz")


def _models(run: MadeRun, language: str) -> list[Model]:
    own = [
        {"name": name, "n_parameters": size, "family": "made", "individual": True,
         "n_hid": int(10 * np.log(size) ** 2 * (1 + i % 2)),
         "predictors": {"ppl": 100.0 - 10 * i + (i % 3)}}
        for i, (name, size) in enumerate(run.models.items())
    ]  # fmt: skip
    study = [
        {"n_hid": 64 + 16 * i, **fields}
        for i, fields in enumerate(_study_models() if run.study else [], start=len(own))
    ]
    return [
        made_model(**fields, n_layers=run.layers - 1, languages=[language])
        for fields in [*own, *study]
    ]


def _plan(run: MadeRun, language: str) -> Plan:
    models = _models(run, language)
    baselines = [
        made_baseline(
            f"random_{kind}_300d_seed{seed}", f"random_{kind}", seed=seed, languages=[language]
        )
        for kind in ("vector", "embedding") for seed in (1, 2) if run.baselines
    ]  # fmt: skip
    fits = [
        FitPlan(language, subject, entry.name)
        for subject in run.subjects
        for entry in entries(models, baselines)
        if subject == "average" or entry.individual
    ]
    parameters = {
        "languages": [language], "dataset": "/data/made", "models": list(run.models),
        "subjects": list(run.subjects), "isc_trials": 2,
    }  # fmt: skip
    spoken = made_language(
        language=language,
        name={"en": "English", "fr": "French", "cn": "Chinese"}[language],
        subjects=[
            made_subject(f"EN{i}", heard=run.heard_by(f"EN{i}")) for i in range(901, 907)
        ],
        stories=run.keys, starts=[0.0] * len(run.keys),
    )  # fmt: skip
    return made_plan(
        parameters=parameters | run.parameters, notes=list(run.notes), languages=[spoken],
        models=models, baselines=baselines, fits=fits,
        truth="simulation.json" if run.truth else None,
    )  # fmt: skip


def write_run(folder: Path, run: MadeRun | None = None, language: str = "en") -> Inputs:
    """Write all files of a made run and return what LATERALIZE takes."""
    run = run or MadeRun()
    folder.mkdir(parents=True, exist_ok=True)
    mask = made_mask() if run.mask is None else run.mask
    plan = _plan(run, language)
    write_json(plan.to_json(), folder / "plan.json")
    _write_brain(folder, run, mask, language)
    sizes = {model.name: model.n_parameters or 0 for model in plan.models}
    asked = {model.name: model.revision for model in plan.models}
    for number, fit in enumerate(plan.fits):
        if fit.model in run.missing:
            continue
        size = sizes.get(fit.model, 0)
        r = scores_of(run, size, mask, number)
        r = r if size else r[:1] - 0.08
        stories = run.heard_by(fit.subject)
        r = r[:, [run.keys.index(key) for key in stories]]
        revision = asked.get(fit.model) or ""
        told = {"runs_are": stories[0].split("-")[0], "stories": [label(key) for key in stories]}
        _write_fit(folder, language, fit.subject, fit.model, r, revision=revision, **told)
    if run.truth:
        steps = np.linspace(-0.02, 0.02, len(run.models))
        models = [
            {
                "k": k,
                "name": name,
                "planted_left_minus_right": float(steps[k]),
                "planted_left_minus_right_whole": float(steps[k]) / 2,
                "planted_left_minus_right_individual": float(steps[k]) / 4,
            }
            for k, name in enumerate(run.models)
        ]
        write_json({"world": "demo", "models": models}, folder / "simulation.json")
    published = Path(__file__).parents[2] / "assets" / "published.json"
    return Inputs(
        folder / "plan.json",
        sorted(folder.glob("*_scores.json")),
        sorted(folder.glob("*_runs.safetensors")),
        sorted(folder.glob("*_mask.nii.gz")),
        sorted(folder.glob("*_isc.nii.gz")),
        sorted(folder.glob("*_roi-*.nii.gz")),
        folder / "simulation.json" if run.truth else None,
        published,
        made_atlas(folder) if run.study or run.atlas else (),
    )
