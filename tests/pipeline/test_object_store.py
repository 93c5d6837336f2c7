"""Results in a bucket: an S3-compatible server, and a file system that knows no local files."""

import re
from collections.abc import Iterator
from pathlib import Path
from urllib.parse import unquote

import pytest
import requests

from helpers.s3_server import for_java, serving_s3

from .conftest import PROJECT, Copy, arguments, copy_project

pytestmark = pytest.mark.pipeline


@pytest.fixture(scope="module")
def store() -> Iterator[str]:
    with serving_s3() as address:
        requests.put(f"{address}/bucket", timeout=300).raise_for_status()
        yield address


def _listed(store: str) -> set[str]:
    """Return the names of the objects in the bucket; those that end in / stand for folders."""
    text = requests.get(f"{store}/bucket?list-type=2&encoding-type=url", timeout=300).text
    names = {unquote(name) for name in re.findall(r"<Key>(.*?)</Key>", text)}
    return {name for name in names if not name.endswith("/")}


@pytest.fixture
def copy(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> Copy:
    for name, value in for_java().items():
        monkeypatch.setenv(name, value)
    return copy_project(tmp_path / "project")


def test_a_run_publishes_to_a_bucket_what_it_publishes_to_a_folder(
    store: str, copy: Copy, small_world: Path
) -> None:
    given = arguments(small_world, "--models", "none", "--subjects", "average")
    outdir = store.replace("http", "s3x") + "/bucket/the results"
    away = copy.run("-stub", *given, "--outdir", outdir)
    assert away.exit_status == 0, away.stdout + away.stderr
    assert away.stderr.count("Exception") == 0
    here = copy.run("-stub", "-resume", *given)
    assert here.exit_status == 0, here.stdout + here.stderr
    results = copy.folder / "results"
    expected = {str(path.relative_to(results)) for path in results.rglob("*") if path.is_file()}
    # the engine writes its own pages when buckets are out of reach: they stay where it was started
    pages = {"pipeline_info/report.html", "pipeline_info/timeline.html", "pipeline_info/dag.mmd"}
    assert pages < expected
    assert {name.removeprefix("the results/") for name in _listed(store)} == expected - pages
    assert (copy.folder / ".nextflow" / "pipeline_info" / "report.html").exists()
    info = f"{store}/bucket/the results/pipeline_info"
    asked = {"headers": {"Authorization": "AWS any:any"}, "timeout": 300}  # objects are private
    for name in ("params", "versions", "digests"):
        assert requests.get(f"{info}/{name}.json", **asked).json()
    trace = requests.get(f"{info}/trace.tsv", **asked).text.splitlines()
    assert len(trace) - 1 == len(away.tasks)
    assert requests.get(f"{info}/cost.tsv", **asked).text.startswith("stage\ttasks\t")


def test_a_refused_run_publishes_nothing_to_a_bucket(
    store: str, copy: Copy, small_world: Path
) -> None:
    before = _listed(store)
    outdir = store.replace("http", "s3x") + "/bucket/refused"
    run = copy.run(*arguments(small_world, "--subjects", "EN999"), "--outdir", outdir)
    assert run.exit_status != 0
    assert "EN999" in run.last_line
    assert _listed(store) == before


def test_the_workflow_takes_no_path_for_a_file_of_this_machine() -> None:
    """Paths of tasks lie in a bucket there; java.io.File knows none of those."""
    # what containers of this machine are to see is on this machine
    modules = [path for path in (PROJECT / "modules").glob("*.nf") if path.name != "mounts.nf"]
    sources = [PROJECT / "main.nf", *modules]
    assert len(sources) > 15
    for source in sources:
        code = re.sub(r"//.*", "", source.read_text())
        found = re.findall(r"toFile\(|new File\(|\.canonicalFile|java\.io\.|as File\b", code)
        assert found == [], source
