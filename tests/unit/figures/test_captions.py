"""Pictures presuppose no result: neither their words, nor the way in which a map is projected."""

import ast
import re
from pathlib import Path

import numpy as np
import pytest
from matplotlib.colors import to_rgb

from helpers.made_runs import MadeRun, made_mask, write_run
from lateralization.figures import brain_figures, family_figures, layer_figures
from lateralization.figures.figure_style import style
from lateralization.figures.robustness import OPTION_WORDS, option_words
from lateralization.files import save_tensors
from lateralization.study import GRID_AFFINE
from lateralization.tables.lateralize import lateralize
from lateralization.tables.read import read_tables
from lateralization.tables.registry.tables import TABLES

FIGURES = Path(brain_figures.__file__).parent
PRESUPPOSED = re.compile(r"\b(should|must|expected|healthy|trustworthy)\b")
PLACE = ("en", "average")


def texts(path):
    """Return the texts of a module; docstrings are none."""
    tree = ast.parse(path.read_text(encoding="utf-8"))
    alone = {id(node.value) for node in ast.walk(tree) if isinstance(node, ast.Expr)}
    return [node.value for node in ast.walk(tree) if isinstance(node, ast.Constant)
            and isinstance(node.value, str) and id(node) not in alone]  # fmt: skip


def test_no_caption_says_what_a_picture_should_show():
    words = {path.name: " ".join(texts(path)) for path in FIGURES.glob("*.py")}
    words |= {table.name: table.caption for table in TABLES.values()}
    found = {name: PRESUPPOSED.findall(text) for name, text in words.items()}
    assert {name: said for name, said in found.items() if said} == {}


@pytest.fixture(scope="module")
def maps(tmp_path_factory):
    """Give maps with one strong voxel in a weak field of the other sign, left of the midline."""
    folder = tmp_path_factory.mktemp("signed")
    field = np.where(made_mask((15, 18, 14)), -0.01, 0).astype(np.float32)
    field[18:] = 0
    field[10:12, 20:26, 16:20] = 1.0
    values = dict.fromkeys(("left_minus_right", "slope", "slope_strong", "pairs"), field)
    values |= {"pairs_clear": field > 0, "mask": field != 0}
    tensors = {f"en/average/{what}": volume.astype(np.float32) for what, volume in values.items()}
    words = {"en/average/model": "m", "en/average/t_threshold": "9"}
    save_tensors(folder / "maps.safetensors", tensors | {"en/average/affine": GRID_AFFINE}, words)
    return brain_figures.Maps(folder / "maps.safetensors", *PLACE), field


@pytest.mark.parametrize("draw", [
    brain_figures.asymmetry_brain, brain_figures.slope_brain, brain_figures.strong_slope_brain,
    brain_figures.pair_brain,
])  # fmt: skip
def test_a_map_with_a_sign_shows_every_voxel_of_its_slices(maps, draw, monkeypatch):
    """Never the strongest voxel of a line of sight: strong colours are as rare as strong voxels."""
    given, field = maps

    def refused(*_, **__):
        raise AssertionError("a glass brain of a map with a sign")

    monkeypatch.setattr(brain_figures.plotting, "plot_glass_brain", refused)
    with style():
        drawing = draw(given)
        shown = [
            np.ma.compressed(image.get_array())
            for axes in drawing.figure.axes
            for image in axes.images
            if image.get_cmap().name.startswith(brain_figures.DIVERGING)
        ]
    pixels = np.concatenate(shown)
    assert np.unique(pixels) == pytest.approx([-0.01, 1.0])
    known = field[field != 0]
    assert abs((pixels > 0.5).mean() - (known > 0.5).mean()) < 0.05
    assert len(shown) == 2 * brain_figures.N_CUTS


def test_slices_lie_where_the_map_is():
    field = np.zeros((37, 46, 38))
    field[4:15, 10:30, 5:9] = 1
    at = brain_figures.cuts(field, GRID_AFFINE, 0)
    assert at == sorted(at)
    assert -72 + 4 * 4 <= at[0] < at[-1] <= -72 + 4 * 14
    assert brain_figures.cuts(field * 0, GRID_AFFINE, 2) == sorted(
        brain_figures.cuts(field * 0, GRID_AFFINE, 2)
    )


@pytest.fixture(scope="module")
def tables(tmp_path_factory):
    folder = tmp_path_factory.mktemp("families")
    lateralize(write_run(folder / "in", MadeRun(study=True)), folder / "tables")
    return read_tables(folder / "tables")


def darkness(line):
    """Return how dark a line is on white."""
    alpha = 1 if line.get_alpha() is None else line.get_alpha()
    return alpha * (1 - np.mean(to_rgb(line.get_color())))


def test_larger_models_are_darker_in_every_picture_of_layers(tables):
    sizes = tables["asymmetry"].drop_duplicates("model").set_index("model")["n_parameters"]
    with style():
        whole = layer_figures.layers(tables, *PLACE).figure.axes[0]
        panels = family_figures.layers_by_family(tables, *PLACE, "whole").figure.axes
    several = 0
    for axes in [whole, *panels]:
        named = {line.get_label(): line for line in axes.lines if line.get_label() in sizes.index}
        order = sorted(named, key=lambda name: sizes[name])
        shades = [darkness(named[name]) for name in order]
        assert shades == sorted(shades)
        assert len(set(shades)) == len(shades) > 0
        several += len(order) > 1
    assert several > 2


def test_the_panels_of_families_name_their_models(tables):
    rows = tables["layers"][tables["layers"]["kind"] == "model"]
    models = rows.groupby("family")["model"].unique()
    with style():
        panels = family_figures.layers_by_family(tables, *PLACE, "whole").figure.axes
        apart = family_figures.families_apart(tables, *PLACE, "whole").figure.axes
    legends = [{text.get_text() for text in axes.get_legend().get_texts()} for axes in panels]
    assert sorted(map(sorted, legends)) == sorted(sorted(names) for names in models)
    named = [{text.get_text() for text in axes.texts} for axes in apart]
    assert sorted(map(sorted, named)) == sorted(sorted(names) for names in models)


def test_the_options_of_the_specifications_are_written_in_words(tables):
    options = {str(option) for option in tables["specification_choices"]["option"]}
    coded = {name for name in options if "_" in name and not name.startswith("without_")}
    assert coded <= set(OPTION_WORDS)
    assert option_words("without_run_1") == "without run 1"
    assert not any("_" in words for words in OPTION_WORDS.values())
