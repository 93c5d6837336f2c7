"""LATERALIZE: from the scores of all fits to the tables that figures and report read."""

from collections.abc import Iterable, Mapping, Sequence
from dataclasses import dataclass, replace
from pathlib import Path
from typing import Any

import numpy as np
import pandas as pd

from lateralization.arrays import Row, Single
from lateralization.baselines.confounds import SURPRISAL
from lateralization.baselines.own_features import KIND as FEATURES
from lateralization.command import say
from lateralization.errors import BadInput
from lateralization.files import read_json, read_table, save_tensors, write_json, write_table
from lateralization.fmri.atlas import Atlas, read_atlas
from lateralization.names import AVERAGE, BASELINE, CHECKPOINT, MODEL, UNTRAINED
from lateralization.run_plan import LanguagePlan, Plan, read_plan
from lateralization.statistics.areas import Areas, within
from lateralization.statistics.asymmetry import SHARED, FitScores, Layers
from lateralization.statistics.specifications import Specification, specify
from lateralization.tables.brain_maps import (
    brain_maps,
    density_table,
    sensitivity_table,
    write_maps,
)
from lateralization.tables.ceiling_tables import Ceilings
from lateralization.tables.claims import (
    ClaimScores,
    claim_region,
    claim_rows,
    claim_run_rows,
    claim_scores,
)
from lateralization.tables.comparison import applies, comparison_rows
from lateralization.tables.control_tables import (
    control_rows,
    specification_rows,
    trajectory_rows,
    twin_rows,
)
from lateralization.tables.fits import Fit, Space, Spaces, iterate_fits
from lateralization.tables.model_tables import groups, ols_rows, regression_rows, regressions
from lateralization.tables.people import pair_tests, subject_rows
from lateralization.tables.planted import planted_rows
from lateralization.tables.region_tables import atlas_pair_rows, atlas_rows, roi_rows
from lateralization.tables.registry.tables import RELIABILITY, TABLES
from lateralization.tables.summaries import (
    FitSummary,
    asymmetry_rows,
    layer_rows,
    score_rows,
    summarise,
)
from lateralization.tables.unique import unique_of

HALF_WITHOUT = "a half of the subjects may be without signal there in some run"


@dataclass(frozen=True)
class Inputs:
    """Files of LATERALIZE."""

    plan: Path
    scores: Sequence[Path]
    runs: Sequence[Path]
    masks: Sequence[Path]
    isc: Sequence[Path]
    rois: Sequence[Path]
    truth: Path | None
    published: Path | None
    atlas: Sequence[Path] = ()
    checks: Sequence[Path] = ()
    ceilings: Sequence[Path] = ()


def frame(name: str, rows: Iterable[Row]) -> pd.DataFrame:
    """Make a table with the columns of the registry, in their order."""
    columns: dict[str, list[Any]] = {column: [] for column in TABLES[name].names}
    for row in rows:
        for column, values in columns.items():
            values.append(row.get(column, np.nan))
    return pd.DataFrame(columns)


def failure_rows(plan: Plan, summaries: list[FitSummary]) -> list[Row]:
    """List the fits of the plan that have no scores."""
    done = {one.fit.key for one in summaries}
    cause = "a task of this fit failed"
    without = {
        entry.name: f"{entry.source} reads in both directions and has none, or {cause}"
        for entry in plan.baselines
        if entry.kind == SURPRISAL
    }
    see = "(see pipeline_info/trace)"
    return [
        {
            "language": fit.language,
            "subject": fit.subject,
            "model": fit.model,
            "reason": f"no scores came back: {without.get(fit.model, cause)} {see}",
        }
        for fit in plan.fits
        if (fit.language, fit.subject, fit.model) not in done
    ]


def absent_rows(languages: Sequence[LanguagePlan], checks: Sequence[Row]) -> list[Row]:
    """List the subjects of a group that did not reach it; CHECKS sees all that did."""
    present = {(str(row["language"]), str(row["subject"])) for row in checks}
    checked = {language for language, _ in present}
    reason = "no cleaned runs came back: in no mean over subjects and not in the reliability"
    return [
        {"language": entry.language, "subject": one.subject, "model": "",
         "reason": f"{reason} (see pipeline_info/trace)"}
        for entry in languages
        for one in entry.subjects
        if one.group and entry.language in checked
        and (entry.language, one.subject) not in present
    ]  # fmt: skip


