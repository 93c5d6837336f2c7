"""A dry run (-stub) of the study's French data: every stage has a stub, a token stays secret."""

import os
import subprocess
import sys
from pathlib import Path

import pytest

from .conftest import (
    NEXTFLOW,
    PROJECT,
    Run,
    arguments,
    copy_project,
    processes_of_the_project,
    tasks_of,
)

sys.path.insert(0, str(PROJECT / "benchmarks"))

import workflow

pytestmark = pytest.mark.pipeline

TOKEN = "hf_marked0token0that0nobody0may0see"


@pytest.fixture(scope="module")
def dry(tmp_path_factory: pytest.TempPathFactory) -> Path:
    """The folder of a dry run that was started with a token."""
    folder, home = tmp_path_factory.mktemp("dry"), tmp_path_factory.mktemp("home")
    surroundings = os.environ | {"NXF_HOME": str(home), "NXF_ANSI_LOG": "false"}
    secret = [str(NEXTFLOW), "secrets", "set", "HF_TOKEN", TOKEN]
    subprocess.run(secret, env=surroundings, cwd=folder, check=True, capture_output=True)
    command = [str(NEXTFLOW), "run", str(PROJECT / "main.nf"), "-stub", *workflow.CASES["smallest"]]
    command += ["--last_layer", "no", "--layers_per_task", "7"]
    done = subprocess.run(
        command, env=surroundings, cwd=folder, capture_output=True, text=True, timeout=1500,
        check=False,
    )  # fmt: skip
    assert done.returncode == 0, done.stdout + done.stderr
    (folder / "output.log").write_text(done.stdout + done.stderr)
    return folder


def test_every_stage_has_a_stub_that_makes_its_files(dry: Path) -> None:
    tasks = tasks_of(dry / "results" / "pipeline_info" / "trace.tsv")
    stages = processes_of_the_project()
    # RELEASE runs only where weights are not kept
    assert {task["process"] for task in tasks} == set(stages) - {"RELEASE"}
    stubbed = {name for name, text in stages.items() if "\n    stub:\n" in text}
    assert stubbed == set(stages) - {"VALIDATE"}
    assert {task["status"] for task in tasks} == {"COMPLETED"}


def test_the_last_layer_of_the_model_is_left_out_and_a_baseline_keeps_its_one(dry: Path) -> None:
    tasks = tasks_of(dry / "results" / "pipeline_info" / "trace.tsv")
    tags = {task["tag"].split("model-")[1] for task in tasks if task["process"] == "ENCODE"}
    assert tags == {
        "gpt2-base-french 0,1,2,3,4,5,6", "gpt2-base-french 7,8,9,10,11",
        "random_vector_300d_seed1 0",
    }  # fmt: skip


def test_all_names_are_looked_up_before_the_first_byte_of_bold(dry: Path) -> None:
    tasks = tasks_of(dry / "results" / "pipeline_info" / "trace.tsv")
    (asked,) = [task for task in tasks if task["tag"] == "look-up"]
    assert asked["process"] == "MODEL"
    bold = [task for task in tasks if task["process"] == "FETCH" and "_bold" in task["tag"]]
    assert len(bold) > 20
    assert min(int(task["submit"]) for task in bold) >= int(asked["complete"])


def test_a_token_is_in_nothing_that_a_run_writes(dry: Path) -> None:
    written = [path for path in dry.rglob("*") if path.is_file()]
    assert len(written) > 500
    assert not [path for path in written if TOKEN.encode() in path.read_bytes()]


def test_only_the_stage_that_fetches_models_is_given_the_token(dry: Path) -> None:
    tasks = tasks_of(dry / "results" / "pipeline_info" / "trace.tsv")
    scripts = {
        task["process"]: (Path(task["workdir"]) / ".command.run").read_text() for task in tasks
    }
    taken_away = "unset HF_TOKEN HUGGING_FACE_HUB_TOKEN"
    given = {
        process
        for process, script in scripts.items()
        if ".secrets" in script or "HF_TOKEN" in script.replace(taken_away, "")
    }
    assert {process for process, script in scripts.items() if taken_away not in script} == {"MODEL"}
    assert given == {"MODEL"}


def test_the_benchmark_reads_what_a_run_leaves(dry: Path) -> None:
    measured = workflow.size(dry, 10.0)
    assert measured["tasks"] > 50
    assert measured["files_per_task"] > measured["files_per_task_of_the_engine"] >= 5
    assert measured["report_mb"] > 0
    table = workflow.worth(dry / "results" / "pipeline_info" / "trace.tsv")
    assert set(table["process"]) >= {"ENCODE", "REPORT"}
    assert table["share_of_work"].between(0, 1).all()


@pytest.fixture(scope="module")
def odd(small_world: Path, tmp_path_factory: pytest.TempPathFactory) -> Run:
    """A dry run with the older parser, below a folder with an accent, beside a file in the way."""
    copy = copy_project(tmp_path_factory.mktemp("mon été") / "project")
    (copy.folder / "results").mkdir()
    (copy.folder / "results" / "pipeline_info").write_text("in the way")
    done = subprocess.run(
        copy.command("-stub", *arguments(small_world)), cwd=copy.folder,
        env=copy.environment() | {"NXF_SYNTAX_PARSER": "v1"},
        capture_output=True, text=True, timeout=1500, check=False,
    )  # fmt: skip
    assert (copy.folder / "results" / "report.html").exists(), done.stdout + done.stderr
    return Run(done.returncode, done.stdout, done.stderr)


def test_the_older_parser_reads_the_pipeline_in_a_folder_of_any_name(odd: Run) -> None:
    """Nextflow up to 25.10 has it by default, and the strict one finds no module there."""
    assert odd.exit_status == 0, odd.stdout + odd.stderr


def test_reports_of_the_engine_that_cannot_be_copied_are_one_line(odd: Run) -> None:
    assert odd.last_line.startswith("--outdir: ")
    assert "pipeline_info does not hold the engine's reports" in odd.last_line
    assert "\tat " not in odd.stderr
