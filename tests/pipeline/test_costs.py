"""GPU hours are those of the GPUs that tasks computed on, not of those that the run asked for."""

import re
import subprocess
from pathlib import Path

import pytest

from lateralization.language_models.devices import say_used

from .conftest import NEXTFLOW, PROJECT

pytestmark = pytest.mark.pipeline

SCRIPT = """
include { costs } from 'PROJECT/modules/ending'
workflow {
    main:
    def task = [process: 'SCORES:ENCODE', realtime: '3600000', '%cpu': '100', peak_rss: '0']
    def logs = ['on a GPU', 'on processors', 'out of reach']
    def tasks = logs.collect { log -> task + [workdir: "FOLDER/${log}".toString()] }
    tasks += [task + [process: 'FEATURES:ACTIVATIONS', workdir: 'FOLDER/on four']]
    tasks += [task + [process: 'VALIDATE', workdir: 'FOLDER/out of reach']]
    costs(tasks, 4).each { row -> println("${row[0]} ${row[4]}") }
}
"""


def test_gpu_hours_count_what_the_tasks_logged(
    tmp_path: Path, capsys: pytest.CaptureFixture[str]
) -> None:
    say_used(1)
    one = capsys.readouterr().err
    logs = {
        "on a GPU": f"loading\n{one}done\n",
        "on processors": "loading\ndone\n",
        "on four": one + one.replace("1", "4"),
    }
    for folder, log in logs.items():
        (tmp_path / folder).mkdir()
        (tmp_path / folder / ".command.err").write_text(log)
    script = SCRIPT.replace("PROJECT", str(PROJECT)).replace("FOLDER", str(tmp_path))
    (tmp_path / "main.nf").write_text(script)
    done = subprocess.run(
        [str(NEXTFLOW), "run", "main.nf"], cwd=tmp_path, capture_output=True, text=True, check=True
    )
    shown = re.findall(r"(?m)^(ENCODE|ACTIVATIONS|VALIDATE|all) ([\d.]+)$", done.stdout)
    hours = {stage: float(value) for stage, value in shown}
    # of the log that is out of reach what was asked for: one GPU for an ENCODE task
    assert hours == {"ENCODE": 2, "ACTIVATIONS": 4, "VALIDATE": 0, "all": 6}
