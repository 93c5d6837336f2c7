"""Data checks: shifted, swapped and dead runs are caught, and sound data raise no alarm."""

import json

import nibabel as nib
import numpy as np
import pandas as pd
import pytest
from scipy.signal import detrend

from lateralization.errors import BadInput
from lateralization.files import save_tensors
from lateralization.fmri.checks import check_files, excluded
from lateralization.fmri.clean import temporal_snr
from lateralization.fmri.hrf import Sampling, hrf_operator
from lateralization.fmri.outliers import (
    compare_subjects,
    low_tsnr,
    mean_correlation,
    rate_lags,
    shifted_correlation,
)
from lateralization.report.sections import answers
from lateralization.study import GRID_AFFINE, GRID_SHAPE

LENGTHS = (90, 75, 90, 80, 100)
N_SUBJECTS, N_VOXELS = 6, 120


def made(seed, strength=0.35, n_subjects=N_SUBJECTS):
    """Everybody's voxels follow the story's few components, under noise with memory."""
    rng = np.random.default_rng(seed)
    mixing = rng.standard_normal((20, N_VOXELS))
    kernel = np.exp(-0.5 * np.arange(-6, 7) ** 2 / 2.0)
    subjects = [[] for _ in range(n_subjects)]
    for n_scans in LENGTHS:
        story = rng.standard_normal((n_scans + 12, 20))
        story = np.array([np.convolve(one, kernel, "valid") for one in story.T]).T @ mixing
        story /= story.std(0)
        for own in subjects:
            noise = rng.standard_normal((n_scans, N_VOXELS))
            for scan in range(1, n_scans):
                noise[scan] += 0.4 * noise[scan - 1]
            own.append(strength * story + noise / noise.std(0))
    return subjects


def alarms(subjects):
    checks = compare_subjects(subjects, 2.0)
    return {(check.subject, check.run + 1): check.reasons for check in checks if check.reasons}


@pytest.mark.slow
@pytest.mark.parametrize("strength", [0.0, 0.1, 0.35])
def test_sound_data_raise_no_alarm_in_20_seeds(strength):
    assert [alarms(made(seed, strength)) for seed in range(20)] == [{}] * 20


@pytest.mark.parametrize("seed", range(5))
@pytest.mark.parametrize(("scans", "said"), [(4, "is 4 scans late"), (-2, "is 2 scans early")])
def test_a_shifted_run_is_found_and_no_other(seed, scans, said):
    subjects = made(seed)
    subjects[3][1] = np.roll(subjects[3][1], scans, axis=0)
    assert alarms(subjects) == {(3, 2): [said]}


@pytest.mark.parametrize("seed", range(5))
@pytest.mark.parametrize("runs", [(0, 2), (1, 3)])  # of equal and of unequal lengths
def test_swapped_runs_are_found_and_no_other(seed, runs):
    subjects = made(seed)
    first, second = runs
    own = subjects[2]
    n = min(len(own[first]), len(own[second]))
    swapped = own[second][:n].copy(), own[first][:n].copy()
    own[first][:n], own[second][:n] = swapped
    expected = {
        (2, first + 1): [f"follows run {second + 1} of the others"],
        (2, second + 1): [f"follows run {first + 1} of the others"],
    }
    assert alarms(subjects) == expected


def test_two_damaged_subjects_do_not_accuse_the_sound_ones():
    subjects = made(1)
    subjects[0][4] = np.roll(subjects[0][4], 3, axis=0)
    subjects[5][4] = np.roll(subjects[5][4], 3, axis=0)
    assert set(alarms(subjects)) == {(0, 5), (5, 5)}


def test_a_run_of_noise_does_not_follow_the_others():
    subjects = made(2)
    subjects[1][0] = np.random.default_rng(9).standard_normal(subjects[1][0].shape)
    assert alarms(subjects) == {(1, 1): ["does not follow the others"]}


def test_with_two_subjects_nobody_is_judged():
    subjects = made(3, n_subjects=2)
    subjects[1][0] = np.roll(subjects[1][0], 4, axis=0)
    assert alarms(subjects) == {}


def test_one_subject_is_compared_with_nobody():
    checks = compare_subjects(made(3, n_subjects=1), 2.0)
    assert [(check.subject, check.run) for check in checks] == [(0, run) for run in range(5)]
    assert all(np.isnan([check.isc, check.lag_r, check.match_r]).all() for check in checks)
    assert not any(check.reasons for check in checks)


