"""Banded ridge: a model and confounds predict together, each with a penalty of its own.

With kernels ``K_m`` of the model and ``K_b`` of each band of confounds, the prediction is that of
ridge regression with the kernel ``K_m + sum_b w_b K_b`` and the penalty alpha: band b has the
penalty alpha / w_b (Nunez-Elizalde, Huth & Gallant, NeuroImage 2019). Penalties and weights are
tried together, on the same validation runs as the penalty of a model alone.

All weights share the fit of the model alone. With ``M = (K_m + alpha I)^-1`` on the training runs
S, the confounds Z and ``D = diag(sqrt(w))``, the prediction matrix on run T is (Woodbury)

    H + (Z_T - H Z_S) D (I + D Z_S' M Z_S D)^-1 D Z_S' M,    H = K_TS M

so that another weight costs a matrix of as many rows and columns as there are confounds.
"""

from collections.abc import Sequence
from itertools import product
from typing import Any

import numpy as np
import torch
from torch import Tensor

from lateralization.arrays import Array, Floats
from lateralization.ridge.systems import (
    Case,
    Dual,
    Primal,
    centre,
    columns_of,
    is_primal,
    plus_diagonal,
    products,
)

WEIGHTS = (0.0, 1.0, 1e2, 1e4, 1e6)
"""Weights of a band of confounds beside the model's 1: left out, as the model, and up to free."""


FEWER = (0.0, 1e2, 1e4)
"""Weights of each of three bands: all five would make five times the pairs of two bands."""


class PenaltyGrid:
    """The penalties and weights that are tried, each pair with a number from 1.

    Parameters
    ----------
    alphas : array of shape (n_alphas,)
    widths : list of int
        Columns of each band of confounds.
    """

    def __init__(self, alphas: Floats, widths: Sequence[int]) -> None:
        self.widths = list(widths)
        tried = WEIGHTS if len(self.widths) < 3 else FEWER
        self.pairs = [
            (float(alpha), weights)
            for alpha in alphas
            for weights in product(tried, repeat=len(self.widths))
        ]

    @property
    def numbers(self) -> Floats:
        """Give the numbers of all pairs, (n_pairs,): of equals the first is taken."""
        return np.arange(1, len(self.pairs) + 1, dtype=np.float64)

    def read(self, numbers: Floats) -> tuple[Floats, Floats]:
        """Return the penalties of numbers (of any shape), and their weights; NaN stays NaN.

        The weights have one axis more, (…, n_bands).
        """
        table = np.array([[np.nan] * (1 + len(self.widths)),
                          *([alpha, *weights] for alpha, weights in self.pairs)])  # fmt: skip
        found = table[np.nan_to_num(numbers).astype(int)]
        return found[..., 0], found[..., 1:]

    def factors(self, number: float, like: Tensor) -> Tensor:
        """Return the square roots of a pair's weights, one for each column: (n_confounds,)."""
        weights = np.repeat(self.pairs[int(number) - 1][1], self.widths)
        return torch.as_tensor(np.sqrt(weights)).to(like)


class BandedHats:
    """Prediction matrices of one case, made when asked for: of the model alone, and a change.

    Parameters
    ----------
    base : list of tensors (n_rows, k), one for each penalty
    sides : list of ((n_rows, n_confounds), (n_confounds, k)), one for each penalty
    changes : list of (place in ``base``, (n_confounds,) or (n_confounds, n_confounds))
        One for each pair of penalty and weights: what stands between the two sides.
    """

    def __init__(
        self,
        base: list[Tensor],
        sides: list[tuple[Tensor, Tensor]],
        changes: list[tuple[int, Tensor]],
    ) -> None:
        self.base, self.sides, self.changes = base, sides, changes

    def __len__(self) -> int:
        """Count the pairs."""
        return len(self.changes)

    def __getitem__(self, index: int) -> Tensor:
        """Give the matrix of one pair."""
        place, between = self.changes[index]
        left, right = self.sides[place]
        left = left * between if between.ndim == 1 else left @ between
        return torch.addmm(self.base[place], left, right)


