"""Maps for the brain figures, and values over voxels that figures need as small tables."""

from collections.abc import Mapping
from pathlib import Path
from typing import Any

import numpy as np
import pandas as pd
from scipy import stats

from lateralization.arrays import Array, Row, Single
from lateralization.files import write_json, write_table
from lateralization.names import AVERAGE, BASELINE, MODEL, RANDOM_SEED
from lateralization.statistics.areas import Areas
from lateralization.statistics.asymmetry import Brain, reliability_threshold, side_mean
from lateralization.statistics.densities import density_rows
from lateralization.statistics.lines import MIN_MODELS, lines, slope_on
from lateralization.statistics.sensitivity import sensitivity_rows
from lateralization.tables.fits import Space
from lateralization.tables.model_tables import groups, sized_models
from lateralization.tables.people import difference_map
from lateralization.tables.summaries import FitSummary
from lateralization.volumes import LABEL, from_volume, save_map, save_volume, to_volume

SLOPE_P = 1e-7
"""Two-sided p that a voxel's slope must reach to be drawn in the published style."""


def drawn_subjects(summaries: list[FitSummary]) -> list[tuple[str, str]]:
    """One subject per language: the average, or the first individual where there is none."""
    found = groups(summaries)
    drawn = []
    for language in sorted({language for language, _ in found}):
        subjects = sorted(subject for one, subject in found if one == language)
        drawn.append((language, AVERAGE if AVERAGE in subjects else subjects[0]))
    return drawn


def random_baseline(members: list[FitSummary]) -> FitSummary | None:
    """Baseline that the study subtracts: the random embedding of 1,024 dimensions, seeds averaged.

    Where it was not fitted, the widest random embedding there is.
    """
    found = {
        one.fit.model: one for one in members
        if one.fit.kind == BASELINE and one.fit.model.startswith("random_embedding_")
        and not RANDOM_SEED.fullmatch(one.fit.model)
    }  # fmt: skip
    widest = sorted(found, key=lambda name: int(name.split("_")[2].removesuffix("d")))
    return found.get("random_embedding_1024d") or (found[widest[-1]] if widest else None)


def best_model(members: list[FitSummary], space: Space, worst: bool = False) -> FitSummary:
    """Trained model with the highest mean score, or the lowest.

    Without any, all that was fitted competes; one seed of a random baseline stands for nothing
    where its mean over seeds does. The mean is over the reliable voxels, or the whole brain where
    there are none.
    """
    trained = [one for one in members if one.fit.kind == MODEL]
    whole = [one for one in members if not RANDOM_SEED.fullmatch(one.fit.model)]
    models = trained or whole or members
    region = space.brain.reliable
    where = np.ones(space.brain.n_voxels, dtype=bool) if region is None else region
    choose = min if worst else max
    return choose(models, key=lambda one: side_mean(one.best, where))


def over_random(members: list[FitSummary], space: Space) -> dict[str, Array]:
    """Best and worst model minus the random embedding, (n_voxels,) each; empty without both."""
    random = random_baseline(members)
    models = [one for one in members if one.fit.kind == MODEL]
    if random is None or not models:
        return {}
    best, worst = best_model(models, space), best_model(models, space, worst=True)
    return {
        "best_over_random": best.best - random.best,
        "worst_over_random": worst.best - random.best,
    }


def slope_maps(members: list[FitSummary]) -> tuple[dict[str, Array], float]:
    """Slopes on ln N, (n_voxels,), all of them and those that reach the published threshold.

    The threshold of |t| comes second; NaN, and no maps, with fewer than 3 sizes of models.
    """
    models, ln_n = sized_models(members)
    if len(models) < MIN_MODELS or np.ptp(ln_n) == 0:
        return {}, np.nan
    best = np.stack([one.best for one in models]).astype(np.float64)
    slopes = slope_on(ln_n, best)
    threshold = float(stats.t.isf(SLOPE_P / 2, len(models) - 2))
    strong = np.where(np.abs(lines(ln_n, best).t) >= threshold, slopes, 0.0)
    found: dict[str, Array] = {"slope": slopes}
    return found | ({"slope_strong": strong} if strong.any() else {}), threshold


