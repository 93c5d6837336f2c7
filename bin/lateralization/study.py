"""Constants of the published study (Bonnasse-Gahot & Pallier, NeurIPS 2024) and of its data set."""

import numpy as np

MIN_SUBJECTS = 3
"""With two subjects nobody can say which of them is off; one alone has no others to follow."""


TR = 2.0
"""Repetition time, seconds."""

N_RUNS = 9
"""Runs per subject: the sections of the story."""

TRIM = 10
"""Scans dropped at each end of a run before anything is fitted."""

MIN_SCANS = 2 * TRIM + 2
"""Fewer scans leave nothing to correlate after trimming (and too few for the filter's padding)."""

HIGH_PASS_HZ = 1 / 128
"""Cut-off of the Butterworth high-pass filter."""

SMOOTHING_MM = 4.0
"""FWHM of the smoothing of individual subjects; the group pipeline has none."""

GRID_SHAPE = (37, 46, 38)
"""Shape of the target grid, 4 mm isotropic; x = 0 is plane 18, so the grid mirrors exactly."""

GRID_AFFINE = np.array(
    [[4.0, 0, 0, -72.0], [0, 4.0, 0, -106.0], [0, 0, 4.0, -64.0], [0, 0, 0, 1.0]]
)
"""Affine of the target grid, mm."""

CONSTANT = 1e-6
"""A voxel is constant in a run when its sd over time is at most this share of its mean."""

ALPHAS = np.logspace(2, 7, 16)
"""Ridge penalties that the nested search tries."""

ISC_PERCENTILE = 75
"""Voxels strictly above this percentile of the mean reliability are the reliable voxels."""

ISC_TRIALS = 10
ISC_SEED = 1234
"""Split-half trials of the inter-subject reliability, and the seed of their shuffles."""

ANNOTATION_MD5 = {
    "en": "e157ef21efb92a887656eeba8004e569",
    "fr": "7e202a048bc9eee76c7c787d6e958218",
    "cn": "582aae73f8d10b9982362b99d7f55919",
}
"""The published annotations: their rows are what they are, and the corrections are of them."""

PROSODY_MD5 = {
    "en": "00d66c16006e34781fd0bfcc0f272088",
    "fr": "4c3e23ef466de0d43809938f4dacae4f",
    "cn": "7ca34bf43c34e4cae24f1a28a4f46c81",
}
"""The published tables of f0 and intensity."""

ROI_ORDER = ("TP", "aSTS", "pSTS", "AG_TPJ", "BA44", "BA45", "BA47")
"""Order of the seven regions in tables and figures."""
