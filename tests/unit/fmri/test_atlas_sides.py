"""What an atlas says of left and right is compared with where its voxels lie."""

import gzip

import nibabel as nib
import numpy as np
import pytest

from lateralization.errors import BadInput
from lateralization.fmri.atlas import (
    IMAGE,
    LABELS,
    check_atlas,
    labels_beside,
    places_of,
    read_atlas,
    read_labels,
)
from lateralization.sources.atlas import place_atlas
from lateralization.statistics.areas import split_side
from lateralization.study import GRID_AFFINE, GRID_SHAPE

MIDLINE = 18
"""Plane x = 0 of the study's grid."""


@pytest.fixture
def mask():
    inside = np.zeros(GRID_SHAPE, bool)
    inside[5:32, 8:38, 8:30] = True
    return inside & inside[::-1]


def areas_on(files, mask):
    """Areas of an atlas within a mask."""
    return read_atlas(files)[0].areas(mask, GRID_AFFINE)


def x_of(labels, affine):
    return affine[0, :3] @ np.array(np.nonzero(labels)) + affine[0, 3]


def atlas(folder, names, share=1.0, flip=False, shape=GRID_SHAPE, affine=GRID_AFFINE):
    """Label 1 left, label 2 right; a share of label 1's slabs along y lies on its side."""
    labels = np.zeros(shape, np.int16)
    n_slabs = 20
    x = affine[0, 0] * np.arange(shape[0]) + affine[0, 3]
    for slab in range(n_slabs):
        turned = slab >= round(share * n_slabs)
        labels[x < 0, 8 + slab] = 2 if turned else 1
        labels[x > 0, 8 + slab] = 1 if turned else 2
    if flip:  # stored from right to left, as the affine says
        turn = np.diag([-1.0, 1, 1, 1])
        turn[0, 3] = shape[0] - 1
        labels, affine = labels[::-1], affine @ turn
    nib.save(nib.Nifti1Image(labels, affine), folder / IMAGE)
    (folder / LABELS).write_text(
        "index\tname\n" + "".join(f"{i}\t{name}\n" for i, name in names.items())
    )
    return [folder / IMAGE, folder / LABELS]


PAIRS = [
    ("Left Insula", "Right Insula"), ("Insula_L", "Insula_R"), ("ctx-lh-insula", "ctx-rh-insula"),
    ("LeftInsula", "RightInsula"), ("lh.insula", "rh.insula"), ("L Insula", "R Insula"),
    ("SFG_L_7_1", "SFG_R_7_1"), ("Insula gauche", "Insula droite"), ("Hippocampe gauche",
    "Hippocampe droit"), ("Insula links", "Insula rechts"), ("linke Insula", "rechte Insula"),
]  # fmt: skip


@pytest.mark.parametrize(("left", "right"), PAIRS)
@pytest.mark.parametrize("flip", [False, True])
def test_names_that_agree_with_places_are_taken_and_others_refused(
    left, right, flip, mask, tmp_path
):
    files = atlas(tmp_path, {1: left, 2: right}, flip=flip)
    areas = areas_on(files, mask)
    ((_, halves),) = areas.sides.items()
    x = np.nonzero(mask)[0] - MIDLINE
    assert x[halves[0]].max() < 0 < x[halves[1]].min()
    files = atlas(tmp_path, {1: right, 2: left}, flip=flip)
    for read in (lambda: areas_on(files, mask), lambda: check_atlas(*files)):
        with pytest.raises(BadInput, match="disagree about left and right") as caught:
            read()
        assert left in str(caught.value)
        assert "\n" not in str(caught.value)


@pytest.mark.parametrize(("share", "taken"), [(1.0, True), (0.9, True), (0.85, False)])
def test_nine_tenths_of_a_label_must_lie_on_its_side(share, taken, mask, tmp_path):
    files = atlas(tmp_path, {1: "Left Insula", 2: "Right Insula"}, share)
    if taken:
        assert len(areas_on(files, mask)) == 1
    else:
        with pytest.raises(BadInput, match=r"label 1 \(Left Insula: 85 % of its voxels on the"):
            areas_on(files, mask)


