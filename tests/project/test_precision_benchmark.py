"""The benchmark of precisions: what it compares, on made results."""

import sys
from pathlib import Path

import numpy as np
import pandas as pd
import pytest

sys.path.insert(0, str(Path(__file__).resolve().parents[2] / "benchmarks"))

import precision

from lateralization.files import save_tensors, write_json, write_table


def made_results(folder: Path, kind: str, shift: float) -> Path:
    """Write two layers of two runs, whose second layer's first voxel moves by ``shift``."""
    scores = folder / "lang-en" / "scores" / "sub-average"
    r = np.array([[[0.1, 0.2, np.nan]] * 2, [[0.3, 0.1, np.nan]] * 2])
    r[1, :, 0] += shift
    save_tensors(scores / "m_runs.safetensors", {"r": r.astype(np.float32)})
    alphas = [[100.0, 100.0], [100.0, 1000.0 if shift else 100.0]]
    write_json({"precision": kind, "alphas": alphas}, scores / "m.json")
    write_json({"precision": None, "alphas": alphas}, scores / "random_vector.json")
    row = {"subject": "average", "model": "m", "layer": "best_voxel", "midline": "shared"}
    rows = [
        row | {"selection": name, "left_minus_right": shift, "ci_low": -0.5, "ci_high": 0.5}
        for name in ("whole", "reliable")
    ]
    rows.append(rows[0] | {"midline": "strict", "left_minus_right": 9.0})
    write_table(pd.DataFrame(rows), folder / "tables" / "asymmetry.tsv")
    return folder


def test_each_precision_is_set_beside_the_first(tmp_path: Path) -> None:
    results = [
        made_results(tmp_path / kind, kind, shift)
        for kind, shift in (("float32", 0.0), ("bfloat16", 0.02), ("float16", 0.0))
    ]
    moved, same = precision.compare(results)
    assert (moved["precision"], same["precision"]) == ("bfloat16", "float16")
    assert moved["largest_change_of_a_voxel"] == pytest.approx(0.02, abs=1e-6)
    assert moved["score"] == pytest.approx(0.25)
    assert moved["score_change"] == pytest.approx(0.01, abs=1e-6)
    assert (moved["penalties_changed"], moved["penalties"]) == (1, 4)
    assert moved["change_whole"] == pytest.approx(0.02)
    assert moved["half_interval_whole"] == pytest.approx(0.5)
    assert same["largest_change_of_a_voxel"] == same["penalties_changed"] == 0
