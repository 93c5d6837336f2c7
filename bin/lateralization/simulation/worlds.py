"""The simulated worlds: how much of each hemisphere's variance is planted, and what is damaged.

A voxel's time course has variance 1 (times its noise factor). Where the spatial profile is at
its maximum, model k's component takes ``left[k]`` of it in the left hemisphere and ``right[k]``
in the right one; word rate and word length take their shares in both; the rest is noise.
"""

from dataclasses import dataclass
from typing import Any

import numpy as np

from lateralization.arrays import Booleans, Floats
from lateralization.errors import BadInput

WORLDS = ("demo", "equal", "word_rate", "shifted_run", "swapped_runs")

MODEL_SHARE = 0.42
"""Share of the variance that all models' components take together, in either hemisphere."""

STEEPNESS = 0.85
"""On the left, the largest model's amplitude is (1 + this)/(1 - this) times the smallest's."""

WORD_RATE_SHARE = 0.06
WORD_LENGTH_SHARE = 0.04

NOISY_RIGHT = 1.5
"""In the world ``word_rate``, standard deviation of the noise on the right over the left's."""

SHIFT_SCANS = 4
"""In the world ``shifted_run``, scans by which the damaged run is late."""

FORMULA = (
    "expected r of model k at a voxel of the average of n subjects = "
    "sqrt(g s_k / (F + (f^2 (1 - F)) / n)), with g the spatial profile (at most 1), s_k the "
    "share of model k in the voxel's hemisphere, F = g (sum of all models' shares + word rate + "
    "word length) and f the noise factor: the correlation with a perfect estimate of its own "
    "component. expected_left and expected_right are means over the quarter of the voxels with "
    "the largest profile, and planted_left_minus_right is their difference; _whole is that over "
    "all voxels, and _individual that over all voxels of one subject (n = 1)."
)


@dataclass(frozen=True)
class Damage:
    """What is wrong with one subject's data.

    Attributes
    ----------
    subject
        0-based index of the subject.
    runs
        1-based runs: one that is shifted, or two that are swapped.
    scans
        Scans by which a run is late; 0 when runs are swapped.
    """

    subject: int
    runs: tuple[int, ...]
    scans: int = 0


@dataclass(frozen=True)
class World:
    """What is planted.

    Attributes
    ----------
    name
        One of ``WORLDS``.
    left, right
        Share of the variance per model, in increasing model size.
    word_rate, word_length
        Share of the variance in both hemispheres.
    noise_right
        Standard deviation of the right hemisphere's noise over the left's.
    damage
        Which run is shifted, or which two are swapped; None in an undamaged world.
    """

    name: str
    left: tuple[float, ...]
    right: tuple[float, ...]
    word_rate: float
    word_length: float
    noise_right: float = 1.0
    damage: Damage | None = None


def model_shares(n_models: int, steepness: float) -> tuple[tuple[float, ...], tuple[float, ...]]:
    """Return the shares per model (left, right): rising with size on the left, flat right.

    On the left the amplitudes, the square roots of the shares, rise in even steps: so does the
    expected r. The sums of both sides are equal, so that what models share with each other
    cancels between the hemispheres, and neither hemisphere is noisier.
    """
    flat = MODEL_SHARE / n_models
    rise = np.linspace(-1, 1, n_models) if n_models > 1 else np.zeros(1)
    amplitudes = 1 + steepness * rise
    left = flat * amplitudes**2 / np.mean(amplitudes**2)
    return tuple(float(share) for share in left), (flat,) * n_models


