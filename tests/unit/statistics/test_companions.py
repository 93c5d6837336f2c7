"""The honest companions: pairs of voxels, tests over people, thresholds, areas, densities."""

import numpy as np
import pytest
from scipy import stats
from statsmodels.stats.multitest import multipletests

from lateralization.errors import BadInput
from lateralization.files import write_json
from lateralization.fmri.atlas import read_atlas, read_labels, to_grid
from lateralization.sources.atlas import place_atlas
from lateralization.statistics.areas import areas_of, find_partners
from lateralization.statistics.asymmetry import Brain, Region, RunScores, paired_asymmetry
from lateralization.statistics.densities import density
from lateralization.statistics.intervals import corrected_t, t_interval, voxel_bootstrap, widened
from lateralization.statistics.permutation import holm, sign_flip_p, smallest_p
from lateralization.statistics.sensitivity import PERCENTILES, sensitivity_rows
from lateralization.study import GRID_AFFINE, GRID_SHAPE
from lateralization.tables.region_tables import area_rows, parcel_rows, relation_rows
from lateralization.volumes import hemispheres, mirror_index, save_volume


def symmetric_brain(seed=0):
    mask = np.zeros((9, 6, 5), bool)
    mask[1:8, 1:5, 1:4] = True
    n = int(mask.sum())
    halves = {"shared": hemispheres(mask, "shared"), "strict": hemispheres(mask, "strict")}
    isc = np.random.default_rng(seed).uniform(0.1, 0.9, n)
    return Brain(halves, isc, {}, mirror_index(mask)), mask


def test_pairs_compare_each_voxel_with_its_mirror_image():
    brain, mask = symmetric_brain()
    scores = np.random.default_rng(1).normal(size=(4, brain.n_voxels))
    found = paired_asymmetry(
        RunScores(scores), brain, Region("whole", "strict", *brain.halves["strict"])
    )
    volume = np.full((4, *mask.shape), np.nan)
    volume[:, mask] = scores
    expected = np.nanmean((volume - volume[:, ::-1])[:, :4], axis=(1, 2, 3))
    np.testing.assert_allclose(found.by_run, expected, atol=1e-14)
    assert found.interval == widened(t_interval(found.by_run))
    assert found.n_left == found.n_right


def test_a_voxel_that_is_left_out_takes_its_partner_along():
    brain, _ = symmetric_brain()
    scores = np.random.default_rng(1).normal(size=(4, brain.n_voxels))
    region = Region("whole", "strict", *brain.halves["strict"])
    all_pairs = paired_asymmetry(RunScores(scores), brain, region).n_left
    scores[2, np.flatnonzero(region.right)[0]] = np.nan
    found = paired_asymmetry(RunScores(scores), brain, region)
    assert (found.n_left, found.n_right) == (all_pairs - 1, all_pairs - 1)


def test_reliable_pairs_are_chosen_without_favour_to_a_side():
    brain, _ = symmetric_brain()
    better_left = brain.isc + np.where(brain.halves["strict"][0], 5.0, 0.0)
    brain = Brain(brain.halves, better_left, {}, brain.mirror)
    region = Region("reliable", "strict", *brain.halves["strict"])
    found = paired_asymmetry(RunScores(np.zeros((2, brain.n_voxels))), brain, region)
    assert found.n_left == found.n_right > 0


def test_the_sign_flip_test_is_the_exact_permutation_test():
    values = np.random.default_rng(2).normal(0.4, 1, 9)
    oracle = stats.permutation_test(
        (values,), np.mean, permutation_type="samples", n_resamples=np.inf
    )
    assert sign_flip_p(values) == pytest.approx(oracle.pvalue, abs=1e-12)


def test_five_people_cannot_reach_five_percent():
    assert sign_flip_p(np.array([1.0, 2, 3, 4, 5])) == smallest_p(5) == 0.0625
    assert smallest_p(6) < 0.05
    assert np.isnan(sign_flip_p(np.array([np.nan])))


