"""The report's sections on the controls: the answer to the question of each, in a sentence."""

from collections.abc import Mapping
from typing import Any

import numpy as np
import pandas as pd

from lateralization import wording
from lateralization.names import ALL_MODELS, AVERAGE, LN_N, MODEL
from lateralization.report.sentences import Remark, state
from lateralization.runs import RUN, STORY
from lateralization.study import MIN_SUBJECTS
from lateralization.tables.read import has_stories, of, runs_counted, selection_of
from lateralization.tables.registry.tables import PUBLISHED, Tables

PER_TENFOLD = float(np.log(10))
"""A coefficient per unit of ln N times this is the change per tenfold size."""

NEARLY_ALL = 0.95
"""Share of the specifications from which on their sign is said to depend on no choice."""


def who(subject: str) -> str:
    """Name a subject in a sentence."""
    return "the average subject" if subject == AVERAGE else subject


def _only(table: pd.DataFrame, **where: Any) -> pd.Series | None:
    """Give the single row that fits; None where there is none."""
    rows = of(table, **where)
    return rows.iloc[0] if len(rows) == 1 else None


def side_of_zero(low: float, high: float) -> int:
    """Return on which side of 0 an interval lies: 1, -1, or 0 where it holds it or is none.

    One of width 0 is none: measures never agree to the last digit.
    """
    if not (np.isfinite(low) and np.isfinite(high) and low < high):
        return 0
    return int(low > 0) - int(high < 0)


def clear(row: Mapping[str, Any] | pd.Series, low: str = "ci_low", high: str = "ci_high") -> int:
    """Return on which side of 0 the interval in a row lies."""
    return side_of_zero(float(row[low]), float(row[high]))


def _has_interval(row: pd.Series, low: str = "ci_low", high: str = "ci_high") -> bool:
    return bool(np.isfinite([row[low], row[high]]).all() and row[low] < row[high])


def _change(row: pd.Series, value: str, low: str, high: str) -> str:
    """Write a coefficient per tenfold size with its interval."""
    change, least, most = (PER_TENFOLD * float(row[name]) for name in (value, low, high))
    digits = wording.digits_within(least, most)
    interval = wording.interval(least, most, digits)
    return f"{wording.signed(change, digits)} per tenfold size, {interval}"


def _over(tables: Tables, language: str, row: pd.Series) -> str:
    """Write over how many models and runs an interval is."""
    models = wording.plural(int(row["n_models"]), "model")
    runs = runs_counted(tables, language, int(row["n_runs"]), "test run")
    return f"over {models} and {runs}"


def units_of_runs(tables: Tables, language: str, numbered: str = "test runs") -> str:
    """Name the units of an interval over runs: ``numbered``, or ``stories`` where they are."""
    return "stories" if has_stories(tables, language) else numbered


def _without_families(rows: pd.DataFrame) -> str:
    """Say between which slopes the effect of size lies without any one family; empty: nothing."""
    rows = rows[np.isfinite(rows["slope"].astype(float))].sort_values("slope", kind="stable")
    if len(rows) < 2:
        return ""
    ends = [
        f"{_change(row, 'slope', 'slope_low', 'slope_high')} without {row['left_out']} "
        f"({wording.plural(int(row['n_models']), 'model')})"
        for _, row in (next(rows.iterrows()), next(rows.iloc[::-1].iterrows()))
    ]
    return state("without_one_family", n=len(rows), least=ends[0], most=ends[1]).text


def about_size_given_score(tables: Tables, language: str, subject: str) -> Remark | None:
    """Say whether size does more to the asymmetry than raise the score."""
    place = {
        "language": language, "subject": subject,
        "selection": selection_of(tables, language, subject), **PUBLISHED,
    }  # fmt: skip
    direct, indirect = (
        _only(tables["mediation"], path=path, **place) for path in ("direct", "indirect")
    )
    if direct is None or indirect is None:
        return None
    families = _without_families(
        of(tables["controls"], analysis="without_one_family", **place)
    )  # fmt: skip
    if not _has_interval(direct):
        reason = str(direct["reason"] or "no interval could be had")
        return state("score_and_size_together", who=who(subject), reason=reason, families=families)
    beside, through = clear(direct), clear(indirect)
    name = "size_beyond_score" if beside else "score_carries" if through else "score_undecided"
    return state(
        name, who=who(subject), over=_over(tables, language, direct), families=families,
        direct=_change(direct, "coefficient", "ci_low", "ci_high"),
        indirect=_change(indirect, "coefficient", "ci_low", "ci_high"),
    )  # fmt: skip


