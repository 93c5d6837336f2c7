"""Brain responses planted by a true forward model, on arrays.

Per model: the hidden states of one middle layer, averaged per word, less their mean over the
story (the word rate is planted apart, once), through the study's haemodynamic response,
standardised per run, mixed into voxels by weights that are smooth in space. Mirror-image voxels
have the same weights, so a difference between hemispheres comes from the shares of a world, and
from noise. Word rate, word length and physiological-like noise of each subject are added.
"""

from collections.abc import Sequence
from dataclasses import dataclass

import numpy as np
import pandas as pd

from lateralization.arrays import Array, Floats, Single
from lateralization.fmri.hrf import hrf_operator
from lateralization.fmri.signals import standardise
from lateralization.simulation.worlds import World, hemisphere_shares, noise_factor
from lateralization.study import TR

CENTRES = np.array(
    [[50, 12, -24], [54, -12, -10], [52, -38, 4], [50, -56, 22], [50, 14, 16], [48, 32, 0]]
)
"""Middles of the language-like profile, mm, on both sides: temporal, temporo-parietal, frontal."""

CENTRE_SPREAD_MM = 14.0
FLOOR = 0.03
"""Profile far from all centres: a little of the signal is everywhere."""

SMOOTHNESS_MM = 15.0
"""Length scale of the weights' Gaussian covariance in space."""

N_WAVES = 256
"""Random plane waves that a smooth field is made of."""

AR_COEFFICIENT = 0.4
NOISE_SHARES = {"autoregressive": 0.70, "drift": 0.14, "respiration": 0.08, "cardiac": 0.08}
RESPIRATION_HZ = (0.22, 0.32)
CARDIAC_HZ = (0.95, 1.25)
"""Ranges of a subject's rates: sampled every 2 s, both alias into the band of the signal."""


@dataclass(frozen=True)
class Design:
    """Regressors of one run, standardised.

    Attributes
    ----------
    components : list of (n_scans, width)
        Per model, the convolved hidden states.
    word_rate, word_length : (n_scans,)
        Convolved words, and convolved numbers of letters (less their mean).
    """

    components: list[Floats]
    word_rate: Floats
    word_length: Floats


def make_designs(
    words: Sequence[pd.DataFrame],
    states: Sequence[Sequence[Floats]],
    n_scans: Sequence[int],
    tr: float = TR,
) -> list[Design]:
    """Turn the hidden states of the words into regressors, run by run.

    Parameters
    ----------
    words
        Per run, a table with ``word``, ``onset`` and ``offset`` (seconds).
    states
        Per model, per run, (n_words, width): the planted layer.
    n_scans
        Per run.
    tr
        Repetition time, seconds.
    """
    means = [np.concatenate(list(runs)).mean(axis=0, dtype=np.float64) for runs in states]
    letters = [table["word"].str.len().to_numpy(np.float64) for table in words]
    mean_letters = np.concatenate(letters).mean()
    designs = []
    for run, table in enumerate(words):
        onsets = table["onset"].to_numpy(np.float64)
        durations = table["offset"].to_numpy(np.float64) - onsets
        operator = hrf_operator(onsets, durations, n_scans[run], tr)
        components = [
            standardise(operator @ (np.asarray(runs[run], np.float64) - mean))
            for runs, mean in zip(states, means, strict=True)
        ]
        rate = standardise(operator @ np.ones(len(table)))
        designs.append(
            Design(components, rate, standardise(operator @ (letters[run] - mean_letters)))
        )
    return designs


def language_profile(coordinates: Floats) -> Floats:
    """Return how strong planted signals are at each voxel, the same on both sides.

    Parameters
    ----------
    coordinates : (n_voxels, 3)
        World coordinates, mm.

    Returns
    -------
    (n_voxels,)
        Share of the peak's signal variance, ``FLOOR`` to 1: Gaussians around the centres.
    """
    folded = np.column_stack([np.abs(coordinates[:, 0]), coordinates[:, 1:]])
    squared = ((folded[:, None, :] - CENTRES[None]) ** 2).sum(axis=2).min(axis=1)
    profile: Floats = FLOOR + (1 - FLOOR) * np.exp(-squared / (2 * CENTRE_SPREAD_MM**2))
    return profile


