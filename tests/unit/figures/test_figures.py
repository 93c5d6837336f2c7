"""Every figure that the tables allow is drawn, and the others say why not."""

import json
import re
import xml.etree.ElementTree as ET
from functools import partial

import matplotlib as mpl
import nibabel
import numpy as np
import pandas as pd
import pytest
from matplotlib import pyplot as plt

from helpers.made_runs import MadeRun, write_run
from lateralization.errors import BadInput
from lateralization.figures import (
    brain_figures,
    family_figures,
    layer_figures,
    model_figures,
    people_figures,
    predictor_figures,
    region_figures,
    trajectory_figures,
)
from lateralization.figures import figures as stage
from lateralization.figures.figure_style import (
    LEFT,
    RIGHT,
    families,
    family_name,
    label_points,
    settle,
    short,
    style,
    zero_line,
)
from lateralization.figures.figures import FIGURES, draw_all
from lateralization.files import read_json
from lateralization.statistics.regressions import NO_VOXEL
from lateralization.tables.lateralize import lateralize
from lateralization.tables.read import TooFewError, models_of, read_tables


def make(folder, run=None):
    lateralize(write_run(folder / "in", run), folder / "tables")
    draw_all(folder / "tables", folder / "figures")
    return {entry["name"]: entry for entry in read_json(folder / "figures" / "figures.json")}


@pytest.fixture(scope="module")
def full(tmp_path_factory):
    folder = tmp_path_factory.mktemp("figures")
    run = MadeRun(
        models={"tiny": 1e6, "small$x_1$": 1e7, "<b>medium</b>": 1e8, "large": 1e9},
        subjects=("average", "EN901", "EN902", "EN903"), truth=True, study=True,
    )  # fmt: skip
    return make(folder, run), folder / "figures"


@pytest.mark.slow
def test_a_full_run_has_every_figure_as_svg_and_png(full):
    entries, folder = full
    absent = {name: entry["note"] for name, entry in entries.items() if not entry["drawn"]}
    assert absent == {}
    assert set(entries) == {plan.name for plan in FIGURES}
    for entry in entries.values():
        if not entry["drawn"]:
            assert entry["note"]
            continue
        if entry["interactive"]:
            page = (folder / entry["html"]).read_text(encoding="utf-8")
            assert not re.search(r"(src|href)=.https?:", page)
            continue
        root = ET.parse(folder / entry["svg"]).getroot()
        assert root.tag.endswith("svg")
        words = [one for one in root.iter("{http://www.w3.org/2000/svg}text") if one.text]
        assert words, entry["name"]  # text is text, not outlines
        png = (folder / entry["png"]).read_bytes()
        assert png.startswith(b"\x89PNG")
        width, inches = int.from_bytes(png[16:20]), float(root.attrib["width"].rstrip("pt")) / 72
        assert width / inches == pytest.approx(300, rel=0.01)
        assert entry["data"]
        assert all((folder.parent / "tables" / name).exists() for name in entry["data"])


@pytest.mark.slow
def test_every_figure_has_words_that_teach(full):
    entries, _ = full
    for entry in entries.values():
        if not entry["drawn"] or entry["interactive"]:
            continue
        assert len(entry["caption"]) > 150, entry["name"]
        assert 20 < len(entry["alt"]) < 400, entry["name"]
        assert entry["title"]


def test_few_data_leave_figures_out_with_a_note(tmp_path):
    run = MadeRun(models={"only": 1e6}, baselines=False, isc=False, rois=False)
    entries = make(tmp_path, run)
    drawn = {name for name, entry in entries.items() if entry["drawn"]}
    assert drawn == {
        "layers", "brain_score", "brain_left_minus_right", "densities_whole", "interactive_score",
        "interactive_left_minus_right",
    }  # fmt: skip
    note = entries["asymmetry_by_size"]["note"]
    assert note == "only 1 of the 2 models of known size that are needed"
    assert entries["brain_isc"]["note"] == "no reliability map"
    assert entries["baselines"]["note"] == "no baseline and no untrained model"
    assert entries["people"]["note"] == "no individual subjects"
    assert all(entry["note"] for entry in entries.values() if not entry["drawn"])


