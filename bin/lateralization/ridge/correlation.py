"""Pearson's r of many predictions with the same voxels, without temporary copies."""

from collections.abc import Sequence

import numpy as np
import torch
from torch import Tensor

from lateralization.arrays import Array, Booleans, Floats
from lateralization.study import CONSTANT

BLOCK = 512
"""Voxels at a time, so that their float64 copies stay in a cache."""


def moments(run: Array) -> tuple[Floats, Floats]:
    """Return mean and population deviation of the columns of (n_scans, n_voxels), (n_voxels,) each.

    In float64 whatever the run is; NaN or infinite where a value is not finite.
    """
    mean, deviation = np.empty(run.shape[1]), np.empty(run.shape[1])
    for start in range(0, run.shape[1], BLOCK):
        part = slice(start, start + BLOCK)
        values = np.array(run[:, part], np.float64)
        with np.errstate(invalid="ignore", over="ignore"):
            mean[part] = values.mean(0)
            values -= mean[part]
            deviation[part] = np.sqrt(np.einsum("ij,ij->j", values, values) / len(values))
    return mean, deviation


def is_usable(mean: Floats, deviation: Floats) -> Booleans:
    """Tell which columns are finite and not constant, from their ``moments``: (n_voxels,) bool."""
    with np.errstate(invalid="ignore"):
        usable: Booleans = np.isfinite(deviation) & (deviation > CONSTANT * np.abs(mean))
    return usable


def column_products(left: Tensor, right: Tensor) -> Tensor:
    """Return the scalar products of the columns of two (n_rows, n_columns) tensors, (n_columns,).

    On processors by numpy's einsum, which reads both once and writes neither.
    """
    if left.is_cuda:
        return (left * right).sum(0)
    return torch.from_numpy(np.einsum("ij,ij->j", left.numpy(), right.numpy()))


def correlate(
    hats: Sequence[Tensor] | Tensor, responses: Tensor, measured: Tensor, lengths: Tensor
) -> Tensor:
    """Correlate the predictions ``hats[a] @ responses`` with the voxels, for each penalty a.

    Parameters
    ----------
    hats : tensors (n_rows, k), one for each penalty
        Prediction matrices with columns of mean 0, so that every prediction has mean 0; rows are
        scans, or coordinates in an orthonormal basis that holds every prediction.
    responses : tensor (k, n_voxels)
    measured : tensor (n_rows, n_voxels)
        Measured voxels in the same coordinates. Their mean need not be 0: a prediction of mean 0
        does not see it.
    lengths : tensor (n_voxels,)
        Euclidean lengths of the measured voxels, each less its mean over scans.

    Returns
    -------
    tensor (n_alphas, n_voxels)
        Pearson's r; 0 where the prediction is constant.
    """
    r = measured.new_empty((len(hats), measured.shape[1]))
    predicted = torch.empty_like(measured)
    for index, hat in enumerate(hats):
        torch.mm(hat, responses, out=predicted)
        length = column_products(predicted, predicted).sqrt_()
        length[length == 0] = 1
        torch.div(column_products(predicted, measured), length.mul_(lengths), out=r[index])
    return r
