"""The chips of the first screen: of each check, whether it was made and whether it contradicts."""

from collections.abc import Collection, Sequence
from dataclasses import dataclass

from lateralization import wording
from lateralization.report import controls, findings
from lateralization.report.not_tested import about_leakage
from lateralization.report.sections import Answer
from lateralization.report.sentences import BAD, Remark
from lateralization.tables.registry.tables import Tables

CONTRADICTS, NOT_TESTED, TESTED = "contradicts", "not tested", "tested"
STATES = (CONTRADICTS, NOT_TESTED, TESTED)
"""The worst first: that of several languages counts."""

TOO_LITTLE = {
    "few_twins", "no_people", "few_people", "people_without_slope", "folds_not_judged",
    "no_control", "runs_not_judged", "score_and_size_together",
}  # fmt: skip
"""Sentences that say that there is too little to test with."""


@dataclass(frozen=True)
class Question:
    """Something that could speak against the answer.

    Attributes
    ----------
    label
        What is checked, in a word or two.
    place
        Section of the page that treats it.
    about
        Who speaks of it.
    lacking
        Sentence of the list of what was not tested that names it; empty: none does.
    """

    label: str
    place: str
    about: Answer
    lacking: str = ""


@dataclass(frozen=True)
class Chip:
    """One chip: ``state`` is one of ``STATES``, ``href`` where the page says more."""

    text: str
    state: str
    href: str


def _people(tables: Tables, language: str, _subject: str) -> Remark:
    return findings.about_people(tables, language)


QUESTIONS = (
    Question("Confounds", "unique", controls.about_unique, "joint_not_tested"),
    Question("Untrained twins", "twins", controls.about_twins, "twins_not_tested"),
    Question("Over people", "people", _people, "people_not_tested"),
    Question("Leakage", "trust", about_leakage, "leakage_not_tested"),
    Question("Baselines", "trust", findings.about_baselines),
    Question("Published rule", "trust", findings.about_published_rule),
    Question("Score and size", "score", controls.about_size_given_score),
    Question("Choices of the analysis", "specifications", controls.about_specifications),
    Question("Order of runs", "data", controls.about_data),
)


def _state(remark: Remark | None) -> str:
    if remark is None or remark.name in TOO_LITTLE:
        return NOT_TESTED
    return CONTRADICTS if remark.tone == BAD else TESTED


def chips(
    tables: Tables,
    places: Sequence[tuple[str, str]],
    lacking: Collection[str],
    sections: Collection[str],
    against: Collection[str],
) -> list[Chip]:
    """Give the chips of all checks, what contradicts first.

    Parameters
    ----------
    places
        Language and subject of each answer.
    lacking
        Names of the sentences about what was not tested.
    sections
        Sections that the page has.
    against
        Names of the remarks on trust that speak against an answer.
    """
    found, told = [], set()
    for check in QUESTIONS:
        remarks = [check.about(tables, *place) for place in places]
        told |= {remark.name for remark in remarks if remark is not None}
        states = {_state(remark) for remark in remarks}
        if check.lacking in lacking:
            states.add(NOT_TESTED)
        state = next(one for one in STATES if one in states or one == TESTED)
        place = check.place if check.place in sections else "trust"
        untested = state == NOT_TESTED and check.lacking in lacking
        href = f"#{'not-tested' if untested else place}"
        found.append(Chip(f"{check.label}: {state}", state, href))
    if others := len(set(against) - told):
        found.append(Chip(wording.plural(others, "other caution"), CONTRADICTS, "#trust"))
    return sorted(found, key=lambda chip: STATES.index(chip.state))
