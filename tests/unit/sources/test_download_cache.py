"""The cache of downloads: many files, many runs at once, full and read-only disks."""

import contextlib
import errno
import hashlib
import multiprocessing
import os
import random
import signal
import subprocess
import threading
import time
from dataclasses import replace
from pathlib import Path

import pytest

from helpers.bad_server import serving
from helpers.downloads import CONTENT, LONG, QUICK, fetch, left_over, wait_until, wanted
from lateralization.errors import BadInput
from lateralization.sources import cache, download
from lateralization.sources.cache import Wanted
from lateralization.sources.download import Policy


@pytest.fixture
def server():
    with serving({"/a": CONTENT}) as running:
        yield running


def many(server, tmp_path, n=200):
    contents = {f"/{i}": random.Random(i).randbytes(2000 + i) for i in range(n)}
    server.files.update(contents)
    files = [wanted(server, tmp_path, contents[f"/{i}"], str(i)) for i in range(n)]
    return files, contents


def test_two_hundred_files_arrive_with_progress(server, tmp_path, capsys):
    files, contents = many(server, tmp_path)
    server.script = [503, "truncate"] * 3
    download.download(files, QUICK, "bold")
    assert all(file.target.read_bytes() == contents[f"/{i}"] for i, file in enumerate(files))
    said = capsys.readouterr().err
    assert "bold: 100%" in said
    assert "files 200/200" in said


def test_a_full_disk_under_the_log_ends_no_download(server, tmp_path, monkeypatch):
    files, contents = many(server, tmp_path, 2)
    with Path("/dev/full").open("w") as log:
        monkeypatch.setattr("sys.stderr", log)
        download.download(files, QUICK, "bold")
        monkeypatch.undo()
        with pytest.raises(OSError, match="No space"):
            log.write("a" * 10**6)
        with contextlib.suppress(OSError):
            log.close()
    assert all(file.target.read_bytes() == contents[f"/{i}"] for i, file in enumerate(files))


def test_a_line_does_not_stand_behind_the_meter(server, tmp_path, capsys):
    [file], _ = many(server, tmp_path, 1)
    file.target.parent.mkdir(parents=True, exist_ok=True)
    file.target.write_bytes(b"damaged")
    download.download([file], QUICK, "bold")
    lines = capsys.readouterr().err.replace("\r", "\n").splitlines()
    [line] = [line for line in lines if "is damaged" in line]
    assert line.startswith(str(file.target))


def test_one_missing_file_stops_the_others_and_is_named(server, tmp_path):
    files, _ = many(server, tmp_path, 40)
    del server.files["/7"]
    with pytest.raises(BadInput, match="cannot fetch 7"):
        download.download(files, QUICK)
    assert len(server.requests) < 41


def test_no_more_connections_than_the_limit(server, tmp_path, monkeypatch):
    files, _ = many(server, tmp_path, 30)
    active, peak, lock = 0, 0, threading.Lock()
    fetch_one = download._fetch

    def counted(*arguments):
        nonlocal active, peak
        with lock:
            active += 1
            peak = max(peak, active)
        time.sleep(0.005)
        fetch_one(*arguments)
        with lock:
            active -= 1

    monkeypatch.setattr(download, "_fetch", counted)
    download.download(files, QUICK)
    assert peak <= QUICK.connections


def _download_in_a_process(file):
    download.download([file], QUICK)


def test_two_runs_at_once_fetch_a_file_once(server, tmp_path):
    file = wanted(server, tmp_path)
    context = multiprocessing.get_context("fork")
    runs = [context.Process(target=_download_in_a_process, args=(file,)) for _ in range(3)]
    for run in runs:
        run.start()
    for run in runs:
        run.join(LONG)
    assert [run.exitcode for run in runs] == [0, 0, 0]
    assert len(server.requests) == 1
    assert file.target.read_bytes() == CONTENT
    assert not left_over(file)


def test_a_killed_run_leaves_a_part_that_the_next_resumes(server, tmp_path):
    file = wanted(server, tmp_path)
    server.always = "stall"
    context = multiprocessing.get_context("fork")
    run = context.Process(target=download.download, args=([file], QUICK))
    run.start()
    part = file.beside("part")
    wait_until(lambda: part.exists() and part.stat().st_size > 0)
    os.kill(run.pid, signal.SIGKILL)
    run.join(LONG)
    server.always = "ok"
    assert not file.target.exists()
    assert fetch(file) == CONTENT
    assert server.requests[-1][1] is not None


