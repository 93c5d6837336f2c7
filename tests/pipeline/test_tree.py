"""A whole run on a local data set of the layout, and the tree that it publishes."""

import json
import os
import re
import shutil
import socket
import subprocess
import sys
from importlib import metadata
from pathlib import Path

import nibabel
import numpy as np
import pandas as pd
import pytest
from safetensors.numpy import load_file

from lateralization import __version__
from lateralization.plan.costs import reliability_disk
from lateralization.plan.summary import peak_bytes
from lateralization.run_plan import read_plan

from .conftest import HOSTILE, Copy, Run, arguments, rows_of, without_network

pytestmark = pytest.mark.pipeline


def test_the_published_tree_is_the_one_of_the_interface(
    finished: tuple[Copy, Path, Run],
) -> None:
    copy, world, _run = finished
    results = copy.folder / "results"
    models = [path.name for path in sorted((world / "models").iterdir())]
    names = [*models, "random_vector_300d_seed1"]
    expected = {
        "dataset_description.json",
        "references.bib",
        "report.html",
        "lang-en/mask.nii.gz",
        "lang-en/isc.nii.gz",
        "lang-en/isc_mask.nii.gz",
        "lang-en/isc.json",
        "lang-en/isc_runs.safetensors",
        *(
            f"lang-en/maps/{name}"
            for name in (
                "score.nii.gz",
                "score_mask.nii.gz",
                "score.json",
                "isc.nii.gz",
                "left_minus_right.nii.gz",
                "reliable.nii.gz",
            )
        ),
        "lang-en/scores/sub-EN901/mask.nii.gz",
        *(f"lang-en/average_subject/run-{run}.nii.gz" for run in range(1, 10)),
        *(
            f"lang-en/rois/{name}.nii.gz"
            for name in ("TP", "aSTS", "pSTS", "AG_TPJ", "BA44", "BA45", "BA47")
        ),
        *(f"lang-en/words/{name}.tsv" for name in models),
        *(
            f"lang-en/scores/sub-{subject}/{name}{ending}"
            for subject, fitted in (("average", names), ("EN901", models))
            for name in fitted
            for ending in (".nii.gz", "_mask.nii.gz", "_runs.safetensors", ".json")
        ),
        *(
            f"tables/{name}.tsv"
            for name in (
                "scores",
                "asymmetry",
                "regressions",
                "ols",
                "roi",
                "parcels",
                "layers",
                "published",
            )
        ),
        *(
            f"pipeline_info/{name}"
            for name in ("trace.tsv", "report.html", "timeline.html", "dag.mmd", "cost.tsv")
        ),
    }
    published = {str(path.relative_to(results)) for path in results.rglob("*") if path.is_file()}
    expected |= {f"pipeline_info/{name}.json" for name in ("params", "versions", "digests")}
    assert expected <= published, sorted(expected - published)
    assert not [path for path in results.rglob("*") if path.is_symlink()]
    assert not [path for path in published if Path(path).name.startswith(".part-")]


def test_the_report_is_one_file_that_can_be_sent(finished: tuple[Copy, Path, Run]) -> None:
    """Below 25 MB, whole on its own; kept where CI keeps what people look at."""
    report = finished[0].folder / "results" / "report.html"
    assert report.stat().st_size < 25e6
    page = report.read_text(encoding="utf-8")
    body = page.split("<body>")[1]
    assert not re.search(r"""src=["'](?!data:)""", body)
    for link in re.findall(r"""href=["']([^"']*)""", body):  # files beside it, and papers
        known = link.startswith(("data:", "#", "https://doi.org/"))
        assert known or (report.parent / link).is_file(), link
    if folder := os.environ.get("SCREENSHOTS"):
        Path(folder).mkdir(parents=True, exist_ok=True)
        shutil.copy(report, folder)


def test_what_the_run_was_made_of_stands_beside_its_results(
    finished: tuple[Copy, Path, Run],
) -> None:
    copy, world, run = finished
    info = copy.folder / "results" / "pipeline_info"
    told = {path.stem: json.loads(path.read_text()) for path in info.glob("*.json")}
    given = arguments(world)
    for name, value in zip(given[::2], given[1::2], strict=True):
        assert str(told["params"][name.removeprefix("--")]) == value
    assert not {"help", "texts_password"} & set(told["params"])
    versions = told["versions"]
    assert versions["lateralization"] == __version__
    for library in ("numpy", "nilearn", "torch", "transformers"):
        assert versions[library] == metadata.version(library)
    assert versions["nextflow"].startswith("2")
    assert versions["java"]
    assert told["digests"]["images"] == {}
    code = told["digests"]["code"]
    assert {task["process"].lower() for task in run.tasks} < set(code)
    assert all(re.fullmatch("[0-9a-f]{32}", digest) for digest in code.values())
    assert len(set(code.values())) == len(code)


def test_the_report_tells_what_the_stages_took(finished: tuple[Copy, Path, Run]) -> None:
    results = finished[0].folder / "results"
    trace = pd.read_csv(results / "pipeline_info" / "trace.tsv", sep="\t", na_values="-")
    cost = pd.read_csv(results / "pipeline_info" / "cost.tsv", sep="\t").set_index("stage")
    trace["stage"] = trace["process"].str.split(":").str[-1]
    stages = trace.groupby("stage")
    assert set(cost.index) == {*trace["stage"], "all"}
    for stage, hours in (stages["realtime"].sum() / 3.6e6).items():
        assert cost.loc[stage, "hours"] == pytest.approx(hours, abs=1e-4)
    assert cost.loc["all", "tasks"] == len(trace)
    peak = trace["peak_rss"].max() / 2**30
    assert cost.loc["all", "peak_memory_GiB"] == pytest.approx(peak, abs=1e-4)
    page = (results / "report.html").read_text()
    part = page.split("<!-- cost -->")[1].split("<!-- end of cost -->")[0]
    assert part.count("<tr>") == len(cost)
    assert f'<td>ENCODE</td><td class="numeric">{len(stages.get_group("ENCODE"))}</td>' in part


