"""Partners by their names are compared where their sides lie in mirror-image places."""

import math

import nibabel as nib
import numpy as np
import pytest

from helpers.made_runs import MadeRun, write_run
from lateralization.fmri.atlas import IMAGE, LABELS, check_atlas, read_atlas
from lateralization.statistics.areas import compare_places
from lateralization.study import GRID_AFFINE, GRID_SHAPE
from lateralization.tables.lateralize import build
from lateralization.tables.region_tables import atlas_pair_rows

SHAPE = (91, 109, 91)
AFFINE = np.array([[-2.0, 0, 0, 90], [0, 2, 0, -126], [0, 0, 2, -72], [0, 0, 0, 1]])
"""The grid of FSL's MNI152 at 2 mm, which runs from right to left."""

SCHAEFER = {
    1: ("7Networks_LH_Vis_1", (-26, -34, -17)), 2: ("7Networks_LH_Vis_2", (-26, -77, -14)),
    3: ("7Networks_LH_Vis_3", (-17, -60, -7)), 5: ("7Networks_LH_Vis_5", (-5, -92, -2)),
    51: ("7Networks_RH_Vis_1", (32, -31, -22)), 52: ("7Networks_RH_Vis_2", (27, -66, -12)),
    53: ("7Networks_RH_Vis_3", (49, -60, -11)), 55: ("7Networks_RH_Vis_5", (8, -76, 5)),
}  # fmt: skip
"""Labels of Schaefer et al. (2018), 100 parcels, with their centres: Vis_3 and Vis_5 lie apart."""

YAN = {
    1: ("7networks_LH_Default_FPole", (-26, 58, -6)),
    2: ("7networks_LH_Default_Temp_3", (-56, -36, 4)), 3: ("7networks_LH_Vis_2", (-8, -76, 6)),
    4: ("7networks_RH_Cont_FPole", (28, 58, -6)), 5: ("7networks_RH_SomMot_Temp", (56, -32, 4)),
    6: ("7networks_RH_Vis_2", (10, -74, 8)),
}  # fmt: skip
"""Labels of Yan et al. (2023): partners by their numbers, of one network or of two."""

AICHA = {
    1: ("G_Frontal_Sup-1-L", (-18, 58, 16)), 2: ("G_Frontal_Sup-1-R", (18, 58, 16)),
    21: ("S_Olfactory-1-L", (-12, 22, -18)), 22: ("S_Olfactory-1-R", (13, 22, -17)),
    383: ("N_Thalamus-9-L", (-14, -24, 10)), 384: ("N_Thalamus-9-R", (14, -24, 10)),
}  # fmt: skip


def balls(folder, labels, radius=6.0, affine=AFFINE):
    """Write an atlas of balls about the centres of labels, as FETCH leaves it."""
    values = np.zeros(SHAPE, np.int16)
    place = np.moveaxis(np.indices(SHAPE), 0, -1) @ affine[:3, :3].T + affine[:3, 3]
    for label, (_, centre) in labels.items():
        values[((place - centre) ** 2).sum(-1) <= radius**2] = label
    nib.save(nib.Nifti1Image(values, affine), folder / IMAGE)
    lines = "".join(f"{label}\t{name}\n" for label, (name, _) in labels.items())
    (folder / LABELS).write_text("index\tname\n" + lines)
    return [folder / IMAGE, folder / LABELS]


