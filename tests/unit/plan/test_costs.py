"""What the plan says a run will take, beside what was measured."""

import csv
import json
from dataclasses import replace
from pathlib import Path
from typing import Any

import pytest

from helpers.made_plans import made_baseline, made_language, made_model, made_plan, made_subject
from lateralization.plan.costs import (
    JOINTLY,
    MEASURED,
    activations_disk,
    encode_seconds,
    gpu_bytes_needed,
    reliability_disk,
    resample_seconds,
    shape_of,
)
from lateralization.run_plan import FitPlan

RESULTS = Path(__file__).resolve().parents[3] / "benchmarks" / "results"


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
    model = made_model("gpt2-xl", n_parameters=1_557_611_200, n_layers=48, n_hid=1600)
    whole = gpu_bytes_needed(model, "float32")
    half = gpu_bytes_needed(model, "bfloat16")
    assert whole is not None
    assert half is not None
    weights = 4 * 1_557_611_200
    assert weights < whole < 1.5 * weights
    assert weights / 2 < half < whole
    # what a pass with larger batches took at its peak holds it
    peak = next(float(r["peak_gib"]) for r in _rows("extraction_gpu.tsv") if r["peak_gib"])
    assert whole / 2**30 < peak
    assert gpu_bytes_needed(replace(model, n_parameters=None), "float32") is None


def test_encoding_takes_its_layers_and_a_multiple_of_them_with_confounds() -> None:
    fits = [FitPlan("en", "average", name) for name in ("m", "word_rate", "oasm_seed1")]
    baselines = [made_baseline("word_rate", "word_rate"), made_baseline("oasm_seed1", "oasm")]
    layers = {"m": 13, "word_rate": 1, "oasm_seed1": 1}
    alone = made_plan(fits=fits, baselines=baselines)
    assert encode_seconds(alone, layers) == pytest.approx(15 * 6.42)
    jointly = replace(alone, joint=["word_rate"])
    assert encode_seconds(jointly, layers) == pytest.approx((13 * JOINTLY[1] + 2) * 6.42)
    on_gpu = replace(alone, parameters=alone.parameters | {"gpus": 1})
    assert encode_seconds(on_gpu, {**layers, "m": None}) == pytest.approx(2 * 2.52)
    subjects = [made_subject("EN901"), made_subject("EN902")]
    assert resample_seconds(made_plan(languages=[made_language(subjects=subjects)])) == (
        pytest.approx(18 * 1.02)
    )


def test_activations_take_four_bytes_a_word_layer_and_unit() -> None:
    models = [
        made_model("known", languages=["en"], n_layers=12, n_hid=768),
        made_model("unknown", languages=["en"]),
    ]
    plan = made_plan(models=models, baselines=[made_baseline("glove", "glove", dims=300)])
    assert activations_disk(plan) == 4 * 15_400 * (13 * 768 + 300)


@pytest.mark.parametrize(
    ("config", "expected"),
    [
        ({"n_layer": 12, "n_embd": 768}, (12, 768)),
        ({"num_hidden_layers": 4, "hidden_size": 40}, (4, 40)),
        ({"text_config": {"num_hidden_layers": 2, "hidden_size": 8}}, (2, 8)),
        ({"model_type": "unheard-of"}, (None, None)),
    ],
)
def test_the_shape_of_a_folder_is_in_its_configuration(
    config: dict[str, int], expected: tuple[int | None, int | None], tmp_path: Path
) -> None:
    (tmp_path / "config.json").write_text(json.dumps(config))
    model = made_model("tiny", kind="local", source=str(tmp_path))
    assert shape_of(model) == expected
    assert shape_of(replace(model, n_layers=7, n_hid=9)) == (7, 9)
    assert shape_of(replace(model, kind="hub")) == (None, None)


def test_the_reliability_puts_the_means_of_both_halves_aside() -> None:
    subjects = [made_subject("EN901"), made_subject("EN902"), made_subject("EN903", group=False)]

    def aside(**fields: Any) -> int:
        given: dict[str, Any] = {"subjects": subjects, "n_scans": {"EN901": [100] * 9}} | fields
        languages = [made_language(**given)]
        return reliability_disk(made_plan(parameters={"isc_trials": 3}, languages=languages))

    assert aside() == 3 * 2 * (9 * 80) * 27_000 * 4
    assert aside(isc={"source": ["x"]}) == 0
    assert aside(subjects=subjects[1:]) == 0
