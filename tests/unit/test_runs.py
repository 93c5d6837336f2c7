"""Keys of runs."""

from pathlib import Path

import numpy as np
import pytest

from lateralization.files import save_tensors
from lateralization.runs import (
    by_story,
    cell,
    keys_in_order,
    label,
    numbered_keys,
    repetition_of,
    run_key,
    run_names,
    shown,
    story_of,
)


@pytest.mark.parametrize(
    ("story", "repetition", "key", "words"),
    [
        ("run-3", 1, "run-3", "run 3"),
        ("story-wheels", 1, "story-wheels", "story wheels"),
        ("story-wheels", 12, "story-wheels_rep-12", "story wheels, repetition 12"),
        (
            "story-two_rep-tiles",
            2,
            "story-two_rep-tiles_rep-2",
            "story two_rep-tiles, repetition 2",
        ),
    ],
)
def test_a_key_holds_story_and_repetition(
    story: str, repetition: int, key: str, words: str
) -> None:
    assert run_key(story, repetition) == key
    assert (story_of(key), repetition_of(key)) == (story, repetition)
    assert shown(key) == words


def test_tables_call_a_run_by_its_number_and_a_story_by_its_name() -> None:
    assert label("run-3") == "3"
    assert label("story-pie-man") == "pie-man"
    assert [cell(key) for key in ("run-12", "story-12", "story-a_rep-2")] == [12, "12", "a_rep-2"]


def test_runs_are_found_by_their_story() -> None:
    keys = ["story-b", "story-a", "story-b_rep-2", "run-1", "story-b_rep-10"]
    assert by_story(keys) == {"story-b": [0, 2, 4], "story-a": [1], "run-1": [3]}


def test_runs_are_in_the_order_of_their_stories_and_repetitions() -> None:
    assert keys_in_order(["run-10", "run-2", "run-1"], []) == ["run-1", "run-2", "run-10"]
    keys = ["story-a_rep-10", "story-z", "story-a_rep-2", "story-z", "story-m", "story-a"]
    ordered = ["story-z", "story-a", "story-a_rep-2", "story-a_rep-10", "story-m"]
    assert keys_in_order(keys, ["story-z", "story-q", "story-a"]) == ordered


def test_a_file_tells_its_runs_in_order_or_has_numbered_ones(tmp_path: Path) -> None:
    path, run = tmp_path / "bold.safetensors", np.zeros((2, 3), np.float32)
    keys = ["story-z", "story-a"]
    tensors = dict.fromkeys([*keys, *numbered_keys(11), "left_out", "tsnr"], run)
    save_tensors(path, tensors, {"runs": '["story-z", "story-a"]'})
    assert run_names(path) == keys
    save_tensors(path, {key: tensors[key] for key in [*numbered_keys(11), "left_out", "tsnr"]})
    assert run_names(path) == numbered_keys(11)
    assert len(numbered_keys()) == 9
