"""What the brain figures draw and say is what the tables hold: sides, signs, counts and names."""

import base64
import io
import json
import re
import warnings

import nibabel
import numpy as np
import pytest
from matplotlib import colors
from matplotlib import pyplot as plt

from helpers.made_runs import MIDDLE, MadeRun, made_mask, write_run
from lateralization.errors import BadInput
from lateralization.figures import brain_figures as brains
from lateralization.figures.brain_figures import Maps
from lateralization.figures.figure_style import style
from lateralization.figures.figures import FIGURES, draw_one
from lateralization.figures.interactive_brain import INTERACTIVE, area_means, readout, viewer
from lateralization.files import read_json, save_tensors, write_json
from lateralization.study import GRID_AFFINE, GRID_SHAPE
from lateralization.tables.lateralize import lateralize
from lateralization.tables.read import read_tables

N_LEFT_OUT = 300
MASK = made_mask()
USED = MASK.copy()
USED[MASK] = np.arange(MASK.sum()) >= N_LEFT_OUT
LEFT_HALF = slice(None, MIDDLE[0])


def maps_of(folder, run, subject="average", plan=None):
    """Write the tables of a made run, of whose plan some models may be changed, and give maps."""
    inputs = write_run(folder / "in", run)
    if plan:
        made = read_json(inputs.plan)
        made["models"] = [entry | plan for entry in made["models"]]
        write_json(made, inputs.plan)
    lateralize(inputs, folder / "tables")
    return Maps(folder / "tables" / "maps.safetensors", "en", subject)


def given(folder, subject="average", words=None, **values):
    """Give maps that hold some volumes and nothing else."""
    name = f"en/{subject}"
    tensors = {f"{name}/{what}": volume.astype(np.float32) for what, volume in values.items()}
    metadata = {f"{name}/{word}": text for word, text in (words or {}).items()}
    tensors[f"{name}/affine"] = GRID_AFFINE
    save_tensors(folder / "maps.safetensors", tensors, metadata)
    return Maps(folder / "maps.safetensors", "en", subject)


@pytest.fixture(scope="module")
def cut(tmp_path_factory):
    """Maps and tables of a run that left voxels out, all of them on the left."""
    folder = tmp_path_factory.mktemp("cut")
    run = MadeRun(layers=2, left_out=N_LEFT_OUT, atlas=True)
    return maps_of(folder, run), read_tables(folder / "tables"), folder / "in"


