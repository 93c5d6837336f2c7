"""Change points: planted bends are found, straight lines are left straight."""

import numpy as np
import pytest
from scipy.optimize import curve_fit

from lateralization.statistics.change_points import axis_of, find_bend


def bent(x, place, before=1.0, after=0.1):
    return before * np.minimum(x, place) + after * np.maximum(x - place, 0)


def test_a_planted_bend_is_found_with_its_slopes():
    rng = np.random.default_rng(0)
    x = np.linspace(0, 10, 30)
    found = find_bend(x, bent(x, 4.0) + rng.normal(0, 0.05, 30))
    assert found.low - 0.2 <= 4.0 <= found.high + 0.2  # the grid is 0.16 wide
    assert found.place == pytest.approx(4.0, abs=0.3)
    assert (found.before, found.after) == pytest.approx((1.0, 0.1), abs=0.05)
    assert found.level == pytest.approx(4.0, abs=0.2)
    assert found.p == 0.001
    assert found.r2_bent > found.r2_line


def test_the_bend_is_that_of_a_free_search():
    rng = np.random.default_rng(1)
    x = np.sort(rng.uniform(0, 10, 40))
    y = bent(x, 6.0) + rng.normal(0, 0.2, 40)

    def model(x, level, place, before, after):
        return level + np.where(x < place, before, after) * (x - place)

    oracle, _ = curve_fit(model, x, y, p0=[6, 6, 1, 0])
    found = find_bend(x, y)
    assert found.place == pytest.approx(oracle[1], abs=10 / 60)
    assert (found.before, found.after) == pytest.approx(oracle[2:], abs=0.03)
    left_over = ((y - model(x, found.level, found.place, found.before, found.after)) ** 2).sum()
    assert found.r2_bent == pytest.approx(1 - left_over / ((y - y.mean()) ** 2).sum())
    assert found.r2_line == pytest.approx(np.corrcoef(x, y)[0, 1] ** 2)


@pytest.mark.parametrize("seed", range(8))
def test_points_on_one_line_have_no_bend_and_no_error(seed):
    """Errors of such fits are rounding, and some of it is below 0."""
    rng = np.random.default_rng(seed)
    x = np.sort(rng.uniform(1, 10, 9))
    found = find_bend(x, 3 * x - 1)
    assert (found.p, found.r2_line) == (1.0, pytest.approx(1.0))
    assert found.low <= found.place <= found.high


def test_without_a_bend_p_is_spread_evenly():
    p = []
    for seed in range(40):
        rng = np.random.default_rng(seed)
        x = rng.uniform(1, 2, 15)
        p.append(find_bend(x, x + rng.normal(0, 0.2, 15)).p)
    assert np.mean(np.array(p) < 0.05) <= 0.15
    assert 0.3 < np.mean(p) < 0.7


def test_training_steps_are_taken_on_a_logarithmic_axis():
    steps = np.array([0, 1, 8, 64, 512, 1000, 14000, 36000, 72000, 143000.0])
    y = bent(np.log10(steps + 1), 3.0)
    found = find_bend(steps, y)
    assert found.scale == "log10"
    assert np.log10(found.place + 1) == pytest.approx(3.0, abs=0.1)
    assert axis_of(np.array([20.0, 30.0])) == ("linear", 0.0)
    assert axis_of(np.array([-1.0, 1000.0])) == ("linear", 0.0)
    assert axis_of(np.array([0.0, 2.0, 1000.0])) == ("log10", 2.0)
    assert axis_of(np.array([1.0, 2.0, 1000.0])) == ("log10", 0.0)


def test_the_unit_of_the_predictor_changes_nothing_but_the_place():
    rng = np.random.default_rng(2)
    x = rng.uniform(1, 3, 20)
    y = bent(x, 2.0) + rng.normal(0, 0.1, 20)
    one, other = find_bend(x, y), find_bend(1000 * x, y)
    assert other.place == pytest.approx(1000 * one.place)
    assert other.p == one.p
    assert other.r2_bent == pytest.approx(one.r2_bent)


def test_what_cannot_bend_says_why():
    assert find_bend(np.arange(5.0), np.arange(5.0)).reason == "5 different values, 6 needed"
    assert "one value" in find_bend(np.arange(8.0), np.ones(8)).reason
    line = find_bend(np.arange(8.0), 2 * np.arange(8.0))
    assert line.p == 1.0


def test_a_trajectory_without_a_bend_bends_by_chance_alone():
    x = np.arange(20.0)
    walks = np.random.default_rng(0).standard_normal((200, 20)).cumsum(axis=1)
    assert np.mean([find_bend(x, y, steps=True).p < 0.05 for y in walks]) <= 0.09
    assert np.mean([find_bend(x, y).p < 0.05 for y in walks]) > 0.4


def test_a_planted_bend_over_steps_is_found_where_it_lies():
    x = np.arange(40.0)
    y = bent(x, 15.0) + np.random.default_rng(1).normal(0, 0.1, 40).cumsum()
    found = find_bend(x, y, steps=True)
    assert found.p < 0.01
    assert found.low <= found.place <= found.high
    assert found.place == pytest.approx(15, abs=3)
    assert (found.before, found.after) == pytest.approx((1.0, 0.1), abs=0.1)
    line = found.level + np.where(x < found.place, found.before, found.after) * (x - found.place)
    assert (y - line).mean() == pytest.approx(0, abs=1e-9)
