"""A whole run beside the study's procedure, said again with nilearn and scikit-learn."""

from dataclasses import dataclass
from pathlib import Path

import nibabel as nib
import numpy as np
import pandas as pd
import pytest
from safetensors.numpy import load_file

from helpers import study_restated as restated
from lateralization.files import read_json

from .conftest import Copy, Run

pytestmark = [pytest.mark.pipeline, pytest.mark.filterwarnings("ignore")]

RUNS = range(1, 10)

TESTS = (0, 4, 8)
"""Test runs that are compared: the first has another validation run than the others."""

CENTRES = {
    "TP": (-48, 15, -27),
    "aSTS": (-54, -12, -12),
    "pSTS": (-51, -39, 3),
    "AG_TPJ": (-52, -56, 22),
    "BA44": (-50, 12, 16),
    "BA45": (-52, 28, 10),
    "BA47": (-44, 34, -8),
}


@dataclass
class Group:
    """The fMRI side of the group, made anew."""

    images: list[list[nib.Nifti1Image]]
    mask: nib.Nifti1Image
    series: list[list[np.ndarray]]

    @property
    def average(self) -> list[np.ndarray]:
        return [
            restated.standardised(np.mean(runs, axis=0)) for runs in zip(*self.series, strict=True)
        ]


@pytest.fixture(scope="module")
def group(finished: tuple[Copy, Path, Run]) -> Group:
    _copy, world, _run = finished
    folders = sorted((world / "data" / "derivatives").glob("sub-EN*"))
    images = [restated.resampled(folder) for folder in folders]
    mask = restated.symmetric_mask([image for runs in images for image in runs])
    return Group(images, mask, [restated.cleaned(runs, mask) for runs in images])


@pytest.fixture(scope="module")
def results(finished: tuple[Copy, Path, Run]) -> Path:
    return finished[0].folder / "results" / "lang-en"


def masked(path: Path, mask: nib.Nifti1Image) -> np.ndarray:
    """Return the values of a map in the voxels of the mask, (volumes, voxels)."""
    return np.moveaxis(nib.load(path).get_fdata()[mask.get_fdata() > 0], -1, 0)


def features(model: Path, words: pd.DataFrame, world: Path, scans: list[int]) -> list[list]:
    """Make the regressors of a model: layer → run."""
    runs = []
    for run, n_scans in zip(RUNS, scans, strict=True):
        text = (world / "texts" / f"text_en_run{run}.txt").read_text(encoding="utf-8")
        own = words[words.run == run]
        vectors = restated.word_vectors(model, text, own)
        runs.append([restated.regressors(layer, own, n_scans) for layer in vectors])
    return [list(layer) for layer in zip(*runs, strict=True)]


def compare(scores: Path, layers: list, bold: list[np.ndarray], mask: nib.Nifti1Image) -> None:
    """Compare a fit's penalties and scores with the plain ones."""
    sidecar = read_json(scores.with_suffix(".json"))
    r = load_file(scores.with_name(f"{scores.name}_runs.safetensors"))["r"]
    kept = np.isfinite(r).all((0, 1))
    assert kept.mean() > 0.9
    for number, layer in enumerate(layers):
        series = [restated.trimmed(run[:, kept]) for run in bold]
        found, alphas = restated.nested(layer, series, TESTS)
        assert np.allclose(np.array(sidecar["alphas"][number])[list(TESTS)], alphas, rtol=1e-12)
        assert np.abs(r[number, TESTS][:, kept] - found).max() < 1e-4
    best = masked(scores.with_suffix(".nii.gz"), mask)
    assert np.allclose(best[:, kept], r[:, :, kept].mean(1), atol=1e-6)


