"""Pearson's r of many predictions with the same voxels, without temporary copies."""

from collections.abc import Sequence
from typing import Any, TypeAlias

import numpy as np
import torch
from numpy.typing import NDArray

from lateralization.study import CONSTANT

Array = NDArray[Any]
Tensor: TypeAlias = torch.Tensor

BLOCK = 512
"""Voxels at a time, so that their float64 copies stay in a cache."""


def usable_voxels(runs: Sequence[Array]) -> NDArray[np.bool_]:
    """Tell which voxels are finite and not constant in every run.

    Parameters
    ----------
    runs : list over runs of arrays (n_scans, n_voxels)

    Returns
    -------
    boolean array of shape (n_voxels,)
    """
    usable = np.ones(runs[0].shape[1], bool)
    for run in runs:
        for start in range(0, run.shape[1], BLOCK):
            values = np.asarray(run[:, start : start + BLOCK], np.float64)
            with np.errstate(invalid="ignore", over="ignore"):
                mean, deviation = values.mean(0), values.std(0)
                here = np.isfinite(deviation) & (deviation > CONSTANT * np.abs(mean))
            usable[start : start + BLOCK] &= here
    return usable


def standard_unit(run: Tensor) -> Tensor:
    """Centre the columns of (n_scans, n_voxels) and scale them to length 1; constant ones to 0."""
    centred = run - run.mean(0, keepdim=True)
    norms = torch.linalg.vector_norm(centred, dim=0)
    return centred / torch.where(norms > 0, norms, torch.ones_like(norms))


def column_products(left: Tensor, right: Tensor) -> Tensor:
    """Return the scalar products of the columns of two (n_rows, n_columns) tensors: (n_columns,).

    On processors by numpy's einsum, which reads both once and writes neither.
    """
    if left.is_cuda:
        return (left * right).sum(0)
    return torch.from_numpy(np.einsum("ij,ij->j", left.numpy(), right.numpy()))


def correlate(hats: Sequence[Tensor] | Tensor, responses: Tensor, unit: Tensor) -> Tensor:
    """Correlate the predictions ``hats[a] @ responses`` with the voxels, for each penalty a.

    Parameters
    ----------
    hats : tensors (n_rows, k), one for each penalty
        Prediction matrices with columns of mean 0, so that every prediction has mean 0; rows are
        scans, or coordinates in an orthonormal basis that holds every prediction.
    responses : tensor (k, n_voxels)
    unit : tensor (n_rows, n_voxels)
        Measured voxels from ``standard_unit``, in the same coordinates.

    Returns
    -------
    tensor (n_alphas, n_voxels)
        Pearson's r; 0 where the prediction is constant.
    """
    r = unit.new_empty((len(hats), unit.shape[1]))
    predicted = torch.empty_like(unit)
    for index, hat in enumerate(hats):
        torch.mm(hat, responses, out=predicted)
        length = column_products(predicted, predicted).sqrt_()
        length[length == 0] = 1
        torch.div(column_products(predicted, unit), length, out=r[index])
    return r
