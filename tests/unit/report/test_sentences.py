"""Every sentence that the page can say is said under its condition, and only there."""

import inspect

import numpy as np
import pandas as pd
import pytest

from lateralization.report import findings
from lateralization.report.sentences import BAD, GOOD, NOTE, SENTENCES, state
from lateralization.tables.registry.columns import TEXT
from lateralization.tables.registry.tables import TABLES

PLACE = ("en", "average")
CLAIM = {
    "language": "en", "subjects": "average", "region": "reliable", "asked_region": "reliable",
    "midline": "strict", "layer": "best_cv", "predictor": "ln_n_parameters", "n_models": 6,
    "n_runs": 9, "n_subjects": 1, "n_families": 1, "family_rule": "", "slope": 0.003, "df": 6.0,
    "share_models": 0.6, "share_runs": 0.4, "share_people": np.nan, "mean_l_minus_r": 0.01,
    "n_left": 4, "n_right": 2, "reason": "",
}  # fmt: skip


def tables_of(**rows):
    """Return all tables, those that are not given without rows."""
    found = {}
    for name, table in TABLES.items():
        given = pd.DataFrame(rows.get(name, []))
        columns = {
            column.name: given.get(
                column.name, pd.Series(dtype=object if column.type == TEXT else float)
            )
            for column in table.columns
        }
        found[name] = pd.DataFrame(columns)
    return found


def claim(difference=(-1, 1), left=(-1, 1), right=(-1, 1), **more):
    """Return the tables of a claim with these limits, in hundredths."""
    limits = {}
    for start, (low, high) in (("", difference), ("left_", left), ("right_", right)):
        limits |= {f"{start}slope_low": low / 100, f"{start}slope_high": high / 100}
    return tables_of(claim=[CLAIM | limits | more])


def headline(tables):
    return [findings.headline(tables, "en", "English")]


def published(low, high, **more):
    """Return the tables of a claim above 0 beside a published slope with these limits."""
    asymmetry = {"language": "en", "subject": "average", "selection": "reliable"}
    row = {
        "language": "en", "subject": "average", "outcome": "l_minus_r_reliable",
        "predictor": "ln_n_parameters", "subset": "all", "layer": "best_voxel",
        "midline": "shared", "slope": (low + high) / 2, "slope_low": low, "slope_high": high,
        "n_models": 6, "r": 0.5, "p": 0.01,
    }  # fmt: skip
    found = claim((1, 2), **more)
    of_rows = tables_of(asymmetry=[asymmetry], regressions=[row])
    return found | {name: of_rows[name] for name in ("asymmetry", "regressions")}


def people(n, slope=None):
    """Return the tables of n individuals, with a slope over them where one is given."""
    names = ["average", *(f"EN{number}" for number in range(n))]
    rows = [{"language": "en", "subject": name, "selection": "whole"} for name in names]
    over = {
        "language": "en", "quantity": "slope_l_minus_r_whole", "layer": "best_voxel",
        "midline": "shared", "mean": 0.01, "ci_low": slope, "ci_high": 0.02,
    }  # fmt: skip
    return tables_of(asymmetry=rows, subjects=[over] if slope is not None else [])


def iscnorm(n):
    """Return the tables of n models with a reliability."""
    each = {"language": "en", "subject": "average", "kind": "model", "layer": "best_voxel",
            "midline": "shared", "n_parameters": 1e6, "left_minus_right": 0.01}  # fmt: skip
    names = ("reliable", "reliable_iscnorm")
    return tables_of(asymmetry=[each | {"selection": name} for name in names for _ in range(n)])


def planted(recovered, rise=0.02, subject="average"):
    """Return the tables of a simulated run."""
    values = [-rise, 0, rise]
    rows = [
        {"language": "en", "subject": subject, "model": f"m{place}", "recovered": recovered,
         "spearman": 0.9, "planted_left_minus_right": value, "world": "demo"}
        for place, value in enumerate(values)
    ]  # fmt: skip
    return tables_of(planted=rows)


def values(*agrees):
    rows = [{"quantity": f"q{place}", "agrees": one} for place, one in enumerate(agrees)]
    return tables_of(published=rows)


def failures(*models):
    return tables_of(
        failures=[{"language": "en", "subject": "EN1", "model": one} for one in models]
    )


