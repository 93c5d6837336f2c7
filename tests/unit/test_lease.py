"""Tasks of one machine never share a GPU (setup/lease.sh), on devices that need not exist."""

import os
import signal
import subprocess
import time
from pathlib import Path

import pytest

LEASE = Path(__file__).resolve().parents[2] / "setup" / "lease.sh"


def _start(folder: Path, wanted: int, work: str, devices: str = "0,1,2,3") -> subprocess.Popen[str]:
    """Start a task that leases devices and then runs a line of shell."""
    return subprocess.Popen(
        ["bash", "-euc", f"source {LEASE} {wanted}; {work}"],
        env=os.environ | {"CUDA_VISIBLE_DEVICES": devices, "LATERALIZATION_LEASES": str(folder)},
        stdout=subprocess.PIPE,
        stderr=subprocess.PIPE,
        text=True,
        start_new_session=True,
    )


def _wait_for(path: Path) -> None:
    deadline = time.monotonic() + 60
    while not path.exists():
        assert time.monotonic() < deadline, f"{path} never came"
        time.sleep(0.05)


@pytest.mark.slow
def test_twenty_tasks_on_four_devices_never_share_one(tmp_path: Path) -> None:
    # A directory can be made once: the task that finds its device's in place was given a taken one.
    work = (
        'for d in ${CUDA_VISIBLE_DEVICES//,/ }; do mkdir "$BUSY/$d"; done; sleep 0.2; '
        'for d in ${CUDA_VISIBLE_DEVICES//,/ }; do rmdir "$BUSY/$d"; done; '
        "echo $CUDA_VISIBLE_DEVICES"
    )
    busy = tmp_path / "busy"
    busy.mkdir()
    tasks = [
        _start(tmp_path / "leases", 1 + task % 3, f"BUSY={busy}; {work}") for task in range(20)
    ]
    shown = [task.communicate(timeout=300) for task in tasks]
    assert [task.returncode for task in tasks] == [0] * 20, shown
    given = [out.strip().split(",") for out, _log in shown]
    assert [len(set(devices)) for devices in given] == [1 + task % 3 for task in range(20)]
    assert {device for devices in given for device in devices} == {"0", "1", "2", "3"}


def test_a_killed_task_gives_its_device_back_with_its_last_process(tmp_path: Path) -> None:
    ready = tmp_path / "ready"
    killed = _start(tmp_path / "leases", 1, f"touch {ready}; sleep 600; true", devices="0")
    _wait_for(ready)
    killed.kill()  # the shell alone: what it started still uses the device
    killed.wait()
    second = tmp_path / "second"
    waiting = _start(tmp_path / "leases", 1, f"touch {second}", devices="0")
    time.sleep(1)
    assert not second.exists()
    os.killpg(killed.pid, signal.SIGKILL)
    out, log = waiting.communicate(timeout=60)
    assert waiting.returncode == 0, out + log
    assert second.exists()


def test_more_than_the_machine_has_is_bad_input(tmp_path: Path) -> None:
    task = _start(tmp_path, 3, "true", devices="0,1")
    _out, log = task.communicate(timeout=60)
    assert task.returncode == 65
    assert "3 GPUs" in log
    assert len(log.splitlines()) == 1


def test_a_machine_without_a_gpu_does_nothing(tmp_path: Path) -> None:
    done = subprocess.run(
        ["bash", "-euc", f"source {LEASE} 1; echo ${{CUDA_VISIBLE_DEVICES-unset}}"],
        env={"PATH": "/usr/bin:/bin", "LATERALIZATION_LEASES": str(tmp_path / "leases")},
        capture_output=True,
        text=True,
        check=True,
    )
    assert done.stdout == "unset\n"
    assert not (tmp_path / "leases").exists()
