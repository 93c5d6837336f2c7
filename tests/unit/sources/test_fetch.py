"""Parcels: BOLD, annotation, texts and GloVe, fetched or from the user's disk."""

import hashlib
import json
import subprocess
import sys
import zipfile

import nibabel
import numpy as np
import pytest

from helpers.bad_server import serving
from helpers.tiny_dataset import (
    AFFINE,
    ANNOTATION,
    PROJECT,
    gz,
    run_path,
    truncate,
    write_annotation,
    write_dataset,
    write_texts,
)
from helpers.zipcrypto import write_encrypted_zip
from lateralization.errors import BadInput, Transient
from lateralization.sources import dataset
from lateralization.sources.download import Policy
from lateralization.sources.fetch import fetch, wanted_files

QUICK = Policy(attempts=2, backoff=0.01)
NAMES = [f"text_en_run{run}.txt" for run in range(1, 10)]


def md5(content):
    return hashlib.md5(content, usedforsecurity=False).hexdigest()


def bold_parcel(server, prefix="/ds003643", first=7):
    files = []
    for number in range(first, first + 9):
        path = f"derivatives/sub-EN901/func/sub-EN901_run-{number:02d}_desc-preproc_bold.nii.gz"
        content = gz(f"run {number}".encode() * 500)
        server.files[f"{prefix}/{path}"] = content
        urls = dataset.urls("ds003643", path, server.url)
        files.append({"path": path, "bytes": len(content), "md5": md5(content), "urls": urls})
    return {"kind": "bold", "dataset": "ds003643", "version": "2.0.5", "language": "en",
            "subject": "EN901", "files": files}  # fmt: skip


@pytest.fixture
def server():
    with serving({}) as running:
        yield running


@pytest.mark.parametrize("prefix", ["/ds003643", "/openneuro.org/ds003643", ""])
def test_bold_is_fetched_from_whatever_a_mirror_holds(server, tmp_path, prefix):
    parcel = bold_parcel(server, prefix)
    made = fetch(parcel, [], tmp_path / "cache", tmp_path / "out", QUICK)
    assert made == sorted((tmp_path / "out").iterdir())
    names = [path.name for path in made]
    assert names == [f"run-{run}.nii.gz" for run in range(1, 10)]
    for run in range(1, 10):
        content = (tmp_path / "out" / f"run-{run}.nii.gz").read_bytes()
        assert content == gz(f"run {run + 6}".encode() * 500)
    cached = tmp_path / "cache" / "ds003643" / "2.0.5" / parcel["files"][0]["path"]
    assert cached.is_file()
    assert cached.samefile(tmp_path / "out" / "run-1.nii.gz")


def test_a_fetched_run_in_the_scanner_s_space_is_refused(server, tmp_path):
    path = tmp_path / "run.nii.gz"
    image = nibabel.Nifti1Image(np.ones((4, 4, 4, 30), np.float32), AFFINE)
    image.set_sform(AFFINE, 1)
    nibabel.save(image, path)
    content = path.read_bytes()
    parcel = bold_parcel(server)
    last = parcel["files"][-1]
    last |= {"bytes": len(content), "md5": md5(content)}
    server.files[f"/ds003643/{last['path']}"] = content
    with pytest.raises(
        BadInput, match=r"run-15_desc-preproc_bold.nii.gz is in the scanner's space"
    ):
        fetch(parcel, [], tmp_path / "cache", tmp_path / "out", QUICK)
    named = last["path"].replace("_desc", "_space-MNIColin27_desc")
    server.files[f"/ds003643/{named}"] = content
    last |= {"path": named, "urls": dataset.urls("ds003643", named, server.url)}
    for file in parcel["files"][:-1]:
        assert "space-" not in file["path"]
    assert len(fetch(parcel, [], tmp_path / "cache", tmp_path / "out", QUICK)) == 9


def test_another_file_system_gets_copies(server, tmp_path, monkeypatch):
    def across(*_arguments):
        raise OSError(18, "Invalid cross-device link")

    monkeypatch.setattr("os.link", across)
    fetch(bold_parcel(server), [], tmp_path / "cache", tmp_path / "out", QUICK)
    assert not (tmp_path / "out" / "run-1.nii.gz").is_symlink()
    assert (tmp_path / "out" / "run-1.nii.gz").stat().st_nlink == 1


