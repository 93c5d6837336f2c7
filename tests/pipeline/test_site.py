"""What a site sets, what a caller's shell holds, and values that are no names: none does harm."""

import os
import shutil
import subprocess
from pathlib import Path

import pytest

from .conftest import NEXTFLOW, PROJECT, Copy, arguments, copy_project

pytestmark = pytest.mark.pipeline

SITE = """process {
    clusterOptions = '--constraint=fast'
    beforeScript = { ": site of ${task.process}" }
    containerOptions = '--label site=1'
    queue = 'site'
    ext = [own: 1]
    withName: ONE { clusterOptions = '--constraint=one' }
    withLabel: small { beforeScript = ': small' }
}
profiles { docker { process.ext = [more: 1] } }
"""
PROBE = """include { keep_site_settings } from './modules/launch'

process ONE {
    label 'gpu'

    output:
    stdout

    script:
    \"\"\"
    env
    \"\"\"
}

process TWO {
    label 'small'

    output:
    stdout

    script:
    \"\"\"
    true
    \"\"\"
}

workflow {
    main:
    keep_site_settings(params)
    ONE()
    TWO()
}
"""


def _stand_ins(folder: Path) -> dict[str, str]:
    """Return an environment in which Slurm and Docker only run what they are given."""
    folder.mkdir()
    programs = {
        "sbatch": 'while [[ $1 == -* ]]; do shift; done; bash "$1" >/dev/null 2>&1; echo '
        '"Submitted batch job $RANDOM"',
        "docker": 'case $1 in run) bash "${@: -2:1}" "${@: -1}" 2>/dev/null || true;; esac',
        "squeue": "true",
        "scancel": "true",
    }
    for name, text in programs.items():
        (folder / name).write_text(f"#!/bin/bash\n{text}\n")
        (folder / name).chmod(0o755)
    return {"PATH": f"{folder}:{os.environ['PATH']}"}


def _ran(copy: Copy, *arguments: str, probe: str = PROBE, **variables: str) -> dict[str, str]:
    """Run the probe and return every task's ``.command.run`` and output, by process."""
    (copy.folder / "main.nf").write_text(probe)
    done = subprocess.run(
        copy.command(*arguments), cwd=copy.folder, env=copy.environment() | variables,
        capture_output=True, text=True, timeout=900, check=False,
    )  # fmt: skip
    assert done.returncode == 0, done.stdout + done.stderr
    found = {}
    for path in (copy.folder / "work").glob("*/*/.command.run"):
        name = "ONE" if "name: 'ONE" in path.read_text() else "TWO"
        output = path.with_name(".command.out")
        found[name] = path.read_text() + (output.read_text() if output.exists() else "")
    return found


@pytest.mark.parametrize("parser", ["v1", "v2"])
def test_what_tasks_need_stays_whatever_a_site_sets(parser: str, tmp_path: Path) -> None:
    copy = copy_project(tmp_path / "project")
    site = SITE if parser == "v1" else f"{SITE}profiles {{ slurm {{ process.ext.x = 1 }} }}\n"
    (copy.folder / "site.config").write_text(site)
    given = (
        "-c",
        "site.config",
        "-profile",
        "slurm,docker",
        "--gpus",
        "2",
        "--slurm_account",
        "lab",
    )
    variables = _stand_ins(tmp_path / "bin") | {"NXF_SYNTAX_PARSER": parser}
    found = _ran(copy, *given, "--slurm_gpu_partition", "fat", **variables)
    one, two = found["ONE"], found["TWO"]
    assert "#SBATCH --constraint=one --account=lab --gres=gpu:2" in one
    assert "#SBATCH --constraint=fast --account=lab\n" in two
    assert "#SBATCH -p fat" in one
    assert "#SBATCH -p site" in two
    assert ": site of ONE\n" in one
    assert ": small\n" in two
    for text, cores in ((one, 8), (two, 1)):
        assert f"export OMP_NUM_THREADS={cores} " in text
        assert "--label site=1 --network none" in text
    assert "--gpus all" in one


def test_the_callers_environment_changes_no_task(tmp_path: Path) -> None:
    copy = copy_project(tmp_path / "project")
    (copy.folder / "site.config").write_text("process.beforeScript = 'export PYTORCH_SITE=1'\n")
    names = ("PYTHONPATH", "PYTHONHOME", "PYTHONOPTIMIZE", "LD_LIBRARY_PATH", "MKL_CBWR",
             "NPY_DISABLE_CPU_FEATURES", "TORCH_ALLOW_TF32_CUBLAS_OVERRIDE", "R_LIBS",
             "NVIDIA_TF32_OVERRIDE", "ACCELERATE_MIXED_PRECISION", "OMP_SCHEDULE", "HF_TOKEN",
             "HF_ENDPOINT", "DNNL_DEFAULT_FPMATH_MODE", "ATEN_CPU_CAPABILITY", "PET_NNODES",
             "MASTER_ADDR", "LATERALIZATION_OUTCOMES")  # fmt: skip
    variables = dict.fromkeys(names, "/planted")
    (tmp_path / "bash_env").write_text("export FROM_BASH_ENV=/planted\n")
    variables["BASH_ENV"] = str(tmp_path / "bash_env")
    said = _ran(copy, "-c", "site.config", "--task_cpus", "1", **variables)["ONE"]
    seen = dict(line.split("=", 1) for line in said.splitlines() if "=" in line)
    assert {name: seen.get(name) for name in names} == dict.fromkeys(names)
    assert seen["PYTHONUTF8"] == "1"
    assert seen["OMP_NUM_THREADS"] == "1"
    assert seen["PYTORCH_SITE"] == "1"  # what the site wants reaches the task


