"""Folds over stories: repetitions train by weight and score as a mean, test stories never train."""

import numpy as np
import pytest

from helpers.encoder_oracle import made_data, zscored
from helpers.weighted_oracle import nested_over_stories
from lateralization.errors import BadInput
from lateralization.ridge.banded import FEWER, WEIGHTS
from lateralization.ridge.choices import Choices
from lateralization.ridge.folds import FoldDesign, nested_folds, weighted
from lateralization.ridge.joint import joint_ridges
from lateralization.ridge.ridge import encode
from lateralization.ridge.systems import Case
from lateralization.ridge.voxels import Voxels

STORIES = ((0,), (1, 4, 6), (2,), (3, 5), (7,))
LENGTHS = (31, 27, 24, 29, 27, 29, 25, 30)
ALPHAS = np.logspace(0, 4, 6)
WIDTHS = {"primal": 9, "wide": 55, "dual": 300}


def design(test=()):
    return FoldDesign(STORIES, frozenset(test))


def made(width, seed=3):
    """Runs of one story have the same features: those of its first run, cut or lengthened."""
    features, bold = made_data(LENGTHS, width, 25, seed=seed, noise=3.0)
    for runs in STORIES:
        for run in runs[1:]:
            n = min(LENGTHS[run], LENGTHS[runs[0]])
            features[run][:n] = features[runs[0]][:n]
            features[run] = zscored(features[run])
    return features, bold


def compared(found, expected):
    r, alphas, validation = expected
    np.testing.assert_allclose(found.alphas, alphas, rtol=1e-12)
    np.testing.assert_allclose(found.r, r, rtol=0, atol=1e-5)
    np.testing.assert_allclose(found.validation_r, validation, rtol=0, atol=1e-5)


@pytest.mark.parametrize("test", [(), (1,), (0, 3)], ids=str)
@pytest.mark.parametrize("inner", ["one_run", "all_runs"])
@pytest.mark.parametrize("width", WIDTHS.values(), ids=WIDTHS)
def test_repetitions_train_by_weight_and_score_as_the_mean(width, inner, test):
    features, bold = made(width)
    if test == (0, 3) and inner == "all_runs":
        test = (3,)
    found = encode(
        features, bold, ALPHAS, precision="float64", risk=0, design=design(test),
        choices=Choices(inner_validation=inner),
    )  # fmt: skip
    more = {"test": test, "alphas": ALPHAS, "all_stories": inner == "all_runs"}
    compared(found, nested_over_stories(features, bold, STORIES, **more))


@pytest.mark.parametrize("width", WIDTHS.values(), ids=WIDTHS)
def test_float32_and_the_race_give_the_same(width):
    features, bold = made(width)
    exact = encode(features, bold, ALPHAS, precision="float64", risk=0, design=design())
    quick = encode(features, bold, ALPHAS, chunk=7, design=design())
    np.testing.assert_array_equal(quick.alphas, exact.alphas)
    np.testing.assert_allclose(quick.r, exact.r, rtol=0, atol=1e-5)


@pytest.mark.parametrize("inner", ["one_run", "all_runs"])
@pytest.mark.parametrize("width", WIDTHS.values(), ids=WIDTHS)
def test_each_voxel_may_have_its_own_penalty(width, inner):
    features, bold = made(width)
    choices = Choices(alpha="per_voxel", inner_validation=inner)
    found = encode(
        features, bold, ALPHAS, precision="float64", design=design((2,)), choices=choices
    )
    all_stories = inner == "all_runs"
    compared(
        found,
        nested_over_stories(
            features, bold, STORIES, test=(2,), alphas=ALPHAS, per_voxel=True,
            all_stories=all_stories,
        ),
    )  # fmt: skip
    quick = encode(features, bold, ALPHAS, design=design((2,)), choices=choices)
    np.testing.assert_array_equal(quick.alphas, found.alphas)


@pytest.mark.parametrize("width", WIDTHS.values(), ids=WIDTHS)
def test_components_are_those_of_the_weighted_rows(width):
    features, bold = made(width)
    found = encode(
        features, bold, ALPHAS, precision="float64", risk=0, design=design(),
        choices=Choices(components=5),
    )  # fmt: skip
    compared(found, nested_over_stories(features, bold, STORIES, alphas=ALPHAS, components=5))


