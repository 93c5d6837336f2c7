"""Tasks of one machine never share a GPU (setup/lease.sh), whoever starts them.

The GPUs are made up: an ``nvidia-smi`` that lists them, and files in place of their device nodes.
What locks are taken on, who may take part and what is refused is real, with two real users where
the tests run as root.
"""

import os
import shlex
import shutil
import signal
import subprocess
import time
from collections.abc import Callable, Iterator
from dataclasses import dataclass
from pathlib import Path

import pytest

LEASE = Path(__file__).resolve().parents[3] / "setup" / "lease.sh"
FIRST = "GPU-5d5ba0d6-d33d-2b2c-524d-9e3d8d2b8a77"
SECOND = "GPU-5d5b77aa-0000-1111-2222-333344445555"
SLICES = ("MIG-c6d4f1ef-42e4-5de3-91c7-45d71c87eb3f", "MIG-cba663e8-9bed-5b25-b243-5985ef7c9beb")
OTHER = 12345
"""A user of the machine who is nobody that the tests run as."""

needs_root = pytest.mark.skipif(os.geteuid() != 0, reason="two users need root")


@dataclass
class Machine:
    """A machine with GPUs that need not exist."""

    root: Path
    listing: str = ""

    def node(self, name: str) -> Path:
        """Make a device node."""
        path = self.root / "dev" / name
        path.parent.mkdir(parents=True, exist_ok=True)
        path.touch(mode=0o666)
        path.chmod(0o666)
        return path

    def driver(self, minors: dict[str, int]) -> None:
        """Write what the driver says of the numbers of its nodes."""
        for place, (uuid, minor) in enumerate(minors.items()):
            path = self.root / f"proc/driver/nvidia/gpus/0000:{place:02x}:00.0/information"
            path.parent.mkdir(parents=True)
            path.write_text(f"Model: \t\t Fake\nGPU UUID: \t {uuid}\nDevice Minor: \t {minor}\n")

    def lists(self, listing: str, instances: str = "") -> None:
        """Make an nvidia-smi that lists these devices."""
        program = self.root / "bin" / "nvidia-smi"
        program.parent.mkdir(exist_ok=True)
        answers = f"case $1 in -L) printf %s {shlex.quote(listing)} ;;"
        answers += f" -q) printf %s {shlex.quote(instances)} ;; *) exit 1 ;; esac"
        program.write_text(f"#!/bin/bash\n{answers}\n")
        program.chmod(0o755)

    def start(
        self,
        wanted: int,
        work: str = "true",
        devices: str | None = None,
        leases: Path | str | None = None,
        user: int | None = None,
    ) -> subprocess.Popen[str]:
        """Start a task that leases devices and then runs a line of shell."""
        path = f"{self.root / 'bin'}:/usr/local/bin:/usr/bin:/bin"
        environment = {"PATH": path, "LATERALIZATION_LEASE_ROOT": str(self.root)}
        given = {"CUDA_VISIBLE_DEVICES": devices, "LATERALIZATION_LEASES": leases}
        environment |= {name: str(value) for name, value in given.items() if value is not None}
        return subprocess.Popen(
            ["bash", "-euo", "pipefail", "-c", f"source {self.root / 'lease.sh'} {wanted}; {work}"],
            env=environment,
            stdout=subprocess.PIPE,
            stderr=subprocess.PIPE,
            text=True,
            start_new_session=True,
            user=user,
            group=user,
            extra_groups=None if user is None else [],
            cwd="/",
        )

    def shown(self, wanted: int, devices: str | None = None, **more: object) -> str:
        """Return the devices that a task was given."""
        task = self.start(wanted, "echo ${CUDA_VISIBLE_DEVICES-unset}", devices, **more)  # type: ignore[arg-type]
        out, log = task.communicate(timeout=60)
        assert task.returncode == 0, log
        return out.strip()

    def refused(self, wanted: int, devices: str | None = None, **more: object) -> str:
        """Return the one line with which a task was refused."""
        task = self.start(wanted, "true", devices, **more)  # type: ignore[arg-type]
        _out, log = task.communicate(timeout=60)
        assert task.returncode == 65, log
        assert len(log.splitlines()) == 1, log
        return log.strip()


