"""Ridge regression without its voxels: what the features alone decide, in its two equal forms.

The prediction on run b after training on the runs S is ``H @ responses(S)``. ``H`` (rows of b × k)
holds the penalty and the features; the responses (k × voxels) hold no penalty. With fewer
features than scans they are ``X' Y`` (primal, k = features), else ``Y`` itself (dual, k = training
scans; the features enter through their Gram matrix over scans only). All that is said here is
computed in float64; only the finished H is cast to the precision of the products with the voxels.
"""

from collections.abc import Iterator, Sequence
from typing import NamedTuple, Protocol

import numpy as np
import torch
from torch import Tensor

from lateralization.arrays import Floats

Runs = tuple[int, ...]


class Case(NamedTuple):
    """A set of training runs, in ascending order, and the run that is predicted."""

    train: Runs
    target: int


class System(Protocol):
    """The part of a ridge regression that does not depend on the voxels."""

    def hats(self, cases: Sequence[Case], alphas: Floats, dtype: torch.dtype) -> list[Tensor]:
        """Return for each case its centred prediction matrices (n_alphas, n_rows, k)."""

    def project(self, target: int, series: Tensor) -> Tensor:
        """Bring a target run's voxels, (n_scans, n_chunk), to the rows of its predictions."""

    def blocks(self, chunk: Sequence[Tensor]) -> list[Tensor]:
        """Turn one chunk of voxels, (n_scans, n_chunk) per run, into blocks to combine."""

    def responses(self, train: Runs, blocks: Sequence[Tensor]) -> Tensor:
        """Combine the blocks of the training runs to (k, n_chunk)."""


class Primal:
    """Ridge through the features' Gram matrix, for fewer features than training scans.

    The features are turned to the eigenvectors of the Gram matrix of all runs, where its inverse is
    a scaling for every penalty. With ``P = X (X'X + alpha I)^-1 X'``, T the runs that are left out
    and S those that are trained on, the prediction matrix on T is ``(I - P_TT)^-1 X_T (X'X + alpha
    I)^-1`` (Woodbury), to be applied to ``X_S' Y_S``: no training set needs a factor of its own.
    With fewer features than the scans of the two runs that a search leaves out, the Gram matrix of
    the training set is smaller than ``I - P_TT``, and is factored itself.

    The responses are taken in the basis that whitens the Gram matrix of all runs: ``X' Y`` of
    correlated features loses in float32 what the small penalties need.

    All predictions of a run lie in the space of its features. With fewer features than scans they
    are given in an orthonormal basis of that space (``X = Q R``): lengths and products with the
    voxels, which are projected once for all penalties, stay the same, and the rows are fewer.

    Parameters
    ----------
    features : list over runs of float64 tensors (n_scans, n_features)
    floor : float
        Added to the eigenvalues before whitening; the smallest penalty.

    Attributes
    ----------
    few : bool
        Whether the features are fewer than the scans of any two runs.
    """

    def __init__(self, features: Sequence[Tensor], floor: float) -> None:
        stacked = torch.cat(list(features))
        values, self.vectors = torch.linalg.eigh(stacked.T @ stacked)
        self.values = values.clamp(min=0)
        self.scale = (self.values + floor).sqrt()
        self.turned = [run @ self.vectors for run in features]
        self._white: dict[torch.dtype, list[Tensor]] = {}
        self.bases = [
            torch.linalg.qr(centre(run))[0] if run.shape[1] < len(run) else None for run in features
        ]
        self.few = stacked.shape[1] <= sum(sorted(len(run) for run in features)[:2])
        self._grams = [run.T @ run for run in self.turned] if self.few else []

    def project(self, target: int, series: Tensor) -> Tensor:
        """See ``System``."""
        basis = self.bases[target]
        return series if basis is None else basis.T.to(series.dtype) @ series

    def hats(self, cases: Sequence[Case], alphas: Floats, dtype: torch.dtype) -> list[Tensor]:
        """See ``System``."""
        made: list[list[Tensor]] = [[] for _ in cases]
        for alpha in alphas:
            solved = self._solve(cases, float(alpha))
            for case, rows, hats in zip(cases, solved, made, strict=True):
                # Without a feature that varies in training nothing is predicted, not even rounding.
                weight = self.scale if any(self.turned[run].any() for run in case.train) else 0.0
                hat, basis = centre(rows * weight), self.bases[case.target]
                hats.append((hat if basis is None else basis.T @ hat).to(dtype))
        return [torch.stack(hats) for hats in made]

    def _solve(self, cases: Sequence[Case], alpha: float) -> Iterator[Tensor]:
        """Go through the cases: their prediction matrices in the turned features."""
        return self._rows_of_few(cases, alpha) if self.few else self._rows(cases, alpha)

    def _rows_of_few(self, cases: Sequence[Case], alpha: float) -> Iterator[Tensor]:
        """Do what ``_rows`` does by a factor of each training set, (features, features)."""
        for case in cases:
            trained = torch.diag(torch.full_like(self.values, alpha))
            for run in case.train:
                trained += self._grams[run]
            target = self.turned[case.target]
            yield torch.cholesky_solve(target.T, torch.linalg.cholesky(trained)).T

    def _rows(self, cases: Sequence[Case], alpha: float) -> Iterator[Tensor]:
        """Go through the cases: their prediction matrices for one penalty, (n_scans, k).

        With C the runs that every case leaves out, what follows from them is made once: ``E``, the
        matrix on C after training on all others. The runs T that a case leaves out besides change
        it to ``E + (I - P_CC)^-1 P_CT S^-1 G``, and theirs is ``S^-1 G``, with ``G`` and ``S`` the
        counterparts of ``X_T (X'X + alpha I)^-1`` and ``I - P_TT`` when C is left out.
        """
        solved = [run / (self.values + alpha) for run in self.turned]
        held = [_held(case, len(self.turned)) for case in cases]
        common = tuple(sorted(set(held[0]).intersection(*held)))
        outside = _stacked(solved, common)
        factor = torch.linalg.cholesky(_less(outside @ _stacked(self.turned, common).T))
        whole = torch.cholesky_solve(outside, factor)
        starts = np.cumsum([0, *(len(self.turned[run]) for run in common)])
        for case, runs in zip(cases, held, strict=True):
            away = [run for run in runs if run not in common]
            n_target = len(self.turned[case.target])
            rows, inside = _stacked(solved, away), _stacked(self.turned, away)
            across = outside @ inside.T
            changed = torch.cholesky_solve(across, factor)
            small = _less(rows @ inside.T + across.T @ changed)
            rows = rows + across.T @ whole
            if case.target in away:
                yield _first_rows_of_inverse(small, n_target) @ rows
                continue
            start = int(starts[common.index(case.target)])
            part = slice(start, start + n_target)
            solution = torch.cholesky_solve(changed[part].T, torch.linalg.cholesky(small))
            yield whole[part] + solution.T @ rows

    def blocks(self, chunk: Sequence[Tensor]) -> list[Tensor]:
        """See ``System``; the blocks are whitened ``X' Y``, and their sum over runs at the end."""
        dtype = chunk[0].dtype
        if dtype not in self._white:
            self._white[dtype] = [(run / self.scale).T.to(dtype) for run in self.turned]
        blocks = [x @ y for x, y in zip(self._white[dtype], chunk, strict=True)]
        total = blocks[0].clone()
        for block in blocks[1:]:
            total += block
        return [*blocks, total]

    def responses(self, train: Runs, blocks: Sequence[Tensor]) -> Tensor:
        """See ``System``; the sum over all runs less the few that are not trained on."""
        total = blocks[-1].clone()
        for run in range(len(blocks) - 1):
            if run not in train:
                total -= blocks[run]
        return total