def without_reliability_rows(
    languages: Sequence[LanguagePlan], spaces: Mapping[tuple[str, str], Space]
) -> list[Row]:
    """List how many voxels of a language have scores and no reliability."""
    given = {entry.language for entry in languages if entry.isc is not None}
    rows = []
    for (language, subject), space in spaces.items():
        if space.brain.isc is None:
            continue
        used = np.logical_or(*space.brain.halves[SHARED])
        if absent := int((used & ~np.isfinite(space.brain.isc)).sum()):
            why = "no value in the given file" if language in given else HALF_WITHOUT
            rows.append(
                {
                    "language": language, "subject": subject, "model": RELIABILITY,
                    "n_voxels": space.brain.n_voxels, "n_left_out": absent,
                    "share": absent / space.brain.n_voxels, "reason": why,
                }
            )  # fmt: skip
    return rows


def left_out_rows(summaries: list[FitSummary]) -> list[Row]:
    """List voxels left out; one row per subject where all its models agree."""
    rows = []
    for (language, subject), members in groups(summaries).items():
        counts = {one.n_left_out for one in members}
        told = members[:1] if len(counts) == 1 else members
        for one in told:
            if one.n_left_out:
                reason = one.fit.record["left_out"]["reason"]
                rows.append(
                    {
                        "language": language,
                        "subject": subject,
                        "model": "all" if len(counts) == 1 else one.fit.model,
                        "n_voxels": one.best.size,
                        "n_left_out": one.n_left_out,
                        "share": one.n_left_out / one.best.size,
                        "reason": reason or "constant or not finite in some run",
                    }
                )
    return rows


def found_in(record: dict[str, Any], key: str) -> Any:
    """Look a key up in a record or in its parts."""
    if record.get(key) is not None:
        return record[key]
    parts = [part for part in record.values() if isinstance(part, dict)]
    return next((part[key] for part in parts if part.get(key) is not None), None)


def model_rows(summaries: list[FitSummary]) -> list[Row]:
    """List each model of a language once, with what its extraction recorded."""
    rows: dict[tuple[str, str], Row] = {}
    for one in summaries:
        keys = ("source", "precision", "mapping", "alignment_rate", "n_words")
        told = {key: found_in(one.fit.record, key) for key in keys}
        told["revision"] = found_in(one.fit.record, "resolved_revision")
        told["asked_revision"] = found_in(one.fit.record, "revision")
        row = {"language": one.fit.language, "model": one.fit.model} | told | one.fit.traits
        rows.setdefault((one.fit.language, one.fit.model), row)
    return list(rows.values())


def _published(
    plan: Plan,
    tables: dict[str, pd.DataFrame],
    spaces: dict[tuple[str, str], Space],
    path: Path | None,
) -> tuple[list[Row], str]:
    if path is None:
        return [], "no published values were given"
    published = read_json(path)
    reason = applies(plan, spaces, published)
    if reason:
        return [], f"no comparison: {reason}"
    rows = list(comparison_rows(tables, spaces, published))
    return rows, "" if rows else "this run has no counterpart of a published value"


def check_rows(paths: Sequence[Path]) -> list[Row]:
    """Give the rows of the tables that CHECKS made."""
    read = [read_table(path, TABLES["checks"].text) for path in paths]
    return [
        {str(name): value for name, value in row.items()}
        for table in read
        for row in table.to_dict("records")
    ]


def data_rows(plan: Plan) -> list[Row]:
    """List the files of the data set: who heard what, and whether it is used."""
    # an empty text, since a column of whole numbers with a missing one would be of floats: 69.0
    return [
        {name: "" if value is None else value for name, value in row.items()}
        | {"used": "yes" if row["used"] else "no"}
        for row in plan.data_runs
    ]