def make_world(name: str, n_models: int, n_subjects: int, equal_runs: tuple[int, int]) -> World:
    """Describe one of the worlds.

    Parameters
    ----------
    name
        ``demo``: left shares rise with model size; ``equal``: the same shares left and right;
        ``word_rate``: no component of any model, and a noisier right hemisphere;
        ``shifted_run``, ``swapped_runs``: ``demo`` with one subject's data damaged.
    n_models, n_subjects
        How many there are.
    equal_runs
        Two runs (1-based) of equal length: the ones to swap; the first is the one to shift.

    Raises
    ------
    BadInput
        There is no world of that name.
    """
    if name not in WORLDS:
        raise BadInput(f"there is no simulated world {name!r}; choose one of {', '.join(WORLDS)}")
    damaged = n_subjects // 2
    left, right = model_shares(n_models, 0.0 if name in ("equal", "word_rate") else STEEPNESS)
    if name == "word_rate":
        none = (0.0,) * n_models
        return World(name, none, none, WORD_RATE_SHARE, 0.0, NOISY_RIGHT)
    damage = None
    if name == "shifted_run":
        damage = Damage(damaged, equal_runs[:1], SHIFT_SCANS)
    if name == "swapped_runs":
        damage = Damage(damaged, equal_runs)
    return World(name, left, right, WORD_RATE_SHARE, WORD_LENGTH_SHARE, damage=damage)


def hemisphere_shares(world: World, coordinates: Floats) -> Floats:
    """Return each model's share at the peak of the profile, by the hemisphere of the voxel.

    Parameters
    ----------
    world
        What is planted.
    coordinates : (n_voxels, 3)
        World coordinates, mm; x < 0 is left, x = 0 takes the mean of both shares.

    Returns
    -------
    (n_models, n_voxels)
    """
    left = np.array(world.left)[:, None]
    right = np.array(world.right)[:, None]
    side = np.sign(coordinates[:, 0])[None, :]
    shares: Floats = (left + right) / 2 + side * (right - left) / 2
    return shares


def noise_factor(world: World, coordinates: Floats) -> Floats:
    """Return the standard deviation of the noise in units of the left's, shape (n_voxels,)."""
    return np.where(coordinates[:, 0] > 0, world.noise_right, 1.0)


def expected_r(world: World, profile: Floats, coordinates: Floats, n_subjects: int) -> Floats:
    """Return the r that a perfect estimate of each model's own component would reach.

    Parameters
    ----------
    world
        What is planted.
    profile : (n_voxels,)
        Spatial profile of the planted signals, at most 1.
    coordinates : (n_voxels, 3)
        World coordinates, mm.
    n_subjects
        How many subjects are averaged: noise variance is divided by it.

    Returns
    -------
    (n_models, n_voxels)
        See ``FORMULA``.
    """
    shares = hemisphere_shares(world, coordinates) * profile
    planted = shares.sum(axis=0) + profile * (world.word_rate + world.word_length)
    noise = noise_factor(world, coordinates) ** 2 * (1 - planted) / n_subjects
    expected: Floats = np.sqrt(shares / (planted + noise))
    return expected


def truth_per_model(
    world: World, profile: Floats, coordinates: Floats, n_subjects: int
) -> list[dict[str, Any]]:
    """Tabulate, per model, what is planted and what a perfect encoder would recover.

    Returns
    -------
    list of dict
        ``left_share``, ``right_share``, ``expected_left``, ``expected_right`` and
        ``planted_left_minus_right``, ``_whole``, ``_individual``, in units of expected r
        (``FORMULA``).
    """

    def sides(expected: Floats, used: Booleans) -> tuple[Floats, Floats]:
        left, right = (used & (side * coordinates[:, 0] < 0) for side in (1, -1))
        return expected[:, left].mean(axis=1), expected[:, right].mean(axis=1)

    best, everywhere = profile >= np.percentile(profile, 75), np.ones(len(profile), bool)
    average = expected_r(world, profile, coordinates, n_subjects)
    left, right = sides(average, best)
    whole = np.subtract(*sides(average, everywhere))
    individual = np.subtract(*sides(expected_r(world, profile, coordinates, 1), everywhere))
    return [
        {
            "left_share": world.left[k],
            "right_share": world.right[k],
            "expected_left": float(left[k]),
            "expected_right": float(right[k]),
            "planted_left_minus_right": float(left[k] - right[k]),
            "planted_left_minus_right_whole": float(whole[k]),
            "planted_left_minus_right_individual": float(individual[k]),
        }
        for k in range(len(world.left))
    ]
