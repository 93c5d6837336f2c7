"""Keys of runs."""

import pytest

from lateralization.runs import label, repetition_of, run_key, shown, story_of


@pytest.mark.parametrize(
    ("story", "repetition", "key", "words"),
    [
        ("run-3", 1, "run-3", "run 3"),
        ("story-wheels", 1, "story-wheels", "story wheels"),
        ("story-wheels", 12, "story-wheels_rep-12", "story wheels, repetition 12"),
        (
            "story-two_rep-tiles",
            2,
            "story-two_rep-tiles_rep-2",
            "story two_rep-tiles, repetition 2",
        ),
    ],
)
def test_a_key_holds_story_and_repetition(
    story: str, repetition: int, key: str, words: str
) -> None:
    assert run_key(story, repetition) == key
    assert (story_of(key), repetition_of(key)) == (story, repetition)
    assert shown(key) == words


def test_tables_call_a_run_by_its_number_and_a_story_by_its_name() -> None:
    assert label("run-3") == "3"
    assert label("story-pie-man") == "pie-man"
