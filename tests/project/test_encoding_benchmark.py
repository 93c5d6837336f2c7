"""The encoder's benchmark: it runs, its contenders agree, its scaling and counting are right."""

import json
import subprocess
import sys
from pathlib import Path
from statistics import StatisticsError

import numpy as np
import pandas as pd
import pytest
import torch

from helpers import encoder_oracle

BENCHMARKS = Path(__file__).resolve().parents[2] / "benchmarks"
sys.path.insert(0, str(BENCHMARKS))

import encoding_costs  # noqa: E402
import encoding_data  # noqa: E402
import encoding_rivals as rivals  # noqa: E402

LENGTHS = [21, 25, 23, 22, 24]

COLUMNS = {
    "machine": "shape n_features rows inner columns precision gflop_per_s",
    "layers": "n_features n_voxels form A_seconds B_seconds C_seconds D_seconds A_over_C B_over_C "
    "A_fits_measured B_way alphas_equal_B max_abs_dr_B max_abs_dr_A share_of_float32_rate "
    "exhaustive_seconds alphas_equal_exhaustive max_abs_dr_exhaustive share_of_penalties_kept",
    "extrapolation": "full_seconds scaled_seconds scaled_over_full within_25_percent alphas_equal",
    "memory": "n_features data_gib resident_before_gib peak_gib above_before_gib",
    "hrf": "ours_seconds nilearn_seconds_scaled nilearn_over_ours max_relative_difference",
    "reliability": "device trials_measured trials seconds_all_trials scaled",
    "growth": "quantity value seconds exponent",
    "subjects": "n_features n_subjects n_measured shared_seconds_per_subject "
    "voxel_seconds_per_subject seconds_per_subject alone_seconds",
}


@pytest.fixture(scope="module")
def results(tmp_path_factory):
    folder = tmp_path_factory.mktemp("results")
    command = [sys.executable, BENCHMARKS / "encoding.py", "--quick", "--repeats", "1"]
    subprocess.run([*command, "--threads", "1", "--results", folder], check=True)
    return folder


def table(results, part):
    return pd.read_csv(results / f"encoding_{part}.tsv", sep="\t")


@pytest.mark.slow
def test_every_part_has_its_table_its_notes_and_the_plot(results):
    notes = json.loads((results / "encoding.json").read_text())
    assert set(notes) == set(COLUMNS)
    for part, columns in COLUMNS.items():
        assert set(columns.split()) <= set(table(results, part).columns), part
        assert {"cpu", "cores", "libraries"} <= set(notes[part]["machine"]), part
    for name in ("encoding.svg", "encoding.png"):
        assert (results / name).stat().st_size > 10_000, name


@pytest.mark.slow
def test_contenders_find_the_same(results):
    layers = table(results, "layers")
    assert layers["form"].tolist() == ["primal", "dual"]
    assert (layers["alphas_equal_B"] == "9/9").all()
    assert (layers["alphas_best_in_A"] == "1/1").all()
    assert (layers["max_abs_dr_A"] <= 1e-5).all()
    assert (layers["max_abs_dr_B"] <= 1e-4).all()  # himalaya works in float32 throughout
    assert (layers["alphas_equal_exhaustive"] == "9/9").all()
    assert (layers["max_abs_dr_exhaustive"] == 0).all()
    whole = table(results, "extrapolation")
    assert (whole["alphas_equal"] == "9/9").all()
    assert (whole["max_abs_dr"] <= 1e-5).all()
    assert (whole["fits_in_full"] == 9 * 16 + 9).all()
    assert (table(results, "hrf")["max_relative_difference"] <= 1e-10).all()


@pytest.mark.slow
def test_contender_without_a_device_has_empty_cells(results):
    if torch.cuda.is_available():
        pytest.skip("there is a GPU here")
    assert table(results, "layers")[["D_seconds", "A_over_D"]].isna().all(axis=None)


def test_whole_procedure_equals_the_oracle_and_what_is_scaled_is_its_steps():
    features, bold = encoder_oracle.made_data(LENGTHS, 12, 9)
    alphas = encoder_oracle.ALPHAS[::5]
    reference = rivals.Reference(features, bold)
    found = reference.whole(alphas)
    r, chosen, _ = encoder_oracle.nested_search(features, bold, alphas)
    np.testing.assert_array_equal(found.alphas, chosen)
    np.testing.assert_allclose(found.r, r, rtol=0, atol=1e-13)
    each = {"stack": 0.5, "search": 2.0, "refit": 3.0}
    pieces = [rivals.Piece(piece.kind, each[piece.kind]) for piece in reference.pieces]
    total = sum(piece.seconds for piece in pieces)
    assert rivals.scaled(pieces, len(alphas), len(bold)) == pytest.approx(total, rel=1e-14)
    few = [rivals.Piece(kind, seconds) for kind, seconds in each.items()]
    assert rivals.scaled(few, len(alphas), len(bold)) == pytest.approx(total, rel=1e-14)


