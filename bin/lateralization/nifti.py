"""NIfTI files as users give them: a header that is checked, and data that are read to their end.

nibabel opens files whose header contradicts itself, and reads a damaged ``.gz`` without comparing
its checksum when the damage still inflates. A changed number would be the only sign of either.
"""

import gzip
import zlib
from collections.abc import Iterator
from contextlib import contextmanager
from pathlib import Path
from typing import Any

import nibabel as nib
import numpy as np
from nibabel.spatialimages import HeaderDataError

from lateralization.arrays import Array
from lateralization.errors import BadInput
from lateralization.files import check_fetched

CODES = range(6)
"""Codes of sform and qform that the format defines; 0 is not set."""

SMALLEST_MM, LARGEST_MM = 0.05, 500.0
"""Edges of a voxel outside of these are in another unit, or damaged."""

CHUNK = 1 << 22

OTHER_PACKINGS = frozenset({".bz2", ".xz", ".zst", ".lz4", ".z", ".zip", ".7z", ".rar", ".tar"})
"""Endings of packings that are refused: only that of gzip is read to its checksum."""

UNITS = {"msec": 1e-3, "usec": 1e-6}

CIFTI_INTENTS = range(3000, 3100)
CIFTI_EXTENSION = 32
"""Intent codes of CIFTI-2, and the code of the header extension that holds its XML."""

VOLUMES = (
    "give the volumes in MNI space that the same preprocessing writes (of fMRIPrep: "
    "*_space-MNI152NLin2009cAsym_desc-preproc_bold.nii.gz)"
)


def open_nifti(path: Path | str) -> nib.Nifti1Image:
    """Open a NIfTI without reading its data, and check what its header says.

    Parameters
    ----------
    path
        A ``.nii`` or ``.nii.gz`` file.

    Returns
    -------
    nibabel.Nifti1Image
        Real numbers of at most 64 bits on a grid whose place in space is known.

    Raises
    ------
    BadInput
        No file, no NIfTI, surfaces (GIFTI) or grayordinates (CIFTI), a header that contradicts
        itself or the length of the file, or no orientation.
    """
    check_fetched(path)
    packing = Path(path).suffix
    if packing.lower() in OTHER_PACKINGS and Path(path).exists():
        raise BadInput(f"{path} is packed as {packing}; unpack it, or pack it as .nii.gz")
    if Path(path).name.lower().endswith((".gii", ".gii.gz")):
        raise BadInput(f"{path} holds values on a surface (GIFTI), not volumes; {VOLUMES}")
    try:
        image = nib.load(path)
    except MemoryError:
        raise
    except Exception as error:  # nibabel's own errors share no base class
        raise BadInput(
            f"{path} cannot be read as NIfTI ({_what_it_is(path) or _first_line(error)}); "
            f"{_mending(path, error)}"
        ) from error
    if _is_cifti(image):
        raise BadInput(f"{path} holds grayordinates (CIFTI), not volumes; {VOLUMES}")
    if not isinstance(image, nib.Nifti1Image):
        raise BadInput(f"{path} is no NIfTI file; convert it to .nii or .nii.gz")
    with reading(path):
        written = _written_header(path, image)
    problem = (
        _wrong_data(image, written)
        or _wrong_place(image, written)
        or _wrong_length(Path(path), image)
    )
    if problem:
        raise BadInput(f"{path} {problem}")
    return image


@contextmanager
def streamed(path: Path | str) -> Iterator[tuple[Any, Any]]:
    """Open an image whose values are read in their order, with the stream that they come from.

    Yields
    ------
    image, handle
        ``check_end(handle)`` compares the checksum once the last value was read; the handle of a
        file that is not compressed is None.

    Raises
    ------
    BadInput
        The file cannot be opened.
    """
    with reading(path):
        image = nib.load(path)
    if not is_packed(path):
        yield image, None
        return
    with gzip.open(path) as handle:
        with reading(path):
            image = type(image).from_stream(handle)
        yield image, handle


def check_end(handle: Any) -> None:
    """Read to the end of a compressed stream: only there is its checksum compared.

    Raises
    ------
    OSError, EOFError
        The checksum differs, or the stream breaks off.
    ValueError
        More data follow than the header announces.
    """
    if handle is not None and handle.read(1):
        raise ValueError("more data than its header announces")


@contextmanager
def reading(path: Path | str) -> Iterator[None]:
    """Turn what fails while a file is read into one line that names the file."""
    try:
        yield
    except (MemoryError, BadInput):
        raise
    except Exception as error:
        raise BadInput(
            f"{path} is damaged or cut off ({_first_line(error)}); fetch it again"
        ) from error


def repetition_time(header: Any) -> float | None:
    """Return the repetition time of a header in seconds; None where it has none that can be.

    It is never used for a computation (the data set's description has the repetition time).
    """
    try:
        unit = header.get_xyzt_units()[1]
    except (KeyError, HeaderDataError):
        return None
    seconds = float(header["pixdim"][4]) * UNITS.get(unit, 1.0)
    return seconds if np.isfinite(seconds) and seconds > 0 else None


def space_code(image: Any) -> int:
    """Return the code of the space that an opened image lies in: sform's, else qform's."""
    return int(image.header["sform_code"]) or int(image.header["qform_code"])


def is_packed(path: Path | str) -> bool:
    """Whether a name ends in ``.gz``, in upper or lower case: nibabel ignores the case too."""
    return str(path).lower().endswith(".gz")


