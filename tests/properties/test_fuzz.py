"""Every parser of the user's files: a right answer or a clear refusal, whatever they hold."""

import csv
import io
import json
import math
import re
import unicodedata
import zipfile
from pathlib import Path
from typing import Any

import numpy as np
import pytest
from hypothesis import strategies as st
from pandas._libs.parsers import STR_NA_VALUES

from helpers.fuzzing import WORDS, Case, fuzz, hostile, noted, refused, spoilt, tables
from helpers.keys import run_keys
from helpers.tiny_dataset import ASSETS
from lateralization.baselines.glove import read_glove
from lateralization.plan.sheets import read_sheet
from lateralization.problems import Problems
from lateralization.sources.dataset import read_manifest, remote_subjects
from lateralization.sources.description import read_description
from lateralization.words import stories
from lateralization.words.annotation import COLUMNS, read_corrections, read_words

RUNS = 3
SECONDS = st.integers(0, 500_000).map(lambda ms: ms / 1000)


def in_bytes(header: list[str], rows: list[list[str]], separator: str) -> bytes:
    return "\n".join(separator.join(row) for row in [header, *rows]).encode() + b"\n"


@st.composite
def drawn(draw, header, rows, known, separator=","):
    """Return a table as it should be, or spoilt."""
    if draw(st.booleans()):
        return Case(in_bytes(header, rows, separator), True, known)
    return Case(draw(tables(header, rows, separator)), False)


# ---- annotation --------------------------------------------------------------------------------


@st.composite
def annotations(draw):
    header = ["word", "onset", "offset", "section", "logfreq"]
    rows, known = [], []
    for run in range(1, RUNS + 1):
        for _ in range(draw(st.integers(1, 3))):
            word = draw(WORDS | st.sampled_from(sorted(STR_NA_VALUES - {"", "n/a"})))
            onset, length = draw(SECONDS), draw(SECONDS)
            rows.append([word, str(onset), str(round(onset + length, 3)), str(run), "-1.5"])
            known.append((run, word, onset, round(onset + length, 3)))
    return draw(drawn(header, rows, known))


def visible(word: str) -> str:
    """Return a word without blanks, and without what takes no place on the page."""
    return "".join(c for c in word if unicodedata.category(c) not in ("Cc", "Cf", "Zs", "Zl", "Zp"))


def second_reading(content: bytes) -> list[tuple[int, str, float, float]]:
    """Read an annotation with the csv module alone, row by row."""
    header, *rows = [row for row in csv.reader(io.StringIO(content.decode("utf-8-sig"))) if row]
    named = [dict(zip(header, row, strict=False)) for row in rows]
    spoken = [row for row in named if visible(row["word"]) not in ("", "n/a")]
    found = [(int(float(row["section"])), row["word"], float(row["onset"]), float(row["offset"]))
             for row in spoken]  # fmt: skip
    return sorted(found, key=lambda row: row[0])


def same_words(found: Any, known: list[tuple[int, str, float, float]]) -> None:
    assert found["run"].tolist() == [row[0] for row in known]
    assert found["word"].tolist() == [row[1] for row in known]
    np.testing.assert_allclose(found[["onset", "offset"]], [row[2:] for row in known], rtol=1e-12)


@pytest.mark.slow
def test_an_annotation_is_read_rightly_or_refused(tmp_path: Path) -> None:
    path = tmp_path / "words.csv"

    def check(case: Case) -> str:
        path.write_bytes(case.content)
        failed, result = refused(lambda: read_words(path, "en", None, run_keys(RUNS)))
        if failed:
            return "refused"
        same_words(result[0], case.known if case.valid else second_reading(case.content))
        return "valid" if case.valid else "read"

    fuzz(annotations(), check)


@st.composite
def corrections(draw):
    header = ["language", "row", "action", "word", "old", "reason"]
    rows = [
        [draw(st.sampled_from(["en", "fr"])), str(draw(st.integers(0, 20_000))), action,
         draw(WORDS) if action == "set" else "", draw(st.just("") | WORDS), "x"]
        for action in draw(st.lists(st.sampled_from(["set", "drop"]), min_size=1, max_size=4))
    ]  # fmt: skip
    known = [(row[0], int(row[1]), row[2], row[3]) for row in rows]
    return draw(drawn(header, rows, known, "\t"))


@pytest.mark.slow
def test_corrections_are_read_rightly_or_refused(tmp_path: Path) -> None:
    path = tmp_path / "corrections.tsv"

    def check(case: Case) -> str:
        path.write_bytes(case.content)
        failed, table = refused(lambda: read_corrections(path))
        if failed:
            return "refused"
        found = [tuple(row) for row in
                 table[["language", "row", "action", "word"]].itertuples(index=False)]  # fmt: skip
        if case.valid:
            assert found == case.known
            return "valid"
        text = io.StringIO(case.content.decode("utf-8-sig"), newline="")
        rows = [row for row in csv.reader(text, delimiter="\t") if row]
        named = [dict(zip(rows[0], row, strict=False)) for row in rows[1:]]
        assert [row[:3] for row in found] == [
            (row["language"], int(float(row["row"])), row["action"]) for row in named
        ]
        return "read"

    fuzz(corrections(), check)


