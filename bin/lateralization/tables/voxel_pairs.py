"""Which voxels differ from their mirror image in people: sign-flip tests, corrected over all pairs.

Each person gives one map of left minus right over homologous pairs of voxels, and one of its slope
on ln N. Under the null hypothesis a person's whole map is as likely with either sign, so flipping
whole maps keeps their smoothness, and the largest |t| over all pairs under random flips is what
chance reaches anywhere (max-T: Westfall & Young 1993; Nichols & Holmes 2002).
"""

from collections.abc import Iterator, Mapping
from dataclasses import dataclass

import numpy as np

from lateralization.arrays import Floats, Row, Single
from lateralization.names import AVERAGE
from lateralization.statistics.intervals import LEVEL, MIN_SUBJECTS
from lateralization.statistics.regressions import MIN_MODELS
from lateralization.tables.fits import Space, Summary
from lateralization.tables.model_tables import groups
from lateralization.tables.people import EXACT, SEED, TIE
from lateralization.tables.region_tables import sized_models
from lateralization.volumes import to_volume

N_FLIPS = 1_999
"""Random flips beyond 14 people; the smallest p is then 0.0005."""

CHUNK = 128
"""Flips that are multiplied at once: 12,000 pairs of them are 12 MB."""

SLOPE = "slope_l_minus_r"


@dataclass(frozen=True)
class MaxT:
    """A test of every pair; p is corrected over all of them.

    Attributes
    ----------
    t, p : (n_pairs,) arrays
        Student's t over people, and its corrected p.
    threshold
        |t| from which on p is at most 0.05; infinite where flips are too few for that.
    p_smallest
        Smallest p that so many flips can give.
    """

    t: Floats
    p: Floats
    threshold: float
    p_smallest: float


def _flips(n: int, seed: int) -> Iterator[Floats]:
    """Give signs in chunks, the first row all +1: all of them up to 14 people, else random ones."""
    if n <= EXACT:
        # A flip and its opposite give the same |t|: half of them are enough.
        bits = (np.arange(2 ** (n - 1))[:, None] >> np.arange(n)) & 1
        signs = (1 - 2 * bits).astype(np.float64)
    else:
        drawn = np.random.default_rng(seed).choice((-1.0, 1.0), size=(N_FLIPS, n))
        signs = np.vstack([np.ones(n), drawn])
    for first in range(0, len(signs), CHUNK):
        yield signs[first : first + CHUNK]


def max_t(values: Floats, seed: int = SEED) -> MaxT:
    """Test every column's mean against 0 by sign flips of whole rows.

    Parameters
    ----------
    values : (n_people, n_pairs) array
        Finite; a column without any variation gets t 0.

    Returns
    -------
    MaxT
        p counts the flips whose largest |t| over all columns reaches a column's own.
    """
    n = len(values)
    squares = (values**2).sum(axis=0)
    varies = np.ptp(values, axis=0) > 0
    used, squares = values[:, varies], squares[varies]

    def t_of(signs: Floats) -> Floats:
        means = signs @ used / n
        # flips leave the sum of squares alone
        variance = np.maximum(squares - n * means**2, TIE * squares) / (n - 1)
        t: Floats = means / np.sqrt(variance / n)
        return t

    t = np.zeros(values.shape[1])
    if not varies.any():
        return MaxT(t, np.ones_like(t), np.inf, np.nan)
    t[varies] = t_of(np.ones((1, n)))[0]
    largest = np.sort(
        np.concatenate([np.abs(t_of(signs)).max(axis=1) for signs in _flips(n, seed)])
    )
    reached = largest.size - np.searchsorted(largest, np.abs(t) * (1 - 1e-9))
    allowed = int((1 - LEVEL) * largest.size + 1e-9)
    threshold = float(largest[-allowed]) if allowed else np.inf
    return MaxT(t, reached / largest.size, threshold, 1 / largest.size)


