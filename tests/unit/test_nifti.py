"""Headers that contradict themselves, and data that are not what was written: refused in a line."""

import bz2
import gzip
import lzma
import struct
from pathlib import Path

import nibabel as nib
import numpy as np
import pytest
from nibabel import cifti2

from helpers.fuzzing import one_line, with_header
from lateralization.errors import BadInput
from lateralization.fmri.resample import resample_subject
from lateralization.nifti import open_nifti, repetition_time
from lateralization.problems import Problems
from lateralization.sources.bold_headers import read_run
from lateralization.study import GRID_AFFINE, GRID_SHAPE
from lateralization.volumes import image_data, load_image, load_mask, scan_blocks

SHAPE = (28, 34, 28, 30)
AFFINE = np.array([[6.0, 0, 0, -81], [0, 6, 0, -116], [0, 0, 6, -77], [0, 0, 0, 1]])


@pytest.fixture(scope="module")
def run_file(tmp_path_factory) -> bytes:
    """A run as NIfTI, not compressed."""
    path = tmp_path_factory.mktemp("run") / "run.nii"
    data = np.random.default_rng(0).normal(1000, 10, SHAPE).astype(np.float32)
    image = nib.Nifti1Image(data, AFFINE)
    image.set_qform(AFFINE, 1)
    nib.save(image, path)
    return path.read_bytes()


WRONG = {
    "intercept NaN": [(112, "<ff", (1.0, np.nan))],
    "intercept infinite": [(112, "<ff", (2.0, np.inf))],
    "slope infinite": [(112, "<ff", (np.inf, 0.0))],
    "no orientation": [(252, "<hh", (0, 0))],
    "a code that no space has": [(254, "<h", (77,))],
    "a negative code": [(254, "<h", (-1,))],
    "affine of NaN": [(280, "<f", (np.nan,))],
    "affine of zeros": [(280, "<12f", (0.0,) * 12)],
    "affine in metres": [(280, "<12f", tuple((AFFINE[:3] / 1000).ravel()))],
    "affine of huge voxels": [(280, "<f", (1e30,))],
    "no dimension": [(40, "<h", (0,))],
    "dimensions beyond seven": [(40, "<h", (99,))],
    "a negative dimension": [(42, "<h", (-28,))],
    "an empty dimension": [(42, "<h", (0,))],
    "more scans than are there": [(48, "<h", (31,))],
    "fewer scans than are there": [(48, "<h", (29,))],
    "absurdly many voxels": [(42, "<hhhh", (32767,) * 4)],
    "a smaller type": [(70, "<hh", (4, 16))],
    "bits of another type": [(70, "<h", (4,))],
    "complex numbers": [(70, "<hh", (32, 64))],
    "colours": [(70, "<hh", (128, 24))],
    "128 bits": [(70, "<hh", (1536, 128))],
    "a type that nobody has": [(70, "<hh", (99, 32))],
    "data that begin in the header": [(108, "<f", (0.0,))],
    "data that begin behind the end": [(108, "<f", (1e9,))],
    "data that begin 16 bytes later": [(108, "<f", (368.0,))],
    "data that begin at NaN": [(108, "<f", (np.nan,))],
    "no magic": [(344, "4s", (b"\0\0\0\0",))],
}


@pytest.mark.parametrize("name", WRONG)
@pytest.mark.parametrize("suffix", [".nii", ".nii.gz"])
def test_a_header_that_cannot_be_is_refused_by_the_first_reader(name, suffix, run_file, tmp_path):
    path = tmp_path / f"run-1{suffix}"
    content = with_header(run_file, *WRONG[name])
    path.write_bytes(gzip.compress(content, 1) if suffix == ".nii.gz" else content)
    problems = Problems()
    assert read_run(path, problems) is None
    (line,) = problems
    one_line(line)
    assert str(path) in line
    with pytest.raises(BadInput) as caught:
        load_image(path, 4)
    one_line(str(caught.value))


