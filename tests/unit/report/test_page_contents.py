"""Nothing that the page once said is lost: each sentence, table and figure of a list is reachable.

``page_contents.json`` lists them. One is taken from it only where it is given up on purpose.
"""

import re
from html.parser import HTMLParser
from pathlib import Path

import pytest

from helpers.made_runs import MadeRun, write_run
from lateralization.figures.figures import FIGURES, draw_all
from lateralization.files import read_json
from lateralization.report.report import write_report
from lateralization.report.sentences import SENTENCES
from lateralization.tables.lateralize import lateralize
from lateralization.tables.registry.tables import TABLES

ROOT = Path(__file__).parents[3]
LISTED = read_json(ROOT / "tests" / "fixtures" / "page_contents.json")
VOID = {"meta", "link", "br", "img", "input"}


class Page(HTMLParser):
    """The elements of a page, each with its attributes and those around it."""

    def __init__(self, text):
        super().__init__()
        self.around, self.found, self.words = [], [], []
        self.feed(text)

    def handle_starttag(self, tag, attrs):
        element = {"tag": tag, "around": list(self.around), **dict(attrs)}
        self.found.append(element)
        if tag not in VOID:
            self.around.append(element)

    def handle_endtag(self, tag):
        while self.around and self.around.pop()["tag"] != tag:
            pass

    def handle_data(self, data):
        self.words.append(data)

    @property
    def text(self):
        return re.sub(r"\s+", " ", "".join(self.words))

    def of(self, **attributes):
        return [
            one for one in self.found
            if all(one.get(name) == value for name, value in attributes.items())
        ]  # fmt: skip


@pytest.fixture(scope="module")
def made(tmp_path_factory):
    folder = tmp_path_factory.mktemp("contents")
    run = MadeRun(study=True, truth=True, subjects=("average", "EN901", "EN902", "EN903"))
    inputs = write_run(folder / "in", run)
    lateralize(inputs, folder / "tables")
    draw_all(folder / "tables", folder / "figures")
    out = folder / "report.html"
    template = ROOT / "assets" / "report.html.j2"
    write_report(inputs.plan, folder / "tables", folder / "figures", template, out)
    return Page(out.read_text(encoding="utf-8")), read_json(folder / "report.json")


def test_what_is_on_the_list_can_still_be_said_and_shown():
    assert set(LISTED["sentences"]) <= set(SENTENCES)
    assert set(LISTED["tables"]) <= {name for name, table in TABLES.items() if table.section}
    assert set(LISTED["figures"]) <= {figure.name for figure in FIGURES}
    assert [len(LISTED[kind]) for kind in ("sentences", "tables", "figures")] == [86, 28, 62]


@pytest.mark.slow
def test_every_sentence_that_is_said_is_in_the_page(made):
    page, report = made
    remarks = [*report["trust"]["remarks"], *(one["answer"] for one in report["results"])]
    remarks += [remark for result in report["results"] for remark in result["remarks"]]
    remarks += [remark for section in report["sections"] for remark in section["answers"]]
    assert len(remarks) > 12
    for text in [*(remark["text"] for remark in remarks), *report["not_tested"]]:
        assert re.sub(r"\s+", " ", text) in page.text


@pytest.mark.slow
def test_every_table_is_in_the_page_or_has_a_reason(made):
    page, report = made
    for name in LISTED["tables"]:
        assert page.of(id=f"table-{name}") or name in report["empty_tables"], name


@pytest.mark.slow
def test_every_figure_is_in_the_page_or_has_a_reason(made):
    page, _ = made
    for name in LISTED["figures"]:
        drawn = page.of(id=f"figure-en-{name}")
        reason = f"Not drawn: {name.replace('_', ' ')} ("
        assert bool(drawn) != (reason in page.text), name


@pytest.mark.slow
def test_every_figure_of_several_has_a_button_that_chooses_it(made):
    page, _ = made
    choosers = page.of(**{"class": "chooser"})
    assert len(choosers) >= 8
    for chooser in choosers:
        inside = [one for one in page.found if chooser in one["around"]]
        radios = [one for one in inside if one.get("type") == "radio"]
        shown = [one for one in inside if one.get("class") == "panel"]
        assert [one["value"] for one in radios] == [str(place) for place in range(len(shown))]
        assert ["checked" in one for one in radios] == [place == 0 for place in range(len(shown))]
        labelled = {one.get("for") for one in inside if one["tag"] == "label"}
        assert labelled == {one["id"] for one in radios}
    alone = [
        one["id"] for one in page.found
        if one.get("class") == "one" and not any(a.get("class") == "panel" for a in one["around"])
    ]  # fmt: skip
    assert "figure-en-claim" in alone
    rules = re.findall(r'input\[value="(\d+)"\]:checked', page.text)
    most = max(len(page.of(name=f"figure-of-{one['id'][8:]}")) for one in choosers)
    assert rules == [str(place) for place in range(most)]


@pytest.mark.slow
def test_the_first_screen_names_what_a_reader_asks_first(made):
    page, report = made
    first = page.text.rpartition("How far to trust it")[0].partition("Skip to the answer")[2]
    names = [fact["name"] for fact in report["facts"]]
    assert names == ["Data set", "Heard", "People", "Models", "Date", "Commit", "Version"]
    values = {fact["name"]: fact["value"] for fact in report["facts"]}
    assert values["Heard"] == "9 runs of 6 people"
    assert values["People"] == "6"
    assert values["Commit"] == "not known"
    assert re.fullmatch(r"\d{4}-\d\d-\d\d", values["Date"])
    for value in (*values.values(), report["question"]):
        assert value in first
    assert report["title"] == "Simulated data: left minus right against ln N, reliable voxels"
    assert report["title"] in page.text
