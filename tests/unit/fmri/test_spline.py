"""Resampling on parallel axes against scipy and nilearn: affines, edges, types, odd values.

The bound everywhere: one unit in the last place of float32, and where values cancel 1e-13 of the
largest value of the run (the rounding of sums in float64).
"""

import nibabel as nib
import numpy as np
import pytest
from hypothesis import given, settings
from hypothesis import strategies as st
from nilearn.image import resample_img
from scipy.ndimage import affine_transform

from helpers.whole_runs import resample_run
from lateralization.fmri.resample import Resampler
from lateralization.fmri.spline import aligned_axes, axis_weights, interpolate
from lateralization.study import GRID_AFFINE, GRID_SHAPE


def affine_of(columns, origin):
    affine = np.eye(4)
    affine[:3, :3], affine[:3, 3] = columns, origin
    return affine


PARALLEL = {
    "on the target's points": affine_of(np.diag([2, 2, 2]), (-72, -106, -64)),
    "between them": affine_of(np.diag([3, 3, 3]), (-70.5, -104.2, -63.1)),
    "anisotropic": affine_of(np.diag([3.75, 3.1, 4.4]), (-80.3, -110, -66.6)),
    "right to left": affine_of(np.diag([-3, 3, 3]), (71.5, -104.2, -63.1)),
    "all flipped": affine_of(np.diag([-3, -3.2, -2.7]), (72, 75.5, 70)),
    "a part of the target": affine_of(np.diag([3, 3, 3]), (-40, -50.5, -30)),
    "beyond the target": affine_of(np.diag([5, 5, 5]), (-120, -150, -100)),
    "fine": affine_of(np.diag([1.5, 1.5, 1.5]), (-30.1, -40.7, -20.2)),
    "permuted": affine_of([[0, 0, 3], [3.5, 0, 0], [0, 3, 0]], (-70.5, -104.2, -63.1)),
    "permuted and flipped": affine_of([[0, -3, 0], [0, 0, 3], [-3.3, 0, 0]], (70, -100.1, 81)),
}
OBLIQUE = affine_of([[3, 0.3, 0], [-0.3, 3, 0], [0, 0, 3]], (-70.5, -104.2, -63.1))
AFFINES = PARALLEL | {"oblique": OBLIQUE}
SHAPE = (48, 60, 50)


def source(dtype=np.float32, n_scans=2, shape=SHAPE, seed=0):
    values = np.random.default_rng(seed).normal(100, 40, (*shape, n_scans))
    if np.dtype(dtype).kind == "u":
        values = values.clip(0, 250)
    return np.asfortranarray(values.astype(dtype))


def nilearns(data, affine):
    return resample_img(
        nib.Nifti1Image(data, affine, dtype=data.dtype),
        target_affine=GRID_AFFINE,
        target_shape=GRID_SHAPE,
    ).get_fdata(dtype=np.float32)


def assert_within_the_bound(ours, theirs, largest):
    assert ours.dtype == np.float32
    assert np.array_equal(np.isnan(ours), np.isnan(theirs))
    lost = np.isnan(theirs) | (ours == theirs)  # equal infinities too
    difference = np.abs(ours[~lost].astype(np.float64) - theirs[~lost])
    assert (difference <= np.spacing(np.abs(theirs[~lost])) + 1e-13 * largest).all()


@pytest.mark.parametrize("affine", AFFINES.values(), ids=AFFINES.keys())
def test_every_affine_gives_nilearns_values(affine):
    data = source()
    theirs = nilearns(data, affine)
    assert (theirs != 0).any()
    assert_within_the_bound(resample_run(data, affine), theirs, np.abs(data).max())


@pytest.mark.parametrize("affine", PARALLEL.values(), ids=PARALLEL.keys())
def test_parallel_axes_take_the_matrices_and_oblique_ones_do_not(affine):
    assert Resampler((*SHAPE, 2), affine).grid is not None
    tilted = affine.copy()
    tilted[:3, :3] += 1e-7  # an affine that is nearly straight is still nilearn's
    assert Resampler((*SHAPE, 2), tilted).grid is None


@pytest.mark.slow
@pytest.mark.filterwarnings("ignore:Casting data")
@pytest.mark.parametrize("affine", [PARALLEL["between them"], PARALLEL["permuted"], OBLIQUE])
@pytest.mark.parametrize("dtype", ["i1", "i2", "i4", "i8", "f4", "f8", ">i2", ">f4"])
def test_every_type_gives_nilearns_values(affine, dtype):
    data = source(dtype)
    theirs = nilearns(data.astype(np.dtype(dtype).newbyteorder("=")), affine)
    assert_within_the_bound(resample_run(data, affine), theirs, np.abs(data).max())


@pytest.mark.parametrize("affine", [PARALLEL["between them"], OBLIQUE])
@pytest.mark.parametrize("dtype", ["u1", "u2", ">u2", "u4"])
def test_unsigned_integers_are_interpolated_as_float32(affine, dtype):
    data = source(dtype)
    theirs = nilearns(data.astype(np.float32), affine)
    assert_within_the_bound(resample_run(data, affine), theirs, data.max())
    assert (theirs != np.round(theirs)).any()


def not_finite(dtype):
    """Scans with a lone NaN, infinities of both signs, NaN around a brain, nothing at all."""
    data = source(dtype, n_scans=6)
    data[20, 25, 21, 1] = np.nan
    data[20:24, 25:29, 20:24, 2] = np.inf
    data[30, 30, 30, 2] = -np.inf
    data[:12, ..., 3] = data[..., 40:, 3] = np.nan
    data[..., 4] = np.nan
    return data


