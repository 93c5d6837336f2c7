"""The nested ridge search against scikit-learn and himalaya, and what must not change it."""

import numpy as np
import pytest
import torch
from himalaya.ridge import Ridge as HimalayaRidge

from helpers.encoder_oracle import ALPHAS, made_data, nested_search
from lateralization.errors import BadInput
from lateralization.ridge.correlation import is_usable, moments
from lateralization.ridge.folds import nested_folds, one_run_each
from lateralization.ridge.ridge import encode, make_system, nested_ridge, nested_ridges
from lateralization.ridge.systems import Case, Dual, Primal
from lateralization.ridge.voxels import Voxels

LENGTHS = (27, 31, 24, 29, 22)
CASES = {"few": 12, "primal": 60, "dual": 150}
NOISE = {"few": 2.0, "primal": 0.6, "dual": 0.3}


@pytest.fixture(scope="module", params=CASES, ids=str)
def case(request):
    features, bold = made_data(LENGTHS, CASES[request.param], 300, noise=NOISE[request.param])
    return features, bold, nested_search(features, bold)


def systems(features):
    """Both forms of one regression: they must be interchangeable."""
    runs = [torch.from_numpy(run) for run in features]
    stacked = torch.cat(runs)
    lengths = [len(run) for run in runs]
    return {"primal": Primal(runs, ALPHAS[0]), "dual": Dual(stacked @ stacked.T, lengths)}


@pytest.mark.slow
def test_double_precision_equals_scikit_learn(case):
    features, bold, (r, alphas, validation) = case
    result = encode(features, bold, ALPHAS, precision="float64")
    np.testing.assert_array_equal(result.alphas, alphas)
    np.testing.assert_allclose(result.r, r, rtol=0, atol=1e-10)
    np.testing.assert_allclose(result.validation_r, validation, rtol=0, atol=1e-10)


def test_default_precision_is_within_its_bound_with_the_same_penalties(case):
    features, bold, (r, alphas, _) = case
    result = encode(features, bold)
    np.testing.assert_array_equal(result.alphas, alphas)
    np.testing.assert_allclose(result.r, r, rtol=0, atol=1e-5)


def test_penalties_are_inside_the_grid_so_that_the_choice_is_tested(case):
    _, _, (_, alphas, _) = case
    assert ((alphas > ALPHAS[0]) & (alphas < ALPHAS[-1])).any()


def test_primal_and_dual_agree(case):
    features, bold, _ = case
    made = systems(features)
    primal, dual = (
        nested_ridge(made[form], Voxels(bold, precision="float64")) for form in ("primal", "dual")
    )
    np.testing.assert_array_equal(primal.alphas, dual.alphas)
    np.testing.assert_allclose(primal.r, dual.r, rtol=0, atol=1e-10)


def test_the_smaller_system_is_chosen():
    made = {name: make_system(made_data(LENGTHS, n, 3)[0], 100.0) for name, n in CASES.items()}
    assert isinstance(made["few"], Primal)
    assert isinstance(made["primal"], Primal)
    assert isinstance(made["dual"], Dual)
    assert (made["few"].few, made["primal"].few) == (True, False)


@pytest.mark.parametrize("form", ["primal", "dual"])
@pytest.mark.parametrize("width", [12, 150])
def test_float32_stays_within_1e_5_at_the_smallest_penalty_with_collinear_features(form, width):
    # The worst case of a cross-product in float32: features that differ by a part in 1e5.
    features, bold = made_data([200, 180, 210, 190], width, 60, noise=0.5)
    rng = np.random.default_rng(4)
    for run in features:
        run[:, 1:] = run[:, :1] + 1e-5 * rng.standard_normal((len(run), width - 1))
    system, smallest = systems(features)[form], np.array([100.0])
    exact = nested_ridge(system, Voxels(bold, precision="float64"), smallest)
    quick = nested_ridge(system, Voxels(bold, precision="float32"), smallest)
    np.testing.assert_allclose(quick.r, exact.r, rtol=0, atol=1e-5)