# ---- model sheets ------------------------------------------------------------------------------


@st.composite
def sheets(draw):
    header = ["model", "source", "seed", "n_parameters", "ppl", "blimp"]
    names = draw(st.lists(st.from_regex(r"[A-Za-z][a-z0-9]{0,8}", fullmatch=True), min_size=1,
                          max_size=4, unique=True))  # fmt: skip
    rows, known = [], []
    for name in names:
        seed, n = draw(st.none() | st.integers(0, 99)), draw(st.none() | st.integers(1, 10**12))
        ppl = draw(st.none() | st.floats(0.01, 1e6))
        cells = ["" if value is None else str(value) for value in (seed, n, ppl)]
        rows.append([name, f"org/{name}", *cells, "0.5"])
        known.append((name, f"org/{name}", seed, n, ppl))
    return draw(drawn(header, rows, known))


@pytest.mark.slow
def test_a_sheet_is_read_rightly_or_refused(tmp_path: Path) -> None:
    path = tmp_path / "sheet.csv"

    def check(case: Case) -> str:
        path.write_bytes(case.content)
        problems = Problems()
        rows = read_sheet(path, problems, [])
        if noted(problems):
            return "refused"
        found = [(r.model, r.source, r.seed, r.n_parameters, r.predictors.get("ppl"))
                 for r in rows]  # fmt: skip
        if case.valid:
            assert found == case.known
            return "valid"
        text = io.StringIO(case.content.decode("utf-8-sig"), newline="")
        lines = [[cell.strip() for cell in line] for line in csv.reader(text) if any(line)]
        named = [dict(zip(lines[0], line, strict=False)) for line in lines[1:]]
        for row, cells in zip(found, named, strict=True):
            assert row[0] == cells["model"]
            for value, name in zip(row[2:], ("seed", "n_parameters", "ppl"), strict=True):
                assert (float(cells[name]) if cells.get(name) else None) == value
        return "read"

    fuzz(sheets(), check)


# ---- manifest ----------------------------------------------------------------------------------


@st.composite
def manifests(draw):
    header = ["path", "bytes", "md5", "sha256", "language", "subject", "run"]
    rows, known = [], {}
    for number in draw(st.lists(st.integers(1, 999), min_size=1, max_size=3, unique=True)):
        subject = f"EN{number:03d}"
        for run in draw(st.permutations(range(1, RUNS + 1))):
            size = draw(st.integers(0, 10**10))
            digest = draw(st.binary(min_size=16, max_size=16)).hex()
            path = f"derivatives/sub-{subject}/run-{run}.nii.gz"
            rows.append([path, str(size), digest, "", "en", subject, str(run)])
            known.setdefault(subject, {})[run] = (path, size, digest)
    return draw(drawn(header, rows, known, "\t"))


@pytest.mark.slow
def test_a_manifest_is_read_rightly_or_refused(tmp_path: Path) -> None:
    path = tmp_path / "manifest.tsv"

    def check(case: Case) -> str:
        path.write_bytes(case.content)
        failed, rows = refused(lambda: read_manifest(path))
        if failed:
            return "refused"
        subjects = remote_subjects(rows, "en")
        if case.valid:
            assert {
                subject.subject: {int(r["run"]): (r["path"], r["bytes"], r["md5"])
                                  for r in subject.remote}
                for subject in subjects
            } == case.known  # fmt: skip
            for subject in subjects:
                runs = [int(row["run"]) for row in subject.remote]
                assert runs == sorted(runs)
            return "valid"
        for row in rows:
            assert row["bytes"] >= 0
            assert row["subject"].replace("n/a", "x").isalnum()
            assert not row["path"].startswith("/")
            assert ".." not in row["path"].split("/")
            pinned = row["md5"] or row["sha256"]
            assert set(pinned) <= set("0123456789abcdef")
            assert len(pinned) in (32, 64)
        return "read"

    fuzz(manifests(), check)


# ---- texts -------------------------------------------------------------------------------------


@st.composite
def stories_of(draw):
    texts = [draw(WORDS) + draw(st.sampled_from(["\n", " é “x”.\n", "\r\n"])) for _ in range(RUNS)]
    return {f"text_en_run{run}.txt": text.encode() for run, text in enumerate(texts, 1)}