def predictor_rows(summaries: list[FitSummary]) -> list[Row]:
    """List the numeric columns of the model sheet, each model once."""
    rows: dict[tuple[str, str, str], Row] = {}
    for one in summaries:
        for name, value in one.fit.predictors.items():
            key = (one.fit.language, one.fit.model, name)
            row = dict(zip(("language", "model", "predictor"), key, strict=True))
            rows.setdefault(key, row | {"value": value})
    return list(rows.values())


def in_order(fit: Fit) -> tuple[Any, ...]:
    """Sort key: language, average first, models before baselines, by size and name."""
    kinds = (MODEL, CHECKPOINT, UNTRAINED, FEATURES, BASELINE)
    size = float(np.nan_to_num(fit.n_parameters, nan=0))
    return (
        fit.language, fit.subject != AVERAGE, fit.subject, kinds.index(fit.kind), size, fit.model,
    )  # fmt: skip


@dataclass(frozen=True)
class Built:
    """All that LATERALIZE made: tables, why some are empty, and what they were made from."""

    tables: dict[str, pd.DataFrame]
    reasons: dict[str, str]
    summaries: list[FitSummary]
    spaces: dict[tuple[str, str], Space]
    areas: dict[tuple[str, str], Areas]
    pair_maps: dict[str, dict[str, Single]]


@dataclass(frozen=True)
class Read:
    """What is kept of the fits.

    Attributes
    ----------
    spaces
        The spaces that they live in.
    readings
        Trained models read under every specification.
    unique, ceilings
        Rows of the tables of these names.
    claims
        Scores of the trained models under the claim.
    """

    summaries: list[FitSummary]
    spaces: dict[tuple[str, str], Space]
    readings: dict[tuple[str, str, str], dict[Specification, float]]
    unique: list[Row]
    ceilings: list[Row]
    claims: list[ClaimScores]


def summarise_all(inputs: Inputs, plan: Plan) -> Read:
    """Reduce every fit to its summary, one fit in memory at a time, in a fixed order.

    Raises
    ------
    BadInput
        No scores at all, or files that do not belong together.
    """
    reader = Spaces(inputs.masks, inputs.isc, inputs.rois)
    tops = Ceilings(inputs.ceilings, reader)
    read = Read([], {}, {}, [], [], [])
    for fit, r in iterate_fits(inputs.scores, inputs.runs, plan):
        if fit.key[:2] not in read.spaces:
            whole = reader.get(fit.language, fit.subject)
            read.spaces[fit.key[:2]] = whole.without(fit.left_out)
        scores = FitScores(r)
        _reduce(fit, r, scores, tops, read)
        if fit.kind == MODEL:
            space, group = read.spaces[fit.key[:2]], reader.group(fit.language)
            region = claim_region(plan.claim, space, group)
            read.claims.append(claim_scores(fit, scores, plan.claim, region))
    if not read.summaries:
        raise BadInput("no fit has scores; see why ENCODE and GATHER made none")
    read.summaries.sort(key=lambda one: in_order(one.fit))
    read.claims.sort(key=lambda one: in_order(one.fit))
    return read


def _reduce(fit: Fit, r: Layers, scores: FitScores, tops: Ceilings, read: Read) -> None:
    """Add what is kept of one fit; its scores are let go before the next fit is loaded."""
    space = read.spaces[fit.key[:2]]
    rows, shares = tops.shares(fit, scores, space)
    read.ceilings.extend(rows)
    read.summaries.append(replace(summarise(fit, scores, space.brain), shares=shares))
    read.unique.extend(unique_of(fit, r, space.brain))
    if fit.kind == MODEL and fit.n_parameters > 0:
        read.readings[fit.key] = specify(
            scores, space.brain, fit.layers, fit.n_layers, fit.stories[0]
        )


def place_areas(
    atlas: Atlas | None, spaces: dict[tuple[str, str], Space]
) -> dict[tuple[str, str], Areas]:
    """Bring the areas that are compared to every mask; none where there are none."""
    if atlas is None or not atlas.partners:
        return {}
    return {
        key: Areas(within(atlas.areas(space.mask, space.affine).sides, space.brain.used))
        for key, space in spaces.items()
    }