def test_equal_names_of_schaefer_are_partners_only_where_their_places_are(tmp_path, capsys):
    files = balls(tmp_path, SCHAEFER)
    atlas, _ = read_atlas(files)
    assert [pair.area for pair in atlas.pairs] == [f"7Networks Vis_{i}" for i in (1, 2, 3, 5)]
    assert atlas.partners == {"7Networks Vis_1": (1, 51), "7Networks Vis_2": (2, 52)}
    mask = np.ones(GRID_SHAPE, bool)
    assert list(atlas.areas(mask, GRID_AFFINE).sides) == list(atlas.partners)
    rows = {row["parcel"]: row for row in atlas_pair_rows(atlas.pairs)}
    apart = rows["7Networks Vis_3"]
    assert (apart["homologous"], apart["left_label"]) == ("no", "7Networks_LH_Vis_3")
    assert apart["distance"] == pytest.approx(math.hypot(32, 0, 4), abs=0.5)
    assert "Dice 0.00" in apart["reason"]
    assert (rows["7Networks Vis_1"]["homologous"], rows["7Networks Vis_1"]["reason"]) == ("yes", "")
    assert capsys.readouterr().err == ""
    check_atlas(*files)  # what VALIDATE says before anything is run
    assert "2 of 4 areas are not compared" in (said := capsys.readouterr().err)
    assert "7Networks Vis_3, 7Networks Vis_5" in said


def test_the_numbers_of_a_homotopic_parcellation_make_its_partners(tmp_path):
    atlas, _ = read_atlas(balls(tmp_path, YAN))
    assert atlas.partners == {
        "7networks Default_FPole / 7networks Cont_FPole": (1, 4),
        "7networks Default_Temp_3 / 7networks SomMot_Temp": (2, 5),
        "7networks Vis_2": (3, 6),
    }


def test_numbers_do_not_make_partners_of_labels_that_lie_apart(tmp_path):
    """In Schaefer's parcellations the k-th label on the right is of another place, too."""
    moved = YAN | {4: YAN[5], 5: YAN[4]}
    atlas, _ = read_atlas(balls(tmp_path, moved))
    assert atlas.partners == {"7networks Vis_2": (3, 6)}


def test_the_names_of_aicha_are_read(tmp_path):
    atlas, _ = read_atlas(balls(tmp_path, AICHA))
    assert atlas.partners == {
        "G_Frontal_Sup-1": (1, 2), "S_Olfactory-1": (21, 22), "N_Thalamus-9": (383, 384),
    }  # fmt: skip


def recomputed(values, affine, left, right):
    """The numbers of a row of the table, from sets of places and means alone."""
    places = []
    for label in (left, right):
        world = [affine @ [*voxel, 1] for voxel in np.argwhere(values == label).tolist()]
        places.append({tuple(round(float(x)) for x in point[:3]) for point in world})
    mirrored = {(-x, y, z) for x, y, z in places[0]}
    centres = [[sum(axis) / len(one) for axis in zip(*one, strict=True)]
               for one in (mirrored, places[1])]  # fmt: skip
    shared, total = len(mirrored & places[1]), len(places[0]) + len(places[1])
    return len(places[0]), len(places[1]), 2 * shared / total, math.dist(*centres)


@pytest.mark.parametrize("flip", [False, True])
def test_the_numbers_of_the_table_are_those_of_sets_of_places(flip):
    rng = np.random.default_rng(5)
    shape, affine = (21, 16, 12), np.diag([2.0, 2, 2, 1])
    affine[:3, 3] = -20, -16, -12
    values = np.zeros(shape, np.int16)
    for left in range(1, 11, 2):  # a block on the left, and one about its mirror image
        corner, size = rng.integers(0, (4, 11, 7)), rng.integers(3, 6, 3)
        values[tuple(slice(at, at + n) for at, n in zip(corner, size, strict=True))] = left
        corner[0] = 21 - corner[0] - size[0]
        corner = np.maximum(corner + rng.integers(-1, 2, 3), (11, 0, 0))
        size += rng.integers(0, 2, 3)
        values[tuple(slice(at, at + n) for at, n in zip(corner, size, strict=True))] = left + 1
    if flip:
        values, affine = (
            values[::-1],
            affine @ np.array([[-1, 0, 0, 20], [0, 1, 0, 0], [0, 0, 1, 0], [0, 0, 0, 1]]),
        )
    names = {label: f"{('Right', 'Left')[label % 2]} {(label + 1) // 2}" for label in range(1, 11)}
    pairs = compare_places(values, affine, names, {str(i): (2 * i - 1, 2 * i) for i in range(1, 6)})
    numbers = [number for pair in pairs for number in
               (pair.n_left, pair.n_right, pair.dice, pair.distance)]  # fmt: skip
    expected = [number for i in range(1, 6) for number in
                recomputed(values, affine, 2 * i - 1, 2 * i)]  # fmt: skip
    assert len(numbers) == 20
    assert numbers == pytest.approx(expected, abs=1e-9)
    assert max(pair.dice for pair in pairs) > 0.2  # not all of them apart


