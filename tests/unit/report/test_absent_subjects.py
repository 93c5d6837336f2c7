"""Subjects that failed on their way to the group are in the tables, the remarks and the methods."""

import pandas as pd

from helpers.made_plans import made_language, made_plan, made_subject
from lateralization.files import read_table, write_table
from lateralization.fmri.methods import describe_preprocessing
from lateralization.report import findings
from lateralization.tables.lateralize import absent_rows, frame

LANGUAGES = [
    made_language(
        subjects=[made_subject(f"EN90{i}") for i in (1, 2, 3)]
        + [made_subject("EN904", individual=True, group=False)]
    ),
    made_language(language="fr", name="French", subjects=[made_subject("FR001")]),
]
PLAN = made_plan(languages=LANGUAGES)


def group_tables(outlier="no"):
    """Tables of a run of which EN903 did not reach the group; nothing of French was checked."""
    checks = [
        {"language": "en", "subject": subject, "run": 1, "outlier": outlier if last else "no"}
        for subject, last in (("EN901", False), ("EN902", True), ("all", False))
    ]
    return {
        "failures": frame("failures", absent_rows(LANGUAGES, checks)),
        "left_out": frame("left_out", []),
        "checks": pd.DataFrame(checks),
    }


def test_a_subject_that_did_not_reach_the_group_is_in_the_table_and_said(tmp_path):
    tables = group_tables()
    write_table(tables["failures"], tmp_path / "failures.tsv")
    text = ("language", "subject", "model", "reason")
    read = tables | {"failures": read_table(tmp_path / "failures.tsv", text)}
    for one in (tables, read):
        assert one["failures"]["subject"].tolist() == ["EN903"]
        (remark,) = findings.about_losses(one)
        assert remark.tone == findings.BAD
        assert "reliability of en are without EN903" in remark.text
        assert findings.not_averaged(PLAN, one) == {"en": ["EN903"]}


def test_a_group_that_is_whole_or_was_not_checked_lacks_nobody():
    checks = [{"language": "en", "subject": f"EN90{n}"} for n in (1, 2, 3)]
    assert absent_rows(LANGUAGES, checks) == []
    assert absent_rows(LANGUAGES, []) == []


def test_the_methods_name_those_that_are_in_no_mean():
    whole = describe_preprocessing(PLAN)
    assert "the mean over all subjects of a language, standardised" in whole
    text = describe_preprocessing(PLAN, findings.not_averaged(PLAN, group_tables()))
    assert "the mean over all subjects of a language but EN903 (English), standardised" in text
    excluded = made_plan(languages=LANGUAGES, parameters={"exclude_outliers": "yes"})
    text = describe_preprocessing(excluded, findings.not_averaged(excluded, group_tables("yes")))
    assert "but EN902, EN903 (English)" in text