def lost(model, n=2):
    row = {"language": "en", "subject": "average", "model": model, "n_voxels": 100,
           "n_left_out": n, "reason": "constant in run 3"}  # fmt: skip
    return tables_of(left_out=[row])


def words(rate):
    return tables_of(models=[{"language": "en", "model": "gpt2", "alignment_rate": rate}])


def about_claim(tables):
    return findings.about_claim(tables, "en")


def elsewhere(known):
    """Return the tables of a claim about reliable voxels that is made in the whole brain."""
    scores = tables_of(scores=[{"language": "en", "subject": "average", "region": known}])
    return claim(region="whole") | {"scores": scores["scores"]}


def about_rule(tables):
    return [findings.about_published_rule(tables, *PLACE)]


def about_ceiling(tables):
    return [findings.about_ceiling(tables, *PLACE)]


def about_people(tables):
    return [findings.about_people(tables, "en")]


def about_published(tables):
    return [findings.about_published(tables, "no counterpart")]


NOTHING = (np.nan, np.nan)
CASES = {
    # name: (who says it, tables under which it is said, tables just beyond its condition)
    "left_gains": (headline, claim((1, 3), left=(1, 3)), claim((1, 3), left=(-1, 3))),
    "right_gains": (headline, claim((-3, -1), right=(1, 3)), claim((-3, -1), right=(-1, 3))),
    "right_loses": (headline, claim((1, 3), right=(-3, -1)), claim((1, 3), right=(-3, 1))),
    "left_loses": (headline, claim((-3, -1), left=(-3, -1)), claim((-3, -1), left=(-3, 1))),
    "difference_rises": (headline, claim((1, 3)), claim((1, 3), left=(1, 3))),
    "difference_falls": (headline, claim((-3, -1)), claim((-3, -1), left=(-3, -1))),
    "no_change": (headline, claim((-1, 3), left=(1, 3)), claim((0.01, 3))),
    "claim_undecided": (headline, claim(NOTHING, reason="4 models, 5 needed"), claim()),
    "nothing_to_claim": (headline, tables_of(), claim()),
    "nobody_to_claim": (headline, claim(n_models=0, reason="nobody is fitted"), tables_of()),
    "shares": (about_claim, claim(), claim(NOTHING)),
    "other_region": (about_claim, elsewhere("reliable"), elsewhere("whole")),
    "no_reliability": (about_claim, elsewhere("whole"), elsewhere("reliable")),
    "published_rule_differs": (
        about_rule, published(-0.02, -0.01), published(-0.02, -0.01, subjects="people"),
    ),
    "published_rule": (about_rule, published(0.01, 0.02), published(-0.02, -0.01)),
    "leaning_in_reliability": (about_ceiling, iscnorm(2), iscnorm(0)),
    "no_people": (about_people, people(0), people(1)),
    "few_people": (about_people, people(2), people(3)),
    "people_without_slope": (about_people, people(3), people(3, 0.01)),
    "slope_over_people": (about_people, people(3, 0.01), people(3, np.nan)),
    "planted_undecided": (findings.about_planted, planted(""), planted("no")),
    "planted_recovered": (findings.about_planted, planted("yes"), planted("no")),
    "planted_missed": (findings.about_planted, planted("no"), planted("yes")),
    "false_alarm": (findings.about_planted, planted("yes", rise=0), planted("no", rise=0)),
    "no_alarm": (findings.about_planted, planted("no", rise=0), planted("yes", rise=0)),
    "planted_in_people": (
        findings.about_planted, planted("yes", subject="EN1"), planted("", subject="EN1"),
    ),
    "published_none": (about_published, values(), values("yes")),
    "published_agree": (about_published, values("yes", "yes"), values("yes", "no")),
    "published_disagree": (about_published, values("yes", "no"), values("yes")),
    "group_lacks": (findings.about_losses, failures(""), failures("gpt2")),
    "fits_failed": (findings.about_losses, failures("gpt2"), failures("")),
    "without_reliability": (findings.about_losses, lost("reliability"), lost("all")),
    "left_out": (findings.about_losses, lost("all"), lost("reliability")),
    "few_words_found": (findings.about_alignment, words(0.9899), words(0.99)),
    "words_found": (findings.about_alignment, words(0.99), words(0.9899)),
}  # fmt: skip


def names(remarks):
    return [remark.name for remark in remarks if remark is not None]