@pytest.mark.parametrize(
    ("content", "told"),
    [
        (b"version https://git-lfs.github.com/spec/v1\noid sha256:0\nsize 8\n", "Git LFS"),
        (b"<!DOCTYPE html>\n<html></html>", "web page"),
        (b"", "copy it again"),
    ],
)
def test_what_stands_in_place_of_an_image_is_named(content, told, tmp_path):
    for name in ("run-1.nii", "run-1.nii.gz"):
        (tmp_path / name).write_bytes(content)
        with pytest.raises(BadInput, match=told):
            load_image(tmp_path / name, 4)


def mirrored(axes: tuple[int, ...]) -> np.ndarray:
    """An affine with these world axes the other way round."""
    affine = AFFINE.copy()
    affine[list(axes)] *= -1
    return affine


@pytest.mark.parametrize(
    ("axes", "agree"), [((), True), ((0,), False), ((0, 1), False), ((1, 2), True), ((2,), False)]
)
def test_sform_and_qform_must_agree_about_left_and_right(axes, agree, tmp_path):
    """A turn about x leaves left and right alone; what reflects, or turns about z, does not."""
    image = nib.Nifti1Image(np.zeros(SHAPE[:3], np.float32), AFFINE)
    image.set_sform(mirrored(axes), 4)
    image.set_qform(AFFINE, 1)
    nib.save(image, tmp_path / "a.nii")
    if agree:
        np.testing.assert_array_equal(open_nifti(tmp_path / "a.nii").affine, mirrored(axes))
    else:
        with pytest.raises(BadInput, match="disagree about left and right"):
            open_nifti(tmp_path / "a.nii")


def test_a_slight_turn_between_sform_and_qform_is_no_contradiction(tmp_path):
    turn = np.eye(4)
    turn[:2, :2] = [[0.8, -0.6], [0.6, 0.8]]
    image = nib.Nifti1Image(np.zeros(SHAPE[:3], np.float32), AFFINE)
    image.set_sform(AFFINE, 4)
    image.set_qform(turn @ AFFINE, 1)
    nib.save(image, tmp_path / "a.nii")
    assert open_nifti(tmp_path / "a.nii").shape == SHAPE[:3]


HARMLESS = {
    "the magic of a pair of files": [(344, "4s", (b"ni1\0",))],
    "another length of the header": [(0, "<i", (500,))],
    "description": [(148, "8s", (b"\xff\xfe\0note",))],
    "intent": [(68, "<h", (1007,))],
    "range of display": [(124, "<ff", (np.nan, -1e30))],
    "slice order": [(122, "<bb", (99, 99))],
    "zooms of a file with sform": [(252, "<h", (0,)), (80, "<fff", (-3.0, 0.0, np.nan))],
    "repetition time negative": [(92, "<f", (-2.0,))],
    "repetition time NaN": [(92, "<f", (np.nan,))],
    "repetition time 0": [(92, "<f", (0.0,))],
    "repetition time infinite": [(92, "<f", (np.inf,))],
    "units unknown": [(123, "<B", (255,))],
}


@pytest.mark.parametrize("name", HARMLESS)
def test_a_header_field_that_nothing_needs_changes_nothing(name, run_file, tmp_path):
    path = tmp_path / "run-1.nii"
    path.write_bytes(with_header(run_file, *HARMLESS[name]))
    problems = Problems()
    run = read_run(path, problems)
    assert not problems
    assert run.shape == SHAPE[:3]
    np.testing.assert_array_equal(run.affine, AFFINE)
    blocks = np.concatenate(list(scan_blocks(path)), axis=3)
    expected = np.frombuffer(run_file, "<f4", offset=352).reshape(SHAPE, order="F")
    np.testing.assert_array_equal(blocks, expected)


@pytest.mark.slow
@pytest.mark.parametrize("tr", [-2.0, np.nan, 0.0, 2000.0])
def test_resampling_does_not_need_the_header_s_repetition_time(tr, run_file, tmp_path):
    path = tmp_path / "run-1.nii"
    unit = 16 if tr == 2000.0 else 8  # milliseconds or seconds
    edits = [(92, "<f", (tr,)), (123, "<B", (2 + unit,))]
    path.write_bytes(with_header(run_file, *edits))
    resample_subject("s", [path], str(tmp_path / "s"), ["run-1"])
    header = nib.load(tmp_path / "s_run-1.nii").header
    assert repetition_time(header) == (2.0 if tr == 2000.0 else 1.0)


