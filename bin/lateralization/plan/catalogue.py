"""Names: which model a name means, its family, its file name, and the baselines' names.

Short names follow the published study: the rules below are tried in its order.
"""

import csv
import re
from pathlib import Path
from typing import Any

from lateralization.baselines import confounds, oasm
from lateralization.baselines.glove import GLOVE_DIMS
from lateralization.names import PREFIX_RULES, SUFFIX_RULES, split_seed
from lateralization.run_plan import Baseline

CHINESE_TOKENIZER = "bert-base-chinese"
"""The study reads its Chinese GPT-2 models through this tokenizer, not the models' own."""

PYTHIA = "pythia-6.9b"
PYTHIA_STEPS = (0, 1000, 14000, 36000, 72000, 143000)
"""Checkpoints of the study's training analysis; they are in none of its lists."""


_ID = re.compile(r"[A-Za-z0-9][A-Za-z0-9._-]*(/[A-Za-z0-9][A-Za-z0-9._-]*)*")
_HUB = re.compile(r"[A-Za-z0-9][A-Za-z0-9._-]*/[A-Za-z0-9][A-Za-z0-9._-]*")


def hub_id(name: str) -> str | None:
    """Return the hub id of a short name of the study; None when no rule fits."""
    for suffix, owner in SUFFIX_RULES:
        if name.endswith(suffix):
            return f"{owner}/{name}"
    for prefix, owner in PREFIX_RULES:
        if name.startswith(prefix):
            return f"{owner}/{name}"
    return None


def is_hub_id(text: str) -> bool:
    """Tell whether a text has the form ``org/name``."""
    return bool(_HUB.fullmatch(text)) and ".." not in text


def is_valid_name(name: str) -> bool:
    """Tell whether a name can be part of file names: ASCII letters, digits and ``. _ - /``."""
    return bool(_ID.fullmatch(name)) and ".." not in name


def tokenizer_of(source: str, revision: str | None) -> str | None:
    """Return the hub id of the tokenizer when the study did not take the model's own."""
    if source.startswith("ckiplab/") and source.endswith("chinese"):
        return CHINESE_TOKENIZER
    if "pythia" in source and (revision or "").startswith("step"):
        return source
    return None


def study_lists(assets: Path) -> dict[str, dict[str, dict[str, str]]]:
    """Return the study's model lists: language → model → row."""
    lists = {}
    for language in ("en", "fr", "cn"):
        with (assets / f"models_{language}.csv").open(encoding="utf-8", newline="") as handle:
            lists[language] = {row["model"]: row for row in csv.DictReader(handle)}
    return lists


def study_names(assets: Path) -> list[str]:
    """Return the short names of all models that the study used, checkpoints included."""
    steps = [f"{PYTHIA}_step{step}" for step in PYTHIA_STEPS]
    names = [name for models in study_lists(assets).values() for name in models]
    return [*dict.fromkeys(names), *steps]


def is_study_model(name: str, study: list[str]) -> bool:
    """Tell whether a name is one of the study's, trained or not."""
    return split_seed(name)[0] in study


def parse_baseline(name: str) -> tuple[str, int, int] | None:
    """Return kind, dimensions and seed of a baseline's full name, e.g. its name in a table."""
    if name == "glove":
        return ("glove", GLOVE_DIMS, 0)
    if name in confounds.KINDS:
        return (name, 1, 0)
    if drawn := re.fullmatch(rf"{oasm.KIND}_seed([1-9]\d*)", name):
        return (oasm.KIND, oasm.DIMS, int(drawn[1]))
    match = re.fullmatch(r"(random_vector|random_embedding)_([1-9]\d*)d_seed(\d+)", name)
    return (match[1], int(match[2]), int(match[3])) if match else None


def baseline_names(kind: str, dims: list[int], seeds: list[int]) -> list[str]:
    """Return the names of the sweep of one kind of baseline."""
    if kind == "glove" or kind in confounds.KINDS:
        return [kind]
    if kind == oasm.KIND:
        return [f"{kind}_seed{seed}" for seed in oasm.SEEDS]
    return [f"{kind}_{d}d_seed{seed}" for d in dims for seed in seeds]


def make_baseline(name: str, languages: list[str], **fitted: Any) -> Baseline:
    """Return the baseline of a name; GloVe is English only.

    Raises
    ------
    ValueError
        The name is no baseline's.
    """
    parsed = parse_baseline(name)
    if parsed is None:
        raise ValueError(f"{name} is no baseline")
    kind, dims, seed = parsed
    spoken = [language for language in languages if kind != "glove" or language == "en"]
    return Baseline(name, kind, dims, seed, spoken, **fitted)
