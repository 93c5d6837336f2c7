"""Downloads arrive whole, once, whatever the server does."""

import socket

import pytest

from helpers.bad_server import serving
from helpers.downloads import CONTENT, IMPATIENT, QUICK, fetch, unpinned, wanted
from lateralization.errors import BadInput, Transient
from lateralization.sources import download
from lateralization.sources.cache import Wanted, is_whole
from lateralization.sources.download import Policy


@pytest.fixture
def server():
    with serving({"/a": CONTENT}) as running:
        yield running


@pytest.mark.parametrize(
    "script",
    [
        [],
        ["truncate"],
        ["reset"],
        [503, "ok"],
        [500, 502, 504, "ok"],
        [429],
        ["truncate", 503, "reset", "ok"],
        ["truncate", "ignore"],
        ["truncate", "truncate", "truncate", "truncate", "truncate", "truncate"],
        ["html", "ok"],
        ["wrong", "ok"],
        ["chunked"],
    ],
)
def test_a_file_arrives_whole(server, tmp_path, script):
    server.script = script
    assert fetch(wanted(server, tmp_path)) == CONTENT


def test_a_server_that_falls_silent_is_asked_again(server, tmp_path):
    server.script = ["stall"]
    assert fetch(wanted(server, tmp_path), IMPATIENT) == CONTENT
    assert server.requests[-1][1] is not None


def test_a_broken_download_goes_on_where_it_broke_off(server, tmp_path):
    server.script = ["truncate"]
    fetch(wanted(server, tmp_path))
    assert [asked for _, asked in server.requests] == [None, "bytes=1500000-"]


def test_what_an_earlier_run_left_is_not_fetched_again(server, tmp_path):
    file = wanted(server, tmp_path)
    server.always = "truncate"
    with pytest.raises(Transient):
        download.download([file], Policy(attempts=1, backoff=0))
    assert file.beside("part").stat().st_size == 1_500_000
    server.always = "ok"
    assert fetch(file) == CONTENT
    assert server.requests[-1][1] == "bytes=1500000-"


def test_a_part_with_wrong_bytes_is_thrown_away(server, tmp_path):
    file = wanted(server, tmp_path)
    file.target.parent.mkdir()
    file.beside("part").write_bytes(b"x" * 1000)
    assert fetch(file) == CONTENT
    assert [asked for _, asked in server.requests] == ["bytes=1000-", None]


def test_a_part_that_is_too_long_or_complete_needs_no_tricks(server, tmp_path):
    file = wanted(server, tmp_path)
    file.target.parent.mkdir()
    file.beside("part").write_bytes(CONTENT + b"more")
    assert fetch(file) == CONTENT
    other = wanted(server, tmp_path, name="b")
    other.beside("part").write_bytes(CONTENT)
    n_requests = len(server.requests)
    assert fetch(other) == CONTENT
    assert len(server.requests) == n_requests


@pytest.mark.parametrize("status", [401, 403, 404, 410])
def test_a_refusal_ends_at_once(server, tmp_path, status):
    server.always = status
    with pytest.raises(BadInput, match=str(status)) as caught:
        fetch(wanted(server, tmp_path))
    assert len(server.requests) == 1
    assert server.url in str(caught.value)


def test_the_next_address_is_tried_after_a_refusal(server, tmp_path):
    file = wanted(server, tmp_path)
    file = Wanted(file.target, (f"{server.url}/no", *file.urls), file.n_bytes, "md5", file.digest)
    assert fetch(file) == CONTENT


@pytest.mark.parametrize("always", [503, "hang up", "empty", "html"])
def test_a_server_that_stays_down_is_transient(server, tmp_path, always):
    server.always = always
    with pytest.raises(Transient, match="try again later"):
        fetch(wanted(server, tmp_path))
    assert len(server.requests) == QUICK.attempts
    assert not (tmp_path / "cache" / "a").exists()


def test_no_server_at_all_is_transient(tmp_path):
    with socket.socket() as probe:
        probe.bind(("127.0.0.1", 0))
        url = f"http://127.0.0.1:{probe.getsockname()[1]}/a"
    with pytest.raises(Transient) as caught:
        download.download([Wanted(tmp_path / "a", (url,))], QUICK)
    assert "0x" not in str(caught.value)


def test_wrong_bytes_twice_are_bad_input(server, tmp_path):
    server.always = "wrong"
    with pytest.raises(BadInput, match="its md5 is"):
        fetch(wanted(server, tmp_path))
    assert len(server.requests) == 2
    assert not (tmp_path / "cache" / "a").exists()


@pytest.mark.parametrize("change", [-1, 1])
def test_another_length_is_noticed_before_anything_is_read(server, tmp_path, change):
    with pytest.raises(BadInput, match="should have"):
        fetch(wanted(server, tmp_path, n_bytes=len(CONTENT) + change))


def test_an_address_that_is_none_is_bad_input(tmp_path):
    for url in ("ftp://x/a", "nonsense", "http://"):
        with pytest.raises(BadInput):
            download.download([Wanted(tmp_path / "a", (url,))], QUICK)


# ---- files that are not pinned ------------------------------------------------------------------


def test_an_unpinned_file_gets_a_record_that_is_checked(server, tmp_path):
    file = unpinned(server, tmp_path)
    assert fetch(file) == CONTENT
    assert is_whole(file)
    n_requests = len(server.requests)
    fetch(file)
    assert len(server.requests) == n_requests
    file.target.chmod(0o644)
    file.target.write_bytes(CONTENT[:-1] + b"x")
    assert not is_whole(file)
    assert fetch(file) == CONTENT


def test_an_unpinned_file_goes_on_only_with_the_same_version(server, tmp_path):
    server.script = ["truncate"]
    assert fetch(unpinned(server, tmp_path)) == CONTENT
    assert server.requests[-1][1] == "bytes=1500000-"
    file = unpinned(server, tmp_path, "b")
    server.files["/b"], server.always = CONTENT, "truncate"
    with pytest.raises(Transient):
        download.download([file], Policy(attempts=1))
    newer = CONTENT[::-1]
    server.files["/b"], server.etag, server.always = newer, '"v2"', "ok"
    assert fetch(file) == newer


def test_an_unpinned_page_is_never_data(server, tmp_path):
    server.always = "html"
    with pytest.raises(Transient, match="a page"):
        fetch(unpinned(server, tmp_path))


@pytest.mark.parametrize("name", ["x.gz", "x.zip"])
def test_an_unpinned_archive_must_be_one(server, tmp_path, name):
    server.files[f"/{name}"] = b"PK not really"
    with pytest.raises(BadInput, match="is no"):
        fetch(unpinned(server, tmp_path, name))
