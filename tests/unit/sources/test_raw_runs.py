"""Raw BOLD that is not kept: it goes only when what was made of it is whole."""

import hashlib
import json
import subprocess
import sys

import nibabel
import numpy as np
import pytest

from helpers.bad_server import serving
from helpers.tiny_dataset import PROJECT, write_run
from lateralization.errors import BadInput
from lateralization.runs import numbered_keys
from lateralization.sources.download import Policy
from lateralization.sources.fetch import fetch
from lateralization.sources.receipts import RECEIPT, given_receipt
from lateralization.sources.release import remove_raw

N_RUNS = 3


@pytest.fixture
def fetched(tmp_path):
    """A subject's runs, fetched and not to be kept: the folder of the parcel."""
    files = []
    with serving({}) as server:
        for run in range(1, N_RUNS + 1):
            write_run(tmp_path / f"{run}.nii.gz", 30 + run, seed=run)
            content = (tmp_path / f"{run}.nii.gz").read_bytes()
            server.files[f"/{run}.nii.gz"] = content
            md5 = hashlib.md5(content, usedforsecurity=False).hexdigest()
            urls = [f"{server.url}/{run}.nii.gz"]
            files.append({"path": f"{run}.nii.gz", "bytes": len(content), "md5": md5, "urls": urls})
        parcel = {"kind": "bold", "keep": False, "n_runs": N_RUNS, "files": files}
        fetch(parcel, [], tmp_path / "cache", tmp_path / "fetched", Policy(backoff=0.01))
    return tmp_path / "fetched"


def resample(folder, *more):
    line = [sys.executable, PROJECT / "bin" / "resample.py", "--subject", "sub-X"]
    line += ["--bold", f"fetched/{RECEIPT}", "--out-prefix", "sub-X", *more]
    return subprocess.run(line, cwd=folder.parent, capture_output=True, text=True, check=False)


def raw_files(folder):
    return [*(folder.parent / "raw").iterdir(), *(folder.parent / "cache").rglob("*.nii.gz")]


@pytest.mark.slow
def test_raw_runs_go_when_they_are_resampled_and_the_receipt_stays(fetched):
    assert [path.name for path in fetched.iterdir()] == [RECEIPT]
    assert len(raw_files(fetched)) == 2 * N_RUNS
    done = resample(fetched, "--runs", *numbered_keys(3))
    assert done.returncode == 0, done.stderr
    assert "raw BOLD removed" in done.stderr
    assert raw_files(fetched) == []
    for run in range(1, N_RUNS + 1):
        image = nibabel.load(fetched.parent / f"sub-X_run-{run}.nii")
        assert image.shape[3] == 30 + run
        assert np.asarray(image.dataobj).any()
    again = resample(fetched, "--runs", *numbered_keys(3))
    assert again.returncode == 65
    assert f"remove the folder {fetched.parent}" in again.stderr.splitlines()[-1]


@pytest.mark.slow
def test_a_failed_task_removes_nothing(fetched):
    assert resample(fetched, "--runs", *numbered_keys(9)).returncode == 65
    assert len(raw_files(fetched)) == 2 * N_RUNS


def test_nothing_goes_when_a_resampled_run_is_not_whole(fetched, tmp_path):
    receipt = given_receipt([fetched / RECEIPT])
    made = [tmp_path / f"made-{run}.nii" for run in range(N_RUNS)]
    for run, path in enumerate(made, 1):
        write_run(path, 30 + run)
    made[2].write_bytes(made[2].read_bytes()[:-8])
    with pytest.raises(BadInput, match="raw runs are kept"):
        remove_raw(receipt, made)
    write_run(made[2], 30)
    with pytest.raises(BadInput, match="not whole"):
        remove_raw(receipt, made)
    assert len(raw_files(fetched)) == 2 * N_RUNS


def test_runs_that_are_given_need_no_receipt(fetched, tmp_path):
    assert given_receipt([tmp_path / "1.nii.gz", tmp_path / "2.nii.gz"]) is None
    assert len(json.loads((fetched / RECEIPT).read_text())["files"]) == N_RUNS
