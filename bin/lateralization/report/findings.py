"""The report's sentences about results: each is made from the tables, for or against."""

import math
from collections.abc import Sequence
from typing import Any

import numpy as np
import pandas as pd

from lateralization import wording
from lateralization.names import BASELINE, LN_N, MODEL, UNTRAINED
from lateralization.problems import listed
from lateralization.report.controls import about_size_given_score, clear, who
from lateralization.report.sentences import BAD, GOOD, NOTE, Remark, say
from lateralization.run_plan import Plan
from lateralization.statistics.intervals import MIN_SUBJECTS
from lateralization.tables.read import WORDS, models_of, of, selection_of
from lateralization.tables.registry.tables import PUBLISHED, RELIABILITY, Tables

PER_TENFOLD = float(np.log(10))
"""A slope per unit of ln N times this is the change per tenfold size."""

NAMED = 8
"""Of what failed or disagrees, as many are named in a sentence; the tables have all."""


def _slope_row(
    tables: Tables, language: str, subject: str, outcome: str, **where: str
) -> pd.Series | None:
    wanted = {
        "predictor": LN_N, "subset": "all", **PUBLISHED, **where,
    }  # fmt: skip
    rows = of(tables["regressions"], language=language, subject=subject, outcome=outcome, **wanted)
    return rows.iloc[0] if len(rows) == 1 and np.isfinite(rows.iloc[0]["slope"]) else None


def answer_over_models(row: pd.Series, place: str) -> Remark:
    """Say what size does to left minus right, with its interval and number of models."""
    change, low, high = (PER_TENFOLD * float(row[k]) for k in ("slope", "slope_low", "slope_high"))
    if low > 0:
        tone, claim = GOOD, "Larger models predict the left hemisphere increasingly better"
    elif high < 0:
        tone, claim = BAD, "Larger models predict the right hemisphere increasingly better"
    else:
        tone, claim = NOTE, "A change of lateralization with model size is not shown"
    return Remark(
        tone,
        f"{claim}: {place}, left minus right changes by {wording.signed(change)} (r) per tenfold "
        f"size, {wording.interval(low, high)} over {wording.plural(int(row['n_models']), 'model')} "
        f"(r = {wording.number(float(row['r']), 2)}, {wording.p_value(float(row['p']))}).",
    )


def answer_one_model(row: pd.Series, place: str, few: int) -> Remark:
    """Say where one model leans, when there are too few for a slope."""
    low, high, value = (float(row[k]) for k in ("ci_low", "ci_high", "left_minus_right"))
    if low > 0:
        claim = f"{row['model']} predicts the left hemisphere better"
    elif high < 0:
        claim = f"{row['model']} predicts the right hemisphere better"
    elif not np.isfinite([low, high]).all():
        claim = f"Whether {row['model']} leans to a side cannot be said"
    else:
        claim = f"{row['model']} leans to neither side beyond doubt"
    return Remark(
        NOTE,
        f"{claim}: {place}, left minus right is {wording.signed(value)} (r), "
        f"{wording.interval(low, high)} ({row['ci_kind'] or 'no units'}). With "
        f"{wording.plural(few, 'model')} of known size nothing is said about size; 3 are needed.",
    )


def headline(tables: Tables, language: str, subject: str, name: str) -> Remark:
    """Give the one sentence that the report begins with; ``name`` is that of the language."""
    selection = selection_of(tables, language, subject)
    place = f"in {name}, {WORDS[selection]} of {who(subject)}"
    row = _slope_row(tables, language, subject, f"l_minus_r_{selection}")
    if row is not None:
        return answer_over_models(row, place)
    rows = of(
        tables["asymmetry"], language=language, subject=subject, selection=selection,
        **PUBLISHED,
    )  # fmt: skip
    models = rows[rows["kind"] == "model"]
    shown = (models if len(models) else rows).sort_values(["left", "right"]).iloc[-1]
    return answer_one_model(shown, place, len(models_of(tables, language, subject, selection)))


def about_choices(tables: Tables, language: str, subject: str) -> Remark | None:
    """Say whether the slope keeps its sign under strict hemispheres and honest layer choice."""
    outcome = f"l_minus_r_{selection_of(tables, language, subject)}"
    published = _slope_row(tables, language, subject, outcome)
    honest = _slope_row(tables, language, subject, outcome, layer="best_cv", midline="strict")
    if published is None or honest is None:
        return None
    first, second = PER_TENFOLD * published["slope"], PER_TENFOLD * honest["slope"]
    clear = np.sign(honest["slope_low"]) == np.sign(honest["slope_high"]) == np.sign(first)
    claimed = np.sign(published["slope_low"]) == np.sign(published["slope_high"])
    text = (
        f"With layers chosen on other runs than they are scored on, and without the midline, the "
        f"slope is {wording.signed(second)} per tenfold size instead of {wording.signed(first)}"
    )
    if clear:
        return Remark(GOOD, f"{text}; the answer does not hang on these choices.")
    if claimed:
        ending = "its interval no longer supports the published-style number"
        return Remark(BAD, f"{text}; {ending}.")
    return Remark(NOTE, f"{text}; neither interval keeps clear of zero.")


