"""What of the encoder may be chosen. The defaults are the study's."""

from dataclasses import dataclass
from typing import Literal

Alpha = Literal["shared", "per_voxel"]
Hrf = Literal["glover", "fir"]
InnerValidation = Literal["one_run", "all_runs"]

MOST_BANDS = 3
"""Bands of confounds that can go jointly with a model."""


@dataclass(frozen=True)
class Choices:
    """How words become regressors and how the penalty is found.

    Attributes
    ----------
    alpha
        ``shared``: one penalty for all voxels, the one with the largest mean r over them;
        ``per_voxel``: for each voxel the penalty with the largest r of its own.
    hrf
        ``glover``: words convolved with the study's response; ``fir``: the words of each scan
        summed and entered with delays of 2 to 10 s (``hrf.fir_operators``).
    inner_validation
        ``one_run``: penalties are tried on the lowest-numbered training run; ``all_runs``: on every
        training run in turn, and compared by the mean of r over these runs.
    components
        Principal components that the regressors are reduced to, of the training runs alone in
        every fold; None: the regressors themselves.
    """

    alpha: Alpha = "shared"
    hrf: Hrf = "glover"
    inner_validation: InnerValidation = "one_run"
    components: int | None = None


STUDY = Choices()
