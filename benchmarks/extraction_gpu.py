"""What the extraction makes of a GPU: measures for ``extraction.py --gpu``.

Each measure stands for itself: it is written as soon as it is there, and one that fails leaves its
error in the table. Nothing is fetched and no pandas is needed.
"""

import csv
import shutil
import tempfile
import time
from collections.abc import Callable, Iterator
from contextlib import contextmanager
from pathlib import Path
from typing import Any, NamedTuple

import torch
from extraction_models import SHAPES, TINY, Shape, make_model, make_text

from lateralization.arrays import Row
from lateralization.language_models.batches import plan_batches
from lateralization.language_models.forward import compute, inputs_of
from lateralization.language_models.loading import load_trunk
from lateralization.language_models.word_vectors import merge

PEAKS = {"H100": 989e12, "H200": 989e12, "A100": 312e12, "L40": 181e12, "B200": 2250e12}
"""Dense bfloat16 operations per second, as the makers state them."""

SIZES = (2048, 4096, 8192, 16384, 32768, 65536)
"""Tokens of a batch that are tried."""

LONG = 30.0
"""Seconds after which an extraction is not measured again."""

COLUMNS = ("device", "model", "measure", "batch_tokens", "seconds", "tflop_per_s", "share_of_peak")
COLUMNS += ("peak_gib", "note")


class Subject(NamedTuple):
    """A model with random weights, and the share of the text that it reads."""

    name: str
    shape: Shape
    trunk: Any
    share: float


class Table:
    """A table that is written line by line."""

    def __init__(self, path: Path, device: str) -> None:
        self.path, self.device = path, device
        self.peak = next((peak for name, peak in PEAKS.items() if name in device), float("nan"))
        path.parent.mkdir(parents=True, exist_ok=True)
        with path.open("w", newline="") as file:
            csv.DictWriter(file, COLUMNS, delimiter="\t").writeheader()

    def add(self, row: Row) -> None:
        """Append a row; a rate is put beside the peak of the device."""
        row = {"device": self.device} | row
        rate = row.pop("operations", 0.0) / row["seconds"] if row.get("seconds") else 0.0
        if rate:
            row |= {"tflop_per_s": rate / 1e12, "share_of_peak": rate / self.peak}
        told = {key: f"{v:.4g}" if isinstance(v, float) else v for key, v in row.items()}
        with self.path.open("a", newline="") as file:
            csv.DictWriter(file, COLUMNS, delimiter="\t").writerow(told)
        print("  ".join(f"{key}={value}" for key, value in told.items()), flush=True)

    @contextmanager
    def guarded(self, **row: Any) -> Iterator[None]:
        """Write down what goes wrong in a block, and go on."""
        try:
            yield
        except Exception as error:
            self.add(row | {"note": " ".join(repr(error).split())[:200]})
        if torch.cuda.is_available():
            torch.cuda.empty_cache()


def wait() -> None:
    """Wait for the GPU."""
    if torch.cuda.is_available():
        torch.cuda.synchronize()


def timed(work: Callable[[], Any]) -> float:
    """Return the seconds of a piece of work, to the end of what it asked of the GPU."""
    wait()
    start = time.perf_counter()
    work()
    wait()
    return time.perf_counter() - start


def peak_gib() -> float:
    """Return the most GPU memory that was taken, GiB; 0 without a GPU."""
    return torch.cuda.max_memory_allocated() / 2**30 if torch.cuda.is_available() else 0.0


def products(table: Table, device: str, size: int) -> None:
    """Measure plain products of matrices: what can be had of the peak at all."""
    left = torch.randn(size, size, dtype=torch.bfloat16, device=device)
    timed(lambda: left @ left)
    seconds = min(timed(lambda: left @ left) for _ in range(5))
    table.add(
        {"model": f"{size}x{size}", "measure": "product", "seconds": seconds}
        | {"operations": 2.0 * size**3}
    )


def trunk_rates(table: Table, subject: Subject) -> int:
    """Measure the bare trunk over whole batches of several sizes; return the best size."""
    name, shape, trunk, share = subject
    runs = make_text(shape, share)
    by_number = {run.number: run for run in runs}
    best, tried = (float("inf"), SIZES[0]), 0
    for tokens in SIZES:
        planned = plan_batches(runs, tokens)
        row = {"model": name, "measure": "trunk", "batch_tokens": tokens}
        if len(planned) == tried:
            continue  # the text has no larger batch
        tried = len(planned)
        with table.guarded(**row):

            def forward() -> None:
                with torch.inference_mode():
                    for batch in planned:  # noqa: B023
                        trunk(
                            **inputs_of(trunk, by_number, batch) | {"output_hidden_states": False}
                        )

            timed(forward)
            seconds = timed(forward)
            operations = sum(shape.operations(batch) for batch in planned)
            table.add(row | {"seconds": seconds, "operations": operations})
            best = min(best, (seconds, tokens))
    return best[1]


