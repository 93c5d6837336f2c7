"""Asymmetries in other units than r, and of the cerebellum, from files to rows."""

import json
from dataclasses import astuple, replace

import numpy as np
import pytest
from scipy import stats

from helpers.made_runs import MadeRun, made_mask, write_run
from lateralization.files import read_tensors, save_tensors
from lateralization.statistics.asymmetry import Asymmetry, Brain, regions
from lateralization.statistics.intervals import ratio_interval, t_interval
from lateralization.statistics.regressions import NO_VOXEL
from lateralization.study import GRID_AFFINE, GRID_SHAPE
from lateralization.tables.fits import cerebellar_sides, read_space
from lateralization.tables.lateralize import build
from lateralization.tables.read import of
from lateralization.tables.summaries import _without_index
from lateralization.volumes import save_volume

N_RUNS, N_TRIALS = 9, 4
RULES = {"subject": "average", "layer": "best_cv", "midline": "strict"}


def box():
    """The cerebellar box on the study's grid, both sides, said again from its coordinates."""
    inside = np.zeros(GRID_SHAPE, bool)
    for i, j, k in np.ndindex(*GRID_SHAPE):
        x, y, z = 4 * i - 72, 4 * j - 106, 4 * k - 64
        inside[i, j, k] = 8 <= abs(x) <= 40 and -84 <= y <= -48 and -56 <= z <= -32
    return inside


@pytest.fixture(scope="module")
def made(tmp_path_factory):
    """Tables of a run whose mask holds the cerebellum, with its scores, halves and hemispheres."""
    folder = tmp_path_factory.mktemp("units")
    mask = made_mask() | box()
    inputs = write_run(folder, MadeRun(subjects=("average", "EN901"), baselines=False, mask=mask))
    rng = np.random.default_rng(0)
    place = np.argwhere(mask)[:, 0] - 18
    signal = 0.3 + 0.02 * (place < 0) + rng.normal(0, 0.05, len(place))
    halves = signal + rng.normal(0, 0.1, (N_TRIALS, N_RUNS, len(place)))
    paths = [folder / "lang-en_isc_runs.safetensors"]
    stories = json.dumps([f"run-{run}" for run in range(1, N_RUNS + 1)])
    save_tensors(paths[0], {"split_half": halves.astype(np.float32)}, {"stories": stories})
    tables = build(replace(inputs, ceilings=paths)).tables
    r = {
        model: read_tensors(folder / f"lang-en_sub-average_model-{model}_runs.safetensors")["r"]
        for model in ("tiny", "small", "medium", "large")
    }
    return tables, r, halves.astype(np.float32).astype(float), place


def best_cv(r):
    """Scores (runs, voxels) at the layer that is best on the other runs."""
    r = r.astype(float)
    chosen = np.empty(r.shape[1:])
    for run in range(len(chosen)):
        layer = np.delete(r, run, axis=1).mean(axis=1).argmax(axis=0)
        chosen[run] = r[layer, run, np.arange(r.shape[2])]
    return chosen


def fieller(top, bottom):
    """Fieller's limits in their closed form, variances of the means corrected."""
    n = len(top)
    (vaa, vab), (_, vbb) = np.cov(top, bottom) * (1 / n + 1 / (n - 1))
    t, ratio = stats.t.ppf(0.975, n - 1), top.mean() / bottom.mean()
    g = t**2 * vbb / bottom.mean() ** 2
    root = np.sqrt(vaa - 2 * ratio * vab + ratio**2 * vbb - g * (vaa - vab**2 / vbb))
    middle, half = ratio - g * vab / vbb, t / bottom.mean() * root
    return ratio, (middle - half) / (1 - g), (middle + half) / (1 - g)


