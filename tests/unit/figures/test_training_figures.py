"""Which steps make a line over training, and tables that another version made."""

import pandas as pd
import pytest

from helpers.made_runs import MadeRun, write_run
from lateralization.errors import BadInput
from lateralization.figures.training_figures import steps_of
from lateralization.files import read_table, write_table
from lateralization.tables.lateralize import lateralize
from lateralization.tables.read import read_tables


def test_steps_of_two_sources_with_one_name_are_of_two_models():
    models = pd.DataFrame([
        ("a", "labA/pythia-70m", "step0"), ("b", "labA/pythia-70m", "step9"),
        ("c", "labB/pythia-70m", "step0"), ("d", "labB/pythia-70m", ""),
        ("pythia-70m_step3", "labB/pythia-70m", "step3"),
    ], columns=["model", "source", "asked_revision"])  # fmt: skip
    found = steps_of(models[["model"]], models).set_index("model")
    assert found["base"].fillna("").to_dict() == {
        "a": "labA/pythia-70m", "b": "labA/pythia-70m", "c": "pythia-70m", "d": "",
        "pythia-70m_step3": "pythia-70m",
    }  # fmt: skip
    assert found["step"].fillna(-1).tolist() == [0, 9, 0, -1, 3]


def test_a_table_of_another_version_is_refused(tmp_path):
    lateralize(write_run(tmp_path / "in", MadeRun()), tmp_path / "tables")
    path = tmp_path / "tables" / "models.tsv"
    write_table(read_table(path).drop(columns="asked_revision"), path)
    with pytest.raises(BadInput, match=r"models\.tsv has no column asked_revision: another"):
        read_tables(tmp_path / "tables")