@pytest.mark.slow
def test_two_processes_draw_the_same_as_one(tmp_path):
    run = MadeRun(models={"only": 1e6}, baselines=False, isc=False, rois=False)
    make(tmp_path, run)
    one, two = tmp_path / "figures", tmp_path / "again"
    draw_all(tmp_path / "tables", two, processes=2)
    assert len(list(one.iterdir())) > 8
    assert {path.name for path in one.iterdir()} == {path.name for path in two.iterdir()}
    for path in one.iterdir():
        assert path.read_bytes() == (two / path.name).read_bytes(), path.name


@pytest.mark.slow
def test_equal_tables_give_equal_pictures(full, tmp_path):
    _, folder = full
    tables = folder.parent / "tables"
    plans = [plan for plan in FIGURES if plan.name in ("asymmetry_by_size", "isc_distribution")]
    maps = stage.Maps(tables / "maps.safetensors", "en", "average")
    for plan in plans:
        entry = stage.draw_one(plan, read_tables(tables), maps, ("en", "average"), tmp_path)
        for kind in ("svg", "png"):
            first, second = folder / entry[kind], tmp_path / entry[kind]
            assert first.read_bytes() == second.read_bytes()


@pytest.mark.slow
def test_points_of_the_headline_are_those_of_the_table(full):
    _, folder = full
    tables = read_tables(folder.parent / "tables")
    rows = models_of(tables, "en", "average", "reliable")
    with style():
        drawing = model_figures.asymmetry_by_size(tables, "en", "average")
        levels, difference = drawing.figure.axes
        left = next(line for line in levels.lines if line.get_label() == "left hemisphere")
        np.testing.assert_array_equal(left.get_ydata(), rows["left"])
        assert mpl.colors.to_hex(left.get_color()) == LEFT
        drawn = {line.get_label(): line.get_ydata() for line in difference.lines}
        assert rows["family"].nunique() > 1
        for family, members in rows.groupby("family"):
            np.testing.assert_array_equal(drawn[family_name(family)], members["left_minus_right"])
        zero = difference.lines[0]
        assert list(zero.get_ydata()) == [0, 0]
    assert RIGHT == "#029e73"


@pytest.mark.slow
def test_the_viewer_knows_the_area_of_every_voxel_and_its_means(full):
    _, folder = full
    maps = stage.Maps(folder.parent / "tables" / "maps.safetensors", "en", "average")
    page = (folder / "en_average_interactive_score.html").read_text(encoding="utf-8")
    assert len(page) < 1_000_000
    atlas = json.loads(re.search(r"const atlas = (.*);", page)[1])
    runs = np.array(atlas["runs"]).reshape(-1, 2)
    labels = np.repeat(runs[:, 0], runs[:, 1]).reshape(atlas["shape"])
    np.testing.assert_array_equal(labels, maps.values["areas"])
    x, y, z = np.argwhere(labels > 0)[7]
    place = maps.values["affine"] @ [x, y, z, 1]
    np.testing.assert_allclose(np.array(atlas["to_voxel"]) @ place, [x, y, z], atol=1e-9)
    parcels = read_tables(folder.parent / "tables")["parcels"]
    rows = parcels[(parcels["subject"] == "average") & (parcels["model"] == maps.model)]
    assert atlas["names"] == list(rows["parcel"])
    row = rows.dropna(subset=["left", "right"]).iloc[3]
    told = atlas["means"][atlas["names"].index(row["parcel"])]
    assert told == f"left {row['left']:.3f}, right {row['right']:.3f}"


