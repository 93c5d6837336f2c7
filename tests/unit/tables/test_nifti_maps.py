"""Maps as NIfTI: numbers computed anew, a mask beside each, a header that says what it is."""

import json

import nibabel as nib
import numpy as np
import pandas as pd
import pytest
from nilearn.masking import apply_mask
from safetensors.numpy import load_file

from helpers.made_runs import MadeRun, made_mask, write_run
from lateralization.study import GRID_AFFINE
from lateralization.tables.brain_maps import NIFTI
from lateralization.tables.lateralize import lateralize

MODELS = {"tiny": 1e6, "small": 1e7, "medium": 1e8, "large": 1e9}
N_LEFT_OUT = 60


@pytest.fixture(scope="module")
def made(tmp_path_factory):
    """Return a folder with the tables and maps of a run with voxels left out."""
    folder = tmp_path_factory.mktemp("maps")
    run = MadeRun(models=MODELS, layers=2, left_out=N_LEFT_OUT, atlas=True,
                  subjects=("average", "EN901", "EN902", "EN903"))  # fmt: skip
    lateralize(write_run(folder / "in", run), folder / "tables", folder / "maps")
    return folder


def r_of(folder, model):
    """Read r (layers, runs, voxels) of a model and the average."""
    stem = f"lang-en_sub-average_model-{model}"
    return load_file(folder / "in" / f"{stem}_runs.safetensors")["r"].astype(np.float64)


def recomputed(folder):
    """Compute maps anew from r alone, each in its own words."""
    voxels = np.argwhere(made_mask())
    where = {tuple(voxel): i for i, voxel in enumerate(voxels.tolist())}
    opposite = np.array([where[36 - x, y, z] for x, y, z in voxels.tolist()])
    best = {name: r_of(folder, name).mean(1).max(0) for name in MODELS}
    size = np.log(list(MODELS.values()))
    slope = [np.polyfit(size, column, 1)[0] if np.isfinite(column).all() else np.nan
             for column in np.stack(list(best.values())).T]  # fmt: skip
    left = voxels[:, 0] < 18
    random = np.mean([r_of(folder, f"random_embedding_300d_seed{seed}").mean(1).max(0)
                      for seed in (1, 2)], axis=0)  # fmt: skip
    return {
        "score": best["large"],
        "slope": np.array(slope),
        "left_minus_right": np.where(left, best["large"] - best["large"][opposite], np.nan),
        "best_over_random": best["large"] - random,
        "worst_over_random": best["tiny"] - random,
    }


@pytest.mark.parametrize(
    "what", ["score", "slope", "left_minus_right", "best_over_random", "worst_over_random"]
)
def test_a_hundred_voxels_of_each_map_are_those_of_the_scores(made, what):
    expected = recomputed(made)[what]
    values = nib.load(made / "maps" / f"lang-en_{what}.nii.gz").get_fdata()[made_mask()]
    np.testing.assert_array_equal(np.isnan(values), np.isnan(expected))
    known = np.flatnonzero(np.isfinite(expected))
    some = np.random.default_rng(1).choice(known, 100, replace=False)
    np.testing.assert_allclose(values[some], expected[some], atol=2e-7)
    assert np.ptp(expected[some]) > 1e-3


def test_the_reliability_is_the_mean_of_its_trials(made):
    trials = nib.load(made / "in" / "lang-en_isc.nii.gz").get_fdata()[made_mask()]
    values = nib.load(made / "maps" / "lang-en_isc.nii.gz").get_fdata()[made_mask()]
    some = np.random.default_rng(2).choice(len(values), 100, replace=False)
    np.testing.assert_allclose(values[some], trials.mean(1)[some], atol=1e-7)


def test_a_map_over_people_is_the_mean_of_their_slopes(made):
    voxels = np.argwhere(made_mask()).tolist()
    size = np.log(list(MODELS.values()))
    volumes = []
    for person in ("EN901", "EN902", "EN903"):
        maps = []
        for model in MODELS:
            path = made / "in" / f"lang-en_sub-{person}_model-{model}_runs.safetensors"
            maps.append(np.zeros((37, 46, 38)))
            maps[-1][made_mask()] = load_file(path)["r"].astype(np.float64).mean(1).max(0)
        volumes.append(maps)
    values = nib.load(made / "maps" / "lang-en_pairs.nii.gz").get_fdata()
    known = [v for v in voxels if np.isfinite(values[tuple(v)])]
    assert {v[0] < 18 for v in known} == {True}
    chosen = np.random.default_rng(3).choice(len(known), 100, replace=False)
    for x, y, z in (known[i] for i in chosen):
        slopes = [np.polyfit(size, [m[x, y, z] - m[36 - x, y, z] for m in maps], 1)[0]
                  for maps in volumes]  # fmt: skip
        assert values[x, y, z] == pytest.approx(np.mean(slopes), abs=1e-7)


def test_every_map_has_a_mask_a_sidecar_and_a_header_that_says_what_it_is(made):
    found = {path.name for path in (made / "maps").iterdir()}
    for what, (holds, unit) in NIFTI.items():
        stem = f"lang-en_{what}"
        if what == "slope_strong" and f"{stem}.nii.gz" not in found:
            continue  # no slope is that strong
        image = nib.load(made / "maps" / f"{stem}.nii.gz")
        header = image.header
        assert (int(header["sform_code"]), int(header["qform_code"])) == (4, 4)
        np.testing.assert_array_equal(image.affine, GRID_AFFINE)
        np.testing.assert_allclose(header.get_qform(), GRID_AFFINE, atol=1e-5)
        assert header.get_xyzt_units()[0] == "mm"
        told = json.loads((made / "maps" / f"{stem}.json").read_text())
        assert bytes(header["descrip"]).rstrip(b"\0").decode() == told["description"]
        assert "{" not in told["description"]
        assert told["description"].startswith(holds.split("{")[0])
        assert (told["units"], told["subject"]) == (unit, "average")
        beside = f"{stem}_mask.nii.gz"
        assert (beside in found) == bool(unit)
        assert header.get_intent()[0] == ("estimate" if unit else "label")
        if unit:
            values, mask = image.get_fdata(), nib.load(made / "maps" / beside)
            assert mask.get_data_dtype() == np.uint8
            np.testing.assert_array_equal(mask.get_fdata(), np.isfinite(values) & made_mask())
            assert (values[~made_mask()] == 0).all()
    names = pd.read_csv(made / "maps" / "lang-en_areas.tsv", sep="\t")
    areas = nib.load(made / "maps" / "lang-en_areas.nii.gz").get_fdata()
    assert set(np.unique(areas)) - {0} <= set(names["index"])
    assert names["name"].str.startswith("Area ").all()


def test_nilearn_takes_nan_for_0_unless_the_mask_beside_the_map_is_used(made):
    """The two lines of docs/outputs.md that are right, and those that are not."""
    map_path, used = (made / "maps" / f"lang-en_score{end}.nii.gz" for end in ("", "_mask"))
    whole = nib.Nifti1Image(made_mask().astype(np.uint8), GRID_AFFINE)
    wrong = apply_mask(str(map_path), whole).mean()
    right = apply_mask(str(map_path), str(used)).mean()
    values = nib.load(map_path).get_fdata()[made_mask()]
    assert right == pytest.approx(np.nanmean(values), rel=1e-6)
    assert wrong == pytest.approx(np.nansum(values) / values.size, rel=1e-6)
    assert right - wrong > 1e-3
