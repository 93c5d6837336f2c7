"""The report's answers on the controls are those of the tables."""

import pandas as pd
import pytest

from helpers.made_runs import MadeRun, write_run
from lateralization.report.findings import about_alignment
from lateralization.report.report import make_report
from lateralization.report.sections import SECTIONS, answers
from lateralization.run_plan import read_plan
from lateralization.tables.lateralize import lateralize
from lateralization.tables.read import read_tables


@pytest.fixture(scope="module")
def made(tmp_path_factory):
    folder = tmp_path_factory.mktemp("controls")
    inputs = write_run(folder / "in", MadeRun(study=True))
    lateralize(inputs, folder / "tables")
    return read_plan(inputs.plan), read_tables(folder / "tables"), folder


@pytest.mark.slow
def test_every_section_on_a_control_answers_in_one_sentence(made):
    plan, tables, _ = made
    report = make_report(plan, tables, {}, [])
    sections = {one["id"]: one for one in report["sections"]}
    shown = [name for name in sections if SECTIONS[name].answer]
    # the made run has no data checks, no run-wise reliability, no joint fits and one person only
    assert shown == ["twins", "score", "trajectories", "specifications"]
    for name in shown:
        (answer,) = sections[name]["answers"]
        assert answer["text"].endswith(".")
        assert "nan" not in answer["text"]
        assert sections[name]["tables"]


@pytest.mark.slow
def test_the_answer_on_the_score_follows_the_table(made):
    _, tables, _ = made
    (told,) = answers("score", tables, [("en", "average")])
    table = tables["controls"]
    table = table[(table["selection"] == "reliable") & (table["layer"] == "best_voxel")
                  & (table["midline"] == "shared")]  # fmt: skip
    partial = table[table["analysis"] == "partial"].set_index("predictor")
    assert f"over {partial.loc['score', 'n_models']} models" in told["text"]
    adds = partial.loc["ln_n_parameters", "p"] < 0.05
    assert told["text"].startswith("Size moves the sides apart") == adds
    families = table[table["analysis"] == "leave_one_family_out"]
    assert sorted(families["left_out"]) == ["Qwen", "gpt2", "made"]
    changed = tables | {"controls": tables["controls"].iloc[:0]}
    assert answers("score", changed, [("en", "average")]) == []


@pytest.mark.slow
def test_models_say_which_revision_was_asked_for(made):
    plan, tables, _ = made
    asked = {model.name: model.revision or "" for model in plan.models}
    assert "step1000" in asked.values()
    rows = tables["models"].drop_duplicates("model").set_index("model")["asked_revision"]
    assert {name: rows[name] for name in asked} == asked


@pytest.mark.slow
def test_of_several_languages_each_sentence_says_of_which(made):
    _, tables, _ = made
    both = {
        name: pd.concat([table, table.assign(language="fr")]) if "language" in table else table
        for name, table in tables.items()
    }
    places = [("en", "average"), ("fr", "average")]
    (alone,) = answers("score", both, places[:1])
    told = answers("score", both, places, {"en": "English", "fr": "French"})
    assert [one["text"] for one in told] == [
        f"{name}: {alone['text']}" for name in ("English", "French")
    ]


@pytest.mark.parametrize(
    ("rate", "said"),
    [(1.0, "All annotated words"), (0.999999, "At least 99.99 % of the annotated words"),
     (0.9951, "At least 99.51 % of the annotated words")],
)  # fmt: skip
def test_one_lost_word_is_not_rounded_away(rate, said):
    rows = pd.DataFrame({"model": ["a", "b"], "alignment_rate": [1.0, rate]})
    (remark,) = about_alignment({"models": rows})
    assert remark.text == f"{said} were found in the text."
