"""Features and frequencies against the words of a local data set of stories."""

from pathlib import Path
from types import SimpleNamespace
from typing import Any

import pytest

from helpers.made_plans import made_baseline, made_language
from lateralization.plan.features_plan import check_features, check_frequencies
from lateralization.problems import Problems

STORIES = ["story-b_2", "story-01"]
WORDS = {"01": "fox,0,1,2.5\nnull,1,2,\n", "b_2": "the,0,1,4\ncrow,,,4\nsat,1,2,3\n"}


@pytest.fixture
def language(tmp_path: Path) -> Any:
    paths = {}
    for story in STORIES:
        name = story.removeprefix("story-")
        path = paths[story] = tmp_path / name / "words.csv"
        path.parent.mkdir()
        path.write_text(f"word,onset,offset,freq\n{WORDS[name]}")
    annotation = {
        "path": None,
        "source": [str(path) for path in paths.values()],
        "stories": [[key, str(path)] for key, path in paths.items()],
        "columns": {"logfreq": "freq"},
        "tier": "",
        "published": False,
    }
    return made_language(stories=STORIES, annotation=annotation)


def context() -> Any:
    return SimpleNamespace(problems=Problems(), notes=[], assets=Path())


def features(folder: Path, rows: list[str]) -> Any:
    path = folder / "pitch_lang-en_words.csv"
    path.write_text("\n".join(["story,word,f0", *rows]) + "\n")
    return made_baseline("pitch", "features", files={"en": str(path)})


def test_a_row_is_needed_for_each_word_that_has_a_time(tmp_path: Path, language: Any) -> None:
    rows = ["01,fox,1.5", "01,null,0.5", "b_2,the,2", "b_2,sat,1"]
    told = context()
    check_features([features(tmp_path, rows)], [language], told)
    assert told.problems == []
    check_features([features(tmp_path, [*rows[:3], "b_2,crow,7", rows[3]])], [language], told)
    assert "story b_2 has 3 rows, and 2 words are fitted" in told.problems[0]


def test_words_that_cannot_be_read_are_not_said_twice(tmp_path: Path, language: Any) -> None:
    Path(language.annotation["source"][0]).unlink()
    told = context()
    check_features([features(tmp_path, ["01,fox,1", "b_2,the,1"])], [language], told)
    check_frequencies([made_baseline("word_frequency", "word_frequency")], [language], told)
    assert told.problems == []


def test_frequencies_may_be_a_column_of_the_stories_tables(tmp_path: Path, language: Any) -> None:
    entry = made_baseline("word_frequency", "word_frequency")
    told = context()
    check_frequencies([entry], [language], told)
    assert told.problems == []
    language.annotation["columns"] = {}
    check_frequencies([entry], [language], told)
    assert "has no column logfreq" in told.problems[0]
    given = tmp_path / "list.tsv"
    given.write_text("word\tlogfreq\nfox\t3\nthe\t9\nsat\t2\n")
    told = context()
    listed = made_baseline("word_frequency", "word_frequency", files={"en": str(given)})
    check_frequencies([listed], [language], told)
    assert told.notes == [
        "en: --word_frequencies: 1 of 4 words have no frequency in list.tsv and get the mean of "
        "the others"
    ]
