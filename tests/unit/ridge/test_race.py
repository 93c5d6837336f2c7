"""The race of penalties: the exhaustive search's answer for less, whatever the voxels hold."""

import numpy as np
import pytest

from lateralization.ridge.race import Race

N_VOXELS = 20_000
CHUNK = 512


def run_race(r, risk=1e-9, margin=1e-6, chunk=CHUNK, order=0):
    """Return the race after all voxels, in random order, and the share of values it looked at."""
    n_alphas, n_voxels = r.shape
    r = r[:, np.random.default_rng(order).permutation(n_voxels)]
    race, looked = Race(n_alphas, n_voxels, risk, margin), 0
    for start in range(0, n_voxels, chunk):
        seen = r[race.alive, start : start + chunk]
        race.see(seen)
        looked += seen.size
    return race, looked / r.size


def curve(name, rng, n_voxels=N_VOXELS):
    """Made values of r, (16, n_voxels), whose means over voxels have the shape of the name."""
    steps = np.arange(16)
    common = rng.normal(0, 0.15, n_voxels)
    own = rng.normal(0, 0.05, (16, n_voxels))
    one_peak = 0.2 - 0.0022 * (steps - 5) ** 2 / (1 + 0.05 * np.abs(steps - 5))
    means = {
        "one peak": one_peak,
        "two peaks": np.maximum(one_peak, 0.2003 - 0.01 * np.abs(steps - 13)),
        "flat": np.full(16, 0.1) + 1e-5 * (steps == 11),
        "rising": 0.1 + 0.01 * steps,
        "falling": 0.2 - 0.01 * steps,
        "zigzag": 0.1 + 0.02 * (steps % 2) + 0.0005 * steps,
    }
    r = common + own
    if name == "few voxels decide":
        # The best penalty is worse in all voxels but two in a hundred, where it is far better.
        r = np.full((16, n_voxels), 0.1) + 0.001 * rng.normal(size=(16, n_voxels))
        r[9] -= 0.01
        r[9, : n_voxels // 50] = 0.8
        return r
    return np.clip(r + means[name][:, None], -1, 1)


NAMES = ("one peak", "two peaks", "flat", "rising", "falling", "zigzag", "few voxels decide")


@pytest.mark.parametrize("name", NAMES)
@pytest.mark.parametrize("seed", range(5))
def test_the_best_penalty_is_that_of_the_exhaustive_search(name, seed):
    r = curve(name, np.random.default_rng(seed))
    race, _ = run_race(r, order=seed)
    assert np.nanargmax(race.means()) == r.mean(1).argmax()
    kept = np.isfinite(race.means())
    np.testing.assert_allclose(race.means()[kept], r.mean(1)[kept], rtol=0, atol=1e-12)


def test_a_clear_curve_costs_less_than_half():
    race, looked = run_race(curve("one peak", np.random.default_rng(0)))
    assert np.isfinite(race.means()).sum() <= 4
    assert looked < 0.5


def test_no_risk_means_that_none_drops_out():
    race, looked = run_race(curve("rising", np.random.default_rng(0)), risk=0)
    assert np.isfinite(race.means()).all()
    assert looked == 1


def test_equal_penalties_stay_to_the_end():
    r = np.tile(np.random.default_rng(0).normal(0, 0.1, N_VOXELS), (3, 1))
    race, _ = run_race(r)
    assert len(np.unique(race.means())) == 1


def test_a_first_chunk_without_voxels_chooses_no_leader():
    r = curve("rising", np.random.default_rng(0))
    late = Race(16, N_VOXELS, 1e-9, 1e-6)
    late.see(r[:, :0])
    assert late.leader is None
    late.see(r[:, :500])
    assert late.leader == 15


def test_within_the_margin_none_drops_out():
    r = np.zeros((2, N_VOXELS))
    r[1] = -0.01
    kept, _ = run_race(r, margin=0.011)
    dropped, _ = run_race(r, margin=0.009)
    assert np.isfinite(kept.means()).all()
    assert np.isnan(dropped.means()[1])


@pytest.mark.parametrize("spread", ["even", "rare"])
def test_the_best_drops_out_at_most_as_often_as_the_risk_allows(spread):
    # The hardest case: both are exactly as good, so that dropping either is an error.
    rng, n, risk, lost, times = np.random.default_rng(1), 400, 0.2, 0, 2000
    for time in range(times):
        difference = rng.choice([-1.0, 1.0], n) if spread == "even" else np.full(n, -0.02)
        if spread == "rare":
            difference[: n // 50] = 0.98
        difference -= difference.mean()
        r = np.clip(np.stack([np.zeros(n), difference]), -1, 1)
        r[1] -= r[1].mean()
        race, _ = run_race(r, risk, margin=0.0, chunk=20, order=time)
        lost += np.isnan(race.means()).any()
    assert lost / times <= risk
    assert spread == "rare" or lost > 0  # else the bound would be of no use
