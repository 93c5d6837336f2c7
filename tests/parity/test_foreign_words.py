"""Words of data sets of other layouts, from their raw transcripts, against what was made by hand.

The scripts of the look-alikes make transcripts and the tables that their users had to make; here
they run without the brain data.
"""

import os
import subprocess
import sys
from pathlib import Path

import numpy as np
import pandas as pd
import pytest

from lateralization.sources.fetch import fetch
from lateralization.words.annotation import read_words
from lateralization.words.by_story import rows_by_story

FOREIGN = Path(__file__).resolve().parents[3] / "shared" / "foreign"
SMALL = """
import runpy, sys
import numpy as np
sys.path.insert(0, sys.argv[1])
import sim
sim.bold = lambda tab, n_scans, *_, **__: np.ones((2, 2, 2, n_scans), np.float32)
sys.argv = sys.argv[2:]
for script in sys.argv[0].split(","):
    runpy.run_path(f"{sys.path[0]}/{script}", run_name="__main__")
"""

pytestmark = pytest.mark.skipif(not FOREIGN.is_dir(), reason="the look-alikes are not here")


def run(folder: Path, scripts: str, *arguments: str) -> None:
    subprocess.run(
        [sys.executable, "-W", "ignore", "-c", SMALL, str(FOREIGN), scripts, *arguments],
        env=os.environ | {"OUT": str(folder)}, check=True, capture_output=True,
    )  # fmt: skip


def annotation(files: dict[str, Path], folder: Path, **more: object) -> pd.DataFrame:
    """Return the words as every stage reads them, after FETCH."""
    pairs = [[key, str(path)] for key, path in files.items()]
    parcel = {"kind": "annotation", "stories": pairs, **more}
    (path,) = fetch(parcel, list(files.values()), folder / "cache", folder / "words")
    return read_words(path, "en", None, list(files))[0]


def texts(files: dict[str, Path], folder: Path, **more: object) -> dict[str, bytes]:
    pairs = [[key, str(path)] for key, path in files.items()]
    parcel = {"kind": "texts", "language": "en", "stories": pairs, **more}
    fetch(parcel, list(files.values()), folder / "cache", folder / "texts")
    return {key: (folder / "texts" / f"text_en_{key}.txt").read_bytes() for key in files}


def by_hand(path: Path) -> dict[int, pd.DataFrame]:
    table = pd.read_csv(path, keep_default_na=False, na_values=[""])
    return {int(number): rows.reset_index(drop=True) for number, rows in table.groupby("section")}


@pytest.mark.slow
def test_words_of_gentle_are_those_that_were_made_by_hand(tmp_path):
    """By hand words that were not found have times between their neighbours'; here they have none.

    All others are equal to the last bit, once the story's beginning is added.
    """
    run(tmp_path, "make_a.py,prep_a.py")
    root, expected = tmp_path / "A", by_hand(tmp_path / "A_prep" / "data" / "words.csv")
    names = ["bronx", "pieman", "tunnel"]  # those that all have heard
    folder = root / "stimuli" / "gentle"
    files = {f"story-{name}": folder / name / "align.json" for name in names}
    found = rows_by_story(annotation(files, tmp_path))
    told = texts({key: path.with_name("transcript.txt") for key, path in files.items()}, tmp_path)
    for number, (key, rows) in enumerate(found.items(), start=1):
        name = key.removeprefix("story-")
        events = pd.read_csv(next(root.glob(f"sub-*/func/*task-{name}_events.tsv")), sep="\t")
        start = events.loc[events["trial_type"] == "story", "onset"].iloc[0]
        times = rows[["onset", "offset"]] + start
        theirs = expected[number]
        lost = np.arange(36, len(theirs), 37)  # the words that the aligner did not find
        aligned = theirs.drop(index=lost)
        assert rows["word"].tolist() == aligned["word"].tolist()
        np.testing.assert_array_equal(times, aligned[["onset", "offset"]])
        by_name = tmp_path / "A_prep" / "texts" / f"text_en_run{number}.txt"
        assert told[key] == by_name.read_bytes()


@pytest.mark.slow
def test_words_of_textgrids_are_those_that_were_made_by_hand(tmp_path):
    names = ["souls", "wheretheressmoke", "adollshouse"]
    run(tmp_path, "make_b.py")
    run(tmp_path, "prep_b_words.py", str(tmp_path / "prepared"), ",".join(names))
    expected = by_hand(tmp_path / "prepared" / "words.csv")
    grids = tmp_path / "B" / "derivative" / "TextGrids"
    files = {f"story-{name}": grids / f"{name}.TextGrid" for name in names}
    found = rows_by_story(annotation(files, tmp_path, tier="word"))
    told = texts(files, tmp_path, tier="word", joined=True)
    for number, (key, rows) in enumerate(found.items(), start=1):
        theirs = expected[number]
        assert rows["word"].tolist() == theirs["word"].tolist()
        np.testing.assert_array_equal(rows[["onset", "offset"]], theirs[["onset", "offset"]])
        by_name = tmp_path / "prepared" / "texts" / f"text_en_run{number}.txt"
        assert told[key] == by_name.read_bytes()
