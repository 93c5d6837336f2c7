"""What is chosen from windows and memory, and what happens when the memory is not enough."""

import os
import subprocess
import sys
from pathlib import Path
from typing import Any

import pytest
import torch

from activations import n_windows
from helpers import tiny_models
from helpers.restatement import mapped, write_data
from lateralization.files import read_tensors, save_tensors
from lateralization.language_models import read_ahead
from lateralization.language_models.activations import ExtractionTask, plan_devices
from lateralization.language_models.batches import runs_from
from lateralization.language_models.devices import (
    GIB,
    DevicePlan,
    choose_placement,
    free_bytes,
    free_gpu_memory,
    processes_for,
    weights_bytes,
)
from lateralization.language_models.ranks import Ranks
from lateralization.words.words import window_tensors

BIN = Path(__file__).parents[3] / "bin"


def plan(**over: Any) -> DevicePlan:
    given: dict[str, Any] = {"kind": "cuda", "free": [80 * GIB, 80 * GIB], "weights": 14 * GIB}
    given |= {"per_token": 1e6, "windows": 9, "longest": 2300, "processes": 1}
    return choose_placement(**given | over)


def test_a_model_that_fits_stays_on_one_gpu_and_one_that_does_not_is_spread() -> None:
    fits = plan()
    assert (fits.spread, fits.batch_tokens) == (False, 16384)
    large = plan(weights=100 * GIB)
    assert large.spread
    assert "spread over 2 GPU(s)" in large.reason
    assert "host memory" not in large.reason
    assert "host memory" in plan(weights=100 * GIB, free=[80 * GIB]).reason
    assert not plan(kind="cpu", free=[GIB]).spread


def test_the_batch_follows_the_free_memory_and_holds_the_longest_window() -> None:
    assert plan(free=[22 * GIB]).batch_tokens == int(8 * GIB * 0.5 / 1e6)
    assert plan(free=[14 * GIB]).batch_tokens == 2300
    assert plan(kind="cpu").batch_tokens <= 4096


def test_several_processes_share_a_model_only_when_each_gets_enough_windows() -> None:
    """18 of the study's 28 English models have nine windows in all."""
    assert [processes_for(n, 8) for n in (9, 15, 16, 150, 10_000)] == [1, 1, 2, 8, 8]
    assert processes_for(10_000, 1) == 1


def test_a_model_that_one_gpu_does_not_hold_gets_one_process() -> None:
    """Each process has the whole model: several of them would not find the memory, ever again."""
    gpus = [80 * GIB, 60 * GIB]
    assert processes_for(150, 2, 50 * GIB, lambda: gpus) == 1
    assert processes_for(150, 2, 40 * GIB, lambda: gpus) == 2
    assert processes_for(150, 2, 40 * GIB, list) == 2
    assert processes_for(150, 1, 40 * GIB, unasked) == 1
    assert processes_for(150, 2, 1e8, unasked) == 2
    assert weights_bytes({"n_parameters": 7, "measured": {"n_parameters": 10}}, "bfloat16") == 20


def unasked() -> list[int]:
    raise AssertionError("the GPUs were asked")


@pytest.mark.slow
def test_the_gpus_are_asked_by_a_process_of_its_own() -> None:
    assert free_gpu_memory() == [
        pytest.approx(torch.cuda.mem_get_info(number)[0], rel=0.2)
        for number in range(torch.cuda.device_count())
    ]


@pytest.mark.parametrize(("context", "least"), [(0, 2), (1, 300)])
def test_what_is_computed_with_a_limited_context_is_counted(
    tmp_path: Path, context: int, least: int
) -> None:
    """A word at a time: passes enough for many processes, of a text of a few windows."""
    data = write_data(tmp_path)
    model = tiny_models.make(tmp_path / "gpt2", "gpt2", data[2], 300)
    path = tmp_path / "windows.safetensors"
    save_tensors(path, window_tensors(mapped(model, data, "aligned")))
    passes = n_windows(path, context)
    assert passes >= least
    given: dict[str, Any] = {"model": {}, "words": None, "precision": "float32", "seed": 0}
    given |= {"untrained_mode": "eval", "out": tmp_path / "out", "context": context}
    task = ExtractionTask(model_dir=model, windows=path, **given)
    runs = runs_from(read_tensors(path))
    assert plan_devices(task, Ranks(0, 1, "cpu", lambda: None), runs).windows == passes


