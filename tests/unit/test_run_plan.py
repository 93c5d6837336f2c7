"""The plan: what Groovy reads of it is what its dataclasses have, and JSON gives it back whole."""

import re
from collections.abc import Iterator
from dataclasses import fields
from pathlib import Path
from typing import Any

import pytest

from helpers.made_plans import made_baseline, made_language, made_model, made_plan, made_subject
from helpers.tiny_dataset import PROJECT
from lateralization.errors import BadInput
from lateralization.files import read_json, write_json
from lateralization.plan.parameters import load_schema, properties
from lateralization.ridge.choices import Choices
from lateralization.run_plan import (
    Baseline,
    FitPlan,
    LanguagePlan,
    Model,
    Plan,
    SubjectPlan,
    read_plan,
)

READERS = [PROJECT / "main.nf", *(PROJECT / "modules" / f"{name}.nf" for name in (
    "inputs", "fmri", "features", "scores", "shapes", "encode"))]  # fmt: skip
"""The files of the workflow that read the plan."""


def names_of(kind: Any) -> set[str]:
    return {field.name for field in fields(kind)}


NAMES = {
    "plan": names_of(Plan),
    "all": names_of(Plan),
    "entry": names_of(LanguagePlan),
    "person": names_of(SubjectPlan),
    "model": names_of(Model),
    "baseline": names_of(Baseline),
    "parameters": set(properties(load_schema(PROJECT))),
    "encoder": names_of(Choices),
}
"""What the workflow calls a part of the plan → the fields that it has."""

OF_CHANNELS = {"map", "flatMap", "filter"}
"""In a workflow's body ``plan`` is the channel that brings the plan."""


def read_by_groovy(text: str) -> Iterator[tuple[str, str]]:
    """Yield each field that a text in Groovy reads of the plan, with the name of its owner."""
    text = re.sub(r"(?m)(^|\s)//.*$", "", text)
    owner = rf"(?:(?<![\w.'])|(?<=all\.)|(?<=plan\.))({'|'.join(NAMES)})"
    for name, field in re.findall(rf"{owner}(?=\.(\w+))", text):
        if field != "subMap" and not (name == "plan" and field in OF_CHANNELS):
            yield name, field
    for name, chosen in re.findall(rf"{owner}\.subMap\(\[([^\]]*)\]\)", text):
        yield from ((name, field) for field in re.findall(r"'(\w+)'", chosen))
    # ['atlas', 'glove'].findAll { kind -> plan[kind] }
    chosen_by_kind = r"\[([^\]]*)\]\s*\.findAll \{ kind -> (\w+)\[kind\] \}"
    for chosen, name in re.findall(chosen_by_kind, text):
        yield from ((name, field) for field in re.findall(r"'(\w+)'", chosen))
    # computed(<channel>, languages, 'isc'): of the languages for which none is given
    yield from (("entry", field) for field in re.findall(r"languages, '(\w+)'\)", text))


def test_the_workflow_reads_fields_that_the_plan_has() -> None:
    found = {one for path in READERS for one in read_by_groovy(path.read_text(encoding="utf-8"))}
    assert not {(name, field) for name, field in found if field not in NAMES[name]}
    # every name is in use, and each of the forms is read
    assert {name for name, _field in found} == set(NAMES)
    assert {
        *(("all", "truth"), ("plan", "glove"), ("entry", "prosody"), ("entry", "isc")),
        *(("entry", "tr"), ("model", "mapping"), ("parameters", "isc_trials")),
    } <= found


def test_no_other_file_of_the_workflow_takes_the_plan() -> None:
    taken = re.compile(r"(?m)^    plan // |\(plan\)|, plan\) \{")
    takers = {path for path in (PROJECT / "modules").glob("*.nf") if taken.search(path.read_text())}
    assert takers
    assert takers <= set(READERS)


@pytest.mark.parametrize(
    "text",
    ["plan.colour", "all.truth + all.colour", "x = entry.subMap(['tr', 'colour'])",
     "['atlas', 'colour']\n    .findAll { kind -> plan[kind] }",
     "computed(used, languages, 'colour')", "\"${person.colour}\""],
)  # fmt: skip
def test_a_field_that_the_plan_lacks_is_seen(text: str) -> None:
    found = list(read_by_groovy(text))
    assert [field for name, field in found if field not in NAMES[name]] == ["colour"]


def whole_plan() -> Plan:
    """Return a plan with one of everything."""
    subjects = [made_subject("EN901", individual=True), made_subject("EN902")]
    language = made_language(subjects=subjects, annotation={"source": ["a.csv"], "path": "a.csv"})
    return made_plan(
        languages=[language],
        models=[made_model("gpt2", languages=["en"], own_predictors={"en": {"ppl": 20.5}})],
        baselines=[made_baseline("glove", "glove")],
        fits=[FitPlan("en", "average", "gpt2")],
        layers=[0, 6],
        glove={"source": [], "url": "http://hub/glove.zip"},
    )


def test_json_gives_the_plan_back(tmp_path: Path) -> None:
    plan = whole_plan()
    write_json(plan.to_json(), tmp_path / "plan.json")
    again = read_plan(tmp_path / "plan.json")
    assert again == plan
    assert again.to_json() == read_json(tmp_path / "plan.json")
    assert list(again.to_json()) == [field.name for field in fields(Plan)]
    assert again.languages[0].individuals == ["EN901"]


@pytest.mark.parametrize(
    "change", [{"colour": 1}, {"models": [{"name": "gpt2"}]}, {"parameters": "all"}, None]
)
def test_what_is_not_a_plan_is_refused(tmp_path: Path, change: dict[str, Any] | None) -> None:
    content = whole_plan().to_json() | change if change else []
    write_json(content, tmp_path / "plan.json")
    with pytest.raises(BadInput, match=r"plan\.json is not a plan of this release .*VALIDATE"):
        read_plan(tmp_path / "plan.json")


def test_a_parameter_that_the_plan_lacks_is_named(tmp_path: Path) -> None:
    content = whole_plan().to_json()
    del content["parameters"]["context"]
    write_json(content, tmp_path / "plan.json")
    plan = read_plan(tmp_path / "plan.json")
    assert plan.parameters["precision"] == "float32"
    with pytest.raises(BadInput, match="no parameter context; run VALIDATE"):
        _ = plan.parameters["context"]
