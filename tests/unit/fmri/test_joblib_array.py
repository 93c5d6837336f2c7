"""The reader of the study's arrays: the same numbers as joblib, and nothing is ever run."""

import contextlib
import gzip
import os
import pickle
import zlib
from pathlib import Path

import joblib
import numpy as np
import pytest
from hypothesis import given, settings
from hypothesis import strategies as st

from lateralization.errors import BadInput
from lateralization.fmri.joblib_array import read_joblib_array

PUBLISHED = Path(__file__).resolve().parents[3].parent / "shared" / "reference_data"
ARRAYS = [
    np.random.default_rng(0).normal(size=(10, 300)),
    np.asfortranarray(np.arange(12, dtype=np.float32).reshape(3, 4)),
    np.arange(5, dtype=">i2"),
    np.arange(24).reshape(4, 6)[:, ::2],
    np.array(2.5),
    np.zeros((0, 3)),
]


@pytest.mark.parametrize("compress", [0, ("zlib", 4), ("gzip", 4)])
@pytest.mark.parametrize("opened", [True, False])
@pytest.mark.parametrize("number", range(len(ARRAYS)))
def test_arrays_are_those_of_joblib(tmp_path, compress, opened, number):
    path = tmp_path / "array.gz"
    if opened:
        with path.open("wb") as handle:
            joblib.dump(ARRAYS[number], handle, compress=compress)
    else:
        joblib.dump(ARRAYS[number], path, compress=compress)
    found, expected = read_joblib_array(path), joblib.load(path)
    np.testing.assert_array_equal(found, expected)
    assert found.shape == expected.shape
    assert found.dtype == expected.dtype.newbyteorder("=")
    assert found.flags.writeable


@pytest.mark.parametrize("language", ["en", "fr", "cn"])
def test_the_published_reliabilities_are_read(language):
    path = PUBLISHED / f"isc_10trials_{language}.gz"
    if not path.exists():
        pytest.skip("the published file is not on this machine")
    np.testing.assert_array_equal(read_joblib_array(path), joblib.load(path))


class Bomb:
    """Makes a folder when it is unpickled."""

    def __init__(self, folder):
        self.folder = str(folder)

    def __reduce__(self):
        return (os.mkdir, (self.folder,))


def test_objects_in_a_file_are_never_run(tmp_path):
    mark = tmp_path / "mark"
    objects = [
        Bomb(mark),
        [np.zeros(3), Bomb(mark)],
        {"a": Bomb(mark)},
        np.array([Bomb(mark)], dtype=object),
    ]
    for held in objects:
        for write in (joblib.dump, lambda what, where: where.write_bytes(pickle.dumps(what))):
            write(held, tmp_path / "x.gz")
            with pytest.raises(BadInput, match="no plain array"):
                read_joblib_array(tmp_path / "x.gz")
    assert not mark.exists()
    joblib.load(tmp_path / "x.gz")  # what the reader refuses would have run
    assert mark.exists()


def test_code_behind_a_good_array_is_not_run(tmp_path):
    mark = tmp_path / "mark"
    joblib.dump(np.zeros(3), tmp_path / "x")
    content = (tmp_path / "x").read_bytes()
    (tmp_path / "x").write_bytes(content[:-1] + b"0" + pickle.dumps(Bomb(mark))[2:])
    with pytest.raises(BadInput, match="something follows"):
        read_joblib_array(tmp_path / "x")
    assert not mark.exists()


@pytest.mark.parametrize(
    "held", [{"a": np.zeros(3)}, [np.zeros(3)], 3, "x", np.array(["a"]), np.array([1j]),
             np.ma.zeros(3), np.zeros(3).view(np.recarray)],
)  # fmt: skip
def test_anything_but_one_array_of_numbers_is_refused(tmp_path, held):
    joblib.dump(held, tmp_path / "x.gz", compress=3)
    with pytest.raises(BadInput, match="no plain array of numbers"):
        read_joblib_array(tmp_path / "x.gz")


def test_what_is_cut_off_or_damaged_is_refused(tmp_path):
    joblib.dump(ARRAYS[0], tmp_path / "x.gz", compress=("gzip", 4))
    content = (tmp_path / "x.gz").read_bytes()
    spoilt = [content[:100], content[:-9], content[:-4] + b"1234", b"", b"<html>", content[:9]]
    spoilt += [gzip.compress(b"<html>"), zlib.compress(b"x" * 10_000_000)]
    for wrong in spoilt:
        (tmp_path / "x.gz").write_bytes(wrong)
        with pytest.raises(BadInput):
            read_joblib_array(tmp_path / "x.gz")
    with pytest.raises(BadInput, match="No such file"):
        read_joblib_array(tmp_path / "y.gz")


@settings(max_examples=200, deadline=None)
@given(st.data())
def test_a_changed_description_is_refused_or_still_an_array(tmp_path_factory, data):
    path = tmp_path_factory.mktemp("changed") / "x"
    joblib.dump(ARRAYS[1], path)
    content = bytearray(path.read_bytes())
    for _ in range(data.draw(st.integers(1, 3))):
        content[data.draw(st.integers(0, len(content) - 1))] = data.draw(st.integers(0, 255))
    path.write_bytes(bytes(content))
    with contextlib.suppress(BadInput):
        assert read_joblib_array(path).dtype.kind in "fiu"
