"""The benchmark of LATERALIZE, FIGURES and REPORT: it runs on a small case and writes its table."""

import subprocess
import sys
from pathlib import Path

import pandas as pd
import pytest

BENCHMARK = Path(__file__).resolve().parents[2] / "benchmarks" / "tables.py"


@pytest.mark.slow
def test_it_measures_the_three_commands(tmp_path):
    command = [sys.executable, BENCHMARK, "--quick", "--cases", "few", "--results", tmp_path]
    subprocess.run(command, check=True)
    rows = pd.read_csv(tmp_path / "tables.tsv", sep="\t").set_index("command")
    assert list(rows.index) == ["lateralize", "figures", "report"]
    assert (rows["fits"] == 5).all()
    assert (rows["seconds"] > 0).all()
    assert (rows["peak_gib"] > 0.05).all()
    assert rows.loc["report", "report_mb"] > 0.1