def overlay(page):
    """Give the viewer's voxels, (x, y, z, 4) red, green, blue and alpha, and the x of its planes.

    A voxel of alpha 0 is not drawn, and has no value.
    """
    said = page[page.index("= brainsprite({") :]
    nx, ny, nz = (int(re.search(rf'"{axis}": (\d+)', said)[1]) for axis in "XYZ")
    affine = np.array(json.loads(re.search(r'"affine": (\[\[.*?\]\])', said)[1]))
    png = re.search(r'id="overlayImg[^>]*base64,([^"]+)', page)[1]
    sprite = plt.imread(io.BytesIO(base64.b64decode(png)))
    across = sprite.shape[1] // ny
    tiles = [sprite[i // across * nz :, i % across * ny :][:nz, :ny] for i in range(nx)]
    # Each tile is one sagittal slice: z from above, y from the back.
    return np.stack([tile[::-1].swapaxes(0, 1) for tile in tiles]), affine


def voxel_of(affine, place):
    """Give the viewer's voxel at a voxel (x, y, z) of the study's grid."""
    mm = GRID_AFFINE @ [*place, 1]
    return tuple(np.rint(np.linalg.solve(affine, mm)[:3]).astype(int))


def drawn(figure):
    """Give the projections of a glass brain, 0 where nothing is drawn: left, y, right, z."""
    images = [image.get_array() for axes in figure.axes for image in axes.images]
    return [np.ma.filled(image, 0) for image in images]


CENTRE = (12, 22, 18)


def blob(value):
    """Make a map that is 0.05 within the mask, but for 27 voxels around a place on the left."""
    volume = np.where(MASK, 0.05, 0)
    volume[tuple(slice(at - 1, at + 2) for at in CENTRE)] = value
    return volume


def test_left_minus_right_is_drawn_on_the_left_alone(cut):
    maps, _, _ = cut
    score, difference = maps.values["score"], maps.values["left_minus_right"]
    both = (USED & USED[::-1])[LEFT_HALF]
    expected = np.where(both, (score - score[::-1])[LEFT_HALF], 0)
    np.testing.assert_allclose(difference[LEFT_HALF], expected, atol=1e-7)
    assert not difference[MIDDLE[0] :].any()
    page, _ = viewer(maps, "left_minus_right")
    voxels, affine = overlay(page)
    x = affine[0, 0] * np.arange(len(voxels)) + affine[0, 3]
    assert (voxels[x < 0, ..., 3] > 0).any()
    assert not (voxels[x > 0, ..., 3] > 0).any()
    both_sides = overlay(viewer(maps, "score")[0])[0]
    assert (both_sides[x > 0, ..., 3] > 0).any()


def test_a_click_on_the_right_says_no_left_minus_right(cut):
    maps, _, _ = cut
    pages = {what: viewer(maps, what)[0] for what in INTERACTIVE}
    atlas = {what: json.loads(re.search(r"const atlas = (.*);", page)[1])
             for what, page in pages.items()}  # fmt: skip
    assert atlas["left_minus_right"]["on_right"] == "see the left side"
    assert atlas["score"]["on_right"] == atlas["isc"]["on_right"] == ""
    assert "drawn on the left" in pages["left_minus_right"]
    # The mean of an area is over pairs: a voxel whose partner was left out is no difference of 0.
    areas, difference = maps.values["areas"][LEFT_HALF], maps.values["left_minus_right"][LEFT_HALF]
    pairs = (USED & USED[::-1])[LEFT_HALF]
    number = int(areas[MIDDLE[0] - 2, MIDDLE[1], MIDDLE[2]])
    mean = difference[(areas == number) & pairs].mean()
    told = atlas["left_minus_right"]["means"][number - 1]
    assert told == f"left minus right {mean:.3f}"


def test_a_grid_without_a_middle_plane_has_two_equal_halves():
    volume = np.array([1.0, 1.0, 3.0, 5.0])[:, None, None]
    told = area_means(np.ones((4, 1, 1), int), volume, 1, difference=False)
    assert told == ["left 1.000, right 4.000"]


def test_the_reliable_voxels_of_the_figures_are_those_of_the_tables(cut):
    maps, tables, folder = cut
    where = "model == 'large' and layer == 'best_voxel' and region == 'reliable' and "
    row = tables["scores"].query(where + "midline == 'shared' and hemisphere == 'both'")
    n = int(row["n_voxels"].item())
    isc = nibabel.load(folder / "lang-en_isc.nii.gz").get_fdata().mean(axis=3)
    threshold = np.percentile(isc[USED], 75)
    assert n == (USED & (isc > threshold)).sum()
    with_zeros = np.where(USED, isc, 0)[MASK]
    assert n != (with_zeros > np.percentile(with_zeros, 75)).sum()
    np.testing.assert_array_equal(maps.values["reliable"] > 0, USED & (isc > threshold))
    np.testing.assert_array_equal(maps.values["mask"] > 0, USED)
    with style():
        drawing = brains.isc_distribution(maps)
        (axes,) = drawing.figure.axes
        bars = {}
        for bar in axes.patches:
            colour = colors.to_hex(bar.get_facecolor())
            bars[colour] = bars.get(colour, 0) + bar.get_height()
        assert bars == {"#0072b2": n, "#c3c8d0": USED.sum() - n}
        assert axes.lines[0].get_xdata()[0] == pytest.approx(threshold, abs=1e-6)
        said = f"75th percentile: {threshold:.2f}\n{n:,} reliable voxels"
        assert [text.get_text() for text in axes.texts] == [said]
        assert drawing.alt == (
            f"Histogram of {USED.sum():,} voxels with a threshold at {threshold:.2f}."
        )
        drawing = brains.isc_brain(maps)
    assert f"The {n:,} voxels above {threshold:.2f}" in drawing.caption
    least, most = isc[USED].min(), isc[USED].max()
    assert drawing.alt == f"Glass brain of the reliability, from {least:.2f} to {most:.2f}."


def test_the_contour_of_the_reliability_is_that_of_the_reliable_voxels(cut, monkeypatch):
    maps, _, _ = cut
    one = MASK & False
    one[20:24, 20:24, 16:20] = True
    monkeypatch.setitem(maps.values, "reliable", one.astype(np.float32))
    with style():
        axes = brains.isc_brain(maps).figure.axes[2]  # from behind: x and z
        (contour,) = [one for one in axes.collections if one.get_linestyle()[0][1]]
        points = np.vstack([path.vertices for path in contour.get_paths()])
    low, high = (GRID_AFFINE[0] @ [x, 0, 0, 1] for x in (20, 24))
    assert abs(points[:, 0].min() - low) < 4
    assert abs(points[:, 0].max() - high) < 4


def test_a_reliability_that_is_not_known_is_no_zero(tmp_path):
    inputs = write_run(tmp_path / "in", MadeRun(layers=2, baselines=False))
    image = nibabel.load(inputs.isc[0])
    values = image.get_fdata().astype(np.float32)
    values[MASK & ~USED] = np.nan
    nibabel.save(nibabel.Nifti1Image(values, image.affine), inputs.isc[0])
    lateralize(inputs, tmp_path / "tables")
    with style():
        drawing = brains.isc_distribution(
            Maps(tmp_path / "tables/maps.safetensors", "en", "average")
        )
    assert f"{USED.sum():,} voxels" in drawing.alt


@pytest.mark.parametrize("lost", ["reliable", "isc_known", "isc_threshold"])
@pytest.mark.parametrize("draw", [brains.isc_brain, brains.isc_distribution])
def test_maps_of_another_version_are_said_to_be_such(tmp_path, draw, lost):
    words = {"isc_threshold": "0.01"}
    volumes = {"isc": blob(0.4), "isc_known": MASK, "reliable": MASK}
    words.pop(lost, None)
    volumes.pop(lost, None)
    maps = given(tmp_path, words=words, **volumes)
    with style(), pytest.raises(BadInput) as told:
        draw(maps)
    assert str(told.value) == (
        f"{tmp_path / 'maps.safetensors'} has no {lost}: it was made by another version of the "
        "pipeline; run LATERALIZE again"
    )


@pytest.mark.parametrize("what", ["score", "isc"])
def test_what_is_below_zero_is_drawn_as_zero(tmp_path, what):
    words = {"isc_threshold": "0.01"}
    more = {"mask": MASK, "isc_known": MASK, "reliable": MASK}
    draw = {"score": brains.score_brain, "isc": brains.isc_brain}[what]
    shown, captions, pages = {}, {}, {}
    for value in (-0.4, 0.4):
        maps = given(tmp_path, words=words, **{what: blob(value)}, **more)
        with style():
            drawing = draw(maps)
            shown[value] = drawn(drawing.figure)
            captions[value] = drawing.caption
        pages[value] = overlay(viewer(maps, what)[0])
    for image in shown[-0.4]:
        # they hide no voxel before and behind them
        assert sorted({*np.round(np.unique(image), 3)}) == [0, 0.05]
    assert max(image.max() for image in shown[0.4]) == pytest.approx(0.4)
    assert "values below 0 are drawn as 0, without colour (27 voxels)" in captions[-0.4]
    assert "(0 voxels)" in captions[0.4]
    voxel = voxel_of(pages[0.4][1], CENTRE)
    assert {value: voxels[voxel][3] for value, (voxels, _) in pages.items()} == {-0.4: 0, 0.4: 1}


def test_a_map_without_a_positive_value_is_an_empty_brain(tmp_path):
    negative = np.where(MASK, -0.1, 0)
    with style():
        drawing = brains.score_brain(given(tmp_path, score=negative, mask=MASK))
        assert not any(image.any() for image in drawn(drawing.figure))
    assert drawing.alt.endswith("at most -0.10.")


def test_both_sides_of_the_regions_are_counted(cut, tmp_path):
    maps, tables, _ = cut
    sides = tables["roi"][["n_left", "n_right"]]
    n_left, n_right = (int(maps.values[f"rois_{side}"].sum()) for side in ("left", "right"))
    assert 0 < n_left < n_right <= sides["n_right"].sum()
    with style():
        drawing = brains.roi_brain(maps)
        told = f"{n_left} voxels on the left and {n_right} on the right"
        assert told in drawing.caption
        assert told in drawing.alt
        sphere = MASK & False
        sphere[12:15, 20:24, 16:20] = True
        even = given(tmp_path, rois_left=sphere, rois_right=sphere[::-1])
        assert "48 voxels on each side" in brains.roi_brain(even).caption


def test_cortex_where_the_baseline_is_better_is_bare_and_said_to_be(tmp_path):
    worse = np.where(made_mask((18, 22, 18)), -0.3, 0)
    words = {"model": "a", "worst": "b", "random": "random_embedding_300d"}
    maps = given(
        tmp_path, words=words, best_over_random=-worse, worst_over_random=worse, mask=worse < 0
    )
    with style():
        faces = {}
        for which in ("best", "worst"):
            drawing = brains.surface_over_random(maps, which)
            left = drawing.figure.axes[0].collections[0]
            drawing.figure.canvas.draw()
            faces[which] = left.get_facecolor()[:, :3]
            assert "the baseline predicts it as well or better" in drawing.caption
            value = "+0.300" if which == "best" else "−0.300"
            assert drawing.alt.endswith(f"lie between {value} and {value}.")
    grey = {which: np.ptp(colour, axis=1) < 0.01 for which, colour in faces.items()}
    assert grey["worst"].all()
    assert not grey["best"].all()


@pytest.mark.parametrize(
    ("plan", "model", "kind"),
    [
        ({"seed": 1}, "large", "an untrained model"),
        ({"revision": "step100"}, "large", "a training step"),
        (None, r"random_(vector|embedding)_300d", "a baseline"),
    ],
)
def test_what_stands_for_the_best_model_is_called_what_it_is(tmp_path, plan, model, kind):
    missing = () if plan else ("large",)
    maps = maps_of(tmp_path, MadeRun(models={"large": 1e9}, layers=2, missing=missing), plan=plan)
    assert re.fullmatch(model, maps.model)
    named = f"{maps.model} ({kind})"
    with style():
        score, difference = brains.score_brain(maps), brains.asymmetry_brain(maps)
    assert score.title == f"Brain score of {named}"
    assert "no fully trained model was fitted" in score.caption
    assert "the model with the highest mean" not in score.caption
    assert difference.title == f"Left minus right, voxel by voxel, of {named}"
    assert viewer(maps, "score")[1] == f"Brain score of {named}"


def test_a_trained_model_is_called_the_one_with_the_highest_mean(cut):
    with style():
        drawing = brains.score_brain(cut[0])
    assert drawing.title == "Brain score of large"
    assert "for large (the model with the highest mean)" in drawing.caption


@pytest.mark.slow
def test_figures_of_one_person_name_the_person(tmp_path, cut):
    run = MadeRun(
        models={"a": 1e8, "b": 2e8, "c": 5e8}, layers=2, subjects=("EN901", "EN902"), atlas=True
    )
    person = maps_of(tmp_path, run, "EN901")
    plans = [plan for plan in FIGURES if plan.brain and not plan.individuals]
    titles = {}
    with style():
        for plan in plans:
            for whose, maps in (("EN901", person), ("average", cut[0])):
                try:
                    made = plan.draw(maps)
                except brains.TooFewError:
                    continue
                titles[plan.name, whose] = made[1] if plan.interactive else made.title
    assert len([key for key in titles if key[1] == "EN901"]) >= 6
    tables = read_tables(tmp_path / "tables")
    for plan in FIGURES:
        if plan.name in ("choices", "people"):  # drawn from tables: of one person, of all
            entry = draw_one(plan, tables, person, ("en", "EN901"), tmp_path)
            titles[plan.name, "EN901" if plan.name == "choices" else "all"] = entry["title"]
    for (_, whose), title in titles.items():
        assert title.endswith(" in EN901") == (whose == "EN901"), title


def test_means_of_areas_are_over_the_voxels_where_the_map_is_known(tmp_path):
    """An area of which half is unknown: its mean is that of the other half."""
    areas, isc, known = (np.zeros((8, 6, 4)) for _ in range(3))
    areas[:2], isc[0], known[:1] = 1, 0.5, 1
    maps = given(
        tmp_path, words={"areas": "One"}, areas=areas, isc=isc, isc_known=known, mask=known
    )
    said = json.loads(re.search(r"const atlas = (.*);", readout(maps, "isc"))[1])
    assert said["means"] == ["left 0.500"]


def test_slopes_that_all_rise_are_not_said_to_begin_at_zero(tmp_path):
    mask, slope = np.zeros(GRID_SHAPE), np.zeros(GRID_SHAPE)
    mask[10:20, 10:20, 10:20] = 1
    slope[mask > 0] = np.linspace(0.02, 0.31, int(mask.sum()))
    with style():
        alt = brains.slope_brain(given(tmp_path, slope=slope, mask=mask)).alt
    assert "between +0.020 and +0.310 per unit" in alt


def test_sides_that_are_equal_everywhere_are_said_to_be(tmp_path):
    with style(), warnings.catch_warnings():
        warnings.simplefilter("error", RuntimeWarning)
        equal = given(tmp_path, words={"model": "m"}, left_minus_right=np.zeros(GRID_SHAPE))
        assert brains.asymmetry_brain(equal).alt == "Slices of left minus right of m; all equal."
