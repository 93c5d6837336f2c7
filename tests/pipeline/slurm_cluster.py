"""A throw-away Slurm for tests: asked what it holds, and given the faults that clusters have."""

import re
import subprocess
import time
from collections.abc import Callable
from dataclasses import dataclass
from pathlib import Path
from typing import NamedTuple

from .engines import SCRIPT, variables


class Queued(NamedTuple):
    """A job that waits or runs: its id (with its place in an array), the bare id, and so on."""

    number: str
    bare: str
    name: str
    state: str
    folder: str


@dataclass
class Job:
    """One line of Slurm's own record of ended jobs."""

    name: str
    state: str
    fields: dict[str, str]


class Cluster:
    """The cluster of ``engines.sh``; the tests start and stop it."""

    def __init__(self) -> None:
        self.settings = variables()
        self.record = Path(self.settings["SLURM_CONF"]).parent / "log" / "jobs.txt"
        self.past = 0  # bytes of the record that tell of earlier jobs

    def call(self, *command: str, check: bool = True) -> str:
        """Run a command of Slurm and return what it printed."""
        done = subprocess.run(command, capture_output=True, text=True, check=False, timeout=120)
        assert done.returncode == 0 or not check, f"{command}: {done.stderr}"
        return done.stdout

    def begin_anew(self) -> None:
        """End what an interrupted test left in the queue, and forget all jobs so far.

        The queue outlives the daemons, and a cancelled job enters the record as it is cancelled.
        """
        self.call("scancel", "-u", "root", check=False)
        wait_until(lambda: not self.queue(), "an empty queue")
        self.past = self.record.stat().st_size if self.record.exists() else 0

    def queue(self) -> list[Queued]:
        """Return all jobs that wait, run or end (none while the controller is down)."""
        listed = self.call("squeue", "-r", "-h", "-o", "%i\t%A\t%j\t%T\t%Z", check=False)
        jobs = [Queued(*line.split("\t")) for line in listed.splitlines()]
        return [job for job in jobs if job.state in ("PENDING", "RUNNING", "COMPLETING")]

    def state_of(self, node: str) -> str:
        """Return a node's state in Slurm's words."""
        return self.call("sinfo", "-h", "-n", node, "-o", "%T").strip()

    def ended(self) -> list[Job]:
        """Return the jobs that ended since the beginning, in that order."""
        if not self.record.exists():
            return []
        found = []
        for line in self.record.read_bytes()[self.past :].decode().splitlines():
            fields = dict(re.findall(r"(\w+)=(\S*)", line))
            found.append(Job(fields["Name"], fields["JobState"], fields))
        return found

    def stop_controller(self) -> None:
        """End slurmctld and wait for it, as an upgrade or a crash would."""
        self.call("scontrol", "shutdown", "slurmctld")
        wait_until(lambda: self.call("squeue", "-h", check=False) == "" and not self._listening())

    def start(self) -> None:
        """Start what does not run."""
        subprocess.run(["bash", str(SCRIPT), "start", "slurm"], check=True, capture_output=True)

    def _listening(self) -> bool:
        pinged = subprocess.run(["scontrol", "ping"], capture_output=True, text=True, check=False)
        return "UP" in pinged.stdout


def wait_until(
    condition: Callable[[], object], what: str = "", seconds: float = 600, every: float = 0.3
) -> None:
    """Wait for a condition, for long, since the machine may be busy."""
    end = time.monotonic() + seconds
    while not condition():
        assert time.monotonic() < end, f"waited in vain for {what or condition}"
        time.sleep(every)
