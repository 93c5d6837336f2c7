"""Downloads from an S3-compatible server: the bucket's addresses, Range, ETags, error documents."""

import hashlib
import random
from collections.abc import Iterator
from pathlib import Path

import pytest
import requests

from helpers.s3_server import serving_s3
from lateralization.errors import BadInput
from lateralization.sources.cache import Wanted
from lateralization.sources.dataset import urls
from lateralization.sources.download import Policy, download

CONTENT = b"\x1f\x8b" + random.Random(4).randbytes(3_000_000)
PATH = "derivatives/sub-EN057/func/sub-EN057_task-lppEN_run-07_bold.nii.gz"
QUICK = Policy(attempts=3, backoff=0.01)
BUCKET = "openneuro.org"


@pytest.fixture(scope="module")
def server() -> Iterator[str]:
    with serving_s3() as address:
        for place, content, access in (
            ("", b"", "public-read"),
            (f"/ds003643/{PATH}", CONTENT, "public-read"),
            ("/ds003643/private.nii.gz", CONTENT, "private"),
        ):
            headers = {"x-amz-acl": access}
            requests.put(
                f"{address}/{BUCKET}{place}", data=content, headers=headers, timeout=300
            ).raise_for_status()
        yield address


def wanted(address: str, tmp_path: Path, path: str = PATH, pinned: bool = True) -> Wanted:
    digest = hashlib.md5(CONTENT, usedforsecurity=False).hexdigest()
    more = (len(CONTENT), "md5", digest) if pinned else ()
    return Wanted(tmp_path / path, tuple(urls("ds003643", path, address)), *more)


@pytest.mark.parametrize("endpoint", ["", f"/{BUCKET}", f"/{BUCKET}/ds003643"])
def test_a_file_of_the_bucket_arrives_from_every_form_of_endpoint(server, tmp_path, endpoint):
    file = wanted(server + endpoint, tmp_path)
    download([file], QUICK)
    assert file.target.read_bytes() == CONTENT


def test_the_server_goes_on_where_a_part_ends(server, tmp_path):
    file = wanted(f"{server}/{BUCKET}", tmp_path, pinned=False)
    file.target.parent.mkdir(parents=True)
    ours = b"\x1f\x8b" + bytes(2_000_000)  # other bytes than the server's: they stay
    file.beside("part").write_bytes(ours)
    tag = requests.head(file.urls[0], timeout=300).headers["ETag"]
    file.beside("validator").write_text(tag)
    download([file], QUICK)
    assert file.target.read_bytes() == ours + CONTENT[len(ours) :]


def test_a_part_of_a_pinned_file_is_completed(server, tmp_path):
    file = wanted(f"{server}/{BUCKET}", tmp_path)
    file.target.parent.mkdir(parents=True)
    file.beside("part").write_bytes(CONTENT[:2_000_000])
    download([file], QUICK)
    assert file.target.read_bytes() == CONTENT


@pytest.mark.parametrize(("name", "status"), [("none.nii.gz", 404), ("private.nii.gz", 403)])
def test_what_the_bucket_refuses_is_named_and_no_error_document_is_data(
    server, tmp_path, name, status
):
    file = wanted(f"{server}/{BUCKET}", tmp_path, name)
    with pytest.raises(BadInput, match=f"{name}: the server answers {status}"):
        download([file], QUICK)
    assert not file.target.exists()