@pytest.fixture
def place() -> Iterator[Path]:
    """Give a folder that all users can enter and only this one can write to."""
    folder = Path("/tmp") / f"leases-{os.getpid()}-{time.monotonic_ns()}"
    folder.mkdir(mode=0o755)
    yield folder
    shutil.rmtree(folder)


@pytest.fixture
def bare(place: Path) -> Machine:
    """Give a machine without a driver."""
    shutil.copy(LEASE, place)
    (place / "lease.sh").chmod(0o644)
    return Machine(place)


@pytest.fixture
def machine(bare: Machine) -> Machine:
    """Give a machine of two GPUs, the nodes of which have other numbers than the GPUs."""
    bare.lists(f"GPU 0: Fake (UUID: {FIRST})\nGPU 1: Fake (UUID: {SECOND})\n")
    bare.driver({FIRST: 3, SECOND: 1})
    for name in ("nvidia1", "nvidia3", "nvidiactl"):
        bare.node(name)
    return bare


@pytest.fixture
def sliced(bare: Machine) -> Machine:
    """Give a machine of one GPU that is cut into two slices, which it names as drivers now do."""
    lines = [f"GPU 0: Fake (UUID: {FIRST})"]
    lines += [f"  MIG 3g.20gb     Device  {i}: (UUID: {uuid})" for i, uuid in enumerate(SLICES)]
    parts = [
        f"        MIG Device\n            Index                  : {i}\n"
        f"            GPU Instance ID        : {gi}\n            Compute Instance ID    : 0\n"
        for i, gi in enumerate((1, 2))
    ]
    bare.lists("\n".join(lines) + "\n", "GPU 00000000:07:00.0\n    MIG Devices\n" + "".join(parts))
    bare.driver({FIRST: 0})
    minors = bare.root / "proc/driver/nvidia-caps/mig-minors"
    minors.parent.mkdir(parents=True)
    minors.write_text("config 1\nmonitor 2\ngpu0/gi1/access 11\ngpu0/gi1/ci0/access 12\n"
                      "gpu0/gi2/access 20\ngpu0/gi2/ci0/access 21\n")  # fmt: skip
    for name in ("nvidia0", "nvidiactl", "nvidia-caps/nvidia-cap12", "nvidia-caps/nvidia-cap21"):
        bare.node(name)
    return bare


def _wait_for(found: Callable[[], bool]) -> None:
    deadline = time.monotonic() + 60
    while not found():
        assert time.monotonic() < deadline, "it never came"
        time.sleep(0.05)


def _holds(machine: Machine, wanted: int = 1, **given: object) -> subprocess.Popen[str]:
    """Start a task that keeps its devices until it is ended."""
    ready = machine.root / f"ready-{time.monotonic_ns()}"
    ready.touch()
    ready.chmod(0o666)
    task = machine.start(wanted, f"echo x >{ready}; sleep 600; true", **given)  # type: ignore[arg-type]
    _wait_for(lambda: bool(ready.read_text()) or task.poll() is not None)
    assert task.poll() is None, task.communicate()[1]
    return task


def _end(task: subprocess.Popen[str]) -> None:
    os.killpg(task.pid, signal.SIGKILL)
    task.communicate()


def _waits(machine: Machine, wanted: int = 1, **given: object) -> bool:
    """Whether a task finds the devices taken."""
    task = machine.start(wanted, **given)  # type: ignore[arg-type]
    try:
        task.communicate(timeout=1.5)
    except subprocess.TimeoutExpired:
        _end(task)
        return True
    assert task.returncode == 0
    return False


