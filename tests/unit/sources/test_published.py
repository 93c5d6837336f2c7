"""The study's published files: verified by git's ids, read without running them, and adopted."""

import hashlib
import subprocess
from dataclasses import replace

import joblib
import nibabel
import numpy as np
import pytest

from helpers.bad_server import serving
from helpers.tiny_dataset import ASSETS
from lateralization.errors import BadInput
from lateralization.files import GIT_BLOB, digest_of, read_tensors
from lateralization.fmri.average import write_average
from lateralization.fmri.reliability import write_given
from lateralization.runs import numbered_keys
from lateralization.sources.download import Policy
from lateralization.sources.fetch import fetch
from lateralization.sources.given_files import grid_of, own_file, published_files, study_urls
from lateralization.study import GRID_AFFINE, GRID_SHAPE
from lateralization.volumes import to_volume

QUICK = Policy(attempts=2, backoff=0.01)


def blob(content: bytes) -> str:
    return hashlib.sha1(f"blob {len(content)}\0".encode() + content).hexdigest()


@pytest.fixture
def mask(tmp_path):
    """A small symmetric mask on the grid, and its path."""
    voxels = np.zeros(GRID_SHAPE, dtype=np.int8)
    voxels[15:22, 20:24, 16:20] = 1
    nibabel.save(nibabel.Nifti1Image(voxels, GRID_AFFINE), tmp_path / "mask.nii.gz")
    return voxels.astype(bool), tmp_path / "mask.nii.gz"


def test_the_checksum_is_the_one_of_git(tmp_path):
    path = tmp_path / "file"
    for content in (b"", b"some bytes\n" * 10_000):
        path.write_bytes(content)
        said = subprocess.run(["git", "hash-object", path], capture_output=True, check=True)
        assert digest_of(path, GIT_BLOB) == said.stdout.decode().strip()


@pytest.mark.parametrize("language", ["en", "fr", "cn"])
def test_every_language_has_its_published_files(language):
    parcels = [published_files(kind, language, 9, ASSETS, None)
               for kind in ("mask", "isc", "average_subject")]  # fmt: skip
    assert [len(parcel["files"]) for parcel in parcels] == [1, 1, 9]
    for file in [file for parcel in parcels for file in parcel["files"]]:
        (url,) = file["urls"]
        assert url.endswith(f"/edfd5dcc823704afa503270f9b56090a180c0437/{file['path']}")
        assert len(file["git_blob"]) == 40
    first, *_, last = parcels[2]["files"]
    assert first["path"].endswith("run-0.gz")
    assert last["path"].endswith("run-8.gz")


def test_what_the_study_did_not_publish_is_named():
    with pytest.raises(BadInput, match="no mask_lpp_nl"):
        published_files("mask", "nl", 9, ASSETS, None)
    assert study_urls("x", ASSETS, "http://mirror/")[0].startswith("http://mirror/l-bg/")


def test_files_are_fetched_by_their_git_ids(tmp_path):
    with serving({}) as server:
        contents = [f"run {run}".encode() * 1000 for run in range(9)]
        files = []
        for run, content in enumerate(contents):
            server.files[f"/{run}.gz"] = content
            files.append(
                {"path": f"{run}.gz", "git_blob": blob(content), "urls": [f"{server.url}/{run}.gz"]}
            )
        parcel = {"kind": "average_subject", "dataset": "d", "version": "v", "files": files}
        server.script = ["truncate", 503, "wrong", "ok", "html", "reset"]
        fetch(parcel, [], tmp_path / "cache", tmp_path / "out", Policy(backoff=0.01))
        for run, content in enumerate(contents, 1):
            assert (tmp_path / "out" / f"run-{run}.gz").read_bytes() == content
        files[3]["git_blob"] = "0" * 40
        with pytest.raises(BadInput, match="git blob is"):
            fetch(parcel, [], tmp_path / "other", tmp_path / "again", QUICK)


