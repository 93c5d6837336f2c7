"""Inputs of ENCODE as the stages before it leave them, from the study's own scripts' small case."""

import subprocess
import sys
from pathlib import Path

import numpy as np
import pandas as pd

from lateralization.encoding.encode import EncodingTask
from lateralization.encoding.regressors import layer_regressors, word_operators
from lateralization.files import read_tensors, save_tensors, write_table
from lateralization.fmri.hrf import Sampling
from lateralization.fmri.signals import standardise, trim
from lateralization.ridge.choices import STUDY
from lateralization.ridge.ridge import encode
from lateralization.runs import numbered_keys
from lateralization.words.by_story import rows_by_story

PROJECT = Path(__file__).parents[2]
FIXTURES = PROJECT / "tests" / "fixtures"
MODELS = ("gpt2-fixture", "opt-fixture")
RUNS = range(1, 10)


def words_of(activations):
    parts = []
    for run in RUNS:
        onsets, offsets = activations[f"run-{run}/onsets"], activations[f"run-{run}/offsets"]
        parts.append(pd.DataFrame({"run": run, "word": "null", "onset": onsets, "offset": offsets}))
    return pd.concat(parts, ignore_index=True)


def average_subject():
    """Return the study's average subject: run → (n_scans, n_voxels)."""
    with np.load(FIXTURES / "average_subject.npz") as file:
        return {f"run-{run}": file[f"run-{run}"] for run in RUNS}


def write_inputs(folder, bold):
    """Write the first model's features and words, and the BOLD data."""
    with np.load(FIXTURES / f"activations_{MODELS[0]}.npz") as file:
        activations = {name: file[name] for name in file.files}
    states = {name: values for name, values in activations.items() if "layer-" in name}
    write_table(words_of(activations), folder / "words.tsv")
    save_tensors(folder / "features.safetensors", states)
    save_tensors(folder / "bold.safetensors", bold | {"left_out": np.zeros((9, 200), np.uint8)})


def task(folder, **changes):
    values = {
        "features": folder / "features.safetensors",
        "words": folder / "words.tsv",
        "bold": [folder / "bold.safetensors"],
        "layers": "all",
        "tr": 2.0,
        "trim": 10,
        "device": "cpu",
    }
    return EncodingTask(**values | changes)


def encode_command(folder, *more):
    command = [sys.executable, PROJECT / "bin" / "encode.py", "--out", folder / "part.safetensors"]
    for option in ("features", "words", "bold"):
        command += [
            f"--{option}",
            folder / f"{option}.{'tsv' if option == 'words' else 'safetensors'}",
        ]
    return subprocess.run([*command, *more], capture_output=True, text=True, check=False)


def change(path, **tensors):
    save_tensors(
        path, read_tensors(path) | {name.replace("__", "/"): v for name, v in tensors.items()}
    )


def numbered_operators(words, n_scans, tr, hrf="glover"):
    """Build the operators of numbered runs that are sampled in the middle of a scan."""
    scans = dict(zip(numbered_keys(len(n_scans)), n_scans, strict=True))
    return word_operators(rows_by_story(words), scans, Sampling(tr), hrf)


def encode_layer(states, words, bold, n_trim=10, precision="float32", choices=STUDY):
    """Score one layer in memory: word vectors and words against untrimmed runs."""
    operators = numbered_operators(words, [len(run) for run in bold], 2.0, choices.hrf)
    keys = numbered_keys(len(bold))
    made, _ = layer_regressors(states, operators, keys, "layer of the states", n_trim)
    series = [standardise(trim(run, n_trim)) for run in bold]
    return encode(made, series, precision=precision, choices=choices)
