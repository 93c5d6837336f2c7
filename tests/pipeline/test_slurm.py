"""The pipeline on a real Slurm, through everything that clusters do to a run.

One run meets all of it: a node drained in the middle, a job cancelled, one above its memory, one
above its time, Nextflow killed with -9; and resumed, Slurm's controller gone for a while. Tasks
use the environment of the checkout: the road for sites without containers.
"""

import json
import os
import re
import signal
import subprocess
from collections import Counter
from collections.abc import Callable, Iterator
from dataclasses import dataclass, field
from functools import partial
from pathlib import Path
from typing import Any

import pytest

from .conftest import Copy, Run, arguments, copy_project, on_processors, rows_of, tasks_of
from .engines import SCRIPT, need
from .slurm_cluster import Cluster, wait_until

pytestmark = pytest.mark.pipeline

QUEUE_SIZE = 3
FAULTY = ("resample", "mask", "clean")  # cancelled, hungry, slow
PER_MINUTE = 60
SITE = f"""profiles {{
    slurm {{
        executor.queueSize = {QUEUE_SIZE}
        executor.submitRateLimit = '{PER_MINUTE}/1min'
        executor.pollInterval = '1 sec'
        executor.queueStatInterval = '2 sec'
        executor.exitReadTimeout = '20 sec'
        executor.retry.delay = '1 s'
        executor.retry.maxDelay = '2 s'
        executor.retry.maxAttempts = 300
        process {{
            withName: ENCODE {{
                array = 2
            }}
        }}
    }}
}}
"""
ASKED = ("--slurm_account", "lab", "--slurm_qos", "long", "--slurm_partition", "cpu",
         "--slurm_gpu_partition", "gpu", "--gpus", "1", "--gpu_type", "h200",
         "--task_cpus", "2", "--max_time", "3.h")  # fmt: skip

HOOK = '''

def _note(fates, prog, what):
    """Append what this task does to the common list, in one write."""
    import json, os
    names = ("SLURM_JOB_ID", "SLURM_JOB_PARTITION", "CUDA_VISIBLE_DEVICES")
    line = {"prog": prog, "what": what, "folder": os.getcwd()}
    line |= {name: os.environ.get(name) for name in names}
    with open(f"{fates}/events.jsonl", "a") as handle:
        handle.write(json.dumps(line) + "\\n")


def _meet(fates, prog):
    """What the test has in store for one task of each command: to be held, or to want memory."""
    import os, time
    try:
        os.rename(f"{fates}/{prog}.fate", f"{fates}/{prog}.taken")
    except FileNotFoundError:
        return
    kind = open(f"{fates}/{prog}.taken").read()
    with open(f"{fates}/{prog}.part", "w") as handle:
        handle.write(os.environ["SLURM_JOB_ID"])
    os.rename(f"{fates}/{prog}.part", f"{fates}/{prog}.job")
    hog = b"x" * 2_000_000_000 if kind == "hungry" else b""
    while os.path.exists(f"{fates}/{prog}.taken"):
        time.sleep(0.2)
'''


