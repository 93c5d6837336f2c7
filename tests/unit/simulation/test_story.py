"""The simulator's story: its words, their times, and how a chapter is cut short."""

from pathlib import Path

import numpy as np
import pandas as pd
import pytest

from lateralization.errors import BadInput
from lateralization.simulation import story

STORY = Path(__file__).parents[3] / "assets" / "story"


@pytest.fixture(scope="module")
def chapters() -> list[story.Chapter]:
    return story.read_story(STORY, seed=1)


def test_words_lose_outer_punctuation_and_keep_what_is_inside_them() -> None:
    text = "“Don’t,” said the lamp-keeper - 37 times; and (why not?)\nHe isn’t!"
    expected = ["Don’t", "said", "the", "lamp-keeper", "37", "times", "and", "why", "not", "He"]
    words = story.spoken_words(text)
    assert [word for word, _, _ in words] == [*expected, "isn’t"]
    assert all(text[start:end] == word for word, start, end in words)


def test_the_story_has_nine_chapters_with_what_tokenizers_stumble_over(
    chapters: list[story.Chapter],
) -> None:
    text = "".join(chapter.text for chapter in chapters)
    assert len(chapters) == 9
    assert all(mark in text for mark in "“”’-;:?!,.\n")
    assert any(character.isdigit() for character in text)
    assert "isn’t" in text
    assert all(75 <= chapter.n_scans <= 95 for chapter in chapters)
    assert len({chapter.n_scans for chapter in chapters}) > 3


def test_words_follow_each_other_and_long_words_last_longer(chapters: list[story.Chapter]) -> None:
    for chapter in chapters:
        words = chapter.words
        assert (words["offset"] > words["onset"]).all()
        assert (words["onset"].to_numpy()[1:] >= words["offset"].to_numpy()[:-1]).all()
    letters = chapters[0].words["word"].str.len()
    seconds = chapters[0].words["offset"] - chapters[0].words["onset"]
    assert np.corrcoef(letters, seconds)[0, 1] > 0.7


def test_a_full_stop_makes_a_longer_pause_than_a_comma_and_a_new_line_the_longest() -> None:
    pauses = [story.pause_after(between) for between in (" ", ", ", ".” ", ".\n\n")]
    assert pauses[0] == 0
    assert pauses == sorted(set(pauses))


@pytest.mark.parametrize("scans", [30, 45, 60])
def test_cutting_cuts_text_and_words_at_the_same_place(
    chapters: list[story.Chapter], scans: int
) -> None:
    for whole, short in zip(chapters, story.read_story(STORY, 1, scans), strict=True):
        spoken = [word.replace("’", "'") for word, _, _ in story.spoken_words(short.text)]
        assert spoken == short.words["word"].tolist()
        assert whole.text.startswith(short.text.rstrip("\n"))
        pd.testing.assert_frame_equal(short.words, whole.words.iloc[: len(short.words)])
        assert abs(short.n_scans - scans) < 0.25 * scans
        assert short.text.rstrip("\n")[-1] in ".!?”"


def test_runs_longer_than_the_story_are_refused_with_what_it_can_fill() -> None:
    with pytest.raises(BadInput, match=r"the story fills \d+ scans in run 1, not"):
        story.read_story(STORY, 1, 200)


def test_a_missing_chapter_is_named(tmp_path: Path) -> None:
    with pytest.raises(BadInput, match=r"text_en_run1\.txt"):
        story.read_story(tmp_path, 1)


def test_the_annotation_survives_the_defaults_of_pandas(
    chapters: list[story.Chapter], tmp_path: Path
) -> None:
    table = story.annotation(chapters)
    table.to_csv(tmp_path / "a.csv", index=False)
    again = pd.read_csv(tmp_path / "a.csv")
    assert {"word", "onset", "offset", "section"} <= set(again.columns)
    assert again["word"].map(type).eq(str).all()
    assert again["section"].tolist() == table["section"].tolist()
    assert sorted(set(again["section"])) == list(range(1, 10))


def test_timings_follow_the_seed(chapters: list[story.Chapter]) -> None:
    pd.testing.assert_frame_equal(story.read_story(STORY, 1)[3].words, chapters[3].words)
    assert not story.read_story(STORY, 2)[3].words.equals(chapters[3].words)
