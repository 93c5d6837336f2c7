"""Voxels against mirror images over people: the largest t, its size, and what is planted."""

from itertools import product
from types import SimpleNamespace

import numpy as np
import pytest
from safetensors.numpy import load_file
from scipy import stats
from scipy.ndimage import gaussian_filter1d

from helpers.made_runs import MadeRun, write_run
from lateralization.statistics.permutation import max_t
from lateralization.tables.lateralize import lateralize
from lateralization.tables.people import SLOPE, _pair_row, person_maps
from lateralization.tables.read import read_tables


def test_it_is_the_enumeration_of_all_flips():
    values = np.random.default_rng(0).normal(0.4, 1, (7, 20))
    found = max_t(values)
    np.testing.assert_allclose(found.t, stats.ttest_1samp(values, 0).statistic)
    flips = np.array(list(product((1, -1), repeat=7)))
    largest = [np.abs(stats.ttest_1samp(values * flip[:, None], 0).statistic).max()
               for flip in flips]  # fmt: skip
    expected = [np.mean(np.array(largest) >= abs(t) - 1e-9) for t in found.t]
    np.testing.assert_allclose(found.p, expected)
    assert found.p_smallest == 2 / 128
    assert ((np.abs(found.t) >= found.threshold) == (found.p <= 0.05)).all()


@pytest.mark.parametrize("n", [6, 20])
def test_chance_is_found_anywhere_in_one_of_twenty_smooth_brains(n):
    rng = np.random.default_rng(n)
    hits = [
        max_t(gaussian_filter1d(rng.standard_t(4, (n, 60)), 2, axis=1), seed).p.min() <= 0.05
        for seed in range(150)
    ]
    assert np.mean(hits) <= 0.05 + 3 * np.sqrt(0.05 * 0.95 / 150)


def test_a_planted_pair_is_found_and_the_others_are_not():
    values = np.random.default_rng(1).normal(0, 1, (20, 300))
    values[:, 17] += 2
    found = max_t(values)
    assert list(np.flatnonzero(found.p <= 0.05)) == [17]
    assert found.t[17] > found.threshold


def test_five_people_are_too_few_and_constants_are_never_found():
    values = np.random.default_rng(2).normal(3, 1, (5, 30))
    values[:, 3] = 1.0
    found = max_t(values)
    assert found.threshold == np.inf
    assert found.p.min() == 0.0625
    assert (found.t[3], found.p[3]) == (0, 1)


@pytest.mark.parametrize(
    ("n", "n_pairs", "reason"),
    [(2, 50, "2 subjects with a value, 3 needed"), (5, 0, "no common pair")],
)
def test_the_reason_says_what_is_lacking(n, n_pairs, reason):
    assert _pair_row({"language": "en"}, n, n_pairs, None)["reason"] == reason


@pytest.mark.parametrize(
    ("sizes", "has_slope"),
    [((1e6, 1e8, 1e9), True), ((1e6, 1e8), False), ((1e6, 1e6, 1e6), False)],
)
def test_a_person_has_a_slope_map_from_three_models_of_different_size(sizes, has_slope):
    mask = np.ones((4, 2, 2), bool)
    values = np.random.default_rng(3).normal(size=(len(sizes), mask.sum())).astype(np.float32)
    members = [
        SimpleNamespace(fit=SimpleNamespace(model=f"m{i}", kind="model", n_parameters=n), best=best)
        for i, (n, best) in enumerate(zip(sizes, values, strict=True))
    ]
    maps = person_maps(members, SimpleNamespace(mask=mask))
    assert sum(quantity == "l_minus_r" for quantity, _ in maps) == len(sizes)
    assert ((SLOPE, "") in maps) == has_slope
    if has_slope:
        differences = np.stack([maps["l_minus_r", f"m{i}"][:2].ravel() for i in range(3)])
        expected = np.polyfit(np.log(sizes), differences, 1)[0]
        np.testing.assert_allclose(maps[SLOPE, ""][:2].ravel(), expected, rtol=1e-5, atol=1e-7)
        assert np.isnan(maps[SLOPE, ""][2:]).all()


@pytest.mark.slow
def test_the_table_counts_the_pairs_of_a_made_run(tmp_path):
    people = tuple(f"EN{900 + i}" for i in range(7))
    run = MadeRun(models={"a": 1e6, "b": 1e8, "c": 1e10}, subjects=("average", *people),
                  layers=1, baselines=False, rois=False, run_noise=0.001)  # fmt: skip
    lateralize(write_run(tmp_path / "in", run), tmp_path / "tables")
    rows = read_tables(tmp_path / "tables")["voxel_pairs"].set_index("quantity")
    slope = rows.loc["slope_l_minus_r"]
    assert slope["n_subjects"] == 7
    assert slope["n_left"] > 0.9 * slope["n_pairs"]  # the left rises by 0.01 per unit of ln N
    assert slope["n_right"] == 0
    assert list(rows.loc["l_minus_r", "model"]) == ["a", "b", "c"]


@pytest.mark.slow
def test_the_map_marks_the_pairs_that_the_table_counts(tmp_path):
    people = tuple(f"EN{900 + i}" for i in range(7))
    run = MadeRun(models={"a": 1e6, "b": 1e8, "c": 1e10}, subjects=people, layers=1, rise=0.0,
                  isc=False, baselines=False, rois=False, run_noise=0.001)  # fmt: skip
    lateralize(write_run(tmp_path / "in", run), tmp_path / "tables")
    rows = read_tables(tmp_path / "tables")["voxel_pairs"].set_index("quantity")
    slope = rows.loc["slope_l_minus_r"]
    maps = load_file(tmp_path / "tables" / "maps.safetensors")
    (clear,) = (values for name, values in maps.items() if name.endswith("pairs_clear"))
    assert clear.sum() == slope["n_left"] + slope["n_right"] < slope["n_pairs"]
