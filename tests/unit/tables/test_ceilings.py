"""Ceilings that are ceilings: what they estimate, and that no voxel is chosen by its own noise."""

import json
from dataclasses import replace

import numpy as np
import pytest

from helpers.made_runs import MadeRun, made_mask, write_run
from lateralization.files import save_tensors
from lateralization.fmri.signals import columns_r
from lateralization.report.sections import answers
from lateralization.statistics.asymmetry import SHARED, STRICT, Brain
from lateralization.statistics.ceilings import average_ceiling, chosen_elsewhere
from lateralization.tables.ceiling_tables import ceiling_rows
from lateralization.tables.fits import Fit
from lateralization.tables.lateralize import build

FIT = Fit("en", "average", "m")


def group(n_subjects, n_scans, strengths, seed=0):
    """Subjects that share a signal in every voxel, of given share of the variance."""
    rng = np.random.default_rng(seed)
    signal = rng.standard_normal((n_scans, len(strengths)))
    noise = rng.standard_normal((n_subjects, n_scans, len(strengths)))
    return signal, np.sqrt(strengths) * signal + np.sqrt(1 - strengths) * noise


def test_columns_are_correlated_as_numpy_does():
    a, b = np.random.default_rng(0).standard_normal((2, 40, 5))
    b[:, 4] = 1
    expected = [np.corrcoef(a[:, i], b[:, i])[0, 1] for i in range(4)]
    np.testing.assert_allclose(columns_r(a, b)[:4], expected)
    assert np.isnan(columns_r(a, b)[4])


def test_the_ceiling_is_what_the_true_signal_reaches():
    strengths = np.linspace(0.02, 0.5, 30)
    signal, subjects = group(12, 20000, strengths)
    halves = columns_r(subjects[:6].mean(0), subjects[6:].mean(0))[None, None]
    reached = columns_r(signal, subjects.mean(0))
    np.testing.assert_allclose(average_ceiling(halves)[0], reached, atol=0.02)


def test_a_negative_reliability_is_a_ceiling_of_0():
    assert average_ceiling(np.full((3, 2, 1), -0.4)).tolist() == [[0.0], [0.0]]


def test_the_voxels_of_a_run_do_not_depend_on_it():
    ceiling = np.random.default_rng(0).uniform(0, 1, (9, 400))
    before = chosen_elsewhere(ceiling)
    changed = ceiling.copy()
    changed[4] = np.random.default_rng(1).uniform(0, 1, 400)
    after = chosen_elsewhere(changed)
    np.testing.assert_array_equal(after[4], before[4])
    assert (after[3] != before[3]).any()
    assert before.sum(axis=1).tolist() == [100] * 9


def test_noise_alone_is_not_chosen_into_a_high_ceiling():
    # Chosen on all runs, the voxels' mean ceiling in a run is above that of all voxels by chance.
    ceiling = np.random.default_rng(2).uniform(0, 0.4, (9, 4000))
    everywhere = ceiling.mean(0) > np.percentile(ceiling.mean(0), 75)
    assert ceiling[:, everywhere].mean() > 0.24
    chosen = chosen_elsewhere(ceiling)
    honest = np.mean([run[own].mean() for run, own in zip(ceiling, chosen, strict=True)])
    assert honest == pytest.approx(0.2, abs=0.005)


def test_a_share_takes_away_what_noise_does_to_a_side():
    """The same model on both sides, the right one noisier: raw is not 0, the share is."""
    rng, left = np.random.default_rng(3), np.arange(300) < 150
    brain = Brain({SHARED: (left, ~left), STRICT: (left, ~left)})
    ceiling = np.where(left, 0.8, 0.5) + rng.normal(0, 0.05, (9, 300))
    r = 0.6 * np.where(left, 0.8, 0.5) + rng.normal(0, 0.05, (9, 300))
    rows = {row["hemisphere"]: row for row in ceiling_rows(FIT, r, ceiling, brain, "split_half")
            if row["midline"] == STRICT}  # fmt: skip
    assert rows["left"]["share"] == pytest.approx(0.6, abs=0.03)
    assert np.isnan(rows["right"]["share"])  # no right voxel is among the best quarter
    counts = {name: row["n_voxels"] for name, row in rows.items()}
    assert counts == {"left": 75, "right": 0, "both": 75, "left_minus_right": 75}
    flat = np.where(left, 0.8, 0.5)[rng.permutation(300)] + rng.normal(0, 0.05, (9, 300))
    rows = {row["hemisphere"]: row for row in ceiling_rows(FIT, 0.6 * flat, flat, brain, "x")
            if row["midline"] == STRICT}  # fmt: skip
    assert rows["left_minus_right"]["share"] == pytest.approx(0, abs=1e-9)
    assert rows["both"]["share"] == pytest.approx(0.6)


@pytest.mark.slow
def test_every_fit_gets_the_ceiling_of_its_subject(tmp_path):
    inputs = write_run(tmp_path, MadeRun(subjects=("average", "EN901"), baselines=False))
    n_voxels = int(made_mask().sum())
    rng = np.random.default_rng(0)
    halves = rng.uniform(0.2, 0.5, (2, 9, n_voxels)).astype(np.float32)
    others = rng.uniform(0.1, 0.4, (9, n_voxels)).astype(np.float32)
    paths = [tmp_path / f"lang-en_{name}.safetensors" for name in ("isc_runs", "leave_one_out")]
    runs = MadeRun().keys
    save_tensors(paths[0], {"split_half": halves}, {"stories": json.dumps(runs)})
    told = json.dumps({"EN901": runs, "EN902": runs})
    save_tensors(paths[1], {"EN901": others, "EN902": others}, {"stories": told})
    built = build(replace(inputs, ceilings=paths))
    table = built.tables["ceilings"]
    assert len(table) == 2 * 4 * 2 * 4  # subjects, models, midlines, sides
    assert dict(zip(table["subject"], table["ceiling"], strict=True)) == {
        "average": "split_half", "EN901": "leave_one_out",
    }  # fmt: skip
    row = table[(table["subject"] == "EN901") & (table["hemisphere"] == "both")].iloc[0]
    chosen = chosen_elsewhere(others.astype(float))
    means = [run[own].mean() for run, own in zip(others, chosen, strict=True)]
    assert row["mean_ceiling"] == pytest.approx(np.mean(means), abs=1e-3)
    (told,) = answers("ceilings", built.tables, [("en", "average")])
    assert "of the ceiling" in json.dumps(told)
    assert build(inputs).tables["ceilings"].empty
