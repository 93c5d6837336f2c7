"""The question, the browser's title and the facts are those of the plan and its data."""

import dataclasses

import pandas as pd
import pytest

from helpers.made_plans import CLAIM, made_language, made_plan, made_subject
from lateralization.report.report import facts, question, title
from lateralization.sources.methods import data_name, stories_heard

KNOWN = {"revision": "0123456789abcdef", "lateralization": "0.2.0"}


def tables_of(**kinds):
    return {"models": pd.DataFrame({"model": list(kinds), "kind": list(kinds.values())})}


def stories(*heard):
    people = [
        made_subject(f"0{place}", heard=[f"story-{name}" for name in own])
        for place, own in enumerate(heard, start=1)
    ]
    names = sorted({name for own in heard for name in own})
    return made_language(subjects=people, stories=[f"story-{name}" for name in names])


@pytest.mark.parametrize(
    ("predictor", "asked", "named"),
    [
        ("ln_n_parameters", "Do larger language models gain more on one side of the brain?",
         "Mystudy: left minus right against ln N, reliable voxels"),
        ("blimp", "Do models of higher blimp gain more on one side of the brain?",
         "Mystudy: left minus right against blimp, reliable voxels"),
    ],
)  # fmt: skip
def test_question_and_title_are_those_of_the_claim(predictor, asked, named):
    claim = dataclasses.replace(CLAIM, predictor=predictor)
    assert question(claim) == asked
    assert title(made_plan(claim=claim, data_name="mystudy")) == named


@pytest.mark.parametrize(
    ("dataset", "described", "truth", "name"),
    [
        ("ds003643", "ds003643", None, "ds003643"),
        ("/data/lpp", "ds003643", None, "lpp"),  # its layout, and no description of its own
        ("/data/x", "mystudy", None, "mystudy"),
        ("/data/x", "mystudy", "simulation.json", "simulated data"),
    ],
)
def test_the_data_set_has_its_own_name(dataset, described, truth, name):
    plan = made_plan(parameters={"dataset": dataset}, data_name=described, truth=truth)
    assert data_name(plan) == name


@pytest.mark.parametrize(
    ("entry", "said"),
    [
        (stories("abc", "ab", "abc"), "3 stories, each heard by 2 to 3 of 3 people"),
        (stories("ab", "bc", "ca"), "3 stories, each heard by 2 of 3 people"),
        (stories("abc", "abc"), "3 stories of 2 people"),
        (stories("abc"), "3 stories of one person"),
        (made_language(subjects=[made_subject("EN1"), made_subject("EN2")]), "9 runs of 2 people"),
        (made_language(), "9 runs"),
    ],
)
def test_how_many_heard_each_story_is_said(entry, said):
    assert stories_heard(entry) == said


def test_facts_count_people_of_all_languages_models_and_controls():
    languages = [
        dataclasses.replace(stories("abc", "ab"), language="en", name="English"),
        dataclasses.replace(stories("ab"), language="fr", name="French"),
    ]
    plan = made_plan(languages=languages, data_name="mystudy")
    tables = tables_of(a="model", b="model", glove="baseline", a_untrained="untrained")
    found = {one["name"]: one["value"] for one in facts(plan, tables, KNOWN, "2026-01-31")}
    assert found == {
        "Data set": "mystudy",
        "Heard": "English: 3 stories, each heard by 1 to 2 of 2 people; "
        "French: 2 stories of one person",
        "People": "3", "Models": "2, and 2 controls", "Date": "2026-01-31",
        "Commit": "0123456789", "Version": "0.2.0",
    }  # fmt: skip


def test_what_is_not_known_is_said_so():
    plan = made_plan(languages=[made_language()])
    found = {one["name"]: one["value"] for one in facts(plan, tables_of(), {}, "2026-01-31")}
    assert found["Commit"] == found["Version"] == "not known"
    assert found["People"] == "an average brain that was given"
