"""Axes and legends: numbers that can be read, lines as they were fitted, looks that differ."""

import csv
from pathlib import Path

import numpy as np
import pandas as pd
import pytest
from matplotlib import pyplot as plt

from helpers.figure_tables import model, tables_of
from lateralization.figures import (
    family_figures,
    figure_style,
    layer_figures,
    model_figures,
    predictor_figures,
    robustness,
    training_figures,
    trajectory_figures,
)
from lateralization.figures.figure_style import OTHER_FAMILIES, families, outside_legend, style
from lateralization.names import family_of

PLACE = ("en", "average")
STEPS = (0, 1, 8, 64, 512, 1000, 14000, 36000, 72000, 143000)
STUDY = Path(__file__).parents[3] / "assets" / "models_en.csv"


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
        names = [axes.get_xlabel().split("\n") for axes in lowest]
        assert names == [["step", "steps of pythia-6.9b"], ["tokens", "steps of pythia-6.9b"]]
        for axes in lowest:
            words, boxes = numbers_of(axes)
            assert len(words) >= 3
            assert not any(set(word) & set("$\\{") for word in words), words
            for number, box in enumerate(boxes):
                assert box.count_overlaps(boxes[:number]) == 0, words
            assert all(len(word) <= 5 for word in words)
            if axes.get_xlabel().startswith("step\n"):
                assert words == ["0", "10", "1k", "100k"]


@pytest.mark.parametrize(
    "sizes",
    [(1.24e8, 3e8, 1.6e9), (1.24e8, 3e8, 2.2e9), (1.24e8, 3e8, 9e9), (1.24e8,), (2.7e9,), (3e9,),
     (6.9e9,), (8e9,), (1.4e9, 1.6e9), (3e9, 7e9), (6.9e9, 7.2e9), (1e9, 3.1e10)],
)  # fmt: skip
def test_numbers_of_sizes_stand_apart_on_small_panels(sizes):
    models = [model(f"{kind}{i}_{family}", size, family=family, kind=kind)
              for family in "abcd" for kind in ("model", "untrained")
              for i, size in enumerate(sizes)]  # fmt: skip
    with style():
        figure = training_figures.untrained(tables_of(models), *PLACE).figure
        figure.draw_without_rendering()
        numbers = [numbers_of(axes) for axes in figure.axes]
    everywhere = [box for _, boxes in numbers for box in boxes]
    for number, box in enumerate(everywhere):
        assert box.padded(2).count_overlaps(everywhere[:number]) == 0, numbers[0][0]
    assert all(len(words) >= 2 for words, _ in numbers)
    assert len(numbers) == 4


def test_numbers_of_a_predictor_beyond_the_words_for_sizes_are_powers_of_ten():
    tables = tables_of([
        model(f"m{i}", 1e7 * 1.3**i, predictors={"flops": 10.0 ** (17 + i / 4)}) for i in range(20)
    ])  # fmt: skip
    with style():
        figure = trajectory_figures.trajectories(tables, *PLACE).figure
        figure.draw_without_rendering()
        (axes,) = [axes for axes in figure.axes if axes.get_xlabel() == "flops"]
        assert numbers_of(axes)[0] == ["10¹⁷", "10¹⁸", "10¹⁹", "10²⁰", "10²¹"]


def test_a_bent_line_over_steps_is_two_straight_ones_on_the_axis_as_it_is_drawn():
    tables = stepped_tables()
    row = tables["trajectories"].query("outcome == 'score_reliable' and subset != 'all'")
    with style():
        figure = trajectory_figures.trajectories(tables, *PLACE).figure
        figure.draw_without_rendering()
        axes = figure.axes[[one.get_xlabel()[:5] for one in figure.axes].index("step\n") - 2]
        line = axes.lines[-1]
        x, y = line.get_data()
        assert np.interp(row["place"].iloc[0], x, y) == pytest.approx(row["level"].iloc[0])
        pixels = axes.transData.transform(np.column_stack([x, y]))
    rise = np.diff(pixels[:, 1]) / np.diff(pixels[:, 0])
    rise = rise[np.diff(pixels[:, 0]) > 1e-3]
    changes = np.flatnonzero(np.abs(np.diff(rise)) > 1e-6 * np.abs(rise).max())
    assert len(changes) == 1
    assert x[0] == 0


