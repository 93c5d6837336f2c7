"""Names: which model a name means, its family, its file name, and the baselines' names.

Short names follow the published study: the rules below are tried in its order.
"""

import csv
import re
from dataclasses import dataclass, field
from pathlib import Path
from typing import Any

from lateralization.baselines import confounds
from lateralization.baselines.glove import GLOVE_DIMS
from lateralization.names import PREFIX_RULES, SUFFIX_RULES, split_seed

CHINESE_TOKENIZER = "bert-base-chinese"
"""The study reads its Chinese GPT-2 models through this tokenizer, not the models' own."""

PYTHIA = "pythia-6.9b"
PYTHIA_STEPS = (0, 1000, 14000, 36000, 72000, 143000)
"""Checkpoints of the study's training analysis; they are in none of its lists."""


_ID = re.compile(r"[A-Za-z0-9][A-Za-z0-9._-]*(/[A-Za-z0-9][A-Za-z0-9._-]*)*")
_HUB = re.compile(r"[A-Za-z0-9][A-Za-z0-9._-]*/[A-Za-z0-9][A-Za-z0-9._-]*")


@dataclass
class Model:
    """One entry of ``models`` in the plan.

    Attributes
    ----------
    name
        Name in tables and file names.
    source, kind
        Hub id (``hub``) or absolute folder (``local``).
    files
        Files of a local model, absolute.
    revision
        Branch, tag or commit; None: the default branch, resolved when it is fetched.
    tokenizer_source
        Hub id of the tokenizer when it is not the model's own.
    seed
        0: pretrained; >0: untrained, initialised with this seed.
    n_parameters, n_layers, n_hid
        What a sheet or the study says; None: counted from the model.
    size_is_expected
        They are the study's, for the plan only: what is counted from the model counts.
    predictors
        Numbers that the asymmetry is regressed on (ppl, hellaswag, a sheet's further columns).
    own_predictors
        Language → numbers that hold in it alone, as a perplexity that was measured on its text.
    mapping
        How words find their tokens: ``reference`` or ``aligned``.
    languages
        Languages that it is fitted to.
    individual, average
        Whether it is fitted to the individual subjects, to the average.
    """

    name: str
    source: str
    kind: str
    files: list[str] = field(default_factory=list)
    revision: str | None = None
    tokenizer_source: str | None = None
    seed: int = 0
    n_parameters: int | None = None
    n_layers: int | None = None
    n_hid: int | None = None
    size_is_expected: bool = False
    predictors: dict[str, float] = field(default_factory=dict)
    own_predictors: dict[str, dict[str, float]] = field(default_factory=dict)
    mapping: str = "aligned"
    languages: list[str] = field(default_factory=list)
    family: str = ""
    individual: bool = False
    average: bool = True


@dataclass
class Baseline:
    """One entry of ``baselines`` in the plan: features that no model is run for.

    Attributes
    ----------
    kind
        One of ``BASELINE_KINDS``; ``surprisal`` of a model; or ``features``, the user's own.
    files
        Language → file of the user's own features.
    n_layers
        Layers of the features file.
    source
        Name of the model whose surprisal it is.
    """

    name: str
    kind: str
    dims: int
    seed: int
    languages: list[str]
    individual: bool = False
    average: bool = True
    files: dict[str, str] = field(default_factory=dict)
    n_layers: int = 1
    source: str = ""


def entries(models: list[Model], baselines: list[Baseline]) -> list[Model | Baseline]:
    """Return models and baselines as one list, models first."""
    return [*models, *baselines]


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
    match = re.fullmatch(r"(random_vector|random_embedding)_([1-9]\d*)d_seed(\d+)", name)
    return (match[1], int(match[2]), int(match[3])) if match else None


def baseline_names(kind: str, dims: list[int], seeds: list[int]) -> list[str]:
    """Return the names of the sweep of one kind of baseline."""
    if kind == "glove" or kind in confounds.KINDS:
        return [kind]
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