@pytest.mark.parametrize("kind", ["mask", "isc"])
def test_own_files_keep_their_form(tmp_path, kind):
    for ending in (".nii", ".nii.gz", ".gz"):
        (tmp_path / f"my.file{ending}").write_bytes(b"x")
        fetch({"kind": kind}, [tmp_path / f"my.file{ending}"], tmp_path, tmp_path / f"o{ending}")
        assert (tmp_path / f"o{ending}" / f"{kind}{ending}").is_file()


def test_a_reliability_is_the_same_in_all_forms(tmp_path, mask):
    voxels, path = mask
    trials = np.random.default_rng(0).uniform(-0.2, 0.9, (10, int(voxels.sum())))
    trials[:, 5], trials[:, 6] = np.nan, 1.0
    joblib.dump(trials, tmp_path / "isc.gz", compress=("gzip", 4))
    volume = to_volume(trials.astype(np.float32), voxels)
    nibabel.save(nibabel.Nifti1Image(volume, GRID_AFFINE), tmp_path / "four.nii.gz")
    nibabel.save(nibabel.Nifti1Image(volume[..., 0], GRID_AFFINE), tmp_path / "three.nii.gz")
    for name, expected in (
        ("isc.gz", trials),
        ("four.nii.gz", trials),
        ("three.nii.gz", trials[:1]),
    ):
        found = write_given(tmp_path / name, path, str(tmp_path / "out"))
        np.testing.assert_allclose(found, expected, atol=1e-7)
        image = nibabel.load(tmp_path / "out_isc.nii.gz")
        assert image.shape == (*GRID_SHAPE, len(expected))
        np.testing.assert_allclose(image.get_fdata()[voxels].T, expected, atol=1e-7)


def test_a_reliability_that_does_not_fit_is_refused(tmp_path, mask):
    voxels, path = mask
    n_voxels = int(voxels.sum())
    wrong = {
        "voxels": np.zeros((10, n_voxels - 1)),
        "shape": np.zeros(n_voxels),
        "correlations": np.full((10, n_voxels), 3.0),
        "all 0": np.zeros((10, n_voxels)),
    }
    for says, array in wrong.items():
        joblib.dump(array, tmp_path / "isc.gz", compress=3)
        with pytest.raises(BadInput, match=says):
            write_given(tmp_path / "isc.gz", path, str(tmp_path / "out"))
    assert not (tmp_path / "out_isc.nii.gz").exists()


def test_an_average_subject_is_the_same_in_both_forms(tmp_path, mask):
    voxels, path = mask
    rng = np.random.default_rng(1)
    by_form = {"joblib": [], "nifti": []}
    for run in range(9):
        series = rng.standard_normal((30 + run, int(voxels.sum())), dtype=np.float32)
        joblib.dump(series, tmp_path / f"average_subject_run-{run}.gz", compress=4)
        image = nibabel.Nifti1Image(to_volume(series, voxels), GRID_AFFINE)
        nibabel.save(image, tmp_path / f"run-{run + 1}.nii.gz")
        by_form["joblib"].append(tmp_path / f"average_subject_run-{run}.gz")
        by_form["nifti"].append(tmp_path / f"run-{run + 1}.nii.gz")
    found = {}
    for form, files in by_form.items():
        out = tmp_path / f"{form}.safetensors"
        write_average(path, [], files, out, str(tmp_path / form))
        found[form] = read_tensors(out)
    assert set(found["joblib"]) == {*(f"run-{run}" for run in range(1, 10)), "left_out"}
    for name, values in found["joblib"].items():
        np.testing.assert_array_equal(values, found["nifti"][name])
    parcel = own_file("average_subject", tmp_path, numbered_keys(9), grid_of(path))
    assert parcel["source"] == [str(one) for one in by_form["nifti"]]
    for one in by_form["nifti"]:
        one.unlink()
    parcel = own_file("average_subject", tmp_path, numbered_keys(9), grid_of(path))
    assert parcel["source"] == [str(one) for one in by_form["joblib"]]
    with pytest.raises(BadInput, match="belongs to it"):
        own_file(
            "average_subject", tmp_path, numbered_keys(9), replace(grid_of(path), mask=voxels[:16])
        )