@pytest.mark.slow
@pytest.mark.parametrize("nodes", [True, False])
def test_twenty_tasks_on_four_devices_never_share_one(bare: Machine, nodes: bool) -> None:
    for name in ("nvidia0", "nvidia1", "nvidia2", "nvidia3", "nvidiactl") if nodes else ():
        bare.node(name)
    # A directory can be made once: the task that finds its device's in place was given a taken one.
    busy = bare.root / "busy"
    busy.mkdir()
    work = (
        f"BUSY={busy}; "
        'for d in ${CUDA_VISIBLE_DEVICES//,/ }; do mkdir "$BUSY/$d"; done; sleep 0.2; '
        'for d in ${CUDA_VISIBLE_DEVICES//,/ }; do rmdir "$BUSY/$d"; done; '
        "echo $CUDA_VISIBLE_DEVICES"
    )
    tasks = [
        bare.start(1 + task % 3, work, "0,1,2,3", None if nodes else bare.root / "leases")
        for task in range(20)
    ]
    shown = [task.communicate(timeout=300) for task in tasks]
    assert [task.returncode for task in tasks] == [0] * 20, shown
    given = [out.strip().split(",") for out, _log in shown]
    assert [len(set(devices)) for devices in given] == [1 + task % 3 for task in range(20)]
    assert {device for devices in given for device in devices} == {"0", "1", "2", "3"}


@pytest.mark.slow
def test_a_killed_task_gives_its_device_back_with_its_last_process(machine: Machine) -> None:
    killed = _holds(machine, devices="0")
    killed.kill()  # the shell alone: what it started still uses the device
    killed.wait()
    waiting = machine.start(1, devices="0")
    time.sleep(1)
    assert waiting.poll() is None
    os.killpg(killed.pid, signal.SIGKILL)
    _out, log = waiting.communicate(timeout=60)
    assert waiting.returncode == 0, log
    assert "waiting" in log


@pytest.mark.parametrize("devices", ["0,1", "0,0,1,1", f"0,{FIRST},1"])
def test_more_than_the_machine_shows_is_bad_input(machine: Machine, devices: str) -> None:
    assert "3 GPUs and this machine shows 2" in machine.refused(3, devices)


def test_a_machine_without_a_gpu_does_nothing(bare: Machine) -> None:
    assert bare.shown(1) == "unset"
    assert sorted(path.name for path in bare.root.iterdir()) == ["lease.sh"]


# ---- nvidia-smi is not in PATH, hangs or fails ---------------------------------------------------


@pytest.mark.parametrize("program", [None, "exit 9", "echo 'NVIDIA-SMI has failed'; exit 9"])
def test_gpus_that_nobody_lists_are_found_by_their_nodes(
    bare: Machine, program: str | None
) -> None:
    for name in ("nvidia0", "nvidia1", "nvidia11", "nvidiactl", "nvidia-uvm", "nvidia0x"):
        bare.node(name)
    if program:
        bare.lists("")
        (bare.root / "bin" / "nvidia-smi").write_text(f"#!/bin/bash\n{program}\n")
    assert set(bare.shown(3).split(",")) == {"0", "1", "11"}
    assert "shows 3 (CUDA_VISIBLE_DEVICES is not set, the driver lists 3" in bare.refused(4)
    bare.driver({FIRST: 1, SECOND: 0})
    assert set(bare.shown(3).split(",")) == {FIRST, SECOND, "11"}


def test_tasks_without_nvidia_smi_do_not_share_a_gpu(bare: Machine) -> None:
    for name in ("nvidia0", "nvidia1"):
        bare.node(name)
    holder = _holds(bare)
    try:
        task = bare.start(1, "echo $CUDA_VISIBLE_DEVICES $CUDA_DEVICE_ORDER")
        out, log = task.communicate(timeout=60)
        assert (task.returncode, out) == (0, "1 PCI_BUS_ID\n"), log
        assert "nvidia-smi lists none" in log
        assert _waits(bare, devices="0")
    finally:
        _end(holder)


def test_a_node_that_cannot_be_locked_is_said_without_nvidia_smi(bare: Machine) -> None:
    bare.node("nvidia0").unlink()
    (bare.root / "dev" / "nvidia0").mkdir()
    assert "the device 0 cannot be locked" in bare.refused(1)


