"""Orthogonal, autocorrelated rows: what the folds alone let a feature space predict.

A scan's features are its row of an identity matrix over the scans of all runs, blurred along time
within each run: neighbouring scans are alike, and rows of different runs share nothing (the
orthogonal autocorrelated sequences model of Feghhi, Hadidi et al., "What are large language models
mapping to in the brain?", arXiv:2406.01538, 2024). Rows are scans and are not convolved. Whatever
they predict of a held-out run has leaked through the folds.

Exactly orthogonal rows predict a constant, and the score would be 0 by definition. The identity
matrix is therefore projected on ``DIMS`` random directions: rows of different runs are orthogonal
but for chance, as likely positive as negative, and the score of a held-out run scatters around 0.
A seed draws the projection and the width of the blur, so that the mean over seeds averages over
widths and its standard error is that of independent draws. Runs of the same words share their
directions: a text that was heard twice may not stand on both sides of a fold.
"""

from collections.abc import Mapping
from hashlib import sha256
from typing import Any

import numpy as np
import pandas as pd

from lateralization.arrays import Array, Floats
from lateralization.words.by_story import rows_by_story

KIND = "oasm"
"""Kind of the baseline in the plan."""

BLOCKS = "blocks"
"""What a row of the features file is: the numbers that a run's rows are drawn from."""

DIMS = 300
"""Directions of the projection: chance correlations between runs are about 1/sqrt(DIMS)."""

SEEDS = tuple(range(1, 11))
"""Draws of projection and width that a run fits."""

WIDTHS = (0.1, 4.8)
"""Narrowest and widest blur of the source, standard deviations in scans."""


def blocks(spec: Mapping[str, Any], words: pd.DataFrame) -> tuple[dict[str, Array], dict[str, Any]]:
    """Return what the rows of each run are drawn from; how many scans it has, ENCODE knows.

    Parameters
    ----------
    spec : dict
        The baseline of the plan: its seed.
    words : DataFrame
        As :func:`lateralization.words.annotation.read_words` returns it.

    Returns
    -------
    tensors : dict
        ``STORY/layer-0`` → int64 array of shape (1, 2): the seed, and a number of its words.
    report : dict
        What a row is, the seed, the width of the blur (scans), and the width of the features.
    """
    seed = int(spec["seed"])
    tensors: dict[str, Array] = {}
    for story, own in rows_by_story(words).items():
        text = "\n".join(map(str, own["word"]))
        number = int.from_bytes(sha256(text.encode()).digest()[:6], "big")
        tensors[f"{story}/layer-0"] = np.array([[seed, number]], np.int64)
    report = {"rows": BLOCKS, "seed": seed, "blur": blur_of(seed), "widths": [DIMS]}
    return tensors, report


def blur_of(seed: int) -> float:
    """Draw the width of the blur, standard deviation in scans: uniform between ``WIDTHS``."""
    return float(np.random.default_rng(seed).uniform(*WIDTHS))


def scan_rows(block: Array, n_scans: int) -> Floats:
    """Draw the features of a run's scans.

    Parameters
    ----------
    block : array of shape (1, 2)
        See :func:`blocks`.
    n_scans : int

    Returns
    -------
    array of shape (n_scans, DIMS), float64
        The blurred identity matrix of the run times its random directions.
    """
    from scipy.ndimage import gaussian_filter1d  # VALIDATE knows the names, and starts without it

    seed, number = (int(value) for value in block[0])
    directions = np.random.default_rng([seed, number]).standard_normal((n_scans, DIMS))
    rows: Floats = gaussian_filter1d(directions, blur_of(seed), axis=0)
    return rows
