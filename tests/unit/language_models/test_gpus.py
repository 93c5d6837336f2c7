"""A GPU that was asked for and cannot be used is an error that says why."""

import re
import subprocess
import sys
from pathlib import Path
from typing import Any

import pytest
import torch

from lateralization.errors import BadInput
from lateralization.language_models import devices, ranks
from lateralization.language_models.devices import runs_on

needs_no_gpu = pytest.mark.skipif(torch.cuda.is_available(), reason="this machine has a GPU")


@pytest.mark.slow
@needs_no_gpu
def test_a_gpu_that_is_asked_for_and_is_not_there_is_bad_input(tmp_path: Path) -> None:
    """Both commands, on this machine as it is: no driver."""
    root, empty = Path(__file__).resolve().parents[3], tmp_path / "empty"
    empty.write_text("{}")
    reading = f"--model-dir {tmp_path} --model-json {empty} --words {empty} --windows {empty}"
    fitting = f"--features {empty} --words {empty} --bold {empty} --device cuda"
    words = tmp_path / "words.tsv"
    words.write_text("word\ttext\trun\n")
    for command in (
        ["activations.py", *reading.replace(f"--words {empty}", f"--words {words}").split(),
         "--gpus", "1", "--seed", "1", "--out", str(tmp_path / "out")],
        ["encode.py", *fitting.split(), "--out", str(tmp_path / "out")],
    ):  # fmt: skip
        done = subprocess.run(
            [sys.executable, root / "bin" / command[0], *command[1:]],
            capture_output=True, text=True, check=False,
        )  # fmt: skip
        last = done.stderr.strip().splitlines()[-1]
        assert done.returncode == 65, done.stderr
        assert "--gpus asks for 1 GPU and no NVIDIA driver is found" in last
        assert "LD_LIBRARY_PATH" in last
        assert "used GPUs" not in done.stderr


SOUND = {"built": "13.2", "driver": (13, 0), "count": 2, "capability": (9, 0), "error": ""}


@pytest.mark.parametrize(
    ("faults", "said"),
    [
        ({"built": None}, "is built without CUDA"),
        (
            {"driver": (12, 4)},
            r"driver is too old: it runs CUDA 12\.4 .* needs driver 580 or later",
        ),
        ({"count": 1}, r"1 are visible \(CUDA_VISIBLE_DEVICES is '7'\)"),
        (
            {"capability": (7, 0)},
            r"compute capability 7\.0, for which torch .* has no code \(sm_75,",
        ),
        (
            {"error": "CUDA error: device busy\nmore"},
            "CUDA cannot be used: CUDA error: device busy;",
        ),
    ],
)
def test_why_a_gpu_cannot_be_used_is_said(
    faults: dict[str, Any], said: str, monkeypatch: pytest.MonkeyPatch
) -> None:
    """A fake of the driver: no machine of the tests has one that is wrong in each of these ways."""
    there: dict[str, Any] = SOUND | faults

    def add(*_arguments: Any, **_options: Any) -> Any:
        if there["error"]:
            raise RuntimeError(there["error"])
        return real(1)

    real = torch.ones
    monkeypatch.setenv("CUDA_VISIBLE_DEVICES", "7")
    monkeypatch.setattr(torch.version, "cuda", there["built"])
    monkeypatch.setattr(devices, "driver_cuda", lambda: there["driver"])
    monkeypatch.setattr(torch.cuda, "device_count", lambda: there["count"])
    monkeypatch.setattr(torch.cuda, "get_device_capability", lambda _number: there["capability"])
    monkeypatch.setattr(torch.cuda, "get_device_name", lambda _number: "Fake GPU")
    monkeypatch.setattr(torch, "ones", add)
    with pytest.raises(BadInput, match=said) as caught:
        devices.check_gpus(2)
    assert "\n" not in str(caught.value)
    there |= SOUND
    monkeypatch.setattr(torch.version, "cuda", "13.2")
    devices.check_gpus(2)


