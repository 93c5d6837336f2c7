"""Columns that say where a row is are no features, whatever they are called."""

import numpy as np
import pandas as pd
import pytest

from helpers.keys import run_keys
from helpers.planning import own, plan_of
from helpers.tiny_dataset import SCANS, STUDY, write_dataset
from lateralization.baselines.bookkeeping import is_bookkeeping_name, stepping_columns
from lateralization.baselines.own_features import check_word_rows, read_features
from lateralization.errors import BadInput
from lateralization.files import save_tensors

N_WORDS = 20


def rows(per_run):
    """Return a table of two features with so many rows per run."""
    runs = np.repeat(np.arange(1, len(per_run) + 1), per_run)
    numbers = np.random.default_rng(0).normal(size=(len(runs), 2))
    return pd.DataFrame({"run": runs, "f0": numbers[:, 0], "f1": numbers[:, 1]})


def write(table, path):
    path.parent.mkdir(exist_ok=True, parents=True)
    table.to_csv(path, sep="," if path.suffix == ".csv" else "\t", index=False)
    return path


@pytest.fixture(scope="module")
def world(tmp_path_factory):
    return write_dataset(tmp_path_factory.mktemp("bookkeeping") / "data").parent


def plan_with(world, folder):
    return plan_of(world, **own(world, models="none", baselines="none", texts=None,
                                features=str(folder)))  # fmt: skip


BOOKKEEPING = [
    "", " ", "Unnamed: 0", "index", "Index", "level_0", "...1", "onset", "Offset", "onset_s",
    "onset (s)", "word_onset", "stimulus_onset", "start", "end", "start_time", "time", "onsets",
    "time [s]", "timestamp", "section", "run ", "story", "session", "tr", "TR", "scan", "row",
    "row number", "RowNumber", "word_id", "wordId", "sentence_idx", "scan_number", "id",
    "subject_id", "tmin", "tmax", "t_start", "tEnd", "t_end (ms)", "phoneme_offset", "stim_end_ms",
]  # fmt: skip
FEATURES = [
    "pitch_hz", "x", "rot_z", "word_length", "word_duration", "logfreq", "surprisal", "0", "rms",
    "volume", "n_tokens", "time_since_pause", "valid", "grid", "matrix", "avoid", "onset_density",
    "pitch", "intensity", "start_of_sentence", "n400", "duration", "dur", "n", "t", "i", "trial",
    "window", "number", "repetition", "readability_index", "pitch_onset", "seconds", "tension",
]  # fmt: skip
MARKS = [
    "sentence_end", "sentence_start", "sentence_onset", "word_end", "word_onset", "event_onset",
    "audio_onset", "stimulus_onset", "phraseEnd", "subject", "word_number",
]  # fmt: skip
COUNTERS = ["trial", "window", "n", "t", "i", "first_token", "end_window", "sentence", "seconds"]


@pytest.mark.parametrize("name", BOOKKEEPING)
@pytest.mark.parametrize("kind", ["words.csv", "scans.tsv"])
def test_a_column_of_bookkeeping_is_refused_by_name(tmp_path, name, kind):
    table = rows([6, 7]).rename(columns={"f0": name})
    path = write(table, tmp_path / f"a_lang-en_{kind}")
    with pytest.raises(BadInput) as caught:
        read_features(path, run_keys(2))
    shown = "Unnamed: 1 (it has no name)" if not name else repr(name)
    shown = "Unnamed: 0 (it has no name)" if name == "Unnamed: 0" else shown
    assert f"has the columns {shown}, which say where a row is" in str(caught.value)
    assert str(caught.value).endswith("remove them, or rename one that is meant as a feature")


@pytest.mark.parametrize("name", FEATURES)
def test_a_feature_keeps_its_name(tmp_path, name):
    table = rows([6, 7]).rename(columns={"f1": name})
    found = read_features(write(table, tmp_path / "a_lang-en_words.csv"), run_keys(2))
    np.testing.assert_array_equal(found.runs["run-2"][0][:, -1], table[name][6:])


