"""The benchmark of downloads runs, and writes what it is read for."""

import shutil
import subprocess
import sys

import pandas as pd
import pytest

from helpers.tiny_dataset import PROJECT


@pytest.mark.slow
@pytest.mark.skipif(shutil.which("curl") is None, reason="no curl to compare with")
def test_every_contender_has_its_rate(tmp_path):
    line = [sys.executable, PROJECT / "benchmarks" / "fetching.py", "--quick", "--repeats", "1"]
    subprocess.run([*line, "--results", tmp_path], check=True, capture_output=True)
    table = pd.read_csv(tmp_path / "fetching.tsv", sep="\t")
    assert set(table["files"]) == {"large files", "files a quarter as large", "many small files"}
    rates = [name for name in table if name.endswith("_mb_per_s")]
    assert len(rates) == 7
    assert (table[rates] > 0).all(axis=None)
    assert table["ours_over_curl"].to_numpy() == pytest.approx(
        (table["ours_mb_per_s"] / table["curl_mb_per_s"]).to_numpy(), rel=0.1, abs=0.02
    )
    assert (tmp_path / "fetching.svg").stat().st_size > 1000