def test_the_gpus_of_windows_are_not_passed_over(bare: Machine) -> None:
    bare.node("dxg")
    assert "put it in PATH (/usr/lib/wsl/lib)" in bare.refused(1)


# ---- which devices -------------------------------------------------------------------------------


@pytest.mark.parametrize("devices", ["", " ", "-1", "NoDevFiles", "-1,0", ",0", "none", "7"])
def test_hidden_gpus_are_not_taken(machine: Machine, devices: str) -> None:
    assert "this machine shows 0" in machine.refused(1, devices)


@pytest.mark.parametrize(
    ("devices", "expected"),
    [
        (None, {FIRST, SECOND}),
        ("1,0", {FIRST, SECOND}),
        ("1", {SECOND}),
        (" 0 ", {FIRST}),
        ("0,0", {FIRST}),
        (f"{FIRST},0", {FIRST}),
        ("GPU-5d5ba", {FIRST}),
        ("1,-1,0", {SECOND}),
        ("1,9,0", {SECOND}),
    ],
)
def test_devices_are_read_as_cuda_reads_them(
    machine: Machine, devices: str | None, expected: set[str]
) -> None:
    assert set(machine.shown(len(expected), devices).split(",")) == expected
    assert "this machine shows" in machine.refused(len(expected) + 1, devices)


def test_a_beginning_that_two_devices_have_names_neither(machine: Machine) -> None:
    assert "shows 0" in machine.refused(1, "GPU-5d5b")


@pytest.mark.slow
@pytest.mark.parametrize("other", ["0", FIRST, "GPU-5d5ba", "0,0"])
def test_index_and_uuid_of_a_device_are_one_lock(machine: Machine, other: str) -> None:
    holder = _holds(machine, devices="0")
    try:
        assert _waits(machine, devices=other)
        assert not _waits(machine, devices="1")
    finally:
        _end(holder)
    assert not _waits(machine, devices=other)


@pytest.mark.slow
def test_the_lock_is_on_the_node_of_the_device_s_own_number(machine: Machine) -> None:
    """A lock that another program takes on /dev/nvidia3, which is the GPU with index 0, counts."""
    node = machine.root / "dev" / "nvidia3"
    with subprocess.Popen(["flock", str(node), "sleep", "600"], start_new_session=True) as other:
        _wait_for(
            lambda: bool(subprocess.run(["flock", "-n", str(node), "true"], check=False).returncode)
        )
        assert _waits(machine, devices="0")
        assert not _waits(machine, devices="1")
        os.killpg(other.pid, signal.SIGKILL)


@pytest.mark.slow
def test_slices_are_devices_of_their_own(sliced: Machine) -> None:
    assert set(sliced.shown(2).split(",")) == set(SLICES)
    holder = _holds(sliced, devices=SLICES[0])
    try:
        assert not _waits(sliced, devices=SLICES[1])
        for same in (SLICES[0], f"MIG-{FIRST}/1/0", "MIG-c6d4", "0", FIRST):
            assert _waits(sliced, devices=same), same
        assert sliced.shown(1) == SLICES[1]
        assert sliced.shown(1, f"MIG-{FIRST}/2/0") == SLICES[1]
    finally:
        _end(holder)


@pytest.mark.slow
def test_slices_as_older_drivers_name_them(sliced: Machine) -> None:
    names = [f"MIG-{FIRST}/{gi}/0" for gi in (1, 2)]
    lines = [f"  MIG 3g.20gb Device {i}: (UUID: {name})" for i, name in enumerate(names)]
    sliced.lists("\n".join([f"GPU 0: Fake (UUID: {FIRST})", *lines, ""]))
    holder = _holds(sliced, devices=names[0])
    try:
        assert _waits(sliced, devices=names[0])
        assert sliced.shown(1) == names[1]
    finally:
        _end(holder)


# ---- where the lock is: another user must not choose what is opened ------------------------------


