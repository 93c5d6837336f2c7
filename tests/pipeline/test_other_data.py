"""Runs that start elsewhere: another data set, fetched and then offline; the study's own files."""

import hashlib
import json
import shutil
import subprocess
import sys
from collections.abc import Iterator
from contextlib import contextmanager
from functools import partial
from http.server import SimpleHTTPRequestHandler, ThreadingHTTPServer
from pathlib import Path
from threading import Thread

import joblib
import nibabel
import numpy as np
import pandas as pd
import pytest
from safetensors.numpy import load_file

from helpers.hub_server import serving_hub

from .conftest import PROJECT, Copy, Run, arguments, copy_project, without_network

pytestmark = pytest.mark.pipeline

COLUMNS = {"word": "token", "onset": "start", "offset": "stop", "section": "part"}


class Quiet(SimpleHTTPRequestHandler):
    """Serves a folder, and keeps the paths that are asked for."""

    asked: list[str] = []  # noqa: RUF012

    def log_message(self, *_arguments: object) -> None:
        """Print nothing."""

    def do_GET(self) -> None:
        """Note the path and serve it."""
        self.asked.append(self.path)
        super().do_GET()


@contextmanager
def serving(folder: Path) -> Iterator[str]:
    """Serve a folder on loopback; give its address."""
    server = ThreadingHTTPServer(("127.0.0.1", 0), partial(Quiet, directory=str(folder)))
    thread = Thread(target=server.serve_forever, args=(0.05,), daemon=True)
    thread.start()
    try:
        yield f"http://127.0.0.1:{server.server_address[1]}"
    finally:
        server.shutdown()
        server.server_close()
        thread.join()


@pytest.fixture(scope="module")
def other_world(tmp_path_factory: pytest.TempPathFactory) -> Path:
    """Simulate 7 runs at 1.5 s, and give them another language, layout, and other columns."""
    world = tmp_path_factory.mktemp("other")
    line = ["--seed", "3", "--subjects", "3", "--voxel-mm", "8", "--scans", "60", "--models", "1"]
    subprocess.run(
        [sys.executable, str(PROJECT / "bin/simulate.py"), str(world), *line, "--runs", "7",
         "--tr", "1.5"],
        check=True, capture_output=True,
    )  # fmt: skip
    data = world / "ds000001"
    for folder in sorted((world / "data" / "derivatives").iterdir()):
        subject = folder.name.replace("sub-EN", "P")
        for run, path in enumerate(sorted((folder / "func").iterdir()), 1):
            target = data / "prep" / f"person-{subject}" / "ses-1" / f"{subject}_{run}_bold.nii.gz"
            target.parent.mkdir(parents=True, exist_ok=True)
            shutil.move(path, target)
    table = pd.read_csv(world / "data" / "annotation" / "EN" / "lppEN_word_information.csv")
    table = table.rename(columns=COLUMNS).assign(word="not this one")
    table.to_csv(data / "words.tsv", sep="\t", index=False, na_rep="n/a")
    for run in range(1, 8):
        text = world / "texts" / f"text_en_run{run}.txt"
        text.rename(text.with_name(f"text_nl_run{run}.txt"))
    description = {
        "name": "ds000001",
        "version": "1.1",
        "tr": 1.5,
        "n_runs": 7,
        "trim": 6,
        "bold": "prep/person-{subject}/ses-1/{subject}_*_bold.nii.gz",
        "columns": COLUMNS,
        "languages": {"nl": {"name": "Dutch", "subjects": "P9*", "annotation": "words.tsv"}},
    }
    (data / "dataset.json").write_text(json.dumps(description))
    (world / "dataset.json").write_text(json.dumps(description | {"manifest": "files.tsv"}))
    git = ["git", "-C", str(data), "-c", "user.name=a", "-c", "user.email=a@example.org"]
    for action in (["init", "-q"], ["add", "-A"], ["commit", "-q", "-m", "1"]):
        subprocess.run([*git, *action], check=True, capture_output=True)
    command = [str(PROJECT / "bin/manifest.py"), "--tree", str(data), "--out", "files.tsv"]
    subprocess.run(
        [sys.executable, *command, "--description", "dataset.json"], cwd=world, check=True
    )
    return world