def test_maps_per_run_scores_and_sidecar_agree(finished: tuple[Copy, Path, Run]) -> None:
    copy, world, _run = finished
    results = copy.folder / "results" / "lang-en"
    model = sorted((world / "models").iterdir())[0].name
    for subject, mask_path in (
        ("average", "mask.nii.gz"),
        ("EN901", "scores/sub-EN901/mask.nii.gz"),
    ):
        mask = nibabel.load(results / mask_path).get_fdata() > 0
        image = nibabel.load(results / "scores" / f"sub-{subject}" / f"{model}.nii.gz")
        per_run = load_file(results / "scores" / f"sub-{subject}" / f"{model}_runs.safetensors")[
            "r"
        ]
        sidecar = json.loads((results / "scores" / f"sub-{subject}" / f"{model}.json").read_text())
        maps = image.get_fdata()
        assert image.ndim == 4
        assert per_run.shape == (maps.shape[3], 9, mask.sum())
        np.testing.assert_allclose(maps[mask].T, per_run.mean(axis=1), atol=1e-6)
        assert (maps[~mask] == 0).all()
        assert np.array(sidecar["alphas"]).shape == per_run.shape[:2]
        np.testing.assert_allclose(sidecar["r_per_run"], np.nanmean(per_run, axis=2), atol=1e-5)


def test_tables_hold_the_means_of_the_maps(finished: tuple[Copy, Path, Run]) -> None:
    copy, world, _run = finished
    results = copy.folder / "results"
    model = sorted((world / "models").iterdir())[0].name
    mask = nibabel.load(results / "lang-en" / "mask.nii.gz").get_fdata() > 0
    maps = nibabel.load(results / "lang-en/scores/sub-average" / f"{model}.nii.gz").get_fdata()[
        mask
    ]
    best = np.where(np.isnan(maps), -np.inf, maps).max(axis=1)
    best[np.isinf(best)] = np.nan  # left-out voxels
    half = len(best) // 2
    rows = [
        row
        for row in rows_of(results / "tables" / "asymmetry.tsv")
        if (row["subject"], row["model"], row["selection"]) == ("average", model, "whole")
        and row.get("midline", "shared") == "shared"
        and row.get("layer", "best_voxel") == "best_voxel"
    ]
    assert len(rows) >= 1
    assert float(rows[0]["left"]) == pytest.approx(np.nanmean(best[:half]), abs=1e-6)
    assert float(rows[0]["right"]) == pytest.approx(np.nanmean(best[half:]), abs=1e-6)


def test_the_study_s_corrections_and_matching_rule_run_on_the_same_data(
    finished: tuple[Copy, Path, Run],
) -> None:
    copy, world, _run = finished
    more = ("--corrections", "ds003643", "--word_mapping", "reference", "--outdir", "by_rule")
    run = copy.run("-resume", *arguments(world, *more))
    assert run.exit_status == 0, run.stdout + run.stderr
    assert (copy.folder / "by_rule" / "report.html").exists()


def test_nothing_but_fetching_needs_a_network(finished: tuple[Copy, Path, Run]) -> None:
    _copy, _world, run = finished
    prefix = without_network()
    with socket.create_server(("127.0.0.1", 0)) as server:
        host, port = server.getsockname()
        reach = f"import socket; socket.create_connection(({host!r}, {port}), 10)"
        reaching = [sys.executable, "-c", reach]
        assert subprocess.run(reaching, check=False).returncode == 0
        assert subprocess.run([*prefix, *reaching], check=False, capture_output=True).returncode
    assert run.prefix == prefix
    assert {task["status"] for task in run.tasks} == {"COMPLETED"}
    assert {"ACTIVATIONS", "ENCODE", "REPORT"} <= run.processes()


def test_the_plan_s_peak_of_disk_holds_what_the_run_took(finished: tuple[Copy, Path, Run]) -> None:
    copy, _world, run = finished
    folders = [Path(task["workdir"]) for task in run.tasks] + [copy.folder / "results"]
    files = [path for folder in folders for path in folder.rglob("*") if not path.is_symlink()]
    taken = sum(path.stat().st_size for path in files if path.is_file())
    workdir = next(Path(task["workdir"]) for task in run.tasks if task["process"] == "VALIDATE")
    plan = read_plan(workdir / "plan.json")
    at_the_end = peak_bytes(plan) - reliability_disk(plan)  # what that task puts aside is gone
    assert taken < at_the_end < 1.25 * taken


def test_a_hostile_path_is_data_everywhere(finished: tuple[Copy, Path, Run]) -> None:
    copy, world, _run = finished
    for folder in (copy.folder, world.parent):
        made = [path for path in folder.rglob("*pwned*") if path.name != HOSTILE]
        assert made == []
    report = (copy.folder / "results" / "report.html").read_text()
    assert "touch pwned" in report  # the parameters are shown
    assert "<b>&" not in report
    assert "&lt;b&gt;&amp;" in report