def smooth_fields(
    coordinates: Floats, n_fields: int, rng: np.random.Generator, mirrored: bool = True
) -> Floats:
    """Draw random fields that vary smoothly over space and do not depend on the grid.

    Parameters
    ----------
    coordinates : (n_voxels, 3)
        World coordinates, mm.
    n_fields
        How many fields.
    rng
        Source of the waves.
    mirrored
        The same values at (x, y, z) and (-x, y, z).

    Returns
    -------
    (n_fields, n_voxels)
        Mean 0 and variance about 1 over draws, covariance exp(-d^2 / (2 SMOOTHNESS_MM^2)):
        sums of plane waves with Gaussian frequencies (Rahimi & Recht, NeurIPS 2007).
    """
    places = coordinates.astype(np.float64, copy=True)
    if mirrored:
        places[:, 0] = np.abs(places[:, 0])
    frequencies = rng.standard_normal((3, N_WAVES)) / SMOOTHNESS_MM
    phases = rng.uniform(0, 2 * np.pi, N_WAVES)
    waves = np.sqrt(2 / N_WAVES) * np.cos(places @ frequencies + phases)
    fields: Floats = rng.standard_normal((n_fields, N_WAVES)) @ waves.T
    return fields


def mixing_weights(
    components: Sequence[Floats], coordinates: Floats, seed: Sequence[int]
) -> Single:
    """Draw a model's weights: smooth in space, each voxel's time course of variance 1.

    Parameters
    ----------
    components : list over runs of (n_scans, width)
        The model's standardised regressors.
    coordinates : (n_voxels, 3)
        World coordinates, mm.
    seed
        Seed of the draw.

    Returns
    -------
    (width, n_voxels) float32
        ``components @ weights`` has variance 1 over all runs in every voxel.
    """
    width = components[0].shape[1]
    fields = smooth_fields(coordinates, width, np.random.default_rng(seed))
    n_scans = sum(len(component) for component in components)
    covariance = sum(component.T @ component for component in components) / n_scans
    variance = np.einsum("wv,wv->v", fields, covariance @ fields)
    weights: Single = (fields / np.sqrt(variance)).astype(np.float32)
    return weights


@dataclass(frozen=True)
class Forward:
    """A world on a set of voxels: everything that is the same for all subjects.

    Attributes
    ----------
    world
        What is planted.
    coordinates : (n_voxels, 3)
        World coordinates, mm.
    profile : (n_voxels,)
        Spatial profile of the signals.
    weights : list of (width, n_voxels)
        Per model, amplitudes included: the square root of the model's share in the voxel.
    length_sign : (n_voxels,)
        Sign of the response to long words.
    noise_sd : (n_voxels,)
        Standard deviation of each subject's noise.
    tr
        Repetition time, seconds.
    """

    world: World
    coordinates: Floats
    profile: Floats
    weights: list[Single]
    length_sign: Floats
    noise_sd: Single
    tr: float


def make_forward(
    world: World, designs: Sequence[Design], coordinates: Floats, seed: int, tr: float = TR
) -> Forward:
    """Draw the weights of all models and scale them to the shares of a world."""
    profile = language_profile(coordinates)
    shares = hemisphere_shares(world, coordinates) * profile
    weights = []
    for k, share in enumerate(shares):
        components = [design.components[k] for design in designs]
        mixing = mixing_weights(components, coordinates, [seed, 2, k])
        weights.append(mixing * np.sqrt(share).astype(np.float32))
    field = smooth_fields(coordinates, 1, np.random.default_rng([seed, 3]))[0]
    planted = shares.sum(axis=0) + profile * (world.word_rate + world.word_length)
    noise_sd = (np.sqrt(1 - planted) * noise_factor(world, coordinates)).astype(np.float32)
    sign = np.where(field < 0, -1.0, 1.0)
    return Forward(world, coordinates, profile, weights, sign, noise_sd, tr)