def test_a_second_fetch_asks_nothing(server, tmp_path):
    parcel = bold_parcel(server)
    fetch(parcel, [], tmp_path / "cache", tmp_path / "one", QUICK)
    n_requests = len(server.requests)
    server.always = 404
    fetch(parcel, [], tmp_path / "cache", tmp_path / "two", QUICK)
    assert len(server.requests) == n_requests


def test_a_missing_run_ends_at_once_and_is_named(server, tmp_path):
    parcel = bold_parcel(server)
    del server.files["/ds003643/" + parcel["files"][3]["path"]]
    with pytest.raises(BadInput, match="run-10"):
        fetch(parcel, [], tmp_path / "cache", tmp_path / "out", QUICK)


def test_a_page_with_200_is_never_a_run(server, tmp_path):
    server.always = "html"
    with pytest.raises((BadInput, Transient)):
        fetch(bold_parcel(server), [], tmp_path / "cache", tmp_path / "out", QUICK)
    assert not list((tmp_path / "cache").rglob("*.nii.gz"))


def test_a_manifest_cannot_leave_the_cache(tmp_path):
    for path in ("../x", "/etc/x", "a/../../x"):
        parcel = {"kind": "bold", "files": [{"path": path, "bytes": 1, "md5": "0", "urls": ["u"]}]}
        with pytest.raises(BadInput, match="outside"):
            wanted_files(parcel, tmp_path)


def test_own_runs_are_checked_and_linked_by_name(tmp_path):
    write_dataset(tmp_path / "data", ("EN901",))
    runs = [run_path(tmp_path / "data", "EN901", number) for number in range(7, 16)]
    fetch({"kind": "bold"}, runs, tmp_path / "cache", tmp_path / "out", QUICK)
    assert (tmp_path / "out" / "run-9.nii.gz").resolve() == runs[8].resolve()
    truncate(runs[4])
    with pytest.raises(BadInput, match="run-11"):
        fetch({"kind": "bold"}, runs, tmp_path / "cache", tmp_path / "out", QUICK)
    with pytest.raises(BadInput, match="8 runs"):
        fetch({"kind": "bold"}, runs[:8], tmp_path / "cache", tmp_path / "out", QUICK)


def test_annotations_are_fetched_or_copied(server, tmp_path):
    content = write_annotation(tmp_path / "data").read_bytes()
    path = ANNOTATION
    server.files[f"/ds003643/{path}"] = content
    urls = dataset.urls("ds003643", path, server.url)
    entry = {"path": path, "bytes": len(content), "md5": md5(content), "urls": urls}
    parcel = {"kind": "annotation", "dataset": "ds003643", "version": "2.0.5", "files": [entry]}
    fetch(parcel, [], tmp_path / "cache", tmp_path / "one", QUICK)
    fetch(parcel, [tmp_path / "data" / path], tmp_path / "cache", tmp_path / "two", QUICK)
    for folder in ("one", "two"):
        assert (tmp_path / folder / "annotation.csv").read_bytes() == content
        assert not (tmp_path / folder / "annotation.csv").is_symlink()


# ---- stories ----------------------------------------------------------------------------------


def aligned(path, words):
    entries = [{"case": "success", "word": w, "start": a, "end": b} for w, a, b in words]
    path.parent.mkdir(parents=True)
    path.write_text(
        json.dumps({"words": [*entries, {"case": "not-found-in-audio", "word": "fox"}]})
    )
    return path


@pytest.fixture
def story_files(tmp_path):
    """Files of two stories that have one name, in an order that is not that of names."""
    told = {"wheels": [("Round", 0.5, 1), ("and", 1, 1.5)], "a_b": [("Once", 0.25, 0.75)]}
    return {f"story-{name}": aligned(tmp_path / "gentle" / name / "align.json", words)
            for name, words in told.items()}  # fmt: skip


def test_words_of_stories_become_one_table(tmp_path, story_files):
    pairs = [[key, f"gentle/{key}"] for key in story_files]
    parcel = {"kind": "annotation", "columns": {"word": "w"}, "tier": "", "stories": pairs}
    (made,) = fetch(parcel, list(story_files.values()), tmp_path / "cache", tmp_path / "out")
    assert made.name == "annotation.csv"
    assert made.read_text() == (
        "story,word,onset,offset\nwheels,Round,0.5,1.0\nwheels,and,1.0,1.5\na_b,Once,0.25,0.75\n"
    )
    with pytest.raises(BadInput, match="1 files are given for 2 stories"):
        fetch(parcel, [story_files["story-a_b"]], tmp_path / "cache", tmp_path / "out")