def test_the_processes_of_a_machine_share_its_memory() -> None:
    whole, half = free_bytes("cpu")[0], free_bytes("cpu", 2)[0]
    assert half == pytest.approx(whole / 2, rel=0.2)


FULL = """
import resource, sys
from pathlib import Path
sys.path[:0] = [{bin!r}, {here!r}]
from helpers import tiny_models
from helpers.restatement import mapped, write_data
from transformers import GPT2Config
from lateralization.language_models import forward
from lateralization.language_models.batches import plan_batches, runs_from
from lateralization.command import run
from lateralization.words.words import window_tensors
from lateralization.language_models.loading import load_trunk
import argparse, torch

torch.set_num_threads(1)
folder = Path(sys.argv.pop())
data = write_data(folder)
wide = lambda size, positions: GPT2Config(
    n_embd=16, n_layer=1, n_head=1, n_inner=131072, n_positions=positions, vocab_size=size
)
tiny_models.KINDS["wide"] = (wide, tiny_models.bare)
model = tiny_models.make(folder / "wide", "wide", data[2])
runs = runs_from(window_tensors(mapped(model, data, "aligned")))
trunk = load_trunk(model)
one = [[item] for batch in plan_batches(runs, 1) for item in batch][:1]
many = [one[0] * 64]  # 64 windows of 96 tokens: 3.2 GB in the feed-forward layer

def main(arguments):
    forward._forward(forward.Network(trunk), {{r.number: r for r in runs}}, one[0])
    pages = int(Path("/proc/self/statm").read_text().split()[0]) * resource.getpagesize()
    limit = pages + {room}
    resource.setrlimit(resource.RLIMIT_AS, (limit, limit))
    forward.compute(trunk, runs, many, folder)

run(main, argparse.ArgumentParser(prog="full"))
"""


@pytest.mark.slow
@pytest.mark.parametrize(("room", "code"), [(600_000_000, 0), (1_000_000, 137)])
def test_a_full_memory_halves_the_batch_and_ends_with_137_at_one_window(
    tmp_path: Path, room: int, code: int
) -> None:
    """The system's own limit, and torch's own failure."""
    script = FULL.format(bin=str(BIN), here=str(BIN.parent / "tests"), room=room)
    done = subprocess.run(
        [sys.executable, "-c", script, tmp_path],
        env=os.environ | {"OMP_NUM_THREADS": "1"},
        capture_output=True,
        text=True,
        check=False,
    )
    assert done.returncode == code, done.stderr
    assert "from now on" in done.stderr
    if code:
        assert "out of memory" in done.stderr.splitlines()[-1]
        assert "one window of 96 tokens does not fit" in done.stderr.splitlines()[-1]


def bytes_read() -> int:
    """Return what this process has read so far."""
    lines = Path("/proc/self/io").read_text().splitlines()
    return int(dict(line.split(": ") for line in lines)["rchar"])


def test_weights_are_read_ahead_unless_they_would_fill_the_memory(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    for name in ("model-1.safetensors", "model-2.safetensors", "pytorch_model.bin"):
        (tmp_path / name).write_bytes(b"0" * 10_000_000)
    before = bytes_read()
    thread = read_ahead.read_ahead(tmp_path)
    assert thread is not None
    thread.join()
    assert 20_000_000 <= bytes_read() - before < 30_000_000
    monkeypatch.setattr(read_ahead, "available_memory", lambda: 30_000_000)
    assert read_ahead.read_ahead(tmp_path) is None
