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
    LAYER_SECONDS,
    RUN_SECONDS,
    STORY_SECONDS,
    TRIAL_SECONDS,
    Hours,
    activations_disk,
    estimated_hours,
    fmri_disk,
    gpu_bytes_needed,
    reliability_disk,
    shape_of,
    without_scans,
)
from lateralization.plan.summary import details, peak_bytes
from lateralization.run_plan import FitPlan, RunPlan, SubjectPlan

RESULTS = Path(__file__).resolve().parents[3] / "benchmarks" / "results"


def _rows(name: str) -> list[dict[str, str]]:
    return list(csv.DictReader((RESULTS / name).open(), delimiter="\t"))


def test_measured_seconds_are_those_of_the_tables() -> None:
    resample = next(
        float(row["ours"])
        for row in _rows("preprocessing.tsv")
        if row["measure"] == "stage" and row["source"] == "72x90x77-f4" and row["unit"] == "seconds"
    )
    assert pytest.approx(resample, rel=0.01) == RUN_SECONDS
    trial = next(float(row["seconds_per_trial"]) for row in _rows("encoding_reliability.tsv"))
    assert pytest.approx(trial, rel=0.05) == TRIAL_SECONDS
    for at, (name, column) in enumerate(
        [("encoding_layers.tsv", "C_seconds"), ("gpu/encoding_layers.tsv", "D_seconds")], start=1
    ):
        measured = {int(row["n_features"]): float(row[column]) for row in _rows(name)}
        for row in LAYER_SECONDS:
            assert measured[int(row[0])] == pytest.approx(row[at], rel=0.02)


def test_a_story_takes_seconds_in_proportion_to_the_weights() -> None:
    """On cores: at the tokens per second of gpt2, for the tokens that gpt2-xl read on the GPU."""
    (small, on_cores), (large, on_gpu) = STORY_SECONDS
    gpu = [row for row in _rows("extraction_gpu.tsv") if row["model"] == "gpt2-xl"]
    story = next(float(row["seconds"]) for row in gpu if row["measure"] == "windows to sums")
    assert on_gpu == pytest.approx(story, rel=0.01)
    trunk = next(row for row in gpu if row["measure"] == "trunk" and row["batch_tokens"] == "65536")
    tokens = 1e12 * float(trunk["tflop_per_s"]) * float(trunk["seconds"]) / (2 * large)
    rate = max(
        float(row["tokens_per_s"])
        for row in _rows("extraction_cpu_rates.tsv")
        if row["contender"] == "ours"
    )
    assert on_cores == pytest.approx(tokens / rate, rel=0.02)
    assert small < large


def test_hours_grow_with_what_a_run_does() -> None:
    model = made_model("gpt2", languages=["en"], n_parameters=124_439_808, n_layers=12, n_hid=768)
    people = [made_subject(f"EN{k:03d}") for k in range(49)]
    fits = [FitPlan("en", "average", "gpt2")]

    def hours(layers: int | None = 13, **more: Any) -> Hours:
        languages = [made_language(subjects=people)]
        plan = made_plan(languages=languages, models=[model], fits=fits, **more)
        return estimated_hours(plan, {"gpt2": layers})

    plain = hours()
    assert plain.stages["ENCODE"] == pytest.approx(13 * 6.42 / 3600)
    assert plain.stages["RESAMPLE"] == pytest.approx(49 * 9 * 1.02 / 3600)
    assert plain.stages["ACTIVATIONS"] == pytest.approx(183 / 3600)
    assert (plain.gpu, plain.unknown) == (0, 0)
    assert plain.total == pytest.approx(sum(plain.stages.values()))
    on_gpu = hours(parameters={"gpus": 1})
    assert 0 < on_gpu.gpu < plain.stages["ENCODE"] + plain.stages["ACTIVATIONS"]
    assert hours(None).unknown == 1
    slow = {"hrf": "fir", "components": None, "alpha": "shared", "inner_validation": "all_runs"}
    assert hours(encoder=slow).stages["ENCODE"] > 8 * plain.stages["ENCODE"]