def test_legends_of_the_studys_models_are_within_the_figure():
    tables = study_tables()
    drawn = []
    with style():
        for draw, how in (
            (predictor_figures.scatters, {"region": "whole"}),
            (predictor_figures.scatters, {"region": "whole", "subset": "n_parameters > 3e9"}),
            (model_figures.asymmetry_by_size, {}),
            (model_figures.score_by_size, {}),
        ):
            figure = draw(tables, *PLACE, **how).figure
            figure.draw_without_rendering()
            for legend in figure.legends:
                box = legend.get_window_extent()
                assert 0 <= box.x0 < box.x1 <= figure.bbox.width
                drawn.append({text.get_text() for text in legend.get_texts()})
    assert len(drawn) == 4
    assert len(drawn[0]) == len({family_of(name) for name in tables["scores"]["model"]}) == 8


def of_families(n, name="family {}"):
    return tables_of([
        model(f"m{i}", 1e7 * 1.3**i, family=name.format(i), predictors={"ppl": 90.0 - i})
        for i in range(n)
    ])  # fmt: skip


@pytest.mark.parametrize(
    ("draw", "n", "name"),
    [
        (draw, n, name)
        for draw in (family_figures.families_together, predictor_figures.scatters)
        for n, name in ((24, "family {}"), (40, "family {}"), (12, "{} with a name of its own"))
    ],
)
def test_many_families_have_a_legend_within_the_figure_and_axes_of_the_usual_size(draw, n, name):
    sizes = {}
    with style():
        for number, words in ((9, "f{}"), (n, name)):
            figure = draw(of_families(number, words), *PLACE, region="whole").figure
            figure.draw_without_rendering()
            (legend,) = figure.legends
            box = legend.get_window_extent()
            assert -1 <= box.x0 < box.x1 <= figure.bbox.width + 1
            assert 0 <= box.y0 < box.y1 <= figure.bbox.height
            (axes,) = figure.axes
            sizes[number] = axes.bbox
            assert box.count_overlaps([axes.get_tightbbox()]) == 0
    assert sizes[n].height == pytest.approx(sizes[9].height, abs=3)
    assert sizes[n].width > 0.95 * sizes[9].width
    shown = [text.get_text() for text in legend.get_texts()]
    assert shown == [name.format(i) for i in range(min(n, 24))] + [OTHER_FAMILIES] * (n > 24)


def test_a_few_families_stand_beside_their_lines():
    with style():
        figure = family_figures.families_together(of_families(9), *PLACE, region="whole").figure
        figure.draw_without_rendering()
        assert figure.legends[0].get_window_extent().x0 > figure.axes[0].bbox.x1
        assert figure.get_size_inches()[1] == 3.0


def test_names_of_models_below_their_layers_are_within_the_figure():
    names = [f"W{i}-WWWWWWWWWWWWWWWWWW" for i in range(8)]
    tables = tables_of([model(name) for name in names])
    tables["layers"] = pd.DataFrame([
        {"language": "en", "subject": "average", "region": "reliable", "midline": "shared",
         "kind": "model", "family": "made", "model": name, "layer": layer,
         "relative_depth": float(layer), "mean_r": 0.1, "left_minus_right": 0.0, "is_best": layer}
        for name in names for layer in (0, 1)
    ])  # fmt: skip
    with style():
        figure = layer_figures.layers(tables, *PLACE).figure
        figure.draw_without_rendering()
        box = figure.legends[0].get_window_extent()
    assert 0 <= box.x0 < box.x1 <= figure.bbox.width
    assert [text.get_text() for text in figure.legends[0].get_texts()] == names


def test_a_legend_of_names_wider_than_the_figure_stays_in_one_column():
    with style():
        figure, axes = plt.subplots(figsize=(2, 2))
        handles = {f"{i}{'w' * 60}": axes.plot([0, 1])[0] for i in range(3)}
        outside_legend(figure, handles)
        assert len(figure.legends) == 1
        assert [text.get_text() for text in figure.legends[0].get_texts()] == list(handles)