def difference_map(one: Summary, space: Space) -> Single:
    """Each left voxel minus its mirror image, as a volume; NaN elsewhere and where one is missing.

    The grid is symmetric about x = 0: the mirror image of plane i is the last plane less i.
    """
    volume = to_volume(one.best, space.mask, np.nan)
    difference: Single = volume - volume[::-1]
    difference[volume.shape[0] // 2 :] = np.nan
    return difference


def person_maps(members: list[Summary], space: Space) -> dict[tuple[str, str], Single]:
    """Give the maps of one person: (quantity, model) → volume; the slope has no model."""
    models, ln_n = sized_models(members)
    maps = {one.fit.model: difference_map(one, space) for one in models}
    found = {("l_minus_r", name): volume for name, volume in maps.items()}
    if len(models) >= MIN_MODELS and np.ptp(ln_n) > 0:
        x = ln_n - ln_n.mean()
        slope = np.tensordot(x / (x @ x), np.stack(list(maps.values())), axes=1)
        found[SLOPE, ""] = slope.astype(np.float32)
    return found


def _row(place: Row, n: int, n_pairs: int, found: MaxT | None) -> Row:
    names = ("t_threshold", "n_left", "n_right", "t_max", "t_min", "p_min", "p_smallest")
    row = place | {"n_subjects": n, "n_pairs": n_pairs} | dict.fromkeys(names, np.nan)
    if found is None:
        few = n < MIN_SUBJECTS
        reason = f"{n} subjects with a value, {MIN_SUBJECTS} needed" if few else "no common pair"
        return row | {"reason": reason}
    beyond = found.p <= 1 - LEVEL
    possible = np.isfinite(found.threshold)
    return row | {
        "t_threshold": found.threshold if possible else np.nan,
        "n_left": int((beyond & (found.t > 0)).sum()),
        "n_right": int((beyond & (found.t < 0)).sum()),
        "t_max": float(found.t.max()), "t_min": float(found.t.min()),
        "p_min": float(found.p.min()), "p_smallest": found.p_smallest,
        "reason": "" if possible else f"no test at 5 % is possible with {n} people",
    }  # fmt: skip


def pair_tests(
    summaries: list[Summary], spaces: Mapping[tuple[str, str], Space]
) -> tuple[list[Row], dict[str, dict[str, Single]]]:
    """Test left minus right of every model, and its slope on ln N, in every pair over people.

    Returns
    -------
    rows
        Of the table ``voxel_pairs``.
    maps
        Language → ``pairs`` (mean slope over people) and ``pairs_clear`` (1 where its corrected p
        is at most 0.05), (x, y, z) volumes with values on the left; only where a slope was tested.
    """
    people: dict[str, list[dict[tuple[str, str], Single]]] = {}
    for (language, subject), members in groups(summaries).items():
        space = spaces[language, subject]
        if subject != AVERAGE and space.brain.mirror is not None:
            people.setdefault(language, []).append(person_maps(members, space))
    rows: list[Row] = []
    drawn: dict[str, dict[str, Single]] = {}
    for language, persons in people.items():
        for key in dict.fromkeys(key for person in persons for key in person):
            volumes = np.stack([person[key] for person in persons if key in person])
            pairs = np.isfinite(volumes).all(axis=0)
            n, n_pairs = len(volumes), int(pairs.sum())
            enough = n >= MIN_SUBJECTS and n_pairs > 0
            found = max_t(volumes[:, pairs].astype(np.float64)) if enough else None
            place = {"language": language, "quantity": key[0], "model": key[1]}
            rows.append(_row(place, n, n_pairs, found))
            if key[0] == SLOPE and found is not None:
                mean, clear = (np.zeros(pairs.shape, np.float32) for _ in range(2))
                mean[pairs] = volumes[:, pairs].mean(axis=0)
                clear[pairs] = found.p <= 1 - LEVEL
                drawn[language] = {"pairs": mean, "pairs_clear": clear}
    return rows, drawn