def test_a_device_that_cannot_be_locked_needs_a_folder(machine: Machine) -> None:
    (machine.root / "dev" / "nvidia3").unlink()
    line = machine.refused(1, "0")
    assert "nvidia3 is not there" in line
    assert "set LATERALIZATION_LEASES" in line
    assert machine.shown(1, "1") == SECOND
    assert machine.shown(1, "0", leases=machine.root / "own") == FIRST
    assert (machine.root / "own").stat().st_mode & 0o7777 == 0o755


def test_a_slash_in_a_name_stays_inside_the_folder(bare: Machine) -> None:
    folder = bare.root / "own"
    assert bare.shown(1, f"MIG-{FIRST}/1/0", leases=folder) == f"MIG-{FIRST}/1/0"
    assert [path.name for path in folder.iterdir()] == [f"MIG-{FIRST}_1_0"]


def test_nothing_is_made_where_anybody_can_write(bare: Machine) -> None:
    shared = bare.root / "shared"
    shared.mkdir()
    shared.chmod(0o1777)
    assert "other users can write" in bare.refused(1, "0", leases=shared)
    assert "other users can write" in bare.refused(1, "0", leases="/tmp")
    assert not list(shared.iterdir())
    inside = shared / "mine"  # nobody else can replace it there
    inside.mkdir(mode=0o755)
    assert bare.shown(1, "0", leases=inside) == "0"
    shared.chmod(0o777)
    assert "other users can write" in bare.refused(1, "0", leases=inside)


def _a_link(folder: Path, victim: Path) -> None:
    folder.symlink_to(victim.parent)


def _a_link_above(folder: Path, victim: Path) -> None:
    folder.parent.rename(folder.parent.with_name("real"))
    folder.parent.symlink_to("real")


def _a_link_of_the_device(folder: Path, victim: Path) -> None:
    folder.mkdir()
    (folder / "0").symlink_to(victim)


def _a_dangling_link(folder: Path, victim: Path) -> None:
    folder.mkdir()
    (folder / "0").symlink_to(victim.with_name("startup"))


def _a_second_name(folder: Path, victim: Path) -> None:
    folder.mkdir()
    (folder / "0").hardlink_to(victim)


def _a_pipe(folder: Path, victim: Path) -> None:
    folder.mkdir()
    os.mkfifo(folder / "0")


def _a_folder_in_place_of_a_file(folder: Path, victim: Path) -> None:
    (folder / "0").mkdir(parents=True)


def _a_file_in_place_of_the_folder(folder: Path, victim: Path) -> None:
    folder.touch()


def _seen(victim: Path) -> tuple[int, int, list[str]]:
    folder = victim.parent
    return (
        victim.stat().st_mode,
        folder.stat().st_mode,
        sorted(path.name for path in folder.iterdir()),
    )


PLANTED = [
    _a_link, _a_link_above, _a_link_of_the_device, _a_dangling_link, _a_second_name, _a_pipe,
    _a_folder_in_place_of_a_file, _a_file_in_place_of_the_folder,
]  # fmt: skip


@pytest.mark.parametrize("plant", PLANTED)
def test_what_is_planted_is_not_followed(
    bare: Machine, plant: Callable[[Path, Path], None]
) -> None:
    victim = bare.root / "home" / "profile"
    victim.parent.mkdir(mode=0o755)
    victim.write_text("mine\n")
    victim.chmod(0o600)
    folder = bare.root / "site" / "leases"
    folder.parent.mkdir()
    plant(folder, victim)
    before = _seen(victim)
    assert "LATERALIZATION_LEASES" in bare.refused(1, "0", leases=folder)
    assert victim.read_text() == "mine\n"
    assert _seen(victim) == before


def test_a_link_among_the_nodes_is_not_followed(machine: Machine) -> None:
    node = machine.root / "dev" / "nvidia3"
    node.unlink()
    node.symlink_to(machine.root / "lease.sh")
    assert "symbolic link" in machine.refused(1, "0")


