"""Tables as they are read."""

from pathlib import Path

import numpy as np
import pandas as pd

from lateralization.files import read_table, write_table


def test_an_empty_cell_of_text_is_an_empty_text_and_of_numbers_a_missing_one(
    tmp_path: Path,
) -> None:
    table = pd.DataFrame({
        "word": ["null", "", "NA"], "reason": ["", "", ""], "r": [1.5, np.nan, 2.0],
    })  # fmt: skip
    write_table(table, tmp_path / "table.tsv")
    read = read_table(tmp_path / "table.tsv", ("word", "reason", "absent"))
    assert read["word"].tolist() == ["null", "", "NA"]
    assert read["reason"].tolist() == ["", "", ""]
    np.testing.assert_array_equal(read["r"], [1.5, np.nan, 2.0])


def test_a_table_without_rows_has_its_columns(tmp_path: Path) -> None:
    write_table(pd.DataFrame({"word": [], "r": []}), tmp_path / "table.tsv")
    assert list(read_table(tmp_path / "table.tsv", ("word",)).columns) == ["word", "r"]
