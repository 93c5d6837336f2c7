"""Names of models, baselines and tables' rows that several stages share."""

import re

SUFFIX_RULES = (("chinese", "ckiplab"), ("french", "ClassCat"))

PREFIX_RULES = (
    ("gpt2", "openai-community"),
    ("opt", "facebook"),
    ("Mistral", "mistralai"),
    ("gemma", "google"),
    ("mamba", "state-spaces"),
    ("stablelm", "stabilityai"),
    ("Llama", "meta-llama"),
    ("Qwen", "Qwen"),
    ("pythia", "EleutherAI"),
)

RANDOM_SEED = re.compile(r"(random_\w+_\d+d|oasm)_seed\d+")
"""Name of a random baseline, and what those of its other seeds begin with."""

_UNTRAINED = re.compile(r"(?P<base>.+)_untrained_seed(?P<seed>[1-9]\d*)")

_STEP = re.compile(r"(?P<base>(?:.*/)?pythia[^/]*)_step(?P<step>\d+)")

MODEL, BASELINE, UNTRAINED, CHECKPOINT = "model", "baseline", "untrained", "checkpoint"
"""Kinds of what is fitted, in the column ``kind`` of the tables."""

AVERAGE = "average"
"""The subject that is the mean of all."""

TRAINING_STEP = re.compile(r"(.+)_step(\d+)")

STEP_REVISION = re.compile(r"step(\d+)")

LN_N = "ln_n_parameters"
"""Name of the size of models among the predictors."""

LARGE = 3e9
"""The study looks at models above this size apart: there skill, not size, explains the score."""

LARGE_SUBSET = "n_parameters > 3e9"

ALL_MODELS = "all"
"""Name of the subset of all trained models."""

STEPS_OF = "steps of "
"""Start of the name of a subset of training steps: those of one model."""

IN_SOURCE, AFTER_TRIMMING, AFTER_RESAMPLING, OUT_OF_VIEW = 1, 2, 3, 4

REASONS = {
    IN_SOURCE: "constant or not finite in the source BOLD of some run",
    AFTER_TRIMMING: "constant or not finite in the scans that trimming leaves of some run",
    AFTER_RESAMPLING: (
        "constant or a straight line in some run once it is resampled (where splines overshoot at "
        "the edge of a brain, values are cut to the range of the run)"
    ),
    OUT_OF_VIEW: "beyond the field of view of some run",
}
"""Why a voxel is left out in a run."""


def file_name(name: str) -> str:
    """Return the form of a model's name in file names."""
    return name.replace("/", "__")


def split_seed(name: str) -> tuple[str, int]:
    """Split ``gpt2_untrained_seed1`` into (``gpt2``, 1); seed 0 when the name has none."""
    match = _UNTRAINED.fullmatch(name)
    return (match["base"], int(match["seed"])) if match else (name, 0)


def split_step(name: str) -> tuple[str, str | None]:
    """Split ``pythia-6.9b_step1000`` into (``pythia-6.9b``, ``step1000``)."""
    match = _STEP.fullmatch(name)
    return (match["base"], f"step{int(match['step'])}") if match else (name, None)


def family_of(source: str) -> str:
    """Return the family of a hub model: the study's word, or the first word of its name."""
    name = source.rsplit("/", 1)[-1]
    for prefix, _ in PREFIX_RULES:
        if name.startswith(prefix):
            return prefix
    word = re.match(r"[A-Za-z]+", name)
    return word[0] if word else name