@pytest.mark.parametrize("n", [9, 20])
def test_the_sign_flip_test_has_its_size(n):
    rng = np.random.default_rng(n)
    p = np.array([sign_flip_p(values, 199) for values in rng.standard_t(4, (600, n))])
    assert (p <= 0.05).mean() <= 0.05 + 3 * np.sqrt(0.05 * 0.95 / 600)
    assert (p <= 0.05).mean() > 0.02


@pytest.mark.slow
def test_holm_is_the_stepwise_bonferroni_and_skips_what_is_missing():
    p = [0.01, np.nan, 0.04, 0.03]
    np.testing.assert_allclose(holm(p), [0.03, np.nan, 0.06, 0.06])
    assert len(holm([])) == 0
    rng = np.random.default_rng(0)
    for n in (1, 2, 7, 48):
        many = np.round(rng.uniform(0, 1, n) ** 3, 2)  # with ties
        np.testing.assert_allclose(holm(many), multipletests(many, method="holm")[1], rtol=1e-12)


def test_the_t_over_runs_is_corrected_for_shared_training_runs():
    values = np.append(np.random.default_rng(3).normal(0.5, 1, 9), np.nan)
    runs = values[:9]
    error = np.sqrt(runs.var(ddof=1) * (1 / 9 + 1 / 8))
    interval, p = corrected_t(values)
    assert (interval.mean, interval.n) == (pytest.approx(runs.mean()), 9)
    limits = stats.t.interval(0.95, 8, loc=runs.mean(), scale=error)
    assert (interval.low, interval.high) == pytest.approx(limits)
    assert p == pytest.approx(2 * stats.t.sf(abs(runs.mean()) / error, 8))
    assert p > stats.ttest_1samp(runs, 0).pvalue
    assert corrected_t(-runs)[1] == pytest.approx(p)


def test_without_two_runs_that_differ_there_is_no_p():
    interval, p = corrected_t(np.ones(1))
    assert np.isnan([interval.low, interval.high, p]).all()
    assert np.isnan(corrected_t(np.array([]))[1])
    assert np.isnan(corrected_t(np.ones(4))[1])


def test_the_band_over_voxels_is_scipys_percentile_bootstrap():
    values = np.random.default_rng(3).normal(0.5, 1, 50)
    oracle = stats.bootstrap((values,), np.mean, n_resamples=9999, method="percentile",
                             random_state=0).confidence_interval  # fmt: skip
    np.testing.assert_allclose(voxel_bootstrap(values, 9999), oracle, atol=0.02)


def test_sensitivity_gives_the_published_slope_at_the_published_cut():
    brain, _ = symmetric_brain()
    ln_n = np.log([1e6, 1e7, 1e8, 1e9])
    best = np.random.default_rng(4).normal(size=(4, brain.n_voxels))
    rows = list(sensitivity_rows(best, ln_n, brain))
    assert len(rows) == 3 * len(PERCENTILES)
    row = next(one for one in rows if (one["percentile"], one["midline"]) == (75, "shared"))
    reliable = brain.isc > np.percentile(brain.isc, 75)
    left, right = brain.halves["shared"]
    y = best[:, left & reliable].mean(1) - best[:, right & reliable].mean(1)
    assert row["slope"] == pytest.approx(stats.linregress(ln_n, y).slope, abs=1e-12)
    # In a symmetric brain without a threshold all voxels off the midline are paired.
    whole = {one["midline"]: one["slope"] for one in rows if one["percentile"] == 0}
    assert whole["paired"] == pytest.approx(whole["strict"], rel=1e-9)
    assert abs(whole["paired"]) > 1e-6


def test_the_kernel_of_a_density_has_scotts_width_for_all_values():
    values = np.repeat([0.0, 1.0], 5)
    x, height = density(values)
    width = values.std(ddof=1) * len(values) ** (-1 / 5)
    centres = np.array([[0.05], [0.95]])  # of the first and the last of ten bins
    np.testing.assert_allclose(height, stats.norm.pdf(x, centres, width).mean(axis=0), rtol=1e-9)


def test_a_density_is_the_gaussian_kernel_estimate():
    values = np.random.default_rng(5).gamma(3, 0.1, 5000)
    x, height = density(values)
    np.testing.assert_allclose(height, stats.gaussian_kde(values)(x), atol=2e-3 * height.max())
    assert density(np.ones(100)) is None