def _assemble(
    grid: PenaltyGrid,
    numbers: Floats,
    alphas: list[float],
    parts: list[list[Tensor]],
    dtype: torch.dtype,
) -> BandedHats:
    """Make the matrices of one case.

    Parameters
    ----------
    parts : list over alphas of [H, Z_T - H Z_S, Z_S' M, Z_S' M Z_S]
    """
    if len(grid.widths) == 1:
        parts = [_diagonal(part) for part in parts]
    changes = []
    for number in numbers:
        place = alphas.index(grid.pairs[int(number) - 1][0])
        factors, inner = grid.factors(number, parts[place][0]), parts[place][3]
        if inner.ndim == 1:
            between = factors**2 / (1 + factors**2 * inner)
        else:
            damped = plus_diagonal(factors[:, None] * inner * factors, 1.0)
            between = factors[:, None] * torch.linalg.solve(damped, torch.diag(factors))
        changes.append((place, between.to(dtype)))
    sides = [(part[1].to(dtype), part[2].to(dtype)) for part in parts]
    return BandedHats([part[0].to(dtype) for part in parts], sides, changes)


def _diagonal(part: list[Tensor]) -> list[Tensor]:
    """Turn the confounds of one band so that every weight of it is a scaling."""
    base, residual, right, inner = part
    values, vectors = torch.linalg.eigh(inner)
    return [base, residual @ vectors, vectors.T @ right, values.clamp(min=0)]


def _penalties(grid: PenaltyGrid, numbers: Floats) -> list[float]:
    """Return the penalties of some pairs, each once."""
    return list(dict.fromkeys(grid.pairs[int(number) - 1][0] for number in numbers))


class BandedPrimal(Primal):
    """Model and confounds through their cross-products; see ``Primal`` for what it shares.

    Parameters
    ----------
    model, confounds : lists over runs of float64 tensors (n_scans, n_columns)
    grid : PenaltyGrid
    """

    def __init__(
        self, model: Sequence[Tensor], confounds: Sequence[Tensor], grid: PenaltyGrid
    ) -> None:
        stacked = [torch.cat(both, 1) for both in zip(model, confounds, strict=True)]
        super().__init__(stacked, min(alpha for alpha, _ in grid.pairs))
        self.grid, self.model, self.confounds = grid, list(model), list(confounds)
        self._products = [
            (x.T @ x, x.T @ z, z.T @ z) for x, z in zip(model, confounds, strict=True)
        ]

    def hats(self, cases: Sequence[Case], alphas: Floats, dtype: torch.dtype) -> list[Any]:
        """See ``System``; ``alphas`` are numbers of the grid."""
        wanted = _penalties(self.grid, alphas)
        made = []
        for case in cases:
            parts = [self._parts(case, alpha) for alpha in wanted]
            made.append(_assemble(self.grid, alphas, wanted, parts, dtype))
        return made

    def _parts(self, case: Case, alpha: float) -> list[Tensor]:
        """Return what ``_assemble`` needs of one case and penalty, for whitened responses."""
        gram, across, own = (
            torch.stack([self._products[run][place] for run in case.train]).sum(0)
            for place in range(3)
        )
        factor = torch.linalg.cholesky(plus_diagonal(gram, alpha))
        target = self.model[case.target]
        rows = torch.cholesky_solve(target.T, factor).T
        weights = torch.cholesky_solve(across, factor)
        n_model = len(gram)
        # Without a feature that varies in training nothing is predicted, not even rounding.
        varies = any(self.turned[run].any() for run in case.train)
        base = rows @ self.vectors[:n_model] * (self.scale if varies else 0.0)
        right = (self.vectors[n_model:] - weights.T @ self.vectors[:n_model]) * self.scale / alpha
        residual = self.confounds[case.target] - target @ weights
        left, basis = [centre(base), centre(residual)], self.bases[case.target]
        if basis is not None:
            left = [basis.T @ part for part in left]
        return [*left, right, (own - weights.T @ across) / alpha]