class Dual:
    """Ridge through the Gram matrix over scans, for more features than training scans.

    One inverse per penalty serves all training sets. With K the Gram matrix, C the runs that every
    case leaves out and B the others, ``R = (K_BB + alpha I)^-1``. A case leaves out the runs T of B
    besides, and trains on the rest S. Its prediction on C is ``P_S - P_T (R_TT)^-1 R_TS`` with
    ``P = K_CB R``, and on T ``-(R_TT)^-1 R_TS`` (inverse of a block matrix), to be applied to Y_S:
    instead of a factor of K_SS per training set there is one of the small R_TT.

    Parameters
    ----------
    gram : float64 tensor (n_scans, n_scans)
        ``X X'`` over the scans of all runs in order; the features themselves are not needed.
    lengths : list of int
        Scans of each run.
    """

    def __init__(self, gram: Tensor, lengths: Sequence[int]) -> None:
        self.gram, self.lengths = gram, list(lengths)
        self.runs = tuple(range(len(self.lengths)))

    def _spans(self, runs: Runs, among: Runs) -> list[slice]:
        """Return where the scans of some runs stand when only the runs of ``among`` are counted."""
        ends = dict(zip(among, np.cumsum([self.lengths[run] for run in among]), strict=True))
        return [slice(int(ends[run]) - self.lengths[run], int(ends[run])) for run in runs]

    def _between(self, rows: Runs, columns: Runs) -> Tensor:
        """Return the Gram matrix between two sets of runs."""
        kept = columns_of(self.gram, self._spans(columns, self.runs))
        return columns_of(kept.T, self._spans(rows, self.runs)).T.contiguous()

    def project(self, target: int, series: Tensor) -> Tensor:
        """See ``System``; with more features than scans there is nothing to save."""
        return series

    def hats(self, cases: Sequence[Case], alphas: Floats, dtype: torch.dtype) -> list[Tensor]:
        """See ``System``; centring the rows centres the prediction, whatever the features."""
        base = self._base(cases)
        gram = self._between(base, base)
        across = {run: self._between((run,), base) for run in self.runs if run not in base}
        spans = [self._spans(case.train, base) for case in cases]
        made: list[list[Tensor]] = [[] for _ in cases]
        for alpha in alphas:
            factor = torch.linalg.cholesky(plus_diagonal(gram, float(alpha)))
            inverse = torch.cholesky_inverse(factor)
            outside = {run: rows @ inverse for run, rows in across.items()}
            for case, train, hats in zip(cases, spans, made, strict=True):
                rows = self._rows(case, base, inverse, outside)
                hats.append(columns_of(centre(rows).to(dtype), train))
        return [torch.stack(hats) for hats in made]

    def _base(self, cases: Sequence[Case]) -> Runs:
        """Return the runs that some case trains on."""
        held = [set(_held(case, len(self.runs))) for case in cases]
        common = set.intersection(*held)
        return tuple(run for run in self.runs if run not in common)

    def _rows(self, case: Case, base: Runs, inverse: Tensor, outside: dict[int, Tensor]) -> Tensor:
        """Return the prediction matrix of one case over all of B; R and P of the class are given.

        The columns of the runs that the case leaves out mean nothing.
        """
        runs = tuple(run for run in _held(case, len(self.runs)) if run in base)
        away = self._spans(runs, base)
        rows = torch.cat([inverse[:0], *(inverse[span] for span in away)])
        small = columns_of(rows, away)
        if case.target in base:
            return -_first_rows_of_inverse(small, self.lengths[case.target]) @ rows
        whole = outside[case.target]
        factor = torch.linalg.cholesky(small)
        return whole - torch.cholesky_solve(columns_of(whole, away).T, factor).T @ rows

    def blocks(self, chunk: Sequence[Tensor]) -> list[Tensor]:
        """See ``System``; the blocks are the voxels themselves."""
        return list(chunk)

    def responses(self, train: Runs, blocks: Sequence[Tensor]) -> Tensor:
        """See ``System``; the training runs one below the other."""
        return torch.cat([blocks[run] for run in train])


