"""A given mask, reliability and average subject in the plan, and what of a local folder is used."""

import json
import shutil

import nibabel
import numpy as np
import pytest

from helpers.planning import lines_of, own, plan_of, write_group, write_world
from helpers.tiny_dataset import ASSETS, run_path, write_annotation, write_texts
from lateralization.study import GRID_AFFINE


@pytest.fixture(scope="module")
def world(tmp_path_factory):
    """A data set, texts and two models, in a folder with a space and an accent."""
    return write_world(tmp_path_factory.mktemp("été 1"))


@pytest.fixture
def given(world, tmp_path):
    """A mask, a reliability and an average subject on the target grid."""
    group = write_group(tmp_path)
    (tmp_path / "average").mkdir()
    for run in range(1, 10):
        shutil.copy(group["isc"], tmp_path / "average" / f"run-{run}.nii.gz")
    return group | {"average_subject": str(tmp_path / "average")}


def test_given_files_spare_the_subjects(world, given):
    plan = plan_of(world, **given)
    assert plan["languages"][0]["subjects"] == []
    assert len(plan["languages"][0]["average_subject"]["source"]) == 9
    plan = plan_of(world, **given, subjects="average,EN057")
    (subject,) = plan["languages"][0]["subjects"]
    assert (subject["individual"], subject["group"]) == (True, False)


def test_a_given_mask_alone_still_needs_all_subjects(world, given):
    plan = plan_of(world, **own(world, mask=given["mask"]))
    assert len(plan["languages"][0]["subjects"]) == 3


def test_given_files_spare_the_bold_of_a_local_data_set(given, tmp_path, capsys):
    write_annotation(tmp_path / "data")
    write_texts(tmp_path / "texts")
    small = own(tmp_path, models="gpt2", **given)
    plan = plan_of(tmp_path, **small)
    assert plan["languages"][0]["subjects"] == []
    assert plan["fits"][0] == {"language": "en", "subject": "average", "model": "gpt2"}
    # what is there and not used may be as it likes: a run missing, links that were never fetched
    for subject, name in (("EN901", "nowhere"), ("EN902", "../../../.git/annex/objects/x")):
        link = run_path(tmp_path / "data", subject, 1)
        link.parent.mkdir(parents=True)
        link.symlink_to(name)
    assert plan_of(tmp_path, **small)["languages"] == plan["languages"]
    lines = lines_of(tmp_path, capsys, **small | {"subjects": "average,EN902"})
    assert any("sub-EN902 has 1 runs" in line for line in lines)
    assert not any("EN901" in line for line in lines)
    # without a given reliability the group is needed, and all of it is looked at
    lines = lines_of(tmp_path, capsys, **{k: v for k, v in small.items() if k != "isc"})
    assert any("sub-EN901 has 1 runs" in line for line in lines)


def test_all_subjects_of_a_folder_without_any_is_refused(given, tmp_path, capsys):
    write_annotation(tmp_path / "data")
    write_texts(tmp_path / "texts")
    lines = lines_of(tmp_path, capsys, **own(tmp_path, models="gpt2", subjects="all", **given))
    assert any("has no folder derivatives" in line for line in lines)


def save_moved(path, source, affine=None, shape=None):
    """Write a file of zeros and ones like another, on another grid."""
    image = nibabel.load(source)
    data = np.ones(shape or image.shape, dtype=np.int8)
    nibabel.save(nibabel.Nifti1Image(data, image.affine if affine is None else affine), path)
    return str(path)


@pytest.mark.parametrize("kind", ["isc", "average_subject"])
def test_given_files_share_the_masks_grid(world, given, capsys, kind, tmp_path):
    run = tmp_path / "average" / "run-4.nii.gz" if kind == "average_subject" else given[kind]
    save_moved(run, run, GRID_AFFINE + np.eye(4, k=3))
    lines = lines_of(world, capsys, **own(world, **given))
    assert any(f"--{kind}: {run} and {given['mask']} differ in their affines" in one
               for one in lines)  # fmt: skip
    save_moved(run, run, GRID_AFFINE, (5, 5, 5, 2))
    lines = lines_of(world, capsys, **own(world, **given))
    assert any(f"--{kind}: {run} has grid (5, 5, 5)" in one for one in lines)


def test_a_run_of_a_given_average_subject_has_time(world, given, capsys, tmp_path):
    run = tmp_path / "average" / "run-4.nii.gz"
    save_moved(run, given["mask"])
    lines = lines_of(world, capsys, **own(world, **given))
    assert lines[0].startswith(f"--average_subject: {run} has 3 dimensions; 4 are needed")


@pytest.mark.parametrize("more", [0, 10])
def test_a_given_average_of_more_runs_is_not_guessed_at(world, given, capsys, tmp_path, more):
    runs = tmp_path / "average"
    shutil.copy(runs / "run-4.nii.gz", runs / f"run-{more}.nii.gz")
    lines = lines_of(world, capsys, **own(world, **given))
    assert lines[0].startswith(f"--average_subject: {runs} holds run-{more}.nii.gz beside the 9")


def test_a_given_mask_is_on_the_grid_of_the_runs(world, given, capsys, tmp_path):
    fine = np.diag([2.0, 2, 2, 1])
    fine[:3, 3] = -59, -90, -50
    large = save_moved(tmp_path / "large.nii", given["mask"], fine, (60, 60, 60))
    lines = lines_of(world, capsys, **own(world, mask=large))
    assert any(f"--mask: {large} has grid (60, 60, 60) but the study's grid" in one
               for one in lines)  # fmt: skip
    # a run that uses no BOLD may be on any grid of its own
    isc = save_moved(tmp_path / "isc2.nii", large, shape=(60, 60, 60, 2))
    for number in range(1, 10):
        save_moved(tmp_path / "average" / f"run-{number}.nii.gz", large, shape=(60, 60, 60, 2))
    more = {"mask": large, "isc": isc, "average_subject": given["average_subject"]}
    assert plan_of(world, **own(world, **more))["languages"][0]["subjects"] == []


def test_a_description_on_disk_needs_no_manifest(world, tmp_path):
    """The study's own description, copied beside the data, and one without a manifest."""
    described = json.loads((ASSETS / "ds003643.json").read_text())
    for content in (described, {k: v for k, v in described.items() if k != "manifest"}):
        (world / "data" / "dataset.json").write_text(json.dumps(content))
        try:
            (language,) = plan_of(world, **own(world))["languages"]
        finally:
            (world / "data" / "dataset.json").unlink()
        assert language["corrections"] == "none"
