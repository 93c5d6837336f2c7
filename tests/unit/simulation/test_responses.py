"""The simulator: its story, its worlds, its responses and the files it writes."""

from pathlib import Path

import numpy as np
import pandas as pd
import pytest

from helpers.simulated_bold import simulate_bold
from lateralization.errors import BadInput
from lateralization.fmri.signals import standardise
from lateralization.simulation import responses, story, worlds
from lateralization.simulation.simulate import scans_per_run
from lateralization.simulation.worlds import make_world

STORY = Path(__file__).parents[3] / "assets" / "story"
WIDTHS = (4, 6, 8)
N_SCANS = (60, 50, 50, 70)
ALTERED = (2, 3)


def fake_designs(seed: int = 0) -> list[responses.Design]:
    """Random words with random states: components that do not depend on each other."""
    rng = np.random.default_rng(seed)
    words, states = [], [[] for _ in WIDTHS]
    for n_scans in N_SCANS:
        n_words = int(n_scans * 1.5)
        onsets = np.sort(rng.uniform(0, 2 * n_scans - 10, n_words))
        letters = ["x" * int(n) for n in rng.integers(1, 12, n_words)]
        words.append(pd.DataFrame({"word": letters, "onset": onsets, "offset": onsets + 0.3}))
        for width, runs in zip(WIDTHS, states, strict=True):
            runs.append(rng.standard_normal((n_words, width)))
    return responses.make_designs(words, states, N_SCANS)