def test_families_differ_in_colour_or_marker_and_the_rest_are_named_once():
    sizes = {f"family {i}": 1e6 * 2.0**i for i in range(40)}
    looks = families(pd.DataFrame({"family": sizes.keys(), "n_parameters": sizes.values()}))
    own = list(looks.values())[: figure_style.MOST_FAMILIES]
    assert len(set(own)) == len(own) >= 20
    assert len(set(looks.values())) == len(own) + 1
    tables = tables_of([model(f"m{i}", size, family=f"family {i}")
                        for i, size in enumerate(sizes.values())])  # fmt: skip
    with style():
        figure = model_figures.asymmetry_by_size(tables, *PLACE).figure
        names = [text.get_text() for text in figure.legends[0].get_texts()]
    assert names == [f"family {i}" for i in range(len(own))] + [OTHER_FAMILIES]


def test_a_legend_has_the_families_of_every_panel():
    tables = tables_of([
        model(f"m{i}", 1e8 * 2.0**i, family=f"family {i % 3}",
              predictors={"ppl" if i % 3 else "hellaswag": float(i)})
        for i in range(12)
    ])  # fmt: skip
    with style():
        figure = predictor_figures.scatters(tables, *PLACE, region="whole").figure
        names = {text.get_text() for text in figure.legends[0].get_texts()}
    assert names == {"family 0", "family 1", "family 2"}


@pytest.mark.parametrize("n", [5, 8, 15, 17])
def test_every_baseline_has_dashes_or_a_grey_of_its_own_in_the_legend_too(n):
    names = [f"baseline_{i}" for i in range(n)]
    tables = tables_of([model("gpt2")])
    tables["densities"] = pd.DataFrame([
        {"language": "en", "subject": "average", "region": "whole", "model": name,
         "kind": "baseline", "value": x, "density": 1.0 + x}
        for name in names for x in (0.0, 1.0)
    ])  # fmt: skip
    with style():
        drawing = robustness.densities(tables, *PLACE, region="whole")
        (axes,) = drawing.figure.axes
        legend = axes.get_legend()
        for lines in (axes.lines, legend.get_lines()):
            looks = {(line.get_color(), str(line._unscaled_dash_pattern)) for line in lines}
            assert len(looks) == min(n, 15)
        dashes = [line._unscaled_dash_pattern[1] for line in legend.get_lines()]
        longest = max(sum(pattern) * 1.2 for pattern in dashes if pattern)
        assert legend.handlelength * 6.5 > 1.5 * longest  # a whole turn of it is seen
    told = "the first 15 each with dashes or a grey of its own, which then come again"
    assert ("black or grey, each with dashes or a grey of its own." in drawing.caption) == (n < 16)
    assert (told in drawing.caption) == (n > 15)


def test_each_model_is_scaled_by_its_own_last_step():
    steps = {"pythia-6.9b": (0, 14300, 143000), "olmo": (0, 50, 100)}
    tables = tables_of([
        model(f"{name}_step{step}", kind="checkpoint", l_minus_r=step / 1e6, score=step / 1e6)
        for name, mine in steps.items() for step in mine
    ])  # fmt: skip
    with style():
        drawing = training_figures.steps(tables, *PLACE)
        scores, sides = drawing.figure.axes
        drawn = {line.get_label(): line.get_xdata() for line in scores.lines}
        looks = [[(line.get_color(), line.get_marker()) for line in axes.lines if len(
            line.get_xdata()) == 3] for axes in (scores, sides)]  # fmt: skip
    np.testing.assert_allclose(drawn["pythia-6.9b (143,000 steps)"], [0, 10, 100])
    np.testing.assert_allclose(drawn["olmo (100 steps)"], [0, 50, 100])
    assert looks[0] == looks[1]
    assert len(set(looks[0])) == 2
    assert sides.get_xlabel() == "share of each model’s last step"
    assert drawing.alt.startswith("Line plots of 6 checkpoints of 2 models; left minus right ends")
    assert "+0.0001 for olmo and +0.1430 for pythia-6.9b" in drawing.alt


def test_one_model_keeps_the_studys_axis():
    tables = tables_of([model(f"pythia-6.9b_step{step}", kind="checkpoint")
                        for step in (0, 14000, 143000)])  # fmt: skip
    with style():
        _, sides = training_figures.steps(tables, *PLACE).figure.axes
        assert sides.get_xlabel() == "share of 143,000 training steps"
        assert [label.get_text() for label in sides.get_xticklabels()] == [
            "0", "10", "25", "50", "100 %"
        ]  # fmt: skip
