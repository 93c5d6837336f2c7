"""Features made elsewhere go through the pipeline like a model, beside a finished run."""

import shutil
from pathlib import Path

import numpy as np
import pandas as pd
import pytest
from safetensors.numpy import load_file

from .conftest import Copy, Run, arguments

pytestmark = pytest.mark.pipeline


def test_activations_given_back_score_as_the_model_they_come_from(
    finished: tuple[Copy, Path, Run], tmp_path: Path
) -> None:
    copy, world, first = finished
    name = min(path.name for path in (world / "models").iterdir())
    written = f"lang-en_model-{name}_activations.safetensors"
    tasks = (Path(task["workdir"]) for task in first.tasks if task["process"] == "ACTIVATIONS")
    states = next(folder / written for folder in tasks if (folder / written).exists())
    own = tmp_path / "my features"
    own.mkdir()
    shutil.copy(states, own / "twin_lang-en_words.safetensors")
    words = pd.read_csv(
        copy.folder / "results" / "lang-en" / "words" / f"{name}.tsv", sep="\t", na_filter=False
    )
    words = words[["run", "word"]].assign(letters=words["word"].str.len())
    words.to_csv(own / "length_lang-en_words.tsv", sep="\t", index=False)

    out = tmp_path / "out"
    given = ("--baselines", "random_vector,word_rate,word_length", "--features", str(own))
    run = copy.run("-resume", *arguments(world, *given, "--outdir", str(out)))
    assert run.exit_status == 0, run.stdout + run.stderr
    ran = [task["process"] for task in run.tasks if task["status"] == "COMPLETED"]
    assert {"ACTIVATIONS", "WORDS", "CLEAN", "MODEL"}.isdisjoint(ran)
    assert ran.count("BASELINES") == 4
    assert ran.count("GATHER") == 6  # features of one's own are fitted to the individual, too

    scores = out / "lang-en" / "scores" / "sub-average"
    for mine, theirs in (("twin", name), ("length", "word_length")):
        found, expected = (load_file(scores / f"{one}_runs.safetensors") for one in (mine, theirs))
        assert found.keys() == expected.keys()
        for key, values in expected.items():
            np.testing.assert_array_equal(found[key], values, key)
    table = pd.read_csv(out / "tables" / "scores.tsv", sep="\t")
    kinds = pd.read_csv(out / "tables" / "asymmetry.tsv", sep="\t").set_index("model")["kind"]
    assert set(kinds[["twin", "length"]]) == {"features"}
    assert set(kinds[["word_rate", "word_length"]]) == {"baseline"}
    assert {"twin", "length"} <= set(table["model"])
    report = (out / "report.html").read_text(encoding="utf-8")
    assert "Features made elsewhere were fitted in the same way: length, twin." in report
    assert "were fitted alone: word_rate, word_length." in report
