"""What the extraction makes of a CPU: measures for ``extraction.py --cpu``.

Three contenders read the same windows with the same random weights in float32:

* ``trunk``: the bare model without head, hidden states thrown away. Every window must be computed
  for equal results, so its fastest batch size is the limit.
* ``ours``: windows to the features file.
* ``study``: the study's way: one window at a time, the head computed, all states of a run kept,
  means over the tokens of each word with NumPy.
"""

import csv
import json
import os
import subprocess
import sys
import tempfile
import time
from collections.abc import Callable, Sequence
from pathlib import Path
from statistics import median
from typing import Any

import numpy as np
import torch
from encoding_machine import cpu_model, memory_bytes
from extraction_models import SHAPES, TINY, WORDS, make_model, make_run, make_text

from lateralization.arrays import Row
from lateralization.files import open_tensors, save_tensors, write_json
from lateralization.fmri.hrf import hrf_operator, to_scans
from lateralization.language_models.batches import BATCH_TOKENS, RunTokens, Window, plan_batches
from lateralization.language_models.forward import compute, inputs_of, segments_of
from lateralization.language_models.word_vectors import Collector, merge

PROJECT = Path(__file__).resolve().parents[1]

SIZES = (1024, 2048, 4096, 8192)
"""Tokens of a batch that are tried."""

SCANS = (282, 298, 340, 303, 265, 343, 325, 292, 368)
"""Scans of the nine English runs."""

DISKS = ("cold disk", "warm disk")

COLUMNS = ("device", "load_before", "contender", "batch_tokens", "windows", "tokens", "seconds")
COLUMNS += ("tokens_per_s", "share_of_trunk", "peak_mib", "note")


def states_kept(model: Any, run: RunTokens, work: Path) -> None:
    """Make the words of a run as the study does, in memory."""
    kept = []
    for ids in run.ids:
        with torch.no_grad():
            out = model(torch.from_numpy(ids[None]), output_hidden_states=True)
        kept.append(([state[0].numpy() for state in out.hidden_states], out.logits))
    vectors = []
    for layer in range(len(kept[0][0])):
        for _, window, first, last, end in run.pieces.table.tolist():
            tokens = kept[window][0][layer][first : end if last == window else None]
            if last > window:
                tokens = np.concatenate(
                    [tokens, kept[last][0][layer][run.pieces.enter[last] : end]]
                )
            vectors.append(tokens.mean(0))
    np.save(work / "vectors.npy", np.array(vectors))


def ours(trunk: Any, run: RunTokens, tokens: int, work: Path) -> None:
    """Make the words of a run as the pipeline does."""
    parts = Path(tempfile.mkdtemp(dir=work))
    compute(trunk, [run], plan_batches([run], tokens), parts)
    merge([run], parts, parts / "out.safetensors")


def bare(trunk: Any, run: RunTokens, batches: Sequence[list[Window]]) -> None:
    """Run the windows through the trunk."""
    with torch.inference_mode():
        for batch in batches:
            trunk(**inputs_of(trunk, {run.number: run}, batch) | {"output_hidden_states": False})


def timed(work: Callable[[], Any]) -> float:
    """Return the seconds of a piece of work."""
    start = time.perf_counter()
    work()
    return time.perf_counter() - start


def rates(shape: Any, n_words: int, quick: bool) -> list[Row]:
    """Measure the three contenders on the start of the first chapter, each round in turn."""
    model = make_model(shape, torch.float32, "cpu")
    trunk, run = model.base_model, make_run(1, n_words, shape)
    n_tokens = sum(item.length for batch in plan_batches([run], 1) for item in batch)
    tried, rows = {}, []
    for tokens in SIZES:
        batches = plan_batches([run], tokens)
        if len(batches) not in [len(plan_batches([run], size)) for size in tried]:
            tried[tokens] = timed(lambda: bare(trunk, run, batches))  # noqa: B023
            read = sum(item.length for batch in batches for item in batch)
            row = {"contender": "trunk", "batch_tokens": tokens, "windows": len(run.ids)}
            rows.append(row | {"tokens": read, "seconds": tried[tokens], "note": "size tried"})
    best = min(tried, key=lambda tokens: tried[tokens])
    with tempfile.TemporaryDirectory() as folder:
        work = Path(folder)
        contenders: dict[str, tuple[int, Callable[[], None]]] = {
            "trunk": (best, lambda: bare(trunk, run, plan_batches([run], best))),
            "ours": (BATCH_TOKENS["cpu"], lambda: ours(trunk, run, BATCH_TOKENS["cpu"], work)),
            "study": (0, lambda: states_kept(model, run, work)),
        }
        seconds: dict[str, list[float]] = {name: [] for name in contenders}
        for number in range(1 if quick else 3):
            for name, (_, job) in contenders.items():
                if name != "study" or not number:
                    seconds[name].append(timed(job))
    for name, (tokens, _) in contenders.items():
        row = {"contender": name, "batch_tokens": tokens or len(run.ids[0])}
        row |= {"windows": len(run.ids), "tokens": n_tokens, "seconds": median(seconds[name])}
        ratios = [a / b for a, b in zip(seconds["trunk"], seconds[name], strict=False)]
        rows.append(row | {"share_of_trunk": median(ratios)})
    return rows


