"""Inference over people: regions, and voxels against their mirror images.

A subject is the unit: each gives one asymmetry per model, and one slope of it on ln N over the
models (the summary-statistics form of a mixed model with random slopes, exact where all subjects
have the same models). The same is done for maps of left minus right over pairs of mirror-image
voxels. The tests are those of :mod:`permutation`.
"""

from collections.abc import Mapping, Sequence

import numpy as np

from lateralization.arrays import Floats, Row, Single
from lateralization.names import AVERAGE
from lateralization.statistics.intervals import LEVEL, MIN_SUBJECTS, t_interval
from lateralization.statistics.lines import MIN_MODELS, slope_on
from lateralization.statistics.permutation import MaxT, holm, max_t, sign_flip_p, smallest_p
from lateralization.tables.fits import Space
from lateralization.tables.model_tables import (
    LEFT_MINUS_RIGHT,
    Regressions,
    groups,
    sized_models,
)
from lateralization.tables.summaries import FitSummary, Place
from lateralization.volumes import to_volume

SLOPE = "slope_l_minus_r"


def _over_people(values: Floats) -> Row:
    interval = t_interval(values)
    few = interval.n < MIN_SUBJECTS
    return {
        "n_subjects": interval.n,
        "mean": interval.mean,
        "ci_low": np.nan if few else interval.low,
        "ci_high": np.nan if few else interval.high,
        "ci_kind": "" if few else f"t over {interval.n} subjects",
        "p_sign_flip": np.nan if few else sign_flip_p(values),
        "p_smallest": np.nan if few else smallest_p(interval.n),
        "p_holm": np.nan,
        "reason": f"{interval.n} subjects with a value, {MIN_SUBJECTS} needed" if few else "",
    }


def _values_of_people(
    summaries: Sequence[FitSummary], regressions: Regressions
) -> dict[tuple[str, str, Place], list[float]]:
    """Collect each quantity over people: (language, model, place) → values.

    Quantities are the asymmetries of each model and, under the model "", the slopes on ln N.
    """
    found: dict[tuple[str, str, Place], list[float]] = {}
    for one in summaries:
        if one.fit.subject != AVERAGE:
            for place, sides in one.asymmetry.items():
                quantity = place._replace(selection=LEFT_MINUS_RIGHT + place.selection)
                key = (one.fit.language, one.fit.model, quantity)
                found.setdefault(key, []).append(sides.difference)
    for (language, subject), members in regressions.items():
        for line in members:
            if subject != AVERAGE and line.is_main:
                quantity = Place(f"slope_{line.outcome}", line.layer, line.midline)
                found.setdefault((language, "", quantity), []).append(line.found.slope)
    return found


def subject_rows(
    summaries: Sequence[FitSummary], regressions: Regressions, regions: set[str]
) -> list[Row]:
    """Means over individuals of each asymmetry and of its slope on ln N, with interval and test.

    Parameters
    ----------
    regions
        Names of the ROIs: their p values under one layer rule and midline are corrected together.
    """
    rows: list[Row] = []
    families: dict[tuple[str, ...], list[Row]] = {}
    for (language, model, place), values in _values_of_people(summaries, regressions).items():
        quantity, layer, midline = place
        row = {
            "language": language, "model": model, "quantity": quantity,
            "layer": layer, "midline": midline,
        } | _over_people(np.array(values))  # fmt: skip
        rows.append(row)
        if quantity.removeprefix("slope_").removeprefix(LEFT_MINUS_RIGHT) in regions:
            families.setdefault((language, model, layer, midline), []).append(row)
    for members in families.values():
        for row, p in zip(members, holm(row["p_sign_flip"] for row in members), strict=True):
            row["p_holm"] = p
    return rows


def difference_map(one: FitSummary, space: Space) -> Single:
    """Each left voxel minus its mirror image, as a volume; NaN elsewhere and where one is missing.

    The grid is symmetric about x = 0: the mirror image of plane i is the last plane less i.
    """
    volume = to_volume(one.best, space.mask, np.nan)
    difference: Single = volume - volume[::-1]
    difference[volume.shape[0] // 2 :] = np.nan
    return difference


def person_maps(members: list[FitSummary], space: Space) -> dict[tuple[str, str], Single]:
    """Give the maps of one person: (quantity, model) → volume; the slope has no model."""
    models, ln_n = sized_models(members)
    maps = {one.fit.model: difference_map(one, space) for one in models}
    found = {("l_minus_r", name): volume for name, volume in maps.items()}
    if len(models) >= MIN_MODELS and np.ptp(ln_n) > 0:
        found[SLOPE, ""] = slope_on(ln_n, np.stack(list(maps.values()))).astype(np.float32)
    return found


def _pair_row(place: Row, n: int, n_pairs: int, found: MaxT | None) -> Row:
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
    summaries: list[FitSummary], spaces: Mapping[tuple[str, str], Space]
) -> tuple[list[Row], dict[str, dict[str, Single]]]:
    """Test left minus right of every model, and its slope on ln N, in every pair over people.

    Returns
    -------
    rows
        Of the table ``voxel_pairs``.
    maps
        Language → ``pairs`` (mean slope over people) and ``pairs_clear`` (1 where its corrected p
        is at most 0.05), (x, y, z) volumes with values on the left, else NaN or 0; only where a
        slope was tested.
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
            rows.append(_pair_row(place, n, n_pairs, found))
            if key[0] == SLOPE and found is not None:
                mean = np.full(pairs.shape, np.nan, np.float32)
                clear = np.zeros(pairs.shape, np.float32)
                mean[pairs] = volumes[:, pairs].mean(axis=0)
                clear[pairs] = found.p <= 1 - LEVEL
                drawn[language] = {"pairs": mean, "pairs_clear": clear}
    return rows, drawn
