"""Titles, captions and notes of absence say what is drawn, and no more."""

import numpy as np
import pytest
from figure_tables import model, tables_of

from lateralization import (
    trajectory_figures,
)
from lateralization.figure_style import style

PLACE = ("en", "average")


def sized(n=8, names=("ppl",)):
    return [
        model(f"m{i}", 1e8 * 2.0**i, l_minus_r=0.01 * np.sin(i), score=0.1 + 0.01 * np.cos(3 * i),
              predictors={name: float((i + 1) * (j + 1) + i * j % 3)
                          for j, name in enumerate(names)})
        for i in range(n)
    ]  # fmt: skip


def labels_of(drawing):
    return [axes.get_xlabel() for axes in drawing.figure.axes]


@pytest.mark.parametrize(("n", "said"), [(2, False), (5, True)])
def test_trajectories_say_that_they_are_chosen_by_their_p(n, said):
    tables = tables_of(sized(9, [f"column {i}" for i in range(n)]))
    with style():
        drawing = trajectory_figures.trajectories(tables, *PLACE)
    sentence = f"Shown are the 3 predictors of {n + 1} with the smallest p for left minus right"
    assert (sentence in drawing.caption) == said
    rows = tables["trajectories"].query("outcome == 'l_minus_r_reliable'").sort_values("p")
    smallest = set(rows["predictor"].head(3))
    assert set(drawing.alt.split("along ")[1].rstrip(".").split(", ")) == smallest


SAME_SIZE = [one | {"n_parameters": 1e8} for one in sized(3)]
