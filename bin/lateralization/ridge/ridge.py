"""Nested ridge regression from features to voxels: the study's encoding model.

It is written here because the folds share their Gram blocks, and the subjects the regressors: a
layer takes 2.7 to 15.8 s on two cores, himalaya 31 to 58 s, scikit-learn 205 to 1,604 s, with the
same penalties (``benchmarks/encoding.py``).
"""

from collections.abc import Sequence

import numpy as np
import torch

from lateralization import study
from lateralization.arrays import Array, Booleans, Floats
from lateralization.errors import BadInput
from lateralization.ridge.choices import STUDY, Choices
from lateralization.ridge.components import DualComponents, PrimalComponents
from lateralization.ridge.folds import FoldDesign, nested_folds, one_run_each, weighted
from lateralization.ridge.per_voxel import VoxelSearch
from lateralization.ridge.race import RISK
from lateralization.ridge.search import EncodeResult, Search, positive
from lateralization.ridge.systems import Dual, Primal, System, is_primal, products
from lateralization.ridge.voxels import CHUNK, Precision, Voxels


def make_system(
    features: Sequence[Array], floor: float, device: str = "cpu", components: int | None = None
) -> System:
    """Choose the cheaper of the two equal forms: primal where a search trains on more scans than p.

    Parameters
    ----------
    features : list over runs of arrays (n_scans, n_features)
        Standardised regressors.
    floor : float
        Smallest penalty that will be asked for.
    device : str
        Where the products are done.
    components : int, optional
        Reduce the features to so many principal components of the runs that are trained on.
    """
    runs = [torch.as_tensor(np.asarray(run, np.float64), device=device) for run in features]
    lengths = [len(run) for run in runs]
    if components is None or components >= min(runs[0].shape[1], sum(lengths)):
        if is_primal(runs[0].shape[1], lengths):
            return Primal(runs, floor)
        return Dual(products(runs), lengths)
    if is_primal(runs[0].shape[1], lengths):
        return PrimalComponents(runs, floor, components)
    return DualComponents(products(runs), lengths, components)


def nested_ridges(
    system: System,
    subjects: Sequence[Voxels],
    alphas: Floats = study.ALPHAS,
    *,
    risk: float = RISK,
    choices: Choices = STUDY,
    design: FoldDesign | None = None,
) -> list[EncodeResult]:
    """Run the nested search of one set of features on subjects whose runs have equal lengths.

    What does not depend on the voxels is paid once for all of them; each subject has penalties of
    its own.

    Parameters
    ----------
    system : System
    subjects : list of Voxels
        All of one precision.
    alphas, risk, choices, design
        As in ``encode``; features and responses are ``folds.weighted`` already.
    """
    kind = VoxelSearch if choices.alpha == "per_voxel" else Search
    design = design or one_run_each(len(subjects[0].runs))
    search = kind(system, design, alphas, risk=risk, dtype=subjects[0].dtype, choices=choices)
    return [search.fit(voxels) for voxels in subjects]


def nested_ridge(
    system: System,
    voxels: Voxels,
    alphas: Floats = study.ALPHAS,
    *,
    risk: float = RISK,
    choices: Choices = STUDY,
    design: FoldDesign | None = None,
) -> EncodeResult:
    """Run the nested search of one set of features on one subject."""
    return nested_ridges(system, [voxels], alphas, risk=risk, choices=choices, design=design)[0]


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
    choices: Choices = STUDY,
    design: FoldDesign | None = None,
) -> EncodeResult:
    """Predict every voxel from the features, story by story, as the study did.

    Parameters
    ----------
    features : list over runs of arrays (n_scans, n_features)
        Trimmed and standardised regressors.
    bold : list over runs of arrays (n_scans, n_voxels)
        Trimmed and standardised responses.
    alphas : array of shape (n_alphas,)
        Penalties to try for each test story; one for all voxels, unless ``choices`` says otherwise.
    left_out : boolean array of shape (n_voxels,) or (n_runs, n_voxels), optional
        Voxels that get NaN, beside constant and non-finite ones.
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
    choices : Choices
        All but ``hrf``, which the features have behind them.
    design : FoldDesign, optional
        Which runs are repetitions of one story, and which stories never train; without it every
        run is a story of its own.

    Raises
    ------
    BadInput
        Fewer than 3 stories that train, no usable voxel, runs of unequal lengths, penalties that
        are not > 0.
    """
    lengths = [len(run) for run in features], [len(run) for run in bold]
    if lengths[0] != lengths[1]:
        raise BadInput(f"features have runs of {lengths[0]} scans, the BOLD data of {lengths[1]}")
    design = design or one_run_each(len(bold))
    nested_folds(design)
    features, bold = weighted(features, design), weighted(bold, design)
    voxels = Voxels(bold, left_out, precision=precision, chunk=chunk, device=device)
    system = make_system(features, float(positive(alphas).min()), device, choices.components)
    return nested_ridge(system, voxels, alphas, risk=risk, choices=choices, design=design)
