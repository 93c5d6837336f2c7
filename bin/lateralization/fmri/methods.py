"""What the report says of preprocessing and reliability."""

from collections.abc import Mapping, Sequence
from types import MappingProxyType

from lateralization.bids.confounds import degrees_of_freedom
from lateralization.run_plan import LanguagePlan, Plan
from lateralization.runs import LEAST_HEARERS, STORY
from lateralization.study import ISC_PERCENTILE, SMOOTHING_MM

Absent = Mapping[str, Sequence[str]]
"""Language → subjects that are in no mean over subjects."""

NOBODY: Absent = MappingProxyType({})

REGRESSED = MappingProxyType(
    {
        "motion": "six motion parameters",
        "motion24": "six motion parameters, their derivatives and the squares of both",
        "motion+wm_csf": "six motion parameters and the mean signals of white matter and "
        "cerebrospinal fluid",
        "compcor": "the anatomical CompCor components that fMRIPrep retained",
    }
)
"""Choice of ``--confounds`` → what was regressed off."""


def _but(languages: Sequence[LanguagePlan], absent: Absent) -> str:
    """Name the subjects that are in no mean over subjects: `` but EN903 (English)``."""
    names = {entry.language: entry.name for entry in languages}
    told = [
        f"{', '.join(subjects)} ({names[language]})"
        for language, subjects in absent.items()
        if subjects
    ]
    return f" but {' and '.join(told)}" if told else ""


def describe_preprocessing(plan: Plan, absent: Absent = NOBODY) -> str:
    """Describe preprocessing, mask and subjects; of what was given, only that it was.

    ``absent``: language → subjects that the group lacks.
    """
    images = any(entry.subjects for entry in plan.languages)
    parts = [
        "Images were resampled to 4 mm." if images else "",
        _mask_text(plan.languages),
        "Each voxel’s time course was detrended, high-pass filtered at 1/128 Hz and standardised "
        "per run, as nilearn does it [nilearn]." if images else "",
        _confounds_text(plan),
        _subjects_text(plan.languages, absent),
        "Voxels without a signal in a run (constant, not finite or beyond the field of view) were "
        "left out throughout.",
    ]  # fmt: skip
    return " ".join(part for part in parts if part)


def _confounds_text(plan: Plan) -> str:
    """Say what was regressed off and what that left; empty where nothing was."""
    runs = [
        (entry.tr, run) for entry in plan.languages for one in entry.subjects for run in one.runs
    ]
    counts = [len(run.confound_columns) for _, run in runs]
    left = [
        degrees_of_freedom(run.scans, tr, len(run.confound_columns))
        for tr, run in runs
        if run.scans is not None
    ]
    if not (any(counts) and left):
        return ""
    wanted = plan.parameters["confounds"]
    said = [REGRESSED[name] for name in wanted if name in REGRESSED]
    own = [name for name in wanted if name not in REGRESSED]
    said += [f"the confounds {', '.join(own)}"] if own else []
    return (
        f"Before it was standardised, {' and '.join(said)} ({_span(counts)} columns of the run’s "
        "table of confounds), detrended and filtered alike, were regressed off; this and the "
        f"filter left {_span(left)} degrees of freedom in a run."
    )


def _span(numbers: Sequence[int]) -> str:
    """Write the range of whole numbers: ``6``, or ``20 to 31``."""
    low, high = min(numbers), max(numbers)
    return f"{low}" if low == high else f"{low} to {high}"


def _mask_text(languages: Sequence[LanguagePlan]) -> str:
    """Say where the group's mask comes from."""
    if any(entry.mask is not None for entry in languages):
        return "The group mask was taken from the file given."
    return (
        "The group mask holds the voxels that lie in the brain in more than half of the runs, "
        "made mirror-symmetric."
    )


def _subjects_text(languages: Sequence[LanguagePlan], absent: Absent) -> str:
    """Say what the average subject is, and how individuals differ; only of what is fitted."""
    found = []
    if any(entry.average_subject is not None for entry in languages):
        found.append("The average subject was taken from the files given.")
    elif any(entry.average for entry in languages):
        gaps = any(entry.has_gaps for entry in languages)
        heard = ", in each story over those who heard it" if gaps else ""
        found.append(
            "The average subject is the mean over all subjects of a language"
            f"{_but(languages, absent)}{heard}, standardised again."
        )
    if any(entry.individuals for entry in languages):
        found.append(
            f"Individuals were smoothed with {SMOOTHING_MM:g} mm, within masks of their own."
        )
    return " ".join(found)


def describe_reliability(plan: Plan) -> str:
    """Describe the inter-subject reliability."""
    few = [
        n < LEAST_HEARERS
        for entry in plan.languages if entry.kind_of_runs == STORY
        for n in entry.hearers.values()
    ]  # fmt: skip
    if any(entry.isc is not None for entry in plan.languages):
        start = "Inter-subject reliability was taken from the files given"
    elif few and all(few):
        return (
            "No story was heard by four people or more, so there is no inter-subject reliability."
        )
    else:
        n_trials, seed = plan.parameters["isc_trials"], plan.parameters["isc_seed"]
        start = (
            "Inter-subject reliability was estimated by predicting the mean of one half of the "
            f"subjects from the other with ridge regression, over {n_trials} random halves (seed "
            f"{seed}); voxels were left out of every trial where so many subjects had no signal in "
            "a run that a half could consist of them alone"
        )
        start += ", and so were stories heard by fewer than four people" if any(few) else ""
    return f"{start}; voxels strictly above its {ISC_PERCENTILE}th percentile are called reliable."
