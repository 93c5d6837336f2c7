"""Word vectors from sums: the same file however the windows were dealt, whole or not at all."""

from pathlib import Path
from typing import Any

import numpy as np
import pytest

from lateralization.errors import BadInput
from lateralization.files import read_metadata, read_tensors
from lateralization.language_models.batches import RunTokens
from lateralization.language_models.word_vectors import Collector, FeaturesFile, merge
from lateralization.words.windows import Pieces

WIDTHS = (3, 5)


def made_run(number: int) -> RunTokens:
    """Four words: one stretch; two pieces; one over two windows; two pieces over three windows."""
    table = [[0, 0, 1, 0, 4], [1, 0, 4, 0, 5], [1, 0, 5, 0, 8], [2, 0, 8, 1, 6]]
    table += [[3, 1, 6, 2, 7], [3, 2, 7, 2, 8], [4, 2, 8, 2, 9]]
    pieces = Pieces(np.array(table), np.array([0, 4, 4]), np.array([10, 10, 10]))
    blank = np.ones((3, 10), np.int64)
    text = np.array([[0, 0, 10]] * 3)
    return RunTokens(number, blank, blank, pieces, pieces.segments(), text, f"run-{number}")


def sums_of(run: RunTokens, layer: int) -> np.ndarray[Any, Any]:
    """Draw the sums of a run's segments."""
    draw = np.random.default_rng([run.number, layer])
    return draw.standard_normal((len(run.segments), WIDTHS[layer])).astype(np.float32)


def collect(runs: list[RunTokens], batches: list[list[tuple[int, int]]], folder: Path) -> Path:
    """Hand the windows (run, window) of each batch to a process of its own."""
    folder.mkdir()
    for number, windows in enumerate(batches):
        parts = [
            (run, np.flatnonzero(run.segments[:, 1] == window))
            for at, window in windows
            for run in runs
            if run.number == at
        ]
        named = [(run.number, segment) for run, rows in parts for segment in rows]
        tensors = {"segments": np.array(named, np.int64)}
        for layer in range(len(WIDTHS)):
            picked = [sums_of(run, layer)[rows] for run, rows in parts]
            tensors[f"layer-{layer}"] = np.concatenate(picked)
        collector = Collector(runs, folder, {"model": "made"})
        collector.put(number, tensors)
        collector.close()
    assert merge(runs, folder, folder / "out.safetensors") == list(WIDTHS)
    return folder / "out.safetensors"


def test_a_file_is_the_same_however_the_windows_were_dealt(tmp_path: Path) -> None:
    runs = [made_run(1), made_run(2)]
    everything = [(run, window) for run in (1, 2) for window in range(3)]
    dealings = {
        "one": [everything],
        "each": [[item] for item in everything],
        "mixed": [everything[4:1:-1], everything[5:], everything[:2]],
        "backwards": [everything[::-1]],
    }
    paths = [collect(runs, batches, tmp_path / name) for name, batches in dealings.items()]
    assert len({path.read_bytes() for path in paths}) == 1
    assert read_metadata(paths[0]) == {"model": "made", "n_layers": "1"}
    found = read_tensors(paths[0])
    for run in runs:
        lengths = run.segments[:, 3] - run.segments[:, 2]
        owners = run.segments[:, 0]
        for layer in range(len(WIDTHS)):
            sums = sums_of(run, layer).astype(np.float64)
            means = [
                sums[owners == piece].sum(0) / lengths[owners == piece].sum()
                for piece in range(len(run.pieces.table))
            ]
            words = [
                np.mean([means[i] for i in np.flatnonzero(run.pieces.table[:, 0] == w)], axis=0)
                for w in range(run.n_words)
            ]
            expected = np.array(words).astype(np.float32)
            np.testing.assert_array_equal(found[f"run-{run.number}/layer-{layer}"], expected)


def test_a_process_that_did_not_finish_is_noticed(tmp_path: Path) -> None:
    with pytest.raises(RuntimeError, match="run 1: 3 stretches"):
        collect([made_run(1)], [[(1, 0)], [(1, 1)]], tmp_path / "parts")
    assert not (tmp_path / "parts" / "out.safetensors").exists()


def test_a_layer_of_zeros_is_refused(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    plain = sums_of
    monkeypatch.setitem(globals(), "sums_of", lambda run, layer: plain(run, layer) * (1 - layer))
    with pytest.raises(BadInput, match="layer 1 is zero"):
        collect([made_run(1)], [[(1, 0), (1, 1)], [(1, 2)]], tmp_path / "parts")
    assert not (tmp_path / "parts" / "out.safetensors").exists()


def test_rows_that_a_tensor_does_not_have_are_not_written(tmp_path: Path) -> None:
    features = FeaturesFile.create(tmp_path / "file", {"a": (2, 3), "b": (2, 3)}, {})
    for first, rows in ((1, np.ones((2, 3))), (0, np.ones((1, 4)))):
        with pytest.raises(ValueError, match="no rows"):
            features.write("a", first, rows.astype(np.float32))
    features.close()
    assert not read_tensors(tmp_path / "file")["b"].any()