def test_only_the_labels_that_disagree_are_named(tmp_path):
    files = atlas(tmp_path, {1: "Left Insula", 2: "Right Insula", 5: "Left Pole", 6: "Right Pole"})
    image = nib.load(files[0])
    labels = np.asarray(image.dataobj).copy()
    labels[:5], labels[-5:] = 6, 5
    nib.save(nib.Nifti1Image(labels, GRID_AFFINE), files[0])
    with pytest.raises(BadInput, match=r"label 5 \(Left Pole") as caught:
        check_atlas(*files)
    assert "Right Pole" in str(caught.value)
    assert "Insula" not in str(caught.value)


@pytest.mark.parametrize("labels", [{1: "Insula", 2: "Insula"}, {2: "Insula", 1: "Insula"}])
@pytest.mark.parametrize("share", [1.0, 0.0])
def test_two_labels_of_one_name_are_told_apart_by_place(labels, share, mask, tmp_path):
    """Whichever number is on the left: the parity of a label says nothing."""
    areas = areas_on(atlas(tmp_path, labels, share), mask)
    left, right = areas.sides["Insula"]
    x = np.nonzero(mask)[0] - MIDLINE
    assert x[left].max() < 0 < x[right].min()


def test_two_labels_of_one_name_that_lie_on_both_sides_are_refused(mask, tmp_path):
    files = atlas(tmp_path, {1: "Insula", 2: "Insula"}, 0.5)
    with pytest.raises(BadInput, match="labels 1 and 2 are both 'Insula'"):
        areas_on(files, mask)


def test_labels_far_apart_in_number_are_partners_by_place(mask, tmp_path):
    files = atlas(tmp_path, {1: "Insula", 2: "Insula"})
    image = nib.load(files[0])
    labels = np.asarray(image.dataobj).astype(np.int32)
    labels[labels == 2] = 12_004
    nib.save(nib.Nifti1Image(labels, GRID_AFFINE), files[0])
    files[1].write_text("index\tname\n1\tInsula\n12004\tInsula\n")
    assert list(areas_on(files, mask).sides) == ["Insula"]


def test_one_sided_areas_without_a_partner_are_left_out_and_said(mask, tmp_path, capsys):
    """Names whose side nobody can read: no area has an empty side in silence."""
    files = atlas(tmp_path, {1: "Insula sx", 2: "Insula dx"})
    with pytest.raises(BadInput, match="no two labels of the atlas are partners"):
        areas_on(files, mask)
    image = nib.load(files[0])
    labels = np.asarray(image.dataobj).copy()
    labels[:, 30:] = 3
    nib.save(nib.Nifti1Image(labels, GRID_AFFINE), files[0])
    files[1].write_text("index\tname\n1\tInsula sx\n2\tInsula dx\n3\tStem\n")
    areas = areas_on(files, mask)
    assert list(areas.sides) == ["Stem"]
    assert "2 labels have no partner and are left out: Insula sx, Insula dx" in (
        capsys.readouterr().err
    )


def test_a_name_with_and_without_a_side_is_refused(mask, tmp_path):
    files = atlas(tmp_path, {1: "Left Insula", 2: "Insula"})
    with pytest.raises(BadInput, match="both 'Insula'"):
        areas_on(files, mask)


@pytest.mark.parametrize("size", [1.0, 2.0])
def test_voxels_within_the_fissure_count_for_neither_side(size):
    n = int(20 / size)
    affine = np.diag([size, size, size, 1.0])
    affine[:3, 3] = -size * (n - 1) / 2  # no plane at x = 0: the middle is between two
    labels = np.ones((n, 3, 3), int)
    x = affine[0, 0] * np.arange(n) + affine[0, 3]
    assert places_of(labels, affine) == {1: (9 * (x <= -4).sum(), 9 * (x >= 4).sum())}
    affine[0, 3] += size / 2  # now a plane lies at x = 0
    x += size / 2
    assert places_of(labels, affine) == {1: (9 * (x <= -4).sum(), 9 * (x >= 4).sum())}