@needs_no_gpu
def test_gpus_are_checked_before_their_memory_is_asked_for() -> None:
    """The real question, by a process of its own, on this machine as it is: no driver."""
    with pytest.raises(BadInput, match="--gpus asks for 2 GPUs and no NVIDIA driver is found"):
        devices.free_gpu_memory(2)
    assert devices.free_gpu_memory(0) == []
    assert devices.free_gpu_memory() == []


@pytest.mark.parametrize("broken", [0, 1])
def test_a_gpu_that_cuda_cannot_use_is_bad_input_whichever_it_is(
    broken: int, monkeypatch: pytest.MonkeyPatch
) -> None:
    """A fake of the driver: to ask the memory of a broken GPU is an error of torch's."""
    real = torch.ones

    def ones(*_arguments: Any, device: str) -> Any:
        if device == f"cuda:{broken}":
            raise RuntimeError("CUDA error: uncorrectable ECC error encountered")
        return real(1)

    def memory(number: int) -> Any:
        raise RuntimeError("CUDA error: uncorrectable ECC error encountered")

    monkeypatch.setattr(devices, "driver_cuda", lambda: (99, 0))
    monkeypatch.setattr(torch.cuda, "is_available", lambda: True)
    monkeypatch.setattr(torch.cuda, "device_count", lambda: 2)
    monkeypatch.setattr(torch.cuda, "get_device_capability", lambda _number: (9, 0))
    monkeypatch.setattr(torch.cuda, "mem_get_info", memory)
    monkeypatch.setattr(torch, "ones", ones)
    with pytest.raises(BadInput, match="CUDA cannot be used: CUDA error: uncorrectable"):
        devices._gpu_memory(2)
    monkeypatch.delenv("WORLD_SIZE", raising=False)
    monkeypatch.delenv("LOCAL_RANK", raising=False)
    with pytest.raises(BadInput, match="CUDA cannot be used: CUDA error: uncorrectable"):
        ranks.start(2)


def test_a_full_gpu_is_no_bad_input(monkeypatch: pytest.MonkeyPatch) -> None:
    def full(*_arguments: Any, **_options: Any) -> Any:
        raise torch.OutOfMemoryError("CUDA out of memory")

    monkeypatch.setattr(devices, "driver_cuda", lambda: (99, 0))
    monkeypatch.setattr(torch.cuda, "device_count", lambda: 1)
    monkeypatch.setattr(torch.cuda, "get_device_capability", lambda _number: (9, 0))
    monkeypatch.setattr(torch, "ones", full)
    with pytest.raises(torch.OutOfMemoryError):
        devices.check_gpus(1)


@pytest.mark.parametrize(
    ("capability", "architectures", "runs"),
    [
        ((9, 0), ["sm_80", "sm_90"], True),
        ((8, 9), ["sm_80", "sm_90"], True),
        ((7, 0), ["sm_75", "sm_80"], False),
        ((10, 3), ["sm_90", "sm_120"], False),
        ((12, 1), ["sm_120"], True),
        ((12, 0), ["compute_90"], True),
        ((8, 0), ["compute_90"], False),
        ((9, 0), ["sm_90a"], True),
        ((10, 0), ["sm_90a", "compute_90a"], False),
        ((10, 3), ["sm_100f"], True),
        ((9, 0), ["gfx90a", ""], False),
    ],
)
def test_code_runs_on_its_architecture(
    capability: tuple[int, int], architectures: list[str], runs: bool
) -> None:
    assert runs_on(capability, architectures) is runs


def test_the_docs_name_the_drivers_and_architectures_of_the_locked_torch() -> None:
    page = (Path(__file__).resolve().parents[3] / "docs" / "usage.md").read_text()
    assert torch.version.cuda
    major = int(torch.version.cuda.split(".")[0])
    assert f"NVIDIA driver {devices.OLDEST_DRIVER[major]} or later" in page
    assert f"CUDA {torch.version.cuda}" in page
    listed = [re.sub(r"sm_(\d+)(\d)", r"\1.\2", name) for name in torch.cuda.get_arch_list()]
    assert ", ".join(listed) in page
