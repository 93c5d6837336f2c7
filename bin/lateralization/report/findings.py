"""The report's sentences about results: each is made from the tables, for or against."""

import math
from collections.abc import Sequence
from typing import Any

import numpy as np
import pandas as pd

from lateralization import wording
from lateralization.baselines import oasm
from lateralization.names import AVERAGE, BASELINE, LN_N, MODEL, UNTRAINED
from lateralization.problems import listed
from lateralization.report.controls import (
    about_size_given_score,
    clear,
    side_of_zero,
    units_of_runs,
    who,
)
from lateralization.report.not_tested import about_leakage
from lateralization.report.sentences import BAD, GOOD, NOTE, Remark, state
from lateralization.report.units import about_cerebellum, about_units
from lateralization.run_plan import Plan
from lateralization.statistics.asymmetry import RELIABLE
from lateralization.statistics.intervals import MIN_SUBJECTS
from lateralization.statistics.permutation import SMALL
from lateralization.tables.read import WORDS, models_of, of, runs_counted, selection_of
from lateralization.tables.registry.tables import PUBLISHED, RELIABILITY, Tables

PER_TENFOLD = float(np.log(10))
"""A slope per unit of ln N times this is the change per tenfold size."""

NAMED = 8
"""Of what failed or disagrees, as many are named in a sentence; the tables have all."""


PREDICTED = {LN_N: ("Larger models", "with model size", "per tenfold size", PER_TENFOLD)}
"""Predictor of the claim → the models that have more of it, along it, its unit, its scale."""


def _slope_row(
    tables: Tables, language: str, subject: str, outcome: str, **where: str
) -> pd.Series | None:
    wanted = {"predictor": LN_N, "subset": "all", **PUBLISHED, **where}
    rows = of(tables["regressions"], language=language, subject=subject, outcome=outcome, **wanted)
    return rows.iloc[0] if len(rows) == 1 and np.isfinite(rows.iloc[0]["slope"]) else None


def _claim_sides(row: pd.Series) -> tuple[int, int, int]:
    """Return on which side of 0 the intervals of the difference, the left and the right lie."""
    whole, left, right = (
        side_of_zero(float(row[f"{name}slope_low"]), float(row[f"{name}slope_high"]))
        for name in ("", "left_", "right_")
    )
    return whole, left, right


def _claim_sentence(row: pd.Series) -> str:
    """Choose the sentence of a claim that has an interval, by the signs of both sides."""
    whole, left, right = _claim_sides(row)
    if whole == 0:
        return "no_change"
    gaining, losing = (left, right) if whole > 0 else (right, left)
    gains, loses = ("left", "right") if whole > 0 else ("right", "left")
    if gaining > 0:
        return f"{gains}_gains"
    if losing < 0:
        return f"{loses}_loses"
    return "difference_rises" if whole > 0 else "difference_falls"


def _claim_place(row: pd.Series, name: str) -> str:
    """Say where the claim is made: language, voxels, and of whom."""
    n, subject = int(row["n_subjects"]), str(row["subjects"])
    whose = (
        "this average brain" if subject == AVERAGE
        else f"{subject} alone" if subject != "people" else f"{n} people"
    )  # fmt: skip
    region = WORDS.get(str(row["region"]), str(row["region"]))
    return f"in {name}, {region} of {whose}"


def _leaning(row: pd.Series) -> str:
    """Say to which side the models lean, which the slope does not."""
    if not (np.isfinite(row["n_left"]) and row["n_models"] > 1):
        return ""
    return (
        f" {int(row['n_left'])} of {wording.plural(int(row['n_models']), 'model')} score higher on "
        f"the left, {int(row['n_right'])} on the right."
    )


def _largest(tables: Tables, row: pd.Series) -> str:
    """Say what the largest model does in one brain, where its slope says nothing."""
    rows = of(
        tables["asymmetry"], language=row["language"], subject=row["subjects"], kind="model",
        selection=row["region"], layer=row["layer"], midline=row["midline"],
    )  # fmt: skip
    rows = rows[np.isfinite(rows["left_minus_right"])]
    if rows.empty:
        return ""
    one = rows.sort_values(["n_parameters", "model"]).iloc[-1]
    low, high = float(one["ci_low"]), float(one["ci_high"])
    digits = wording.digits_within(low, high)
    return (
        f" Left minus right of {one['model']} is "
        f"{wording.signed(float(one['left_minus_right']), digits)} in units of r, "
        f"{wording.interval(low, high, digits)} over "
        f"{units_of_runs(tables, str(row['language']), 'runs')} alone."
    )


def _families(row: pd.Series) -> str:
    """Say how families count in the interval."""
    n = int(row["n_families"])
    return f" of {wording.plural(n, 'family')}" if n > 1 else " of one family"


