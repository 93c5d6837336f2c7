"""A user's own features: what a folder may hold, what fits the story, and how it is encoded."""

import numpy as np
import pandas as pd
import pytest

from helpers.keys import run_keys
from helpers.tiny_dataset import ASSETS, PROJECT, SCANS, spoken, write_dataset, write_texts
from lateralization.baselines import own_features
from lateralization.errors import BadInput
from lateralization.files import save_tensors
from lateralization.plan.validate import make_plan
from lateralization.problems import Problems
from lateralization.tables.fits import kind_of

N_WORDS = 20


def rows(per_run, columns=2, word=None):
    """Return a table of features with so many rows per run."""
    runs = np.repeat(np.arange(1, len(per_run) + 1), per_run)
    numbers = np.random.default_rng(0).normal(size=(len(runs), columns))
    table = pd.DataFrame(numbers, columns=[f"f{i}" for i in range(columns)])
    table.insert(0, "run", runs)
    if word:
        words = [word(run, i) for run, n in enumerate(per_run, start=1) for i in range(n)]
        table.insert(1, "word", words)
    return table


def write(table, path):
    path.parent.mkdir(exist_ok=True, parents=True)
    table.to_csv(path, sep="," if path.suffix == ".csv" else "\t", index=False)
    return path


@pytest.fixture(scope="module")
def world(tmp_path_factory):
    root = tmp_path_factory.mktemp("own features")
    write_dataset(root / "data", ("EN901", "EN902"))
    write_texts(root / "texts")
    return root


def plan_of(world, folder, **more):
    given = {"dataset": "data", "texts": "texts", "models": "none", "baselines": "none",
             "corrections": "none", "features": str(folder)}  # fmt: skip
    request = {"params": given | more, "launch_dir": str(world), "project_dir": str(PROJECT)}
    return make_plan(request, ASSETS)


def test_every_form_is_planned_like_a_model(world, tmp_path):
    write(
        rows([N_WORDS] * 9, word=lambda run, i: spoken(run)[i]),
        tmp_path / "pitch_lang-en_words.tsv",
    )
    write(rows(SCANS), tmp_path / "motion_lang-en_scans.csv")
    write(rows([3] * 9), tmp_path / "pitch_lang-fr_words.tsv")  # a language that is not fitted
    states = {f"run-{r}/layer-{k}": np.ones((N_WORDS, 4), np.float32)
              for r in range(1, 10) for k in range(3)}  # fmt: skip
    save_tensors(tmp_path / "made.elsewhere_lang-en_words.safetensors", states)
    (tmp_path / "README.md").write_text("mine")
    plan = plan_of(world, tmp_path, subjects="average,EN901", individual_models="pitch")
    entries = {entry.name: entry for entry in plan.baselines}
    assert {name: entry.n_layers for name, entry in entries.items()} == {
        "made.elsewhere": 3,
        "motion": 1,
        "pitch": 1,
    }
    assert [kind_of(entry, plan.models) for entry in plan.baselines] == ["features"] * 3
    fits = {(fit.subject, fit.model) for fit in plan.fits}
    assert fits == {("average", name) for name in entries} | {("EN901", "pitch")}


def with_cell(table, column, value):
    table = table.astype({column: object})
    table.loc[5, column] = value
    return table


NINE = [N_WORDS] * 9


@pytest.mark.parametrize(
    ("name", "table", "says"),
    [
        ("a_lang-en_words.tsv", rows([N_WORDS] * 8), "has the runs 1, 2, 3, 4, 5, 6, 7, 8; the"),
        ("a_lang-en_words.tsv", rows([N_WORDS] * 8 + [19]), "run 9 has 19 rows, and 20 words"),
        (
            "a_lang-en_words.tsv",
            rows(NINE, word=lambda run, i: f"word{i + 1}"),
            "'word1', and the word",
        ),
        ("a_lang-en_words.csv", with_cell(rows(NINE), "f1", "n/a"), "line 7: f1 is 'n/a'"),
        ("a_lang-en_words.tsv", with_cell(rows(NINE), "run", "x"), "line 7: run is 'x'"),
        ("a_lang-en_words.tsv", with_cell(rows(NINE), "f0", "inf"), "no finite number"),
        ("a_lang-en_words.tsv", rows(NINE, columns=0), "has the columns run; needed are"),
        ("a_lang-en_scans.tsv", rows((*SCANS[:8], 38)), "run 9 has 38 rows, and 39 scans"),
        ("a_lang-en.tsv", rows(NINE), "has no name of the form NAME_lang-LANGUAGE_words.tsv"),
        ("a b_lang-en_words.tsv", rows(NINE), "becomes part of file names"),
        ("a_lang-fr_words.tsv", rows(NINE), "has no features in en"),
    ],
)
def test_what_does_not_fit_is_refused_before_anything_runs(world, tmp_path, name, table, says):
    write(table, tmp_path / name)
    with pytest.raises(BadInput) as caught:
        plan_of(world, tmp_path)
    assert says in str(caught.value)
    assert str(caught.value).startswith("--features: ")


def test_two_files_of_one_space_and_names_of_others_are_refused(world, tmp_path, capsys):
    for ending in ("words.tsv", "words.csv"):
        write(rows(NINE), tmp_path / "two" / f"a_lang-en_{ending}")
    with pytest.raises(BadInput, match="are one space; leave one out"):
        plan_of(world, tmp_path / "two")
    write(rows(NINE), tmp_path / "same" / "random_vector_300d_seed1_lang-en_words.tsv")
    with pytest.raises(BadInput, match="two models would get the file name"):
        plan_of(world, tmp_path / "same", baselines="random_vector", random_dims=300,
                random_seeds=1)  # fmt: skip
    with pytest.raises(BadInput, match="is no folder"):
        plan_of(world, tmp_path / "nowhere")


