"""What ENCODE refuses, and that it says in a line what is wrong and where."""

import json

import numpy as np
import pandas as pd
import pytest

from helpers.encode_inputs import change, encode_command, task
from lateralization.encoding.encode import encode_files
from lateralization.errors import BadInput
from lateralization.files import read_tensors, save_tensors, write_table


def spoil_nan(folder):
    states = read_tensors(folder / "features.safetensors")
    bad = states["run-7/layer-2"].copy()
    bad[11, 3] = np.nan
    change(folder / "features.safetensors", **{"run-7__layer-2": bad})


def spoil_rows(folder):
    states = read_tensors(folder / "features.safetensors")
    change(folder / "features.safetensors", **{"run-2__layer-0": states["run-2/layer-0"][:-1]})


def spoil_short(folder):
    change(folder / "bold.safetensors", **{"run-6": np.ones((22, 200), np.float32)})


def spoil_runs(folder):
    tensors = read_tensors(folder / "bold.safetensors")
    kept = {name: tensors[name] for name in ("run-2", "run-5")}
    save_tensors(folder / "bold.safetensors", kept | {"left_out": tensors["left_out"][:2]})


def spoil_key(folder):
    tensors = read_tensors(folder / "bold.safetensors")
    tensors["run-11"] = tensors.pop("run-9")
    save_tensors(folder / "bold.safetensors", tensors)


def spoil_list(folder):
    keys = [f"run-{run}" for run in range(1, 11)]
    tensors = read_tensors(folder / "bold.safetensors")
    save_tensors(folder / "bold.safetensors", tensors, {"runs": json.dumps(keys)})


def spoil_words(folder):
    table = pd.read_csv(folder / "words.tsv", sep="\t", keep_default_na=False)
    write_table(table[table["run"] != 3], folder / "words.tsv")


def spoil_times(folder):
    table = pd.read_csv(folder / "words.tsv", sep="\t", keep_default_na=False)
    table.loc[5, "onset"] = np.nan
    write_table(table, folder / "words.tsv")


def spoil_flags(folder):
    change(folder / "bold.safetensors", left_out=np.zeros((9, 199), np.uint8))


def spoil_file(folder):
    (folder / "bold.safetensors").write_bytes(b"not tensors")


def spoil_nothing(folder):
    pass


@pytest.mark.slow
@pytest.mark.parametrize(
    ("spoil", "layers", "says"),
    [
        (spoil_nan, "all", "layer 2, run 7: features are NaN or infinite from word 11"),
        (spoil_rows, "all", "layer 0, run 2: 213 rows of features for 214 words"),
        (spoil_short, "all", "run-6: 22 scans are too few"),
        (spoil_runs, "all", "at least 3 runs of different stories to train on, the data have 2"),
        (spoil_key, "all", "features.safetensors lacks run 11, which the BOLD data have"),
        (spoil_list, "all", "bold.safetensors lacks run-10; clean it again"),
        (spoil_words, "all", "the words lack run 3, which the BOLD data have; they are of run 1"),
        (spoil_times, "all", "words of run 1: word 5"),
        (spoil_flags, "all", "left_out has shape (9, 199)"),
        (spoil_file, "all", "cannot read"),
        (spoil_nothing, "0,7", "has no layer 7"),
        (spoil_nothing, "0,x", "is no list of numbers"),
        (spoil_nothing, "1,1", "names a layer twice"),
    ],
)
def test_bad_input_is_named(files, spoil, layers, says):
    spoil(files)
    with pytest.raises(BadInput) as error:
        encode_files(task(files, layers=layers), [files / "part.safetensors"])
    assert says in str(error.value)
    assert not (files / "part.safetensors").exists()


@pytest.mark.slow
def test_bad_input_leaves_with_65_and_one_line(files):
    spoil_nan(files)
    done = encode_command(files, "--layers", "2")
    assert done.returncode == 65
    assert "Traceback" not in done.stderr
    assert done.stderr.splitlines()[-1].startswith("encode: features.safetensors, layer 2, run 7")


def test_a_gpu_that_is_not_there_is_bad_input(files, monkeypatch):
    monkeypatch.setattr("torch.cuda.is_available", lambda: False)
    with pytest.raises(BadInput, match="asks for 1 GPU"):
        encode_files(task(files, device="cuda"), [files / "part.safetensors"])