@pytest.fixture
def damaged(run_file, tmp_path) -> Path:
    """A compressed run of which one byte in the middle changed: it inflates all the same."""
    path = tmp_path / "run-1.nii.gz"
    content = bytearray(gzip.compress(run_file, 0))  # stored, not compressed
    content[len(content) // 2] ^= 0x40
    path.write_bytes(content)
    return path


def test_damage_in_the_middle_of_a_gz_is_found_where_the_data_are_read(damaged):
    with pytest.raises(BadInput, match=r"run-1\.nii\.gz is damaged or cut off"):
        image_data(load_image(damaged, 4), damaged)
    with pytest.raises(BadInput, match=r"run-1\.nii\.gz is damaged or cut off"):
        list(scan_blocks(damaged))


def test_a_damaged_mask_is_refused(tmp_path):
    mask = np.zeros(GRID_SHAPE, np.int8)
    mask[10:27, 20:30, 15:25] = 1
    nib.save(nib.Nifti1Image(mask, GRID_AFFINE), tmp_path / "mask.nii")
    content = bytearray(gzip.compress((tmp_path / "mask.nii").read_bytes(), 0))
    at = content.index(b"\1" * 4)
    content[at] = 0  # still a mask of zeros and ones
    (tmp_path / "mask.nii.gz").write_bytes(content)
    with pytest.raises(BadInput, match="damaged"):
        load_mask(tmp_path / "mask.nii.gz")


def test_a_gz_of_several_members_is_whole(run_file, tmp_path):
    path = tmp_path / "run-1.nii.gz"
    path.write_bytes(gzip.compress(run_file[:1000], 1) + gzip.compress(run_file[1000:], 1))
    assert load_image(path, 4).shape == SHAPE
    blocks = np.concatenate(list(scan_blocks(path)), axis=3)
    np.testing.assert_array_equal(blocks.ravel(order="F"), np.frombuffer(run_file, "<f4", -1, 352))


@pytest.mark.parametrize("more", [b"\0" * 4, b"x" * 1000])
def test_data_behind_the_last_voxel_are_not_ignored(more, run_file, tmp_path):
    for path, content in {
        tmp_path / "run-1.nii": run_file + more,
        tmp_path / "run-1.nii.gz": gzip.compress(run_file + more, 1),
    }.items():
        path.write_bytes(content)
        with pytest.raises(BadInput, match="its header announces") as caught:
            load_image(path, 4)
        assert "not whole" not in str(caught.value)  # nothing is missing


@pytest.mark.parametrize("name", ["RUN-1.NII.GZ", "run-1.nii.GZ", "run-1.NII.gz", "run-1.NII"])
def test_the_case_of_an_ending_does_not_matter(name, run_file, tmp_path):
    path = tmp_path / name
    path.write_bytes(gzip.compress(run_file, 1) if name.lower().endswith(".gz") else run_file)
    problems = Problems()
    assert read_run(path, problems).shape == SHAPE[:3]
    assert not problems
    blocks = np.concatenate(list(scan_blocks(path)), axis=3)
    np.testing.assert_array_equal(blocks.ravel(order="F"), np.frombuffer(run_file, "<f4", -1, 352))
    damaged = bytearray(path.read_bytes())
    if name.lower().endswith(".gz"):
        damaged[-8] ^= 1  # the checksum: only a reader that takes it for a gzip file compares it
        path.write_bytes(damaged)
        with pytest.raises(BadInput, match="damaged or cut off"):
            image_data(load_image(path, 4), path)


def test_an_ending_that_nibabel_takes_for_another_file_is_named(run_file, tmp_path):
    path = tmp_path / "run-1.Nii.Gz"
    path.write_bytes(gzip.compress(run_file, 1))
    with pytest.raises(BadInput, match="ending of its name in lower case"):
        load_image(path, 4)


@pytest.mark.parametrize(
    ("ending", "pack"), [(".bz2", bz2.compress), (".BZ2", bz2.compress), (".xz", lzma.compress)]
)
def test_other_packings_than_gzip_are_refused(ending, pack, run_file, tmp_path):
    path = tmp_path / f"run-1.nii{ending}"
    path.write_bytes(pack(run_file[:5000]))
    with pytest.raises(BadInput, match=rf"is packed as {ending}; unpack it") as caught:
        load_image(path, 4)
    one_line(str(caught.value))
    problems = Problems()
    assert read_run(path, problems) is None
    one_line(*problems)


def test_a_header_that_cannot_be_read_again_is_one_line(run_file, tmp_path, monkeypatch):
    """The file changes between the two times that its header is read."""
    path = tmp_path / "run-1.nii"
    path.write_bytes(run_file)
    load = nib.load

    def load_and_cut(name):
        image = load(name)
        path.write_bytes(run_file[:100])
        return image

    monkeypatch.setattr(nib, "load", load_and_cut)
    with pytest.raises(BadInput, match="is damaged or cut off"):
        open_nifti(path)


def test_the_other_byte_order_is_read(run_file, tmp_path):
    path = tmp_path / "run-1.nii"
    image = nib.Nifti1Image(np.arange(24, dtype=">i2").reshape(2, 3, 4), GRID_AFFINE,
                            nib.Nifti1Header(endianness=">"))  # fmt: skip
    nib.save(image, path)
    assert struct.unpack(">i", path.read_bytes()[:4]) == (348,)
    np.testing.assert_array_equal(
        image_data(load_image(path, 3), path), np.arange(24).reshape(2, 3, 4)
    )


@pytest.mark.parametrize("suffix", [".nii", ".nii.gz"])
def test_the_second_version_of_the_format_is_read(suffix, tmp_path):
    path = tmp_path / f"run-1{suffix}"
    values = np.random.default_rng(0).normal(size=(3, 4, 5, 6))
    nib.save(nib.Nifti2Image(values, GRID_AFFINE), path)
    np.testing.assert_array_equal(image_data(load_image(path, 4), path), values)
    np.testing.assert_array_equal(np.concatenate(list(scan_blocks(path)), axis=3), values)


def write_cifti(path: Path) -> None:
    """Write a series of values of grayordinates, as fMRIPrep does with --cifti-output."""
    cortex = cifti2.BrainModelAxis.from_surface(np.arange(50), 100, "CortexLeft")
    series = cifti2.SeriesAxis(0, 2, 40)
    values = np.random.default_rng(0).normal(size=(40, 50)).astype(np.float32)
    cifti2.Cifti2Image(values, (series, cortex)).to_filename(path)


def packed(path: Path) -> Path:
    target = path.with_name(f"{path.name}.gz")
    target.write_bytes(gzip.compress(path.read_bytes()))
    return target


def refused_file(path: Path) -> str:
    problems = Problems()
    assert read_run(path, problems) is None
    (line,) = problems
    one_line(line)
    assert str(path) in line
    return line


@pytest.mark.parametrize("name", ["a_bold.dtseries.nii", "a_bold.nii"])
def test_grayordinates_are_no_volumes(name, tmp_path):
    path = tmp_path / name
    write_cifti(path)
    for one in (path, packed(path)):
        assert "holds grayordinates (CIFTI), not volumes; give the volumes" in refused_file(one)


def test_grayordinates_are_known_by_their_header_alone(tmp_path):
    whole, bare = tmp_path / "whole.nii", tmp_path / "bare.nii"
    write_cifti(whole)
    image = nib.Nifti2Image.from_filename(whole)
    image.header["intent_code"] = 0
    nib.save(image, bare)
    assert "grayordinates (CIFTI)" in refused_file(bare)
    plain = tmp_path / "plain.nii"
    nib.save(nib.Nifti2Image(np.ones(SHAPE, np.float32), AFFINE), plain)
    assert open_nifti(plain).shape == SHAPE


@pytest.mark.parametrize("name", ["a_hemi-L_bold.func.gii", "a_hemi-L.surf.gii", "a_bold.nii"])
def test_surfaces_are_no_volumes(name, tmp_path):
    values = np.random.default_rng(0).normal(size=50).astype(np.float32)
    surface = nib.GiftiImage(darrays=[nib.gifti.GiftiDataArray(values)])
    made = tmp_path / "made.func.gii"
    surface.to_filename(made)
    path = made.rename(tmp_path / name)
    assert "GIFTI" in refused_file(path)
    if path.suffix == ".gii":
        assert "not volumes; give the volumes" in refused_file(packed(path))
