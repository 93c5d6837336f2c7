"""Subjects that failed on their way to the group are in the tables, the remarks and the methods."""

import pandas as pd

from lateralization.files import read_table, write_table
from lateralization.fmri.methods import describe_preprocessing
from lateralization.report import findings
from lateralization.tables.lateralize import absent_rows, frame

PLAN = {
    "languages": [
        {
            "language": "en",
            "name": "English",
            "n_runs": 9,
            "tr": 2.0,
            "subjects": [
                {"subject": "EN901", "group": True},
                {"subject": "EN902", "group": True},
                {"subject": "EN903", "group": True},
                {"subject": "EN904", "group": False},
            ],
        },
        {"language": "fr", "name": "French", "subjects": [{"subject": "FR001", "group": True}]},
    ],
    "fits": [],
}


def group_tables(outlier="no"):
    """Tables of a run of which EN903 did not reach the group; nothing of French was checked."""
    checks = [
        {"language": "en", "subject": subject, "run": 1, "outlier": outlier if last else "no"}
        for subject, last in (("EN901", False), ("EN902", True), ("all", False))
    ]
    return {
        "failures": frame("failures", absent_rows(PLAN, checks)),
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
    assert absent_rows(PLAN, checks) == []
    assert absent_rows(PLAN, []) == []


def test_the_methods_name_those_that_are_in_no_mean():
    whole = describe_preprocessing(PLAN)
    assert "the mean over all subjects of a language, standardised" in whole
    text = describe_preprocessing(PLAN, findings.not_averaged(PLAN, group_tables()))
    assert "the mean over all subjects of a language but EN903 (English), standardised" in text
    excluded = PLAN | {"parameters": {"exclude_outliers": "yes"}}
    text = describe_preprocessing(excluded, findings.not_averaged(excluded, group_tables("yes")))
    assert "but EN902, EN903 (English)" in text