@pytest.mark.slow
def test_every_index_and_its_limits_are_those_of_the_scores(made):
    tables, r, _, place = made
    in_box = box()[made_mask() | box()]
    sides = {
        "whole": (place < 0, place > 0),
        "cerebellum": (in_box & (place < 0), in_box & (place > 0)),
    }
    compared = 0
    for model, scores in r.items():
        ways = {"best_cv": best_cv(scores)}
        ways["best_voxel"] = scores.astype(float)[
            scores.astype(float).mean(axis=1).argmax(axis=0), :, np.arange(scores.shape[2])
        ].T
        for layer, by_run in ways.items():
            for selection, (left, right) in sides.items():
                row = of(
                    tables["asymmetry"], **RULES | {"layer": layer}, model=model,
                    selection=selection,
                ).iloc[0]  # fmt: skip
                lefts, rights = by_run[:, left].mean(axis=1), by_run[:, right].mean(axis=1)
                expected = fieller(lefts - rights, lefts + rights)
                found = row[["laterality_index", "index_low", "index_high"]].astype(float)
                np.testing.assert_allclose(found, expected, rtol=1e-7)
                assert row["reason"] == ""
                assert row["laterality_index"] == pytest.approx(
                    row["left_minus_right"] / (row["left"] + row["right"])
                )
                compared += 3
    assert compared >= 20
    percentiles = of(tables["asymmetry"], selection="whole_p90")
    assert percentiles["laterality_index"].isna().all()
    assert set(percentiles["reason"]) == {"no index of percentiles"}


@pytest.mark.slow
def test_the_slope_of_the_index_is_that_of_the_table(made):
    tables, _, _, _ = made
    for selection in ("whole", "reliable"):
        rows = of(tables["asymmetry"], **RULES, selection=selection, kind="model")
        line = of(
            tables["regressions"], **RULES, outcome=f"laterality_index_{selection}",
            predictor="ln_n_parameters", subset="all",
        ).iloc[0]  # fmt: skip
        expected = stats.linregress(np.log(rows["n_parameters"]), rows["laterality_index"])
        assert line["slope"] == pytest.approx(expected.slope)
        assert line["p"] == pytest.approx(expected.pvalue)
        assert line["runs_low"] < line["slope"] < line["runs_high"]


@pytest.mark.slow
def test_the_slope_in_the_ceiling_carries_the_error_of_the_ceiling(made):
    tables, r, halves, place = made
    ceiling, each = (
        np.sqrt(2 * np.clip(one, 0, 1) / (1 + np.clip(one, 0, 1)))
        for one in (halves.mean(axis=0), halves)
    )
    ln_n = np.log([1e6, 1e7, 1e8, 1e9])
    by_run, by_trial = np.empty((4, N_RUNS)), np.zeros((4, N_TRIALS))
    for number, scores in enumerate(r.values()):
        best = best_cv(scores)
        for run in range(N_RUNS):
            others = np.delete(ceiling, run, axis=0).mean(axis=0)
            high = others > np.percentile(others, 75)
            left, right = high & (place < 0), high & (place > 0)
            by_run[number, run] = (
                best[run, left].mean() / ceiling[run, left].mean()
                - best[run, right].mean() / ceiling[run, right].mean()
            )
            by_trial[number] += (
                best[run, left].mean() / each[:, run, left].mean(axis=1)
                - best[run, right].mean() / each[:, run, right].mean(axis=1)
            ) / N_RUNS
    slopes = np.polyfit(ln_n, by_run, 1)[0]
    of_trials = np.polyfit(ln_n, by_trial, 1)[0].var(ddof=1) / N_TRIALS
    error = np.sqrt(slopes.var(ddof=1) * (1 / N_RUNS + 1 / (N_RUNS - 1)) + of_trials)
    half = stats.t.ppf(0.975, N_RUNS - 1) * error
    line = of(
        tables["regressions"], **RULES, outcome="in_ceiling_reliable", subset="all",
        predictor="ln_n_parameters",
    ).iloc[0]  # fmt: skip
    assert line["slope"] == pytest.approx(slopes.mean(), rel=1e-6)
    assert line["runs_low"] == pytest.approx(slopes.mean() - half, rel=1e-5)
    assert line["runs_p"] == pytest.approx(2 * stats.t.sf(abs(slopes.mean()) / error, 8), rel=1e-4)
    shares = of(
        tables["ceilings"], subject="average", midline="strict", hemisphere="left_minus_right"
    ).sort_values("n_parameters")
    assert np.allclose(shares["share"], by_run.mean(axis=1), rtol=1e-6)
    # other rules of the layer have none, nor has a person without a ceiling
    names = of(tables["regressions"], outcome="in_ceiling_reliable")
    assert set(names["layer"]) == {"best_cv"}
    assert set(names["subject"]) == {"average"}


def _sides(difference, total):
    """Return left and right of each run."""
    return None if total is None else np.stack([total + difference, total - difference]) / 2


