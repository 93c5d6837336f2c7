"""The study's atlas itself, where it is at hand: set HARVARD_OXFORD to nilearn's data folder."""

import os
from pathlib import Path

import numpy as np
import pytest
from nilearn.datasets import fetch_atlas_harvard_oxford
from nilearn.image import resample_to_img
from nilearn.maskers import NiftiMasker

from lateralization.fmri.atlas import read_atlas
from lateralization.sources.atlas import NAME, place_atlas
from lateralization.volumes import load_mask

AT_HAND = os.environ.get("HARVARD_OXFORD", "")
REFERENCE = Path(__file__).resolve().parents[4] / "shared" / "reference_data"
MASK = next(iter(sorted(REFERENCE.rglob("mask_lpp_en.nii.gz"))), None)


@pytest.mark.skipif(not AT_HAND, reason="the Harvard-Oxford atlas is not at hand (HARVARD_OXFORD)")
@pytest.mark.skipif(MASK is None, reason="the study's mask is not at hand")
def test_the_areas_are_those_that_nilearn_reads_through_the_study_s_masker(tmp_path):
    (tmp_path / "cache").mkdir()
    (tmp_path / "cache" / "atlas").symlink_to(Path(AT_HAND).resolve())
    out = tmp_path / "out"
    out.mkdir()
    place_atlas([], tmp_path / "cache", out)
    mask, affine = load_mask(MASK)[:2]
    areas = read_atlas(sorted(out.iterdir()))[0].areas(mask, affine)

    atlas = fetch_atlas_harvard_oxford(NAME, symmetric_split=True, data_dir=AT_HAND, verbose=0)
    moved = resample_to_img(
        atlas.maps, str(MASK), interpolation="nearest", force_resample=True, copy_header=True
    )
    read = NiftiMasker(mask_img=str(MASK)).fit().transform(moved)[0].round().astype(int)
    assert sorted(set(read) - {0}) == list(range(1, 97))  # as published: odd left, even right
    names = [label.removeprefix("Left ") for label in atlas.labels[1::2]]
    assert list(areas.sides) == names
    for number, name in enumerate(names):
        for side, label in zip(areas.sides[name], (2 * number + 1, 2 * number + 2), strict=True):
            np.testing.assert_array_equal(side, read == label)
