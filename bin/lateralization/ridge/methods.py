"""What the report says of the ridge regression: components, penalty and bands."""

from collections.abc import Sequence

from lateralization.ridge.choices import Choices
from lateralization.ridge.race import RISK


def describe_components(choices: Choices) -> str:
    """Describe the reduction to components, where there is one."""
    if choices.components is None:
        return ""
    return (
        f" through the {choices.components} leading principal components of the regressors, "
        "fitted in each fold on the training runs alone"
    )


def describe_penalty(choices: Choices) -> str:
    """Describe how the penalty was chosen."""
    voxelwise = choices.alpha == "per_voxel"
    whose = "each voxel" if voxelwise else "all voxels"
    held = "one held-out training run"
    if choices.inner_validation == "all_runs":
        held = "the training runs, each held out in turn"
    text = f"with one penalty out of 16 (10² to 10⁷) for {whose}, chosen on {held}."
    if voxelwise:
        return text
    return (
        f"{text} Penalties that could not be the best any more were dropped before "
        "the last voxel by a betting test [betting]: the chosen penalty is that of the exhaustive "
        f"search, with a probability of error below {RISK:g} for each search."
    )


def describe_bands(names: Sequence[str]) -> str:
    """Describe the banded ridge; ``names``: the confounds that went jointly."""
    if not names:
        return ""
    bands = "a band of its own" if len(names) == 1 else "bands of their own"
    together = " and ".join([", ".join(names[:-1]), names[-1]] if names[1:] else names)
    largest = "10⁶" if len(names) < 3 else "10⁴"
    return (
        f" Each layer was also fitted together with {together}, as {bands} in a banded "
        f"ridge regression [banded]: the weight of each band beside the layer’s (0 to {largest}) "
        "was chosen together with the penalty. The unique part of a model is the brain score of "
        "both together less that of the confounds alone, at the layer that each voxel prefers on "
        "the other test runs."
    )
