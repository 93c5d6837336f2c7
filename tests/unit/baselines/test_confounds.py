"""Confounds: what each says of a word, and what a run is told before it starts."""

import numpy as np
import pandas as pd
import pytest

from helpers.keys import run_keys
from helpers.tiny_dataset import ASSETS, PROJECT, write_dataset, write_model, write_texts
from lateralization.baselines.confounds import confound
from lateralization.errors import BadInput
from lateralization.plan.validate import make_plan
from lateralization.words.annotation import read_words, standard_annotation


@pytest.fixture
def story(tmp_path):
    """Two runs; row 2 has no word, and the last word no frequency."""
    path = tmp_path / "annotation.csv"
    path.write_text(
        "word,onset,offset,section,logfreq\n"
        "Once,0.5,1.0,1,10\nupon,1.0,2.0,1,8.5\n,,,,\nna\\ive,2.0,2.0,1,\ntime,0.0,0.5,2,12\n"
    )
    words, _ = read_words(path, "en", None, run_keys(2))
    return path, words


def values(kind, story, given=None):
    path, words = story
    made, report = confound(kind, words, path, given)
    assert made.shape == (4, 1)
    return made[:, 0].tolist(), report["n_unknown"]


def test_rate_length_and_position(story):
    assert values("word_rate", story) == ([1, 1, 1, 1], 0)
    assert values("word_length", story) == ([4, 4, 6, 4], 0)
    assert values("word_position", story) == ([0.5, 1.0, 2.0, 0.0], 0)


def test_frequencies_are_the_annotation_s_row_by_row_or_a_list_s(story, tmp_path):
    mean = (10 + 8.5 + 12) / 3
    assert values("word_frequency", story) == ([10, 8.5, mean, 12], 1)
    given = tmp_path / "list.tsv"
    given.write_text("word\tlogfreq\nonce\t3\nTIME\t5\nonce\t9\n")
    assert values("word_frequency", story, given) == ([3, 4, 4, 5], 2)


def test_sound_is_averaged_over_the_frames_of_a_word(story, tmp_path):
    times = np.arange(0, 2.5, 0.01).round(2)
    one = pd.DataFrame({"time": times, "f0": 100 + times, "intensity": times, "section": 1})
    one.loc[(times >= 0.5) & (times < 0.75), "f0"] = 0  # no voice in the first half of "Once"
    two = pd.DataFrame({"time": [0.1, 0.2], "f0": [0, 0], "intensity": [4, 6], "section": 2})
    given = tmp_path / "prosody.csv"
    pd.concat([one, two]).sample(frac=1, random_state=0).to_csv(given, index=False)
    intensity, unknown = values("intensity", story, given)
    expected = [times[50:100].mean(), times[100:200].mean()]
    np.testing.assert_allclose(intensity[:2], expected)
    assert intensity[3] == 5
    assert unknown == 1  # a word of no duration has no frame
    assert intensity[2] == pytest.approx(np.mean([*expected, 5]))
    f0, unknown = values("f0", story, given)
    np.testing.assert_allclose(f0[:2], [100 + times[75:100].mean(), 100 + times[100:200].mean()])
    assert unknown == 2  # nor has one without voice


def test_surprisal_is_the_table_s_word_for_word(story, tmp_path):
    given = tmp_path / "surprisal.tsv"
    given.write_text("run\tword\tsurprisal\n1\tOnce\t\n1\tupon\t4\n1\tnull\t6\n2\ttime\t8\n")
    assert values("surprisal", story, given) == ([6, 4, 6, 8], 1)
    given.write_text("run\tword\tsurprisal\n1\tOnce\t1\n")
    with pytest.raises(BadInput, match="has 1 words and the annotation 4"):
        values("surprisal", story, given)


@pytest.mark.parametrize(
    ("kind", "content", "says"),
    [
        ("word_frequency", "word,freq\na,1\n", "has no column logfreq; it has word, freq"),
        ("f0", "time,pitch,section\n1,2,1\n", "has no column f0; it has time, pitch, section"),
        ("intensity", "time,intensity,section\nx,1,1\n", "has a value for none of the story's"),
        ("f0", None, "needs the data set's prosody table"),
    ],
)
def test_a_table_that_does_not_fit_is_refused(story, tmp_path, kind, content, says):
    given = None
    if content is not None:
        given = tmp_path / "table.csv"
        given.write_text(content)
    with pytest.raises(BadInput) as caught:
        values(kind, story, given)
    assert says in str(caught.value)


