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
