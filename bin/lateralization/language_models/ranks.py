"""Several processes for one model: who am I, on which device, and how failures get out.

`accelerate launch` starts the processes. It reports every failure of theirs as 1, so each process
leaves its exit code and message in a folder that the starting process reads.
"""

import json
import os
import subprocess
import sys
import tempfile
from collections.abc import Callable, Sequence
from dataclasses import dataclass
from datetime import timedelta
from pathlib import Path

from lateralization.command import BUG, OUT_OF_MEMORY, exit_code
from lateralization.errors import BadInput, Transient
from lateralization.language_models.devices import check_gpus, say_used

OUTCOMES = "LATERALIZATION_OUTCOMES"
"""Environment variable: the folder for exit codes and messages."""

OWN_PORT = {"PET_STANDALONE": "1", "PET_LOCAL_ADDR": "127.0.0.1"}
"""What torch's launcher, which accelerate calls, takes as options: the processes of a launch meet
at a port that the system gives to the launcher and that it never lets go. So launches on one
machine cannot meet, while a port that is picked first and bound later may be somebody else's."""

PATIENCE = timedelta(days=2)
"""How long a rank waits for the others: as long as a large model takes."""


@dataclass(frozen=True)
class Ranks:
    """The place of this process among those that work on one model."""

    rank: int
    n_ranks: int
    device: str
    wait: Callable[[], None]


def start(gpus: int | None = None) -> Ranks:
    """Join the other processes, if there are any; call once, before the model is loaded.

    Parameters
    ----------
    gpus : int, optional
        GPUs that the task was asked to use, by all processes together: 0 for processors only;
        None to use those that there are.

    Raises
    ------
    BadInput
        A GPU was asked for and cannot be used.
    """
    expected = int(os.environ.get("WORLD_SIZE", "1"))
    rank = int(os.environ.get("LOCAL_RANK", "0"))
    cpu = not _use_gpu(gpus, rank, expected)
    if not cpu and rank == 0:
        say_used(expected)
    if expected == 1:
        return Ranks(0, 1, "cpu" if cpu else "cuda:0", lambda: None)
    from accelerate import PartialState

    state = PartialState(cpu=cpu, timeout=PATIENCE)
    if state.num_processes != expected:
        raise RuntimeError(f"{expected} processes were started and {state.num_processes} met")
    device = "cpu" if cpu else str(state.device)
    return Ranks(state.process_index, state.num_processes, device, state.wait_for_everyone)


def _use_gpu(asked: int | None, rank: int, n_ranks: int) -> bool:
    """Return whether this process computes on a GPU; alone it may use all that were asked for."""
    import torch

    if asked:
        check_gpus(asked, (rank,) if n_ranks > 1 else range(asked))
        return True
    forced = os.environ.get("ACCELERATE_USE_CPU", "").lower() in ("1", "true", "yes")
    return asked is None and not forced and torch.cuda.is_available()


def launched() -> bool:
    """Tell whether this process was started by a launcher."""
    return any(name in os.environ for name in ("WORLD_SIZE", "LOCAL_RANK", OUTCOMES))


def launch(script: Path, arguments: Sequence[str], processes: int) -> None:
    """Start a command as several processes on this machine and wait for them.

    Parameters
    ----------
    script : Path
    arguments : sequence of str
    processes : int

    Raises
    ------
    BadInput, Transient, MemoryError, RuntimeError
        What went wrong in one of the processes.
    """
    # --multi_gpu stands for "several processes": without a GPU they find each other through gloo,
    # while --cpu would start one process.
    command = [sys.executable, "-m", "accelerate.commands.launch", "--multi_gpu"]
    command += ["--num_processes", str(processes), "--num_machines", "1"]
    command += ["--mixed_precision", "no", "--dynamo_backend", "no"]
    command += ["--main_process_port", "0"]
    with tempfile.TemporaryDirectory(prefix="ranks-") as folder:
        environment = os.environ | OWN_PORT | {OUTCOMES: folder}
        done = subprocess.run([*command, str(script), *arguments], env=environment, check=False)
        if done.returncode:
            _raise_worst(Path(folder))


def leave(error: BaseException) -> None:
    """Leave a failure's exit code and message for the process that started the ranks."""
    folder = os.environ.get(OUTCOMES)
    if folder:
        outcome = {"code": exit_code(error), "message": " ".join(str(error).split())}
        path = Path(folder) / f"rank-{os.environ.get('RANK', '0')}.json"
        path.write_text(json.dumps(outcome), encoding="utf-8")


def _raise_worst(folder: Path) -> None:
    """Raise the failure that matters most: bad input, then a bug, memory, network.

    Processes that left no word were killed, as the system does when memory is short.
    """
    outcomes = [json.loads(path.read_text()) for path in sorted(folder.glob("rank-*.json"))]
    by_code = {outcome["code"]: outcome["message"] for outcome in reversed(outcomes)}
    if BadInput.exit_code in by_code:
        raise BadInput(by_code[BadInput.exit_code])
    if BUG in by_code:
        raise RuntimeError(by_code[BUG])
    if Transient.exit_code in by_code:
        raise Transient(by_code[Transient.exit_code])
    raise MemoryError(by_code.get(OUT_OF_MEMORY, "a process was killed"))
