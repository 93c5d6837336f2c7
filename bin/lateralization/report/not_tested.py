"""What the run did not test, and the parameter that would; and whether the folds leak."""

from collections.abc import Callable, Collection

import numpy as np
import pandas as pd

from lateralization import wording
from lateralization.baselines import oasm
from lateralization.names import AVERAGE, MODEL
from lateralization.report.sentences import Remark, state
from lateralization.run_plan import Plan
from lateralization.statistics.intervals import MIN_PEOPLE
from lateralization.statistics.methods import mirror_text
from lateralization.tables.read import of
from lateralization.tables.registry.tables import PUBLISHED, Tables

SPEECH = ("word_rate", "word_position")
"""Confounds that go jointly with the models before a score is put down to language."""

MIN_DRAWS = 10
"""Draws of oasm over which its mean score is judged."""

LIMIT = 0.02
"""Mean score of oasm, r, up to which it counts as 0 whatever its standard error."""


def _draws(tables: Tables, language: str) -> pd.DataFrame:
    """Return the scores of the draws of oasm, over the whole brain, of all subjects."""
    rows = of(
        tables["scores"], language=language, region="whole", hemisphere="both", **PUBLISHED
    )  # fmt: skip
    return rows[rows["model"].astype(str).str.fullmatch(rf"{oasm.KIND}_seed\d+")]


def about_leakage(tables: Tables, language: str, subject: str) -> Remark | None:
    """Judge whether oasm predicts held-out runs; None where it was not fitted to the subject."""
    scores = of(_draws(tables, language), subject=subject)["mean_r"].dropna().to_numpy(float)
    if not len(scores):
        return None
    draws = wording.plural(len(scores), "draw")
    if len(scores) < MIN_DRAWS:
        return state("folds_not_judged", draws=draws)
    mean, error = scores.mean(), scores.std(ddof=1) / np.sqrt(len(scores))
    leaks, holds = abs(mean) > max(LIMIT, 2 * error), abs(mean) + 2 * error <= LIMIT
    return state(
        "folds_leak" if leaks else "folds_hold" if holds else "folds_undecided",
        draws=draws, score=wording.signed(mean), error=wording.number(float(error), 2),
    )  # fmt: skip


def _has_joint(plan: Plan, tables: Tables, language: str) -> bool:
    return set(SPEECH) <= set(plan.joint) and len(of(tables["unique"], language=language)) > 0


def _has_twins(_: Plan, tables: Tables, language: str) -> bool:
    return len(of(tables["twins"], language=language)) > 0


def _people(tables: Tables, language: str) -> int:
    """Count the individuals in whom trained models have scores."""
    rows = of(tables["asymmetry"], language=language, kind=MODEL)
    return int(rows.loc[rows["subject"] != AVERAGE, "subject"].nunique())


def _has_people(_: Plan, tables: Tables, language: str) -> bool:
    return _people(tables, language) >= MIN_PEOPLE


def _has_draws(_: Plan, tables: Tables, language: str) -> bool:
    draws = _draws(tables, language).dropna(subset=["mean_r"]).groupby("subject").size()
    return bool((draws >= MIN_DRAWS).any())


TESTS: dict[str, Callable[[Plan, Tables, str], bool]] = {
    "joint_not_tested": _has_joint,
    "twins_not_tested": _has_twins,
    "people_not_tested": _has_people,
    "leakage_not_tested": _has_draws,
}
"""Sentence → whether a language of the run was tested, so that it is not said."""


def not_tested(plan: Plan, tables: Tables) -> list[Remark]:
    """List what the run did not test; where only some languages lack a test, they are named."""
    names = {entry.language: entry.name for entry in plan.languages}
    remarks = []
    for sentence, tested in TESTS.items():
        lacking = [language for language in names if not tested(plan, tables, language)]
        if lacking:
            people = min(_people(tables, language) for language in lacking)
            remarks.append(
                state(
                    sentence,
                    where=_where([names[language] for language in lacking], names),
                    people=wording.plural(people, "individual"),
                )
            )
    if plan.truth is None and not (plan.template and plan.template.symmetric):
        remarks.append(state("homologues_not_tested", why=mirror_text(plan)))
    remarks.append(state("story_not_tested"))
    if plan.truth is not None:
        remarks.append(state("brains_not_tested"))
    return remarks


def _where(lacking: list[str], languages: Collection[str]) -> str:
    """Return where a test is lacking: nothing where it is everywhere."""
    return "" if len(lacking) == len(languages) else f" in {', '.join(lacking)}"
