"""Nested ridge regression from features to voxels: the study's encoding model, each part paid once.

For each test run the penalty is chosen on one validation run (the lowest-numbered training run)
and the model is refitted on all training runs. Only Pearson's r of the predictions is wanted,
never the weights, so whatever does not depend on the voxels (``systems``) becomes one small matrix
per penalty, and all penalties and test runs share the same products of features and voxels.
"""

from collections.abc import Sequence
from dataclasses import dataclass
from typing import Any, TypeAlias

import numpy as np
import torch
from numpy.typing import NDArray

from lateralization import study
from lateralization.correlation import correlate
from lateralization.errors import BadInput
from lateralization.race import RISK, Race
from lateralization.systems import Case, Runs, System, make_system
from lateralization.voxels import CHUNK, Blocks, Booleans, Precision, Voxels

Floats = NDArray[np.float64]
Array = NDArray[Any]
Tensor: TypeAlias = torch.Tensor

NEAR_TIE = 1e-6
"""Penalties whose mean r in float32 lie this close to the best are compared in float64."""

TIE = 1e-12
"""Closer than this, means of r are equal but for rounding, and the first penalty is taken."""

KEPT_BLOCKS = 2 << 30
"""Bytes of blocks of responses that are kept from the first pass over the voxels to the second."""


@dataclass(frozen=True)
class EncodeResult:
    """What the nested search gives for one layer.

    Attributes
    ----------
    r : array of shape (n_runs, n_voxels), float64
        Pearson's r on each test run; NaN in left-out voxels.
    alphas : array of shape (n_runs,)
        The penalty chosen for each test run.
    validation_r : array of shape (n_runs, n_alphas)
        Mean over voxels of r on the validation run, for each test run and penalty; NaN for
        penalties that dropped out before the last voxel because they could not be the best.
    """

    r: Floats
    alphas: Floats
    validation_r: Floats


@dataclass(frozen=True)
class Fold:
    """One test run, its validation run, and the runs trained on before (``inner``) and after."""

    test: int
    validation: int
    inner: Runs
    outer: Runs


def nested_folds(n_runs: int) -> list[Fold]:
    """Return the folds of the study: the validation run is the lowest-numbered training run.

    Raises
    ------
    BadInput
        Fewer than 3 runs: one to test, one to validate and one to train on are needed.
    """
    if n_runs < 3:
        raise BadInput(f"nested cross-validation needs at least 3 runs, the data have {n_runs}")
    folds = []
    for test in range(n_runs):
        outer = tuple(run for run in range(n_runs) if run != test)
        folds.append(Fold(test, outer[0], outer[1:], outer))
    return folds


class Search:
    """The nested search of one set of features: penalties, folds, and the matrices that they share.

    Prediction matrices hold nothing of the voxels: those of the validation runs are made at the
    start, those of the test runs when the first subject chooses the penalty.

    Parameters
    ----------
    system : System
    n_runs : int
    alphas, risk
        As in ``encode``.
    dtype : torch.dtype
        Of the products with the voxels.
    """

    def __init__(
        self, system: System, n_runs: int, alphas: Floats, risk: float, dtype: torch.dtype
    ) -> None:
        self.system, self.risk, self.dtype = system, risk, dtype
        self.alphas, self.folds = positive(alphas), nested_folds(n_runs)
        self.hats = self._validation_hats(self.folds, self.alphas, dtype)
        self._made: dict[tuple[int, float], Tensor] = {}

    def _validation_hats(
        self, folds: Sequence[Fold], alphas: Floats, dtype: torch.dtype
    ) -> list[Tensor]:
        """Return the prediction matrices of each fold's validation run, (n_alphas, n_rows, k)."""
        cases = [Case(fold.inner, fold.validation) for fold in folds]
        return self.system.hats(cases, alphas, dtype)

    def _test_hats(self, chosen: Floats) -> list[Tensor]:
        """Return the prediction matrix of each fold's test run, (n_scans, k); made once."""
        for alpha in np.unique(chosen):
            missing = [
                Case(fold.outer, fold.test)
                for fold, own in zip(self.folds, chosen, strict=True)
                if own == alpha and (fold.test, alpha) not in self._made
            ]
            found = self.system.hats(missing, np.array([alpha]), self.dtype) if missing else []
            for case, hat in zip(missing, found, strict=True):
                self._made[case.target, alpha] = hat[0]
        return [
            self._made[fold.test, alpha] for fold, alpha in zip(self.folds, chosen, strict=True)
        ]

    def _measured(
        self, voxels: Voxels, run: int, part: slice, series: Tensor
    ) -> tuple[Tensor, Tensor]:
        """Return some voxels of a run as ``correlate`` takes them: coordinates, and lengths."""
        return self.system.project(run, series), voxels.lengths[run][part].to(series)

    def _race(
        self, folds: Sequence[Fold], hats: Sequence[Tensor], blocks: Blocks, risk: float
    ) -> Floats:
        """Return the mean r on each fold's validation run for each penalty, (n_folds, n_alphas).

        NaN for penalties that dropped out because they could not be the best any more.
        """
        kept = blocks.voxels.kept
        races = [Race(len(hat), int(kept.sum()), risk / len(folds), NEAR_TIE) for hat in hats]
        for part, chunk, combined in blocks:
            here = torch.from_numpy(kept[part])
            measured = {
                run: self._measured(blocks.voxels, run, part, chunk[run])
                for run in {fold.validation for fold in folds}
            }
            for fold, hat, race in zip(folds, hats, races, strict=True):
                alive = [hat[index] for index in np.flatnonzero(race.alive)]
                responses = self.system.responses(fold.inner, combined)
                r = correlate(alive, responses, *measured[fold.validation])
                race.see(r.cpu()[:, here].double().numpy())
        return np.stack([race.means() for race in races])

    def fit(self, voxels: Voxels) -> EncodeResult:
        """Choose the penalties of one subject and score the refitted models."""
        blocks = Blocks(self.system, voxels, self.dtype, KEPT_BLOCKS)
        chosen, validation_r = self.choose(blocks)
        return EncodeResult(self.score(blocks, chosen), chosen, validation_r)

    def choose(self, blocks: Blocks) -> tuple[Floats, Floats]:
        """Take for every test run the first penalty with the largest mean r on the validation run.

        Returns
        -------
        chosen : array of shape (n_runs,)
        validation_r : array of shape (n_runs, n_alphas)
            NaN for penalties that dropped out. Where float32 cannot tell the best penalties apart,
            those are scored in float64.
        """
        scores = self._race(self.folds, self.hats, blocks, self.risk)
        chosen = np.empty(len(self.folds))
        for fold, means in zip(self.folds, scores, strict=True):
            near = np.flatnonzero(means >= np.nanmax(means) - NEAR_TIE)
            if len(near) > 1 and self.dtype != torch.float64:
                hats = self._validation_hats([fold], self.alphas[near], torch.float64)
                double = Blocks(self.system, blocks.voxels, torch.float64, room=0)
                means[near] = self._race([fold], hats, double, risk=0)[0]
            equal = means[near] >= means[near].max() - TIE
            chosen[fold.test] = self.alphas[near[equal.argmax()]]
        return chosen, scores

    def score(self, blocks: Blocks, chosen: Floats) -> Floats:
        """Refit on all training runs; r on the test runs, (n_runs, n_voxels)."""
        voxels, hats = blocks.voxels, self._test_hats(chosen)
        r = np.full((len(self.folds), len(voxels.kept)), np.nan)
        for part, chunk, combined in blocks:
            for fold, hat in zip(self.folds, hats, strict=True):
                measured = self._measured(voxels, fold.test, part, chunk[fold.test])
                responses = self.system.responses(fold.outer, combined)
                r[fold.test, voxels.order[part]] = correlate([hat], responses, *measured)[0].cpu()
        r[:, voxels.order[~voxels.kept]] = np.nan
        return r


