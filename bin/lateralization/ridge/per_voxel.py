"""The nested search in which every voxel has a penalty of its own.

Nothing can be dropped early: the best penalty of a voxel is known when all have been tried on it.
Penalties that float32 cannot tell apart are compared in float64, so that the choice depends on
neither the size of a chunk nor what else is in it.

A module of its own because the study's search, one penalty for all voxels, never enters it.
"""

from collections.abc import Sequence

import numpy as np
import torch
from torch import Tensor

from lateralization.arrays import Floats
from lateralization.ridge.correlation import correlate
from lateralization.ridge.folds import Fold
from lateralization.ridge.search import TIE, EncodeResult, Hats, Search, mean_of
from lateralization.ridge.voxels import Blocks, Voxels

NEAR = 2e-5
"""Penalties whose r in float32 lie this close to a voxel's best are compared in float64: twice the
bound of float32 on r."""


class VoxelSearch(Search):
    """``Search`` with the penalty chosen voxel by voxel.

    Matrices of validation runs are kept in float64, where near ties need them.
    """

    def fit(self, voxels: Voxels) -> EncodeResult:
        """See ``Search``; alphas has the shape (n_stories, n_voxels)."""
        found = super().fit(voxels)
        alphas = np.full_like(found.alphas, np.nan)
        alphas[:, voxels.order[voxels.kept]] = found.alphas[:, voxels.kept]
        return EncodeResult(found.r, alphas, found.validation_r)

    def choose(self, blocks: Blocks) -> tuple[Floats, Floats]:
        """Take for every test story and voxel the first penalty with the largest r.

        Returns
        -------
        chosen : array of shape (n_stories, n_voxels), in the order in which voxels are handed out
        validation_r : array of shape (n_stories, n_alphas)
            Mean over voxels.
        """
        voxels = blocks.voxels
        chosen = np.empty((len(self.folds), len(voxels.kept)))
        totals = np.zeros((len(self.folds), len(self.alphas)))
        for folds, hats in self._searches(torch.float64):
            runs = sorted({case.target for fold in folds for case in fold.cases()})
            for part, chunk, combined in blocks:
                measured = {run: self._measured(voxels, run, part, chunk[run]) for run in runs}
                for fold, own in zip(folds, hats, strict=True):
                    every = range(len(self.alphas))
                    r = self._validated(fold, own, every, combined, measured).double().cpu().numpy()
                    self._settle(r, fold, own, (part, chunk), voxels)
                    best = (r >= r.max(0) - TIE).argmax(0)
                    chosen[fold.story, part] = self.alphas[best]
                    totals[fold.story] += r[:, voxels.kept[part]].sum(1)
        return chosen, totals / voxels.kept.sum()

    def _settle(
        self,
        r: Floats,
        fold: Fold,
        hats: Hats,
        handed: tuple[slice, Sequence[Tensor]],
        voxels: Voxels,
    ) -> None:
        """Replace r of the voxels whose best penalties float32 cannot tell apart, in place."""
        part, chunk = handed
        if self.dtype == torch.float64:
            return
        near = (r >= r.max(0) - NEAR).sum(0) > 1
        near &= voxels.kept[part]
        if not near.any():
            return
        columns = torch.from_numpy(np.flatnonzero(near)).to(chunk[0].device)
        double = [run[:, columns].double() for run in chunk]
        measured = {
            run: (
                self.system.project(run, double[run]),
                voxels.lengths[run][part].to(double[run])[columns],
            )
            for run in sorted({case.target for case in fold.cases()})
        }
        every, combined = range(len(self.alphas)), self.system.blocks(double)
        r[:, near] = self._validated(fold, hats, every, combined, measured).cpu().numpy()

    def score(self, blocks: Blocks, chosen: Floats) -> Floats:
        """See ``Search``; each penalty is refitted once and predicts the voxels that chose it."""
        voxels = blocks.voxels
        hats = self._test_hats(
            (fold.story, alpha)
            for fold in self.folds
            for alpha in np.unique(chosen[fold.story, voxels.kept]).tolist()
        )
        r = np.full((len(self.folds), len(voxels.kept)), np.nan)
        for part, chunk, combined in blocks:
            places, kept = voxels.order[part], voxels.kept[part]
            for fold in self.folds:
                measured = {run: self._measured(voxels, run, part, chunk[run]) for run in fold.test}
                responses = self.system.responses(fold.outer, combined)
                own = chosen[fold.story, part]
                for alpha in np.unique(own[kept]).tolist():
                    mine = np.flatnonzero((own == alpha) & kept)
                    columns = torch.from_numpy(mine).to(responses.device)
                    fitted = responses[:, columns]
                    by_run = [
                        correlate(
                            [hats[run, alpha]], fitted, coordinates[:, columns], lengths[columns]
                        )[0]
                        for run, (coordinates, lengths) in measured.items()
                    ]
                    r[fold.story, places[mine]] = mean_of(by_run).cpu()
        return r