def _counted(tables: Tables, row: pd.Series) -> str:
    """Say over what the interval of the claim is."""
    models = wording.plural(int(row["n_models"]), "model") + _families(row)
    runs = runs_counted(tables, str(row["language"]), int(row["n_runs"]))
    n = int(row["n_subjects"])
    return f"over {models}, {runs}{f', {n} people' if n > 1 else ''} together"


def claim_row(tables: Tables, language: str) -> pd.Series | None:
    """Return the claim of a language; None where no trained model was fitted."""
    rows = of(tables["claim"], language=language)
    return rows.iloc[0] if len(rows) == 1 else None


def headline(tables: Tables, language: str, name: str) -> Remark:
    """Give the one sentence that the report begins with; ``name`` is that of the language."""
    row = claim_row(tables, language)
    if row is None:
        return state("nothing_to_claim", place=f"in {name}")
    if not row["n_models"] > 0:
        return state("nobody_to_claim", place=f"in {name}", reason=row["reason"])
    predictor = str(row["predictor"])
    other = (f"Models of higher {predictor}", f"with {predictor}", f"per unit of {predictor}", 1.0)
    models, along, unit, scale = PREDICTED.get(predictor, other)
    place = _claim_place(row, name)
    low, high = float(row["slope_low"]) * scale, float(row["slope_high"]) * scale
    if not (np.isfinite([low, high]).all() and low < high):
        lead = _leaning(row) + _largest(tables, row)
        return state("claim_undecided", along=along, place=place, reason=row["reason"], lead=lead)
    digits = wording.digits_within(low, high)
    change = wording.signed(float(row["slope"]) * scale, digits)
    numbers = (
        f"{place}, left minus right changes by {change} in units of r {unit}, "
        f"{wording.interval(low, high, digits)} {_counted(tables, row)}.{_leaning(row)}"
    )
    if row["family_rule"] == "within":
        families = wording.plural(int(row["n_families"]), "family")
        models = f"Within these {families}, {models[0].lower() + models[1:]}"
        along = f"{along} within these {families}"
    return state(_claim_sentence(row), models=models, along=along, numbers=numbers)


def about_claim(tables: Tables, language: str) -> list[Remark]:
    """Say what the interval of the claim is made of, and where its voxels are not those asked."""
    row = claim_row(tables, language)
    if row is None:
        return []
    found = []
    if row["region"] and row["region"] != row["asked_region"]:
        asked, used = (
            WORDS.get(str(row[key]), str(row[key])) for key in ("asked_region", "region")
        )
        known = (of(tables["scores"], language=language)["region"] == RELIABLE).any()
        name = "other_region" if known or row["asked_region"] != RELIABLE else "no_reliability"
        found.append(state(name, asked=asked, used=used))
    shares = {name: float(row[f"share_{name}"]) for name in ("models", "runs", "people")}
    if np.isfinite([row["slope_low"], row["slope_high"]]).all():
        models, runs, people = (
            wording.percent(share, 0) if np.isfinite(share) else "" for share in shares.values()
        )
        units = units_of_runs(tables, language, "runs")
        found.append(
            state("shares", models=models, runs=f"{',' if people else ' and'} {runs} over {units}",
                people=f" and {people} over people" if people else "")
        )  # fmt: skip
    return found


def about_published_rule(tables: Tables, language: str, subject: str) -> Remark | None:
    """Say what the published rule gives, beside the claim."""
    selection = selection_of(tables, language, subject)
    row = _slope_row(tables, language, subject, f"l_minus_r_{selection}")
    claim = claim_row(tables, language)
    if row is None or claim is None:
        return None
    low, high = (PER_TENFOLD * float(row[key]) for key in ("slope_low", "slope_high"))
    digits = wording.digits_within(low, high)
    numbers = (
        f"By the study’s rule (best layer of each voxel on the same runs, hemispheres that share "
        f"the midline; {WORDS[selection]} of {who(subject)}) left minus right changes by "
        f"{wording.signed(PER_TENFOLD * float(row['slope']), digits)} in units of r per tenfold "
        f"size, {wording.interval(low, high, digits)} over "
        f"{wording.plural(int(row['n_models']), 'model')} alone (correlation with ln N "
        f"{wording.number(float(row['r']), 2)}, {wording.p_value(float(row['p']))})"
    )
    published, claimed = side_of_zero(low, high), _claim_sides(claim)[0]
    comparable = claim["predictor"] == LN_N and claim["subjects"] == subject
    comparable &= bool(np.isfinite([claim["slope_low"], claim["slope_high"]]).all())
    differs = comparable and published not in (0, claimed)
    return state("published_rule_differs" if differs else "published_rule", numbers=numbers)