def planted_signal(forward: Forward, design: Design) -> Single:
    """Return the signal of one run that all subjects share, (n_scans, n_voxels) float32."""
    world = forward.world
    gain = np.sqrt(forward.profile)
    rate = np.outer(design.word_rate, gain * np.sqrt(world.word_rate))
    length = np.outer(design.word_length, gain * forward.length_sign * np.sqrt(world.word_length))
    signal = (rate + length).astype(np.float32)
    for component, weights in zip(design.components, forward.weights, strict=True):
        signal += component.astype(np.float32) @ weights
    return signal


def late(signal: Array, scans: int) -> Array:
    """Delay a run by some scans; it begins with nothing and loses its end."""
    delayed = np.zeros_like(signal)
    delayed[scans:] = signal[: len(signal) - scans]
    return delayed


def _rhythm(n_scans: int, hz: tuple[float, float], tr: float, rng: np.random.Generator) -> Floats:
    """Return a sine and a cosine of a slightly wandering rate, sampled at the scans, (n, 2)."""
    seconds = tr * np.arange(n_scans)
    phase = 2 * np.pi * rng.uniform(*hz) * seconds
    phase += np.cumsum(rng.normal(0, 0.3, n_scans)) + rng.uniform(0, 2 * np.pi)
    return np.column_stack([np.sin(phase), np.cos(phase)])


def _slow(n_scans: int) -> Floats:
    """Return a line and two slow cosines, (n_scans, 3)."""
    time = np.linspace(0, 1, n_scans)
    return np.column_stack([2 * time - 1, np.cos(np.pi * time), np.cos(2 * np.pi * time)])


def _autoregressive(n_scans: int, n_voxels: int, rng: np.random.Generator) -> Single:
    """Return AR(1) noise of unit variance, white over voxels, (n_scans, n_voxels) float32."""
    noise = rng.standard_normal((n_scans, n_voxels), dtype=np.float32)
    fresh = np.float32(np.sqrt(1 - AR_COEFFICIENT**2))
    for scan in range(1, n_scans):
        noise[scan] = AR_COEFFICIENT * noise[scan - 1] + fresh * noise[scan]
    return noise


def subject_noise(
    n_scans: int, coordinates: Floats, rng: np.random.Generator, tr: float = TR
) -> Single:
    """Draw physiological-like noise of one run of one subject.

    Autoregressive noise of each voxel, and drifts, respiration and heart beat (aliased by the
    sampling) that spread smoothly over the brain, differently for each subject and run.

    Returns
    -------
    (n_scans, n_voxels) float32
        Variance about 1.
    """
    noise = _autoregressive(n_scans, len(coordinates), rng)
    noise *= np.float32(np.sqrt(NOISE_SHARES["autoregressive"]))
    parts = {
        "drift": _slow(n_scans),
        "respiration": _rhythm(n_scans, RESPIRATION_HZ, tr, rng),
        "cardiac": _rhythm(n_scans, CARDIAC_HZ, tr, rng),
    }
    for name, courses in parts.items():
        fields = smooth_fields(coordinates, courses.shape[1], rng, mirrored=False)
        scale = np.sqrt(NOISE_SHARES[name] / courses.shape[1])
        noise += (scale * standardise(courses)).astype(np.float32) @ fields.astype(np.float32)
    return noise


def subject_run(
    forward: Forward, signals: Sequence[Single], subject: int, run: int, rng: np.random.Generator
) -> Single:
    """Return the responses of one subject in one run, with the damage of the world.

    Parameters
    ----------
    forward
        The world on its voxels.
    signals : list over runs of (n_scans, n_voxels)
        What ``planted_signal`` gave.
    subject, run
        0-based index of the subject, 1-based run.
    rng
        Source of this run's noise.

    Returns
    -------
    (n_scans, n_voxels) float32
        In units of the left hemisphere's standard deviation.
    """
    damage = forward.world.damage
    heard, delay = run, 0
    if damage and damage.subject == subject and run in damage.runs:
        delay = damage.scans
        heard = damage.runs[1 - damage.runs.index(run)] if len(damage.runs) > 1 else run
    noise = subject_noise(len(signals[heard - 1]), forward.coordinates, rng, forward.tr)
    bold: Single = late(signals[heard - 1], delay) + noise * forward.noise_sd
    return bold
