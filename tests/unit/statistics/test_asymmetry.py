"""Definitions of scores and asymmetries, against brute force and the study's published files."""

from pathlib import Path

import joblib
import nibabel as nib
import numpy as np
import pytest
from scipy import stats

from lateralization.files import Rows, save_tensors
from lateralization.fmri.reliability import write_given
from lateralization.statistics.asymmetry import (
    BEST_CV,
    BEST_MEAN,
    BEST_VOXEL,
    Brain,
    FitScores,
    Region,
    RunScores,
    asymmetries,
    best_cv,
    best_voxel,
    choose_layers,
    layer_scores,
    mean_asymmetry,
    percentile_asymmetry,
    regions,
    reliable_voxels,
    side_summaries,
    upper_percentile,
)
from lateralization.statistics.intervals import fisher_interval, jackknife_interval, t_interval
from lateralization.volumes import from_volume, hemispheres

SHARED_DATA = Path(__file__).parents[4] / "shared" / "reference_data"
needs_reference = pytest.mark.skipif(
    not SHARED_DATA.exists(), reason=f"the study's published files are not at {SHARED_DATA}"
)


def made_r(layers=3, runs=4, voxels=10, seed=0):
    return np.random.default_rng(seed).normal(0.1, 0.05, (layers, runs, voxels))


