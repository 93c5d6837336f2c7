"""A real run in which something fails: what may pass is tried again with more, the rest goes on."""

import shutil
from pathlib import Path

import pytest
from safetensors.torch import load_file, save_file

from .conftest import Copy, Run, arguments, rows_of

pytestmark = pytest.mark.pipeline

FAULT = """process {{
    withName: BASELINES {{
        // the first task that comes is killed, as by a machine that ran out of memory
        beforeScript = 'if mkdir "{mark}" 2>/dev/null; then exit 137; fi'
    }}
}}
"""


@pytest.fixture(scope="module")
def failing(
    finished: tuple[Copy, Path, Run], tmp_path_factory: pytest.TempPathFactory
) -> tuple[Path, Run]:
    """One more baseline, whose task is killed once, and one more model, which is damaged."""
    copy, world, _first = finished
    folder = tmp_path_factory.mktemp("failing")
    broken = folder / "broken-model"
    shutil.copytree(sorted((world / "models").iterdir())[0], broken)
    weights = load_file(broken / "model.safetensors")
    del weights[max(weights, key=lambda name: weights[name].numel())]
    save_file(weights, broken / "model.safetensors", {"format": "pt"})
    (folder / "fault.config").write_text(FAULT.format(mark=folder / "killed"))
    models = ",".join(str(path) for path in [*sorted((world / "models").iterdir()), broken])
    more = ("--models", models, "--random_seeds", "1-2", "--on_error", "report")
    run = copy.run(
        *("-c", str(folder / "fault.config"), "-resume"),
        *arguments(world, *more, "--outdir", str(folder / "out")),
    )
    return folder / "out", run


def test_what_may_pass_is_tried_again_with_more_memory(failing: tuple[Path, Run]) -> None:
    _out, run = failing
    tries = [
        task for task in run.tasks if "seed2" in task["tag"] and task["process"] == "BASELINES"
    ]
    assert [(task["attempt"], task["exit"]) for task in tries] == [("1", "137"), ("2", "0")]
    memory = [int(task["memory"]) for task in tries]
    assert memory[1] == 2 * memory[0]


def test_bad_input_is_not_tried_again(failing: tuple[Path, Run]) -> None:
    _out, run = failing
    failed = [task for task in run.tasks if task["status"] == "FAILED" and task["exit"] != "137"]
    assert [(task["exit"], task["attempt"]) for task in failed] == [("65", "1")]
    assert "broken-model" in failed[0]["tag"]


def test_the_rest_goes_on_and_the_report_and_the_exit_status_say_what_failed(
    failing: tuple[Path, Run], finished: tuple[Copy, Path, Run]
) -> None:
    out, run = failing
    assert run.exit_status != 0
    assert run.last_line.startswith("failed tasks, left out with what needs them (--on_error ")
    assert "report): 1; see " in run.last_line
    assert "tables/failures.tsv" in run.last_line
    rows = rows_of(out / "tables" / "failures.tsv")
    assert {row["model"] for row in rows} == {"broken-model"}
    report = (out / "report.html").read_text()
    assert 'class="failed"' in report
    assert "broken-model" in report
    whole = finished[0].folder / "results"
    ours, before = (rows_of(folder / "tables" / "scores.tsv") for folder in (out, whole))
    models = {row["model"] for row in before} - {"random_vector_300d"}  # the mean over seeds
    same = [[row for row in rows if row["model"] in models] for rows in (ours, before)]
    assert same[0] == same[1]