@pytest.mark.parametrize(
    ("tensors", "says"),
    [
        ({"layer-0": (2, 2)}, "has a tensor 'layer-0'; name tensors run-1/layer-0"),
        ({"run-1/layer-0": (2, 2), "run-2/layer-1": (2, 2)}, "has no tensor run-1/layer-1"),
        ({"run-1/layer-0": (2, 2), "run-2/layer-0": (2, 3)}, "has shape (2, 3)"),
        ({"run-1/layer-0": (2,), "run-2/layer-0": (2,)}, "has shape (2,)"),
        ({"run-1/layer-0": (2, 2), "run-1/layer-1": (3, 2)}, "has 3 rows, layer 0 2"),
    ],
)
def test_tensors_of_another_form_are_refused(tmp_path, tensors, says):
    path = tmp_path / "a_lang-en_words.safetensors"
    save_tensors(path, {name: np.ones(shape) for name, shape in tensors.items()})
    with pytest.raises(BadInput) as caught:
        own_features.read_features(path, run_keys(2))
    assert says in str(caught.value)


def test_words_like_null_stay_words(tmp_path):
    path = write(rows([2], word=lambda run, i: ("null", "NA")[i]), tmp_path / "a_lang-en_words.tsv")
    assert own_features.read_features(path, run_keys(1)).words == {"run-1": ["null", "NA"]}


def test_a_folder_of_nothing_says_what_to_name(tmp_path):
    problems = Problems()
    assert own_features.find_spaces(tmp_path, ["en"], problems) == []
    assert "name a file NAME_lang-LANGUAGE_words.tsv" in problems[0]


STORIES = ["story-b_2", "story-01"]


def told(per_run):
    """Return a table of features with so many rows per (story, repetition)."""
    pairs = [(story, again) for story, again, n in per_run for _ in range(n)]
    table = pd.DataFrame(pairs, columns=["story", "repetition"])
    numbers = np.random.default_rng(0).normal(size=(len(pairs), 2))
    return table.assign(f0=numbers[:, 0], f1=numbers[:, 1])


def test_stories_come_in_the_order_of_the_plan_and_others_are_left(tmp_path):
    table = told([("01", "", 2), ("b_2", "", 3), ("rest", "", 4)]).drop(columns="repetition")
    table.insert(1, "word", [f"w{i}" for i in range(9)])
    path = write(table, tmp_path / "a_lang-en_words.csv")
    features = own_features.read_features(path, STORIES)
    assert {key: layers[0].shape for key, layers in features.runs.items()} == {
        "story-b_2": (3, 2),
        "story-01": (2, 2),
    }
    assert features.words["story-01"] == ["w0", "w1"]
    words = pd.DataFrame({"story": ["b_2"] * 3 + ["01"] * 2, "word": ["w2", "w3", "w4", "w0", "w1"],
                          "onset": np.arange(5.0), "offset": np.arange(5.0) + 0.5})  # fmt: skip
    tensors, report = own_features.encodable(path, words, STORIES)
    assert list(tensors) == ["story-b_2/layer-0", "story-01/layer-0"]
    np.testing.assert_array_equal(tensors["story-01/layer-0"], table[["f0", "f1"]][:2])
    assert report["rows"] == "words"
    own_features.encodable(path, words.assign(word=words["word"].str.upper()), STORIES)
    with pytest.raises(BadInput, match="row 2 of story 01 is of 'w1', and the word there is 'x'"):
        own_features.encodable(path, words.replace("w1", "x"), STORIES)
    with pytest.raises(BadInput, match="story b_2 has 3 rows, and 2 words are fitted"):
        own_features.encodable(path, words.drop(index=0), STORIES)


def test_a_repetition_has_scans_of_its_own_where_it_matters(tmp_path):
    table = told([("01", "2", 7), ("01", "1", 5), ("b_2", "n/a", 6)])
    features = own_features.read_features(write(table, tmp_path / "a_lang-en_scans.tsv"), STORIES)
    assert {key: len(layers[0]) for key, layers in features.runs.items()} == {
        "story-b_2": 6,
        "story-01": 5,
        "story-01_rep-2": 7,
    }
    heard = {"story-b_2": 6, "story-b_2_rep-2": 6, "story-01": 5, "story-01_rep-2": 7}
    own_features.check_scans(tmp_path / "a", features, {"X": heard})
    with pytest.raises(BadInput, match="story 01, repetition 2 has 7 rows, and 8 scans in sub-X"):
        own_features.check_scans(tmp_path / "a", features, {"X": heard | {"story-01_rep-2": 8}})


@pytest.mark.parametrize(
    ("table", "says"),
    [
        (told([("01", "", 3)]), "lacks the stories b_2; add their rows"),
        (rows([3, 3]), "has the columns 'run', which say where a row is"),
        (rows([3, 3]).drop(columns="run"), "needed are story and one column"),
        (told([("01", "", 3), ("b_2", "twice", 3)]), "line 5: repetition is 'twice'"),
    ],
)
def test_a_table_of_stories_that_does_not_fit_is_refused(tmp_path, table, says):
    path = write(table, tmp_path / "a_lang-en_words.tsv")
    with pytest.raises(BadInput) as caught:
        own_features.read_features(path, STORIES)
    assert says in str(caught.value)


def test_tensors_of_stories_are_read(tmp_path):
    path = tmp_path / "a_lang-en_words.safetensors"
    shapes = {"story-01/layer-0": (2, 4), "story-b_2/layer-0": (3, 4), "story-x/layer-0": (1, 4)}
    save_tensors(path, {name: np.ones(shape) for name, shape in shapes.items()})
    assert list(own_features.read_features(path, STORIES).runs) == STORIES
    assert own_features.layers_of(path) == 1