@st.composite
def text_files(draw):
    found = draw(stories_of())
    name = draw(st.sampled_from(sorted(found)))
    if draw(st.booleans()):
        return Case(found[name], True, found[name])
    return Case(draw(spoilt(found[name]) | hostile().map(
        lambda text: text.encode("utf-8", "surrogatepass"))), False)  # fmt: skip


def test_texts_are_read_rightly_or_refused(tmp_path: Path) -> None:
    for run in range(1, RUNS + 1):
        (tmp_path / f"text_en_run{run}.txt").write_text("Once.")

    def check(case: Case) -> str:
        (tmp_path / "text_en_run2.txt").write_bytes(case.content)
        paths = stories.texts_of_folder(tmp_path, "en", run_keys(RUNS))
        failed, found = refused(lambda: stories.read_text_files(paths, "en", run_keys(RUNS)))
        if failed:
            return "refused"
        assert found["text_en_run2.txt"] == case.content
        assert case.content.decode("utf-8").strip()
        return "valid" if case.valid else "read"

    fuzz(text_files(), check)


@st.composite
def archives(draw, names=None):
    """A zip of texts at some depth, whole or spoilt."""
    known = draw(stories_of())
    folder = draw(st.sampled_from(["", "texts/", "../../", "/tmp/", "$(touch x)/"]))
    ways = [zipfile.ZIP_STORED, zipfile.ZIP_DEFLATED, zipfile.ZIP_BZIP2, zipfile.ZIP_LZMA]
    way, written = draw(st.sampled_from(ways)), io.BytesIO()
    with zipfile.ZipFile(written, "w", way) as archive:
        for name, content in known.items():
            archive.writestr(folder + name, content)
    whole = written.getvalue()
    if draw(st.booleans()):
        return Case(whole, True, known)
    return Case(draw(spoilt(whole)), False)


@pytest.mark.slow
def test_a_zip_of_texts_is_read_rightly_or_refused(tmp_path: Path) -> None:
    path = tmp_path / "inner" / "texts.zip"
    path.parent.mkdir()

    def check(case: Case) -> str:
        path.write_bytes(case.content)
        failed, found = refused(lambda: stories.read_text_zip(path, "en", None, run_keys(RUNS)))
        assert sorted(tmp_path.rglob("*")) == [path.parent, path]
        if failed:
            return "refused"
        if case.valid:
            assert found == case.known
            return "valid"
        for content in found.values():
            assert content.decode("utf-8").strip()
        return "read"

    fuzz(archives(), check)


# ---- GloVe -------------------------------------------------------------------------------------

DIMS = 4


@st.composite
def vectors(draw):
    words = draw(st.lists(st.from_regex(r"[a-z]{1,5}", fullmatch=True), min_size=1, max_size=4,
                          unique=True))  # fmt: skip
    numbers = st.floats(-9, 9, width=32)
    known = {word: [draw(numbers) for _ in range(DIMS)] for word in words}
    rows = [[word, *map(repr, row)] for word, row in known.items()]
    if draw(st.booleans()):
        return Case(in_bytes(rows[0], rows[1:], " "), True, known)
    return Case(draw(tables(rows[0], rows[1:] or rows, " ")), False, set(known))


@pytest.mark.slow
def test_glove_vectors_are_read_rightly_or_refused(tmp_path: Path) -> None:
    path = tmp_path / "glove.txt"

    def check(case: Case) -> str:
        path.write_bytes(case.content)
        failed, found = refused(lambda: read_glove(path, set(case.known), DIMS))
        if failed:
            return "refused"
        for vector in found.values():
            assert vector.shape == (DIMS,)
            assert np.isfinite(vector).all()
        if case.valid:
            assert set(found) == set(case.known)
            for word, vector in found.items():
                np.testing.assert_array_equal(vector, np.float32(case.known[word]))
            return "valid"
        lines = [re.split("[ \t]+", line.strip(" \t\r"))
                 for line in case.content.decode("utf-8-sig").split("\n")]  # fmt: skip
        later = {" ".join(line[:-DIMS]): line[-DIMS:] for line in lines if len(line) > DIMS}
        for word, vector in found.items():
            np.testing.assert_array_equal(vector, np.float32([float(n) for n in later[word]]))
        return "read"

    fuzz(vectors(), check)


# ---- dataset.json ------------------------------------------------------------------------------

ODD = [None, True, -1, 0, 2.5, 9.0, math.nan, math.inf, 10**30, "", "x", [], {}, "a\nb", "../x",
       "/etc", "\ud800", "{subject}", "[", "a/../../b"]  # fmt: skip


def change_entry(draw: Any, whole: Any, part: Any, *more: str) -> None:
    """Take away an entry of a description or of one of its languages, or make it odd.

    ``more``: names of entries that need not be there.
    """
    place = whole if draw(st.booleans()) else part
    name = draw(st.sampled_from([*place, "extra", *more]))
    if draw(st.booleans()):
        place.pop(name, None)
    else:
        place[name] = draw(st.sampled_from(ODD))


