"""The encoding command and its parts on what the study's own scripts gave for small inputs."""

from dataclasses import asdict

import numpy as np
import pandas as pd
import pytest

from helpers.encode_inputs import (
    FIXTURES,
    MODELS,
    RUNS,
    change,
    encode_command,
    encode_layer,
    numbered_operators,
    task,
    words_of,
)
from helpers.encoder_oracle import made_data
from helpers.keys import run_keys
from lateralization.baselines import own_features
from lateralization.encoding.encode import encode_files, read_bold
from lateralization.encoding.parts import read_part
from lateralization.encoding.regressors import layer_regressors, regressors
from lateralization.errors import BadInput
from lateralization.files import read_table, read_tensors, save_tensors, write_table
from lateralization.names import AFTER_TRIMMING, OUT_OF_VIEW
from lateralization.ridge.choices import Choices
from lateralization.runs import numbered_keys


@pytest.fixture(scope="module", params=MODELS)
def model(request):
    with np.load(FIXTURES / f"activations_{request.param}.npz") as file:
        activations = {name: file[name] for name in file.files}
    with np.load(FIXTURES / f"encode_{request.param}.npz") as file:
        expected = {name: file[name] for name in file.files}
    return activations, expected


def test_regressors_are_the_study_s(model, bold):
    activations, expected = model
    operators = numbered_operators(words_of(activations), [len(run) for run in bold.values()], 2.0)
    for layer in range(3):
        states = [activations[f"run-{run}/layer-{layer}"] for run in RUNS]
        made, constant = layer_regressors(states, operators, numbered_keys(9), str(layer))
        assert constant == {}
        np.testing.assert_allclose(
            np.vstack(made), expected["regressors"][layer], rtol=0, atol=1e-8
        )


@pytest.mark.parametrize(("precision", "tolerance"), [("float64", 1e-9), ("float32", 1e-5)])
def test_scores_and_penalties_are_the_study_s(model, bold, precision, tolerance):
    activations, expected = model
    for layer in range(3):
        states = [activations[f"run-{run}/layer-{layer}"] for run in RUNS]
        runs = list(bold.values())
        result = encode_layer(states, words_of(activations), runs, precision=precision)
        np.testing.assert_allclose(result.alphas, expected["alphas"][layer], rtol=1e-12)
        found = result.validation_r.max(axis=1)
        np.testing.assert_allclose(found, expected["validation_mean_r"][layer], rtol=0, atol=1e-7)
        np.testing.assert_allclose(result.r, expected["r_per_run"][layer], rtol=0, atol=tolerance)
        scores = result.r.mean(axis=0)
        np.testing.assert_allclose(scores, expected["scores"][layer], rtol=0, atol=tolerance)


@pytest.mark.slow
def test_command_writes_the_study_s_scores(files):
    done = encode_command(files, "--layers", "2,0")
    assert done.returncode == 0, done.stderr
    part = read_part(files / "part.safetensors")
    expected = np.load(FIXTURES / f"encode_{MODELS[0]}.npz")
    np.testing.assert_array_equal(part.layers, [2, 0])
    np.testing.assert_allclose(part.r, expected["r_per_run"][[2, 0]], rtol=0, atol=1e-5)
    np.testing.assert_allclose(part.alphas, expected["alphas"][[2, 0]], rtol=1e-12)
    assert part.r.dtype == np.float32
    assert "2 layers, 200 voxels, 0 left out" in done.stderr


@pytest.mark.parametrize("choices", [Choices(), Choices("per_voxel", "fir", components=5)])
def test_layers_can_be_dealt_to_tasks(files, choices):
    encode_files(task(files, choices=choices), [files / "whole.safetensors"])
    for layer in range(3):
        one = task(files, layers=str(layer), choices=choices)
        encode_files(one, [files / f"{layer}.safetensors"])
    whole = read_part(files / "whole.safetensors")
    apart = [read_part(files / f"{layer}.safetensors") for layer in range(3)]
    for name in ("r", "alphas", "validation_r", "layers"):
        joined = np.concatenate([getattr(part, name) for part in apart])
        np.testing.assert_array_equal(joined, getattr(whole, name))
    assert whole.alphas.shape == (3, 9, 200)[: 3 if choices.alpha == "per_voxel" else 2]
    assert {key: whole.told[key] for key in asdict(choices)} == asdict(choices)


@pytest.mark.slow
def test_the_command_takes_the_choices(files):
    given = ("--alpha", "per_voxel", "--hrf", "fir", "--inner-validation", "all_runs")
    done = encode_command(files, "--layers", "1", *given, "--components", "3")
    assert done.returncode == 0, done.stderr
    told = read_part(files / "part.safetensors").told
    assert told | {"hrf": "fir", "components": 3, "inner_validation": "all_runs"} == told