@pytest.mark.slow
def test_a_bent_line_goes_through_its_change_point(full):
    _, folder = full
    tables = read_tables(folder.parent / "tables")
    rows = tables["trajectories"]
    row = rows[
        (rows["subject"] == "average") & (rows["outcome"] == "l_minus_r_reliable")
        & (rows["predictor"] == "ln_n_parameters")
    ].iloc[0]  # fmt: skip
    with style():
        drawing = trajectory_figures.trajectories(tables, "en", "average")
        sized = next(
            axes for axes in drawing.figure.axes
            if axes.get_xlabel() == "number of parameters" and axes.get_lines()
        )  # fmt: skip
        x, y = sized.lines[-1].get_data()
        at = np.interp(np.exp(row["place"]), x, y)
        assert at == pytest.approx(row["level"], abs=1e-9)
        slopes = np.diff(y) / np.diff(np.log(x))
        assert slopes[0] == pytest.approx(row["before"])
        assert slopes[-1] == pytest.approx(row["after"])


@pytest.mark.slow
def test_many_models_are_told_apart_by_family(full):
    _, folder = full
    tables = read_tables(folder.parent / "tables")
    rows = tables["asymmetry"][tables["asymmetry"]["model"] == "large"]
    for i in range(12):
        more = rows.assign(
            model=f"m{i}", family=f"family {i % 3}", n_parameters=10.0 ** (6 + i / 4)
        )
        tables["asymmetry"] = pd.concat([tables["asymmetry"], more], ignore_index=True)
    with style():
        drawing = model_figures.asymmetry_by_size(tables, "en", "average")
        names = [text.get_text() for text in drawing.figure.legends[0].get_texts()]
    assert sorted(names) == ["GPT-2", "Qwen", "family 0", "family 1", "family 2", "made"]


@pytest.mark.slow
def test_a_family_has_one_colour_in_all_panels_of_a_figure(full):
    _, folder = full
    tables = read_tables(folder.parent / "tables")
    sheet = tables["predictors"]
    assert sheet.groupby("predictor")["model"].nunique().nunique() > 1  # a panel lacks models
    rows = models_of(tables, "en", "average", "whole")
    looks = {family_name(name): look for name, look in families(rows).items()}
    with style():
        drawing = predictor_figures.scatters(tables, "en", "average", "whole")
        for axes in drawing.figure.axes:
            for line in axes.lines:
                if line.get_label() in looks:
                    shown = mpl.colors.to_hex(line.get_color()), line.get_marker()
                    assert shown == looks[line.get_label()]
        names = {text.get_text() for text in drawing.figure.legends[0].get_texts()}
    assert names == set(looks)


@pytest.mark.slow
def test_training_steps_are_no_points_of_a_regression_over_models(full):
    _, folder = full
    tables = read_tables(folder.parent / "tables")
    kinds = tables["asymmetry"].drop_duplicates("model").set_index("model")["kind"]
    steps = kinds.index[kinds == "checkpoint"]
    given = pd.DataFrame({"language": "en", "model": steps, "predictor": "ppl", "value": 50.0})
    tables["predictors"] = pd.concat([tables["predictors"], given], ignore_index=True)
    sheet = tables["predictors"].query("language == 'en' and predictor == 'ppl'")["model"]
    with style():
        drawing = predictor_figures.scatters(tables, "en", "average", "whole")
        (axes,) = [one for one in drawing.figure.axes if one.get_xlabel() == "perplexity"]
        points = [line for line in axes.lines if line.get_marker() not in ("None", "")]
        assert len(steps)
        assert (
            sum(len(line.get_xdata()) for line in points)
            == (kinds[sheet.unique()] == "model").sum()
        )


@pytest.mark.parametrize("n_panels", [1, 4, 5, 7])
def test_the_lowest_panel_of_every_column_says_its_numbers(n_panels):
    with style():
        figure, drawn = family_figures.panels([str(i) for i in range(n_panels)], sharex=True)
        for axes in drawn:
            axes.plot([1, 2, 3], [1, 2, 3])
        figure.draw_without_rendering()
        shown = [any(label.get_visible() for label in axes.get_xticklabels()) for axes in drawn]
    assert shown == [place + 4 >= n_panels for place in range(n_panels)]