def nested_ridges(
    system: System,
    subjects: Sequence[Voxels],
    alphas: Floats = study.ALPHAS,
    risk: float = RISK,
) -> list[EncodeResult]:
    """Run the nested search of one set of features on subjects whose runs have equal lengths.

    What does not depend on the voxels is paid once for all of them; each subject has penalties of
    its own.

    Parameters
    ----------
    system : System
    subjects : list of Voxels
        All of one precision.
    alphas, risk
        As in ``encode``.
    """
    search = Search(system, len(subjects[0].runs), alphas, risk, subjects[0].dtype)
    return [search.fit(voxels) for voxels in subjects]


def nested_ridge(
    system: System, voxels: Voxels, alphas: Floats = study.ALPHAS, risk: float = RISK
) -> EncodeResult:
    """Run the nested search of one set of features on one subject."""
    return nested_ridges(system, [voxels], alphas, risk)[0]


def positive(alphas: Floats) -> Floats:
    """Return the penalties as float64, or refuse those that leave the system singular."""
    checked = np.asarray(alphas, np.float64)
    if checked.ndim != 1 or not len(checked) or not ((checked > 0) & (checked < np.inf)).all():
        raise BadInput(f"ridge penalties must be positive numbers, not {checked.tolist()}")
    return checked


def encode(
    features: Sequence[Array],
    bold: Sequence[Array],
    alphas: Floats = study.ALPHAS,
    *,
    left_out: Booleans | None = None,
    precision: Precision = "float32",
    chunk: int = CHUNK,
    device: str = "cpu",
    risk: float = RISK,
) -> EncodeResult:
    """Predict every voxel from the features, run by run, as the study did.

    Parameters
    ----------
    features : list over runs of arrays (n_scans, n_features)
        Trimmed and standardised regressors.
    bold : list over runs of arrays (n_scans, n_voxels)
        Trimmed and standardised responses.
    alphas : array of shape (n_alphas,)
        Penalties to try for each test run. One is chosen for all voxels.
    left_out : boolean array of shape (n_voxels,) or (n_runs, n_voxels), optional
        Voxels that take no part and get NaN. Constant or non-finite ones are added.
    precision : {"float32", "float64"}
        Of the products with the voxels; Gram matrices and their factors are always float64.
        With float32, r stays within 1e-5 of float64 and the penalties are the same.
    chunk : int
        Voxels at a time; changes memory and rounding, nothing else.
    device : str
        Where the products are done, "cpu" or "cuda".
    risk : float
        Bound on the probability that any of the penalties differs from that of the exhaustive
        search, whatever the data (see ``race``); 0 scores every penalty on every voxel.

    Returns
    -------
    EncodeResult

    Raises
    ------
    BadInput
        Fewer than 3 runs, no usable voxel, runs of unequal lengths, penalties that are not > 0.
    """
    lengths = [len(run) for run in features], [len(run) for run in bold]
    if lengths[0] != lengths[1]:
        raise BadInput(f"features have runs of {lengths[0]} scans, the BOLD data of {lengths[1]}")
    nested_folds(len(bold))
    voxels = Voxels(bold, left_out, precision=precision, chunk=chunk, device=device)
    system = make_system(features, float(positive(alphas).min()), device)
    return nested_ridge(system, voxels, alphas, risk)
