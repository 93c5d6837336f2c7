"""ENCODE on stories: repetitions, test stories, beginnings, slice times, and who lacks what."""

import json

import numpy as np
import pandas as pd
import pytest

from helpers.encoder_oracle import zscored
from helpers.weighted_oracle import nested_over_stories
from lateralization.encoding.encode import EncodingTask, encode_files, read_layer
from lateralization.encoding.gather import describe_left_out
from lateralization.encoding.parts import read_part
from lateralization.encoding.regressors import word_operators
from lateralization.errors import BadInput
from lateralization.files import open_tensors, save_tensors, write_table
from lateralization.fmri.hrf import Sampling, fir_operators, hrf_operator
from lateralization.names import IN_SOURCE, OUT_OF_VIEW

TR, TRIM, SLICE, N_VOXELS, WIDTH = 1.5, 3, 0.2, 30, 6
SCANS = {"01": 62, "a_b": 70, "c.d": 66, "e": 64}
STARTS = {"story-c.d": 4.5, "story-01": 0.0}
FULL = {
    "story-01": 62, "story-a_b": 70, "story-a_b_rep-2": 68, "story-a_b_rep-3": 70,
    "story-c.d": 66, "story-e": 64,
}  # fmt: skip
"""Keys of a subject's runs, and their scans: a repetition may be shorter."""


def story_of_key(key):
    return key.removeprefix("story-").split("_rep-")[0]


@pytest.fixture
def folder(tmp_path):
    """Words and features of four stories; times count from the beginning of each."""
    rng = np.random.default_rng(0)
    tables, tensors = [], {}
    for name, scans in SCANS.items():
        onsets = np.sort(rng.uniform(0, TR * scans - 6, 90))
        tables.append(pd.DataFrame({"story": name, "word": "null", "onset": onsets}))
        tables[-1]["offset"] = onsets + rng.uniform(0.1, 0.5, 90)
        tensors[f"story-{name}/layer-0"] = rng.standard_normal((90, WIDTH)).astype(np.float32)
        tensors[f"story-{name}/layer-1"] = rng.standard_normal((90, 5)).astype(np.float32)
    write_table(pd.concat(tables), tmp_path / "words.tsv")
    save_tensors(tmp_path / "features.safetensors", tensors, {"model": "made"})
    return tmp_path


def regressors(folder, runs, layer=0):
    """Restate the regressors: words are moved to the scans' clock, sampled and standardised."""
    from safetensors.numpy import load_file

    states = load_file(folder / "features.safetensors")
    words = pd.read_csv(folder / "words.tsv", sep="\t", dtype={"story": str}, keep_default_na=False)
    made = []
    for key, scans in runs.items():
        name = story_of_key(key)
        own = words[words["story"] == name]
        onsets = own["onset"].to_numpy() + STARTS.get(f"story-{name}", 0)
        lengths = (own["offset"] - own["onset"]).to_numpy()
        operator = hrf_operator(onsets, lengths, scans, TR, SLICE)
        made.append(zscored((operator @ states[f"story-{name}/layer-{layer}"])[TRIM:-TRIM]))
    return made


def write_bold(folder, name, runs, seed=1):
    """A subject that follows the regressors; runs are written out of the order of their names."""
    rng = np.random.default_rng(seed)
    weights = rng.standard_normal((WIDTH, N_VOXELS))
    tensors = {}
    for (key, scans), made in zip(runs.items(), regressors(folder, runs), strict=True):
        series = rng.standard_normal((scans, N_VOXELS))
        series[TRIM:-TRIM] += 0.5 * made @ weights
        tensors[key] = series.astype(np.float32)
    left_out = np.zeros((len(runs), N_VOXELS), np.uint8)
    path = folder / f"{name}.safetensors"
    told = {"runs": json.dumps(list(runs))}
    save_tensors(path, tensors | {"left_out": left_out}, told)
    return path, [zscored(run[TRIM:-TRIM]) for run in tensors.values()]


def task(folder, bold, **changes):
    values = {
        "features": folder / "features.safetensors", "words": folder / "words.tsv", "bold": bold,
        "layers": "all", "tr": TR, "trim": TRIM, "slice_time": SLICE, "starts": STARTS,
        "device": "cpu",
    }  # fmt: skip
    return EncodingTask(**values | changes)


def encoded(folder, bold, **changes):
    outs = [folder / f"part-{place}.safetensors" for place in range(len(bold))]
    encode_files(task(folder, bold, **changes), outs)
    return [read_part(out) for out in outs]


@pytest.mark.parametrize("test", [(), ("story-a_b",)], ids=str)
def test_a_subject_is_fitted_by_story(folder, test):
    path, bold = write_bold(folder, "one", FULL)
    (part,) = encoded(folder, [path], test=test)
    stories = [(0,), (1, 2, 3), (4,), (5,)]
    assert part.told["stories"] == ["story-01", "story-a_b", "story-c.d", "story-e"]
    assert part.told["test"] == list(test)
    for layer in (0, 1):
        features = regressors(folder, FULL, layer)
        r, alphas, _ = nested_over_stories(features, bold, stories, test=(1,) if test else ())
        np.testing.assert_array_equal(part.alphas[layer], alphas)
        np.testing.assert_allclose(part.r[layer], r, rtol=0, atol=1e-5)
    assert part.r[0].mean() > 0.2
    assert abs(part.r[1].mean()) < 0.1