def test_one_table_of_words_is_brought_into_the_same_form(tmp_path):
    table = tmp_path / "words.csv"
    table.write_text('talk,word,onset,offset,logfreq\nx,"a, b",0,1,2.5\ny,c,1,2,\nx,d,,,1\n')
    parcel = {"kind": "annotation", "columns": {"story": "talk"}, "tier": "", "stories": []}
    (made,) = fetch(parcel, [table], tmp_path / "cache", tmp_path / "out")
    assert made.read_text() == (
        'story,word,onset,offset,logfreq\nx,"a, b",0.0,1.0,2.5\ny,c,1.0,2.0,\n'
    )
    parcel |= {"kind": "texts", "language": "en", "joined": True}
    made = fetch(parcel, [table], tmp_path / "cache", tmp_path / "texts")
    assert {path.name: path.read_text() for path in made} == {
        "text_en_story-x.txt": "a, b d\n",
        "text_en_story-y.txt": "c\n",
    }


@pytest.mark.parametrize(("language", "space"), [("en", " "), ("cn", "")])
def test_texts_are_joined_from_the_words_those_without_a_time_too(
    tmp_path, story_files, language, space
):
    pairs = [[key, ""] for key in story_files]
    parcel = {"kind": "texts", "language": language, "stories": pairs, "joined": True}
    made = fetch(parcel, list(story_files.values()), tmp_path / "cache", tmp_path / "out")
    assert {path.name: path.read_text() for path in made} == {
        f"text_{language}_story-wheels.txt": space.join(["Round", "and", "fox"]) + "\n",
        f"text_{language}_story-a_b.txt": space.join(["Once", "fox"]) + "\n",
    }


def test_texts_of_stories_are_paired_by_the_order_of_the_plan(tmp_path):
    paths = [tmp_path / name / "transcript.txt" for name in ("z", "a")]
    for path in paths:
        path.parent.mkdir()
        path.write_text(f"Story {path.parent.name}.\n")
    pairs = [["story-z", "z/transcript.txt"], ["story-a", "a/transcript.txt"]]
    parcel = {"kind": "texts", "language": "en", "stories": pairs}
    made = fetch(parcel, paths, tmp_path / "cache", tmp_path / "out")
    assert {path.name: path.read_text() for path in made} == {
        "text_en_story-a.txt": "Story a.\n",
        "text_en_story-z.txt": "Story z.\n",
    }
    paths[1].write_text("")
    with pytest.raises(BadInput, match=r"a/transcript.txt is empty"):
        fetch(parcel, paths, tmp_path / "cache", tmp_path / "out")


# ---- texts --------------------------------------------------------------------------------------


@pytest.fixture
def contents(tmp_path):
    folder = write_texts(tmp_path / "texts")
    return {name: (folder / name).read_bytes() for name in NAMES}


@pytest.fixture
def encrypted(tmp_path, contents):
    files = {f"lpp_en_text/{name}": content for name, content in contents.items()}
    return write_encrypted_zip(tmp_path / "lpp_en_text.zip", files, "ouvre-toi")


def texts(tmp_path, sources, **more):
    parcel = {"kind": "texts", "language": "en", **more}
    fetch(parcel, sources, tmp_path / "cache", tmp_path / "out", QUICK)
    return {path.name: path.read_bytes() for path in sorted((tmp_path / "out").iterdir())}


def test_texts_from_files_a_folder_and_zips_are_the_same(tmp_path, contents, encrypted):
    folder = tmp_path / "texts"
    assert texts(tmp_path, [folder / name for name in NAMES]) == contents
    assert texts(tmp_path, [folder]) == contents
    assert texts(tmp_path, [encrypted], password="ouvre-toi") == contents
    assert not (tmp_path / "cache").exists()


def test_a_wrong_or_missing_password_is_one_line(tmp_path, encrypted):
    with pytest.raises(BadInput, match="--texts_password"):
        texts(tmp_path, [encrypted])
    for i in range(20):  # one byte in 256 passes the zip's own quick check
        with pytest.raises(BadInput, match="password does not open"):
            texts(tmp_path, [encrypted], password=f"wrong{i}")


def test_pinned_texts_are_fetched_by_sha256_and_read_with_the_password(
    server, tmp_path, contents, encrypted
):
    content = encrypted.read_bytes()
    server.files["/commit/lpp_en_text.zip"] = content
    pinned = {
        "url": f"{server.url}/commit/lpp_en_text.zip",
        "sha256": hashlib.sha256(content).hexdigest(),
        "password": "ouvre-toi",
    }
    assert texts(tmp_path, [], **pinned) == contents
    assert (tmp_path / "cache" / "texts" / "commit" / "lpp_en_text.zip").is_file()
    with pytest.raises(BadInput, match="sha256"):
        texts(tmp_path, [], **{**pinned, "sha256": "0" * 64})


