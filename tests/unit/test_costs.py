"""What the plan says a run will take, beside what was measured."""

import csv
from pathlib import Path

import pytest

from lateralization.costs import MEASURED, activations_disk, gpu_memory

RESULTS = Path(__file__).resolve().parents[2] / "benchmarks" / "results"


def _rows(name: str) -> list[dict[str, str]]:
    return list(csv.DictReader((RESULTS / name).open(), delimiter="\t"))


def test_measured_seconds_are_those_of_the_tables() -> None:
    resample = next(
        float(row["ours"])
        for row in _rows("preprocessing.tsv")
        if row["measure"] == "stage" and row["source"] == "72x90x77-f4" and row["unit"] == "seconds"
    )
    layer, on_gpu = (
        next(float(row["C_seconds"]) for row in _rows(name) if row["n_features"] == "768")
        for name in ("encoding_layers.tsv", "gpu/encoding_layers.tsv")
    )
    story = next(
        float(row["seconds"])
        for row in _rows("extraction_gpu.tsv")
        if row["model"] == "gpt2-xl" and row["measure"] == "windows to sums"
    )
    said = [seconds for _stage, seconds, _unit in MEASURED]
    assert said == pytest.approx([resample, layer, on_gpu, story], rel=0.01)


def test_memory_on_a_gpu_is_the_weights_and_a_window() -> None:
    model = {"n_parameters": 1_557_611_200, "n_layers": 48, "n_hid": 1600}
    whole = gpu_memory(model, "float32")
    half = gpu_memory(model, "bfloat16")
    assert whole is not None
    assert half is not None
    weights = 4 * 1_557_611_200
    assert weights < whole < 1.5 * weights
    assert weights / 2 < half < whole
    # what a pass with larger batches took at its peak holds it
    peak = next(float(r["peak_gib"]) for r in _rows("extraction_gpu.tsv") if r["peak_gib"])
    assert whole / 2**30 < peak
    assert gpu_memory(model | {"n_parameters": None}, "float32") is None


def test_activations_take_four_bytes_a_word_layer_and_unit() -> None:
    models = [{"languages": ["en"], "n_layers": 12, "n_hid": 768},
              {"languages": ["en"], "n_layers": None, "n_hid": None}]  # fmt: skip
    plan = {"models": models, "baselines": [{"languages": ["en"], "dims": 300}]}
    assert activations_disk(plan) == 4 * 15_400 * (13 * 768 + 300)
