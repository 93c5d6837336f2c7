"""What the report says of the data set: its name, what was heard, and by how many."""

from pathlib import Path

from lateralization import runs, wording
from lateralization.run_plan import LanguagePlan, Plan

_STUDY = "ds003643"


def data_name(plan: Plan) -> str:
    """Return the name of the data set; that of its folder where no description names it."""
    dataset = str(plan.parameters["dataset"])
    if plan.truth is not None:
        return "simulated data"
    return Path(dataset).name if plan.data_name == _STUDY != dataset else plan.data_name


def stories_heard(entry: LanguagePlan) -> str:
    """Write how many stories there are, and by how many people each was heard.

    ``9 runs of 49 people``; ``6 stories, each heard by 4 to 6 of 6 people``.
    """
    kind, n = entry.kind_of_runs, len(entry.subjects)
    stories, people = wording.plural(len(entry.stories), kind), f"{n:,} people"
    counts = sorted(entry.hearers.values())
    if not n:
        return stories
    if n == 1 or counts[0] == n:
        return f"{stories} of {'one person' if n == 1 else people}"
    span = f"{counts[0]}" if counts[0] == counts[-1] else f"{counts[0]} to {counts[-1]}"
    return f"{stories}, each heard by {span} of {people}"


def _language_text(entry: LanguagePlan) -> str:
    n = len(entry.subjects)
    if entry.kind_of_runs == runs.STORY:
        return f"{entry.name}: {stories_heard(entry)}; repetition time {entry.tr:g} s"
    return f"{wording.plural(n, 'subject')} in {entry.name}" if n else entry.name


def describe_data(plan: Plan) -> str:
    """Describe data set, stories and subjects."""
    first, name = plan.languages[0], data_name(plan)
    where = f"functional MRI of the data set {name}"
    if plan.truth is not None:
        where = name
    elif name == _STUDY:
        where = f"{where} [data]"
    told = map(_language_text, plan.languages)
    if first.kind_of_runs == runs.STORY:
        return f"We analysed {where} of listeners to several stories ({'; '.join(told)})."
    return (
        f"We analysed {where} of listeners to a story in {len(first.stories)} runs "
        f"({', '.join(told)}; repetition time {first.tr:g} s)."
    )