@pytest.mark.parametrize("n_subjects", [2, N_SUBJECTS])
def test_a_run_that_does_not_vary_follows_nobody_and_accuses_nobody(n_subjects):
    subjects = made(0, n_subjects=n_subjects)
    subjects[1][2][:] = 0
    checks = {(check.subject, check.run): check for check in compare_subjects(subjects, 2.0)}
    assert np.isnan([checks[1, 2].isc, checks[1, 2].lag_r, checks[1, 2].match_r]).all()
    judged = n_subjects > 2
    assert checks.pop((1, 2)).reasons == ["does not follow the others"] * judged
    assert not any(check.reasons for check in checks.values())
    if judged:
        assert all(check.isc > 0.05 for check in checks.values())


def test_a_voxel_that_is_constant_in_one_subject_counts_in_the_others():
    subjects = made(0)
    whole = compare_subjects(subjects, 2.0)
    subjects[1][2][:, :60] = 7
    found = compare_subjects(subjects, 2.0)
    mine = next(i for i, check in enumerate(found) if (check.subject, check.run) == (0, 2))
    rest = [own[2] if i != 1 else np.where(np.arange(N_VOXELS) < 60, 0, own[2])
            for i, own in enumerate(subjects)]  # fmt: skip
    rest = sum((one - one.mean(0)) / np.where(one.std(0), one.std(0), 1) for one in rest[1:])
    assert found[mine].isc == pytest.approx(mean_correlation(subjects[0][2], rest))
    assert found[mine].isc != whole[mine].isc


def test_correlations_are_means_over_voxels_that_vary():
    rng = np.random.default_rng(0)
    a, b = rng.standard_normal((2, 30, 4))
    a[:, 3] = 1.0
    expected = np.mean([np.corrcoef(a[:25, v], b[:25, v])[0, 1] for v in range(3)])
    assert mean_correlation(a, b[:25]) == pytest.approx(expected)
    late = np.vstack([rng.standard_normal((3, 4)), b[:-3]])
    assert shifted_correlation(late, b, 3) == pytest.approx(1)
    assert shifted_correlation(b, late, -3) == pytest.approx(1)


def test_the_lag_of_the_word_rate_is_that_of_the_words():
    rng = np.random.default_rng(0)
    onsets = np.sort(rng.uniform(0, 180, 300)) ** 1.01
    lags = list(range(-10, 11))
    regressors = [hrf_operator(onsets + lag, np.full(300, 0.3), 100) @ np.ones(300) for lag in lags]
    series = hrf_operator(onsets + 4, np.full(300, 0.3), 100) @ np.ones(300)
    lag, best, at_0 = rate_lags(series + 0.1 * series.std() * rng.standard_normal(100), regressors,
                                lags)  # fmt: skip
    assert lag == 4
    assert at_0 < best
    assert best > 0.9
    assert np.isnan(rate_lags(np.ones(100), regressors, lags)).all()


def test_low_signal_to_noise_is_far_below_the_group():
    tsnr = np.random.default_rng(0).normal(60, 5, (6, 9))
    assert not low_tsnr(tsnr).any()
    tsnr[2, 4] = 20
    assert np.argwhere(low_tsnr(tsnr)).tolist() == [[2, 4]]
    assert not low_tsnr(np.zeros((6, 9))).any()


@pytest.fixture(scope="module")
def checked(tmp_path_factory):
    """The table of six subjects, one run shifted, one of low signal-to-noise; correlations."""
    paths, ids, mask, words = files_of_six(tmp_path_factory)
    return check_files(paths, ids, mask, words, Sampling(2.0), n_trim=2)


def test_one_subject_has_a_table_without_correlations(tmp_path_factory):
    paths, ids, mask, words = files_of_six(tmp_path_factory)
    table, one_out = check_files(paths[1:2], ids[1:2], mask, words, Sampling(2.0), n_trim=2)
    assert list(table["subject"]) == ["EN901"] * 5 + ["all"] * 5
    assert table[["isc", "isc_lag_s", "follows_run"]].isna().all(axis=None)
    assert table["word_rate_r"].notna().all()
    assert excluded(table) == []
    assert np.isnan(one_out["EN901"][1]).all()