def memory(contender: str, quick: bool) -> None:
    """Print the peak above the process with its weights, MiB: in a process of its own."""
    shape = (TINY if quick else SHAPES)["gpt2"]
    model = make_model(shape, torch.float32, "cpu")
    run = make_run(9, WORDS[8] // (10 if quick else 1), shape)
    warm = make_run(1, 20, shape)
    with tempfile.TemporaryDirectory() as folder:
        ours(model.base_model, warm, 64, Path(folder))  # threads and their buffers are there
        Path("/proc/self/clear_refs").write_text("5")  # the peak begins anew
        before, _ = memory_bytes()
        if contender == "study":
            states_kept(model, run, Path(folder))
        else:
            ours(model.base_model, run, BATCH_TOKENS["cpu"], Path(folder))
        _, peak = memory_bytes()
    print(json.dumps({"windows": len(run.ids), "peak_mib": (peak - before) / 2**20}))


def memories(quick: bool) -> list[Row]:
    """Measure the memory of both ways on the longest chapter, each in a fresh process."""
    rows = []
    for contender in ("ours", "study"):
        command = [sys.executable, __file__, contender, *(["--quick"] if quick else [])]
        done = subprocess.run(
            command,
            env=os.environ | {"PYTHONPATH": str(PROJECT / "bin")},
            check=True,
            capture_output=True,
            text=True,
        )
        told = json.loads(done.stdout.splitlines()[-1])
        rows.append({"contender": contender} | told)
    return rows


def writing(n_layers: int, width: int) -> list[Row]:
    """Time the way from made sums of all chapters to the file, beside a plain copy of its bytes."""
    runs = make_text(SHAPES["gpt2"])
    by_number = {run.number: run for run in runs}
    pool = np.random.default_rng(0).standard_normal((4000, width), np.float32)
    seconds = 0.0
    with tempfile.TemporaryDirectory(dir=PROJECT) as folder:
        work = Path(folder)
        collector = Collector(runs, work, {})
        for number, batch in enumerate(plan_batches(runs, 16384)):
            segments, *_ = segments_of(batch, by_number)
            sums = [np.roll(pool, number + k, axis=0)[: len(segments)] for k in range(n_layers)]
            named = {f"layer-{layer}": values for layer, values in enumerate(sums)}
            seconds += timed(lambda: collector.put(number, {"segments": segments} | named))  # noqa: B023
        collector.close()
        seconds += timed(lambda: merge(runs, work, work / "out.safetensors"))
        plain = (work / "out.safetensors").read_bytes()
        copied = timed(lambda: (work / "copy").write_bytes(plain))
    note = f"{n_layers} layers of {width}: {len(plain) / 1e9:.2f} GB"
    told = {"ours": seconds, "plain copy": copied}
    return [{"contender": name, "seconds": value, "note": note} for name, value in told.items()]


def forget(folder: Path) -> int:
    """Take the files of a folder out of memory, so that they come from the disk; their size."""
    size = 0
    for path in folder.iterdir():
        handle = os.open(path, os.O_RDONLY)
        os.fsync(handle)
        os.posix_fadvise(handle, 0, 0, os.POSIX_FADV_DONTNEED)
        os.close(handle)
        size += path.stat().st_size
    return size


def command_line(shape: Any, n_words: int, notes: Sequence[str]) -> list[Row]:
    """Time the command from its start to the file, weights on a cold disk and on a warm one."""
    rows = []
    run = make_run(1, n_words, shape)
    with tempfile.TemporaryDirectory(dir=PROJECT) as folder:
        work = Path(folder)
        make_model(shape, torch.float32, "cpu").save_pretrained(work / "model")
        words = "\n".join(["run\tword\ttext", *["1\tword\tword"] * run.n_words])
        (work / "words.tsv").write_text(words + "\n")
        tensors = {"ids": run.ids, "mask": run.mask, "text": run.text, "pieces": run.pieces.table}
        tensors |= {"enter": run.pieces.enter, "leave": run.pieces.leave}
        named = {f"run-1/{name}": array for name, array in tensors.items()}
        save_tensors(work / "windows.safetensors", named)
        write_json({"name": "made", "n_parameters": 1}, work / "model.json")
        command = [sys.executable, str(PROJECT / "bin" / "activations.py")]
        given = {"model-dir": "model", "model-json": "model.json", "words": "words.tsv"}
        given |= {"windows": "windows.safetensors", "out": "out.safetensors"}
        command += [text for key, name in given.items() for text in (f"--{key}", str(work / name))]
        for note in notes:
            megabytes = forget(work / "model") / 1e6 if note == "cold disk" else 0.0
            whole = timed(lambda: subprocess.run(command, check=True, capture_output=True))
            if note == "warm up":  # the modules come from memory in both that count
                continue
            parts = json.loads((work / "out.json").read_text())["seconds"]
            parts["start and end"] = whole - sum(parts.values())
            told = f"{note}, {megabytes:.0f} MB of weights" if megabytes else note
            row = {"contender": "ours", "windows": len(run.ids)}
            for name, seconds in ({"whole": whole} | parts).items():
                rows.append(row | {"note": f"{told}: {name}", "seconds": seconds})
    return rows


def handover(n_layers: int, width: int) -> list[Row]:
    """Compare what ENCODE could be given: states of words, or regressors at the scans.

    Regressors in float32, as many bytes as there can be few; both files from a cold disk.
    """
    draw = np.random.default_rng(1)
    starts = [np.sort(draw.uniform(0, 2 * scans, n)) for n, scans in zip(WORDS, SCANS, strict=True)]
    rows = []
    with tempfile.TemporaryDirectory(dir=PROJECT) as folder:
        for name, lengths in (("words", WORDS), ("regressors", SCANS)):
            path = Path(folder) / name / "out.safetensors"
            path.parent.mkdir()
            arrays = {
                f"run-{run}/layer-{layer}": draw.standard_normal((n, width), np.float32)
                for layer in range(n_layers)
                for run, n in enumerate(lengths, 1)
            }
            save_tensors(path, arrays)
            size = forget(path.parent)

            def read(path: Path = path, convolved: bool = name == "regressors") -> None:
                operators = []
                if not convolved:
                    operators = [
                        hrf_operator(onsets, np.full(len(onsets), 0.3), n_scans)
                        for onsets, n_scans in zip(starts, SCANS, strict=True)
                    ]
                with open_tensors(path) as handle:
                    for layer in range(n_layers):
                        for run in range(1, len(SCANS) + 1):
                            values = handle.get_tensor(f"run-{run}/layer-{layer}")
                            if operators:
                                to_scans(operators[run - 1], values)
                            else:
                                values.astype(np.float64)

            for note in DISKS:
                row = {"contender": name, "seconds": timed(read) / n_layers}
                row["note"] = f"{note}, per layer of {width}: {size / n_layers / 1e6:.1f} MB"
                rows.append(row)
    return rows


PARTS: dict[str, Callable[[bool], list[Row]]] = {
    "rates": lambda quick: rates(
        (TINY if quick else SHAPES)["gpt2"], 147 if quick else 1000, quick
    ),
    "memory": memories,
    "command": lambda quick: command_line(
        (TINY if quick else SHAPES)["gpt2"],
        *((70, DISKS[:1]) if quick else (700, ("warm up", *DISKS))),
    ),
    "writing": lambda quick: writing(*((2, 16) if quick else (24, 1600))),
    "handover": lambda quick: handover(*((2, 16) if quick else (4, 1600))),
}


def measure(results: Path, quick: bool, only: Sequence[str] = ()) -> None:
    """Measure the parts that are asked for; each writes ``extraction_cpu_<part>.tsv``."""
    results.mkdir(parents=True, exist_ok=True)
    for part in only or PARTS:
        load = os.getloadavg()[0]
        rows = PARTS[part](quick)
        for row in rows:
            if row.get("tokens"):
                row["tokens_per_s"] = row["tokens"] / row["seconds"]
            row |= {"device": cpu_model(), "load_before": load}
        with (results / f"extraction_cpu_{part}.tsv").open("w", newline="") as file:
            columns = [name for name in COLUMNS if any(name in row for row in rows)]
            writer = csv.DictWriter(file, columns, delimiter="\t")
            writer.writeheader()
            for row in rows:
                told = {key: f"{v:.4g}" if isinstance(v, float) else v for key, v in row.items()}
                writer.writerow(told)
                print("  ".join(f"{key}={value}" for key, value in told.items()), flush=True)


if __name__ == "__main__":
    memory(sys.argv[1], "--quick" in sys.argv)