@pytest.mark.parametrize("name", MARKS)
def test_a_mark_of_a_place_is_a_feature_and_its_time_is_none(tmp_path, name):
    table = rows([6, 7]).rename(columns={"f1": name})
    times = table.assign(**{name: [7, 9, 10, 14, 15, 19, 1, 2, 4, 7, 9, 10, 18]})
    with pytest.raises(BadInput, match=rf"has the columns '{name}', which say where a row is"):
        read_features(write(times, tmp_path / "a_lang-en_words.csv"), run_keys(2))
    marks = table.assign(**{name: [0, 0, 1, 0, 1, 1, 0, 0, 0, 0, 0, 1, 1]})
    found = read_features(write(marks, tmp_path / "b_lang-en_words.csv"), run_keys(2))
    assert found.names == ["f0", name]
    marks[name] = marks[name].astype(object)
    marks.loc[4, name] = "n/a"
    with pytest.raises(BadInput, match=f"line 6: {name} is 'n/a', no finite number"):
        read_features(write(marks, tmp_path / "c_lang-en_words.csv"), run_keys(2))


@pytest.mark.parametrize("name", COUNTERS)
def test_what_may_count_is_refused_if_it_never_falls_within_a_run(tmp_path, name):
    table = rows([6, 7]).rename(columns={"f1": name})
    counts = table.assign(**{name: [1, 1, 2, 4, 4, 4, 0, 0, 0, 0, 0, 0, 2]})
    with pytest.raises(BadInput, match=rf"has the columns '{name}', which say where a row is"):
        read_features(write(counts, tmp_path / "a_lang-en_scans.csv"), run_keys(2))
    for values in ([1, 1, 2, 4, 3, 4, 0, 0, 0, 0, 0, 0, 2], [3] * 13):
        table[name] = values
        read_features(write(table, tmp_path / "b_lang-en_scans.csv"), run_keys(2))


def test_a_name_alone_decides_where_there_are_no_values():
    assert is_bookkeeping_name("sentence_end")
    assert not is_bookkeeping_name("trial")


def test_the_index_that_pandas_writes_is_refused_before_anything_runs(world, tmp_path):
    table = rows([N_WORDS] * 9)
    write(table, tmp_path / "good" / "a_lang-en_words.csv")
    assert plan_with(world, tmp_path / "good")["baselines"]
    (tmp_path / "bad").mkdir()
    table.to_csv(tmp_path / "bad" / "a_lang-en_words.csv")
    with pytest.raises(BadInput, match=r"--features: .*Unnamed: 0 \(it has no name\)"):
        plan_with(world, tmp_path / "bad")


def in_run(table):
    return table.groupby("run").cumcount()


def n_in_run(table):
    return table.groupby("run")["run"].transform("size")


def standardised(values):
    return (values - values.mean()) / values.std()


COUNTS = {
    "from 0": lambda table: np.arange(len(table)),
    "from 1000": lambda table: np.arange(len(table)) + 1000.5,
    "in each run": lambda table: in_run(table) + 1,
    "standardised over the table": lambda table: standardised(np.arange(len(table))),
    "standardised in each run": lambda table: in_run(table).groupby(table["run"]).transform(
        standardised),
    "share of the run": lambda table: in_run(table) / n_in_run(table),
    "share of the run, rounded": lambda table: (in_run(table) / n_in_run(table)).round(3),
    "doubled": lambda table: 2 * np.arange(len(table)),
    "backwards": lambda table: n_in_run(table) - in_run(table),
    "in one run only": lambda table: in_run(table).where(table["run"] == 2, 0.3),
    "the run": lambda table: table["run"],
    "the run from 0": lambda table: table["run"] - 1,
    "the run, standardised": lambda table: standardised(table["run"]),
}  # fmt: skip


@pytest.mark.parametrize("count", COUNTS)
@pytest.mark.parametrize("form", ["csv", "tsv", "safetensors"])
@pytest.mark.parametrize("unit", ["words", "scans"])
def test_a_column_that_counts_is_refused_by_its_values(tmp_path, count, form, unit):
    table = rows([6, 9, 7])
    path = tmp_path / f"a_lang-en_{unit}.{form}"
    table["f1"] = COUNTS[count](table)
    if form == "safetensors":
        save_tensors(path, {f"run-{run}/layer-0": mine[["f0", "f1"]].to_numpy(np.float32)
                            for run, mine in table.groupby("run")})  # fmt: skip
    else:
        write(table, path)
    with pytest.raises(BadInput, match=r"column (f1|1 of layer-0) (counts its rows|is the number)"):
        read_features(path, run_keys(3))