def test_without_locks_each_run_writes_its_own_part(server, tmp_path, monkeypatch):
    def no_locks(*_arguments):
        raise OSError(errno.ENOLCK, "no locks")

    monkeypatch.setattr("fcntl.flock", no_locks)
    server.script = ["truncate"]
    assert fetch(wanted(server, tmp_path)) == CONTENT


def test_a_complete_cache_needs_neither_network_nor_writing(server, tmp_path, monkeypatch):
    file = wanted(server, tmp_path)
    fetch(file)
    server.always = 404
    n_requests = len(server.requests)

    def forbidden(*_arguments, **_more):
        raise AssertionError("written or asked")

    monkeypatch.setattr(cache.os, "open", forbidden)
    download.download([file], QUICK)
    assert len(server.requests) == n_requests


def test_a_corrupt_cached_file_is_noticed_and_fetched_again(server, tmp_path, capsys):
    file = wanted(server, tmp_path)
    fetch(file)
    file.target.chmod(0o644)
    file.target.write_bytes(CONTENT[:-1] + bytes([CONTENT[-1] ^ 1]))
    assert fetch(file) == CONTENT
    assert "is damaged" in capsys.readouterr().err


@pytest.mark.parametrize(
    ("number", "says"), [(errno.EACCES, "--stage fetch"), (errno.EROFS, "cannot be written")]
)
def test_a_cache_that_cannot_be_written_says_so(server, tmp_path, monkeypatch, number, says):
    def refused(*_arguments, **_more):
        raise OSError(number, os.strerror(number))

    monkeypatch.setattr(cache.os, "open", refused)
    with pytest.raises(BadInput, match=says):
        download.download([wanted(server, tmp_path)], QUICK)


def test_a_full_disk_is_bad_input_and_says_so(server, tmp_path, monkeypatch):
    def full(*_arguments):
        raise OSError(errno.ENOSPC, "No space left on device")

    monkeypatch.setattr(cache.PartialFile, "write", full)
    with pytest.raises(BadInput, match="no space left"):
        download.download([wanted(server, tmp_path)], QUICK)


def test_pauses_double_have_jitter_and_end():
    policy = Policy(backoff=1.0, longest=10.0)
    drawn = [policy.pause(3, None) for _ in range(50)]
    assert len(set(drawn)) > 10
    assert all(2 <= pause <= 6 for pause in drawn)
    assert policy.pause(20, None) == 10.0
    assert policy.pause(1, 7.0) == 7.0


def test_a_cache_that_is_mounted_for_reading_only_serves_what_it_has(server, tmp_path):
    """A shared cache on a cluster: what it holds is used, what it lacks is one line."""
    file = wanted(server, tmp_path / "cache")
    download.download([file], QUICK)
    for mount in (["--bind"], ["-o", "remount,bind,ro"]):
        command = ["mount", *mount, tmp_path / "cache", tmp_path / "cache"]
        if subprocess.run(command, capture_output=True, check=False).returncode:
            pytest.skip("mounting is not allowed here")
    try:
        asked = len(server.requests)
        download.download([file], QUICK)
        assert len(server.requests) == asked
        server.files["/another.bin"] = CONTENT
        other = replace(file, target=tmp_path / "cache" / "another.bin")
        with pytest.raises(BadInput, match=r"is not in the cache, and .* cannot be written"):
            download.download([other], QUICK)
    finally:
        subprocess.run(["umount", tmp_path / "cache"], check=True)


def test_a_disk_that_is_really_full_is_one_line_and_resumes_elsewhere(server, tmp_path):
    place = tmp_path / "small"
    place.mkdir()
    mounted = subprocess.run(
        ["mount", "-t", "tmpfs", "-o", "size=256k", "tmpfs", place],
        capture_output=True,
        check=False,
    )
    if mounted.returncode:
        pytest.skip("mounting is not allowed here")
    try:
        content = bytes(range(256)) * 4096  # 1 MiB
        server.files["/large.bin"] = content
        digest = hashlib.sha256(content).hexdigest()
        file = Wanted(place / "large.bin", (f"{server.url}/large.bin",), digest=digest)
        with pytest.raises(BadInput, match="no space left"):
            download.download([file], Policy(attempts=2, backoff=0.01))
        assert not file.target.exists()
        subprocess.run(["mount", "-o", "remount,size=4m", place], check=True)
        download.download([file], Policy(attempts=2, backoff=0.01))
        assert file.target.read_bytes() == content
    finally:
        subprocess.run(["umount", place], check=True)