@dataclass
class Ordeal:
    """What happened to the run, as it was seen from outside."""

    copy: Copy
    cluster: Cluster
    fates: Path
    world: Path
    most_in_queue: int = 0
    drained: list[str] = field(default_factory=list)
    in_queue_at_kill: set[str] = field(default_factory=set)
    done_at_kill: int = 0
    begun_before_resume: int = 0
    refused_while_down: bool = False
    resumed: list[dict[str, str]] = field(default_factory=list)
    started: list[subprocess.Popen[bytes]] = field(default_factory=list)

    def events(self, what: str) -> list[dict[str, Any]]:
        """Return what tasks noted: ``began`` or ``ended``."""
        path = self.fates / "events.jsonl"
        lines = path.read_text().splitlines() if path.exists() else []
        return [event for event in map(json.loads, lines) if event["what"] == what]

    def job(self, prog: str) -> str:
        """Return the job of the task that met a fate."""
        return (self.fates / f"{prog}.job").read_text()

    def tries(self, prog: str, since: int = 0) -> list[dict[str, Any]]:
        """Return the beginnings, from the nth on, of the task that met a fate."""
        begun = self.events("began")
        met = next(event for event in begun if event["SLURM_JOB_ID"] == self.job(prog))
        return [each for each in begun[since:] if _task(each["folder"]) == _task(met["folder"])]

    def ended_again(self, prog: str) -> bool:
        """Tell whether the task that met a fate has ended in a later try."""
        later = {event["folder"] for event in self.tries(prog)[1:]}
        return any(event["folder"] in later for event in self.events("ended"))

    def release(self, prog: str) -> None:
        """Let a held task go on."""
        (self.fates / f"{prog}.taken").unlink()

    def start(self, *more: str) -> subprocess.Popen[bytes]:
        """Start Nextflow on the cluster."""
        output = (self.copy.folder / "output.log").open("ab")
        given = ("-c", "site.config", "-profile", "slurm", *ASKED, *more)
        running = subprocess.Popen(
            self.copy.command(*given, *arguments(self.world)),
            cwd=self.copy.folder, env=self.copy.environment(), stdout=output, stderr=output,
            start_new_session=True,
        )  # fmt: skip
        self.started.append(running)
        return running

    def wait(self, running: subprocess.Popen[bytes], condition: Callable[[], Any]) -> None:
        """Wait for a condition while the run goes on, and watch the queue."""

        def looked() -> Any:
            if running.poll() is not None:
                said = (self.copy.folder / "output.log").read_text()
                raise AssertionError(f"the run ended too early:\n{said[-4000:]}")
            queue = self.cluster.queue()
            # Nextflow fills a place as soon as a task has ended, before Slurm says so
            ended = {event["SLURM_JOB_ID"] for event in self.events("ended")}
            alive = {
                job.number.split("_")[0]  # an array counts as one
                for job in queue
                if job.bare not in ended and not (Path(job.folder) / ".exitcode").exists()
            }
            self.most_in_queue = max(self.most_in_queue, len(alive))
            return condition()

        wait_until(looked)

    def all_noticed(self) -> bool:
        """Tell whether Nextflow knows of every task that has ended."""
        known = set(re.findall(r"Task completed > .*? workDir: ([^\s;\]]+)", self.log()))
        return {event["folder"] for event in self.events("ended")} <= known

    def done(self) -> int:
        """Count the tasks that Nextflow knows as done."""
        return self.log().count("status: COMPLETED; exit: 0;")

    def log(self) -> str:
        """Return the engine's log."""
        return (self.copy.folder / ".nextflow.log").read_text()


def _task(folder: str) -> str:
    """Name a task by its script: the same task of a later try or run has the same."""
    return (Path(folder) / ".command.sh").read_text()


def _folders(folder: str) -> list[str]:
    """Return the folder of a job and, where it is an array, those of its tasks."""
    named = re.search(r"(?m)^array=\((.*)\)", _task(folder))
    return [folder, *(named[1].split() if named else [])]


def _prepare(copy: Copy, world: Path) -> Ordeal:
    """Give the copy's commands a place where fates wait for them."""
    fates = copy.folder / "fates"
    fates.mkdir()
    kinds = {"baselines": "hold", "resample": "hold", "mask": "hungry", "clean": "hold",
             "encode": "hold"}  # fmt: skip
    for prog, kind in kinds.items():
        (fates / f"{prog}.fate").write_text(kind)
    command = copy.folder / "bin" / "lateralization" / "command.py"
    text = command.read_text()
    place = repr(str(fates))
    begins, ends = "    arguments = _parsed(parser)\n", "    sys.exit(0)\n"
    assert begins in text
    assert text.endswith(ends)
    meet = f"    name = parser.prog\n    _note({place}, name, 'began')\n    _meet({place}, name)\n"
    text = text.removesuffix(ends).replace(begins, begins + meet)
    command.write_text(text + f"    _note({place}, name, 'ended')\n{ends}{HOOK}")
    # the same rule in smaller units, for the machine of the tests is small
    settings = copy.folder / "conf" / "resources.config"
    text = settings.read_text()
    for old, new in (("4.GB", "1500.MB"), ("12.GB", "3.GB"), ("16.GB", "3.GB")):
        assert f"memory = {{ {old} * task.attempt }}" in text
        text = text.replace(f"{old} * task.attempt", f"{new} * task.attempt")
    settings.write_text(text)
    on_processors(copy)
    (copy.folder / "site.config").write_text(SITE)
    return Ordeal(copy, Cluster(), fates, world)