@pytest.mark.parametrize("width", CASES.values(), ids=CASES)
def test_one_ridge_equals_himalaya(width):
    features, bold = made_data(LENGTHS, width, 40)
    made = systems(features)["dual" if width == CASES["dual"] else "primal"]
    train, alpha = (0, 1, 2), 1000.0
    chunk = [torch.from_numpy(run) for run in bold]
    hat = made.hats([Case(train, 3)], np.array([alpha]), torch.float64)[0][0]
    ours = (hat @ made.responses(train, made.blocks(chunk))).numpy()
    stacked = [np.vstack([runs[i] for i in train]) for runs in (features, bold)]
    solver = {"warn": False}
    model = HimalayaRidge(alpha, fit_intercept=False, solver_params=solver).fit(*stacked)
    theirs = np.asarray(model.predict(features[3]))
    theirs -= theirs.mean(0)
    in_our_rows = made.project(3, torch.from_numpy(theirs)).numpy()
    np.testing.assert_allclose(ours, in_our_rows, rtol=0, atol=1e-9)
    lengths = [np.linalg.norm(predicted, axis=0) for predicted in (ours, theirs)]
    np.testing.assert_allclose(*lengths, rtol=1e-9)  # nothing lies outside the rows


def test_uncentred_responses_and_features_are_correlated_about_their_means():
    # Group means of the reliability are trimmed and not standardised again.
    features, bold = made_data(LENGTHS, 12, 50)
    features = [run + 0.3 for run in features]
    bold = [0.7 * run - 0.2 for run in bold]
    r, alphas, _ = nested_search(features, bold)
    result = encode(features, bold, precision="float64")
    np.testing.assert_array_equal(result.alphas, alphas)
    np.testing.assert_allclose(result.r, r, rtol=0, atol=1e-10)


def test_permuting_voxels_permutes_the_scores(case):
    features, bold, _ = case
    order = np.random.default_rng(1).permutation(300)
    straight = encode(features, bold)
    permuted = encode(features, [run[:, order] for run in bold])
    np.testing.assert_array_equal(permuted.alphas, straight.alphas)
    np.testing.assert_allclose(permuted.r, straight.r[:, order], rtol=0, atol=1e-6)


@pytest.mark.slow
@pytest.mark.parametrize("chunk", [1, 7, 299, 5000])
def test_chunk_size_changes_nothing_beyond_rounding(case, chunk):
    features, bold, _ = case
    whole = encode(features, bold, precision="float64")
    cut = encode(features, bold, precision="float64", chunk=chunk)
    np.testing.assert_array_equal(cut.alphas, whole.alphas)
    np.testing.assert_allclose(cut.r, whole.r, rtol=0, atol=1e-12)


@pytest.mark.parametrize("bad", [np.nan, 3.0, np.inf])
@pytest.mark.parametrize("precision", ["float32", "float64"])
def test_a_constant_or_nan_voxel_decides_nothing(case, bad, precision):
    features, bold, _ = case
    spoiled = [run.copy() for run in bold]
    spoiled[2][:, 41] = bad
    clean = encode(features, [np.delete(run, 41, axis=1) for run in bold], precision=precision)
    result = encode(features, spoiled, precision=precision)
    assert np.isnan(result.r[:, 41]).all()
    np.testing.assert_array_equal(result.alphas, clean.alphas)
    tolerance = 1e-12 if precision == "float64" else 1e-6
    others = np.delete(result.r, 41, axis=1)
    np.testing.assert_allclose(others, clean.r, rtol=0, atol=tolerance)


def test_what_a_left_out_voxel_holds_changes_no_bit_of_the_others(case):
    features, bold, _ = case
    left_out = np.zeros((len(LENGTHS), 300), bool)
    left_out[1, 100:130] = True
    spoiled = [run.copy() for run in bold]
    for run in spoiled:
        run[:, 100:130] = 1e6 * features[0][0, 0]
    first = encode(features, bold, left_out=left_out)
    second = encode(features, spoiled, left_out=left_out.any(axis=0))
    np.testing.assert_array_equal(first.r, second.r)
    np.testing.assert_array_equal(first.alphas, second.alphas)
    assert np.isnan(first.r[:, 100:130]).all()
    assert np.isfinite(np.delete(first.r, np.s_[100:130], axis=1)).all()