def story():
    rng = np.random.default_rng(4)
    words = pd.DataFrame({"run": np.repeat([1, 2], 40), "word": "a"})
    words["onset"] = np.concatenate([np.sort(rng.uniform(0, 90, 40)) for _ in range(2)])
    words["offset"] = words["onset"] + rng.uniform(0.1, 0.9, 80)
    return words


TIMES = {
    "seconds": lambda words: words["onset"],
    "its end": lambda words: words["offset"],
    "milliseconds": lambda words: (1000 * words["onset"]).round(),
    "rounded": lambda words: words["onset"].round(1),
    "one clock for all runs": lambda words: words["onset"] + 120 * words["run"],
    "standardised": lambda words: (words["onset"] - 40) / -17.3,
    "share of the run": lambda words: (
        words["onset"] / words.groupby("run")["onset"].transform("max")
    ),
    "standardised in each run": lambda words: words.groupby("run")["offset"].transform(
        standardised
    ),
}


@pytest.mark.parametrize("time", TIMES)
def test_a_time_of_the_words_is_refused_under_any_name(tmp_path, time):
    words = story()
    table = pd.DataFrame({"run": words["run"], "pitch": TIMES[time](words)})
    path = write(table, tmp_path / "a_lang-en_words.tsv")
    features = read_features(path, run_keys(2))
    with pytest.raises(BadInput, match=r"column pitch is the (onset|offset) of the words"):
        check_word_rows(path, features, words)


def test_what_only_goes_with_time_is_a_feature(tmp_path):
    words = story()
    rng = np.random.default_rng(5)
    table = pd.DataFrame({"run": words["run"], "pitch": words["onset"] + rng.normal(0, 1, 80),
                          "length": words["offset"] - words["onset"], "rate": 1.0})  # fmt: skip
    path = write(table, tmp_path / "a_lang-en_words.tsv")
    check_word_rows(path, read_features(path, run_keys(2)), words)


def test_the_time_of_scans_is_refused(world, tmp_path):
    table = rows(SCANS)
    table["drift"] = np.cos(np.pi * in_run(table) / n_in_run(table))
    write(table, tmp_path / "good" / "a_lang-en_scans.tsv")
    plan_with(world, tmp_path / "good")
    table["f0"] = STUDY.languages["en"].tr * (in_run(table) + 0.5)
    write(table, tmp_path / "bad" / "a_lang-en_scans.tsv")
    with pytest.raises(BadInput, match="column f0 counts its rows or their time"):
        plan_with(world, tmp_path / "bad")


@pytest.mark.parametrize("dtype", [np.float16, np.float32, np.float64])
def test_a_ramp_among_many_columns_of_long_runs_is_found_whatever_its_precision(dtype):
    rng = np.random.default_rng(3)
    runs = {run: rng.normal(size=(n, 300)).astype(dtype) for run, n in ((1, 1500), (2, 2000))}
    runs[1][:, 7], runs[2][:, 7] = 5, 1
    assert stepping_columns(runs) == []
    for values in runs.values():
        values[:, 280] = (np.arange(len(values)) - 700.0) / -431
    assert stepping_columns(runs) == [280]


def test_constant_and_slow_features_are_no_count(tmp_path):
    table = rows([N_WORDS, N_WORDS])
    table["f0"] = 0.1
    table["f1"] = np.where(table["run"] == 1, 0.1, 0.7)
    table["slow"] = in_run(table) ** 1.2
    read_features(write(table, tmp_path / "a_lang-en_words.tsv"), run_keys(2))
    read_features(write(table[:N_WORDS], tmp_path / "b_lang-en_words.tsv"), run_keys(1))


def test_few_rows_do_not_show_that_a_column_counts(tmp_path):
    table = rows([4, 2])
    table["f1"] = [3, 4, 5, 6, 2, 9]
    read_features(write(table, tmp_path / "a_lang-en_words.tsv"), run_keys(2))