class BandedDual(Dual):
    """Model and confounds through the Gram matrix over scans; see ``Dual`` for what it shares.

    Parameters
    ----------
    model, confounds : lists over runs of float64 tensors (n_scans, n_columns)
    grid : PenaltyGrid
    """

    def __init__(
        self, model: Sequence[Tensor], confounds: Sequence[Tensor], grid: PenaltyGrid
    ) -> None:
        super().__init__(products(model), [len(run) for run in model])
        self.grid, self.confounds = grid, list(confounds)

    def hats(self, cases: Sequence[Case], alphas: Floats, dtype: torch.dtype) -> list[Any]:
        """See ``System``; ``alphas`` are numbers of the grid."""
        wanted = _penalties(self.grid, alphas)
        parts: list[list[list[Tensor]]] = [[] for _ in cases]
        base = self._base(cases)
        gram = self._between(base, base)
        across = {run: self._between((run,), base) for run in self.runs if run not in base}
        for alpha in wanted:
            inverse = torch.cholesky_inverse(torch.linalg.cholesky(plus_diagonal(gram, alpha)))
            outside = {run: rows @ inverse for run, rows in across.items()}
            for case, own in zip(cases, parts, strict=True):
                rows = columns_of(
                    self._rows(case, base, inverse, outside), self._spans(case.train, base)
                )
                right = self._trained(case, base, inverse)
                trained = torch.cat([self.confounds[run] for run in case.train])
                residual = self.confounds[case.target] - rows @ trained
                own.append([centre(rows), centre(residual), right.T, right.T @ trained])
        return [_assemble(self.grid, alphas, wanted, own, dtype) for own in parts]

    def _trained(self, case: Case, base: tuple[int, ...], inverse: Tensor) -> Tensor:
        """Return ``M Z_S``, (n_training_scans, n_confounds), from the inverse of a larger set."""
        zeros = torch.zeros_like
        filled = torch.cat([
            self.confounds[run] if run in case.train else zeros(self.confounds[run])
            for run in base
        ])  # fmt: skip
        solved = inverse @ filled
        train = self._spans(case.train, base)
        away = self._spans(tuple(run for run in base if run not in case.train), base)
        inside = torch.cat([solved[span] for span in train])
        if not away:
            return inside
        block = torch.cat([inverse[span] for span in away])
        within, between = columns_of(block, away), columns_of(block, train)
        changed = torch.linalg.solve(within, torch.cat([solved[span] for span in away]))
        return inside - between.T @ changed


def _compact(band: list[Tensor]) -> list[Tensor]:
    """Turn a band of more columns than scans into as many, with the same products of all scans."""
    lengths = [len(run) for run in band]
    if band[0].shape[1] <= sum(lengths):
        return band
    values, vectors = torch.linalg.eigh(products(band))
    return list((vectors * values.clamp(min=0).sqrt()).split(lengths))


def make_banded(
    model: Sequence[Array], bands: Sequence[Sequence[Array]], alphas: Floats, device: str = "cpu"
) -> BandedPrimal | BandedDual:
    """Choose the cheaper of the two equal forms.

    Parameters
    ----------
    model : list over runs of arrays (n_scans, n_features)
        Standardised regressors.
    bands : list over bands of such lists
        One to three bands of confounds.
    alphas : array of shape (n_alphas,)
    device : str
    """

    def loaded(run: Array) -> Tensor:
        return torch.as_tensor(np.asarray(run, np.float64), device=device)

    runs = [loaded(run) for run in model]
    compact = [_compact([loaded(run) for run in band]) for band in bands]
    confounds = [torch.cat(parts, 1) for parts in zip(*compact, strict=True)]
    grid = PenaltyGrid(alphas, [band[0].shape[1] for band in compact])
    width = runs[0].shape[1] + confounds[0].shape[1]
    kind = BandedPrimal if is_primal(width, [len(run) for run in runs]) else BandedDual
    return kind(runs, confounds, grid)