def build(inputs: Inputs) -> Built:
    """Make all tables.

    Raises
    ------
    BadInput
        No scores at all, files that do not belong together, or a plan that cannot be read.
    """
    plan = read_plan(inputs.plan)
    read = summarise_all(inputs, plan)
    summaries, spaces = read.summaries, read.spaces
    atlas, no_atlas = read_atlas(inputs.atlas)
    areas = place_areas(atlas, spaces)
    checks = check_rows(inputs.checks)
    found = {key: regressions(members) for key, members in groups(summaries).items()}
    roi = list(roi_rows(summaries, spaces, found))
    pairs, pair_maps = pair_tests(summaries, spaces)
    truth = read_json(inputs.truth) if inputs.truth else None
    rows: dict[str, Iterable[Row]] = {
        "scores": (row for one in summaries for row in score_rows(one)),
        "asymmetry": (
            row for one in summaries for row in asymmetry_rows(one, spaces[one.fit.key[:2]].brain)
        ),
        "layers": (row for one in summaries for row in layer_rows(one)),
        "regressions": regression_rows(summaries, found),
        "ols": ols_rows(summaries),
        "models": model_rows(summaries),
        "predictors": predictor_rows(summaries),
        "failures": absent_rows(plan.languages, checks) + failure_rows(plan, summaries),
        "left_out": left_out_rows(summaries) + without_reliability_rows(plan.languages, spaces),
        "densities": density_table(summaries, spaces),
        "sensitivity": sensitivity_table(summaries, spaces),
        **atlas_rows(summaries, spaces, areas),
        "atlas_pairs": atlas_pair_rows(atlas.pairs if atlas else ()),
        **control_rows(summaries),
        "trajectories": trajectory_rows(summaries),
        **specification_rows(summaries, read.readings),
        "claim": claim_rows(plan.claim, plan, read.claims),
        "claim_runs": claim_run_rows(plan.claim, read.claims),
        "unique": read.unique,
        "ceilings": read.ceilings,
        "checks": checks,
        **twin_rows(summaries),
        "roi": roi,
        "subjects": subject_rows(summaries, found, {row["roi"] for row in roi}),
        "voxel_pairs": pairs,
        "planted": planted_rows(summaries, truth) if truth else [],
        "runs": data_rows(plan),
    }
    tables = {name: frame(name, content) for name, content in rows.items()}
    compared, why_not = _published(plan, tables, spaces, inputs.published)
    tables["published"] = frame("published", compared)
    reasons = {"published": why_not}
    reasons |= dict.fromkeys(("parcels", "areas", "area_relations", "atlas_pairs"), no_atlas)
    return Built(tables, reasons, summaries, spaces, areas, pair_maps)


def write_tables(tables: dict[str, pd.DataFrame], reasons: dict[str, str], out: Path) -> None:
    """Write every table with its data dictionary; ``reasons``: why some are empty in this run."""
    for name, table in TABLES.items():
        write_table(tables[name], out / f"{name}.tsv")
        described = table.dictionary(len(tables[name]), reasons.get(name, ""))
        write_json(described, out / f"{name}.json")


def lateralize(inputs: Inputs, out: Path, folder: Path | None = None) -> str:
    """Write every table with its data dictionary, and the maps of the brain figures.

    Parameters
    ----------
    out, folder
        Of the tables, and of the maps as NIfTI; None: these are not wanted.

    Returns
    -------
    One line that says what was written.
    """
    built = build(inputs)
    write_tables(built.tables, built.reasons, out)
    maps, metadata = brain_maps(built.summaries, built.spaces, built.areas, built.pair_maps)
    drawn = {name: np.nan_to_num(values, nan=0.0) for name, values in maps.items()}
    save_tensors(out / "maps.safetensors", drawn, metadata)
    if folder is not None:
        write_maps(maps, metadata, built.spaces, folder)
    failed = built.tables["failures"]
    for row in failed.itertuples():
        say(f"failed: {row.language} {row.subject} {row.model}".rstrip())
    return f"{len(TABLES)} tables of {len(built.summaries)} fits, {len(failed)} failed"
