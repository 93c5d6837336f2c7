"""A voxel that is left out is in no count, no mean and no pair of any table."""

import nibabel
import numpy as np
import pytest

from helpers.made_runs import MIDDLE, MadeRun, made_mask, write_run
from lateralization.report import findings
from lateralization.statistics.asymmetry import FitScores
from lateralization.statistics.specifications import specify
from lateralization.study import GRID_AFFINE, GRID_SHAPE
from lateralization.tables.fits import read_space
from lateralization.tables.lateralize import lateralize
from lateralization.tables.read import read_tables
from lateralization.tables.registry.tables import TABLES

N_LEFT_OUT = 300
"""The first voxels of the mask: all lie on the left, and some in the regions."""

MASK = made_mask()
X = np.argwhere(MASK)[:, 0]
LEFT, RIGHT = MIDDLE[0] > X, MIDDLE[0] < X
USED = np.arange(len(X)) >= N_LEFT_OUT


def mirrored(values):
    """Values of the mirror images of the voxels."""
    volume = np.zeros(GRID_SHAPE, values.dtype)
    volume[MASK] = values
    return volume[::-1][MASK]


@pytest.fixture(scope="module")
def tables(tmp_path_factory):
    folder = tmp_path_factory.mktemp("left_out")
    run = MadeRun(baselines=False, layers=2, left_out=N_LEFT_OUT, atlas=True)
    lateralize(write_run(folder / "in", run), folder / "tables")
    return read_tables(folder / "tables"), folder


@pytest.mark.slow
def test_every_table_counts_the_voxels_that_are_used(tables):
    found, folder = tables
    assert X[~USED].max() < MIDDLE[0]
    pairs = USED & mirrored(USED)
    cuts = found["sensitivity"].query("percentile == 0").set_index("midline")
    assert cuts.loc["strict", ["n_left", "n_right"]].tolist() == [(LEFT & USED).sum(), RIGHT.sum()]
    assert cuts.loc["paired", ["n_left", "n_right"]].tolist() == [(LEFT & pairs).sum()] * 2
    assert cuts.loc["shared", ["n_left", "n_right"]].sum() == USED.sum()
    areas, parcels = (found[name].drop_duplicates("parcel") for name in ("areas", "parcels"))
    for table in (areas, parcels):
        assert table["n_left"].sum() == (LEFT & USED).sum()
        assert table["n_right"].sum() == RIGHT.sum()
    sphere = nibabel.load(folder / "in" / "lang-en_roi-TP.nii.gz").get_fdata()[MASK] > 0
    roi = found["roi"].set_index("roi").loc["TP"]
    assert 0 < (sphere & ~USED).sum() < sphere.sum()
    assert (roi["n_left"], roi["n_right"]) == ((sphere & USED).sum(), sphere.sum())
    isc = nibabel.load(folder / "in" / "lang-en_isc.nii.gz").get_fdata()[MASK].mean(axis=1)
    assert roi["isc_left"] == pytest.approx(isc[sphere & USED].mean(), abs=1e-6)
    whole = found["asymmetry"].query("selection == 'whole' and midline == 'strict'").iloc[0]
    assert whole["ceiling_left"] == pytest.approx(isc[LEFT & USED].mean(), abs=1e-6)
    reliable = found["asymmetry"].query("selection == 'reliable' and midline == 'strict'").iloc[0]
    chosen = USED & (isc > np.percentile(isc[USED], 75))
    counts = [int((chosen & side).sum()) for side in (LEFT, RIGHT)]
    assert reliable[["n_left", "n_right"]].tolist() == counts


def test_the_share_of_voxels_left_out_is_explained_as_such():
    told = TABLES["left_out"].dictionary(1)["columns"]
    assert told["share"] == "voxels left out / voxels of the mask"
    assert "ceiling" in TABLES["ceilings"].dictionary(1)["columns"]["share"]


@pytest.mark.slow
def test_pairs_of_the_specifications_have_both_voxels(tables):
    _, folder = tables
    read = [folder / "in" / f"lang-en_{name}.nii.gz" for name in ("mask", "isc")]
    space = read_space(read[0], read[1], [], "en").without(range(N_LEFT_OUT))
    r = np.random.default_rng(0).uniform(0.1, 0.5, (2, 4, len(X)))
    r[:, :, ~USED] = np.nan
    values = specify(FitScores(r), space.brain, range(2), 1, "run-1")
    best, pairs = r.mean(axis=1).max(axis=0), USED & mirrored(USED)
    expected = best[pairs & LEFT].mean() - best[pairs & RIGHT].mean()
    (one,) = [
        value for key, value in values.items()
        if (key.layer, key.voxels, key.midline, key.summary, key.runs)
        == ("best_voxel", "whole", "paired", "mean", "all")
    ]  # fmt: skip
    assert one == pytest.approx(expected, abs=1e-12)
    assert space.affine == pytest.approx(GRID_AFFINE)


@pytest.mark.slow
def test_voxels_with_scores_and_without_reliability_are_counted_and_named(tmp_path):
    inputs = write_run(tmp_path / "in", MadeRun(baselines=False, layers=2, left_out=3))
    path = tmp_path / "in" / "lang-en_isc.nii.gz"
    image = nibabel.load(path)
    values = image.get_fdata(dtype=np.float32)
    values[tuple(np.argwhere(MASK)[:8].T)] = np.nan  # three of them are left out as it is
    nibabel.save(nibabel.Nifti1Image(values, image.affine), path)
    lateralize(inputs, tmp_path / "tables")
    found = read_tables(tmp_path / "tables")
    counts = found["left_out"].set_index("model")["n_left_out"].to_dict()
    assert counts == {"all": 3, "reliability": 5}
    told = [remark.text for remark in findings.about_losses(found)]
    assert any(f"5 voxels of {len(X):,} have scores but no reliability (en)" in text
               for text in told)  # fmt: skip
    assert any(f"3 voxels of {len(X):,} left out (en" in text for text in told)
