"""The registry of tables: all that a new table needs besides its rows."""

import pytest

from lateralization.files import read_json
from lateralization.report.report import reasons
from lateralization.report.sections import SECTIONS
from lateralization.report.tables import all_tables
from lateralization.tables.lateralize import frame, write_tables
from lateralization.tables.read import read_tables
from lateralization.tables.registry.columns import COLUMNS
from lateralization.tables.registry.table import Table
from lateralization.tables.registry.tables import TABLES

NEW = Table(
    "peaks", "Peaks of every fit",
    (COLUMNS["language"], COLUMNS["layer"], COLUMNS["r"]),
    empty="no fit has a peak",
    section="size", title="Peaks", caption="High is good.", shown=("language", "layer", "r"),
    rows={"layer": "12"},
)  # fmt: skip
ROWS = [
    {"language": "en", "layer": "12", "r": 0.5},
    {"language": "", "layer": "best_voxel", "r": 0.25},
]


def test_every_column_is_that_of_a_table():
    assert {name for table in TABLES.values() for name in table.names} == set(COLUMNS)


@pytest.mark.parametrize("table", TABLES.values(), ids=lambda table: table.name)
def test_what_the_report_shows_of_a_table_is_in_it(table):
    assert {*table.shown, *table.rows} <= set(table.names)
    shown = [bool(part) for part in (table.section, table.title, table.caption)]
    assert len(set(shown)) == 1
    assert table.section in {"", "trust", "used", *SECTIONS}


def test_a_new_table_needs_its_rows_and_an_entry_alone(tmp_path, monkeypatch):
    monkeypatch.setitem(TABLES, "peaks", NEW)
    tables = {name: frame(name, ROWS if name == "peaks" else []) for name in TABLES}
    write_tables(tables, {}, tmp_path)
    assert read_json(tmp_path / "peaks.json") == {
        "description": "Peaks of every fit",
        "rows": 2,
        "columns": {name: COLUMNS[name].meaning for name in ("language", "layer", "r")},
    }
    read = read_tables(tmp_path)
    assert read["peaks"].to_dict("records") == ROWS
    (entry,) = all_tables(read)
    assert (entry["section"], entry["title"]) == ("size", "Peaks")
    assert entry["caption"] == "High is good."
    assert entry["rows"] == [["en", "12", 0.5]]
    assert [column["numeric"] for column in entry["columns"]] == [False, False, True]


def test_an_empty_table_has_the_reason_of_the_run_or_its_own(tmp_path, monkeypatch):
    monkeypatch.setitem(TABLES, "peaks", NEW)
    tables = {name: frame(name, []) for name in TABLES}
    write_tables(tables, {"published": "the data are simulated"}, tmp_path)
    why = reasons(tmp_path)
    assert why["peaks"] == "no fit has a peak"
    assert why["published"] == "the data are simulated"
    assert "scores" not in why


def test_layers_of_the_profiles_are_numbers_and_elsewhere_text(tmp_path):
    tables = {name: frame(name, []) for name in TABLES}
    for name in ("layers", "scores"):
        tables[name] = frame(name, [{"layer": "3"}])
    write_tables(tables, {}, tmp_path)
    read = read_tables(tmp_path)
    assert read["layers"]["layer"].tolist() == [3]
    assert read["scores"]["layer"].tolist() == ["3"]