def _other(world: Path, dataset: Path, *more: str) -> list[str]:
    """Return the command line of a run on the other data set; the atlas is on no server here."""
    model = str(next((world / "models").iterdir()))
    given = ("--dataset", str(dataset), "--languages", "nl", "--models", model, "--atlas", "none")
    return arguments(world, *given, "--subjects", "average,P901", *more)


def _scores(results: Path, language: str) -> dict[str, np.ndarray]:
    folder = results / f"lang-{language}" / "scores" / "sub-average"
    return {path.name: load_file(path)["r"] for path in sorted(folder.glob("*_runs.safetensors"))}


@pytest.fixture(scope="module")
def other_run(
    other_world: Path, tmp_path_factory: pytest.TempPathFactory
) -> tuple[Copy, Path, Run]:
    """A whole run on the other data set, from its folder."""
    copy = copy_project(tmp_path_factory.mktemp("copy") / "project")
    run = copy.run(*_other(other_world, other_world / "ds000001"))
    assert run.exit_status == 0, run.stdout + run.stderr
    return copy, other_world, run


def test_another_data_set_runs_by_its_description(other_run: tuple[Copy, Path, Run]) -> None:
    copy, world, run = other_run
    results = copy.folder / "results"
    scores = _scores(results, "nl")
    assert len(scores) == 2
    assert {r.shape[1] for r in scores.values()} == {7}
    image = nibabel.load(results / "lang-nl" / "average_subject" / "run-7.nii.gz")
    assert image.header.get_zooms()[3] == 1.5
    assert not (results / "lang-nl" / "average_subject" / "run-8.nii.gz").exists()
    report = (results / "report.html").read_text()
    assert "story in 7 runs" in report
    assert "repetition time 1.5 s" in report
    assert "3 subjects in Dutch" in report
    # What was planted is found: with another repetition time or other onsets it would not be.
    trained, random = sorted(np.nanmean(r.mean(axis=1).max(axis=0)) for r in scores.values())[::-1]
    assert trained > random + 0.02
    words = pd.read_csv(next((results / "lang-nl" / "words").glob("*.tsv")), sep="\t")
    table = pd.read_csv(world / "ds000001" / "words.tsv", sep="\t")
    assert words["word"].tolist() == table["token"].tolist()
    assert run.processes() >= {"RESAMPLE", "RELIABILITY", "ENCODE", "REPORT"}