# --- a made atlas of 96 labels -----------------------------------------------------------------


def made_atlas(folder):
    """48 areas as bars along y on the left, their mirror images on the right, on a 2 mm grid."""
    shape = (73, 91, 75)
    affine = np.diag([2.0, 2, 2, 1])
    affine[:3, 3] = GRID_AFFINE[:3, 3]
    labels = np.zeros(shape, np.int16)
    for area in range(48):
        row, column = divmod(area, 8)
        place = np.s_[4:36, 10 + 8 * column : 18 + 8 * column, 10 + 8 * row : 18 + 8 * row]
        labels[place] = 2 * area + 1
    right = np.where(labels > 0, labels + 1, 0)[::-1]
    save_volume(labels + right.astype(np.int16), affine, folder / "atlas.nii.gz")
    names = [f"{side} area {area}" for area in range(48) for side in ("Left", "Right")]
    lines = "".join(f"{i}\t{name}\n" for i, name in enumerate(names, 1))
    (folder / "atlas.tsv").write_text("index\tname\n" + lines)
    return [folder / "atlas.nii.gz", folder / "atlas.tsv"]


def test_an_atlas_of_96_labels_gives_48_areas_with_their_means(tmp_path):
    mask = np.ones(GRID_SHAPE, bool)
    atlas, reason = read_atlas(made_atlas(tmp_path))
    areas = atlas.areas(mask, GRID_AFFINE)
    assert (len(areas), reason) == (48, "")
    assert list(areas.sides)[:2] == ["area 0", "area 1"]
    place = np.argwhere(mask)
    values = place @ np.array([0.01, 0.02, 0.03])
    rows = list(parcel_rows(values, areas))
    left, right = areas.sides["area 9"]
    assert left.sum() == right.sum() > 0
    assert (place[left][:, 0] < 18).all()
    assert (place[right][:, 0] > 18).all()
    row = rows[9]
    assert row["left_minus_right"] == pytest.approx(values[left].mean() - values[right].mean())


def test_a_voxel_that_is_left_out_has_no_part_in_an_area_s_reliability(tmp_path):
    mask = np.ones(GRID_SHAPE, bool)
    areas = read_atlas(made_atlas(tmp_path))[0].areas(mask, GRID_AFFINE)
    isc = np.random.default_rng(7).uniform(size=mask.sum())
    left, right = areas.sides["area 3"]
    isc[np.flatnonzero(left)[:2]] = np.nan
    row = area_rows(None, np.arange(0.0), isc, areas)[3]
    assert row["isc_left"] == pytest.approx(np.nanmean(isc[left]))
    assert row["isc_right"] == pytest.approx(isc[right].mean())
    expected = stats.ttest_ind(isc[left], isc[right], nan_policy="omit").pvalue
    assert row["isc_p"] == pytest.approx(expected)


def test_areas_have_the_published_t_test_and_the_slope_over_models(tmp_path):
    mask = np.ones(GRID_SHAPE, bool)
    areas = read_atlas(made_atlas(tmp_path))[0].areas(mask, GRID_AFFINE)
    rng = np.random.default_rng(6)
    isc, best = rng.uniform(size=mask.sum()), rng.normal(size=(5, mask.sum()))
    ln_n = np.arange(5.0)
    rows = area_rows(best, ln_n, isc, areas)
    left, right = areas.sides["area 20"]
    assert rows[20]["isc_p"] == pytest.approx(stats.ttest_ind(isc[left], isc[right]).pvalue)
    y = best[:, left].mean(1) - best[:, right].mean(1)
    assert rows[20]["slope"] == pytest.approx(stats.linregress(ln_n, y).slope)
    assert all(row["isc_p_holm"] >= row["isc_p"] for row in rows)
    found = {row["quantity"]: row for row in relation_rows(rows)}
    x = [row["isc_left_minus_right"] for row in rows]
    slopes = [row["slope"] for row in rows]
    assert found["parcel_slope_vs_isc"]["r"] == pytest.approx(stats.pearsonr(x, slopes)[0])
    assert (found["parcel_slope_vs_isc"]["n"], found["parcel_score_vs_isc"]["n"]) == (48, 96)