def test_the_test_run_does_not_decide_its_own_penalty():
    features, bold = made_data(LENGTHS, 12, 50)
    changed = [run.copy() for run in bold]
    changed[3] = np.random.default_rng(9).standard_normal(bold[3].shape)
    first = encode(features, bold, precision="float64")
    second = encode(features, changed, precision="float64")
    assert first.alphas[3] == second.alphas[3]
    np.testing.assert_allclose(first.validation_r[3], second.validation_r[3], rtol=0, atol=1e-13)


def test_a_zero_regressor_takes_no_part():
    features, bold = made_data(LENGTHS, 12, 50)
    plain = encode(features, bold, precision="float64")
    widened = [np.hstack([run, np.zeros((len(run), 2))]) for run in features]
    same = encode(widened, bold, precision="float64")
    np.testing.assert_allclose(same.r, plain.r, rtol=0, atol=1e-12)


def test_features_that_are_all_constant_predict_nothing_and_score_0():
    _, bold = made_data(LENGTHS, 3, 10)
    result = encode([np.zeros((n, 3)) for n in LENGTHS], bold)
    np.testing.assert_array_equal(result.r, 0)


@pytest.mark.parametrize("precision", ["float32", "float64"])
@pytest.mark.parametrize("chunk", [7, 64, 1024])
def test_where_all_penalties_are_as_good_the_first_is_taken(precision, chunk):
    # One feature: the penalty scales the prediction, and r does not depend on it.
    features, bold = made_data(LENGTHS, 1, 300)
    result = encode(features, bold, precision=precision, chunk=chunk)
    np.testing.assert_array_equal(result.alphas, ALPHAS[0])


@pytest.mark.parametrize("precision", ["float32", "float64"])
@pytest.mark.parametrize("width", [3, 150])
def test_features_that_are_constant_in_training_predict_nothing(precision, width):
    features, bold = made_data(LENGTHS, width, 50)
    for run in (1, 2, 4):
        features[run] = np.zeros_like(features[run])
    result = encode(features, bold, precision=precision)
    np.testing.assert_array_equal(result.validation_r[3], 0)  # trained on 1, 2 and 4
    assert result.alphas[3] == ALPHAS[0]
    assert (result.r[3] != 0).all()  # trained on 0 as well


@pytest.mark.parametrize("lengths", [(20, 31, 26), (12, 60, 17), (40, 15, 22, 9)], ids=str)
@pytest.mark.parametrize("width", [2, 12, 60])
def test_few_runs_of_uneven_lengths_equal_scikit_learn(lengths, width):
    features, bold = made_data(lengths, width, 30, noise=0.5)
    r, alphas, _ = nested_search(features, bold)
    result = encode(features, bold, precision="float64")
    np.testing.assert_array_equal(result.alphas, alphas)
    np.testing.assert_allclose(result.r, r, rtol=0, atol=1e-10)


def test_near_ties_are_decided_in_double_precision():
    features, bold = made_data(LENGTHS, 12, 50)
    bold = [run.astype(np.float32) for run in bold]
    close = 1e3 * (1 + 1e-9 * np.arange(16))
    exact = encode(features, bold, close, precision="float64")
    quick = encode(features, bold, close, precision="float32")
    np.testing.assert_array_equal(quick.alphas, exact.alphas)
    np.testing.assert_allclose(quick.validation_r, exact.validation_r, rtol=0, atol=1e-13)


@pytest.mark.parametrize("width", CASES.values(), ids=CASES)
def test_stacked_subjects_get_what_each_gets_alone(width):
    features, first = made_data(LENGTHS, width, 50)
    _, second = made_data(LENGTHS, width, 20, seed=5, noise=30.0)  # another penalty is best
    _, third = made_data(LENGTHS, width, 33, seed=6)
    third[1][:, 4] = np.nan
    system, subjects = make_system(features, ALPHAS[0]), (first, second, third)
    stacked = nested_ridges(system, [Voxels(subject) for subject in subjects])
    assert not np.array_equal(stacked[0].alphas, stacked[1].alphas)
    for subject, together in zip(subjects, stacked, strict=True):
        apart = encode(features, subject)
        np.testing.assert_array_equal(together.alphas, apart.alphas)
        np.testing.assert_array_equal(together.r, apart.r)