def test_texts_without_origin_or_of_another_language_are_refused(tmp_path, contents):
    with pytest.raises(BadInput, match="neither a source nor an address"):
        texts(tmp_path, [])
    with pytest.raises(BadInput, match="lacks text_fr_run1"):
        fetch({"kind": "texts", "language": "fr"}, [tmp_path / "texts"], tmp_path, tmp_path / "o")


# ---- GloVe --------------------------------------------------------------------------------------

VECTORS = "".join(f"{word} {' '.join(['0.5'] * 20)}\n" for word in ("the", "fox")).encode()


def glove_zip(path):
    with zipfile.ZipFile(path, "w", zipfile.ZIP_DEFLATED) as archive:
        archive.writestr("glove.6B.300d.txt", VECTORS)
    return path


def test_glove_is_fetched(server, tmp_path):
    content = glove_zip(tmp_path / "g.zip").read_bytes()
    server.files["/resolve/main/glove.6B.zip"] = content
    parcel = {"kind": "glove", "url": f"{server.url}/resolve/main/glove.6B.zip", "sha256": None}
    fetch(parcel, [], tmp_path / "cache", tmp_path / "out", QUICK)
    assert (tmp_path / "out" / "glove.zip").read_bytes() == content


@pytest.mark.parametrize("kind", ["glove", "texts"])
def test_a_download_that_fails_names_the_way_without_it(kind, tmp_path):
    parcel = {"kind": kind, "url": "http://127.0.0.1:9/a/x.zip", "sha256": None, "language": "en"}
    option = {"glove": "--baselines none", "texts": "--texts"}[kind]
    with pytest.raises(Transient, match=f"a run without this download: {option}"):
        fetch(parcel, [], tmp_path / "cache", tmp_path / "out", Policy(attempts=1))


def test_own_glove_is_text_or_zip(tmp_path):
    (tmp_path / "v.txt").write_bytes(VECTORS)
    fetch({"kind": "glove"}, [tmp_path / "v.txt"], tmp_path, tmp_path / "a")
    assert (tmp_path / "a" / "glove.txt").read_bytes() == VECTORS
    fetch({"kind": "glove"}, [glove_zip(tmp_path / "v.zip")], tmp_path, tmp_path / "b")
    assert (tmp_path / "b" / "glove.zip").exists()
    (tmp_path / "v.txt").write_text("<html>no</html>\n")
    with pytest.raises(BadInput, match="does not begin with a word"):
        fetch({"kind": "glove"}, [tmp_path / "v.txt"], tmp_path, tmp_path / "c")


# ---- the command --------------------------------------------------------------------------------


def command(tmp_path, parcel):
    (tmp_path / "parcel.json").write_text(json.dumps(parcel))
    line = [sys.executable, str(PROJECT / "bin" / "fetch.py"), "--parcel", "parcel.json"]
    line += ["--cache", "cache", "--out", "fetched"]
    return subprocess.run(line, capture_output=True, text=True, cwd=tmp_path, check=False)


@pytest.mark.slow
def test_the_command_writes_the_parcel_and_says_so(server, tmp_path):
    done = command(tmp_path, bold_parcel(server))
    assert done.returncode == 0, done.stderr
    assert len(list((tmp_path / "fetched").iterdir())) == 9
    assert sorted(path.name for path in tmp_path.iterdir()) == ["cache", "fetched", "parcel.json"]
    assert "files 9/9" in done.stderr
    assert "bold: 9 files" in done.stderr.splitlines()[-1]


def test_a_server_that_is_busy_for_long_may_be_tried_again_later(server, tmp_path):
    server.always = 503
    with pytest.raises(Transient, match="try again later"):
        fetch(bold_parcel(server), [], tmp_path / "cache", tmp_path / "out", QUICK)


@pytest.mark.slow
def test_the_command_ends_with_65_and_one_line(server, tmp_path):
    server.always = 403
    done = command(tmp_path, bold_parcel(server))
    assert done.returncode == 65
    assert "403" in done.stderr.splitlines()[-1]
    done = command(tmp_path, {"kind": "cheese"})
    assert done.returncode == 65
    assert "Traceback" not in done.stderr