def _of_largest(rows: pd.DataFrame) -> tuple[str, pd.Series, pd.Series] | None:
    """Return the largest model, its row of both sides and that of left minus right; None: none."""
    if rows.empty:
        return None
    size = rows["n_parameters"].astype(float).fillna(0).to_numpy()
    model = str(rows["model"].iloc[int(size.argmax())])
    both, sides = (
        _only(rows, model=model, hemisphere=side) for side in ("both", "left_minus_right")
    )
    if both is None or sides is None or not _has_interval(sides):
        return None
    return model, both, sides


SIDES = {1: "left", -1: "right"}


def about_unique(tables: Tables, language: str, subject: str) -> Remark | None:
    """Say what is left of the largest model's asymmetry when the confounds are in."""
    region = selection_of(tables, language, subject)
    rows = of(
        tables["unique"], language=language, subject=subject, region=region,
        midline="strict", kind=MODEL,
    )  # fmt: skip
    found = _of_largest(rows)
    if found is None:
        return None
    model, both, sides = found
    side = clear(sides)
    low, high = float(sides["ci_low"]), float(sides["ci_high"])
    digits = wording.digits_within(low, high)
    beyond = wording.signed(float(sides["unique_r"]), digits)
    interval = wording.interval(low, high, digits)
    return state(
        "beyond_confounds" if side else "not_beyond_confounds", side=SIDES.get(side, ""),
        who=who(subject), model=model, adds=wording.number(float(both["unique_r"])),
        confounds=both["confounds"], alone=wording.number(float(both["confounds_r"])),
        difference=f"{beyond} ({interval}, over {units_of_runs(tables, language)})",
    )  # fmt: skip


def about_data(tables: Tables, language: str, subject: str) -> Remark | None:
    """Say which runs are outliers; once for a language."""
    rows = of(tables["checks"], language=language)
    if rows.empty or subject != AVERAGE:
        return None
    bad = of(rows, outlier="yes")
    people = rows[rows["subject"] != "all"]
    said = [str(text) for text in of(rows, subject="all")["reason"] if text]
    over = (
        f"{wording.plural(len(people), 'run')} of "
        f"{wording.plural(people['subject'].nunique(), 'subject')}"
    )
    if bad.empty and not said:
        few = people["subject"].nunique() < MIN_SUBJECTS
        return state("runs_not_judged" if few else "runs_in_place", over=over, needed=MIN_SUBJECTS)
    kind = STORY if has_stories(tables, language) else RUN
    listed = [f"{row.subject}, {kind} {row.run}, {row.reason}" for row in bad.itertuples()]
    text = "; ".join([*listed[:6], *dict.fromkeys(said)])
    more = f"; and {len(listed) - 6} more" if len(listed) > 6 else ""
    return state("runs_out_of_place", over=over, n=len(bad), which=text + more)


def about_ceilings(tables: Tables, language: str, subject: str) -> Remark | None:
    """Say what is left of the largest model's asymmetry as a share of the ceiling."""
    rows = of(tables["ceilings"], language=language, subject=subject, midline="strict", kind=MODEL)
    found = _of_largest(rows)
    if found is None:
        return None
    model, both, sides = found
    side = clear(sides)
    limits = [wording.percent(float(sides[name])) for name in ("ci_low", "ci_high")]
    return state(
        "share_leans" if side else "share_even", side=SIDES.get(side, ""), who=who(subject),
        model=model, share=wording.percent(float(both["share"]), 0),
        difference=f"{wording.percent(float(sides['share']))} of it (95 % interval {limits[0]} to "
        f"{limits[1]}, over {units_of_runs(tables, language)})",
    )  # fmt: skip