def area_numbers(areas: Areas, n_voxels: int) -> Single:
    """Give each voxel the number of its area, from 1 in atlas order, both sides alike; 0: none."""
    numbers = np.zeros(n_voxels, np.float32)
    for number, (left, right) in enumerate(areas.sides.values(), 1):
        numbers[left | right] = number
    return numbers


def reliability_maps(space: Space) -> tuple[dict[str, Any], dict[str, str]]:
    """Give the reliability with the threshold and the reliable voxels that the tables have.

    The percentile is over the voxels whose reliability is known: one that is left out has none,
    though a map holds 0 there.
    """
    isc, reliable = space.brain.isc, space.brain.reliable
    if isc is None or reliable is None:
        return {}, {}
    values = {"isc": isc, "isc_known": np.isfinite(isc), "reliable": reliable}
    return values, {"isc_threshold": repr(reliability_threshold(isc))}


def subject_maps(
    members: list[FitSummary], space: Space, areas: Areas | None = None
) -> tuple[dict[str, Any], dict[str, str]]:
    """Give the maps of one subject by name, (n_voxels,) each, and the words that belong to them."""
    best = best_model(members, space)
    values: dict[str, Any] = {"mask": space.brain.used, "score": best.best}
    reliability, words = reliability_maps(space)
    values |= reliability
    if space.brain.mirror is not None:
        values["left_minus_right"] = from_volume(difference_map(best, space), space.mask)
    slopes, threshold = slope_maps(members)
    for side, place in (("left", 0), ("right", 1)):
        regions = [sides[place] for sides in (space.brain.rois or {}).values()]
        if np.any(regions):  # spheres outside the mask leave nothing to draw
            values[f"rois_{side}"] = np.any(regions, axis=0).astype(np.float32)
    words |= {
        "model": best.fit.model, "kind": best.fit.kind, "t_threshold": f"{threshold:.3f}"
    }  # fmt: skip
    if areas is not None:
        values["areas"] = area_numbers(areas, space.brain.n_voxels)
        words["areas"] = "\n".join(areas.sides)
    difference = over_random(members, space)
    if difference:
        random = random_baseline(members)
        words["random"] = random.fit.model if random else ""
        words["worst"] = best_model(members, space, worst=True).fit.model
    return values | slopes | difference, words


def brain_maps(
    summaries: list[FitSummary],
    spaces: dict[tuple[str, str], Space],
    areas: Mapping[tuple[str, str], Areas],
    pair_maps: Mapping[str, Mapping[str, Single]],
) -> tuple[dict[str, Array], dict[str, str]]:
    """Small maps for the brain figures: one subject per language, the average where there is one.

    Returns
    -------
    maps
        ``<language>/<subject>/<what>`` → (x, y, z) float32 volume, 0 outside the mask and NaN
        where there is no value; ``what`` is ``mask`` (1 in voxels that are used), ``isc``,
        ``isc_known`` (1 where there is one), ``reliable`` (1 in the tables' reliable voxels),
        ``score`` (best model, best layer per voxel), ``left_minus_right`` (each left voxel's
        score minus that of its mirror image, NaN on the right), ``slope`` (on ln N over models),
        ``slope_strong`` (those with p < 1e-7), ``best_over_random``, ``worst_over_random``,
        ``rois_left``, ``rois_right``, ``areas`` (their numbers from 1),
        ``pairs`` and ``pairs_clear`` (of ``voxel_pairs``); and ``affine``, (4, 4), mm.
    metadata
        ``<language>/<subject>/model`` → name of the best model, and others of these words:
        ``kind`` of that model, ``isc_threshold`` above which voxels are reliable;
        ``areas`` has the names of the areas, a line each.
    """
    maps: dict[str, Array] = {}
    metadata: dict[str, str] = {}
    by_key = groups(summaries)
    for key in drawn_subjects(summaries):
        space, name = spaces[key], "/".join(key)
        values, words = subject_maps(by_key[key], space, areas.get(key))
        for what, vector in values.items():
            maps[f"{name}/{what}"] = to_volume(np.asarray(vector, np.float32), space.mask)
        for what, volume in pair_maps.get(key[0], {}).items():
            maps[f"{name}/{what}"] = volume
        maps[f"{name}/affine"] = np.asarray(space.affine, dtype=np.float64)
        metadata |= {f"{name}/{word}": text for word, text in words.items()}
    return maps, metadata


