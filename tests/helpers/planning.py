"""Plans for the tests: a small world of the user's own, its parameters, and what a refusal says."""

import nibabel
import numpy as np
import pytest

from helpers.tiny_dataset import ASSETS, PROJECT, write_dataset, write_model, write_texts
from lateralization.errors import BadInput
from lateralization.plan.validate import make_plan
from lateralization.study import GRID_AFFINE, GRID_SHAPE


def write_world(root):
    """Write a data set of three subjects, texts and two models."""
    write_dataset(root / "data", ("EN901", "EN902", "EN903"))
    write_texts(root / "texts")
    for name in ("tiny-a", "tiny-b"):
        write_model(root / "models" / name)
    return root


def own(world, **more):
    """Return the parameters of a run on the user's own data."""
    return {
        "dataset": "data",
        "texts": "texts",
        "models": "models/tiny-a,models/tiny-b",
        "baselines": "random_vector",
        "random_dims": 300,
        "random_seeds": 1,
        **more,
    }


def write_group(folder):
    """Write a mask and a reliability on the study's grid; return the parameters that give them."""
    mask = np.zeros(GRID_SHAPE, dtype=np.int8)
    mask[10:27, 20:30, 15:25] = 1
    isc = np.zeros((*GRID_SHAPE, 2), dtype=np.float32)
    for name, values in (("mask", mask), ("isc", isc)):
        nibabel.save(nibabel.Nifti1Image(values, GRID_AFFINE), folder / f"{name}.nii.gz")
    return {name: str(folder / f"{name}.nii.gz") for name in ("mask", "isc")}


def plan_of(world, **parameters):
    request = {"params": parameters, "launch_dir": str(world), "project_dir": str(PROJECT)}
    return make_plan(request, ASSETS).to_json()


def lines_of(world, capsys, **parameters):
    """Return the lines of a plan that is refused, the last first."""
    with pytest.raises(BadInput) as caught:
        plan_of(world, **parameters)
    said = [line for line in capsys.readouterr().err.splitlines() if line.startswith("--")]
    return [str(caught.value), *said]