def made_brain(n=10, isc=True):
    order = np.arange(n)
    shared = (order < n // 2, order >= n // 2)
    strict = (order < n // 2 - 1, order >= n // 2 + 1)
    values = np.linspace(0.1, 0.9, n)[np.random.default_rng(1).permutation(n)] if isc else None
    rois = {"TP": (order == 1, order == n - 2)}
    return Brain({"shared": shared, "strict": strict}, values, rois)


def test_scores_of_a_layer_are_averaged_in_double_precision():
    r = np.random.default_rng(0).uniform(-1, 1, (9, 50)).astype(np.float32)
    np.testing.assert_array_equal(layer_scores(r), r.astype(np.float64).mean(axis=0))


def test_best_voxel_is_the_maximum_over_layers_of_the_mean_over_runs():
    r = made_r()
    np.testing.assert_allclose(best_voxel(r).mean(axis=0), r.mean(axis=1).max(axis=0), atol=1e-15)


def test_best_cv_takes_the_layer_of_the_other_runs():
    r = made_r(layers=4, runs=5)
    expected = np.empty(r.shape[1:])
    for run in range(5):
        for voxel in range(10):
            others = np.delete(r[:, :, voxel], run, axis=1).mean(axis=1)
            expected[run, voxel] = r[others.argmax(), run, voxel]
    np.testing.assert_array_equal(best_cv(r), expected)


def test_choosing_on_other_runs_is_free_of_the_optimism_of_the_maximum():
    r = np.random.default_rng(2).normal(0, 0.1, (20, 9, 2000))
    assert best_voxel(r).mean() > 0.04
    assert abs(best_cv(r).mean()) < 0.005


def test_one_run_gives_no_cross_validated_choice():
    assert np.isnan(best_cv(made_r(runs=1))).all()


def test_best_mean_is_one_layer_for_both_sides():
    r = made_r()
    region = Region("whole", "shared", *made_brain().halves["shared"])
    best = r[r.mean(axis=(1, 2)).argmax()]
    np.testing.assert_array_equal(FitScores(r).best_mean(region).values, best)


def test_voxels_that_are_not_finite_enter_no_mean_and_change_no_other():
    r = made_r().astype(np.float64)
    with_gap = r.copy()
    with_gap[:, :, 2] = np.nan
    brain = made_brain()
    whole = regions(brain)[0]
    for choice in (BEST_VOXEL, BEST_MEAN, BEST_CV):
        chosen = choose_layers(FitScores(with_gap), regions(brain))[choice, "whole"]
        ((n, mean, _),) = side_summaries(chosen.mean[None], whole.voxels["left"])
        rest = np.delete(np.flatnonzero(whole.left), 2)
        assert n == 4
        assert mean == pytest.approx(chosen.values[:, rest].mean(), abs=1e-12)
    untouched = np.delete(np.arange(10), 2)
    np.testing.assert_array_equal(best_voxel(with_gap)[:, untouched], best_voxel(r)[:, untouched])


def test_layers_that_are_read_one_by_one_give_the_same_bits(tmp_path):
    r = made_r(layers=5).astype(np.float32)
    r[2, :, 3] = np.nan
    save_tensors(tmp_path / "x.safetensors", {"r": r})
    rows = Rows(tmp_path / "x.safetensors", "r")
    assert rows.shape == r.shape
    for chosen in (best_voxel, best_cv):
        np.testing.assert_array_equal(chosen(rows), chosen(r))
    np.testing.assert_array_equal(FitScores(rows).r, r)


@pytest.mark.parametrize("n", [*range(1, 25), 101, 5000])
def test_the_upper_percentile_and_the_sums_are_those_of_numpy_to_the_last_bit(n):
    rng = np.random.default_rng(n)
    scores = np.round(rng.normal(size=(9, n)), 1) if n % 2 else rng.normal(size=(9, n))
    np.testing.assert_array_equal(upper_percentile(scores), np.percentile(scores, 90, axis=1))
    everywhere = np.ones(n, bool)
    region = Region("whole", "shared", everywhere, ~everywhere)
    one = mean_asymmetry(RunScores(scores), region, "whole")
    voxels = np.ascontiguousarray(scores.T)
    assert one.left == voxels.mean()
    other = mean_asymmetry(RunScores(scores), Region("", "", ~everywhere, everywhere), "")
    assert (one.n_left, one.n_right, other.right) == (n, 0, one.left)


def test_some_voxels_of_some_maps_are_summarised_without_what_is_not_finite():
    scores = np.random.default_rng(0).normal(size=(3, 40))
    scores[1, 5] = np.nan
    scores[2] = np.nan
    voxels = np.arange(3, 30)
    found = side_summaries(scores, voxels)
    rest = np.delete(scores[1, voxels], 2)
    assert tuple(found[0]) == (27, scores[0, voxels].mean(), np.percentile(scores[0, voxels], 90))
    assert tuple(found[1]) == (26, rest.mean(), np.percentile(rest, 90))
    assert found[2, 0] == 0
    assert np.isnan(found[2, 1:]).all()


def test_a_layer_without_scores_loses_against_the_others():
    r = made_r()
    r[1] = np.nan
    np.testing.assert_allclose(
        best_voxel(r).mean(axis=0), r[[0, 2]].mean(axis=1).max(axis=0), atol=1e-15
    )


def test_asymmetry_is_the_difference_of_unpaired_means_with_a_corrected_t_over_runs():
    scores = made_r()[0]
    brain = made_brain()
    found = mean_asymmetry(RunScores(scores), regions(brain)[1], "reliable")
    left = scores[:, brain.reliable & brain.halves["shared"][0]]
    right = scores[:, brain.reliable & brain.halves["shared"][1]]
    assert found.difference == pytest.approx(left.mean() - right.mean(), abs=1e-15)
    by_run = left.mean(axis=1) - right.mean(axis=1)
    # each fold is tested on one run and trained on three: 1/4 + 1/3 of the variance
    half = stats.t.ppf(0.975, 3) * by_run.std(ddof=1) * np.sqrt(1 / 4 + 1 / 3)
    expected = (by_run.mean() - half, by_run.mean() + half)
    assert (found.interval.low, found.interval.high) == pytest.approx(expected)
    assert found.ci_kind == "corrected t over 4 runs"
    assert (found.n_left, found.n_right) == (left.shape[1], right.shape[1])


def test_every_published_selection_is_there():
    brain = made_brain()
    scores = made_r()[0]
    names = {
        (one.selection, region.midline)
        for region in regions(brain)
        for one in asymmetries(RunScores(scores), brain, region)
    }
    kinds = {"whole", "reliable", "whole_p90", "reliable_iscnorm"}
    assert names == {(k, m) for k in kinds for m in ("shared", "strict")} | {("TP", "shared")}


def test_normalised_asymmetry_is_the_mean_of_ratios():
    brain = made_brain()
    scores = made_r()[0]
    region = regions(brain)[1]
    found = {one.selection: one for one in asymmetries(RunScores(scores), brain, region)}[
        "reliable_iscnorm"
    ]
    ratio = scores.mean(axis=0) / brain.isc
    assert found.left == pytest.approx(ratio[region.left].mean(), abs=1e-14)
    # an interval over runs would not hold the error of the reliability
    assert np.isnan([found.interval.low, found.interval.high]).all()
    assert (found.ci_kind, found.by_run) == ("", None)


def test_an_upper_percentile_is_taken_in_each_half():
    brain = made_brain(isc=False)
    scores = made_r()[0]
    region = regions(brain)[0]
    found = {one.selection: one for one in asymmetries(RunScores(scores), brain, region)}[
        "whole_p90"
    ]
    assert found.left == np.percentile(scores.mean(axis=0)[region.left], 90)
    assert found.interval.low < found.difference < found.interval.high
    assert found.ci_kind == "corrected jackknife t over 4 runs"


def test_without_reliability_nothing_is_said_of_reliable_voxels():
    assert {region.name for region in regions(made_brain(isc=False))} == {"whole", "TP"}


def test_the_threshold_is_strict():
    isc = np.array([0.0, 1, 2, 3, 4])
    assert reliable_voxels(isc).tolist() == [False, False, False, False, True]


@pytest.mark.parametrize("measure", [mean_asymmetry, percentile_asymmetry])
def test_an_empty_side_is_empty_not_zero(measure):
    nothing = np.zeros(10, dtype=bool)
    found = measure(RunScores(made_r()[0]), Region("TP", "shared", nothing, ~nothing), "TP")
    assert np.isnan(found.left)
    assert np.isnan(found.interval.low)
    assert found.n_left == 0


def test_the_jackknife_of_a_mean_is_the_t_interval():
    values = np.random.default_rng(4).normal(size=9)
    one, other = t_interval(values), jackknife_interval(lambda kept: values[kept].mean(), 9)
    np.testing.assert_allclose([one.low, one.high], [other.low, other.high], atol=1e-12)


@pytest.mark.parametrize("n", [5, 9, 28, 49])
def test_t_intervals_cover(n):
    rng = np.random.default_rng(n)
    intervals = [t_interval(values) for values in rng.normal(0.3, 1, (2000, n))]
    covered = np.mean([one.low <= 0.3 <= one.high for one in intervals])
    assert 0.93 <= covered <= 0.97


def test_intervals_of_too_few_units_are_empty():
    assert np.isnan(t_interval(np.array([1.0])).low)
    assert t_interval(np.array([])).n == 0
    assert np.isnan(fisher_interval(0.5, 3)[0])
    assert np.isfinite(fisher_interval(0.5, 4)).all()


# --- the study's published files --------------------------------------------------------------

PUBLISHED = {
    # voxels, reliable, left, right, 75th percentile
    "en": (25870, 6468, 3297, 3171, 0.48730057791377246),
    "cn": (26050, 6513, 3503, 3010, 0.4386475313938263),
    "fr": (27773, 6943, 3525, 3418, 0.35539362482798376),
}
MEANS = {
    # halves, reliable halves, strict halves
    "en": (0.3677010802186406, 0.36221927615879157, 0.6021566534363972, 0.5859946780012246,
           0.36860852607074, 0.361955827922439),
    "cn": (0.33380852373096104, 0.31812834817010216, 0.5607280870983854, 0.5476826202677048,
           0.33488457745376293, 0.31764981336523407),
    "fr": (0.26556096641040905, 0.2618258324013003, 0.45428596570983004, 0.4447247073542895,
           0.2663978732954715, 0.26124420007101706),
}  # fmt: skip
DISTRIBUTION = {
    # minimum, maximum, mean, median, 25th and 90th percentile
    "en": (-0.022887757303385724, 0.8556880876187666, 0.3649601781887162, 0.34759675501881715,
           0.2358809082080798, 0.6072092290294764),
    "cn": (-0.017798067137449355, 0.8790767275473925, 0.32596843595053165, 0.2979853277720203,
           0.2052575493094514, 0.5623954753882472),
    "fr": (-0.028019491062637902, 0.7888089727216646, 0.2636933321618765, 0.24872104633638775,
           0.15629071321796736, 0.45416799681852305),
}  # fmt: skip
PLACES = {
    # the most reliable voxel and its place in mm, reliable voxels on the midline
    "en": (831, (-56, -10, 4), 294),
    "cn": (24705, (52, -10, 4), 288),
    "fr": (954, (-56, -18, 8), 299),
}
TRIALS = {
    "en": (0.36467, 0.36723, 0.37357, 0.34619, 0.36636,
           0.35591, 0.36229, 0.37824, 0.36898, 0.36616),
    "cn": (0.32725, 0.33190, 0.33509, 0.31970, 0.33083,
           0.33012, 0.32379, 0.32364, 0.32062, 0.31673),
    "fr": (0.25175, 0.26696, 0.26846, 0.26283, 0.26592,
           0.26102, 0.27059, 0.26438, 0.25447, 0.27055),
}  # fmt: skip
ROI_ISC = {
    "TP": (59, 0.5042972185349631, 0.49379508329862914),
    "aSTS": (56, 0.5626196176146098, 0.6314664924684943),
    "pSTS": (69, 0.5963513601679367, 0.6119134509992448),
    "AG_TPJ": (56, 0.6750827385616495, 0.6290366262998283),
    "BA44": (56, 0.5326287348399144, 0.44696486210105457),
    "BA45": (53, 0.641314159586419, 0.5853281907385035),
    "BA47": (81, 0.5718958105882916, 0.45019207895034763),
}


def published_brain(language, rois=()):
    mask = np.asarray(nib.load(SHARED_DATA / f"mask_lpp_{language}.nii.gz").dataobj) > 0
    isc = joblib.load(SHARED_DATA / f"isc_10trials_{language}.gz").mean(axis=0)
    volumes = {
        name: np.asarray(nib.load(SHARED_DATA / "roi_masks" / f"{name}.nii.gz").dataobj) > 0
        for name in rois
    }
    sides = {n: (from_volume(v, mask), from_volume(v[::-1], mask)) for n, v in volumes.items()}
    halves = {"shared": hemispheres(mask, "shared"), "strict": hemispheres(mask, "strict")}
    return Brain(halves, isc, sides)


@needs_reference
@pytest.mark.parametrize("language", PUBLISHED)
def test_published_reliability_gives_the_published_counts_and_means(language):
    brain = published_brain(language)
    n_voxels, n_reliable, n_left, n_right, threshold = PUBLISHED[language]
    found = {(region.name, region.midline): region for region in regions(brain)}
    reliable = found["reliable", "shared"]
    assert brain.n_voxels == n_voxels
    assert int(brain.reliable.sum()) == n_reliable
    assert (int(reliable.left.sum()), int(reliable.right.sum())) == (n_left, n_right)
    assert np.percentile(brain.isc, 75) == pytest.approx(threshold, abs=1e-12)
    keys = (("whole", "shared"), ("reliable", "shared"), ("whole", "strict"))
    means = [mean_asymmetry(RunScores(brain.isc[None]), found[key], key[0]) for key in keys]
    values = [side for one in means for side in (one.left, one.right)]
    np.testing.assert_allclose(values, MEANS[language], atol=1e-12)


@needs_reference
@pytest.mark.parametrize("language", PUBLISHED)
def test_a_given_published_reliability_keeps_its_statistics(language, tmp_path):
    # Through the stage that a user's --isc takes: the restricted reader, and a float32 image.
    mask_path = SHARED_DATA / f"mask_lpp_{language}.nii.gz"
    source = SHARED_DATA / f"isc_10trials_{language}.gz"
    trials = write_given(source, mask_path, str(tmp_path / "given"))
    image = nib.load(tmp_path / "given_isc.nii.gz")
    mask = np.asarray(nib.load(mask_path).dataobj) > 0
    published = from_volume(np.asarray(image.dataobj), mask)
    np.testing.assert_allclose(published, trials, rtol=0, atol=3e-8)
    isc = trials.mean(axis=0)
    found = [isc.min(), isc.max(), isc.mean(), *np.percentile(isc, (50, 25, 90))]
    np.testing.assert_allclose(found, DISTRIBUTION[language], rtol=0, atol=1e-12)
    np.testing.assert_allclose(trials.mean(axis=1), TRIALS[language], rtol=0, atol=5e-6)
    voxel, place, on_midline = PLACES[language]
    assert isc.argmax() == voxel
    grid = np.argwhere(mask)
    np.testing.assert_allclose(image.affine[:3] @ (*grid[voxel], 1), place, atol=1e-9)
    reliable = isc > np.percentile(isc, 75)
    assert (grid[reliable, 0] == 18).sum() == on_midline


@needs_reference
def test_published_regions_give_the_published_sizes_and_reliabilities():
    brain = published_brain("en", tuple(ROI_ISC))
    found = {region.name: region for region in regions(brain)}
    for name, (size, left, right) in ROI_ISC.items():
        one = mean_asymmetry(RunScores(brain.isc[None]), found[name], name)
        assert (one.n_left, one.n_right) == (size, size)
        np.testing.assert_allclose([one.left, one.right], [left, right], atol=1e-12)
