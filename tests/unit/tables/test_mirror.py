"""LATERALIZE on files and on their mirror image: left and right are exchanged in every table."""

import json
from dataclasses import replace
from pathlib import Path

import numpy as np
import pytest

from helpers.made_runs import MadeRun, made_mask, write_run
from helpers.mirror import compare_tables, mirrored
from lateralization.files import read_json, read_metadata, read_tensors, save_tensors, write_json
from lateralization.tables.lateralize import Inputs, build
from lateralization.volumes import mirror_index

HALVES = "lang-en_isc_runs.safetensors"


def mirror_of(inputs: Inputs, folder: Path, mirror: np.ndarray) -> Inputs:
    """Write the files of a run with its voxels mirrored; the ROIs stay, as their centres do."""
    folder.mkdir()
    for path in [*inputs.runs, *inputs.ceilings]:
        tensors = {key: value[..., mirror] for key, value in read_tensors(path).items()}
        save_tensors(folder / path.name, tensors, read_metadata(path))
    for path in inputs.scores:
        record = read_json(path)
        for voxel in record["left_out"]["voxels"]:
            voxel["voxel"] = int(mirror[voxel["voxel"]])
        write_json(record, folder / path.name)
    for path in inputs.isc:
        mirrored(path, folder / path.name)
    moved = {
        name: [folder / path.name for path in getattr(inputs, name)]
        for name in ("runs", "scores", "isc", "ceilings")
    }
    return replace(inputs, **moved)


@pytest.fixture(scope="module")
def tables(tmp_path_factory):
    folder = tmp_path_factory.mktemp("mirror")
    mask, people = made_mask((5, 6, 5)), ("average", "EN901", "EN902", "EN903")
    models = {f"m{k}": 10.0**k for k in range(4, 11)}
    run = MadeRun(models, 2, subjects=people, baselines=False, left_out=3, atlas=True, mask=mask)
    inputs = write_run(folder / "plain", run)
    for place, path in enumerate(inputs.scores):  # layers that do not follow size: OLS needs them
        write_json(read_json(path) | {"n_layers": 1 + place**2 % 7}, path)
    n_voxels = int(mask.sum())
    halves = np.random.default_rng(0).uniform(0.1, 0.6, (2, 9, n_voxels)).astype(np.float32)
    stories = {"stories": json.dumps(run.keys)}
    save_tensors(folder / "plain" / HALVES, {"split_half": halves}, stories)
    inputs = replace(inputs, ceilings=[folder / "plain" / HALVES])
    other = mirror_of(inputs, folder / "mirror", mirror_index(mask))
    return build(inputs).tables, build(other).tables


@pytest.mark.slow
@pytest.mark.parametrize(
    "name",
    [
        *("scores", "asymmetry", "layers", "regressions", "ols", "sensitivity", "specifications"),
        *("parcels", "areas", "area_relations", "ceilings", "roi", "subjects", "voxel_pairs"),
        *("claim", "claim_runs"),
    ],
)
def test_left_and_right_are_exchanged_in_a_table(tables, name):
    plain, mirror = (made[name] for made in tables)
    assert compare_tables(name, plain, mirror) > 10
    if name not in ("area_relations", "voxel_pairs"):
        with pytest.raises(AssertionError):  # what did not change sides is not its own mirror image
            compare_tables(name, plain, plain)
