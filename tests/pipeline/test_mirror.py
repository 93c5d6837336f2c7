"""A mirror of the world in x, and of nothing else, exchanges left and right in all results.

Every image that goes in is mirrored at x = 0: the values of the grid reversed along x, and the
affine such that what was at x is at -x. What a run then finds on the left must be what it found on
the right before: no step, seed or order of voxels prefers a side. One rule does, and is exempt: the
published midline (``shared``) gives the front of the middle plane to one side and its back to the
other.
"""

import json
import shutil
import subprocess
import sys
from collections.abc import Callable
from dataclasses import dataclass
from pathlib import Path

import nibabel as nib
import numpy as np
import pandas as pd
import pytest
from safetensors.numpy import load_file

from lateralization.files import read_json, read_table
from lateralization.study import GRID_AFFINE, GRID_SHAPE
from lateralization.tables.registry.tables import TABLES

from .conftest import PROJECT, Copy, arguments, copy_project, isolation

pytestmark = pytest.mark.pipeline

AREAS = {1: "Area", 2: "Pair", 3: "Pair"}
"""Labels of the atlas: one area on both sides, and one of two labels without a side in its name."""


def mirrored(source: Path, target: Path) -> None:
    """Write an image as a mirror at x = 0 shows it; its axes go on from left to right."""
    image = nib.load(source)
    affine = image.affine.copy()
    affine[0, 3] = -(affine[0, 0] * (image.shape[0] - 1) + affine[0, 3])
    data = np.asarray(image.dataobj)[::-1]
    target.parent.mkdir(parents=True, exist_ok=True)
    nib.save(nib.Nifti1Image(data, affine, image.header), target)


def write_atlas(path: Path) -> None:
    """Write an atlas whose areas are larger on one side than on the other."""
    affine = np.diag([2.0, 2.0, 2.0, 1.0])
    affine[:3, 3] = -90, -126, -72
    labels = np.zeros((91, 109, 91), np.int16)
    labels[10:70, 20:60, 20:60] = 1  # from x = -70 to 48
    labels[15:35, 70:90, 30:50] = 2
    labels[60:70, 70:90, 30:50] = 3
    nib.save(nib.Nifti1Image(labels, affine), path)
    rows = [f"{label}\t{name}\n" for label, name in AREAS.items()]
    path.with_name("atlas.tsv").write_text("".join(["index\tname\n", *rows]))


def mirrored_world(world: Path, target: Path) -> Path:
    """Copy a world with its BOLD runs mirrored; words, texts and models are the same."""

    def copied(source: str, to: str) -> str:
        if source.endswith(".nii.gz"):
            mirrored(Path(source), Path(to))
        else:
            shutil.copy2(source, to)
        return to

    shutil.copytree(world, target, copy_function=copied)
    return target