def whole(table: Table, subject: Subject, tokens: int) -> None:
    """Measure the extraction of the whole text: to words on the device, and to the file."""
    name, shape, trunk, share = subject
    runs = make_text(shape, share)
    planned = plan_batches(runs, tokens)
    operations = sum(shape.operations(batch) for batch in planned)
    row = {"model": name, "batch_tokens": tokens}
    with table.guarded(measure="extraction", **row), tempfile.TemporaryDirectory() as folder:
        if torch.cuda.is_available():
            torch.cuda.reset_peak_memory_stats()
        for note in ("first", "again"):
            parts = Path(folder) / note
            parts.mkdir()
            forward = timed(lambda: compute(trunk, runs, planned, parts))  # noqa: B023
            out = parts / "out.safetensors"
            written = timed(lambda: merge(runs, parts, out))  # noqa: B023
            gigabytes = out.stat().st_size / 1e9
            shutil.rmtree(parts)
            told = row | {"measure": "windows to sums", "seconds": forward, "note": note}
            table.add(told | {"operations": operations, "peak_gib": peak_gib()})
            told = row | {"measure": "sums to file", "seconds": written}
            table.add(told | {"note": f"{note}: {gigabytes:.2f} GB"})
            if forward + written > LONG:
                break


def reduced(table: Table, subject: Subject, tokens: int) -> None:
    """Measure forward and reduction to words without any file."""
    name, shape, trunk, share = subject
    from lateralization.language_models import forward

    runs = make_text(shape, share)
    planned = plan_batches(runs, tokens)
    by_number = {run.number: run for run in runs}
    row = {"model": name, "measure": "windows to sums, no file", "batch_tokens": tokens}

    def work() -> None:
        for batch in planned:
            forward._forward(forward.Network(trunk), by_number, batch)

    with table.guarded(**row):
        timed(work)
        operations = sum(shape.operations(batch) for batch in planned)
        table.add(row | {"seconds": timed(work), "operations": operations})


def spread(table: Table, name: str, shape: Shape, device: str, share: float) -> None:
    """Force the path of models that one GPU does not hold: half the weights in host memory."""
    model = make_model(shape, torch.bfloat16, device)
    size = sum(parameter.numel() * 2 for parameter in model.parameters())
    runs = make_text(shape, share, 1)
    planned = plan_batches(runs, 4096)[:1]
    by_number = {run.number: run for run in runs}
    inputs = inputs_of(model, by_number, planned[0])
    with torch.inference_mode():
        expected = [state.float().cpu() for state in model(**inputs).hidden_states]
    with tempfile.TemporaryDirectory() as folder:
        start = time.perf_counter()
        model.save_pretrained(folder)
        saving = time.perf_counter() - start
        del model
        limits: dict[int | str, int | str] = {0: size // 2, "cpu": "100GiB"}
        if device == "cpu":
            limits = {"cpu": "100GiB"}
        start = time.perf_counter()
        trunk = load_trunk(
            Path(folder), precision="bfloat16", device=device, placement="auto", memory=limits
        )
        loading = time.perf_counter() - start
        with torch.inference_mode():
            states = trunk(**inputs_of(trunk, by_number, planned[0])).hidden_states
        gap = max(
            float((state.float().cpu() - value).abs().max())
            for state, value in zip(states, expected, strict=True)
        )
        places = {str(place) for place in getattr(trunk, "hf_device_map", {}).values()}
        parts = Path(folder) / "parts"
        parts.mkdir()
        seconds = timed(lambda: compute(trunk, runs, planned, parts))
    note = f"on {sorted(places)}, load {loading:.1f} s, save {saving:.1f} s, max difference {gap:g}"
    row = {"model": name, "measure": "spread over GPU and host", "seconds": seconds, "note": note}
    table.add(row | {"operations": sum(shape.operations(batch) for batch in planned)})


def measure(results: Path, quick: bool) -> None:
    """Measure everything, the most wanted first; write ``extraction_gpu.tsv``."""
    device = "cuda:0" if torch.cuda.is_available() else "cpu"
    named = torch.cuda.get_device_name() if torch.cuda.is_available() else "cpu"
    table = Table(results / "extraction_gpu.tsv", named)
    shapes, share = (TINY, 0.1) if quick else (SHAPES, 1.0)
    with table.guarded(measure="product"):
        products(table, device, 64 if quick else 8192)
    for name in ("gpt2-xl", "7b"):
        shape = shapes[name]
        with table.guarded(model=name, measure="build"):
            start = time.perf_counter()
            trunk = make_model(shape, torch.bfloat16, device).base_model
            wait()
            seconds = time.perf_counter() - start
            table.add({"model": name, "measure": "build", "seconds": seconds})
            subject = Subject(name, shape, trunk, share)
            tokens = trunk_rates(table, subject)
            reduced(table, subject, tokens)
            whole(table, subject, tokens)
        trunk = subject = None
    with table.guarded(model="gpt2-xl", measure="spread over GPU and host"):
        spread(table, "gpt2-xl", shapes["gpt2-xl"], device, share)
