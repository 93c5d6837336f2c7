"""The orthogonal autocorrelated sequence: nothing in clean folds, much in folds that leak."""

import numpy as np
import pandas as pd
import pytest
from scipy.ndimage import gaussian_filter1d
from scipy.sparse import eye_array

from helpers.encode_inputs import task
from lateralization.baselines import oasm
from lateralization.encoding.encode import encode_files
from lateralization.encoding.parts import read_part
from lateralization.encoding.regressors import regressors
from lateralization.files import read_metadata, save_tensors, write_table
from lateralization.fmri.signals import standardise
from lateralization.ridge.choices import STUDY, Choices
from lateralization.ridge.ridge import encode

LENGTHS = (60, 66, 57, 63, 60, 61)
TEXTS = tuple(f"text {run}" for run in range(len(LENGTHS)))
N_VOXELS = 120
LIMIT = 0.02
ALPHAS = np.logspace(2, 5, 4)


def spoken(texts=TEXTS):
    """Return three words for each run."""
    rows = [
        {"run": run, "word": word, "onset": float(place), "offset": place + 0.5}
        for run, text in enumerate(texts, start=1)
        for place, word in enumerate([*text.split(), "end"], start=1)
    ]
    return pd.DataFrame(rows)


def noise(lengths=LENGTHS, seed=0):
    """Return autocorrelated noise, which voxels share in part as in a brain, run by run."""
    rng = np.random.default_rng(seed)
    mixing = rng.standard_normal((30, N_VOXELS))
    runs = [rng.standard_normal((n, 30)) @ mixing + rng.standard_normal((n, N_VOXELS))
            for n in lengths]  # fmt: skip
    return [standardise(gaussian_filter1d(run, 1.5, axis=0)) for run in runs]


def features(seed, texts=TEXTS, lengths=LENGTHS):
    tensors, _ = oasm.blocks({"seed": seed}, spoken(texts))
    rows = [oasm.scan_rows(block, n) for block, n in zip(tensors.values(), lengths, strict=True)]
    return [regressors(run, [eye_array(len(run), format="csr")], 0)[0] for run in rows]


def scored(made, bold, choices=STUDY):
    """Return mean and standard error over the seeds of the mean r over runs and voxels."""
    means = [encode(own, bold, ALPHAS, choices=choices).r.mean() for own in made]
    return np.mean(means), np.std(means, ddof=1) / np.sqrt(len(means))


def shuffled(runs, order):
    """Deal the scans of all runs out to as many folds at random."""
    parts = np.array_split(np.vstack(runs)[order], len(runs))
    return [standardise(part) for part in parts]


@pytest.fixture(scope="module")
def made():
    return [features(seed) for seed in oasm.SEEDS]


def test_the_rows_are_the_blurred_identity_times_random_directions():
    block = np.array([[3, 17]])
    blur = oasm.blur_of(3)
    identity = gaussian_filter1d(np.eye(40), blur, axis=0)
    directions = np.random.default_rng([3, 17]).standard_normal((40, oasm.DIMS))
    np.testing.assert_allclose(oasm.scan_rows(block, 40), identity @ directions, atol=1e-12)
    assert oasm.WIDTHS[0] <= blur <= oasm.WIDTHS[1]
    assert len({oasm.blur_of(seed) for seed in oasm.SEEDS}) == len(oasm.SEEDS) >= 10


def test_neighbours_are_alike_and_runs_are_not():
    near, far = [], []
    for seed in oasm.SEEDS:
        one, other = features(seed)[:2]
        product = one[:57] @ other[:57].T / oasm.DIMS
        far.append(np.abs(product).mean())
        near.append(np.corrcoef(one[:-1].ravel(), one[1:].ravel())[0, 1])
    assert np.mean(near) > 0.6
    assert np.mean(far) < 0.1


def test_runs_of_the_same_words_share_their_rows():
    tensors, report = oasm.blocks({"seed": 4}, spoken(("a b", "c d", "a b")))
    first, second, third = tensors.values()
    np.testing.assert_array_equal(first, third)
    assert not np.array_equal(first, second)
    assert list(tensors) == ["run-1/layer-0", "run-2/layer-0", "run-3/layer-0"]
    assert report["rows"] == oasm.BLOCKS
    assert report["widths"] == [oasm.DIMS]


@pytest.mark.parametrize("inner", ["one_run", "all_runs"])
def test_with_a_run_left_out_nothing_is_predicted(made, inner):
    mean, error = scored(made, noise(), Choices(inner_validation=inner))
    assert 0 < error < LIMIT / 2
    assert abs(mean) < 2 * error


def test_folds_of_random_scans_leak(made):
    order = np.random.default_rng(1).permutation(sum(LENGTHS))
    mean, error = scored([shuffled(own, order) for own in made], shuffled(noise(), order))
    assert mean > 0.3
    assert mean > LIMIT + 2 * error


def test_a_text_that_was_heard_twice_leaks_when_its_runs_are_folds():
    lengths, texts = (60, *LENGTHS[1:-1], 60), (*TEXTS[:-1], TEXTS[0])
    runs = noise(lengths)
    rng = np.random.default_rng(2)
    again = standardise(runs[0] + 0.5 * rng.standard_normal(runs[0].shape))
    repeated = [features(seed, texts, lengths) for seed in oasm.SEEDS]
    mean, error = scored(repeated, [*runs[:-1], again])
    assert mean > LIMIT + 2 * error
    distinct = [features(seed, TEXTS, lengths) for seed in oasm.SEEDS]
    mean, error = scored(distinct, runs)
    assert abs(mean) < 2 * error


def test_encode_draws_the_rows_from_what_baselines_wrote(tmp_path):
    bold = noise([n + 20 for n in LENGTHS])
    runs = {f"run-{i}": run.astype(np.float32) for i, run in enumerate(bold, start=1)}
    left_out = np.zeros((len(LENGTHS), N_VOXELS), np.uint8)
    save_tensors(tmp_path / "bold.safetensors", runs | {"left_out": left_out})
    tensors, report = oasm.blocks({"seed": 2}, spoken())
    save_tensors(tmp_path / "features.safetensors", tensors, {"rows": report["rows"]})
    write_table(spoken(), tmp_path / "words.tsv")
    assert read_metadata(tmp_path / "features.safetensors")["rows"] == oasm.BLOCKS
    encode_files(task(tmp_path), [tmp_path / "part.safetensors"])
    part = read_part(tmp_path / "part.safetensors")
    rows = [oasm.scan_rows(block, n + 20)
            for block, n in zip(tensors.values(), LENGTHS, strict=True)]  # fmt: skip
    made = [regressors(run, [eye_array(len(run), format="csr")])[0] for run in rows]
    alone = encode(made, [standardise(run[10:-10]) for run in bold])
    np.testing.assert_allclose(part.r[0], alone.r, atol=1e-5)
    # as confounds of another feature space, they are drawn in the same way
    asked = task(tmp_path, joint=[tmp_path / "features.safetensors"],
                 joint_words=[tmp_path / "words.tsv"])  # fmt: skip
    encode_files(asked, [tmp_path / "joint.safetensors"])
    confounds = read_part(tmp_path / "joint.safetensors").more["confounds"]
    np.testing.assert_allclose(confounds, part.r[0], atol=1e-6)
