"""The command of every process under every profile of an engine or scheduler, as it is written.

The processes are those of modules/ with their labels, and empty, and part of a workflow as most of
them are; engines and Slurm are stand-ins that do nothing, for what counts is what they are told.
"""

import re
import shutil
import subprocess
from pathlib import Path

import pytest

from .conftest import NEXTFLOW, PROJECT, Copy, processes_of_the_project

pytestmark = pytest.mark.pipeline

ON_GPUS = {"ACTIVATIONS", "ENCODE", "RELIABILITY"}
"""Labels gpu and large; RELIABILITY asks for none."""
WITH_NETWORK = {"FETCH", "MODEL"}
ON_HEAD = {"head", "network"}
"""Labels of what runs where Nextflow does."""
GPU_FLAGS = {
    "docker": "--gpus all",
    "podman": "--device nvidia.com/gpu=all",
    "apptainer": "--nv",
    "singularity": "--nv",
}
NO_NETWORK = {
    "docker": "--network none",
    "podman": "--network=none",
    "apptainer": "--net --network none",
    "singularity": "--net --network none",
}
SBATCH = """#!/bin/bash
while [[ ${1:-} == -* ]]; do shift; done
if [[ -n ${1:-} ]]; then bash "$1" >/dev/null 2>&1; fi
echo "Submitted batch job $RANDOM"
"""


def _processes() -> dict[str, str]:
    """Return the label of every process of the pipeline."""
    found = {}
    for name, text in processes_of_the_project().items():
        label = re.search(r"label '(\w+)'", text)
        assert label is not None, f"{name} has no label"
        found[name] = label[1]
    return found


def _pipeline(processes: dict[str, str]) -> str:
    """Return a workflow of empty processes of these names and labels."""
    bodies = [
        f"process {name} {{\n    label '{label}'\n    output: stdout\n"
        f'    script:\n    """\n    true\n    """\n}}\n'
        for name, label in processes.items()
    ]
    calls = "\n".join(f"    {name}()" for name in processes)
    watched = "include { watch } from './modules/watch'\n"  # else it may wait for ever for cores
    part = f"\nworkflow PART {{\n    main:\n{calls}\n}}\n"
    return watched + "\n".join(bodies) + part + "\nworkflow {\n    watch(workflow)\n    PART()\n}\n"


def _commands(folder: Path, profile: str, *arguments: str) -> dict[str, str]:
    """Run the empty pipeline under a profile and return every task's ``.command.run``."""
    folder.mkdir()
    (folder / "nextflow.config").write_text((PROJECT / "nextflow.config").read_text())
    shutil.copytree(PROJECT / "conf", folder / "conf")
    (folder / "setup").mkdir()
    (folder / "setup" / "lease.sh").write_text("")
    (folder / "modules").mkdir()
    shutil.copy(PROJECT / "modules" / "watch.nf", folder / "modules")
    (folder / "main.nf").write_text(_pipeline(_processes()))
    stand_ins = folder / "stand-ins"
    stand_ins.mkdir()
    for name in ("docker", "podman", "apptainer", "singularity", "squeue", "scancel", "sbatch"):
        (stand_ins / name).write_text(SBATCH if name == "sbatch" else "#!/bin/bash\nexit 0\n")
        (stand_ins / name).chmod(0o755)
    (folder / "cached.sif").touch()
    environment = Copy(folder).environment()
    environment["PATH"] = f"{stand_ins}:{environment['PATH']}"
    done = subprocess.run(
        [str(NEXTFLOW), "run", "main.nf", "-profile", profile, *arguments],
        cwd=folder,
        env=environment,
        capture_output=True,
        text=True,
        timeout=900,
        check=False,
    )
    assert done.returncode == 0, done.stdout + done.stderr
    texts = [path.read_text() for path in (folder / "work").glob("*/*/.command.run")]
    found = {}
    for text in texts:
        name = re.search(r"name: 'PART:(\w+)", text)
        assert name is not None
        found[name[1]] = text
    assert set(found) == set(_processes())
    return found


def _engine_line(text: str, engine: str) -> str:
    """Return the line that starts the container."""
    verb = "run" if engine in ("docker", "podman") else "exec"
    lines = [line for line in text.splitlines() if re.search(rf"\b{engine} {verb}\b", line)]
    assert len(lines) == 1, lines
    return lines[0]


@pytest.mark.parametrize("engine", ["docker", "podman", "singularity"])
def test_only_gpu_tasks_see_gpus_and_only_fetching_a_network(engine: str, tmp_path: Path) -> None:
    image = ["--image", str(tmp_path / "run" / "cached.sif")] if engine == "singularity" else []
    commands = _commands(tmp_path / "run", engine, "--gpus", "1", *image)
    for name, text in commands.items():
        line = _engine_line(text, engine)
        on_gpu = name in ON_GPUS - {"RELIABILITY"}
        assert (GPU_FLAGS[engine] in line) == on_gpu, f"{name}: {line}"
        assert (NO_NETWORK[engine] in line) == (name not in WITH_NETWORK), f"{name}: {line}"
        assert ("setup/lease.sh' 1" in text) == on_gpu
        if not image:
            kind = "gpu" if on_gpu else "cpu" if name in (ON_GPUS | {"MODEL", "WORDS"}) else "light"
            assert f"localhost/lateralization:0.1.0-{kind}" in line
            assert "--read-only" in line
            # where data are below /tmp the engine mounts it, and Docker refuses a second mount
            assert "--tmpfs /tmp" not in line
            assert "$(id -u)" in line


def test_slurm_with_apptainer_asks_for_what_the_site_needs(tmp_path: Path) -> None:
    site = ["--slurm_account", "lab", "--slurm_qos", "long", "--slurm_partition", "cpu"]
    site += ["--slurm_gpu_partition", "gpu", "--gpus", "2", "--gpu_type", "h200"]
    site += ["--max_time", "3.h", "--max_memory", "10.GB", "--max_cpus", "5"]
    commands = _commands(
        tmp_path / "run",
        "slurm,apptainer",
        *site,
        *("--image", str(tmp_path / "run" / "cached.sif")),
    )
    labels = _processes()
    for name, text in commands.items():
        asked = [line for line in text.splitlines() if line.startswith("#SBATCH")]
        gres = [line for line in asked if "--gres" in line]
        gpus = {"ACTIVATIONS": 2, "ENCODE": 1}.get(name)
        assert (GPU_FLAGS["apptainer"] in _engine_line(text, "apptainer")) == bool(gpus)
        if labels[name] in ON_HEAD:
            assert asked == []
            continue
        together = "\n".join(asked)
        assert "--account=lab" in together
        assert "--qos=long" in together
        assert f"-p {'gpu' if gpus else 'cpu'}" in together
        assert (f"--gres=gpu:h200:{gpus}" in together) if gpus else (gres == [])
        assert "lease.sh" not in text
        large = labels[name] in ("large", "gpu")
        assert ("-t 03:00:00" if large else "-t 01:00:00") in together
        assert ("--mem 10240M" if large else "--mem 4096M") in together
        assert ("#SBATCH -c 5" in together) == large
