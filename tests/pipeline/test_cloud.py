"""Profiles of cloud (their executors are plugins of a user's own Nextflow) and Slurm, rendered."""

import json
import subprocess
from pathlib import Path

import pytest

from .conftest import NEXTFLOW, PROJECT

pytestmark = pytest.mark.pipeline


@pytest.mark.parametrize(
    ("profile", "executor", "bucket"),
    [("awsbatch", "awsbatch", "s3://"), ("googlebatch", "google-batch", "gs://")],
)
def test_a_cloud_s_profile_renders(
    profile: str, executor: str, bucket: str, tmp_path: Path
) -> None:
    command = [str(NEXTFLOW), "config", str(PROJECT), "-profile", profile, "-o", "json"]
    done = subprocess.run(command, cwd=tmp_path, capture_output=True, text=True, check=True)
    found = json.loads(done.stdout[done.stdout.index("{") :])
    assert found["process"]["executor"] == executor
    # tasks of the queue work in the bucket; those that run here (label head or network) on a disk
    assert found["bucketDir"].startswith(bucket)
    assert "workDir" not in found
    assert found["process"]["withLabel:head"]["executor"] == "local"
    assert found["process"]["withLabel:network"]["executor"] == "local"
    assert found["process"]["withLabel:large"]["memory"]  # the base's blocks are still there


def test_slurm_s_controller_is_asked_again_whatever_the_engine_calls_it(tmp_path: Path) -> None:
    command = [str(NEXTFLOW), "config", str(PROJECT), "-profile", "slurm", "-o", "json"]
    done = subprocess.run(command, cwd=tmp_path, capture_output=True, text=True, check=True)
    executor = json.loads(done.stdout[done.stdout.index("{") :])["executor"]
    assert "Unable to contact slurm controller" in executor["retry"]["reason"]
    assert executor["submit"]["retry"]["reason"] == executor["retry"]["reason"]
