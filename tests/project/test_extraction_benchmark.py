"""The extraction's benchmark: it runs, and what it counts is right."""

import csv
import subprocess
import sys
from pathlib import Path

import numpy as np
import pytest
import torch

BENCHMARKS = Path(__file__).resolve().parents[2] / "benchmarks"
sys.path.insert(0, str(BENCHMARKS))

import extraction_models as made  # noqa: E402

from lateralization.files import read_tensors  # noqa: E402
from lateralization.language_models.batches import Window, plan_batches  # noqa: E402


def run(folder: Path, *arguments: str) -> None:
    command = [sys.executable, BENCHMARKS / "extraction.py", "--quick", "--results", folder]
    subprocess.run([*command, *arguments], check=True)


def rows(path: Path) -> list[dict[str, str]]:
    return list(csv.DictReader(path.open(), delimiter="\t"))


@pytest.mark.slow
def test_the_gpus_part_runs_and_nothing_in_it_fails(tmp_path: Path) -> None:
    run(tmp_path, "--gpu")
    found = rows(tmp_path / "extraction_gpu.tsv")
    assert {"trunk", "windows to sums", "sums to file", "spread over GPU and host"} <= {
        row["measure"] for row in found
    }
    assert all(float(row["seconds"]) > 0 for row in found), found
    assert not any("Error" in row["note"] for row in found)


@pytest.mark.slow
def test_the_cpus_part_runs_and_both_ways_read_the_same_windows(tmp_path: Path) -> None:
    run(tmp_path, "--cpu")
    tables = {
        part: rows(tmp_path / f"extraction_cpu_{part}.tsv")
        for part in ("rates", "memory", "command", "writing", "handover")
    }
    rates = {row["contender"]: row for row in tables["rates"] if not row["note"]}
    assert set(rates) == {"trunk", "ours", "study"}
    assert len({(row["windows"], row["tokens"]) for row in rates.values()}) == 1
    assert [row["contender"] for row in tables["memory"]] == ["ours", "study"]
    assert all(float(row["peak_mib"]) > 0 for row in tables["memory"])
    told = [row["note"].split(": ")[-1] for row in tables["command"]]
    assert told == ["whole", "import", "load", "forward", "write", "start and end"]
    assert [row["contender"] for row in tables["writing"]] == ["ours", "plain copy"]
    assert {row["contender"] for row in tables["handover"]} == {"words", "regressors"}


@pytest.mark.slow
def test_the_studys_way_gives_the_same_words(tmp_path: Path) -> None:
    """What the benchmark sets itself beside computes the same thing."""
    import extraction_cpu

    shape = made.TINY["gpt2"]
    model = made.make_model(shape, torch.float32, "cpu")
    made_run = made.make_run(1, 400, shape)
    extraction_cpu.states_kept(model, made_run, tmp_path)
    extraction_cpu.ours(model.base_model, made_run, 1000, tmp_path)
    found = read_tensors(next(tmp_path.glob("*/out.safetensors")))
    expected = np.load(tmp_path / "vectors.npy").reshape(shape.layers + 1, -1, shape.width)
    for layer, values in enumerate(expected):
        bound = 1e-5 * np.abs(values).max()
        np.testing.assert_allclose(found[f"run-1/layer-{layer}"], values, rtol=0, atol=bound)


def test_operations_are_those_of_the_products() -> None:
    """The parameters of all linear layers, each used once per token, and attention."""
    for name in ("gpt2-xl", "7b"):
        shape = made.TINY[name]
        model = made.make_model(shape, torch.float32, "cpu").base_model
        weights = sum(
            parameter.numel()
            for key, parameter in model.named_parameters()
            if parameter.ndim == 2 and not key.startswith(("wte", "wpe", "embed"))
        )
        found = shape.operations([Window(1, 0, 10)])
        assert found == 2 * 10 * weights + shape.layers * 4 * 55 * shape.width


def test_every_token_of_the_made_text_is_in_one_word_and_every_window_needed() -> None:
    run = made.make_run(3, 400, made.TINY["gpt2"])
    covered = run.segments[:, 3] - run.segments[:, 2]
    assert covered.sum() == run.mask.sum() - (len(run.ids) - 1) * (run.ids.shape[1] - 64)
    assert run.n_words == 400
    assert sum(len(batch) for batch in plan_batches([run], 1000)) == len(run.ids)
    assert np.array_equal(run.ids[1, :64], run.ids[0, 64:128])