@pytest.mark.parametrize(
    ("name", "side"),
    [("V1", None), ("5L", None), ("Area 5L", None), ("insulaL", None), ("Rolandic", None),
     ("SFG_L_7_1", None), ("Gyrus droit", None), ("Upright", None), ("Left", 0), ("L", None),
     ("L_5L_ROI", 0), ("R_5L_ROI", 1), ("7Networks_LH_Vis_1", 0)],
)  # fmt: skip
def test_letters_that_only_look_like_a_side_are_none(name, side):
    assert split_side(name)[1] == side


@pytest.mark.parametrize("column", ["hemi", "Hemisphere", "side"])
@pytest.mark.parametrize(("left", "right"), [("L", "R"), ("lh", "rh"), ("left", "RIGHT")])
def test_a_column_of_hemispheres_gives_the_sides(column, left, right, mask, tmp_path):
    files = atlas(tmp_path, {1: "x", 2: "x"})
    files[1].write_text(f"index\tname\t{column}\n1\tInsula\t{left}\n2\tInsula\t{right}\n")
    assert list(areas_on(files, mask).sides) == ["Insula"]
    files[1].write_text(f"index\tname\t{column}\n1\tInsula\t{right}\n2\tInsula\t{left}\n")
    with pytest.raises(BadInput, match="disagree about left and right"):
        areas_on(files, mask)
    files[1].write_text(f"index\tname\t{column}\n1\tLeft Insula\t{right}\n2\tInsula\t{left}\n")
    with pytest.raises(BadInput, match=f"in the column {column}; mend one"):
        read_labels(files[1])


def test_an_atlas_in_another_space_is_refused(tmp_path):
    moved = GRID_AFFINE.copy()
    moved[1, 3] += 1000
    files = atlas(tmp_path, {1: "Left Insula", 2: "Right Insula"}, affine=moved)
    with pytest.raises(BadInput, match="outside the brain"):
        check_atlas(*files)


def test_a_map_of_probabilities_is_no_atlas(tmp_path):
    files = atlas(tmp_path, {1: "Left Insula", 2: "Right Insula"})
    values = np.random.default_rng(0).uniform(size=GRID_SHAPE)
    nib.save(nib.Nifti1Image(values, GRID_AFFINE), files[0])
    with pytest.raises(BadInput, match="no whole numbers"):
        check_atlas(*files)


def test_labels_of_another_atlas_are_refused_and_missing_ones_said(tmp_path, capsys):
    files = atlas(tmp_path, {1: "Left Insula", 2: "Right Insula", 9: "Left Pole"})
    check_atlas(*files)
    assert "has no voxel of the labels 9" in capsys.readouterr().err
    files = atlas(tmp_path, {1: "Left Insula", 4: "Right Insula"})
    check_atlas(*files)
    assert "names no label 2: these areas are left out" in capsys.readouterr().err
    files = atlas(tmp_path, {101: "Left Insula", 102: "Right Insula"})
    with pytest.raises(BadInput, match="holds none of the labels"):
        check_atlas(*files)


