"""What the report says of the data set."""

from lateralization import wording
from lateralization.run_plan import LanguagePlan, Plan


def _language_text(entry: LanguagePlan) -> str:
    n = len(entry.subjects)
    return f"{wording.plural(n, 'subject')} in {entry.name}" if n else entry.name


def describe_data(plan: Plan) -> str:
    """Describe data set, story and subjects."""
    first = plan.languages[0]
    where = "functional MRI"
    if plan.truth is not None:
        where = "simulated data"
    elif plan.parameters["dataset"] == "ds003643":
        where = "functional MRI of the data set ds003643 [data]"
    return (
        f"We analysed {where} of listeners to a story in {first.n_runs} runs "
        f"({', '.join(map(_language_text, plan.languages))}; repetition time {first.tr:g} s)."
    )
