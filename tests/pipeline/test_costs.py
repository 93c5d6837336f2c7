"""The end of a run: GPU hours of the GPUs that tasks computed on, the answer, its place."""

import json
import re
import subprocess
from pathlib import Path

import pytest

from lateralization.language_models.devices import say_used

from .conftest import NEXTFLOW, PROJECT

pytestmark = pytest.mark.pipeline

SCRIPT = """
include { closing ; costs ; spoken } from 'PROJECT/modules/ending'
workflow {
    main:
    def task = [process: 'SCORES:ENCODE', realtime: '3600000', '%cpu': '100', peak_rss: '0']
    def logs = ['on a GPU', 'on processors', 'out of reach']
    def tasks = logs.collect { log -> task + [workdir: "FOLDER/${log}".toString()] }
    tasks += [task + [process: 'FEATURES:ACTIVATIONS', workdir: 'FOLDER/on four']]
    tasks += [task + [process: 'VALIDATE', workdir: 'FOLDER/out of reach']]
    costs(tasks, 4).each { row -> println("${row[0]} ${row[4]}") }
    println([0.0004, 0.5, 2.25, 30].collect { hours -> spoken(hours) }.join(', '))
    def run = [duration: nextflow.util.Duration.of('150s')]
    def settings = [trace: [enabled: true, file: 'FOLDER/trace.tsv']]
    closing(run, settings, file('FOLDER/report.json')).each { line -> println(line) }
    println(closing(run, settings, file('FOLDER/none.json')))
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
    answer = {"language": "English", "answer": {"text": "Larger models lean left."}}
    (tmp_path / "report.json").write_text(json.dumps({"results": [answer]}))
    trace = ["process\tname\tstatus", "A\tA (x)\tFAILED", "A\tA (x)\tCOMPLETED"]
    trace += ["B\tB (y)\tFAILED", "REPORT\tREPORT\tCOMPLETED"]
    (tmp_path / "trace.tsv").write_text("\n".join(trace) + "\n")
    script = SCRIPT.replace("PROJECT", str(PROJECT)).replace("FOLDER", str(tmp_path))
    (tmp_path / "main.nf").write_text(script)
    done = subprocess.run(
        [str(NEXTFLOW), "run", "main.nf"], cwd=tmp_path, capture_output=True, text=True, check=True
    )
    shown = re.findall(r"(?m)^(ENCODE|ACTIVATIONS|VALIDATE|all) ([\d.]+)$", done.stdout)
    hours = {stage: float(value) for stage, value in shown}
    # of the log that is out of reach what was asked for: one GPU for an ENCODE task
    assert hours == {"ENCODE": 2, "ACTIVATIONS": 4, "VALIDATE": 0, "all": 6}
    assert "\n1.4 s, 30 min, 2.3 h, 30 h\n" in done.stdout
    # a task that was tried again is not one that failed; a run without a report ends without a word
    last = ["", "Larger models lean left.", f"The report: {tmp_path}/report.html"]
    last += ["2.5 minutes; failed: B (y)", "[]", ""]
    assert "\n".join(last) in done.stdout
