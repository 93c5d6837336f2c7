"""How one model is put on the devices there are, and how much it reads at a time.

A pass over the story takes a 7B model seconds on a GPU and most models read it in nine windows:
loading is what costs, so one GPU per model and many models side by side is the rule. Several
processes share the windows of one model only where each gets enough of them; a model that one GPU
does not hold is spread over all of them, and over host memory as the last resort.
"""

import ctypes
import math
import multiprocessing
import os
import re
from collections.abc import Callable, Mapping, Sequence
from concurrent.futures import ProcessPoolExecutor
from dataclasses import asdict, dataclass
from pathlib import Path
from typing import Any

from lateralization.command import say
from lateralization.errors import BadInput, is_out_of_memory
from lateralization.language_models.batches import BATCH_TOKENS
from lateralization.language_models.sizes import BYTES

GIB = 2**30

WINDOWS_PER_PROCESS = 8
"""Windows that make it worth while to load the model once more."""

ROOM = 1.25
"""Memory that a model is taken to need on a device, over that of its weights."""

ANY_GPU_HOLDS = GIB
"""What every GPU is taken to hold, so that for a small model none is asked."""

OLDEST_DRIVER = {12: 525, 13: 580}
"""CUDA's major version → the oldest NVIDIA driver that runs programs made with any release of it
(https://docs.nvidia.com/deploy/cuda-compatibility/minor-version-compatibility.html)."""

USED = "used GPUs: "
"""Begins the line of a task's log from which the table of costs counts (modules/ending.nf)."""

SPARE = 0.5
"""Share of the memory beside the weights that a batch is planned to take."""


@dataclass(frozen=True)
class DevicePlan:
    """What was chosen for one model.

    Attributes
    ----------
    placement : str
        ``one device per process`` or ``spread``.
    batch_tokens : int
        Tokens of a batch at most.
    windows, longest : int
        Windows to compute, and the tokens of the longest.
    free_gib, weights_gib : float
        Memory of the device, and of the weights.
    reason : str
        One sentence.
    """

    placement: str
    batch_tokens: int
    windows: int
    longest: int
    free_gib: float
    weights_gib: float
    reason: str

    @property
    def spread(self) -> bool:
        """Whether the model goes over several devices."""
        return self.placement == "spread"

    def described(self) -> dict[str, Any]:
        """Return the plan as the sidecar holds it."""
        return asdict(self)


def check_gpus(wanted: int, own: Sequence[int] = (0,)) -> None:
    """Check that the GPUs a task was asked to use can be used.

    Parameters
    ----------
    wanted : int
        GPUs that the task was asked to use, 1 or more.
    own : sequence of int
        Those that this process computes on.

    Raises
    ------
    BadInput
        They cannot, and why: torch without CUDA, no driver, a driver that is too old, GPUs that
        are not visible, or an architecture for which this torch has no code.
    MemoryError, torch.OutOfMemoryError
        The GPU is full.
    """
    reason = _why_no_driver() or _why_unusable(wanted, own)
    if reason:
        raise BadInput(
            f"--gpus asks for {wanted} GPU{'s' if wanted > 1 else ''} and {reason}; mend that, or "
            "give --gpus 0 to compute on processors"
        )


def _why_no_driver() -> str:
    """Return what is wrong with torch or the driver, in words; empty where nothing is."""
    import torch

    built = torch.version.cuda
    if built is None:
        return f"torch {torch.__version__} is built without CUDA: use the locked one (make setup)"
    major, driver = int(built.split(".")[0]), driver_cuda()
    if driver is None:
        return (
            "no NVIDIA driver is found here (libcuda.so.1 cannot be loaded: a container must be "
            "started with access to the GPUs; where the loader must be told of the driver, set "
            "LD_LIBRARY_PATH in process.beforeScript of your site)"
        )
    if driver[0] < major:
        return (
            f"the NVIDIA driver is too old: it runs CUDA {driver[0]}.{driver[1]} and torch "
            f"{torch.__version__} is built for CUDA {built}, which needs driver "
            f"{OLDEST_DRIVER.get(major, 'of that CUDA')} or later"
        )
    return ""


def _why_unusable(wanted: int, own: Sequence[int]) -> str:
    """Return why not as many GPUs can be used, in words; empty where they can."""
    import torch

    visible = torch.cuda.device_count()
    if visible < wanted:
        shown = os.environ.get("CUDA_VISIBLE_DEVICES")
        shown = "is not set" if shown is None else f"is {shown!r}"
        return f"{visible} are visible (CUDA_VISIBLE_DEVICES {shown})"
    try:
        for number in range(wanted):
            capability = torch.cuda.get_device_capability(number)
            if not runs_on(capability, torch.cuda.get_arch_list()):
                return (
                    f"{torch.cuda.get_device_name(number)} has compute capability "
                    f"{capability[0]}.{capability[1]}, for which torch {torch.__version__} has no "
                    f"code ({', '.join(torch.cuda.get_arch_list())})"
                )
        for number in own:
            torch.ones(1, device=f"cuda:{number}").add(1).item()
    except (RuntimeError, AssertionError) as error:
        if is_out_of_memory(error):
            raise
        said = str(error).strip().partition("\n")[0] or type(error).__name__
        return f"CUDA cannot be used: {said}"
    return ""


def driver_cuda() -> tuple[int, int] | None:
    """Return the version of CUDA that the installed driver runs; None without a driver."""
    try:
        library = ctypes.CDLL("libcuda.so.1")
    except OSError:
        return None
    version = ctypes.c_int(0)
    if library.cuDriverGetVersion(ctypes.byref(version)) or not version.value:
        return None
    return version.value // 1000, version.value % 1000 // 10


