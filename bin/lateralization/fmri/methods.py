"""What the report says of preprocessing and reliability."""

from collections.abc import Mapping, Sequence
from types import MappingProxyType
from typing import Any

from lateralization.study import ISC_PERCENTILE, ISC_SEED, ISC_TRIALS, SMOOTHING_MM

Absent = Mapping[str, Sequence[str]]
"""Language → subjects that are in no mean over subjects."""

NOBODY: Absent = MappingProxyType({})


def _but(plan: dict[str, Any], absent: Absent) -> str:
    """Name the subjects that are in no mean over subjects: `` but EN903 (English)``."""
    names = {entry["language"]: entry["name"] for entry in plan.get("languages", [])}
    told = [
        f"{', '.join(subjects)} ({names.get(language, language)})"
        for language, subjects in absent.items()
        if subjects
    ]
    return f" but {' and '.join(told)}" if told else ""


def describe_preprocessing(plan: dict[str, Any], absent: Absent = NOBODY) -> str:
    """Describe preprocessing, mask and subjects; of what was given, only that it was.

    ``absent``: language → subjects that the group lacks.
    """
    languages = plan.get("languages", [])
    images = any(entry.get("subjects") for entry in languages)
    parts = [
        "Images were resampled to 4 mm." if images else "",
        _mask_text(languages),
        "Each voxel’s time course was detrended, high-pass filtered at 1/128 Hz and standardised "
        "per run, as nilearn does it [nilearn]." if images else "",
        _subjects_text(plan, absent),
        "Voxels whose source signal is constant or not finite in a run were left out throughout.",
    ]  # fmt: skip
    return " ".join(part for part in parts if part)


def _mask_text(languages: Sequence[dict[str, Any]]) -> str:
    """Say where the group's mask comes from."""
    if any(entry.get("mask") for entry in languages):
        return "The group mask was taken from the file given."
    return (
        "The group mask holds the voxels that lie in the brain in more than half of the runs, "
        "made mirror-symmetric."
    )


def _subjects_text(plan: dict[str, Any], absent: Absent) -> str:
    """Say what the average subject is, and how individuals differ; only of what is fitted."""
    languages, found = plan.get("languages", []), []
    if any(entry.get("average_subject") for entry in languages):
        found.append("The average subject was taken from the files given.")
    elif any(entry.get("average", True) for entry in languages):
        found.append(
            "The average subject is the mean over all subjects of a language"
            f"{_but(plan, absent)}, standardised again."
        )
    people = [one for entry in languages for one in entry.get("subjects") or []]
    if any(one.get("individual") for one in people):
        found.append(
            f"Individuals were smoothed with {SMOOTHING_MM:g} mm, within masks of their own."
        )
    return " ".join(found)


def describe_reliability(plan: dict[str, Any]) -> str:
    """Describe the inter-subject reliability."""
    given = plan.get("parameters", {})
    if any(entry.get("isc") for entry in plan.get("languages", [])):
        start = "Inter-subject reliability was taken from the files given"
    else:
        n_trials, seed = given.get("isc_trials", ISC_TRIALS), given.get("isc_seed", ISC_SEED)
        start = (
            "Inter-subject reliability was estimated by predicting the mean of one half of the "
            f"subjects from the other with ridge regression, over {n_trials} random halves (seed "
            f"{seed}); voxels were left out of every trial where so many subjects had no signal in "
            "a run that a half could consist of them alone"
        )
    return f"{start}; voxels strictly above its {ISC_PERCENTILE}th percentile are called reliable."