def test_mask_average_and_regions_are_the_study_s(group: Group, results: Path) -> None:
    assert np.array_equal(nib.load(results / "mask.nii.gz").get_fdata(), group.mask.get_fdata() > 0)
    left_out = read_json(next((results / "scores" / "sub-average").glob("*.json")))["left_out"]
    kept = np.ones(int(group.mask.get_fdata().sum()), bool)
    kept[[voxel["voxel"] for voxel in left_out["voxels"]]] = False
    for run, series in zip(RUNS, group.average, strict=True):
        ours = masked(results / "average_subject" / f"run-{run}.nii.gz", group.mask)
        assert np.abs(ours - series)[:, kept].max() < 1e-4
    for name, centre in CENTRES.items():
        ours = nib.load(results / "rois" / f"{name}.nii.gz").get_fdata()
        assert np.array_equal(
            ours[group.mask.get_fdata() > 0] > 0, restated.sphere(group.mask, centre)
        )


def test_the_reliability_is_the_study_s(group: Group, results: Path) -> None:
    ours = load_file(results / "isc_runs.safetensors")["r"][0]
    kept = np.isfinite(ours).all(0)
    r = restated.halves_predict_halves(group.series, 1234, kept, TESTS)
    assert np.abs(ours[list(TESTS)][:, kept] - r).max() < 1e-4


def test_scores_of_the_average_are_the_study_s(
    group: Group, results: Path, finished: tuple[Copy, Path, Run]
) -> None:
    _copy, world, _run = finished
    scans = [len(run) for run in group.average]
    spoken = restated.words_of(world / "data/annotation/EN/lppEN_word_information.csv")
    for model in sorted((world / "models").iterdir()):
        words = pd.read_table(results / "words" / f"{model.name}.tsv", quoting=3)
        for column in ("word", "onset", "offset"):
            assert words[column].tolist() == pd.concat(spoken)[column].tolist()
        layers = features(model, words, world, scans)
        compare(results / "scores/sub-average" / model.name, layers, group.average, group.mask)
    generator = np.random.RandomState(1)
    drawn = [
        restated.regressors(generator.randn(len(words), 300), words, n_scans)
        for words, n_scans in zip(spoken, scans, strict=True)
    ]
    name = results / "scores/sub-average/random_vector_300d_seed1"
    compare(name, [drawn], group.average, group.mask)


def test_scores_of_an_individual_are_the_study_s(
    group: Group, results: Path, finished: tuple[Copy, Path, Run]
) -> None:
    _copy, world, _run = finished
    mask = restated.symmetric_mask(group.images[0])
    scores = results / "scores" / "sub-EN901"
    assert np.array_equal(nib.load(scores / "mask.nii.gz").get_fdata(), mask.get_fdata() > 0)
    bold = restated.cleaned(group.images[0], mask, smoothing_mm=4)
    model = sorted((world / "models").iterdir())[0]
    words = pd.read_table(results / "words" / f"{model.name}.tsv", quoting=3)
    layers = features(model, words, world, [len(run) for run in bold])
    compare(scores / model.name, layers, bold, mask)


def test_asymmetries_are_the_study_s(group: Group, results: Path) -> None:
    table = pd.read_table(results.parent / "tables" / "asymmetry.tsv")
    table = table[
        (table.subject == "average") & (table.layer == "best_voxel") & (table.midline == "shared")
    ]
    isc = np.nanmean(masked(results / "isc.nii.gz", group.mask), axis=0)
    half = len(isc) // 2
    places = np.arange(len(isc))
    reliable = isc > np.nanpercentile(isc, 75)
    assert len(set(table.model)) >= 3
    for model, rows in table.groupby("model"):
        path = results / "scores/sub-average" / f"{model}.nii.gz"
        if not path.exists():  # a mean over seeds
            continue
        best = masked(path, group.mask).max(0)
        kept = np.isfinite(best)
        sides = [kept & (places < half), kept & (places >= half)]
        expected = {
            "whole": [best[side].mean() for side in sides],
            "whole_p90": [np.percentile(best[side], 90) for side in sides],
            "reliable": [best[side & reliable].mean() for side in sides],
            "reliable_iscnorm": [(best / isc)[side & reliable].mean() for side in sides],
        }
        found = rows.set_index("selection")[["left", "right"]]
        for selection, values in expected.items():
            assert np.allclose(found.loc[selection], values, atol=1e-6), (model, selection)