def test_why_an_index_is_empty_is_said():
    rng = np.random.default_rng(0)
    runs, nothing = rng.normal(0.3, 0.01, 9), rng.normal(0, 0.1, 9)
    cases = {
        "": (5, runs / 10 + nothing / 100, runs),
        NO_VOXEL: (0, runs, runs),
        "no index of percentiles": (5, None, None),
        "one test run, 2 needed": (5, runs[:1], runs[:1]),
        "left + right is not clearly above 0": (5, runs, nothing),
        "left and right are in one proportion in all test runs": (5, np.ones(9), np.full(9, 2.0)),
    }
    for reason, (n_left, difference, total) in cases.items():
        interval = t_interval(np.empty(0))
        sides = Asymmetry("whole", 1.0, 0.0, n_left, 5, interval, "", _sides(difference, total))
        assert _without_index(sides) == reason
        if reason == "":
            assert astuple(sides.index) == pytest.approx(
                astuple(ratio_interval(difference, total)), rel=1e-9
            )
            assert sides.index_by_run.mean() == pytest.approx(sides.index.mean)
    assert sides.index.mean == 0.5


def test_a_run_moves_the_index_as_its_influence_says():
    """Delta method: the index without a run is, to first order, that of the others' influences."""
    rng = np.random.default_rng(2)
    total = rng.normal(0.4, 0.004, 9)
    difference = 0.1 * total + rng.normal(0, 0.004, 9)
    sides = Asymmetry("whole", 1, 0, 5, 5, t_interval(total), "", _sides(difference, total))
    for run in range(9):
        kept = np.arange(9) != run
        exact = difference[kept].mean() / total[kept].mean()
        assert sides.index_by_run[kept].mean() == pytest.approx(exact, abs=2e-5)


# ---- the cerebellum ------------------------------------------------------------------------------


def test_the_cerebellum_is_the_documented_box_where_the_mask_holds_half_of_it():
    everything = np.ones(GRID_SHAPE, bool)
    left, right = cerebellar_sides(everything, GRID_AFFINE)
    x = np.nonzero(everything)[0] - 18
    assert np.array_equal(left | right, box()[everything])
    assert np.array_equal(left, box()[everything] & (x < 0))
    assert cerebellar_sides(made_mask(), GRID_AFFINE) is None
    low = box()
    low[:, :, :5] = False  # above z = -48
    assert low.sum() < 0.75 * box().sum()
    assert cerebellar_sides(low, GRID_AFFINE) is not None
    low[20:] = False  # little of the right
    assert cerebellar_sides(low, GRID_AFFINE) is None


def test_a_mask_with_the_cerebellum_has_it_as_a_region(tmp_path):
    path = tmp_path / "mask.nii.gz"
    save_volume((made_mask() | box()).astype(np.int8), GRID_AFFINE, path)
    space = read_space(path, None, [], "en")
    names = [(one.name, one.midline) for one in regions(space.brain)]
    assert names == [("whole", "shared"), ("whole", "strict"), ("cerebellum", "strict")]
    gone = int(np.flatnonzero(space.brain.cerebellum[0])[0])
    assert not space.without([gone]).brain.cerebellum[0][gone]
    assert space.without([gone]).brain.cerebellum[0].sum() == space.brain.cerebellum[0].sum() - 1
    assert Brain(space.brain.halves).cerebellum is None


def test_a_region_of_an_asymmetric_mask_has_voxels_with_a_partner_only(tmp_path):
    mask, roi = made_mask(), np.zeros(GRID_SHAPE)
    roi[12:15, 20:24, 16:20] = 1
    mask[13, 21] = mask[22, 22] = False  # one on the side of the sphere, one on the other
    found = []
    for flip in (False, True):
        mine = mask[::-1] if flip else mask
        save_volume(mine.astype(np.int8), GRID_AFFINE, tmp_path / "mask.nii.gz")
        save_volume(roi * mine, GRID_AFFINE, tmp_path / "lang-en_roi-A.nii.gz")
        brain = read_space(
            tmp_path / "mask.nii.gz", None, [tmp_path / "lang-en_roi-A.nii.gz"], "en"
        )
        volumes = [np.zeros(GRID_SHAPE, bool) for _ in range(2)]
        for volume, side in zip(volumes, brain.brain.rois["A"], strict=True):
            volume[mine] = side
        found.append(volumes)
    assert found[0][0].sum() == found[0][1].sum() == 48 - 8
    assert np.array_equal(found[0][0], found[1][1][::-1])
    assert np.array_equal(found[0][1], found[1][0][::-1])
