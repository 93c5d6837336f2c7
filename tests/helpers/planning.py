"""Plans for the tests: a small world of the user's own, its parameters, and what a refusal says."""

import pytest

from helpers.tiny_dataset import ASSETS, PROJECT, write_dataset, write_model, write_texts
from lateralization.errors import BadInput
from lateralization.plan.validate import make_plan


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


def plan_of(world, **parameters):
    request = {"params": parameters, "launch_dir": str(world), "project_dir": str(PROJECT)}
    return make_plan(request, ASSETS).to_json()


def lines_of(world, capsys, **parameters):
    """Return the lines of a plan that is refused, the last first."""
    with pytest.raises(BadInput) as caught:
        plan_of(world, **parameters)
    said = [line for line in capsys.readouterr().err.splitlines() if line.startswith("--")]
    return [str(caught.value), *said]