def test_scaling_takes_the_median_of_each_kind_and_needs_all_kinds():
    pieces = [rivals.Piece("search", seconds) for seconds in (1.0, 1.2, 50.0)]
    pieces += [rivals.Piece("refit", 2.0), rivals.Piece("stack", 0.1)]
    assert rivals.scaled(pieces, 16, 9) == pytest.approx(9 * (0.2 + 16 * 1.2 + 2.0), rel=1e-14)
    with pytest.raises(StatisticsError):
        rivals.scaled(pieces[:-1], 16, 9)


@pytest.mark.slow
def test_work_is_counted_by_precision():
    generator = torch.Generator().manual_seed(0)
    single, double = torch.rand(30, 20), torch.rand(40, 50, generator=generator).double()
    with rivals.Work() as done:
        single @ single.T
        gram = double @ double.T + torch.eye(40)
        factor = torch.linalg.cholesky(gram)
        torch.cholesky_solve(torch.rand(40, 7).double(), factor)
        torch.cholesky_inverse(factor)
        torch.linalg.eigh(gram)
        torch.linalg.qr(double.T)
    assert done.gflop[torch.float32] == pytest.approx(2e-9 * 30 * 20 * 30)
    products, factors = 2 * 40 * 50 * 40, 40**3 / 3 + 2 * 40**2 * 7 + 2 * 40**3 / 3
    expected = products + factors + 9 * 40**3 + 4 * 50 * 40**2
    assert done.gflop[torch.float64] == pytest.approx(1e-9 * expected)


@pytest.mark.parametrize("n_features", [12, 200])
def test_counted_work_is_that_of_the_products_with_the_voxels(n_features):
    features, bold = encoder_oracle.made_data(LENGTHS, n_features, 31)
    counted = []
    for voxels in (bold, [np.hstack([run, run]) for run in bold]):
        with rivals.Work() as done:
            rivals.ours(features, voxels, encoder_oracle.ALPHAS, "cpu")
        counted.append(done.gflop[torch.float32])
    assert counted[1] == pytest.approx(2 * counted[0])


def test_counting_passes_over_scalars_beside_a_matrix():
    matrix = torch.eye(4)
    with rivals.Work() as done:
        _ = torch.mul(matrix, torch.tensor(2.0)) @ matrix
    assert done.gflop[torch.float32] == pytest.approx(2 * 4**3 / 1e9)


@pytest.mark.parametrize("n_features", [12, 200])
def test_every_way_of_himalaya_finds_the_oracles_answer(n_features):
    features, bold = encoder_oracle.made_data(LENGTHS, n_features, 9)
    r, chosen, _ = encoder_oracle.nested_search(features, bold)
    ways = rivals.himalaya_ways(n_features, sum(LENGTHS[1:]), 9, 16)
    assert {way.kind for way in ways} == ({"kernel", "ridge"} if n_features == 12 else {"kernel"})
    for way in ways:
        found = rivals.himalaya_search(way, features, bold, encoder_oracle.ALPHAS)
        np.testing.assert_array_equal(found.alphas, chosen, err_msg=str(way))
        np.testing.assert_allclose(found.r, r, rtol=0, atol=1e-4, err_msg=str(way))


def test_made_data_are_seeded_standardised_and_explained_in_part():
    setting = encoding_data.quick(encoding_data.Setting())
    features = encoding_data.make_features(setting.story, 24)
    for runs in (features, setting.bold):
        assert [len(run) for run in runs] == setting.lengths
        for run in runs:
            np.testing.assert_allclose(run.mean(0), 0, atol=1e-5)
            np.testing.assert_allclose(run.std(0), 1, atol=1e-5)
    again = encoding_data.make_bold(encoding_data.quick(encoding_data.Setting()).story, 120)
    np.testing.assert_array_equal(again[0], setting.bold[0])
    other = encoding_data.make_bold(setting.story, 120, subject=1)
    assert np.abs(other[0] - again[0]).max() > 0.1


def test_states_have_a_power_law_spectrum():
    story = encoding_data.make_story([300] * 3, [2000] * 3, seed=3)
    made = np.vstack([encoding_data.states(story, run, 64) for run in range(3)])
    found = np.linalg.eigvalsh(np.cov(made.T))[::-1]
    np.testing.assert_allclose(found * np.arange(1, 65), 1, atol=0.2)


def test_exponent_of_a_power_law():
    values = np.array([10, 20, 40])
    assert encoding_costs.exponent(values, 3 * values**1.7) == pytest.approx(1.7, abs=1e-12)