@pytest.mark.parametrize("name", CASES)
def test_it_is_said_under_its_condition_and_not_beyond(name):
    speaker, within, beyond = CASES[name]
    assert name in names(speaker(within))
    assert name not in names(speaker(beyond))
    for remark in [*speaker(within), *speaker(beyond)]:
        if remark is not None:
            assert "nan" not in remark.text
            assert not {"lateralised", "lateralized", "signal"} & set(remark.text.split())


def test_every_sentence_of_these_findings_is_tried_on_both_sides_of_its_condition():
    """Those of the other modules are tried in the test file of each."""
    source = inspect.getsource(findings)
    assert set(CASES) == {name for name in SENTENCES if name in CASES or f'"{name}"' in source} - {
        name for name in SENTENCES if name in BASELINES
    }


BASELINES = {"no_control", "control_leans_more", "model_leans_more", "leans_undecided"}
"""Tried in ``test_controls``."""


def test_a_sentence_has_a_condition_and_ends_as_one():
    for sentence in SENTENCES.values():
        assert sentence.when
        assert sentence.tone in (GOOD, BAD, NOTE)
        assert sentence.words.rstrip("}").endswith((".", "numbers", "lead", "small", "families")), (
            sentence.name
        )
    with pytest.raises(KeyError):
        state("left_gains", models="Larger models")


@pytest.mark.parametrize(
    ("run", "counted", "alone"),
    [("3", "9 runs", "over runs"), ("wheels", "9 stories", "over stories")],
)
def test_numbered_runs_are_runs_and_named_ones_stories(run, counted, alone):
    found = claim()
    rows = tables_of(claim_runs=[{"language": "en", "run": run}, {"language": "fr", "run": "1"}])
    found["claim_runs"] = rows["claim_runs"]
    assert f", {counted} together" in headline(found)[0].text
    (shares,) = [one for one in about_claim(found) if one.name == "shares"]
    assert f"40 % {alone}" in shares.text


MIRROR = {"left_gains": "right_gains", "right_loses": "left_loses",
          "difference_rises": "difference_falls"}  # fmt: skip


@pytest.mark.parametrize("name", MIRROR)
def test_a_result_for_the_right_has_the_tone_of_one_for_the_left(name):
    assert SENTENCES[name].tone == SENTENCES[MIRROR[name]].tone == GOOD


@pytest.mark.parametrize("limits", [NOTHING, (np.nan, 1), (1, 1), (-1, -1), (0, 0), (2, 1)])
def test_without_a_true_interval_nothing_is_supported(limits):
    (told,) = headline(claim(limits, left=(1, 3), reason="nothing was measured"))
    assert told.name == "claim_undecided"
    assert told.tone == NOTE


@pytest.mark.parametrize(
    ("more", "words"),
    [
        ({}, "in English, reliable voxels of this average brain"),
        ({"subjects": "EN057"}, "of EN057 alone"),
        ({"subjects": "people", "n_subjects": 12}, "of 12 people"),
        ({"n_families": 3, "family_rule": "within"}, "Within these 3 families, larger models gain"),
        ({"n_families": 8, "family_rule": "units"}, "over 6 models of 8 families"),
        ({"predictor": "blimp"}, "Models of higher blimp gain more"),
        ({"predictor": "blimp"}, "per unit of blimp"),
        ({"n_left": 0, "n_right": 6}, "0 of 6 models score higher on the left, 6 on the right."),
    ],
)
def test_the_sentence_names_whom_and_what_it_is_about(more, words):
    (told,) = headline(claim((1, 3), left=(1, 3), **more))
    assert words in told.text


@pytest.mark.parametrize(
    ("low", "high", "digits"), [(0.012, 0.024, 2), (0.01, 0.11, 2), (0.001, 0.009, 3), (-4, 5, 0)]
)
def test_a_number_is_no_finer_than_a_tenth_of_its_interval(low, high, digits):
    from lateralization import wording

    assert wording.digits_within(low, high) == digits
    assert 10.0**-digits >= (high - low) / 10 > 10.0 ** -(digits + 1)


def test_a_limit_off_zero_is_not_printed_as_zero():
    from lateralization import wording

    assert wording.interval(0.003, 0.02, 2) == "95 % interval +0.003 to +0.020"
    assert wording.interval(0.0, 0.02, 2) == "95 % interval 0.00 to +0.02"