def test_labels_move_to_the_grid_by_nearest_neighbours():
    labels = np.arange(27).reshape(3, 3, 3) * 10_000  # FreeSurfer's and others' are that large
    affine = np.eye(4)
    assert np.array_equal(to_grid(labels, affine, affine, (3, 3, 3)), labels)


def test_without_an_atlas_there_is_a_reason(tmp_path):
    write_json({"reason": "the site was down"}, tmp_path / "atlas.json")
    assert read_atlas([tmp_path / "atlas.json"]) == (None, "the site was down")
    assert read_atlas([])[1] == "this run has no atlas"


def test_labels_that_cannot_be_paired_are_bad_input(tmp_path):
    with pytest.raises(BadInput, match=r"partners \(Left a, Right b\)"):
        find_partners({1: "Left a", 2: "Right b"}, {})
    with pytest.raises(BadInput, match="1 and 3 are both"):
        find_partners({1: "Left a", 2: "Right a", 3: "Left a"}, {})
    with pytest.raises(BadInput, match="2 and 5 are both 'a'"):
        find_partners({2: "a", 5: "a"}, {})
    (tmp_path / "x.tsv").write_text("index\tname\none\tLeft a\n")
    with pytest.raises(BadInput, match="no table of index and name"):
        read_labels(tmp_path / "x.tsv")
    (tmp_path / "x.tsv").write_text("index\tlabel\n1\tLeft a\n")
    with pytest.raises(BadInput, match="its columns are index, label"):
        read_labels(tmp_path / "x.tsv")


def test_labels_may_begin_with_a_byte_order_mark(tmp_path):
    (tmp_path / "x.tsv").write_text("index\tname\n1\tLeft a\n", encoding="utf-8-sig")
    assert read_labels(tmp_path / "x.tsv") == {1: "Left a"}


@pytest.mark.parametrize(
    ("left", "right", "area"),
    [
        ("Left Frontal Pole", "Right Frontal Pole", "Frontal Pole"),
        ("Hippocampus_L", "Hippocampus_R", "Hippocampus"),
        ("ctx-lh-cuneus", "ctx-rh-cuneus", "ctx cuneus"),
        ("7Networks_LH_Vis_1", "7Networks_RH_Vis_1", "7Networks Vis_1"),
        ("L_V1_ROI", "R_V1_ROI", "V1_ROI"),
    ],
)
def test_partners_are_found_by_their_names_whatever_their_numbers(left, right, area):
    names = {12: left, 7: right, 3: "L_only"}
    assert find_partners(names, {}) == {area: (12, 7)}


def test_a_name_without_a_side_is_cut_at_the_midline():
    labels = np.array([4, 4, 4, 4, 5])
    halves = np.array([1, 1, 0, 0, 0], bool), np.array([0, 0, 0, 1, 1], bool)
    partners = find_partners({4: "Brain stem", 5: "R lobe"}, {4: (2, 1), 5: (0, 1)})
    assert partners == {"Brain stem": (4, 4)}
    areas = areas_of(labels, partners, halves)
    assert areas.sides["Brain stem"][0].tolist() == [True, True, False, False, False]
    assert areas.sides["Brain stem"][1].tolist() == [False, False, False, True, False]


@pytest.mark.parametrize("ending", [".tsv", ".csv"])
def test_an_own_atlas_is_brought_with_its_labels(tmp_path, ending):
    image, table = made_atlas(tmp_path)
    own = tmp_path / f"names{ending}"
    own.write_text(table.read_text().replace("\t", "," if ending == ".csv" else "\t"))
    table.unlink()
    (tmp_path / "out").mkdir()
    place_atlas([own, image], tmp_path, tmp_path / "out")
    files = sorted((tmp_path / "out").iterdir())
    atlas, reason = read_atlas(files)
    assert reason == ""
    assert len(atlas.areas(np.ones(GRID_SHAPE, bool), GRID_AFFINE)) == 48