def runs_on(capability: tuple[int, int], architectures: Sequence[str]) -> bool:
    """Tell whether code for these architectures runs on a GPU of this compute capability.

    Machine code (``sm_86``) runs on GPUs of the same major and no lower minor version; portable
    code (``compute_90``) on all that are no older. With a suffix (``sm_90a``) it runs on that
    version alone, ``f`` on its family.
    """
    for name in architectures:
        found = re.fullmatch(r"(sm|compute)_(\d+)(\d)([af]?)", name)
        if found is None:
            continue
        made = int(found[2]), int(found[3])
        if found[4] == "a":
            fits = capability == made
        elif found[1] == "compute" and not found[4]:
            fits = capability >= made
        else:
            fits = capability[0] == made[0] and capability[1] >= made[1]
        if fits:
            return True
    return False


def say_used(n_gpus: int) -> None:
    """Record in the task's log how many GPUs it computes on."""
    say(f"{USED}{n_gpus}")


def weights_bytes(model: Mapping[str, Any], precision: str) -> float:
    """Return the bytes of a model's weights; 0 where ``model.json`` does not say their number."""
    measured = model.get("measured") or model
    return float(measured.get("n_parameters") or 0) * BYTES[precision]


def processes_for(
    n_windows: int, most: int, weights: float = 0, free: Callable[[], list[int]] = list
) -> int:
    """Return how many processes share a model's windows: each has the whole model.

    Parameters
    ----------
    n_windows : int
        Windows to compute.
    most : int
        Devices that the task was given.
    weights : float
        Bytes of the weights.
    free : function
        Tells the free bytes of each GPU; asked when it matters.
    """
    processes = max(1, min(most, n_windows // WINDOWS_PER_PROCESS))
    needed = weights * ROOM
    if processes == 1 or needed < ANY_GPU_HOLDS:
        return processes
    return 1 if needed > min(free(), default=math.inf) else processes


def free_gpu_memory(asked: int | None = None) -> list[int]:
    """Return the free bytes of each GPU, asked by a process that leaves the GPUs when it ends.

    Parameters
    ----------
    asked : int, optional
        GPUs that the task was asked to use: 0 for processors only; None for those that there are.

    Raises
    ------
    BadInput
        GPUs were asked for and cannot be used.
    """
    if asked == 0:
        return []
    with ProcessPoolExecutor(1, multiprocessing.get_context("spawn")) as pool:
        return pool.submit(_gpu_memory, asked).result()


def _gpu_memory(asked: int | None) -> list[int]:
    """Return the free bytes of each GPU; those asked for are checked first, all of them."""
    import torch

    if asked:
        check_gpus(asked, range(asked))
    return free_bytes("cuda:0") if torch.cuda.is_available() else []


def choose_placement(
    *,
    kind: str,
    free: list[int],
    weights: float,
    per_token: float,
    windows: int,
    longest: int,
    processes: int = 1,
) -> DevicePlan:
    """Choose placement and batch from windows and free memory.

    Parameters
    ----------
    kind : str
        ``cpu`` or ``cuda``.
    free : list of int
        Free bytes of each device; that of this process first.
    weights, per_token : float
        Bytes of the weights, and of one token during a pass.
    windows, longest : int
    processes : int
        Processes that share the windows.
    """
    needed = weights * ROOM
    spread = kind == "cuda" and processes == 1 and needed > free[0]
    held = sum(free) if spread else free[0]
    if spread:
        beyond = ", the rest in host memory, which is slow" if needed > held else ""
        reason = (
            f"the weights need {needed / GIB:.1f} GiB and one GPU has {free[0] / GIB:.1f} GiB: "
            f"spread over {len(free)} GPU(s){beyond}"
        )
    elif processes > 1:
        reason = f"{windows} windows are enough for {processes} processes"
    else:
        reason = f"{windows} windows: loading the model again would cost more than it gives"
    room = max(0.0, held - weights) * SPARE / per_token
    tokens = max(longest, min(BATCH_TOKENS[kind], int(room)))
    placement = "spread" if spread else "one device per process"
    return DevicePlan(placement, tokens, windows, longest, free[0] / GIB, weights / GIB, reason)


def free_bytes(device: str, processes: int = 1) -> list[int]:
    """Return the free memory of the GPUs, this process's first; on the CPU this process's share."""
    import torch

    if device.startswith("cuda"):
        own = torch.device(device).index or 0
        rest = [number for number in range(torch.cuda.device_count()) if number != own]
        return [int(torch.cuda.mem_get_info(number)[0]) for number in [own, *rest]]
    return [available_memory() // processes]


def available_memory() -> int:
    """Return the bytes of host memory that can be had; 8 GiB where the system does not say."""
    table = Path("/proc/meminfo")
    lines = table.read_text().splitlines() if table.exists() else []
    told = [int(line.split()[1]) * 1024 for line in lines if line.startswith("MemAvailable")]
    return told[0] if told else 8 * GIB


def bytes_per_token(config: Any, precision: str) -> float:
    """Estimate the memory that one token takes during a pass: all states, and one block's work."""
    inner = config.get_text_config()
    width, layers = int(inner.hidden_size), int(inner.num_hidden_layers) + 1
    told = [getattr(inner, name, None) for name in ("intermediate_size", "n_inner")]
    between = next((n for n in told if n), 4 * width)
    between = max(between) if isinstance(between, list) else int(between)  # Gemma-3n: one per block
    heads = int(getattr(inner, "num_attention_heads", 0) or 0)
    block = 8 * width + 4 * between + 2 * heads * 1024
    return float(BYTES[precision] * (layers * width + block) + 4 * layers * width)