@pytest.mark.slow
@pytest.mark.filterwarnings("ignore")
@pytest.mark.parametrize("dtype", [np.float32, np.float64])
@pytest.mark.parametrize("affine", AFFINES.values(), ids=AFFINES.keys())
def test_values_that_are_not_finite_are_treated_as_nilearn_does(affine, dtype):
    data = not_finite(dtype)
    before = data.copy()
    theirs = nilearns(data, affine)
    assert_within_the_bound(resample_run(data, affine), theirs, 300)
    assert np.isnan(theirs).any()
    assert np.array_equal(data, before, equal_nan=True)  # the source is left as it was


@pytest.mark.filterwarnings("ignore")
@pytest.mark.parametrize("affine", [PARALLEL["between them"], OBLIQUE])
def test_a_run_without_any_number_is_nan_throughout(affine):
    data = np.full((*SHAPE, 2), np.nan, dtype=np.float32)
    assert np.isnan(nilearns(data, affine)).all()
    assert np.isnan(resample_run(data, affine)).all()


@pytest.mark.parametrize("affine", [PARALLEL["between them"], OBLIQUE])
@pytest.mark.parametrize("sign", [1, -1])
def test_the_range_to_clip_to_is_that_of_all_scans_and_zero(affine, sign):
    data = np.zeros((*SHAPE, 3), dtype=np.float32)
    data[15:30, 15:40, 15:30, 0] = 100 * sign  # over- and undershoots at the faces
    data[0, 0, 0, 2] = -7 * sign
    data[..., 1] = 50 * sign
    theirs = nilearns(data, affine)
    assert_within_the_bound(resample_run(data, affine), theirs, 100)
    assert np.abs(theirs).max() == 100
    assert -7 <= (theirs * sign).min() < 0


@pytest.mark.filterwarnings("ignore")
@pytest.mark.parametrize("affine", [PARALLEL["right to left"], OBLIQUE, GRID_AFFINE])
def test_blocks_of_any_size_give_the_same_numbers(affine):
    shape = GRID_SHAPE if affine is GRID_AFFINE else SHAPE
    data = source(n_scans=5, shape=shape)
    data[10, 10, 10, 3] = np.nan
    data[..., 4] *= 3  # the range is known only at the end
    whole = resample_run(data, affine)
    parts = Resampler(data.shape, affine)
    for start, stop in ((0, 1), (1, 4), (4, 5)):
        parts.add(data[..., start:stop])
    assert np.array_equal(parts.result(), whole, equal_nan=True)


def test_a_run_that_is_not_complete_has_no_result():
    resampler = Resampler((*SHAPE, 3), PARALLEL["fine"])
    resampler.add(source(n_scans=2))
    with pytest.raises(ValueError, match="2 of 3 scans"):
        resampler.result()


def test_axes_are_found_in_any_order_and_tilted_ones_are_refused():
    assert aligned_axes(np.diag([2, -1, 3])) == (0, 1, 2)
    assert aligned_axes(np.array([[0, 0, 2], [-1, 0, 0], [0, 3, 0]])) == (1, 2, 0)
    assert aligned_axes(np.diag([2, 0, 3])) is None
    assert aligned_axes(np.diag([2.0, 1.0, 3.0]) + 1e-15 * np.eye(3)[::-1]) is None


ZOOM = st.sampled_from([-2.5, -1.0, 0.1, 0.3, 0.7, 1.0, 4 / 3, 1.9])
LENGTH = st.integers(1, 12)


@settings(max_examples=150, deadline=None)
@given(
    shape=st.tuples(LENGTH, LENGTH, LENGTH),
    zooms=st.tuples(ZOOM, ZOOM, ZOOM),
    steps=st.tuples(*[st.integers(-60, 120)] * 3),
    order=st.permutations([0, 1, 2]),
)
def test_edges_are_scipys_to_the_last_bit(shape, zooms, steps, order):
    """Many points fall on the first or last source point but for rounding: in or out as scipy."""
    matrix = np.zeros((3, 3))
    matrix[order, [0, 1, 2]] = zooms
    offset = np.array(steps) * 0.1
    target = (9, 8, 7)
    volume = np.random.default_rng(0).uniform(1, 2, shape)
    straight = list(order) == [0, 1, 2]
    theirs = affine_transform(
        volume, np.diag(matrix) if straight else matrix, offset, output_shape=target, order=3
    )
    grid = axis_weights(shape, target, matrix, offset)
    ours = interpolate(volume, grid)
    assert ours.shape == target
    assert np.array_equal(ours == 0, theirs == 0)
    assert np.allclose(ours, theirs, rtol=0, atol=1e-13)


@pytest.mark.parametrize("order", [(0, 1, 2), (1, 0, 2)], ids=["straight", "permuted"])
@pytest.mark.parametrize(
    ("zoom", "offset", "length"), [(-2.7, 5.7, 4), (-2.9, 7.9, 6), (0.1, -0.6, 6), (2.7, 6.3, 10)]
)
def test_a_point_that_rounding_alone_puts_in_or_out_is_where_scipy_has_it(
    order, zoom, offset, length
):
    """``offset + k zoom`` and ``(k + offset / zoom) zoom`` lie on two sides of the last point."""
    matrix = np.zeros((3, 3))
    matrix[order, [0, 1, 2]] = zoom, 1, 1
    place = np.zeros(3)
    place[order[0]] = offset
    shape = [4, 4, 4]
    shape[order[0]] = length
    volume = np.random.default_rng(0).uniform(1, 2, shape)
    target = (9, 4, 4)
    theirs = affine_transform(
        volume,
        np.diag(matrix) if order == (0, 1, 2) else matrix,
        place,
        output_shape=target,
        order=3,
    )
    ours = interpolate(volume, axis_weights(shape, target, matrix, place))
    assert (theirs != 0).any()
    assert np.array_equal(ours == 0, theirs == 0)
