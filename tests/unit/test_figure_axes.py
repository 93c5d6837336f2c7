"""Axes and legends: numbers that can be read, lines as they were fitted, looks that differ."""

import csv
from pathlib import Path

import numpy as np
import pytest
from figure_tables import model, tables_of

from lateralization import (
    trajectory_figures,
)
from lateralization.catalogue import family_of
from lateralization.figure_style import style

PLACE = ("en", "average")
STEPS = (0, 1, 8, 64, 512, 1000, 14000, 36000, 72000, 143000)
STUDY = Path(__file__).parents[2] / "assets" / "models_en.csv"


def study_tables():
    with STUDY.open(encoding="utf-8") as handle:
        rows = list(csv.DictReader(handle))
    return tables_of([
        model(row["model"], float(row["n_parameters"]), family=family_of(row["model"]),
              predictors={name: float(row[name]) for name in ("ppl", "hellaswag")})
        for row in rows
    ])  # fmt: skip


def stepped_tables(tokens=1e6):
    rng = np.random.default_rng(1)
    return tables_of([
        model(f"pythia-6.9b_step{step}", 6.9e9, kind="checkpoint", l_minus_r=rng.normal(),
              score=rng.normal(), predictors={"step": float(step), "tokens": tokens * (step + 1)})
        for step in STEPS
    ])  # fmt: skip


def numbers_of(axes):
    """Numbers on the x axis that are within it: what they say, and from where to where."""
    low, high = sorted(axes.get_xlim())
    shown = [label for label, at in zip(axes.get_xticklabels(), axes.get_xticks(), strict=True)
             if low <= at <= high]  # fmt: skip
    return [label.get_text() for label in shown], [label.get_window_extent() for label in shown]


@pytest.mark.parametrize("tokens", [1e6, 1e-7])
def test_numbers_of_a_logarithmic_axis_are_words_and_stand_apart(tokens):
    with style():
        drawing = trajectory_figures.trajectories(stepped_tables(tokens), *PLACE)
        drawing.figure.draw_without_rendering()
        lowest = [axes for axes in drawing.figure.axes if axes.get_xlabel()]
        assert {axes.get_xlabel() for axes in lowest} == {"step", "tokens"}
        for axes in lowest:
            words, boxes = numbers_of(axes)
            assert len(words) >= 3
            assert not any(set(word) & set("$\\{") for word in words), words
            for number, box in enumerate(boxes):
                assert box.count_overlaps(boxes[:number]) == 0, words
            assert all(len(word) <= 5 for word in words)
            if axes.get_xlabel() == "step":
                assert words == ["0", "10", "1k", "100k"]


def test_a_bent_line_over_steps_is_two_straight_ones_on_the_axis_as_it_is_drawn():
    tables = stepped_tables()
    row = tables["trajectories"].query("outcome == 'score_reliable' and predictor == 'step'")
    with style():
        figure = trajectory_figures.trajectories(tables, *PLACE).figure
        figure.draw_without_rendering()
        axes = figure.axes[[one.get_xlabel() for one in figure.axes].index("step") - 2]
        line = axes.lines[-1]
        x, y = line.get_data()
        assert np.interp(row["place"].iloc[0], x, y) == pytest.approx(row["level"].iloc[0])
        pixels = axes.transData.transform(np.column_stack([x, y]))
    rise = np.diff(pixels[:, 1]) / np.diff(pixels[:, 0])
    rise = rise[np.diff(pixels[:, 0]) > 1e-3]
    changes = np.flatnonzero(np.abs(np.diff(rise)) > 1e-6 * np.abs(rise).max())
    assert len(changes) == 1
    assert x[0] == 0