def _is_cifti(image: Any) -> bool:
    """Whether an image is CIFTI-2; nibabel opens a packed one as any other NIfTI-2."""
    if isinstance(image, nib.Cifti2Image):
        return True
    return isinstance(image, nib.Nifti2Image) and (
        int(image.header["intent_code"]) in CIFTI_INTENTS
        or CIFTI_EXTENSION in image.header.extensions.get_codes()
    )


def _what_it_is(path: Path | str) -> str:
    """Name what stands in the place of an image; empty for what is not known."""
    try:
        with Path(path).open("rb") as handle:
            start = handle.read(512).lstrip().lower()
    except OSError:
        return ""
    if b"<gifti" in start:
        return "it is a surface, GIFTI"
    return "it is a web page" if start.startswith((b"<html", b"<!doctype")) else ""


def _mending(path: Path | str, error: Exception) -> str:
    """Return what to do about a file that nibabel does not open."""
    if isinstance(error, FileNotFoundError) and Path(path).exists():
        # nibabel guesses the spelling of names such as run.Nii.Gz, and looks for another file
        return "write the ending of its name in lower case (.nii or .nii.gz)"
    return "fetch or copy it again"


def _first_line(error: Exception) -> str:
    return (str(error).splitlines() or [type(error).__name__])[0][:200]


def _written_header(path: Path | str, image: nib.Nifti1Image) -> Any:
    """Read the header as the file has it: nibabel mends some fields of the one that it hands on."""
    with gzip.open(path) if is_packed(path) else Path(path).open("rb") as handle:
        return type(image.header).from_fileobj(handle, check=False)


def _wrong_data(image: nib.Nifti1Image, header: Any) -> str:
    """Describe what is wrong with type, shape or scaling of the data; empty when nothing is."""
    dtype = image.get_data_dtype()
    if dtype.kind not in "iuf" or dtype.itemsize > 8:
        return f"holds {dtype} values; real numbers of at most 64 bits are needed"
    if int(header["bitpix"]) not in (0, 8 * dtype.itemsize):
        return (
            f"has a damaged header: its type is {dtype}, its bits per voxel are "
            f"{int(header['bitpix'])}; fetch or copy it again"
        )
    if min(image.shape, default=0) < 1:
        return f"has shape {image.shape}; every dimension needs at least 1 voxel"
    slope, intercept = float(header["scl_slope"]), float(header["scl_inter"])
    # a slope of 0 or NaN says that values are not scaled
    if np.isinf(slope) or (np.isfinite(slope) and slope and not np.isfinite(intercept)):
        return (
            f"scales its values by {slope:g} and adds {intercept:g}; write it again with finite "
            "scl_slope and scl_inter"
        )
    return ""


def _wrong_place(image: nib.Nifti1Image, header: Any) -> str:
    """Describe what is wrong with the place in space; empty when nothing is."""
    affine = np.asarray(image.affine, dtype=float)
    codes = int(header["sform_code"]), int(header["qform_code"])
    if not any(codes):
        return (
            "has neither sform nor qform: its place in space is unknown, left and right too; "
            "write it again with the code of its space (4: MNI)"
        )
    if not all(code in CODES for code in codes):
        return f"has the sform and qform codes {codes}, which mean nothing; write it again"
    if not np.isfinite(affine).all() or abs(np.linalg.det(affine[:3, :3])) < 1e-9:
        return "has an affine that cannot be inverted; check its header"
    sizes = np.linalg.norm(affine[:3, :3], axis=0)
    if sizes.min() < SMALLEST_MM or sizes.max() > LARGEST_MM:
        listed = " x ".join(f"{size:.3g}" for size in sizes)
        return f"has voxels of {listed} mm; check its affine, which is in mm"
    if all(codes) and _mirrored(header, affine):
        return (
            "has an sform and a qform that disagree about left and right; find out which is right, "
            "and write it again with that one alone"
        )
    return ""


def _mirrored(header: Any, sform: Array) -> bool:
    """Whether sform and qform put opposite sides of the image on the left."""
    try:
        qform = np.asarray(header.get_qform(), dtype=float)[:3, :3]
    except (HeaderDataError, ValueError):  # no rotation: only the sform can be used
        return False
    if not np.isfinite(qform).all() or abs(np.linalg.det(qform)) < 1e-9:
        return False
    turn = sform[:3, :3] @ np.linalg.inv(qform)
    volume = float(np.linalg.det(turn))
    # a turn by less than a right angle leaves left on the left; a reflection never does
    return volume < 0 or turn[0, 0] < -0.5 * volume ** (1 / 3)


def _wrong_length(path: Path, image: nib.Nifti1Image) -> str:
    """Say that a file is shorter or longer than its header announces; empty when it is neither.

    The last four bytes of a gzip file are the length of what it holds; only where they differ from
    the header is it inflated: files of several members end with the length of the last one.
    """
    offset, itemsize = int(image.dataobj.offset), int(image.get_data_dtype().itemsize)
    n_bytes = offset + int(np.prod(image.shape, dtype=object)) * itemsize
    hint = "it is not whole; fetch or copy it again"
    if not is_packed(path):
        read = path.stat().st_size
    else:
        with path.open("rb") as raw:
            raw.seek(-4, 2)
            if int.from_bytes(raw.read(4), "little") == n_bytes % 2**32:
                return ""
        read = 0
        try:
            with gzip.open(path) as handle:
                while chunk := handle.read(CHUNK):
                    read += len(chunk)
        except (OSError, EOFError, zlib.error) as error:
            return f"is damaged ({_first_line(error)}): {hint}"
    if read > n_bytes:
        return (
            f"has {read} bytes of data, its header announces {n_bytes}: one of them is wrong; "
            "fetch, copy or write it again"
        )
    return "" if read == n_bytes else f"has {read} bytes of data of {n_bytes}: {hint}"
