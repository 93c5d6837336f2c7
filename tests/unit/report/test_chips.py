"""A chip says what the page says: contradicts, not tested or tested, and leads there."""

import pytest

from lateralization.report import chips as module
from lateralization.report.chips import QUESTIONS, TOO_LITTLE, Question, chips
from lateralization.report.sections import SECTIONS
from lateralization.report.sentences import BAD, GOOD, NOTE, SENTENCES, Remark

PLACES = [("en", "average"), ("fr", "average")]


def asked(monkeypatch, remarks, lacking="", place="twins"):
    """Ask one question, of which each language has a remark or None."""
    spoken = {language: remark for (language, _), remark in zip(PLACES, remarks, strict=False)}
    one = Question("Twins", place, lambda _tables, language, _subject: spoken[language], lacking)
    monkeypatch.setattr(module, "QUESTIONS", (one,))
    return PLACES[: len(remarks)]


@pytest.mark.parametrize(
    ("remarks", "state"),
    [
        ([Remark(GOOD, "", "with_training")], "tested"),
        ([Remark(NOTE, "", "neither_certain")], "tested"),
        ([Remark(BAD, "", "before_training")], "contradicts"),
        ([Remark(NOTE, "", "few_twins")], "not tested"),
        ([None], "not tested"),
        ([Remark(GOOD, "", "with_training"), None], "not tested"),
        ([None, Remark(BAD, "", "before_training")], "contradicts"),
    ],
)
def test_the_worst_of_all_languages_counts(monkeypatch, remarks, state):
    places = asked(monkeypatch, remarks)
    (chip,) = chips({}, places, set(), {"twins"}, set())
    assert (chip.text, chip.state, chip.href) == (f"Twins: {state}", state, "#twins")


def test_it_leads_to_the_section_or_to_the_list_of_what_was_not_tested(monkeypatch):
    places = asked(monkeypatch, [None], lacking="twins_not_tested")
    (chip,) = chips({}, places, {"twins_not_tested"}, {"twins"}, set())
    assert (chip.state, chip.href) == ("not tested", "#not-tested")
    places = asked(monkeypatch, [Remark(GOOD, "", "with_training")], lacking="twins_not_tested")
    assert chips({}, places, {"twins_not_tested"}, {"twins"}, set())[0].state == "not tested"
    assert chips({}, places, set(), {"twins"}, set())[0].state == "tested"
    assert chips({}, places, set(), {"size"}, set())[0].href == "#trust"


def test_other_cautions_are_counted_once_and_come_before_what_was_tested(monkeypatch):
    places = asked(monkeypatch, [Remark(BAD, "", "before_training")])
    against = {"before_training", "fits_failed", "index_opposite"}
    found = chips({}, places, set(), {"twins"}, against)
    assert [chip.text for chip in found] == ["Twins: contradicts", "2 other cautions"]
    assert len(chips({}, places, set(), {"twins"}, {"before_training"})) == 1
    places = asked(monkeypatch, [Remark(GOOD, "", "with_training")])
    found = chips({}, places, set(), {"twins"}, {"fits_failed"})
    assert [chip.state for chip in found] == ["contradicts", "tested"]


def test_questions_name_sections_and_sentences_that_there_are():
    assert set(SENTENCES) >= TOO_LITTLE
    for one in QUESTIONS:
        assert one.place in {"trust", *SECTIONS}
        assert one.lacking in {"", *SENTENCES}
