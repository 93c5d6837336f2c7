"""Words on another clock than the scans, and runs in which nothing can be predicted."""

import numpy as np
import pandas as pd
import pytest

from helpers.encode_inputs import change, numbered_operators, task
from helpers.planning import lines_of, own, plan_of, write_group, write_world
from helpers.tiny_dataset import SCANS, run_path, write_run
from lateralization.encoding.encode import encode_files
from lateralization.encoding.regressors import layer_regressors
from lateralization.errors import BadInput
from lateralization.files import read_tensors, save_tensors
from lateralization.fmri.hrf import words_outside
from lateralization.runs import numbered_keys
from lateralization.statistics.intervals import jackknife_interval, t_interval, widened

TR, N_SCANS, N_WORDS = 2.0, 60, 50


def story(factor=1.0, shift=0.0):
    rng = np.random.default_rng(0)
    words = pd.DataFrame({"run": np.repeat([1, 2, 3], N_WORDS)})
    words["onset"] = np.tile(np.sort(rng.uniform(1, 110, N_WORDS)), 3)
    words["offset"] = words["onset"] + 0.3
    for column in ("onset", "offset"):
        words[column] = words[column] * factor + (words["run"] - 1) * shift
    return words


CLOCKS = {"milliseconds": (1000, 0), "samples": (44100, 0), "one for the session": (1, 120),
          "one with pauses": (1, 300), "from the epoch": (1, 1.7e9)}  # fmt: skip


@pytest.mark.parametrize("clock", CLOCKS)
def test_words_on_another_clock_are_refused(clock):
    with pytest.raises(BadInput, match=r"of run \d: \d+ of 50 begin outside its scans") as caught:
        numbered_operators(story(*CLOCKS[clock]), [N_SCANS] * 3, TR)
    assert "must be seconds from the first scan" in str(caught.value)
    numbered_operators(story(), [N_SCANS] * 3, TR)


def test_half_of_the_words_may_lie_outside():
    onsets = np.array([-1.0, 0.0, 5.0, 10.0])
    assert words_outside(onsets, 10.0) == ""
    assert words_outside(onsets, 5.0).startswith("3 of 4 begin outside its scans")
    assert words_outside(np.array([]), 5.0) == ""


def shifted(world, change):
    path = world / "data" / "annotation" / "EN" / "lppEN_word_information.csv"
    table = pd.read_csv(path).dropna()
    for column in ("onset", "offset"):
        table[column] = change(table[column], table["section"])
    table["section"] = table["section"].astype(int)
    table.to_csv(path, index=False)


@pytest.mark.parametrize(
    "change", [lambda time, run: 1000 * time, lambda time, run: time + 60 * (run - 1)]
)
def test_the_plan_refuses_another_clock(tmp_path, capsys, change):
    world = write_world(tmp_path)
    shifted(world, change)
    line, *_ = lines_of(world, capsys, **own(world))
    assert line.startswith("--dataset: ")
    assert "of 20 begin outside its scans" in line


def test_the_plan_asks_whether_minutes_are_seconds(tmp_path):
    world = write_world(tmp_path)
    assert not [n for n in plan_of(world, **own(world))["notes"] if "are the times seconds?" in n]
    shifted(world, lambda time, run: time / 60)
    assert [n for n in plan_of(world, **own(world))["notes"] if "are the times seconds?" in n]


def test_the_plan_asks_whether_scans_are_seconds(tmp_path):
    world = write_world(tmp_path)
    lengths = pd.Series(SCANS, index=range(1, 10))
    shifted(world, lambda time, run: time / 20 * run.map(lengths))
    assert [n for n in plan_of(world, **own(world))["notes"] if "are the times seconds?" in n]


def late_in_the_last_run(world, n_scans):
    """Put the words of run 9 behind 60 s of its 78 s, and give one subject so many scans there."""
    shifted(world, lambda time, run: time.where(run < 9, 61 + time / 2))
    write_run(run_path(world / "data", "EN902", 15), n_scans)


def test_a_run_that_is_shorter_than_its_words_in_one_subject_is_refused(tmp_path, capsys):
    world = write_world(tmp_path)
    late_in_the_last_run(world, 30)
    lines = lines_of(world, capsys, **own(world))
    (line,) = [line for line in lines if "too short for its story" in line]
    assert line.startswith("--dataset: run 9 of sub-EN902 is too short for its story: of the words")
    assert "20 of 20 begin outside its scans" in line


def test_words_behind_the_scans_of_one_subject_are_said(tmp_path):
    world = write_world(tmp_path)
    late_in_the_last_run(world, 35)  # 70 s: the last words are lost
    alone = write_group(tmp_path) | {"subjects": "EN901,EN902"}
    notes = plan_of(world, **own(world, **alone))["notes"]
    (note,) = [note for note in notes if "words of run 9" in note]
    assert "end after the last scan of sub-EN902, and not in the other subjects" in note


def test_a_run_whose_regressors_are_all_constant_is_refused(files):
    states = read_tensors(files / "features.safetensors")["run-4/layer-1"]
    one_left = np.zeros_like(states)
    one_left[:, 3] = states[:, 3]
    change(files / "features.safetensors", **{"run-4__layer-1": one_left})
    encode_files(task(files, layers="1"), [files / "part.safetensors"])
    dead = read_tensors(files / "features.safetensors") | {"run-4/layer-1": np.zeros_like(states)}
    save_tensors(files / "features.safetensors", dead, {"model": "gpt2"})
    with pytest.raises(BadInput, match=r"^gpt2, layer 1, run 4: each of the 16 regressors is"):
        encode_files(task(files, layers="1"), [files / "part.safetensors"])


def test_words_in_the_trimmed_ends_predict_nothing():
    words = story()
    words.loc[words["run"] == 2, ["onset", "offset"]] = 118.0
    operators = numbered_operators(words, [N_SCANS] * 3, TR)
    states = [np.random.default_rng(run).normal(size=(N_WORDS, 4)) for run in range(3)]
    with pytest.raises(BadInput, match="layer 0, run 2: each of the 4 regressors"):
        layer_regressors(states, operators, numbered_keys(3), "gpt2, layer 0", 10)


def test_equal_values_have_no_interval():
    for values in (np.zeros(9), np.full(5, 0.25)):
        found = widened(t_interval(values))
        assert found.mean == values[0]
        assert np.isnan([found.low, found.high]).all()
        whole = jackknife_interval(lambda kept, own=values: own[kept].mean(), len(values))
        assert np.isnan([whole.low, whole.high]).all()