def _distance(box, point):
    """Pixels from a point to a box; 0 inside."""
    beyond = [np.maximum(box.min - point, 0), np.maximum(point - box.max, 0)]
    return float(np.hypot(*np.add(*beyond)))


@pytest.mark.parametrize(("n", "least"), [(6, 6), (28, 20), (60, 24)])
def test_every_label_stands_at_its_own_point_or_has_a_line_to_it(n, least):
    rng = np.random.default_rng(n)
    with style():
        figure, (axes, _) = plt.subplots(1, 2, figsize=(7.2, 2.9))
        zero_line(axes)
        x = np.sort(10 ** rng.uniform(7.5, 10.2, n))
        y = 0.002 * np.log(x) - 0.04 + rng.normal(0, 0.004, n)
        axes.semilogx(x, y, "o")
        names = [f"tiny-llama-{i}" for i in range(n)]
        label_points(axes, x, y, names)
        before = len(axes.lines)
        settle(figure)
        figure.draw_without_rendering()
        points = axes.transData.transform(np.column_stack([x, y]))
        boxes = {names.index(text.get_text()): text.get_window_extent() for text in axes.texts}
        leaders = [axes.transData.transform(one.get_xydata()) for one in axes.lines[before:]]
        assert len(boxes) >= least
        for number, box in boxes.items():
            others = [other for key, other in boxes.items() if key != number]
            assert box.count_overlaps(others) == 0
            assert box.count_contains(points) == 0
            assert axes.bbox.padded(8).contains(*box.min)
            assert axes.bbox.padded(8).contains(*box.max)
            nearest = int(np.argmin([_distance(box, point) for point in points]))
            tied = any(
                np.abs(line[1] - points[number]).max() < 1 and _distance(box, line[0]) < 3
                for line in leaders
            )
            assert tied or nearest == number, names[number]


def test_labels_are_the_same_in_every_run():
    def places():
        with style():
            figure, axes = plt.subplots()
            x, y = np.random.default_rng(0).uniform(0, 1, (2, 12))
            axes.plot(x, y, "o")
            label_points(axes, x, y, [f"m{i}" for i in range(12)])
            settle(figure)
            return [(text.get_text(), text.get_position()) for text in axes.texts]

    assert places() == places()


@pytest.mark.slow
def test_no_title_runs_into_statistics_or_into_the_next_panel(full):
    _, folder = full
    tables = read_tables(folder.parent / "tables")
    drawers = (
        partial(people_figures.individuals, form="difference", column="mean_r"),
        partial(people_figures.individuals, form="score", column="p90_r"),
        region_figures.rois,
        model_figures.score_by_size,
    )
    n_beside = 0
    for draw in drawers:
        with style():
            figure = draw(tables, "en", "average").figure
            for axes in figure.axes:
                if axes.get_title("left"):  # as of a person with a long name
                    axes.set_title(f"{axes.get_title('left')} of a long name", loc="left")
            settle(figure)
            figure.draw_without_rendering()
            for axes in figure.axes:
                left, right = axes._left_title, axes._right_title
                box = left.get_window_extent()
                assert box.x1 <= axes.bbox.x1 + 1, left.get_text()
                if right.get_text() and left.get_text():
                    n_beside += 1
                    line = left.get_window_extent().height / (1 + left.get_text().count("\n"))
                    low = box.y0 + line * left.get_text().count("\n")
                    other = right.get_window_extent()
                    assert box.x1 < other.x0 or low >= other.y1 - 2, left.get_text()
    assert n_beside > 3


@pytest.mark.slow
def test_many_models_get_a_scale_instead_of_a_legend_of_layers(full):
    _, folder = full
    tables = read_tables(folder.parent / "tables")
    rows = tables["layers"][tables["layers"]["model"] == "large"]
    more = [rows.assign(model=f"m{i}") for i in range(9)]
    tables["layers"] = pd.concat([tables["layers"], *more], ignore_index=True)
    with style():
        drawing = layer_figures.layers(tables, "en", "average")
        assert not drawing.figure.legends
        assert len(drawing.figure.axes) == 3