def about_twins(tables: Tables, language: str, subject: str) -> Remark | None:
    """Say whether what training adds to the asymmetry changes with size."""
    place = {
        "language": language, "subject": subject,
        "selection": selection_of(tables, language, subject), **PUBLISHED,
    }  # fmt: skip
    rows = of(tables["twins"], **place)
    if rows.empty:
        return None
    head = {
        "who": who(subject), "gain": wording.signed(float(rows["l_minus_r_gain"].mean())),
        "twins": wording.plural(len(rows), "model"),
    }  # fmt: skip
    added, before = (
        _only(tables["twin_regressions"], outcome=outcome, **place)
        for outcome in ("l_minus_r_gain", "untrained_l_minus_r")
    )
    ends = ("crossed_low", "crossed_high")
    if added is None or before is None or not _has_interval(added, *ends):
        return state("few_twins", **head)
    with_training, without = clear(added, *ends), clear(before, *ends)
    name = "with_training" if with_training else "before_training" if without else "neither_certain"
    slopes = [_change(row, "slope", *ends) for row in (added, before)]
    return state(
        name, **head, added=slopes[0], before=slopes[1], over=_over(tables, language, added)
    )


def about_specifications(tables: Tables, language: str, subject: str) -> Remark | None:
    """Say under how many specifications the asymmetry changes with size, and to which side."""
    rows = of(tables["specifications"], language=language, subject=subject)
    told = of(tables["specification_choices"], language=language, subject=subject)
    if rows.empty or told.empty:
        return None
    share = float((rows["r"] > 0).mean())
    above, below = float((rows["slope_low"] > 0).mean()), float((rows["slope_high"] < 0).mean())
    medians = told.groupby("choice", sort=False)["median_r"]
    widest = str((medians.max() - medians.min()).idxmax())
    options = of(told, choice=widest).sort_values("median_r", kind="stable").iloc[[0, -1]]
    ends = [
        f"{wording.number(float(row['median_r']), 2)} ({row['option']}, "
        f"{wording.plural(int(row['n_specifications']), 'specification')})"
        for _, row in options.iterrows()
    ]
    models = sorted({int(rows["n_models"].min()), int(rows["n_models"].max())})
    return state(
        "sign_stands" if max(share, 1 - share) > NEARLY_ALL else "sign_depends", who=who(subject),
        positive=wording.percent(share, 0), n=wording.plural(len(rows), "specification"),
        models=" to ".join(map(str, models)), above=wording.percent(above, 0),
        below=wording.percent(below, 0), median=wording.number(float(rows["r"].median()), 2),
        choice=widest, ends=" to ".join(ends),
    )  # fmt: skip


def about_trajectories(tables: Tables, language: str, subject: str) -> Remark | None:
    """Say along which columns of the sheet the asymmetry bends, over models or training steps."""
    outcome = f"l_minus_r_{selection_of(tables, language, subject)}"
    rows = of(tables["trajectories"], language=language, subject=subject, outcome=outcome)
    tested = rows[np.isfinite(rows["p"].astype(float))]
    if tested.empty:
        return None
    bent = tested[tested["p"] < 0.05 / len(tested)].sort_values("p", kind="stable")
    over = wording.plural(len(tested), "trajectory")
    if bent.empty:
        return state("no_bend", who=who(subject), over=over)
    row = bent.iloc[0]
    along = "size (ln N)" if row["predictor"] == LN_N else str(row["predictor"])
    units = "models" if row["subset"] == ALL_MODELS else str(row["subset"])
    return state(
        "bends", who=who(subject), n=len(bent), over=over, along=along, units=units,
        place=wording.number(float(row["place"])), p=wording.p_value(float(row["p"])),
    )  # fmt: skip


def about_pairs(tables: Tables, language: str, _subject: str) -> Remark | None:
    """Say in how many pairs of voxels people lateralise with size, corrected over all pairs."""
    row = _only(tables["voxel_pairs"], language=language, quantity="slope_l_minus_r")
    if row is None or not np.isfinite(row["t_max"]):
        return None
    over = {
        "people": f"{int(row['n_subjects'])} people",
        "pairs": wording.plural(int(row["n_pairs"]), "pair"),
    }
    if not np.isfinite(row["t_threshold"]):
        return state("pairs_not_judged", **over)
    left, right = int(row["n_left"]), int(row["n_right"])
    threshold = wording.number(float(row["t_threshold"]), 2)
    if left == right == 0:
        return state("no_pair", **over, threshold=threshold)
    return state("pairs_gain", **over, left=f"{left:,}", right=f"{right:,}", threshold=threshold)