@pytest.mark.slow
@needs_root
def test_two_users_never_share_a_device(machine: Machine) -> None:
    holder = _holds(machine, devices="0")
    try:
        assert _waits(machine, devices=FIRST, user=OTHER)
        assert machine.shown(1, user=OTHER) == SECOND
    finally:
        _end(holder)
    holder = _holds(machine, 2, user=OTHER)
    try:
        assert _waits(machine)
        assert _waits(machine, 2, user=OTHER + 1)
    finally:
        _end(holder)


@pytest.mark.slow
@needs_root
def test_two_users_share_the_folder_of_an_administrator(bare: Machine) -> None:
    folder = bare.root / "leases"
    folder.mkdir(mode=0o755)
    line = bare.refused(1, "0", leases=folder, user=OTHER)
    assert "is not there; let the owner of" in line
    subprocess.run(["bash", "-euc", line.split(": ")[-1]], check=True)  # as the line says
    holder = _holds(bare, devices="0", leases=folder, user=OTHER)
    try:
        assert _waits(bare, devices="0", leases=folder, user=OTHER + 1)
        assert _waits(bare, devices="0", leases=folder)
    finally:
        _end(holder)
    assert [(p.name, p.stat().st_uid) for p in folder.iterdir()] == [("0", 0)]


@needs_root
@pytest.mark.parametrize("victim", [0, OTHER + 1])
def test_the_folder_of_another_user_is_refused(bare: Machine, victim: int) -> None:
    folder = bare.root / "theirs"
    folder.mkdir(mode=0o755)
    os.chown(folder, OTHER, OTHER)
    assert "belongs to another user" in bare.refused(1, "0", leases=folder, user=victim or None)
    mine = folder / "mine"
    mine.mkdir(mode=0o755)
    os.chown(mine, victim, victim)
    assert "belongs to another user" in bare.refused(1, "0", leases=mine, user=victim or None)


@needs_root
def test_the_file_and_the_node_of_another_user_are_refused(machine: Machine) -> None:
    node = machine.root / "dev" / "nvidia3"
    os.chown(node, OTHER, OTHER)
    folder = machine.root / "leases"
    folder.mkdir(mode=0o755)
    (folder / FIRST).touch()
    os.chown(folder / FIRST, OTHER, OTHER)
    assert "belongs to uid" in machine.refused(1, "0")
    assert "belongs to uid" in machine.refused(1, "0", leases=folder)
    assert not _waits(machine, devices="1")


@needs_root
@pytest.mark.parametrize("leases", [False, True])
def test_in_a_user_namespace_that_hides_root_no_folder_is_advised(
    machine: Machine, leases: bool
) -> None:
    """As in a container that its user started: what belongs to root seems to be nobody's."""
    inside = ["setpriv", f"--reuid={OTHER}", f"--regid={OTHER}", "--clear-groups"]
    inside += ["unshare", "--user", "--map-current-user"]
    if subprocess.run([*inside, "true"], capture_output=True, check=False).returncode:
        pytest.skip("users cannot make user namespaces here")
    environment = {"PATH": f"{machine.root / 'bin'}:/usr/local/bin:/usr/bin:/bin"}
    environment |= {"LATERALIZATION_LEASE_ROOT": str(machine.root)}
    if leases:
        folder = machine.root / "leases"
        folder.mkdir()
        os.chown(folder, OTHER, OTHER)
        environment["LATERALIZATION_LEASES"] = str(folder)
    done = subprocess.run(
        [*inside, "bash", "-euo", "pipefail", "-c", f"source {machine.root / 'lease.sh'} 1"],
        env=environment, cwd="/", capture_output=True, text=True, check=False,
    )  # fmt: skip
    assert done.returncode == 65, done.stderr
    (line,) = done.stderr.splitlines()
    assert "start Nextflow outside the container, or give --gpus 0" in line
    assert "chmod" not in line
    assert "set LATERALIZATION_LEASES" not in line
    assert "name a folder" not in line
