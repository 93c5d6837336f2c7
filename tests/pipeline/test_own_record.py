"""What a run publishes of itself is its own, whoever else runs in that folder or ran before."""

import subprocess
from pathlib import Path

import pytest

from .conftest import Copy, arguments, copy_project, rows_of

pytestmark = pytest.mark.pipeline


@pytest.fixture(scope="module")
def copy(tmp_path_factory: pytest.TempPathFactory) -> Copy:
    """A copy of the project in which several runs are launched."""
    return copy_project(tmp_path_factory.mktemp("record") / "project")


def _reports(copy: Copy) -> set[str]:
    return {path.name for path in (copy.folder / ".nextflow" / "pipeline_info").iterdir()}


def test_two_runs_in_one_folder_publish_each_their_own(small_world: Path, copy: Copy) -> None:
    outs = [copy.folder / "one", copy.folder / "two"]
    subjects = ["average", "average,EN901"]
    running = [
        subprocess.Popen(
            [*copy.command("-stub", "-w", f"work_{out.name}"),
             *arguments(small_world, "--stage", "fetch", "--models", "none", "--subjects", chosen,
                        "--random_seeds", "1-2", "--outdir", str(out))],
            cwd=copy.folder, env=copy.environment(), stdout=subprocess.PIPE,
            stderr=subprocess.STDOUT, text=True,
        )
        for out, chosen in zip(outs, subjects, strict=True)
    ]  # fmt: skip
    for process in running:
        said, _ = process.communicate(timeout=1500)
        assert process.returncode == 0, said
    for out in outs:
        tasks = rows_of(out / "pipeline_info" / "trace.tsv")
        assert {Path(task["workdir"]).parents[1].name for task in tasks} == {f"work_{out.name}"}
        cost = {row["stage"]: row["tasks"] for row in rows_of(out / "pipeline_info" / "cost.tsv")}
        assert cost["all"] == str(len(tasks))
        graph = (out / "pipeline_info" / "report.html").read_text()
        assert f"work_{out.name}" in graph
    # nothing but the last run's own stays behind
    assert _reports(copy) == {"trace.tsv", "report.html", "timeline.html", "dag.mmd"}


def test_a_trace_of_another_name_is_published_and_none_is_said(
    small_world: Path, copy: Copy
) -> None:
    given = ["--stage", "fetch", "--models", "none", "--outdir", str(copy.folder / "out")]
    first = copy.run("-stub", *arguments(small_world, *given))
    assert first.exit_status == 0, first.stdout + first.stderr
    info = copy.folder / "out" / "pipeline_info"
    before = (info / "trace.tsv").read_text()
    second = copy.run("-stub", "-with-trace", "other.tsv", *arguments(small_world, *given))
    assert second.exit_status == 0, second.stdout + second.stderr
    own = (copy.folder / "other.tsv").read_text()
    assert (info / "trace.tsv").read_text() == own != before
    (copy.folder / "off.config").write_text("trace.enabled = false\n")
    third = copy.run("-stub", "-c", "off.config", *arguments(small_world, *given))
    assert third.exit_status == 0, third.stdout + third.stderr
    assert "has no cost.tsv: this run's trace is off" in third.stderr
    assert not (info / "trace.tsv").exists()
    assert not (info / "cost.tsv").exists()
    assert (info / "params.json").exists()