@pytest.mark.parametrize(
    ("width", "widths"),
    [(9, (2,)), (300, (2,)), pytest.param(9, (1, 3), marks=pytest.mark.slow)],
    ids=str,
)
def test_bands_are_fitted_by_weight_too(width, widths):
    features, bold = made(width)
    alphas = ALPHAS[::3]
    rng = np.random.default_rng(5)
    bands = [[zscored(rng.standard_normal((n, w))) for n in LENGTHS] for w in widths]
    own = design((4,))
    (found,) = joint_ridges(
        weighted(features, own), [weighted(band, own) for band in bands],
        [Voxels(weighted(bold, own), precision="float64")], alphas, risk=0, design=own,
    )  # fmt: skip
    assert len(WEIGHTS) > len(FEWER)
    tried = {}
    for pair in np.ndindex(*[len(WEIGHTS)] * len(widths)):
        weights = [WEIGHTS[place] for place in pair]
        wide = [
            np.hstack(
                [run, *(np.sqrt(w) * band[i] for w, band in zip(weights, bands, strict=True))]
            )
            for i, run in enumerate(features)
        ]
        for alpha in alphas:
            _, _, means = nested_over_stories(
                wide, bold, STORIES, test=(4,), alphas=np.array([alpha])
            )
            tried[alpha, *weights] = means[:, 0], wide
    for story in range(len(STORIES)):
        chosen = (found.alphas[story], *found.weights[story])
        best = max(means[story] for means, _ in tried.values())
        assert tried[chosen][0][story] == pytest.approx(best, abs=1e-9)
        r, _, _ = nested_over_stories(
            tried[chosen][1], bold, STORIES, test=(4,), alphas=np.array([chosen[0]])
        )
        np.testing.assert_allclose(found.r[story], r[story], rtol=0, atol=1e-5)


def test_a_run_of_weight_1_stays_what_it_is():
    _, bold = made(4)
    for run, (before, after) in enumerate(zip(bold, weighted(bold, design()), strict=True)):
        k = next(len(runs) for runs in STORIES if run in runs)
        assert (after is before) == (k == 1)
        np.testing.assert_allclose(after, before / np.sqrt(k), rtol=1e-12)
    single = [run.astype(np.float32) for run in bold]
    assert {run.dtype for run in weighted(single, design())} == {np.dtype(np.float32)}


def test_no_run_of_the_tested_or_the_validation_story_trains():
    folds = nested_folds(design((2,)), "all_runs")
    assert [fold.test for fold in folds] == list(STORIES)
    for fold in folds:
        assert not {2, *fold.test} & set(fold.outer)
        for case in fold.cases():
            (held,) = [runs for runs in STORIES if case.target in runs]
            assert not {2, *fold.test, *held} & set(case.train)
            assert {*case.train, *held} == set(fold.outer)
    first = nested_folds(design((0,)))
    assert [fold.validations for fold in first] == [((1, 4, 6),), ((2,),), *[((1, 4, 6),)] * 3]
    assert first[0].cases() == [Case((2, 3, 5, 7), run) for run in (1, 4, 6)]


@pytest.mark.parametrize("test", [(), (0, 1, 2)], ids=str)
def test_three_stories_must_train(test):
    few = FoldDesign(((0, 1, 2), (3,)) if not test else STORIES, frozenset(test))
    with pytest.raises(BadInput, match=r"at least 3 runs of different stories .* data have 2"):
        nested_folds(few)


def test_noise_scores_nothing_at_a_repeated_story():
    """With its repetitions in two folds it scores 0.3 to 0.5: the model knows the response."""
    means, leaked = [], []
    for seed in range(20):
        rng = np.random.default_rng(seed)
        apart = FoldDesign(((0,), (1, 2, 3), (4,), (5,)))
        features, bold = [], []
        for runs in apart.stories:
            states, response = zscored(rng.standard_normal((40, 60))), rng.standard_normal((40, 40))
            for _ in runs:
                features.append(states)
                bold.append(zscored(response + rng.standard_normal((40, 40))))
        means.append(encode(features, bold, design=apart).r[1].mean())
        leaked.append(encode(features, bold).r[1:4].mean())
    assert abs(np.mean(means)) < 2 * np.std(means, ddof=1) / np.sqrt(20)
    assert np.mean(leaked) > 0.2
