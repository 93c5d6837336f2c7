"""The sections of the page: title, question, and the sentence that answers it from the tables."""

from collections.abc import Callable
from dataclasses import dataclass, replace

from lateralization.report import controls
from lateralization.report.sentences import Remark
from lateralization.tables.registry.tables import Tables

Answer = Callable[[Tables, str, str], Remark | None]
"""(tables, language, subject) → answer; None where the tables have none."""


@dataclass(frozen=True)
class Section:
    """A section of the page; a table (or a figure) names the section that shows it."""

    title: str
    question: str
    answer: Answer | None = None


SECTIONS = {
    "published": Section("Published and ours", "What do the study's own rules give?"),
    "hemispheres": Section("Left and right", "How asymmetric is each model's prediction?"),
    "size": Section("Size", "What goes with a better or more lateralised prediction?"),
    "training": Section("Training", "What does training add to the architecture?"),
    "data": Section("Data", "Is every run what it should be?", controls.about_data),
    "ceilings": Section(
        "Ceilings", "How much of what can be predicted is predicted, left and right?",
        controls.about_ceilings,
    ),
    "unique": Section(
        "Beyond confounds", "Is it the model, or what any account of the speech would predict?",
        controls.about_unique,
    ),
    "twins": Section(
        "Training or architecture", "Is the effect of size there before training?",
        controls.about_twins,
    ),
    "score": Section(
        "Asymmetry and score", "Does size move the sides apart, or does it only raise the score?",
        controls.about_size_given_score,
    ),
    "trajectories": Section(
        "Trajectories", "Does the asymmetry level off along size, training or skill?",
        controls.about_trajectories,
    ),
    "specifications": Section(
        "Specifications", "Does the slope depend on how it is computed?",
        controls.about_specifications,
    ),
    "layers": Section("Layers", "Where in the models does the prediction come from?"),
    "brain": Section("Brain", "Where in the brain?"),
    "regions": Section("Regions", "Which parts of the language network?"),
    "people": Section("People", "Does it hold from person to person?", controls.about_pairs),
}  # fmt: skip
"""Sections of results in the order of the page; before them are the answer and ``trust``."""


def answers(
    section: str, tables: Tables, places: list[tuple[str, str]], names: dict[str, str] | None = None
) -> list[dict[str, str]]:
    """Answer the question of a section, in a sentence for each language.

    Parameters
    ----------
    section
        A key of ``SECTIONS``.
    places
        Language and subject of each answer.
    names
        Language → its name, with which the answers begin where there are several.

    Returns
    -------
    One remark per language that has an answer.
    """
    answer = SECTIONS[section].answer
    remarks = []
    for language, subject in places:
        remark = answer(tables, language, subject) if answer else None
        if remark is not None:
            head = f"{(names or {}).get(language, language)}: " if len(places) > 1 else ""
            remarks.append(replace(remark, text=head + remark.text).plain())
    return remarks