def columns_of(matrix: Tensor, spans: Sequence[slice]) -> Tensor:
    """Put some spans of columns, or none, side by side."""
    return torch.cat([matrix[:, :0], *(matrix[:, span] for span in spans)], 1)


def _stacked(parts: Sequence[Tensor], runs: Sequence[int]) -> Tensor:
    """Put the rows of some runs, or of none, below each other."""
    return torch.cat([parts[0][:0], *(parts[run] for run in runs)])


def _held(case: Case, n_runs: int) -> Runs:
    """Return the runs that are not trained on, the one that is predicted first."""
    others = set(range(n_runs)) - {*case.train, case.target}
    return (case.target, *sorted(others))


def _first_rows_of_inverse(matrix: Tensor, n_rows: int) -> Tensor:
    """Invert a symmetric positive matrix and return the first rows, (n_rows, n)."""
    first = torch.zeros((len(matrix), n_rows), dtype=matrix.dtype, device=matrix.device)
    first.diagonal().fill_(1.0)
    return torch.cholesky_solve(first, torch.linalg.cholesky(matrix)).T


def _less(matrix: Tensor) -> Tensor:
    """Return the identity less ``matrix``."""
    return plus_diagonal(-matrix, 1.0)


def plus_diagonal(matrix: Tensor, value: float) -> Tensor:
    """Return a copy of ``matrix`` with ``value`` added to its diagonal."""
    raised = matrix.clone()
    raised.diagonal().add_(value)
    return raised


def centre(rows: Tensor) -> Tensor:
    """Subtract the mean over scans."""
    return rows - rows.mean(0, keepdim=True)


def is_primal(n_features: int, lengths: Sequence[int]) -> bool:
    """Tell whether the primal form is cheaper: no search trains on fewer scans than features.

    ``lengths`` are the scans of each run; a search trains on all runs but two.
    """
    return n_features <= sum(lengths) - sum(sorted(lengths)[-2:])


def products(runs: Sequence[Tensor]) -> Tensor:
    """Return the products of all pairs of scans, (all scans, all scans); those of two runs once."""
    stacked, ends = torch.cat(list(runs)), np.cumsum([len(run) for run in runs])
    products = stacked.new_empty((len(stacked), len(stacked)))
    for run, end in zip(runs, ends, strict=True):
        rows = slice(int(end) - len(run), int(end))
        torch.mm(run, stacked[:end].T, out=products[rows, :end])
        products[:end, rows] = products[rows, :end].T
    return products