def test_the_same_input_gives_the_same_bytes(files):
    encode_files(task(files, layers="1"), [files / "a.safetensors"])
    encode_files(task(files, layers="1"), [files / "b.safetensors"])
    assert (files / "a.safetensors").read_bytes() == (files / "b.safetensors").read_bytes()


def test_layers_may_differ_in_width(files):
    narrow = {f"run-{run}__layer-1": np.ones((1, 1)) for run in RUNS}
    states = read_tensors(files / "features.safetensors")
    narrow = {name: states[name.replace("__", "/")][:, :5].copy() for name in narrow}
    encode_files(task(files, layers="0,1"), [files / "before.safetensors"])
    change(files / "features.safetensors", **narrow)
    encode_files(task(files, layers="0,1"), [files / "after.safetensors"])
    before, after = (read_part(files / f"{name}.safetensors").r for name in ("before", "after"))
    np.testing.assert_array_equal(before[0], after[0])
    assert np.abs(before[1] - after[1]).max() > 1e-3


def test_stacked_subjects_are_written_as_if_each_were_alone(files, bold):
    rng = np.random.default_rng(7)
    longer = {name: rng.standard_normal((len(run) + 9, 150)) for name, run in bold.items()}
    noisy = {name: run + rng.standard_normal(run.shape) for name, run in bold.items()}
    paths = [files / "bold.safetensors", files / "longer.safetensors", files / "noisy.safetensors"]
    for path, runs in zip(paths[1:], (longer, noisy), strict=True):
        save_tensors(path, runs | {"left_out": np.zeros((9, runs["run-1"].shape[1]), np.uint8)})
    together = [files / f"together-{number}.safetensors" for number in range(3)]
    encode_files(task(files, bold=paths), together)
    for path, out in zip(paths, together, strict=True):
        encode_files(task(files, bold=[path]), [files / "alone.safetensors"])
        assert out.read_bytes() == (files / "alone.safetensors").read_bytes()


def test_a_subject_without_a_usable_voxel_is_named(files, bold):
    dead = {name: np.ones_like(run) for name, run in bold.items()}
    save_tensors(files / "dead.safetensors", dead)
    paths = [files / "bold.safetensors", files / "dead.safetensors"]
    with pytest.raises(BadInput, match=r"dead\.safetensors: every voxel is constant"):
        encode_files(task(files, bold=paths), [files / "a.safetensors", files / "b.safetensors"])


def test_a_file_to_write_is_needed_for_each_subject(files):
    with pytest.raises(BadInput, match="1 subjects and 2 --out"):
        encode_files(task(files), [files / "a.safetensors", files / "b.safetensors"])


def test_a_left_out_voxel_is_nan_and_counts_as_if_it_were_not_there(files, bold):
    others = np.setdiff1d(np.arange(200), [17, 60])
    absent = {name: np.ascontiguousarray(run[:, others]) for name, run in bold.items()}
    save_tensors(files / "absent.safetensors", absent)
    exact = {"precision": "float64"}
    encode_files(
        task(files, bold=[files / "absent.safetensors"], **exact), [files / "a.safetensors"]
    )
    flags = np.zeros((9, 200), np.uint8)
    flags[4, 17] = OUT_OF_VIEW
    flat = {"run-3": bold["run-3"].copy(), "run-5": bold["run-5"].copy()}
    flat["run-3"][10:-10, 60] = 0.25  # constant in the scans that are kept
    flat["run-5"][:, 17] = 0
    change(files / "bold.safetensors", left_out=flags, **flat)
    encode_files(task(files, **exact), [files / "b.safetensors"])
    without, left_out = (read_part(files / f"{name}.safetensors") for name in "ab")
    np.testing.assert_array_equal(left_out.alphas, without.alphas)
    np.testing.assert_allclose(left_out.r[..., others], without.r, rtol=0, atol=1e-7)
    assert np.isnan(left_out.r[..., [17, 60]]).all()
    assert left_out.left_out[4, 17] == OUT_OF_VIEW
    assert left_out.left_out[2, 60] == AFTER_TRIMMING
    assert np.count_nonzero(left_out.left_out) == 2