@pytest.mark.slow
def test_a_figure_without_rows_says_so(full):
    _, folder = full
    tables = read_tables(folder.parent / "tables")
    with style(), pytest.raises(TooFewError, match="no models with a planted truth"):
        model_figures.planted(tables, "fr", "average")


def test_long_names_are_cut_in_the_middle():
    assert short("a" * 40 + "b" * 40, 21) == "a" * 10 + "…" + "b" * 10


def test_a_missing_table_is_bad_input(tmp_path):
    with pytest.raises(BadInput, match=r"claim\.tsv is missing"):
        read_tables(tmp_path)


@pytest.mark.slow
@pytest.mark.parametrize("empty", ["TP", "TP, AG_TPJ"])
def test_a_region_outside_the_mask_leaves_its_cells_empty(tmp_path, empty):
    run = MadeRun(subjects=("average",), baselines=False, layers=2)
    inputs = write_run(tmp_path / "in", run)
    for path in inputs.rois:
        if path.name.removeprefix("lang-en_roi-").removesuffix(".nii.gz") in empty.split(", "):
            image = nibabel.load(path)
            nibabel.save(nibabel.Nifti1Image(np.zeros(image.shape, np.int8), image.affine), path)
    lateralize(inputs, tmp_path / "tables")
    tables = read_tables(tmp_path / "tables")
    table = tables["roi"].set_index("roi")
    assert list(table.index) == ["TP", "AG_TPJ"]
    assert table.loc["TP", "reason"] == NO_VOXEL
    assert table.loc["TP", ["left_minus_right", "r", "slope_left", "slope_t_test_p"]].isna().all()
    for name, where in {
        "regressions": "outcome == 'l_minus_r_TP'", "ols": "outcome == 'l_minus_r_TP'",
        "controls": "selection == 'TP'", "mediation": "selection == 'TP'",
    }.items():  # fmt: skip
        assert set(tables[name].query(where)["reason"]) == {NO_VOXEL}, name
    sides = tables["asymmetry"].query("selection == 'TP'")
    assert len(sides)
    assert sides[["left", "right", "left_minus_right"]].isna().all(axis=None)
    with style():
        if empty == "TP":
            assert np.isfinite(table.loc["AG_TPJ", "r"])
            drawing = region_figures.rois(tables, "en", "average")
            assert drawing.alt == "1 panels: AG_TPJ."
            region_figures.roi_slopes(tables, "en", "average")
        else:
            for figure in (region_figures.rois, region_figures.roi_slopes):
                with pytest.raises(TooFewError):
                    figure(tables, "en", "average")
            with pytest.raises(TooFewError, match="no region of interest has a voxel"):
                brain_figures.roi_brain(
                    brain_figures.Maps(tmp_path / "tables" / "maps.safetensors", "en", "average")
                )


@pytest.mark.slow
def test_the_best_layer_is_drawn_as_a_share_of_all_layers_of_a_model(full):
    _, folder = full
    tables = read_tables(folder.parent / "tables")
    best = tables["layers"].query("subject == 'average' and region == 'reliable' and is_best")
    best = best[(best["midline"] == "shared") & (best["kind"] == "model")]
    fitted = tables["layers"]["layer"].max()
    for n_layers, last in ((24.0, 24), (np.nan, fitted)):  # of 24 layers a few were fitted
        tables["asymmetry"]["n_layers"] = n_layers
        with style():
            drawing = predictor_figures.best_layer(tables, "en", "average")
            axes = drawing.figure.axes[0]
            points = [y for line in axes.lines if line.get_marker() not in ("None", "")
                      for y in line.get_ydata()]  # fmt: skip
        np.testing.assert_allclose(sorted(points), sorted(best["layer"] / (last + 1)))
        assert "the last of n layers lies at n / (n + 1), just below 1" in drawing.caption
        assert axes.get_ylabel() == "best layer / layers with embedding"
