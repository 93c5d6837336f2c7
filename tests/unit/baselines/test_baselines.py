"""Random vectors to the last bit, and GloVe with its exceptions."""

import json
import subprocess
import sys
import zipfile
from pathlib import Path

import numpy as np
import pandas as pd
import pytest

from helpers.keys import run_keys
from lateralization.baselines.baselines import (
    baseline,
    baseline_table,
    random_embedding,
    random_vectors,
    split_runs,
)
from lateralization.baselines.glove import glove_key, glove_vectors, glove_width
from lateralization.errors import BadInput
from lateralization.files import read_metadata, read_table, read_tensors
from lateralization.words.stories import read_text_zip

WORDS = ["The", "fox", "the", "fox", "The"]


def test_vectors_are_the_legacy_generators_draws_word_by_word() -> None:
    generator = np.random.RandomState(7)
    expected = np.array([generator.randn(5) for _ in WORDS])
    np.testing.assert_array_equal(random_vectors(WORDS, 5, 7), expected)
    assert random_vectors(["a"], 2, 1)[0].tolist() == [1.6243453636632417, -0.6117564136500754]


def test_an_embedding_draws_at_the_first_occurrence() -> None:
    generator = np.random.RandomState(1)
    table: dict[str, object] = {}
    for word in WORDS:
        if word not in table:
            table[word] = generator.rand(3)
    expected = np.array([table[word] for word in WORDS])
    found = random_embedding(WORDS, 3, 1)
    np.testing.assert_array_equal(found, expected)
    assert found[0, 0] == 0.417022004702574
    assert not np.array_equal(found[0], found[2])


@pytest.fixture
def glove(tmp_path: Path) -> Path:
    path = tmp_path / "glove.2d.txt"
    lines = ["the 1 2", "three 3 0", "two 6 0", "five 0 3", "zero 0 9", "naive 5 5", "dont 7 7"]
    lines += ["red-faced 8 8", "the 4 4", "other 0 0"]
    path.write_text("\n".join(lines) + "\n", encoding="utf-8")
    return path


@pytest.mark.parametrize(
    ("word", "key"),
    [("Don't", "dont"), ("na\\ive", "naive"), ("redfaced", "red-faced"), ("fox;", "fox")],
)
def test_a_word_is_looked_up_under_its_glove_key(word: str, key: str) -> None:
    assert glove_key(word) == key


def test_glove_looks_words_up_with_its_exceptions(glove: Path) -> None:
    words = ["The", "Three two five", "three three zero", "Don't", "na\\ive", "Fox", "fox"]
    vectors, unknown = glove_vectors(words, glove)
    assert vectors.tolist() == [[4, 4], [3, 1], [2, 3], [7, 7], [5, 5], [0, 0], [0, 0]]
    assert vectors.dtype == np.float32
    assert unknown == {"fox": 2}


def test_a_zip_of_several_widths_gives_the_studys_one_of_one_its_own(tmp_path: Path) -> None:
    path = tmp_path / "glove.zip"
    for names, width in ((("glove.50d.txt", "glove.300d.txt"), 300), (("mine.txt",), 50)):
        with zipfile.ZipFile(path, "w") as archive:
            for name in names:
                archive.writestr(name, "the" + " 1" * (300 if "300d" in name else 50) + "\n")
        assert glove_width(path) == width
        assert glove_vectors(["the", "fox"], path)[0].tolist() == [[1] * width, [0] * width]
    with zipfile.ZipFile(path, "w") as archive:
        archive.writestr("glove.50d.txt", "the 1\n")
        archive.writestr("glove.100d.txt", "the 1\n")
    with pytest.raises(BadInput, match=r"which of glove\.50d\.txt, glove\.100d\.txt is meant"):
        glove_width(path)


def test_a_first_line_that_counts_is_no_vector(tmp_path: Path) -> None:
    path = tmp_path / "vectors.txt"
    path.write_text("2 3\nthe 1 2 3\nfox 4 5 6\n")
    assert glove_vectors(["fox"], path)[0].tolist() == [[4, 5, 6]]


@pytest.mark.parametrize(
    "content", [b"a 1 2\nthe 1 2 3\n", b"the\n", b"the one two\n", b"caf\xe9 1 2\n", b""]
)
def test_bad_glove_files_are_named(tmp_path: Path, content: bytes) -> None:
    path = tmp_path / "glove.txt"
    path.write_bytes(content)
    with pytest.raises(BadInput, match=r"glove\.txt"):
        glove_vectors(["the"], path)


def test_baselines_refuse_what_they_lack() -> None:
    words = pd.DataFrame({"run": [1], "word": ["a"], "onset": [0.0], "offset": [1.0]})
    with pytest.raises(BadInput, match="--glove"):
        baseline({"kind": "glove"}, words, Path("annotation.csv"))
    with pytest.raises(BadInput, match="unknown"):
        baseline({"kind": "word2vec"}, words, Path("annotation.csv"))