def test_a_driver_that_only_the_shell_names_stays_in_reach(tmp_path: Path) -> None:
    driver, other = tmp_path / "nvidia", tmp_path / "conda"
    for folder in (driver, other):
        folder.mkdir()
    (driver / "libcuda.so.1").touch()
    variables = {"LD_LIBRARY_PATH": f"{other}:{driver}"}
    said = _ran(copy_project(tmp_path / "project"), "--task_cpus", "1", **variables)["ONE"]
    assert f"LD_LIBRARY_PATH={driver}\n" in said


def test_a_site_s_label_of_gpu_tasks_counts_only_where_gpus_are_asked_for(tmp_path: Path) -> None:
    copy = copy_project(tmp_path / "project")
    (copy.folder / "site.config").write_text(
        "process {\n    beforeScript = ': general'\n"
        "    withLabel: process_gpu { queue = 'gpuq' }\n"
        "    withLabel: small { beforeScript = '' }\n}\n"
        "profiles { slurm { process.ext.x = 1 } }\n"
    )
    stand_ins = _stand_ins(tmp_path / "bin")
    probe = PROBE.replace("label 'gpu'", "label 'gpu'\n    label 'process_gpu'")
    for gpus, queue in (("1", "#SBATCH -p gpuq"), ("0", None)):
        shutil.rmtree(copy.folder / "work", ignore_errors=True)
        given = ("-c", "site.config", "-profile", "slurm", "--gpus", gpus)
        found = _ran(copy, *given, probe=probe, **stand_ins)
        assert ("#SBATCH -p gpuq" in found["ONE"]) == (queue is not None)
        assert ": general\n" in found["ONE"]
        assert ": general\n" not in found["TWO"]  # switched off there


HOSTILE = (
    "$(touch {})",
    "`touch {}`",
    "a; touch {}",
    "a\ntouch {}",
    "a' ; touch {} ; '",
    'a"b',
    "-x",
)
UNSAFE = (
    "image",
    "gpu_type",
    "slurm_account",
    "slurm_partition",
    "slurm_gpu_partition",
    "slurm_qos",
)


@pytest.fixture(scope="module")
def probe(tmp_path_factory: pytest.TempPathFactory) -> Copy:
    """A copy of the project for refused runs."""
    return copy_project(tmp_path_factory.mktemp("unsafe") / "project")


@pytest.mark.parametrize("name", UNSAFE)
def test_values_that_are_no_names_end_the_run_before_any_task(
    name: str, probe: Copy, tmp_path: Path
) -> None:
    canary = tmp_path / "canary"
    value = HOSTILE[UNSAFE.index(name)].format(canary)
    run = probe.run("-profile", "slurm,docker", f"--{name}", value)
    assert run.exit_status == 1, run.stdout
    assert run.last_line.startswith(f"--{name}: is '")
    assert "which does not have the form that is needed" in run.last_line
    assert run.tasks == []
    assert not list((probe.folder / "work").glob("*/*"))
    assert not canary.exists()


def test_without_a_utf8_locale_the_launcher_sets_one(tmp_path: Path) -> None:
    copy = copy_project(tmp_path / "project")
    environment = copy.environment() | {"LC_ALL": "C"}
    done = subprocess.run(
        copy.command("--models", "ü"), cwd=copy.folder, env=environment,
        capture_output=True, text=True, timeout=900, check=False,
    )  # fmt: skip
    assert "letters outside ASCII" not in done.stdout + done.stderr
    assert "ü" in done.stderr.strip().splitlines()[-1]  # refused by VALIDATE, under its own name


def test_a_nextflow_of_the_users_own_without_utf8_gets_one_line(tmp_path: Path) -> None:
    copy = copy_project(tmp_path / "project")
    launcher = NEXTFLOW.read_text().replace("LC_ALL=$name", "IGNORED=$name")
    place = copy.folder / ".venv" / "bin"
    place.mkdir(parents=True)
    (place / "nextflow").write_text(launcher)
    (place / "nextflow").chmod(0o755)
    (copy.folder / ".venv" / "lib").symlink_to(PROJECT / ".venv" / "lib")
    (copy.folder / ".engine").symlink_to(PROJECT / ".engine")
    done = subprocess.run(
        [str(place / "nextflow"), "run", "main.nf", "--models", "ü"], cwd=copy.folder,
        env=copy.environment() | {"LC_ALL": "C"},
        capture_output=True, text=True, timeout=900, check=False,
    )  # fmt: skip
    assert done.returncode == 1
    assert "export LC_ALL=C.UTF-8" in done.stderr.strip().splitlines()[-1]


def test_folders_of_any_name_reach_no_shell(small_world: Path, tmp_path: Path) -> None:
    copy = copy_project(tmp_path / "project")
    folder = "c '$(touch canary)' `touch canary`; \"touch canary\""
    run = copy.run(
        *arguments(small_world, "--stage", "fetch", "--models", "none", "--subjects", "average",
                   "--cache_dir", folder, "--outdir", f"{folder} out"),
    )  # fmt: skip
    assert run.exit_status == 1
    assert "has a quotation mark in it; give another folder" in run.last_line
    assert {task["process"] for task in run.tasks} == {"VALIDATE"}
    assert list(copy.folder.rglob("canary")) == []