def _lean_numbers(row: pd.Series, whose: str, runs: str) -> str:
    """Write who leans how far, by how much, and how both were chosen."""
    low, high = float(row["ci_low"]), float(row["ci_high"])
    digits = wording.digits_within(low, high)
    control, model, lead = (
        wording.signed(float(row[name]), digits)
        for name in ("control_l_minus_r", "model_l_minus_r", "lead")
    )
    return (
        f"{row['control']}, of {wording.plural(int(row['n_controls']), 'control')} the one that "
        f"leans most, has a left minus right of {control}, and {row['model']}, of "
        f"{wording.plural(int(row['n_models']), 'model')} the one that does, {model}. In size "
        f"they differ by {lead}, {wording.interval(low, high, digits)} over "
        f"{runs} of {whose} alone; both were chosen because they lean most."
    )


def about_baselines(tables: Tables, language: str, subject: str) -> Remark | None:
    """Say whether a baseline or an untrained model leans farther than any trained model."""
    place = {
        "language": language, "subject": subject,
        "selection": selection_of(tables, language, subject), **PUBLISHED,
    }  # fmt: skip
    if not (of(tables["asymmetry"], **place)["kind"] == MODEL).any():
        return None
    found = of(tables["leans"], **place)
    if found.empty:
        rows = of(tables["asymmetry"], **place)
        controls = rows["kind"].isin([BASELINE, UNTRAINED]) & (rows["model"] != oasm.KIND)
        return None if controls.any() else state("no_control")
    row = found.iloc[0]
    name = {1: "control_leans_more", -1: "model_leans_more"}.get(clear(row), "leans_undecided")
    runs = runs_counted(tables, language, int(row["n_runs"]), "test run")
    return state(name, numbers=_lean_numbers(row, who(subject), runs))


def about_ceiling(tables: Tables, language: str, subject: str) -> Remark | None:
    """Say how many models lean left in units of the reliability."""
    rows = models_of(tables, language, subject, "reliable_iscnorm")
    rows = rows[np.isfinite(rows["left_minus_right"])]
    plain = models_of(tables, language, subject, "reliable")
    if rows.empty:
        return None
    left, before = (int((one["left_minus_right"] > 0).sum()) for one in (rows, plain))
    models = wording.plural(len(rows), "model")
    return state("leaning_in_reliability", left=left, models=models, before=before)


def about_people(tables: Tables, language: str) -> Remark:
    """Say what may be inferred about people."""
    rows = of(tables["asymmetry"], language=language)
    n = int(rows.loc[rows["subject"] != AVERAGE, "subject"].nunique())
    if n == 0:
        return state("no_people")
    people = wording.plural(n, "individual")
    if n < MIN_SUBJECTS:
        return state("few_people", people=people, needed=MIN_SUBJECTS)
    found = of(
        tables["subjects"], language=language, quantity="slope_l_minus_r_whole", **PUBLISHED,
    )  # fmt: skip
    if found.empty or not np.isfinite(found.iloc[0]["ci_low"]):
        return state("people_without_slope", people=people)
    mean, low, high = (PER_TENFOLD * float(found.iloc[0][k]) for k in ("mean", "ci_low", "ci_high"))
    digits = wording.digits_within(low, high)
    small = ""
    if n <= SMALL:  # a t test of few skewed people rejects too often
        flips = float(found.iloc[0]["p_sign_flip"])
        small = f" By sign flips, which few people need beside it, {wording.p_value(flips)}"
        small += "; with five or fewer none can reach 5 %." if n <= 5 else "."
    return state(
        "slope_over_people", people=people, change=wording.signed(mean, digits),
        interval=wording.interval(low, high, digits), small=small,
    )  # fmt: skip


def _planted_remark(rows: pd.DataFrame, place: str) -> Remark:
    row = rows.iloc[0]
    if row["recovered"] == "":
        return state("planted_undecided", models=wording.plural(len(rows), "model"), place=place)
    yes = row["recovered"] == "yes"
    rank = f"rank correlation {wording.number(float(row['spearman']), 2)}"
    if np.ptp(rows["planted_left_minus_right"].to_numpy()) > 0:
        name = "planted_recovered" if yes else "planted_missed"
    else:
        name = "false_alarm" if yes else "no_alarm"
    return state(name, rank=rank, place=f"{place}, world “{row['world']}”")


def about_planted(tables: Tables) -> list[Remark]:
    """Say, for simulated data, whether what was planted came back; individuals are counted."""
    remarks = []
    for language, mine in tables["planted"].groupby("language"):
        average = mine[mine["subject"] == AVERAGE]
        if len(average):
            remarks.append(_planted_remark(average, f"{language}, the average subject"))
        people = mine[mine["subject"] != AVERAGE].drop_duplicates("subject")
        people = people[people["recovered"].isin(["yes", "no"])]
        if len(people):
            n = int((people["recovered"] == "yes").sum())
            of_all = wording.plural(len(people), "individual")
            remarks.append(state("planted_in_people", n=n, people=of_all, language=language))
    return remarks


