"""The specification curve: saved scores read as the other tables do, regressed as scipy does."""

import importlib
from pathlib import Path

import numpy as np
import pytest

from lateralization.statistics.asymmetry import (
    BEST_CV,
    BEST_VOXEL,
    SHARED,
    STRICT,
    Brain,
    FitScores,
    choose_layers,
    mean_asymmetry,
    percentile_asymmetry,
    regions,
)
from lateralization.statistics.specifications import (
    FACTORS,
    FIXED,
    Reading,
    Specification,
    curve,
    fixed_layer,
    influence,
    run_sets,
    specify,
)

N_VOXELS = 400


@pytest.fixture(scope="module")
def brain():
    """A line of voxels, the left half first; the two in the middle are the midline."""
    rng = np.random.default_rng(0)
    left = np.arange(N_VOXELS) < N_VOXELS // 2
    edge = np.abs(np.arange(N_VOXELS) - N_VOXELS / 2 + 0.5) < 1
    halves = {SHARED: (left, ~left), STRICT: (left & ~edge, ~left & ~edge)}
    roi = (np.arange(N_VOXELS) < 30, np.arange(N_VOXELS) >= N_VOXELS - 30)
    return Brain(
        halves, rng.uniform(0.1, 0.9, N_VOXELS), {"TP": roi}, np.arange(N_VOXELS)[::-1].copy()
    )


def scores(seed, n_layers=4, n_runs=5):
    rng = np.random.default_rng(seed)
    level = rng.uniform(0.1, 0.3, (n_layers, 1, N_VOXELS))
    return (level + rng.normal(0, 0.05, (n_layers, n_runs, N_VOXELS))).astype(np.float32)


def test_the_published_specification_is_the_number_of_the_asymmetry_table(brain):
    r = scores(1)
    found = specify(FitScores(r), brain, range(4), 3, "run-1")
    for region in regions(brain):
        if region.name not in ("whole", "reliable"):
            continue
        chosen = choose_layers(FitScores(r), [region])
        for rule in (BEST_VOXEL, "best_mean", BEST_CV):
            one = mean_asymmetry(chosen[rule, region.name], region, "")
            place = Specification(rule, region.name, region.midline, "mean", "all")
            assert found[place] == pytest.approx(one.difference, abs=1e-9)
            upper = percentile_asymmetry(chosen[rule, region.name], region, "")
            place = Specification(rule, region.name, region.midline, "p90", "all")
            assert found[place] == pytest.approx(upper.difference, abs=1e-9)


def test_without_run_1_nothing_of_run_1_is_used(brain):
    r = scores(2)
    changed = r.copy()
    changed[:, 0] = np.random.default_rng(9).uniform(-1, 1, changed[:, 0].shape)
    first, second = (
        specify(FitScores(r), brain, range(4), 3, "run-1"),
        specify(FitScores(changed), brain, range(4), 3, "run-1"),
    )
    for one, value in first.items():
        if one.runs == "without_run_1":
            assert second[one] == value
        elif one.voxels == "whole":
            assert second[one] != value
    assert list(run_sets(FitScores(r[:, :2]), "run-1")) == ["all"]


def test_left_out_voxels_and_missing_reliability_leave_the_rest_whole(brain):
    r = scores(3)
    r[:, :, 7] = np.nan
    found = specify(FitScores(r), brain, range(4), 3, "run-1")
    assert np.isfinite(list(found.values())).all()
    bare = specify(FitScores(r), Brain(brain.halves), range(4), 3, "run-1")
    assert {one.voxels for one in bare} == {"whole"}
    assert "over_ceiling" not in {one.summary for one in bare}
    assert {one.midline for one in bare} == {SHARED, STRICT}


def test_the_fixed_layer_lies_at_two_thirds():
    assert fixed_layer(range(13), 12) == 8
    assert fixed_layer((0, 6, 12), 12) == 1
    assert fixed_layer((0,), np.nan) == 0


def planted(brain, rise, n_models=10):
    """Models whose left half gains ``rise`` per unit of ln N."""
    models = []
    for k in range(n_models):
        r = scores(10 + k)
        r[:, :, : N_VOXELS // 2] += rise * k
        models.append(
            Reading(float(k), "ab"[k % 2], specify(FitScores(r), brain, range(4), 3, "run-1"))
        )
    return models


def test_a_planted_rise_stands_in_every_specification_and_nothing_in_about_half(brain):
    rows = curve(planted(brain, 0.05))
    assert {row["families"] for row in rows} == {"all", "without a", "without b"}
    assert {row["layer"] for row in rows} == {BEST_VOXEL, "best_mean", BEST_CV, FIXED}
    n = 4 * (4 * 3 + 1) * 4 * 2 * 3
    assert len(rows) == n
    assert min(row["r"] for row in rows) > 0.9
    null = curve(planted(brain, 0.0), by_family=False)
    share = np.mean([row["slope_low"] > 0 for row in null])
    assert share < 0.3


def test_every_option_has_its_median_and_its_models(brain):
    rows = curve(planted(brain, 0.02))
    for row in rows:
        row["r"] = 0.9 if row["summary"] == "mean" else 0.1
    found = influence(rows)
    assert {row["choice"] for row in found} == set(FACTORS)
    medians = {row["option"]: row["median_r"] for row in found if row["choice"] == "summary"}
    assert medians == {"mean": 0.9, "p90": 0.1, "index": 0.1, "over_ceiling": 0.1}
    models = {row["option"]: (row["least_models"], row["most_models"]) for row in found}
    assert models["mean"] == (5, 10)
    assert models["without a"] == (5, 5)
    assert influence([]) == []
    assert curve([]) == []


def test_the_shares_of_an_option_count_its_positive_and_its_certain_specifications(brain):
    rows = curve(planted(brain, 0.05), by_family=False)
    for place, row in enumerate(rows):
        row["r"], row["slope_low"] = (0.5, -0.5)[place % 4 == 0], (0.1, -0.1)[place % 2]
        row["slope_high"] = (1.0, -0.05)[place % 4 == 1]
    for row in influence(rows):
        mine = [i for i, one in enumerate(rows) if str(one[row["choice"]]) == row["option"]]
        assert row["n_specifications"] == len(mine)
        assert row["share_positive"] == pytest.approx(np.mean([i % 4 != 0 for i in mine]))
        assert row["share_above_0"] == pytest.approx(np.mean([i % 2 == 0 for i in mine]))
        assert row["share_below_0"] == pytest.approx(np.mean([i % 4 == 1 for i in mine]))


def test_a_specification_needs_five_models(brain):
    models = planted(brain, 0.05, n_models=9)  # five of family a, four of b
    assert {row["families"] for row in curve(models)} == {"all", "without b"}
    assert {row["n_models"] for row in curve(models)} == {5, 9}
    assert curve(models[:4], by_family=False) == []


def test_the_benchmark_counts_every_specification(monkeypatch):
    monkeypatch.syspath_prepend(str(Path(__file__).parents[3] / "benchmarks"))
    measure = importlib.import_module("specifications").measure
    seconds, n = measure(n_models=6, n_voxels=200, n_layers=3, n_runs=4)
    assert seconds > 0
    assert n == 4 * 13 * 4 * 2 * 7
