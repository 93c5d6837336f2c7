"""Ridge regression on a few principal components, which see the training runs alone.

With ``X_S' X_S = V L V'`` over the training runs S and V cut to its k leading columns, ridge on
the scores ``X V`` predicts ``X_T V (L + alpha I)^-1 V' X_S' Y_S``; with ``X_S X_S' = U L U'`` the
same is ``X_T X_S' U (L + alpha I)^-1 U' Y_S``. So the cut is one decomposition for each training
set, all penalties share it, and only the prediction matrices differ from the ridge of ``systems``.
Regressors have mean 0 in every run: no mean is taken off, and none of the run that is predicted.

A module of its own, like ``per_voxel`` and ``joint``: the study's search never enters it.
"""

from collections.abc import Iterator, Sequence

import torch
from torch import Tensor

from lateralization.arrays import Floats
from lateralization.ridge.systems import Case, Dual, Primal, Runs, centre, columns_of


def leading(gram: Tensor, components: int) -> tuple[Tensor, Tensor]:
    """Return the k largest eigenvalues of a Gram matrix, at least 0, and their vectors."""
    values, vectors = torch.linalg.eigh(gram)
    return values[-components:].clamp(min=0), vectors[:, -components:].contiguous()


class PrimalComponents(Primal):
    """``Primal`` on the components of each training set.

    Parameters
    ----------
    features, floor
        As in ``Primal``.
    components : int
        Fewer than features.
    """

    def __init__(self, features: Sequence[Tensor], floor: float, components: int) -> None:
        super().__init__(features, floor)
        self.components = components
        self._grams = [run.T @ run for run in self.turned]
        self._parts: dict[Runs, tuple[Tensor, Tensor]] = {}

    def _solve(self, cases: Sequence[Case], alpha: float) -> Iterator[Tensor]:
        """See ``Primal``."""
        for case in cases:
            if case.train not in self._parts:
                gram = torch.stack([self._grams[run] for run in case.train]).sum(0)
                self._parts[case.train] = leading(gram, self.components)
            values, vectors = self._parts[case.train]
            yield (self.turned[case.target] @ vectors) / (values + alpha) @ vectors.T


class DualComponents(Dual):
    """``Dual`` on the components of each training set.

    Parameters
    ----------
    gram, lengths
        As in ``Dual``.
    components : int
        Fewer than features.
    """

    def __init__(self, gram: Tensor, lengths: Sequence[int], components: int) -> None:
        super().__init__(gram, lengths)
        self.components = components
        self._parts: dict[Runs, tuple[Tensor, Tensor]] = {}

    def hats(self, cases: Sequence[Case], alphas: Floats, dtype: torch.dtype) -> list[Tensor]:
        """See ``System``."""
        made = []
        for case in cases:
            if case.train not in self._parts:
                gram = self._between(case.train, case.train)
                self._parts[case.train] = leading(gram, self.components)
            values, vectors = self._parts[case.train]
            spans = self._spans(case.train, self.runs)
            across = columns_of(self._between((case.target,), self.runs), spans)
            scores = centre(across @ vectors)
            own = [(scores / (values + float(alpha)) @ vectors.T).to(dtype) for alpha in alphas]
            made.append(torch.stack(own))
        return made