@pytest.fixture
def world(tmp_path):
    write_dataset(tmp_path / "data")
    write_texts(tmp_path / "texts")
    write_model(tmp_path / "models" / "tiny")
    return tmp_path


def plan_of(world, **more):
    given = {"dataset": "data", "texts": "texts", "models": "models/tiny", "corrections": "none"}
    request = {"params": given | more, "launch_dir": str(world), "project_dir": str(PROJECT)}
    return make_plan(request, ASSETS).to_json()


@pytest.mark.parametrize(
    ("more", "says"),
    [
        ({"baselines": "word_frequency"}, "has no column logfreq"),
        ({"baselines": "f0"}, "lppEN_prosody.csv"),
        ({"baselines": "surprisal"}, "give --surprisal yes"),
        ({"baselines": "surprisal", "surprisal": "yes", "models": "none"}, "--models is none"),
        ({"baselines": "word_frequency", "word_frequencies": "x.tsv"}, "--word_frequencies: "),
        ({"word_frequencies": "x.tsv"}, "no baseline is word_frequency"),
    ],
)
def test_what_a_confound_lacks_is_said_before_anything_runs(world, more, says, capsys):
    with pytest.raises(BadInput) as caught:
        plan_of(world, **{"baselines": "random_vector", **more})
    assert says in str(caught.value) + capsys.readouterr().err


def test_each_confound_is_a_baseline_and_surprisal_one_of_each_model(world):
    table = world / "data" / "annotation" / "EN" / "lppEN_prosody.csv"
    table.write_text("time,f0,intensity,section\n0.1,100,60,1\n")
    names = "word_rate,word_length,word_position,f0,intensity"
    plan = plan_of(world, baselines=f"{names},surprisal", surprisal="yes")
    kinds = {entry["name"]: entry["kind"] for entry in plan["baselines"]}
    assert kinds == {name: name for name in names.split(",")} | {"surprisal_tiny": "surprisal"}
    assert plan["languages"][0]["prosody"]["source"] == [str(table)]
    assert plan_of(world, baselines="word_rate")["languages"][0]["prosody"] is None


def test_the_study_s_prosody_is_fetched_when_a_confound_needs_it(tmp_path):
    def plan(baselines):
        given = {"models": "none", "baselines": baselines, "languages": "en,fr"}
        request = {"params": given, "launch_dir": str(tmp_path), "project_dir": str(PROJECT)}
        return make_plan(request, ASSETS).to_json()["languages"]

    for language, code in zip(plan("f0,word_rate"), ("EN", "FR"), strict=True):
        (file,) = language["prosody"]["files"]
        assert file["path"] == f"annotation/{code}/lpp{code}_prosody.csv"
        assert len(file["md5"]) == 32
    assert all(language["prosody"] is None for language in plan("word_rate"))


def test_the_names_of_columns_are_the_data_set_s(tmp_path):
    path = tmp_path / "sound.tsv"
    path.write_text("t\tpitch\tdb\tpart\n0.1\t100\t60\t1\n")
    columns = {"time": "t", "f0": "pitch", "intensity": "db", "section": "part"}
    assert standard_annotation(path, columns).startswith(b"time,f0,intensity,section\n")


def test_stories_have_frequencies_sound_and_surprisal_of_their_own(tmp_path):
    path = tmp_path / "annotation.csv"
    path.write_text(
        'story,word,onset,offset,logfreq\n01,"say ""no""",0,1,3\nrest,x,0,1,9\nb_2,y,0,1,4\n'
    )
    words, _ = read_words(path, "en", None, ["story-b_2", "story-01"])
    assert confound("word_frequency", words, path)[0][:, 0].tolist() == [4, 3]
    frames = tmp_path / "prosody.csv"
    frames.write_text("time,intensity,story\n0.5,7,01\n0.5,5,b_2\n0.5,1,1\n")
    assert confound("intensity", words, path, frames)[0][:, 0].tolist() == [5, 7]
    given = tmp_path / "surprisal.tsv"
    given.write_text("story\tword\tsurprisal\nb_2\ty\t1.5\n01\tx\t2.5\n")
    assert confound("surprisal", words, path, given)[0][:, 0].tolist() == [1.5, 2.5]
    given.write_text("story\tword\tsurprisal\n01\ty\t1.5\nb_2\tx\t2.5\n")
    with pytest.raises(BadInput, match="has 2 words"):
        confound("surprisal", words, path, given)