def test_the_work_is_that_of_what_each_person_heard() -> None:
    """Of stories that nobody heard all of: runs, and the average over every one that was heard."""

    def heard(subject: str, *stories: str) -> SubjectPlan:
        runs = [RunPlan(f"story-{name}", "", "", scans=300) for name in stories]
        return SubjectPlan(subject, None, True, True, runs)

    people = [heard("01", "a", "b", "c"), heard("02", "b", "c", "d", "d_rep-2", "e")]
    stories = [f"story-{name}" for name in "abcde"]
    language = made_language(subjects=people, stories=stories)
    model = made_model("m", n_parameters=10**8, n_hid=768)

    def encode(subject: str) -> float:
        plan = made_plan(languages=[language], models=[model], fits=[FitPlan("en", subject, "m")])
        return estimated_hours(plan, {"m": 1}).stages["ENCODE"]

    assert encode("02") == pytest.approx(5 / 3 * encode("01"))
    assert encode("average") == pytest.approx(2 * encode("01"))
    plan = made_plan(languages=[language])
    assert estimated_hours(plan, {}).stages["RESAMPLE"] == pytest.approx(8 * 1.02 / 3600)
    voxels = 37 * 46 * 38
    assert fmri_disk(plan)[0] == 4 * 8 * 300 * voxels
    assert fmri_disk(plan)[1] == 4 * (2 * 8 + 3 * 6) * 300 * 27_000


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
    model = made_model("m", n_parameters=10**8, n_hid=768)
    alone = made_plan(
        fits=fits, baselines=baselines, models=[model], languages=[made_language()]
    )  # fmt: skip

    def seconds(plan: Any) -> float:
        return 3600 * estimated_hours(plan, layers).stages["ENCODE"]

    assert seconds(alone) == pytest.approx(13 * 6.42 + 2 * 2.73)
    jointly = replace(alone, joint=["word_rate"])
    assert seconds(jointly) == pytest.approx(13 * JOINTLY[1] * 6.42 + 2 * 2.73)


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
    subjects = [
        made_subject("EN901", scans=100),
        made_subject("EN902", scans=100),
        made_subject("EN903", scans=100, group=False),
    ]

    def aside(**fields: Any) -> int:
        given: dict[str, Any] = {"subjects": subjects} | fields
        languages = [made_language(**given)]
        return reliability_disk(made_plan(parameters={"isc_trials": 3}, languages=languages))

    assert aside() == 3 * 2 * (9 * 80) * 27_000 * 4
    assert aside(isc={"source": ["x"]}) == 0
    assert aside(subjects=subjects[1:]) == 0


def test_a_size_that_is_not_known_is_called_unknown() -> None:
    subjects = [made_subject("EN901"), made_subject("EN902")]
    fields: dict[str, Any] = {"annotation": {"files": []}}
    uncounted = made_language(language="nl", subjects=subjects, **fields)
    counted = made_language(subjects=[made_subject("EN901", scans=100)], **fields)

    def disk(*languages: Any) -> tuple[Any, str, str]:
        plan = made_plan(languages=list(languages))
        lines = details(plan)
        one, other = (
            next(line for line in lines if line.startswith(f"plan: disk {what}"))
            for what in ("for fMRI", "at its peak")
        )
        return plan, one, other

    plan, fmri, peak = disk(uncounted)
    assert without_scans(plan) == ["nl"]
    assert (fmri_disk(plan), reliability_disk(plan)) == ((0, 0), 0)
    assert peak_bytes(plan) > 0
    assert fmri.endswith("  nl: unknown until the scans are counted")
    assert ", and the BOLD of nl: unknown until the scans are counted" in peak
    _, fmri, _ = disk(counted, uncounted)
    assert "about" in fmri
    assert fmri.endswith("rest cleaned), and nl: unknown until the scans are counted")
    plan, fmri, peak = disk(counted)
    assert without_scans(plan) == []
    assert "unknown" not in fmri + peak