def _until_killed(it: Ordeal) -> None:
    """A node is drained, a job cancelled, one hungry, one slow; then Nextflow dies."""
    cluster, running = it.cluster, it.start()
    there = [it.fates / "baselines.job", it.fates / "resample.job"]
    it.wait(running, lambda: all(path.exists() for path in there))
    cluster.call("scontrol", "update", "NodeName=cpu1", "State=DRAIN", "Reason=test")
    cluster.call("scancel", it.job("resample"))
    it.wait(running, lambda: [job for job in cluster.queue() if job.state == "PENDING"])
    it.drained.append(cluster.state_of("cpu1"))
    it.release("baselines")
    it.wait(running, lambda: [e for e in it.events("ended") if e["prog"] == "baselines"])
    it.wait(running, lambda: cluster.state_of("cpu1") == "drained")
    it.drained.append(cluster.state_of("cpu1"))
    cluster.call("scontrol", "update", "NodeName=cpu1", "State=RESUME")
    it.wait(running, (it.fates / "clean.job").exists)
    cluster.call("scontrol", "update", f"JobId={it.job('clean')}", "TimeLimit=1")
    it.wait(running, (it.fates / "encode.job").exists)
    it.wait(running, lambda: [e for e in it.events("ended") if e["prog"] == "encode"])
    # second tries are this run's: what a resumed run begins is a first try
    for prog in FAULTY:
        it.wait(running, partial(it.ended_again, prog))
    it.wait(running, it.all_noticed)
    os.killpg(running.pid, signal.SIGKILL)
    running.wait()
    begun = {event["folder"] for event in it.events("began")}
    it.in_queue_at_kill = {path for path in begun if not (Path(path) / ".exitcode").exists()}
    it.in_queue_at_kill |= {path for job in cluster.queue() for path in _folders(job.folder)}
    it.done_at_kill = it.done()
    it.release("encode")
    wait_until(lambda: not cluster.queue(), "the orphans to end")
    it.begun_before_resume = len(it.events("began"))


def _after(it: Ordeal) -> None:
    """Resume; the controller goes while the last GATHER is held, and comes back."""
    # only now: a GATHER that is an orphan of the killed run would be held for ever
    (it.fates / "gather.fate").write_text("hold")
    cluster, running = it.cluster, it.start("-resume")
    held = it.fates / "gather.job"
    it.wait(running, held.exists)
    it.wait(running, lambda: [job.number for job in cluster.queue()] == [it.job("gather")])
    # the others' ends have been noticed, so that what follows waits for the held one alone
    it.wait(running, lambda: it.done() >= _submitted(it) - 1)
    cluster.stop_controller()
    it.release("gather")
    it.wait(running, lambda: "Unable to contact slurm controller" in it.log())
    it.refused_while_down = True
    cluster.start()
    wait_until(lambda: running.poll() is not None, "the resumed run")
    said = (it.copy.folder / "output.log").read_text()
    assert running.returncode == 0, said[-4000:]
    it.resumed = tasks_of(it.copy.folder / ".nextflow" / "pipeline_info" / "trace.tsv")


def _submitted(it: Ordeal) -> int:
    return len(re.findall(r"\] INFO .*Submitted process > ", it.log()))


@pytest.fixture(scope="module")
def ordeal(
    finished: tuple[Copy, Path, Run], tmp_path_factory: pytest.TempPathFactory
) -> Iterator[Ordeal]:
    """The whole story, lived through once."""
    need("slurm")
    with pytest.MonkeyPatch.context() as patch:
        it = _prepare(copy_project(tmp_path_factory.mktemp("slurm") / "project"), finished[1])
        for name, value in it.cluster.settings.items():
            patch.setenv(name, value)
        # what an interrupted test leaves: it must count for nothing
        it.cluster.call("sbatch", "--hold", "-J", "nf-EARLIER", "-D", "/tmp", "--wrap", "true")
        it.cluster.begin_anew()
        try:
            _until_killed(it)
            _after(it)
            yield it
        finally:
            for running in it.started:
                if running.poll() is None:
                    os.killpg(running.pid, signal.SIGKILL)
            it.cluster.call("scancel", "-u", "root", check=False)
            subprocess.run(["bash", str(SCRIPT), "stop", "slurm"], check=False)


def _asked(folder: Path) -> list[str]:
    """Return what a job asked Slurm for."""
    text = (folder / ".command.run").read_text()
    return re.findall(r"(?m)^#SBATCH (.*)$", text)


def test_nothing_is_lost_and_the_result_is_that_of_a_local_run(
    ordeal: Ordeal, finished: tuple[Copy, Path, Run]
) -> None:
    local, _world, first = finished
    names = Counter(task["name"] for task in ordeal.resumed)
    assert names == Counter(task["name"] for task in first.tasks)
    assert {task["status"] for task in ordeal.resumed} <= {"COMPLETED", "CACHED"}
    tables = ("asymmetry.tsv", "scores.tsv")
    for name in tables:
        ours, theirs = (
            rows_of(each.folder / "results" / "tables" / name) for each in (ordeal.copy, local)
        )
        assert ours == theirs, name
    assert (ordeal.copy.folder / "results" / "report.html").exists()