def about_published(tables: Tables, why_not: str) -> Remark:
    """Say how many published values agree."""
    rows = tables["published"]
    if rows.empty:
        return state("published_none", why_not=why_not or "none to compare with")
    names = rows.loc[rows["agrees"] != "yes", "quantity"]
    if names.empty:
        return state("published_agree", n=len(rows))
    more = f" and {len(names) - NAMED} more" if len(names) > NAMED else ""
    return state("published_disagree", agree=len(rows) - len(names), n=len(rows),
               names="; ".join(names.head(NAMED)) + more)  # fmt: skip


def not_averaged(plan: Plan, tables: Tables) -> dict[str, list[str]]:
    """Return the subjects that the group lacks: they failed, or were outliers and left out."""
    failed, checks = tables["failures"], tables["checks"]
    lacking = failed[failed["model"] == ""]
    if plan.parameters["exclude_outliers"] == "yes":
        lacking = pd.concat([lacking, checks[checks["outlier"] == "yes"]])
    languages = lacking.groupby("language")["subject"]
    return {str(language): sorted(set(rows)) for language, rows in languages}


def about_losses(tables: Tables) -> list[Remark]:
    """Say what failed and which voxels were left out."""
    remarks = []
    failed, lost = tables["failures"], tables["left_out"]
    fitted = failed["model"] != ""
    for code, rows in failed[~fitted].groupby("language"):
        names = listed(rows["subject"], NAMED)
        remarks.append(state("group_lacks", language=code, names=names))
    failed = failed[fitted]
    if len(failed):
        names = ", ".join(
            f"{row['model']} ({row['subject']}, {row['language']})"
            for _, row in failed.head(NAMED).iterrows()
        )
        more = f" and {len(failed) - NAMED} more" if len(failed) > NAMED else ""
        are = "is" if len(failed) == 1 else "are"
        fits = wording.plural(len(failed), "fit")
        remarks.append(state("fits_failed", fits=fits, are=are, names=names + more))
    for _, row in lost[lost["model"] == RELIABILITY].iterrows():
        remarks.append(
            state(
                "without_reliability", voxels=wording.plural(int(row["n_left_out"]), "voxel"),
                n_voxels=f"{int(row['n_voxels']):,}", language=row["language"],
                have="has" if row["n_left_out"] == 1 else "have", reason=row["reason"],
            )
        )  # fmt: skip
    lost = lost[lost["model"] != RELIABILITY]
    for (language, reason), rows in lost.groupby(["language", "reason"]):
        most = rows.sort_values("n_left_out").iloc[-1]
        subjects = sorted(set(rows["subject"]), key=lambda name: (name != AVERAGE, name))
        names = ", ".join(who(name) for name in subjects[:4])
        more = f" and {len(subjects) - 4} more" if len(subjects) > 4 else ""
        remarks.append(
            state(
                "left_out", at_most="At most " if len(rows) > 1 else "", names=names + more,
                voxels=wording.plural(int(most["n_left_out"]), "voxel"), language=language,
                n_voxels=f"{int(most['n_voxels']):,}", reason=reason,
            )
        )  # fmt: skip
    return remarks


def about_alignment(tables: Tables) -> list[Remark]:
    """Say how many words were found, and name models below 99 %."""
    rows = tables["models"]
    rows = rows[pd.to_numeric(rows["alignment_rate"], errors="coerce").notna()]
    if rows.empty:
        return []
    rates = rows["alignment_rate"].astype(float)
    poor = sorted(set(rows.loc[rates < 0.99, "model"]))
    if poor:
        return [state("few_words_found", names=", ".join(poor[:8]))]
    lowest = math.floor(10_000 * rates.min()) / 100  # rounded up, one lost word would be no loss
    share = "All" if lowest == 100 else f"At least {lowest:.2f} % of the"
    return [state("words_found", share=share)]


def trust(tables: Tables, place: tuple[str, str]) -> list[dict[str, Any]]:
    """Collect the remarks on one subject's result."""
    candidates = [
        *about_claim(tables, place[0]),
        *about_units(tables, *place),
        about_cerebellum(tables, *place),
        about_published_rule(tables, *place),
        about_baselines(tables, *place),
        about_size_given_score(tables, *place),
        about_ceiling(tables, *place),
        about_people(tables, place[0]),
        about_leakage(tables, *place),
    ]
    return [remark.plain() for remark in worst_first(candidates)]


def worst_first(remarks: Sequence[Remark | None]) -> list[Remark]:
    """Put what speaks against a result before what speaks for it."""
    tones = (BAD, NOTE, GOOD)
    told = [remark for remark in remarks if remark is not None]
    return sorted(told, key=lambda remark: tones.index(remark.tone))
