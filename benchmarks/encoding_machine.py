"""What the machine is and how fast it multiplies matrices, for ``encoding.py``."""

import os
import platform
from importlib.metadata import version
from pathlib import Path
from statistics import median
from typing import Any

import torch
from encoding_rivals import timed
from threadpoolctl import threadpool_info, threadpool_limits

LIBRARIES = ("numpy", "scipy", "torch", "scikit-learn", "himalaya", "nilearn", "threadpoolctl")

LONG = 5e9
"""Operations of one measurement of a small product: some hundredths of a second."""


def use_cores(n_threads: int | None) -> int:
    """Let every library use so many threads; without a number, all cores this process may use."""
    cores = n_threads or len(os.sched_getaffinity(0))
    torch.set_num_threads(cores)
    torch.set_float32_matmul_precision("highest")  # no TF32 on D
    threadpool_limits(cores)
    return cores


def cpu_model() -> str:
    """Return the name of the processor as the system gives it."""
    listed = Path("/proc/cpuinfo")
    lines = listed.read_text().splitlines() if listed.is_file() else []
    names = [line.split(":", 1)[1].strip() for line in lines if line.startswith("model name")]
    return names[0] if names else platform.processor() or platform.machine()


def describe() -> dict[str, Any]:
    """Return processor, cores, memory, system, GPU, libraries and their BLAS."""
    pages = os.sysconf("SC_PHYS_PAGES") * os.sysconf("SC_PAGE_SIZE")
    blas = {pool["internal_api"]: pool["num_threads"] for pool in threadpool_info()}
    return {
        "cpu": cpu_model(),
        "cores": os.cpu_count(),
        "cores_usable": len(os.sched_getaffinity(0)),
        "torch_threads": torch.get_num_threads(),
        "thread_pools": blas,
        "memory_gib": round(pages / 2**30, 1),
        "system": f"{platform.system()} {platform.release()} {platform.machine()}",
        "gpu": torch.cuda.get_device_name() if torch.cuda.is_available() else None,
        "python": platform.python_version(),
        "libraries": {name: version(name) for name in LIBRARIES},
    }


def product_rate(rows: int, inner: int, columns: int, dtype: torch.dtype, repeats: int) -> float:
    """Return the median rate of (rows × inner) @ (inner × columns) on the CPU, Gflop/s.

    The result is written into a tensor that exists, as the solver does. Small products are
    repeated within one measurement, up to ``LONG`` operations.
    """
    left = torch.randn(rows, inner, dtype=dtype)
    right, out = torch.randn(inner, columns, dtype=dtype), torch.empty(rows, columns, dtype=dtype)
    once = 2 * rows * inner * columns
    inside = max(1, int(LONG // once))

    def products() -> None:
        for _ in range(inside):
            torch.mm(left, right, out=out)

    products()
    return inside * once / median(timed(products)[0] for _ in range(repeats)) / 1e9


def memory_bytes() -> tuple[int, int]:
    """Return the resident memory of this process (Linux): now, and the most it ever was.

    ``getrusage`` would not do: its peak is handed down from the process that started this one.
    """
    lines = Path("/proc/self/status").read_text().splitlines()
    told = dict(line.split(":", 1) for line in lines)
    now, peak = (1024 * int(told[name].split()[0]) for name in ("VmRSS", "VmHWM"))
    return now, peak