def files_of_six(tmp_path_factory):
    """Six subjects as files: one run shifted, one of low signal-to-noise; the words as a table."""
    folder = tmp_path_factory.mktemp("checks")
    volume = np.zeros(GRID_SHAPE, np.int8)
    volume[5:9, 20:26, 17:20] = volume[28:32, 20:26, 17:20] = 1
    nib.save(nib.Nifti1Image(volume, GRID_AFFINE), folder / "mask.nii.gz")
    subjects, n_voxels = made(4), int(volume.sum())
    rng = np.random.default_rng(8)
    onsets = [np.sort(rng.uniform(0, 2 * n, n)) for n in LENGTHS]
    rates = [hrf_operator(o + 6, np.full(n, 0.3), n) @ np.ones(n)
             for o, n in zip(onsets, LENGTHS, strict=True)]  # fmt: skip
    paths = []
    for place, own in enumerate(subjects):
        runs = {
            f"run-{i + 1}": (np.tile(run, 2)[:, :n_voxels] + 0.5 * (rate / rate.std())[:, None])
            .astype(np.float32)
            for i, (run, rate) in enumerate(zip(own, rates, strict=True))
        }  # fmt: skip
        if place == 3:
            runs["run-2"] = np.roll(runs["run-2"], 4, axis=0)
        tsnr = np.full((5, n_voxels), 50.0, np.float32)
        if place == 1:
            tsnr[4] = 5
        path = folder / f"sub-EN90{place}_clean.safetensors"
        save_tensors(path, runs | {"left_out": np.zeros((5, n_voxels), np.uint8), "tsnr": tsnr})
        paths.append(path)
    words = pd.concat(
        [
            pd.DataFrame({"run": run + 1, "onset": o, "offset": o + 0.3})
            for run, o in enumerate(onsets)
        ]
    )
    return paths, [f"EN90{place}" for place in range(6)], folder / "mask.nii.gz", words


def test_the_table_names_the_outliers_and_why(checked):
    table, one_out = checked
    assert len(table) == 6 * 5 + 5
    found = table[table["outlier"] == "yes"]
    assert {(row.subject, row.run): row.reason for row in found.itertuples()} == {
        ("EN903", 2): "is 4 scans late", ("EN901", 5): "low signal-to-noise ratio over time",
    }  # fmt: skip
    late = table[(table["subject"] == "EN903") & (table["run"] == 2)].iloc[0]
    assert late["isc_lag_s"] == 8
    assert excluded(table) == ["EN901", "EN903"]
    assert set(one_out) == {f"EN90{place}" for place in range(6)}
    stories, r = one_out["EN900"]
    assert stories == [f"run-{run}" for run in range(1, 6)]
    assert r.shape[0] == 5


def test_words_that_are_late_in_everybody_are_said(checked):
    table, _ = checked
    everybody = table[table["subject"] == "all"]
    assert (everybody["word_rate_lag_s"] - 6).abs().max() <= 1
    assert everybody["reason"].str.contains("s late in everybody").all()
    sound = table[(table["subject"] == "EN900")]
    assert (sound["word_rate_r"] > sound["word_rate_r_at_0"]).all()


def test_the_report_names_the_runs_that_should_not_be_trusted(checked):
    table = checked[0].assign(language="en")
    runs = pd.DataFrame({"language": ["en"], "run": ["1"]})
    (told,) = answers("data", {"checks": table, "claim_runs": runs}, [("en", "average")])
    assert "EN903, run 2, is 4 scans late" in json.dumps(told)
    sound = table.assign(outlier="no", reason="")
    (told,) = answers("data", {"checks": sound, "claim_runs": runs}, [("en", "average")])
    assert "none is an outlier" in json.dumps(told)
    two = sound[sound["subject"].isin(["EN900", "EN901", "all"])]
    (told,) = answers("data", {"checks": two, "claim_runs": runs}, [("en", "average")])
    assert "of 2 subjects were not judged" in json.dumps(told)


def test_temporal_signal_to_noise_is_mean_over_deviation_about_a_line():
    rng = np.random.default_rng(0)
    series = 100 + np.outer(np.arange(50), [0, 3]) + rng.standard_normal((50, 2))
    rest = detrend(series, axis=0)
    np.testing.assert_allclose(temporal_snr(series), series.mean(0) / rest.std(0), rtol=1e-5)
    assert temporal_snr(np.ones((9, 1))).tolist() == [0.0]
    assert temporal_snr(np.full((9, 1), np.nan)).tolist() == [0.0]


def test_words_on_another_clock_are_refused_where_they_first_meet_the_scans(tmp_path_factory):
    paths, ids, mask, words = files_of_six(tmp_path_factory)
    words["onset"] = words["onset"] + 400 * (words["run"] - 1)
    with pytest.raises(BadInput, match=r"words of run 2: \d+ of \d+ begin outside its scans"):
        check_files(paths, ids, mask, words, Sampling(2.0), n_trim=2)
