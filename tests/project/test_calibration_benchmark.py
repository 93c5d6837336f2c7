"""The calibration benchmark: it tells good cells from bad ones, and its time series run through."""

import sys
from pathlib import Path

import numpy as np
import pytest

sys.path.insert(0, str(Path(__file__).resolve().parents[2] / "benchmarks"))

import calibration
import calibration_controls

from lateralization.statistics.intervals import corrected_t


def test_cells_are_judged_by_their_bars():
    drawn = [{"a: covers": i % 20 > 0, "b: rejects": i % 10 == 0, "c: bias": (-1) ** i}
             for i in range(400)]  # fmt: skip
    rows = calibration.summarise_cells(drawn, {"n_units": 9})
    assert [row["value"] for row in rows] == [0.95, 0.1, 0.0]
    assert [row["good"] for row in rows] == ["yes", "no", "yes"]


def test_units_are_drawn_from_the_seed_and_every_quantity_is_there():
    rows = calibration.units_cell(("normal", 9), 5, 1)
    assert rows == calibration.units_cell(("normal", 9), 5, 1)
    assert len(rows) == 9
    assert all(row["n"] == 5 for row in rows)


@pytest.mark.parametrize("rise", [0.0, 3.0])
def test_time_series_go_through_encoder_and_tables(rise):
    one = calibration.one_of_series((1, 2), calibration.World(rise=rise))
    assert one["by_run"].shape == (calibration.N_RUNS,)
    interval = corrected_t(one["by_run"])[0]
    assert (one["low"], one["high"]) == pytest.approx((interval.low, interval.high))
    assert np.isfinite([one["slope"], one["slope_low"], one["slope_high"]]).all()
    assert (one["low"] > 0) == (rise > 0)
    slopes = corrected_t(one["slopes"])
    assert one["slope"] == pytest.approx(slopes[0].mean)
    assert (one["slope_low"], one["slope_p"]) == pytest.approx((slopes[0].low, slopes[1]))
    rows = calibration.quantities([one, one], rise)
    assert len(rows) == 2
    assert rows[0]["laterality index has limits: share"]
    limits = one["index"]
    truth = limits.mean if rise else 0
    covers = limits.low <= truth <= limits.high
    assert rows[0]["laterality index, Fieller's limits where it has some: covers"] == covers


def test_every_cell_of_the_controls_is_drawn_and_has_both_formulas():
    cells = list(enumerate(calibration_controls.cells()))
    found = [calibration_controls.rows_of(cell, 2, 1) for cell in cells[::3]]
    assert found[0] == calibration_controls.rows_of(cells[0], 2, 1)
    named = {row["quantity"] for rows in found for row in rows}
    usual = {one.replace(", before", "") for one in named if ", before" in one}
    assert len(usual & named) >= 6
    made = calibration_controls.made_study(
        np.random.default_rng(0), calibration_controls.World(scatter=0.0, error=1.0), 4000
    )
    means = (made[1][..., 0] - made[1][..., 1]).mean(axis=1)
    assert means.var() == pytest.approx(2 * 0.3, rel=0.1)
