"""The nested search of one set of features: penalties, folds, and what they share.

For each test story the penalty is chosen on one validation story (the first training story; on all
training stories in turn where asked for) and the model is refitted on all training stories. A story
is one run, or the runs of its repetitions: each of them is predicted, and the story has the mean of
their r. Only Pearson's r of the predictions is wanted, never the weights, so whatever does not
depend on the voxels (``systems``) becomes one small matrix per penalty, and all penalties and test
stories share the same products of features and voxels.
"""

from collections.abc import Iterable, Iterator, Mapping, Sequence
from dataclasses import dataclass
from itertools import islice
from typing import TypeAlias

import numpy as np
import torch
from torch import Tensor

from lateralization.arrays import Floats
from lateralization.errors import BadInput
from lateralization.ridge.choices import STUDY, Choices
from lateralization.ridge.correlation import correlate
from lateralization.ridge.folds import Fold, FoldDesign, nested_folds
from lateralization.ridge.race import Race
from lateralization.ridge.systems import Case, System
from lateralization.ridge.voxels import Blocks, Voxels

Hats: TypeAlias = list[Tensor]
Measured: TypeAlias = tuple[Tensor, Tensor]

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
    r : array of shape (n_stories, n_voxels), float64
        Pearson's r on each test story; NaN in left-out voxels.
    alphas : array of shape (n_stories,), or (n_stories, n_voxels) where each voxel has its own
        The penalty chosen for each test story; NaN in left-out voxels.
    validation_r : array of shape (n_stories, n_alphas)
        Mean over voxels of r on the validation stories, for each test story and penalty; NaN for
        penalties that dropped out before the last voxel because they could not be the best.
    """

    r: Floats
    alphas: Floats
    validation_r: Floats


def positive(alphas: Floats) -> Floats:
    """Return the penalties as float64, or refuse those that leave the system singular."""
    checked = np.asarray(alphas, np.float64)
    if checked.ndim != 1 or not len(checked) or not ((checked > 0) & (checked < np.inf)).all():
        raise BadInput(f"ridge penalties must be positive numbers, not {checked.tolist()}")
    return checked


def mean_of(parts: Sequence[Tensor]) -> Tensor:
    """Average tensors of one shape; one alone is not copied."""
    return parts[0] if len(parts) == 1 else torch.stack(list(parts)).mean(0)


class Search:
    """The nested search of one set of features: penalties, folds, and the matrices that they share.

    Prediction matrices hold nothing of the voxels: those of the validation runs are made at the
    start, those of the test runs when the first subject chooses the penalty. Where every training
    story is a validation story, the matrices of one test story are in memory at a time.

    Parameters
    ----------
    system : System
    design : FoldDesign
    alphas, risk
        As in ``ridge.encode``.
    dtype : torch.dtype
        Of the products with the voxels.
    choices : Choices
    """

    def __init__(
        self,
        system: System,
        design: FoldDesign,
        alphas: Floats,
        *,
        risk: float,
        dtype: torch.dtype,
        choices: Choices = STUDY,
    ) -> None:
        self.system, self.risk, self.dtype = system, risk, dtype
        self.alphas = positive(alphas)
        self.folds = nested_folds(design, choices.inner_validation)
        self._groups = [self.folds]
        if choices.inner_validation == "all_runs":
            self._groups = [[fold] for fold in self.folds]
        self._kept: list[Hats] | None = None
        self._made: dict[tuple[int, float], Tensor] = {}

    def _searches(self, dtype: torch.dtype) -> Iterator[tuple[Sequence[Fold], list[Hats]]]:
        """Go through the folds that are searched together, with matrices of validation runs."""
        for folds in self._groups:
            hats = self._kept or self._validation_hats(folds, self.alphas, dtype)
            if len(self._groups) == 1:
                self._kept = hats
            yield folds, hats

    def _validation_hats(
        self, folds: Sequence[Fold], alphas: Floats, dtype: torch.dtype
    ) -> list[Hats]:
        """Return the matrices of each fold's validation runs, (n_alphas, n_rows, k) for each."""
        cases = [case for fold in folds for case in fold.cases()]
        hats = iter(self.system.hats(cases, alphas, dtype))
        return [[next(hats) for _ in fold.cases()] for fold in folds]

    def _test_hats(self, wanted: Iterable[tuple[int, float]]) -> Mapping[tuple[int, float], Tensor]:
        """Return the prediction matrices, (n_scans, k), of (run, penalty); made once.

        ``wanted`` are test stories and penalties.
        """
        by_alpha: dict[float, list[Case]] = {}
        for story, alpha in wanted:
            for run in self.folds[story].test:
                if (run, alpha) not in self._made:
                    by_alpha.setdefault(alpha, []).append(Case(self.folds[story].outer, run))
        for alpha, missing in by_alpha.items():
            found = self.system.hats(missing, np.array([alpha]), self.dtype)
            for case, hat in zip(missing, found, strict=True):
                self._made[case.target, alpha] = hat[0]
        return self._made

    def _measured(self, voxels: Voxels, run: int, part: slice, series: Tensor) -> Measured:
        """Return some voxels of a run as ``correlate`` takes them: coordinates, and lengths."""
        return self.system.project(run, series), voxels.lengths[run][part].to(series)

    def _validated(
        self,
        fold: Fold,
        hats: Hats,
        alive: Sequence[int],
        blocks: Sequence[Tensor],
        measured: Mapping[int, Measured],
    ) -> Tensor:
        """Return r for some penalties, (n_alive, n_chunk): the mean over the validation stories."""
        stories, fits = [], zip(fold.cases(), hats, strict=True)
        for held in fold.validations:
            own = list(islice(fits, len(held)))
            responses = self.system.responses(own[0][0].train, blocks)
            by_run = []
            for case, hat in own:
                chosen = [hat[index].to(responses.dtype) for index in alive]
                by_run.append(correlate(chosen, responses, *measured[case.target]))
            stories.append(mean_of(by_run))
        return mean_of(stories)

    def _race(
        self, folds: Sequence[Fold], hats: Sequence[Hats], blocks: Blocks, risk: float
    ) -> Floats:
        """Return the mean r on each fold's validation stories and penalty, (n_folds, n_alphas).

        NaN for penalties that dropped out because they could not be the best any more.
        """
        kept = blocks.voxels.kept
        races = [Race(len(own[0]), int(kept.sum()), risk, NEAR_TIE) for own in hats]
        runs = {case.target for fold in folds for case in fold.cases()}
        for part, chunk, combined in blocks:
            here = torch.from_numpy(kept[part])
            measured = {run: self._measured(blocks.voxels, run, part, chunk[run]) for run in runs}
            for fold, own, race in zip(folds, hats, races, strict=True):
                alive = np.flatnonzero(race.alive).tolist()
                r = self._validated(fold, own, alive, combined, measured)
                race.see(r.cpu()[:, here].double().numpy())
        return np.stack([race.means() for race in races])

    def fit(self, voxels: Voxels) -> EncodeResult:
        """Choose the penalties of one subject and score the refitted models."""
        blocks = Blocks(self.system, voxels, self.dtype, KEPT_BLOCKS)
        chosen, validation_r = self.choose(blocks)
        return EncodeResult(self.score(blocks, chosen), chosen, validation_r)

    def choose(self, blocks: Blocks) -> tuple[Floats, Floats]:
        """Take for every test story the first penalty with the largest mean r in validation.

        Returns
        -------
        chosen : array of shape (n_stories,)
        validation_r : array of shape (n_stories, n_alphas)
            NaN for penalties that dropped out. Where float32 cannot tell the best penalties apart,
            those are scored in float64.
        """
        chosen, scores = np.empty(len(self.folds)), np.empty((len(self.folds), len(self.alphas)))
        for folds, hats in self._searches(self.dtype):
            found = self._race(folds, hats, blocks, self.risk / len(self.folds))
            for fold, means in zip(folds, found, strict=True):
                chosen[fold.story] = self.alphas[self._first_best(fold, means, blocks)]
                scores[fold.story] = means
        return chosen, scores

    def _first_best(self, fold: Fold, means: Floats, blocks: Blocks) -> int:
        """Return the place of the first of the best penalties; ``means`` gets what is seen anew."""
        near = np.flatnonzero(means >= np.nanmax(means) - NEAR_TIE)
        if len(near) > 1 and self.dtype != torch.float64:
            hats = self._validation_hats([fold], self.alphas[near], torch.float64)
            double = Blocks(self.system, blocks.voxels, torch.float64, room=0)
            means[near] = self._race([fold], hats, double, risk=0)[0]
        equal = means[near] >= means[near].max() - TIE
        return int(near[equal.argmax()])

    def score(self, blocks: Blocks, chosen: Floats) -> Floats:
        """Refit on all training stories; r on the test stories, (n_stories, n_voxels)."""
        voxels, hats = blocks.voxels, self._test_hats(enumerate(chosen.tolist()))
        r = np.full((len(self.folds), len(voxels.kept)), np.nan)
        for part, chunk, combined in blocks:
            for fold in self.folds:
                responses = self.system.responses(fold.outer, combined)
                by_run = []
                for run in fold.test:
                    measured = self._measured(voxels, run, part, chunk[run])
                    hat = hats[run, chosen[fold.story]]
                    by_run.append(correlate([hat], responses, *measured)[0])
                r[fold.story, voxels.order[part]] = mean_of(by_run).cpu()
        r[:, voxels.order[~voxels.kept]] = np.nan
        return r