def mirrored_places(n: int = 120, seed: int = 0) -> np.ndarray:
    """Voxels of the language-like regions, the left half first, each with its mirror image."""
    rng = np.random.default_rng(seed)
    right = responses.CENTRES[rng.integers(0, len(responses.CENTRES), n // 2)]
    right = right + rng.normal(0, 6, right.shape)
    return np.concatenate([right * [-1, 1, 1], right])


@pytest.fixture(scope="module")
def designs() -> list[responses.Design]:
    return fake_designs()


@pytest.fixture(scope="module")
def chapters() -> list[story.Chapter]:
    return story.read_story(STORY, seed=1)


# ---------------------------------------------------------------------------------------------
# The worlds


@pytest.mark.parametrize("n_models", [1, 2, 6])
def test_left_shares_rise_right_shares_are_flat_and_both_sum_to_the_same(n_models: int) -> None:
    world = make_world("demo", n_models, 6, (1, 2))
    assert sum(world.left) == pytest.approx(sum(world.right))
    assert len(set(world.right)) == 1
    assert list(world.left) == sorted(set(world.left))


@pytest.mark.parametrize("name", ["equal", "word_rate"])
def test_where_nothing_is_planted_the_truth_says_so(name: str) -> None:
    world = make_world(name, 6, 6, (1, 2))
    places = mirrored_places()
    profile = responses.language_profile(places)
    for model in worlds.truth_per_model(world, profile, places, 6):
        assert model["planted_left_minus_right"] == pytest.approx(0, abs=1e-12)


def test_an_unknown_world_is_refused_with_the_known_ones() -> None:
    with pytest.raises(BadInput, match="demo, equal, word_rate, shifted_run, swapped_runs"):
        make_world("heaven", 6, 6, (1, 2))


def test_a_voxel_on_the_midline_takes_the_mean_of_both_shares() -> None:
    world = make_world("demo", 3, 6, (1, 2))
    shares = worlds.hemisphere_shares(world, np.array([[-4.0, 0, 0], [0, 0, 0], [4.0, 0, 0]]))
    assert shares[:, 0] == pytest.approx(world.left)
    assert shares[:, 2] == pytest.approx(world.right)
    assert shares[:, 1] == pytest.approx((shares[:, 0] + shares[:, 2]) / 2)


# ---------------------------------------------------------------------------------------------
# The responses


def test_the_profile_is_the_same_on_both_sides_and_strongest_in_language_regions() -> None:
    places = mirrored_places()
    profile = responses.language_profile(places)
    assert profile[:60] == pytest.approx(profile[60:])
    assert responses.language_profile(responses.CENTRES) == pytest.approx(1)
    assert responses.language_profile(np.array([[20.0, -100, 0]]))[0] < 0.05


def test_fields_are_mirrored_smooth_and_of_unit_variance() -> None:
    places = np.array([[30.0, 0, 0], [-30.0, 0, 0], [30.0, 5, 0], [30.0, 60, 0]])
    draws = [
        responses.smooth_fields(places, 20, np.random.default_rng(seed)) for seed in range(100)
    ]
    fields = np.concatenate(draws)
    assert np.array_equal(fields[:, 0], fields[:, 1])
    near, far = np.corrcoef(fields.T)[0, [2, 3]]
    assert near == pytest.approx(np.exp(-(5**2) / (2 * responses.SMOOTHNESS_MM**2)), abs=0.02)
    assert abs(far) < 0.1
    assert fields.var() == pytest.approx(1, abs=0.05)


def test_noise_has_unit_variance_and_follows_its_generator() -> None:
    places = mirrored_places(400)
    noise = [responses.subject_noise(90, places, np.random.default_rng(seed)) for seed in range(40)]
    assert np.mean([run.var(axis=0) for run in noise]) == pytest.approx(1, abs=0.05)
    again = responses.subject_noise(90, places, np.random.default_rng(3))
    assert np.array_equal(noise[3], again)


def test_one_models_planted_time_course_has_its_share_of_the_variance(
    designs: list[responses.Design],
) -> None:
    places = mirrored_places()
    world = make_world("demo", len(WIDTHS), 4, ALTERED)
    forward = responses.make_forward(world, designs, places, seed=1)
    for k in range(len(WIDTHS)):
        course = np.concatenate([d.components[k] @ forward.weights[k] for d in designs])
        share = course.var(axis=0) / forward.profile
        assert share[:60] == pytest.approx(world.left[k], rel=1e-3)
        assert share[60:] == pytest.approx(world.right[k], rel=1e-3)


def test_the_expected_r_is_what_a_perfect_encoder_of_the_component_gets() -> None:
    """The formula of the truth against the correlation with the planted component itself."""
    designs, places = fake_designs(3), mirrored_places(200)
    world, n_subjects = make_world("demo", len(WIDTHS), 4, ALTERED), 4
    expected = worlds.expected_r(world, responses.language_profile(places), places, n_subjects)
    found = []
    for seed in range(4):
        subjects = simulate_bold(designs, world, places, n_subjects, seed)
        mean = np.mean([np.concatenate(runs) for runs in subjects], axis=0)
        forward = responses.make_forward(world, designs, places, seed)
        courses = [
            np.concatenate([d.components[k] @ forward.weights[k] for d in designs])
            for k in range(len(WIDTHS))
        ]
        found.append([(standardise(mean) * standardise(one)).mean(axis=0) for one in courses])
    assert np.mean(found, axis=(0, 2)) == pytest.approx(expected.mean(axis=1), abs=0.05)


def test_the_truth_of_one_subject_is_that_of_its_own_noise_over_all_voxels() -> None:
    world, places = make_world("demo", len(WIDTHS), 4, ALTERED), mirrored_places(200)
    profile = responses.language_profile(places)
    left = places[:, 0] < 0
    for n_subjects, name in ((4, "whole"), (1, "individual")):
        r = worlds.expected_r(world, profile, places, n_subjects)
        told = [
            model[f"planted_left_minus_right_{name}"]
            for model in worlds.truth_per_model(world, profile, places, 4)
        ]
        assert told == pytest.approx(r[:, left].mean(axis=1) - r[:, ~left].mean(axis=1))


@pytest.mark.parametrize("tr", [0.5, 1.0, 2.0])
def test_breath_and_heart_keep_their_rates_at_any_repetition_time(
    tr: float, monkeypatch: pytest.MonkeyPatch
) -> None:
    """Only the rhythm: its spectrum peaks at a rate in its range, folded at half the scans'."""
    monkeypatch.setattr(responses, "NOISE_SHARES", {
        "autoregressive": 0.0, "drift": 0.0, "respiration": 1.0, "cardiac": 0.0,
    })  # fmt: skip
    rng = np.random.default_rng(2)
    noise = responses.subject_noise(2000, mirrored_places(20), rng, tr)
    power = (np.abs(np.fft.rfft(noise, axis=0)) ** 2).sum(axis=1)
    rates = np.fft.rfftfreq(2000, tr)
    low, high = responses.RESPIRATION_HZ
    folded = np.linspace(low, high, 50)
    folded = np.abs(folded - np.round(folded * tr) / tr)
    found = (rates * power).sum() / power.sum()
    assert folded.min() - 0.02 < found < folded.max() + 0.02


def test_a_subjects_noise_has_the_repetition_time_of_the_data(
    designs: list[responses.Design], monkeypatch: pytest.MonkeyPatch
) -> None:
    places, heard = mirrored_places(20), []
    noise = responses.subject_noise

    def listening(n_scans, coordinates, rng, tr):
        heard.append(tr)
        return noise(n_scans, coordinates, rng, tr)

    monkeypatch.setattr(responses, "subject_noise", listening)
    world = make_world("demo", len(WIDTHS), 4, ALTERED)
    forward = responses.make_forward(world, designs, places, 0, tr=0.7)
    signals = [responses.planted_signal(forward, design) for design in designs]
    responses.subject_run(forward, signals, 0, 1, np.random.default_rng(0))
    assert heard == [0.7]


def test_the_right_hemisphere_is_noisier_in_the_world_of_word_rate_only(
    designs: list[responses.Design],
) -> None:
    places = mirrored_places()
    for name, ratio in (("demo", 1.0), ("word_rate", worlds.NOISY_RIGHT)):
        world = make_world(name, len(WIDTHS), 4, ALTERED)
        runs = simulate_bold(designs, world, places, 4, 1)
        sd = np.sqrt(np.mean([np.concatenate(one).var(axis=0) for one in runs], axis=0))
        assert sd[60:].mean() / sd[:60].mean() == pytest.approx(ratio, rel=0.1)


def test_the_same_seed_gives_the_same_responses_and_another_one_others(
    designs: list[responses.Design],
) -> None:
    world, places = make_world("demo", len(WIDTHS), 2, ALTERED), mirrored_places(20)
    first, again, other = (simulate_bold(designs, world, places, 2, seed) for seed in (1, 1, 2))
    assert np.array_equal(first[1][2], again[1][2])
    assert not np.allclose(first[1][2], other[1][2])


def similarity(a: np.ndarray, b: np.ndarray) -> float:
    """Correlation of two runs, over all voxels."""
    return float(np.mean(standardise(a.astype(float)) * standardise(b.astype(float))))


def test_a_shifted_run_agrees_with_the_others_only_when_shifted_back(
    designs: list[responses.Design],
) -> None:
    places, lag = mirrored_places(), worlds.SHIFT_SCANS
    world = make_world("shifted_run", len(WIDTHS), 4, ALTERED)
    assert world.damage is not None
    subject, run = world.damage.subject, world.damage.runs[0] - 1
    bold = simulate_bold(designs, world, places, 4, 1)
    others = np.mean([bold[one][run] for one in range(4) if one != subject], axis=0)
    damaged = bold[subject][run]
    assert similarity(damaged[lag:], others[:-lag]) > 0.3
    assert abs(similarity(damaged, others)) < 0.15
    assert similarity(bold[0][run], others) > 0.3


def test_swapped_runs_agree_with_the_others_crosswise(designs: list[responses.Design]) -> None:
    world = make_world("swapped_runs", len(WIDTHS), 4, ALTERED)
    assert world.damage is not None
    subject = world.damage.subject
    bold = simulate_bold(designs, world, mirrored_places(), 4, 1)
    one, two = (run - 1 for run in world.damage.runs)
    others = [np.mean([bold[s][run] for s in range(4) if s != subject], axis=0) for run in range(4)]
    assert similarity(bold[subject][one], others[two]) > 0.3
    assert similarity(bold[subject][two], others[one]) > 0.3
    assert abs(similarity(bold[subject][one], others[one])) < 0.15
    assert similarity(bold[subject][3], others[3]) > 0.3


def test_runs_to_swap_get_equal_lengths(chapters: list[story.Chapter]) -> None:
    lengths, (first, second) = scans_per_run(chapters, "swapped_runs")
    assert first != second
    assert lengths[first - 1] == lengths[second - 1]
    assert scans_per_run(chapters, "demo")[0] == [chapter.n_scans for chapter in chapters]