@st.composite
def descriptions(draw):
    content = {
        "name": "ds000001",
        "tr": draw(st.floats(0.1, 10)),
        "n_runs": draw(st.integers(3, 20)),
        "trim": draw(st.integers(0, 20)),
        "bold": "prep/sub-{subject}/*_bold.nii.gz",
        "columns": {"word": draw(WORDS)},
        "languages": {"nl": {"name": draw(WORDS), "subjects": draw(
            st.sampled_from(["P*", ["P1", "P2"]])), "annotation": "words.tsv"}},
    }  # fmt: skip
    if draw(st.booleans()):
        return Case(json.dumps(content).encode(), True, content)
    if draw(st.booleans()):
        return Case(draw(spoilt(json.dumps(content).encode())), False)
    change_entry(draw, content, content["languages"]["nl"])
    return Case(json.dumps(content).encode(), False)


def test_a_description_is_read_rightly_or_refused(tmp_path: Path) -> None:
    path = tmp_path / "dataset.json"

    def check(case: Case) -> str:
        path.write_bytes(case.content)
        failed, found = refused(lambda: read_description(path, ASSETS / "dataset.schema.json"))
        if failed:
            return "refused"
        content = case.known if case.valid else json.loads(case.content)
        assert type(found.n_runs) is int
        assert found.n_runs == content["n_runs"]
        assert found.columns == {c: c for c in COLUMNS} | content.get("columns", {})
        for language in found.languages.values():
            assert language.tr == content["tr"]
            assert 0 < language.tr <= 60
            assert type(language.trim) is int
            assert language.trim == content.get("trim", 10)
            paths = [language.annotation, found.bold]
            assert not any(text.startswith("/") or ".." in text.split("/") for text in paths)
            for text in [*paths, found.name, language.name]:
                assert text.encode().decode().isprintable()
        return "valid" if case.valid else "read"

    fuzz(descriptions(), check)


@st.composite
def story_descriptions(draw):
    by_name = {"derivatives": "derivatives/fmriprep", "bold": {"space": draw(st.sampled_from(
        ["MNI152NLin2009cAsym", "MNI152NLin6Asym"]))}, "story": draw(st.sampled_from(
            [["task"], ["task", "run"]]))}  # fmt: skip
    runs = (
        by_name if draw(st.booleans()) else {"runs": draw(st.sampled_from(["runs.tsv", "a/b.tsv"]))}
    )
    times = {
        "tr": draw(st.floats(0.1, 10)),
        "trim": draw(st.integers(0, 20)),
        "stories": {"exclude": ["rest*"], "test": draw(st.sampled_from([[], ["a", "b*"]]))},
    }
    words = draw(
        st.sampled_from(["words.tsv", "w/{story}.csv", "w/{story}.TextGrid", "{story}.json"])
    )
    english = {
        "name": draw(WORDS),
        "subjects": draw(st.sampled_from(["*", ["1", "01"]])),
        "words": words,
    }
    top = {"name": "ds000001", "languages": {"en": english}}
    for part in (runs, times):
        (top if draw(st.booleans()) else english).update(part)
    if draw(st.booleans()):
        return Case(json.dumps(top).encode(), True, top)
    change_entry(draw, top, english, "runs", "bold", "n_runs")
    return Case(json.dumps(top).encode(), False)


def test_a_description_of_stories_is_read_rightly_or_refused(tmp_path: Path) -> None:
    path = tmp_path / "dataset.json"

    def check(case: Case) -> str:
        path.write_bytes(case.content)
        failed, found = refused(lambda: read_description(path, ASSETS / "dataset.schema.json"))
        if failed:
            return "refused"
        content = case.known if case.valid else json.loads(case.content)
        for code, language in found.languages.items():
            told = content | content["languages"][code]
            own = language.stories
            assert own is not None
            assert (own.table is None) != (own.naming is None)
            assert (language.tr, language.trim) == (told.get("tr"), told.get("trim", 10))
            assert own.test == tuple(told.get("stories", {}).get("test", ()))
            assert (own.words, own.table) == (told["words"], told.get("runs"))
            for text in filter(None, (own.words, own.table, own.naming and own.naming.folder)):
                assert not text.startswith("/")
                assert ".." not in text.split("/")
        return "valid" if case.valid else "read"

    fuzz(story_descriptions(), check)


def test_a_description_nested_without_end_is_refused(tmp_path: Path) -> None:
    path = tmp_path / "dataset.json"
    path.write_text("[" * 100_000)
    failed, _ = refused(lambda: read_description(path, ASSETS / "dataset.schema.json"))
    assert failed
