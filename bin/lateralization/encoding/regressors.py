"""From the rows of a features file to the regressors of the scans, run by run."""

from collections.abc import Mapping, Sequence

import numpy as np
import pandas as pd
from scipy import sparse

from lateralization import study
from lateralization.arrays import Array, Floats
from lateralization.errors import BadInput
from lateralization.fmri.hrf import Sampling, check_clock, fir_operators, hrf_operator, to_scans
from lateralization.fmri.signals import standardise, trim
from lateralization.problems import listed
from lateralization.ridge.choices import Hrf
from lateralization.runs import label, shown, story_of

Operators = Sequence[sparse.csr_array]
"""From the words of a run to its regressors: one operator for each block of columns."""

FLAT = 1e-12
"""A regressor whose deviation is below this share of its largest value is constant."""


def word_operators(
    words: Mapping[str, pd.DataFrame],
    n_scans: Mapping[str, int],
    sampling: Sampling,
    hrf: Hrf = "glover",
) -> list[Operators]:
    """Build each run's operators from words to scans: one, or one for each delay.

    Parameters
    ----------
    words : mapping of key of a story to table with columns ``onset`` and ``offset``
        Seconds from the beginning of the story.
    n_scans : mapping of key of a run to int
        Untrimmed scans of each run, in order.
    sampling : Sampling
    hrf : {"glover", "fir"}
        See ``Choices``.

    Raises
    ------
    BadInput
        A run's story has no words, times are missing, or most words of a run lie outside its
        scans.
    """
    operators: list[Operators] = []
    for key, scans in n_scans.items():
        story = story_of(key)
        if story not in words:
            raise BadInput(
                f"the words lack {shown(story)}, which the BOLD data have; they are of "
                f"{listed(map(shown, words))}"
            )
        onsets, offsets = (words[story][name].to_numpy(float) for name in ("onset", "offset"))
        lengths = offsets - onsets
        onsets = onsets + sampling.start(story)
        check_clock(key, onsets, scans * sampling.tr)
        try:
            if hrf == "fir":
                operators.append(fir_operators(onsets, scans, sampling.tr, sampling.slice_time))
            else:
                made = hrf_operator(onsets, lengths, scans, sampling.tr, sampling.slice_time)
                operators.append([made])
        except BadInput as error:
            raise BadInput(f"words of {shown(key)}: {error}") from error
    return operators


def regressors(states: Array, operators: Operators, n_trim: int = study.TRIM) -> tuple[Floats, int]:
    """Turn one run's hidden states into trimmed, standardised regressors.

    Parameters
    ----------
    states : array of shape (n_words, width)
    operators : list of sparse arrays of shape (n_scans, n_words)
        Each gives its block of columns.
    n_trim : int
        Scans dropped at each end.

    Returns
    -------
    regressors : array of shape (n_scans - 2 n_trim, n_operators * width), float64
        Mean 0 and population deviation 1; a constant regressor is 0 throughout.
    n_constant : int
        Number of constant regressors.
    """
    kept = trim(np.hstack([to_scans(operator, states) for operator in operators]), n_trim)
    constant = kept.std(axis=0) <= FLAT * np.abs(kept).max(axis=0)
    standardised: Floats = standardise(kept)
    standardised[:, constant] = 0
    return standardised, int(constant.sum())


def layer_regressors(
    states: Sequence[Array],
    operators: Sequence[Operators],
    keys: Sequence[str],
    name: str,
    n_trim: int = study.TRIM,
) -> tuple[list[Floats], dict[str, int]]:
    """Turn the hidden states of one layer into regressors, run by run.

    Parameters
    ----------
    states, operators, keys
        One entry for each run.
    name : str
        Model and layer, for messages.
    n_trim : int
        Scans dropped at each end.

    Returns
    -------
    list over runs of arrays (n_scans, width), and the constant regressors of each run that has
    some, ``{label of the run: count}``.

    Raises
    ------
    BadInput
        States and words differ in number, states are not finite, runs differ in width, or all
        regressors of a run are constant, so that its scores would be 0 whatever the features are.
    """
    made, constant = [], {}
    for key, values, own in zip(keys, states, operators, strict=True):
        where = f"{name}, {shown(key)}"
        if values.ndim != 2 or values.shape[1] != states[0].shape[1]:
            raise BadInput(
                f"{where}: shape {values.shape} does not fit {states[0].shape} of {shown(keys[0])}"
            )
        if len(values) != own[0].shape[1]:
            raise BadInput(
                f"{where}: {len(values)} rows of features for {own[0].shape[1]} words or scans; "
                "features and words must come from the same task"
            )
        if not np.isfinite(values).all():
            word = int(np.flatnonzero(~np.isfinite(values).all(axis=1))[0])
            raise BadInput(
                f"{where}: features are NaN or infinite from word {word} on; extract them again, "
                "with --precision float32 if it was float16"
            )
        regressed, count = regressors(values, own, n_trim)
        if count == regressed.shape[1]:
            raise BadInput(
                f"{where}: each of the {count} regressors is constant over the scans that are "
                "scored, so that nothing can be predicted; check that the features vary in this "
                "run, and that its words lie within its scans"
            )
        made.append(regressed)
        if count:
            constant[label(key)] = count
    return made, constant
