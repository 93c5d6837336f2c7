"""What a run did not test is listed, and what it tested is not; leakage is judged by oasm."""

import numpy as np
import pandas as pd
import pytest

from helpers.made_plans import made_language, made_plan
from lateralization.report.not_tested import TESTS, about_leakage, not_tested
from lateralization.report.sentences import BAD, GOOD, NOTE, SENTENCES
from lateralization.run_plan import Template

SPEECH = ["word_rate", "word_position"]
COLIN27 = Template("Colin27", False)
SYMMETRIC = Template("MNI152NLin2009cSym", True)
PEOPLE = [f"EN90{i}" for i in range(1, 7)]


def rows(columns, *values):
    return pd.DataFrame(values, columns=columns.split())


def scores(means, language="en", subject="average"):
    """Return a row of ``scores`` for each draw of oasm, and others that do not count."""
    columns = "language subject model layer region hemisphere midline mean_r"
    place = ("best_voxel", "whole", "both", "shared")
    return rows(
        columns,
        *((language, subject, f"oasm_seed{i}", *place, mean) for i, mean in enumerate(means, 1)),
        (language, subject, "oasm", *place, 0.5),
        (language, subject, "gpt2", *place, 0.5),
        (language, subject, "oasm_seed1", "best_voxel", "whole", "left", "shared", 0.5),
    )  # fmt: skip


def made_tables(language="en", people=PEOPLE, twins=True, unique=True, draws=10):
    subjects = ["average", *people]
    one = rows("language", (language,))
    return {
        "scores": scores([0.001 * (-1) ** i for i in range(draws)], language),
        "unique": one if unique else one.iloc[:0],
        "twins": one if twins else one.iloc[:0],
        "asymmetry": rows(
            "language subject kind", *((language, subject, "model") for subject in subjects),
            (language, "EN999", "baseline"),
        ),
    }  # fmt: skip


def plan_with(**fields):
    usual = {"languages": [made_language()], "joint": [*SPEECH, "glove"], "template": SYMMETRIC}
    return made_plan(**usual | fields)


def said(plan, tables):
    return [remark.name for remark in not_tested(plan, tables)]


def test_a_run_with_every_control_lacks_a_second_story_alone():
    assert said(plan_with(), made_tables()) == ["story_not_tested"]
    assert said(plan_with(truth="simulation.json"), made_tables()) == [
        "story_not_tested", "brains_not_tested",
    ]  # fmt: skip


@pytest.mark.parametrize(
    ("plan", "tables", "name", "parameter"),
    [
        ({"joint": ["word_rate"]}, {}, "joint_not_tested", "--joint word_rate,word_position"),
        ({}, {"unique": False}, "joint_not_tested", "--joint word_rate,word_position"),
        ({}, {"twins": False}, "twins_not_tested", "--untrained_twins yes"),
        ({}, {"people": PEOPLE[:5]}, "people_not_tested", "--subjects average,first:6"),
        ({}, {"draws": 9}, "leakage_not_tested", "--baselines oasm"),
    ],
)
def test_what_is_lacking_is_listed_with_the_parameter_that_tests_it(plan, tables, name, parameter):
    first, *_ = not_tested(plan_with(**plan), made_tables(**tables))
    assert first.name == name
    assert first.tone == NOTE
    assert parameter in first.text
    assert said(plan_with(**plan), made_tables(**tables)) == [name, "story_not_tested"]


def test_mirror_images_that_may_not_be_homologues_are_not_tested():
    for template, named in ((None, "does not say which template"), (COLIN27, "space of Colin27")):
        plan = plan_with(template=template)
        first, _ = not_tested(plan, made_tables())
        assert first.name == "homologues_not_tested"
        assert named in first.text
        assert "homologues_not_tested" not in said(plan_with(truth="t.json"), made_tables())


def test_the_individuals_that_there_are_are_counted():
    texts = [
        next(one.text for one in not_tested(plan_with(), made_tables(people=PEOPLE[:n]))
             if one.name == "people_not_tested")
        for n in (0, 1, 5)
    ]  # fmt: skip
    for text, count in zip(texts, ("0 individuals", "1 individual", "5 individuals"), strict=True):
        assert f"({count} with scores of models" in text


def test_of_two_languages_the_one_that_lacks_a_test_is_named():
    french = made_language(language="fr", name="French")
    plan = plan_with(languages=[made_language(), french])
    english, other = made_tables(), made_tables("fr", twins=False, people=())
    tables = {name: pd.concat([english[name], other[name]]) for name in english}
    texts = {remark.name: remark.text for remark in not_tested(plan, tables)}
    assert set(texts) == {"twins_not_tested", "people_not_tested", "story_not_tested"}
    assert "has it in French: --untrained_twins" in texts["twins_not_tested"]
    assert "over people in French (0 individuals" in texts["people_not_tested"]
    tables = {name: pd.concat([other[name].assign(language=code) for code in ("en", "fr")])
              for name in other}  # fmt: skip
    texts = {remark.name: remark.text for remark in not_tested(plan, tables)}
    assert "has it: --untrained_twins" in texts["twins_not_tested"]


@pytest.mark.parametrize(
    ("means", "name", "tone"),
    [
        (np.linspace(-0.02, 0.021, 10), "folds_hold", GOOD),
        (np.linspace(0.012, 0.017, 10), "folds_hold", GOOD),  # far from 0, and below the limit
        (np.linspace(0.010, 0.029, 10), "folds_undecided", NOTE),  # two errors reach beyond it
        (np.linspace(-0.3, 0.37, 10), "folds_undecided", NOTE),  # above it, within two errors
        (np.linspace(0.015, 0.030, 10), "folds_leak", BAD),
        (-np.linspace(0.015, 0.030, 10), "folds_leak", BAD),
        (np.linspace(0.2, 0.4, 9), "folds_not_judged", NOTE),
        ([*np.linspace(0.2, 0.4, 9), np.nan], "folds_not_judged", NOTE),
    ],
)
def test_folds_leak_beyond_the_limit_and_two_standard_errors(means, name, tone):
    remark = about_leakage({"scores": scores(means)}, "en", "average")
    assert (remark.name, remark.tone) == (name, tone)
    assert "nan" not in remark.text
    if name == "folds_leak":
        known = np.asarray(means)
        assert f"{abs(known.mean()):.4f}" in remark.text
        assert f"{known.std(ddof=1) / np.sqrt(10):.5f}"[:6] in remark.text


def test_without_oasm_nothing_is_said_of_the_folds():
    assert about_leakage({"scores": scores([])}, "en", "average") is None
    assert about_leakage({"scores": scores([0.0] * 10)}, "fr", "average") is None


def test_every_sentence_is_one_that_is_said():
    used = {*TESTS, "homologues_not_tested", "story_not_tested", "brains_not_tested",
            "folds_leak", "folds_hold", "folds_not_judged"}  # fmt: skip
    assert used <= set(SENTENCES)