def test_a_label_on_both_sides_is_compared_across_the_midline(tmp_path):
    """Its side that is more than twice as large, or has nothing opposite, is no partner."""
    values = np.zeros(SHAPE, np.int16)
    values[30:61, 40:50, 30:40] = 1  # x of 30 to -30
    values[20:50, 60:70, 30:40] = 2  # x of 50 to -8
    nib.save(nib.Nifti1Image(values, AFFINE), tmp_path / IMAGE)
    (tmp_path / LABELS).write_text("index\tname\n1\tStem\n2\tHalf\n3\tNothing\n")
    atlas, _ = read_atlas([tmp_path / IMAGE, tmp_path / LABELS])
    assert atlas.partners == {"Stem": (1, 1)}
    stem, half, nothing = atlas.pairs
    assert (stem.n_left, stem.n_right, stem.dice, stem.distance) == (1500, 1500, 1.0, 0.0)
    assert half.reason != ""
    assert nothing.reason == "no voxel on the left"


def test_a_side_more_than_twice_as_large_is_no_partner(tmp_path):
    for radius, kept in ((7.0, True), (8.0, False)):
        files = balls(tmp_path, {1: ("Left A", (-40, 0, 0)), 3: ("Left B", (-40, 40, 0))})
        image = nib.load(files[0])
        values = np.asarray(image.dataobj).copy()
        place = np.moveaxis(np.indices(SHAPE), 0, -1) @ AFFINE[:3, :3].T + AFFINE[:3, 3]
        values[((place - (40, 0, 0)) ** 2).sum(-1) <= radius**2] = 2
        values[((place - (40, 40, 0)) ** 2).sum(-1) <= 36] = 4
        nib.save(nib.Nifti1Image(values, AFFINE), files[0])
        files[1].write_text("index\tname\n1\tLeft A\n2\tRight A\n3\tLeft B\n4\tRight B\n")
        atlas, _ = read_atlas(files)
        assert list(atlas.partners) == (["A", "B"] if kept else ["B"])
        assert atlas.pairs[0].dice > 0.5


def test_areas_whose_sides_lie_apart_are_in_no_table_but_that_of_the_pairs(tmp_path):
    inputs = write_run(
        tmp_path, MadeRun(layers=2, models={"tiny": 1e6}, baselines=False, atlas=True)
    )
    (image, table) = inputs.atlas
    values = np.asarray(nib.load(image).dataobj).copy()
    labels = [int(label) for label in np.unique(values[20]) if label][10:12]
    values[20:][values[20:] == labels[0]] = 0
    values[20:][values[20:] == labels[1]] = labels[0]
    nib.save(nib.Nifti1Image(values, GRID_AFFINE), image)
    names = dict(line.split("\t") for line in table.read_text().splitlines()[1:])
    gone = {names[str(label)].removeprefix("Right ") for label in labels}
    tables = build(inputs).tables
    pairs = tables["atlas_pairs"]
    assert gone >= set(pairs.loc[pairs["homologous"] == "no", "parcel"]) != set()
    assert set(tables["areas"]["parcel"]) == set(pairs.loc[pairs["homologous"] == "yes", "parcel"])
    assert set(tables["parcels"]["parcel"]) == set(tables["areas"]["parcel"])