@pytest.mark.slow
def test_a_constant_regressor_is_0_counted_and_said(files):
    states = read_tensors(files / "features.safetensors")
    dead = states["run-4/layer-1"].copy()
    dead[:, [3, 8]] = 0
    change(files / "features.safetensors", **{"run-4__layer-1": dead})
    done = encode_command(files, "--layers", "1")
    assert done.returncode == 0
    assert 'constant regressors, taken as 0 (layer: run: number): {"1": {"4": 2}}' in done.stderr
    part = read_part(files / "part.safetensors")
    assert part.told["constant_regressors"] == {"1": {"4": 2}}
    assert np.isfinite(part.r).all()


def test_a_regressor_of_one_value_standardises_to_0():
    operator = numbered_operators(
        pd.DataFrame({"run": [1], "onset": [9.0], "offset": [9.5]}), [60], 2.0
    )
    values, constant = regressors(np.array([[0.0, 1.0]]), operator[0], 2)
    assert constant == 1
    np.testing.assert_array_equal(values[:, 0], 0)
    assert values[:, 1].std() == pytest.approx(1)


def test_words_spelt_like_missing_values_are_words(files):
    # The words of the fixture are all "null": none may be lost on the way.
    (part,) = encode_files(task(files, layers="0"), [files / "part.safetensors"])
    assert part.told["precision"] == "float32"


def test_bold_is_standardised_again_after_trimming(files, bold):
    read = read_bold(files / "bold.safetensors", 10)
    assert read.n_scans == {name: len(run) for name, run in bold.items()}
    for run in read.runs:
        np.testing.assert_allclose(run.mean(axis=0), 0, atol=1e-6)
        np.testing.assert_allclose(run.std(axis=0), 1, atol=1e-6)


def test_more_voxels_than_scans_and_odd_lengths_through_the_layer_function():
    lengths = (41, 37, 45, 39)
    rng = np.random.default_rng(2)
    _, runs = made_data(lengths, 4, 500, seed=2)
    words = pd.concat(
        [
            pd.DataFrame({"run": run, "onset": onsets, "offset": onsets + 0.3})
            for run, n in enumerate(lengths, start=1)
            for onsets in [np.sort(rng.uniform(0, 2 * n, 60))]
        ]
    )
    states = [rng.standard_normal((60, 8)) for _ in lengths]
    quick = encode_layer(states, words, runs, n_trim=3)
    exact = encode_layer(states, words, runs, n_trim=3, precision="float64")
    np.testing.assert_allclose(quick.r, exact.r, rtol=0, atol=1e-5)
    np.testing.assert_array_equal(quick.alphas, exact.alphas)


def test_hidden_states_given_back_as_features_score_the_same(files):
    """What is published of a model, fitted again as the user's own, is the model."""
    path = files / "twin_lang-en_words.safetensors"
    save_tensors(path, read_tensors(files / "features.safetensors"))
    words = read_table(files / "words.tsv", ("word", "text"))
    tensors, report = own_features.encodable(path, words, run_keys(9))
    save_tensors(files / "own.safetensors", tensors, report)
    (expected,) = encode_files(task(files), [files / "a.safetensors"])
    (found,) = encode_files(task(files, features=files / "own.safetensors"), [files / "b"])
    np.testing.assert_array_equal(found.r, expected.r)


def test_rows_of_scans_are_taken_as_they_are(files):
    """Words convolved outside, by the operator that nilearn confirms, give the scores of words."""
    states, bold = (read_tensors(files / f"{name}.safetensors") for name in ("features", "bold"))
    n_scans = [len(bold[f"run-{run}"]) for run in RUNS]
    words = read_table(files / "words.tsv", ("word", "text"))
    tables = []
    for run, (operator,) in enumerate(numbered_operators(words, n_scans, 2.0), start=1):
        table = pd.DataFrame(operator @ states[f"run-{run}/layer-1"].astype(float)).add_prefix("f")
        tables.append(table.assign(run=run))
    path = files / "convolved_lang-en_scans.tsv"
    write_table(pd.concat(tables), path)
    tensors, report = own_features.encodable(path, words, run_keys(9))
    assert report["rows"] == "scans"
    save_tensors(files / "own.safetensors", tensors, report)
    encode_files(task(files, layers="1"), [files / "a.safetensors"])
    own = task(files, features=files / "own.safetensors", layers="0")
    encode_files(own, [files / "b.safetensors"])
    expected, found = (read_part(files / f"{name}.safetensors") for name in "ab")
    np.testing.assert_allclose(found.r, expected.r, rtol=0, atol=1e-6)
    np.testing.assert_array_equal(found.alphas, expected.alphas)
    assert np.abs(found.r).max() > 0.2

    short = {name: values[1:] for name, values in tensors.items()}
    save_tensors(files / "own.safetensors", short, report)
    with pytest.raises(BadInput, match="rows of features for"):
        encode_files(own, [files / "b.safetensors"])
