"""What a model adds to confounds: both together, and the confounds alone.

A module of its own because only runs with ``--joint`` confounds enter it; the solver is ``banded``.
"""

from collections.abc import Sequence
from dataclasses import dataclass

import numpy as np

from lateralization import study
from lateralization.arrays import Array, Floats
from lateralization.ridge.banded import make_banded
from lateralization.ridge.choices import STUDY, Choices
from lateralization.ridge.folds import FoldDesign
from lateralization.ridge.race import RISK
from lateralization.ridge.ridge import make_system, nested_ridges
from lateralization.ridge.search import EncodeResult
from lateralization.ridge.voxels import Voxels

Bands = Sequence[Sequence[Array]]
"""Bands of confounds; each a list over runs of standardised regressors (n_scans, n_columns)."""


@dataclass(frozen=True)
class JointResult:
    """Model and confounds together, for one layer and subject.

    Attributes
    ----------
    r : array of shape (n_stories, n_voxels)
        Pearson's r on each test story; NaN in left-out voxels.
    alphas : array of shape (n_stories,) or (n_stories, n_voxels)
    weights : array of shape (n_stories, n_bands) or (n_stories, n_voxels, n_bands)
        Of the bands beside the model's 1 (``banded.WEIGHTS``).
    """

    r: Floats
    alphas: Floats
    weights: Floats


def joint_ridges(
    model: Sequence[Array],
    bands: Bands,
    subjects: Sequence[Voxels],
    alphas: Floats = study.ALPHAS,
    *,
    device: str = "cpu",
    risk: float = RISK,
    choices: Choices = STUDY,
    design: FoldDesign | None = None,
) -> list[JointResult]:
    """Predict subjects from a model and confounds together.

    Parameters
    ----------
    model : list over runs of arrays (n_scans, n_features)
        Standardised regressors, ``folds.weighted``.
    bands : Bands
        Likewise.
    subjects : list of Voxels
        Their runs have equal lengths.
    alphas, device, risk, choices, design
        As in ``ridge.encode``.
    """
    system = make_banded(model, bands, alphas, device)
    numbers = system.grid.numbers
    found = nested_ridges(system, subjects, numbers, risk=risk, choices=choices, design=design)
    return [JointResult(one.r, *system.grid.read(one.alphas)) for one in found]


def confound_ridges(
    bands: Bands,
    subjects: Sequence[Voxels],
    alphas: Floats = study.ALPHAS,
    *,
    device: str = "cpu",
    choices: Choices = STUDY,
    design: FoldDesign | None = None,
) -> list[EncodeResult]:
    """Predict subjects from the confounds alone; the first band has the weight 1.

    Parameters
    ----------
    bands, subjects, alphas, device, choices, design
        As in ``joint_ridges``.
    """
    if len(bands) > 1:
        joint = joint_ridges(
            bands[0], bands[1:], subjects, alphas, device=device, choices=choices, design=design
        )
        return [EncodeResult(one.r, one.alphas, np.empty(0)) for one in joint]
    system = make_system(bands[0], float(np.min(alphas)), device)
    return nested_ridges(system, subjects, alphas, choices=choices, design=design)


class Joint:
    """What model and confounds predict together, layer by layer, and the confounds alone."""

    def __init__(
        self,
        bands: Bands,
        subjects: Sequence[Voxels],
        choices: Choices,
        device: str,
        design: FoldDesign | None = None,
    ) -> None:
        self.bands, self.subjects = bands, subjects
        self.choices, self.device, self.design = choices, device, design
        self.alone = confound_ridges(bands, subjects, device=device, choices=choices, design=design)
        self.layers: list[list[JointResult]] = []

    def add(self, model: Sequence[Array]) -> None:
        """Fit the next layer, given its regressors."""
        self.layers.append(
            joint_ridges(
                model,
                self.bands,
                self.subjects,
                device=self.device,
                choices=self.choices,
                design=self.design,
            )
        )

    def tensors(self, place: int) -> dict[str, Array]:
        """Give one subject's tensors of ``parts.MORE``."""
        own = [layer[place] for layer in self.layers]
        return {
            "joint": np.stack([one.r for one in own]).astype(np.float32),
            "joint_alphas": np.stack([one.alphas for one in own]),
            "joint_weights": np.stack([one.weights for one in own]),
            "confounds": self.alone[place].r.astype(np.float32),
        }