def test_a_subject_without_a_story_is_fitted_with_the_others(folder):
    fewer = {key: scans for key, scans in FULL.items() if "c.d" not in key and "rep" not in key}
    apart = [write_bold(folder, "one", FULL), write_bold(folder, "two", fewer, 2)]
    apart.append(write_bold(folder, "three", FULL, 3))
    paths = [path for path, _ in apart]
    together = encoded(folder, paths)
    assert [len(part.told["stories"]) for part in together] == [4, 3, 4]
    for path, part in zip(paths, together, strict=True):
        (alone,) = encoded(folder, [path])
        assert alone.told == part.told
        np.testing.assert_array_equal(alone.r, part.r)
    r, _, _ = nested_over_stories(regressors(folder, fewer), apart[1][1], [(0,), (1,), (2,)])
    np.testing.assert_allclose(together[1].r[0], r, rtol=0, atol=1e-5)


def test_confounds_are_of_the_same_stories(folder):
    path, _ = write_bold(folder, "one", FULL)
    more = {"joint": [folder / "features.safetensors"], "joint_words": [folder / "words.tsv"]}
    with pytest.raises(BadInput, match="features that go jointly have one"):
        encoded(folder, [path], **more)
    rng = np.random.default_rng(4)
    rate = {f"story-{name}/layer-0": rng.random((90, 1)).astype(np.float32) for name in SCANS}
    save_tensors(folder / "rate.safetensors", rate)
    (part,) = encoded(folder, [path], **more | {"joint": [folder / "rate.safetensors"]})
    assert part.more["joint"].shape == (2, 4, N_VOXELS)
    assert part.more["confounds"].shape == (4, N_VOXELS)
    assert np.abs(part.more["joint"][0] - part.r[0]).max() < 0.2


def test_a_voxel_left_out_in_one_repetition_is_left_out_of_the_story(folder):
    path, _ = write_bold(folder, "one", FULL)
    from safetensors.numpy import load_file

    tensors = load_file(path)
    flags = np.zeros((6, N_VOXELS), np.uint8)
    flags[2, 7], flags[3, 7], flags[5, 9] = OUT_OF_VIEW, IN_SOURCE, OUT_OF_VIEW
    save_tensors(path, tensors | {"left_out": flags}, {"runs": json.dumps(list(FULL))})
    (part,) = encoded(folder, [path], layers="0")
    assert part.left_out.shape == (4, N_VOXELS)
    assert np.argwhere(part.left_out).tolist() == [[1, 7], [3, 9]]
    assert part.left_out[1, 7] == min(OUT_OF_VIEW, IN_SOURCE)
    told = describe_left_out(part.left_out, np.ones((N_VOXELS, 1, 1), bool), part.told["stories"])
    assert [voxel["runs"] for voxel in told["voxels"]] == [["a_b"], ["e"]]


def test_too_few_stories_or_unknown_ones_are_bad_input(folder):
    two = {key: FULL[key] for key in ("story-01", "story-a_b", "story-a_b_rep-2")}
    path, _ = write_bold(folder, "two", two)
    with pytest.raises(BadInput, match=r"two\.safetensors: nested cross-validation needs .* 2$"):
        encoded(folder, [path])
    path, _ = write_bold(folder, "one", FULL)
    with pytest.raises(BadInput, match=r"one\.safetensors: .* the data have 2$"):
        encoded(folder, [path], test=("story-e", "story-01"))
    words = pd.read_csv(folder / "words.tsv", sep="\t", dtype=str, keep_default_na=False)
    write_table(words[words["story"] != "a_b"], folder / "words.tsv")
    with pytest.raises(BadInput, match="the words lack story a_b, which the BOLD data have"):
        encoded(folder, [path])


def test_words_move_with_the_beginning_of_their_story():
    words = pd.DataFrame({"onset": [3.0, 9.5, 20.0], "offset": [3.4, 9.9, 20.5]})
    moved = words + 4.5
    late = Sampling(TR, SLICE, {"story-x": 4.5})
    for hrf in ("glover", "fir"):
        ours = word_operators({"story-x": words}, {"story-x_rep-2": 40}, late, hrf)[0]
        theirs = word_operators({"story-x": moved}, {"story-x": 40}, Sampling(TR, SLICE), hrf)[0]
        for one, other in zip(ours, theirs, strict=True):
            np.testing.assert_allclose(one.toarray(), other.toarray(), rtol=0, atol=1e-12)
    with pytest.raises(BadInput, match="words of story x, repetition 2: 3 of 3 begin outside"):
        word_operators(
            {"story-x": words}, {"story-x_rep-2": 40}, Sampling(TR, None, {"story-x": 99})
        )


@pytest.mark.parametrize("slice_time", [0.0, 0.2, 0.75, 1.4])
def test_scans_of_a_finite_impulse_response_are_centred_on_their_sample(slice_time):
    onsets = np.array([3.0, 9.7, 20.1])
    found = fir_operators(onsets, 40, TR, slice_time)
    moved = fir_operators(onsets + TR / 2 - slice_time, 40, TR)
    assert all((one != other).nnz == 0 for one, other in zip(found, moved, strict=True))
    times = slice_time + TR * np.arange(40)
    near = np.abs(times[:, None] - onsets - 4) < TR / 2
    np.testing.assert_array_equal(found[1].toarray() > 0, near)


def test_a_repetition_has_its_own_rows_where_the_features_have_some(tmp_path):
    rows = {"story-a/layer-0": 1.0, "story-b/layer-0": 2.0, "story-a_rep-2/layer-0": 3.0}
    path = tmp_path / "f.safetensors"
    save_tensors(path, {name: np.full((4, 1), value) for name, value in rows.items()})
    heard = {"story-a": 4, "story-a_rep-2": 4, "story-b": 4, "story-b_rep-2": 4}
    with open_tensors(path) as handle:
        read = read_layer(handle, 0, heard, "scans")
    assert [values[0, 0] for values in read] == [1, 3, 2, 2]