def test_it_is_fetched_by_its_manifest_and_then_needs_no_network(
    other_run: tuple[Copy, Path, Run], tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    copy, world, whole = other_run
    token, secrets = "hf_" + "TheSecretOfThisTest", tmp_path / "secrets.json"
    secrets.write_text(json.dumps([{"name": "HF_TOKEN", "value": token}]))
    secrets.chmod(0o600)
    monkeypatch.setenv("NXF_SECRETS_FILE", str(secrets))
    given = _other(world, world / "dataset.json", "--outdir", str(tmp_path / "out"))
    given[given.index("--models") + 1] = "org/m"
    with serving(world) as address, serving_hub(next((world / "models").iterdir())) as hub:
        given += ["--hf_endpoint", hub.url]
        first = copy.run(*given, "--data_endpoint", address, "--stage", "fetch")
        assert f"Bearer {token}" in {header for _, header in hub.asked}
        assert first.exit_status == 0, first.stdout + first.stderr
        assert first.processes() == {"VALIDATE", "FETCH", "MODEL"}
        assert not (tmp_path / "out" / "report.html").exists()
    cached = copy.folder / "cache" / "ds000001" / "1.1" / "words.tsv"
    assert cached.read_bytes() == (world / "ds000001" / "words.tsv").read_bytes()
    assert len([path for path in Quiet.asked if path.endswith("_bold.nii.gz")]) == 3 * 7
    offline = [*given, "--data_endpoint", address, "--keep_raw", "no", "--keep_models", "no"]
    run = copy.run(*offline, prefix=without_network())
    assert run.exit_status == 0, run.stdout + run.stderr
    assert len(run.tasks) == len(whole.tasks) + 5  # parcels of three subjects, look-up, RELEASE
    ours, local = _scores(tmp_path / "out", "nl"), _scores(copy.folder / "results", "nl")
    assert "org__m_runs.safetensors" in ours
    assert (tmp_path / "out" / "lang-nl" / "words" / "org__m.tsv").exists()
    for values, expected in zip(*(sorted(r.values(), key=len) for r in (ours, local)), strict=True):
        np.testing.assert_array_equal(values, expected)
    # The raw runs and the weights are gone, and a resumed run does not miss them.
    places = (copy.folder / "cache", copy.folder / "work")
    left = [path for place in places for path in place.rglob("*_bold.nii.gz")]
    left += (copy.folder / "work").rglob("raw/*")
    left += (copy.folder / "work").rglob("weights/*")
    left += (copy.folder / "cache").rglob("*.safetensors")
    assert not [path for path in left if not path.is_symlink()]  # the first run's links to a folder
    again = copy.run("-resume", *offline)
    assert again.exit_status == 0, again.stdout + again.stderr
    assert {task["status"] for task in again.tasks} == {"CACHED"}
    # The token is in no work folder, log or published file.
    places = (copy.folder, tmp_path / "out")
    written = [path for place in places for path in place.rglob("*") if path.is_file()]
    assert len(written) > 100
    assert not [path for path in written if token.encode() in path.read_bytes()]


def test_the_published_profile_starts_from_verified_files_of_the_study(
    finished: tuple[Copy, Path, Run], tmp_path: Path
) -> None:
    done, world, first = finished
    copy = copy_project(tmp_path / "project")
    results = done.folder / "results" / "lang-en"
    pinned = json.loads((copy.folder / "assets" / "texts.json").read_text())
    root = tmp_path / "mirror" / pinned["repository"] / pinned["commit"]
    root.mkdir(parents=True)
    shutil.copy(results / "mask.nii.gz", root / "mask_lpp_en.nii.gz")
    mask = nibabel.load(results / "mask.nii.gz").get_fdata() > 0
    isc = nibabel.load(results / "isc.nii.gz").get_fdata()[mask].T
    joblib.dump(isc, root / "isc_10trials_en.gz", compress=("gzip", 4))
    (root / "lpp_en_average_subject").mkdir()
    for run in range(9):
        image = nibabel.load(results / "average_subject" / f"run-{run + 1}.nii.gz")
        target = root / "lpp_en_average_subject" / f"average_subject_run-{run}.gz"
        joblib.dump(np.asarray(image.dataobj)[mask].T, target, compress=("gzip", 4))
    rows = ["path\tgit_blob_sha1"]
    for path in sorted(root.rglob("*.gz")):
        content = path.read_bytes()
        digest = hashlib.sha1(f"blob {len(content)}\0".encode() + content).hexdigest()
        rows.append(f"{path.relative_to(root)}\t{digest}")
    (copy.folder / "assets" / "published_files.tsv").write_text("\n".join(rows) + "\n")
    with serving(tmp_path / "mirror") as address:
        given = arguments(world, "--subjects", "average", "--data_endpoint", address)
        run = copy.run("-profile", "published", *given)
    assert run.exit_status == 0, run.stdout + run.stderr
    assert run.processes().isdisjoint({"RESAMPLE", "CLEAN"})
    ours, before = _scores(copy.folder / "results", "en"), _scores(done.folder / "results", "en")
    assert set(ours) == set(before)
    for name, values in before.items():
        np.testing.assert_array_equal(ours[name], values)
    rows_of = [
        pd.read_csv(folder / "results" / "tables" / "asymmetry.tsv", sep="\t")
        .query("subject == 'average'")
        .sort_values(["model", "selection", "midline", "layer"], ignore_index=True)
        for folder in (copy.folder, done.folder)
    ]
    pd.testing.assert_frame_equal(*rows_of, atol=1e-6)
    assert "reliable" in set(rows_of[0]["selection"])
    assert len(first.tasks) > len(run.tasks)