def test_a_fissure_that_bends_by_some_millimetres_is_no_fault(tmp_path):
    """In AAL 15 % of the left calcarine sulcus is at x > 0, at most 4 mm; a swap is still seen."""
    affine = np.diag([2.0, 2, 2, 1])
    affine[:3, 3] = -90, -126, -72
    labels = np.zeros((91, 109, 91), np.int16)
    x = affine[0, 0] * np.arange(91) + affine[0, 3]
    for plane in range(91):
        bend = 3.0 if plane % 2 else -3.0
        labels[(x < bend) & (x > -14), 20:40, plane] = 1
        labels[(x > bend) & (x < 14), 20:40, plane] = 2
    on_the_right = (x_of(labels == 1, affine) > 0).mean()
    assert on_the_right > 0.05
    nib.save(nib.Nifti1Image(labels, affine), tmp_path / IMAGE)
    for names in (("Calcarine_L", "Calcarine_R"), ("Calcarine_R", "Calcarine_L")):
        (tmp_path / LABELS).write_text(f"index\tname\n1\t{names[0]}\n2\t{names[1]}\n")
        if names[0] == "Calcarine_L":
            check_atlas(tmp_path / IMAGE, tmp_path / LABELS)
        else:
            with pytest.raises(BadInput, match="disagree about left and right"):
                check_atlas(tmp_path / IMAGE, tmp_path / LABELS)


def test_a_label_that_lies_in_the_fissure_altogether_is_still_compared(tmp_path):
    affine = np.diag([1.0, 1, 1, 1])
    affine[:3, 3] = -90, -126, -72
    labels = np.zeros((181, 217, 181), np.int16)
    labels[87:89, 90:99, 80:99], labels[92:94, 90:99, 80:99] = 1, 2  # x of -3 and -2; 2 and 3
    assert places_of(labels, affine) == {1: (342, 0), 2: (0, 342)}


@pytest.mark.parametrize(
    ("name", "area", "side"),
    [
        ("Thalamus (left and right)", "Thalamus (left and right)", None),
        ("L+R", "L+R", None),
        ("Left/Right Thalamus", "Left/Right Thalamus", None),
        ("Insula (L)", "Insula", 0),
        ("Insula [right]", "Insula", 1),
        ("Left", "hemisphere", 0),
        ("RH", "hemisphere", 1),
    ],
)
def test_names_of_both_sides_have_none_and_brackets_go_with_the_side(name, area, side):
    assert split_side(name) == (area, side)


@pytest.mark.parametrize(
    ("names", "cells"),
    [
        (("SFG_L_7_1", "SFG_R_7_1"), ("L", "R")),
        (("Insula gauche", "Insula droite"), ("L", "R")),
        (("Insula", "Insula"), ("left hemisphere", "right hemisphere")),
        (("Insula", "Insula"), ("links", "rechts")),
    ],
)
def test_a_column_of_sides_goes_with_names_that_say_them_too(names, cells, mask, tmp_path):
    files = atlas(tmp_path, {1: "", 2: ""})
    rows = "".join(f"{i + 1}\t{names[i]}\t{cells[i]}\n" for i in (0, 1))
    files[1].write_text("index\tname\themi\n" + rows)
    areas = areas_on(files, mask)
    assert len(areas.sides) == 1
    turned = "".join(f"{i + 1}\t{names[i]}\t{cells[1 - i]}\n" for i in (0, 1))
    files[1].write_text("index\tname\themi\n" + turned)
    with pytest.raises(BadInput):
        areas_on(files, mask)


@pytest.mark.parametrize("name", ["labels.nii", "LABELS.NII.GZ", "labels.nii.GZ"])
def test_an_atlas_is_brought_in_whatever_form_it_is_given(name, mask, tmp_path):
    image, table = atlas(tmp_path, {1: "Left Insula", 2: "Right Insula"})
    if not name.lower().endswith(".gz"):
        image.write_bytes(gzip.decompress(image.read_bytes()))
    given = image.rename(tmp_path / name)
    table.rename(labels_beside(given))
    (tmp_path / "out").mkdir()
    place_atlas([given], tmp_path / "cache", tmp_path / "out")
    areas = areas_on([tmp_path / "out" / IMAGE, tmp_path / "out" / LABELS], mask)
    assert len(areas.sides) == 1
    assert labels_beside(given).name == f"{name.split('.')[0]}.tsv"