def test_vectors_are_split_by_run_in_float64() -> None:
    words = pd.DataFrame(
        {"run": [1, 1, 2], "row": [0, 1, 2], "word": ["a", "b", "a"], "onset": 0.0, "offset": 1.0}
    )
    vectors, _ = baseline({"kind": "random_embedding", "dims": 4, "seed": 2}, words, Path("a.csv"))
    runs = split_runs(vectors, words)
    assert runs["run-1/layer-0"].shape == (2, 4)
    assert runs["run-1/layer-0"].dtype == np.float64
    np.testing.assert_array_equal(runs["run-2/layer-0"][0], runs["run-1/layer-0"][0])
    assert baseline_table(words)["text"].isna().all()


@pytest.mark.parametrize("method", [zipfile.ZIP_DEFLATED, zipfile.ZIP_BZIP2, zipfile.ZIP_LZMA])
def test_a_damaged_zip_is_one_line_however_it_is_compressed(tmp_path: Path, method: int) -> None:
    line = "the " + " ".join(str(n) for n in range(300)) + "\n"
    glove, texts = tmp_path / "glove.300d.zip", tmp_path / "texts.zip"
    for path, names in ((glove, ["glove.300d.txt"]), (texts, ["text_en_run1.txt"])):
        with zipfile.ZipFile(path, "w", method) as archive:
            for name in names:
                archive.writestr(name, line * 20)
        content = bytearray(path.read_bytes())
        at = 30 + len(names[0]) + 4  # behind the entry's header: LZMA keeps its properties there
        content[at : at + 40] = b"\xde" * 40
        path.write_bytes(content)
    with pytest.raises(BadInput, match="GloVe file"):
        glove_vectors(["the"], glove)
    with pytest.raises(BadInput, match="--texts"):
        read_text_zip(texts, "en", None, run_keys(1))


def command(tmp_path: Path, **spec: object) -> dict[str, np.ndarray]:
    """Run the command on the Chinese annotation and return the features that it writes."""
    root = Path(__file__).parents[3]
    (tmp_path / "spec.json").write_text(json.dumps(spec))
    annotation = root / "tests/fixtures/annotation/CN/lppCN_word_information.csv"
    done = subprocess.run(
        [
            *(sys.executable, root / "bin/baselines.py", "--spec", "spec.json"),
            *("--annotation", annotation, "--language", "cn", "--out-prefix", "r"),
        ],
        cwd=tmp_path,
        capture_output=True,
        text=True,
        check=False,
    )
    assert done.returncode == 0, done.stderr
    features = read_tensors(tmp_path / "r_activations.safetensors")
    assert len(features) == 9
    return features


def test_the_command_writes_the_features_form(tmp_path: Path) -> None:
    features = command(
        tmp_path, name="random_vector_3d_seed1", kind="random_vector", dims=3, seed=1
    )
    words = read_table(tmp_path / "r_words.tsv", ("word",))
    assert len(words) == sum(len(part) for part in features.values()) == 1058
    np.testing.assert_array_equal(features["run-1/layer-0"][0], np.random.RandomState(1).randn(3))


def test_the_command_writes_what_the_rows_of_oasm_are_drawn_from(tmp_path: Path) -> None:
    features = command(tmp_path, name="oasm_seed2", kind="oasm", dims=300, seed=2)
    blocks = np.concatenate([features[f"run-{run}/layer-0"] for run in range(1, 10)])
    assert set(blocks[:, 0]) == {2}
    assert len(set(blocks[:, 1])) == 9
    assert read_metadata(tmp_path / "r_activations.safetensors")["rows"] == "blocks"
    described = json.loads((tmp_path / "r_activations.json").read_text())
    assert described["widths"] == [300]
    assert 0.1 <= described["blur"] <= 4.8


def test_the_command_writes_stories_in_the_order_of_their_keys(tmp_path: Path) -> None:
    table = "story,word,onset,offset\n01,fox,0,1\nb_2,the,0,1\nrest,x,0,1\n01,null,1,2\n"
    (tmp_path / "annotation.csv").write_text(table)
    spec = {"name": "random_vector_2d_seed1", "kind": "random_vector", "dims": 2, "seed": 1}
    (tmp_path / "spec.json").write_text(json.dumps(spec))
    subprocess.run(
        [
            *(sys.executable, Path(__file__).parents[3] / "bin/baselines.py"),
            *("--spec", "spec.json", "--annotation", "annotation.csv", "--language", "en"),
            *("--stories", "story-b_2", "story-01", "--out-prefix", "r"),
        ],
        cwd=tmp_path,
        check=True,
    )
    words = read_table(tmp_path / "r_words.tsv", ("word", "story"))
    assert words[["story", "word"]].to_numpy().tolist() == [
        ["b_2", "the"],
        ["01", "fox"],
        ["01", "null"],
    ]
    features, draws = read_tensors(tmp_path / "r_activations.safetensors"), np.random.RandomState(1)
    for name, n_words in (("story-b_2/layer-0", 1), ("story-01/layer-0", 2)):
        np.testing.assert_array_equal(features.pop(name), draws.randn(n_words, 2))
    assert features == {}