def test_folds_are_those_of_the_study():
    folds = nested_folds(one_run_each(9))
    assert [fold.validations for fold in folds] == [((1,),)] + [((0,),)] * 8
    inner = [fold.cases()[0].train for fold in folds]
    assert inner[0] == inner[1] == tuple(range(2, 9))
    assert folds[5].outer == (0, 1, 2, 3, 4, 6, 7, 8)
    assert len(set(inner)) == 8


def test_every_training_run_can_be_a_validation_run():
    fold = nested_folds(one_run_each(5), "all_runs")[2]
    assert fold.cases() == [
        Case((1, 3, 4), 0), Case((0, 3, 4), 1), Case((0, 1, 4), 3), Case((0, 1, 3), 4),
    ]  # fmt: skip


def test_constant_means_a_millionth_of_the_mean():
    run = 100 + np.vstack([np.full(4, 1.0), np.full(4, -1.0)]) * [0, 5e-5, 2e-4, np.nan]
    np.testing.assert_array_equal(is_usable(*moments(run)), [False, False, True, False])


def test_too_few_runs_are_bad_input():
    features, bold = made_data(LENGTHS[:2], 4, 5)
    with pytest.raises(BadInput, match="at least 3 runs"):
        encode(features, bold)


def test_no_usable_voxel_is_bad_input():
    features, _ = made_data(LENGTHS, 4, 5)
    with pytest.raises(BadInput, match="every voxel"):
        encode(features, [np.ones((n, 5)) for n in LENGTHS])


def test_a_chunk_of_no_voxel_is_bad_input():
    features, bold = made_data(LENGTHS, 4, 5)
    with pytest.raises(BadInput, match="chunks of -5"):
        encode(features, bold, chunk=-5)


def test_runs_of_other_lengths_are_bad_input():
    features, bold = made_data(LENGTHS, 4, 5)
    with pytest.raises(BadInput, match="scans"):
        encode(features, bold[::-1])


@pytest.mark.parametrize("alphas", [[0.0, 1.0], [-1.0], [], [np.nan], [np.inf]])
def test_penalties_that_are_not_positive_are_bad_input(alphas):
    features, bold = made_data(LENGTHS, 4, 5)
    with pytest.raises(BadInput, match="positive"):
        encode(features, bold, np.array(alphas))


@pytest.mark.skipif(not torch.cuda.is_available(), reason="needs a GPU")
@pytest.mark.parametrize("precision", ["float32", "float64"])
def test_a_gpu_gives_the_same_scores(case, precision):
    features, bold, (r, alphas, _) = case
    result = encode(features, bold, precision=precision, device="cuda")
    np.testing.assert_array_equal(result.alphas, alphas)
    atol = 1e-10 if precision == "float64" else 1e-5
    np.testing.assert_allclose(result.r, r, rtol=0, atol=atol)


@pytest.mark.parametrize(("width", "noise"), [(12, 2.0), (150, 0.3)], ids=["primal", "dual"])
def test_dropping_penalties_changes_no_answer_and_no_score(width, noise):
    features, bold = made_data(LENGTHS, width, 3000, noise=noise)
    raced, whole = (encode(features, bold, chunk=100, risk=risk) for risk in (1e-9, 0))
    assert np.isnan(raced.validation_r).any()
    assert np.isfinite(whole.validation_r).all()
    np.testing.assert_array_equal(raced.alphas, whole.alphas)
    np.testing.assert_array_equal(raced.r, whole.r)
    kept = np.isfinite(raced.validation_r)
    np.testing.assert_allclose(
        raced.validation_r[kept], whole.validation_r[kept], rtol=0, atol=1e-12
    )


@pytest.mark.parametrize("room", [0, 200_000, 2**31])
def test_blocks_that_are_not_kept_are_made_again(monkeypatch, room):
    features, bold = made_data(LENGTHS, 12, 300)
    expected = encode(features, bold, chunk=32)
    monkeypatch.setattr("lateralization.ridge.search.KEPT_BLOCKS", room)
    found = encode(features, bold, chunk=32)
    np.testing.assert_array_equal(found.r, expected.r)