def test_nothing_is_done_twice_but_what_was_in_the_queue_when_nextflow_died(
    ordeal: Ordeal,
) -> None:
    done = Counter(_task(event["folder"]) for event in ordeal.events("ended"))
    left = {_task(folder) for folder in ordeal.in_queue_at_kill}
    repeated = {task for task, times in done.items() if times > 1}
    assert repeated <= left, repeated - left
    assert 1 <= len(left) <= 3 * QUEUE_SIZE  # an array counts as one: itself and its two
    cached = [task for task in ordeal.resumed if task["status"] == "CACHED"]
    assert len(cached) >= ordeal.done_at_kill > 10


def test_each_fault_was_real_and_its_task_tried_again_with_more(ordeal: Ordeal) -> None:
    states = {}
    for prog in FAULTY:
        number = ordeal.job(prog)
        states[prog] = next(
            job.state for job in ordeal.cluster.ended() if job.fields["JobId"] == number
        )
    assert states["resample"] == "CANCELLED"
    assert states["mask"] in ("OUT_OF_MEMORY", "CANCELLED")  # by cgroup, or by Slurm's measure
    assert states["clean"] in ("TIMEOUT", "FAILED")  # by Slurm, or by its signal before that
    for prog in FAULTY:
        tries = first, _ = ordeal.tries(prog)
        assert first["SLURM_JOB_ID"] == ordeal.job(prog)
        before, after = (_asked(Path(event["folder"])) for event in tries)
        assert {"--mem 1500M", "-t 01:00:00"} <= set(before)
        assert {"--mem 3000M", "-t 02:00:00"} <= set(after)
        if prog == "clean":
            assert (Path(first["folder"]) / ".exitcode").read_text() == "140"
        ended = [e["folder"] for e in ordeal.events("ended")]
        assert [event["folder"] in ended for event in tries] == [False, True]


def test_a_drained_node_ends_what_it_runs_and_takes_nothing_new(ordeal: Ordeal) -> None:
    assert ordeal.drained == ["draining", "drained"]
    begun = [e for e in ordeal.events("began") if e["prog"] == "baselines"]
    assert len(begun) == 1


def test_the_controller_may_be_gone_for_a_while(ordeal: Ordeal) -> None:
    assert ordeal.refused_while_down
    # an orphan of the killed run may have begun the same task before
    assert len(ordeal.tries("gather", since=ordeal.begun_before_resume)) == 1


def test_account_partition_quality_and_gpus_come_from_parameters(ordeal: Ordeal) -> None:
    jobs = [job for job in ordeal.cluster.ended() if job.name.startswith("nf-")]
    assert {job.fields["Account"] for job in jobs} == {"lab"}
    for job in jobs:
        on_gpu = re.match(r"nf-(FEATURES_ACTIVATIONS|SCORES_ENCODE)_", job.name) is not None
        assert job.fields["Partition"] == ("gpu" if on_gpu else "cpu")
        asked = " ".join(_asked(Path(job.fields["WorkDir"])))
        assert "--qos=long" in asked
        assert ("--gres=gpu:h200:1" in asked) == on_gpu
    for event in ordeal.events("began"):
        given = event["CUDA_VISIBLE_DEVICES"]
        if event["prog"] in ("activations", "encode"):
            assert given in ("0", "1", "2", "3"), event
        else:
            assert given is None
    large = next(job for job in jobs if job.name.startswith("nf-FMRI_RELIABILITY"))
    asked = _asked(Path(large.fields["WorkDir"]))
    assert {"-t 03:00:00", "-c 2"} <= set(asked)  # --max_time, --task_cpus


def test_the_queue_is_no_longer_and_filled_no_faster_than_the_site_allows(ordeal: Ordeal) -> None:
    assert 2 <= ordeal.most_in_queue <= QUEUE_SIZE
    assert f"limit of {PER_MINUTE} submissions per 60 seconds" in ordeal.log()


def test_arrays_hold_several_tasks(ordeal: Ordeal) -> None:
    arrays = [
        job for job in ordeal.cluster.ended() if re.match(r"nf-SCORES_ENCODE_\(\d+\)", job.name)
    ]
    asked = [line for job in arrays for line in _asked(Path(job.fields["WorkDir"]))]
    assert "--array 0-1" in asked