NIFTI = {
    "score": ("brain score (r) of {model}, best layer of each voxel", "r"),
    "isc": ("inter-subject reliability (r), mean over split halves", "r"),
    "left_minus_right": ("brain score of {model}, left voxel minus its mirror image", "r"),
    "slope": ("slope of the brain score on ln N over models", "r per ln N"),
    "slope_strong": ("slope of the brain score on ln N where p < 1e-7, else 0", "r per ln N"),
    "best_over_random": ("brain score of {model} minus that of {random}", "r"),
    "worst_over_random": ("brain score of {worst} minus that of {random}", "r"),
    "pairs": ("slope of left minus right on ln N, mean over people", "r per ln N"),
    "pairs_clear": ("1 where the corrected p of pairs is at most 0.05", ""),
    "reliable": ("1 in the reliable voxels", ""),
    "rois_left": ("1 in the regions of interest", ""),
    "rois_right": ("1 in the mirror images of the regions of interest", ""),
    "areas": ("areas of the atlas, both sides of a pair alike; areas.tsv names them", ""),
}
"""Map → what it holds, and its unit; masks and labels have none."""


def write_maps(
    maps: Mapping[str, Array],
    metadata: Mapping[str, str],
    spaces: Mapping[tuple[str, str], Space],
    out: Path,
) -> None:
    """Write the maps of :func:`brain_maps` as NIfTI, with a sidecar each.

    ``lang-en_score.nii.gz`` (float32), ``lang-en_score_mask.nii.gz`` and ``lang-en_score.json``;
    of masks and labels (uint8, areas int16) image and sidecar alone.
    """
    out.mkdir(parents=True, exist_ok=True)
    for name, volume in maps.items():
        language, subject, what = name.split("/")
        if what not in NIFTI:
            continue
        space, stem = spaces[language, subject], out / f"lang-{language}_{what}"
        words = {
            word: metadata.get(f"{language}/{subject}/{word}", "")
            for word in ("model", "random", "worst")
        }
        holds, unit = NIFTI[what][0].format(**words), NIFTI[what][1]
        if unit:
            vector = from_volume(volume, space.mask)
            save_map(vector, space.mask, space.affine, f"{stem}.nii.gz", holds, ("estimate", unit))
        else:
            labels = volume.astype(np.int16 if what == "areas" else np.uint8)
            save_volume(labels, space.affine, f"{stem}.nii.gz", what=holds, intent=LABEL)
        if what == "areas":
            areas = metadata[f"{language}/{subject}/areas"].split("\n")
            rows = pd.DataFrame({"index": range(1, len(areas) + 1), "name": areas})
            write_table(rows, f"{stem}.tsv")
        described = {"description": holds, "units": unit, "language": language, "subject": subject}
        write_json(described, f"{stem}.json")


def density_table(summaries: list[FitSummary], spaces: dict[tuple[str, str], Space]) -> list[Row]:
    """Densities of the score of every model and baseline, and of the reliability."""
    rows = []
    by_key = groups(summaries)
    for key in drawn_subjects(summaries):
        place = {"language": key[0], "subject": key[1]}
        brain: Brain = spaces[key].brain
        if brain.isc is not None:
            rows += [place | row | {"kind": "isc"} for row in density_rows("isc", brain.isc, brain)]
        for one in by_key[key]:
            if RANDOM_SEED.fullmatch(one.fit.model):
                continue
            for row in density_rows(one.fit.model, one.best, brain):
                rows.append(place | row | {"kind": one.fit.kind})
    return rows


def sensitivity_table(
    summaries: list[FitSummary], spaces: dict[tuple[str, str], Space]
) -> list[Row]:
    """Give the headline's slope under other reliability cuts and midline rules."""
    rows = []
    by_key = groups(summaries)
    for key in drawn_subjects(summaries):
        models, ln_n = sized_models(by_key[key])
        if models:
            best = np.stack([one.best for one in models])
            place = {"language": key[0], "subject": key[1]}
            rows += [place | row for row in sensitivity_rows(best, ln_n, spaces[key].brain)]
    return rows
