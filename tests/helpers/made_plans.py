"""Plans for tests of what reads them: whole, and empty but for what a test gives."""

from collections.abc import Sequence
from dataclasses import asdict
from pathlib import Path
from typing import Any

from lateralization.plan.parameters import load_schema, normalise
from lateralization.problems import Problems
from lateralization.ridge.choices import STUDY
from lateralization.run_plan import (
    Baseline,
    Claim,
    LanguagePlan,
    Model,
    Plan,
    RunPlan,
    SubjectPlan,
)

SCHEMA = load_schema(Path(__file__).parents[2])

CLAIM = Claim("reliable", "strict", "best_cv", "auto", "ln_n_parameters", "0" * 64)


RUNS = tuple(f"run-{run}" for run in range(1, 10))
"""Keys of the study's runs."""


def made_parameters(**given: Any) -> dict[str, Any]:
    """Return every parameter with its default, but those given."""
    return normalise({}, SCHEMA, Problems()).values | given


def made_plan(*, parameters: dict[str, Any] | None = None, **fields: Any) -> Plan:
    """Return a plan in which nothing is fitted, with the parameters and fields given."""
    empty: dict[str, Any] = {
        "data_name": "made", "cache_dir": "/cache", "layers": "all", "notes": [], "languages": [],
        "models": [], "baselines": [], "fits": [], "encoder": asdict(STUDY), "joint": [],
        "layers_per_task": 8, "claim": CLAIM, "truth": None, "glove": None, "atlas": None,
        "data_runs": [],
        "template": None,
    }  # fmt: skip
    return Plan(made_parameters(**(parameters or {})), **(empty | fields))


def made_language(**fields: Any) -> LanguagePlan:
    """Return English as the study has it, without subjects, with the fields given."""
    english: dict[str, Any] = {
        "language": "en", "name": "English", "scans": None, "tr": 2.0, "trim": 10,
        "annotation": {}, "prosody": None, "texts": None, "corrections": "none", "mask": None,
        "isc": None, "average_subject": None, "subjects": [], "average": True, "stacks": [],
        "stories": list(RUNS), "test": [],
        "starts": [0.0] * 9, "slice_time": 1.0, "handedness": {},
    }  # fmt: skip
    return LanguagePlan(**(english | fields))


def made_subject(
    subject: str,
    *,
    individual: bool = False,
    group: bool = True,
    heard: Sequence[str] = RUNS,
    scans: int | None = None,
) -> SubjectPlan:
    """Return a subject that heard the runs of these keys, in files that do not matter."""
    runs = [RunPlan(key, "", f"sub-{subject}_{key}.nii.gz", scans=scans) for key in heard]
    return SubjectPlan(subject, None, individual, group, runs)


def made_model(name: str, **fields: Any) -> Model:
    """Return a model of the hub, with the fields given."""
    return Model(**({"name": name, "source": f"org/{name}", "kind": "hub"} | fields))


def made_baseline(name: str, kind: str, **fields: Any) -> Baseline:
    """Return a baseline of English, with the fields given."""
    return Baseline(
        **({"name": name, "kind": kind, "dims": 300, "seed": 0, "languages": ["en"]} | fields)
    )