def _lean_numbers(row: pd.Series, whose: str) -> str:
    """Write who leans how far, by how much, and how both were chosen."""
    low, high = float(row["ci_low"]), float(row["ci_high"])
    return (
        f"{row['control']}, of {wording.plural(int(row['n_controls']), 'control')} the one that "
        f"leans most, has a left minus right of {wording.signed(float(row['control_l_minus_r']))}, "
        f"and {row['model']}, of {wording.plural(int(row['n_models']), 'model')} the most "
        f"lateralised, {wording.signed(float(row['model_l_minus_r']))}. In size they differ by "
        f"{wording.signed(float(row['lead']))}, {wording.interval(low, high)} over "
        f"{wording.plural(int(row['n_runs']), 'test run')} of {whose} alone; both were chosen "
        "because they lean most."
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
        controls = of(tables["asymmetry"], **place)["kind"].isin([BASELINE, UNTRAINED])
        return None if controls.any() else say("no_control")
    row = found.iloc[0]
    name = {1: "control_leans_more", -1: "model_leans_more"}.get(clear(row), "leans_undecided")
    return say(name, numbers=_lean_numbers(row, who(subject)))


def about_ceiling(tables: Tables, language: str, subject: str) -> Remark | None:
    """Say how many models stay left-lateralised in units of the reliability."""
    rows = models_of(tables, language, subject, "reliable_iscnorm")
    rows = rows[np.isfinite(rows["left_minus_right"])]
    plain = models_of(tables, language, subject, "reliable")
    if rows.empty:
        return None
    left, before = int((rows["left_minus_right"] > 0).sum()), int(
        (plain["left_minus_right"] > 0).sum()
    )  # fmt: skip
    return Remark(
        NOTE,
        f"Divided by each voxel's reliability, {left} of {wording.plural(len(rows), 'model')} "
        f"lean left; without the division {before} do. Where the two differ, part of the "
        "asymmetry is in the signal, not in the models.",
    )


def about_people(tables: Tables, language: str) -> Remark:
    """Say what may be inferred about people."""
    rows = of(tables["asymmetry"], language=language)
    n = int(rows.loc[rows["subject"] != "average", "subject"].nunique())
    if n == 0:
        return Remark(
            NOTE,
            "Only the average subject was fitted: nothing is inferred about people. Intervals "
            "over test runs and over models say how stable the number is for this group's "
            "average.",
        )
    if n < MIN_SUBJECTS:
        return Remark(NOTE, f"{wording.plural(n, 'individual')} fitted: too few for an interval "
                      f"over people ({MIN_SUBJECTS} are needed).")  # fmt: skip
    found = of(
        tables["subjects"], language=language, quantity="slope_l_minus_r_whole", **PUBLISHED,
    )  # fmt: skip
    if found.empty or not np.isfinite(found.iloc[0]["ci_low"]):
        return Remark(NOTE, f"{n} individuals were fitted; see their means and intervals below.")
    row = found.iloc[0]
    mean, low, high = (PER_TENFOLD * float(row[k]) for k in ("mean", "ci_low", "ci_high"))
    tone = GOOD if low > 0 else NOTE
    small = " With five people or fewer no sign-flip test can reach 5 %." if n <= 5 else ""
    return Remark(
        tone,
        f"Over {n} individuals (whole brain), left minus right changes by {wording.signed(mean)} "
        f"per tenfold size, {wording.interval(low, high)} over people.{small}",
    )


def _planted_remark(rows: pd.DataFrame, place: str) -> Remark | None:
    row = rows.iloc[0]
    if row["recovered"] == "":
        return Remark(
            NOTE,
            "Whether the planted rise is recovered cannot be said: "
            f"{wording.plural(len(rows), 'model')} with scores, 3 are needed ({place}).",
        )
    yes = row["recovered"] == "yes"
    rank = f"rank correlation {wording.number(float(row['spearman']), 2)}"
    place = f"{place}, world “{row['world']}”"
    if np.ptp(rows["planted_left_minus_right"].to_numpy()) > 0:
        text = f"The planted rise of left minus right is {'' if yes else 'not '}recovered"
        return Remark(GOOD if yes else BAD, f"{text} ({rank}; {place}).")
    if yes:
        text = "Nothing was planted, and a rise was found: a false alarm"
    else:
        text = "Nothing was planted, and no rise was found, as it should be"
    return Remark(BAD if yes else GOOD, f"{text} ({rank}; {place}).")


def about_planted(tables: Tables) -> list[Remark]:
    """Say, for simulated data, whether what was planted came back; individuals are counted."""
    remarks = []
    for language, mine in tables["planted"].groupby("language"):
        for _, rows in mine[mine["subject"] == "average"].groupby("subject"):
            remark = _planted_remark(rows, f"{language}, the average subject")
            remarks += [remark] if remark is not None else []
        people = mine[mine["subject"] != "average"].drop_duplicates("subject")
        people = people[people["recovered"].isin(["yes", "no"])]
        if len(people):
            n = int((people["recovered"] == "yes").sum())
            text = f"{n} of {wording.plural(len(people), 'individual')} ({language}) show the rise"
            remarks.append(Remark(NOTE, f"{text} by the same rule, with their noisier data."))
    return remarks


def about_published(tables: Tables, why_not: str) -> Remark:
    """Say how many published values agree."""
    rows = tables["published"]
    if rows.empty:
        return Remark(NOTE, f"Published values: {why_not or 'none to compare with'}.")
    agree = int((rows["agrees"] == "yes").sum())
    text = f"{agree} of {len(rows)} published values agree within their tolerance"
    if agree == len(rows):
        return Remark(GOOD, f"{text}.")
    names = rows.loc[rows["agrees"] != "yes", "quantity"]
    more = f" and {len(names) - NAMED} more" if len(names) > NAMED else ""
    return Remark(BAD, f"{text}; these do not: {'; '.join(names.head(NAMED))}{more}.")


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
        remarks.append(Remark(BAD, f"The average subject and the reliability of {code} are "
                              f"without {names}, whose runs failed on the way."))  # fmt: skip
    failed = failed[fitted]
    if len(failed):
        names = ", ".join(
            f"{row['model']} ({row['subject']}, {row['language']})"
            for _, row in failed.head(NAMED).iterrows()
        )
        more = f" and {len(failed) - NAMED} more" if len(failed) > NAMED else ""
        remarks.append(Remark(BAD, f"{wording.plural(len(failed), 'fit')} failed and "
                              f"{'is' if len(failed) == 1 else 'are'} missing from every "
                              f"number here: {names}{more}."))  # fmt: skip
    for _, row in lost[lost["model"] == RELIABILITY].iterrows():
        voxels = f"{wording.plural(int(row['n_left_out']), 'voxel')} of {int(row['n_voxels']):,}"
        have = "has" if row["n_left_out"] == 1 else "have"
        text = f"{voxels} {have} scores but no reliability ({row['language']}): {row['reason']}."
        remarks.append(Remark(NOTE, text))
    lost = lost[lost["model"] != RELIABILITY]
    for (language, reason), rows in lost.groupby(["language", "reason"]):
        most = rows.sort_values("n_left_out").iloc[-1]
        subjects = sorted(set(rows["subject"]), key=lambda name: (name != "average", name))
        names = ", ".join(who(name) for name in subjects[:4])
        more = f" and {len(subjects) - 4} more" if len(subjects) > 4 else ""
        text = (
            f"{'At most ' if len(rows) > 1 else ''}"
            f"{wording.plural(int(most['n_left_out']), 'voxel')} of {int(most['n_voxels']):,} left "
            f"out ({language}: {names}{more}): {reason}."
        )
        remarks.append(Remark(NOTE, text))
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
        text = f"Fewer than 99 % of the words were found in the text for {', '.join(poor[:8])}"
        return [Remark(BAD, f"{text}: check annotation and text.")]
    lowest = math.floor(10_000 * rates.min()) / 100  # rounded up, one lost word would be no loss
    share = "All" if lowest == 100 else f"At least {lowest:.2f} % of the"
    return [Remark(GOOD, f"{share} annotated words were found in the text.")]


def trust(tables: Tables, place: tuple[str, str]) -> list[dict[str, Any]]:
    """Collect the remarks on one subject's result."""
    candidates = [
        about_choices(tables, *place),
        about_baselines(tables, *place),
        about_size_given_score(tables, *place),
        about_ceiling(tables, *place),
        about_people(tables, place[0]),
    ]
    return [remark.plain() for remark in worst_first(candidates)]


def worst_first(remarks: Sequence[Remark | None]) -> list[Remark]:
    """Put what speaks against a result before what speaks for it."""
    tones = (BAD, NOTE, GOOD)
    told = [remark for remark in remarks if remark is not None]
    return sorted(told, key=lambda remark: tones.index(remark.tone))
