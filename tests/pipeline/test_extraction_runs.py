"""One run in which models are read by two processes each, with surprisal and published states."""

import json
from pathlib import Path

import numpy as np
import pandas as pd
import pytest

from lateralization.batches import runs_from
from lateralization.files import read_table, read_tensors

from .conftest import Copy, Run, arguments, copy_project, isolation


def models_of(world: Path) -> list[Path]:
    """The world's first model, and one whose window is so short that it has many."""
    from transformers import AutoConfig, AutoModelForCausalLM, AutoTokenizer

    first = sorted((world / "models").iterdir())[0]
    short = world / "short windows" / "short"
    if not short.exists():
        config = AutoConfig.from_pretrained(first, n_positions=66)
        AutoModelForCausalLM.from_config(config).save_pretrained(short)
        AutoTokenizer.from_pretrained(first).save_pretrained(short)
    return [first, short]


@pytest.fixture(scope="module")
def done(tmp_path_factory: pytest.TempPathFactory, small_world: Path) -> tuple[Copy, Run]:
    copy = copy_project(tmp_path_factory.mktemp("ranks") / "project")
    given = ("--gpus", "2", "--surprisal", "yes", "--publish_activations", "yes")
    given += ("--baselines", "none", "--subjects", "average")
    given += ("--models", ",".join(str(path) for path in models_of(small_world)))
    run = copy.run(*arguments(small_world, *given), prefix=isolation())
    assert run.exit_status == 0, run.stdout + run.stderr
    return copy, run


def task_folders(copy: Copy) -> list[Path]:
    return [path.parent for path in copy.folder.glob("work/*/*/*_activations.json")]


def test_models_with_many_windows_were_read_by_two_processes(done: tuple[Copy, Run]) -> None:
    ranks = {}
    for folder in task_folders(done[0]):
        sidecar = json.loads(next(folder.glob("*_activations.json")).read_text())
        log = (folder / ".command.err").read_text()
        plan, n_ranks = sidecar["plan"], sidecar["ranks"]
        ranks[sidecar["name"]] = n_ranks
        assert n_ranks == (2 if plan["windows"] >= 16 else 1)
        assert plan["reason"] in log
        for rank in range(n_ranks):
            line = next(text for text in log.splitlines() if f"rank {rank} of {n_ranks}" in text)
            assert int(line.split(": ")[-1].split()[0]) > 0, line
    assert set(ranks.values()) == {1, 2}, ranks


def test_two_processes_gave_what_one_gives(done: tuple[Copy, Run], small_world: Path) -> None:
    """The same words from the same model, in this process alone."""
    from lateralization.batches import plan_batches
    from lateralization.forward import compute
    from lateralization.models import load_trunk
    from lateralization.word_vectors import merge

    places = {path.name: path for path in models_of(small_world)}
    for folder in task_folders(done[0]):
        name = json.loads(next(folder.glob("*_activations.json")).read_text())["name"]
        runs = runs_from(read_tensors(next(folder.glob("*_windows.safetensors"))))
        parts = folder.parent / f"again-{name}"
        parts.mkdir()
        trunk = load_trunk(places[name])
        compute(trunk, runs, plan_batches(runs, 1000), parts)
        merge(runs, parts, parts / "out.safetensors")
        expected = read_tensors(parts / "out.safetensors")
        found = read_tensors(done[0].folder / f"results/lang-en/activations/{name}.safetensors")
        assert found.keys() == expected.keys()
        for key, values in expected.items():
            np.testing.assert_allclose(found[key], values, rtol=0, atol=2e-6 * np.abs(values).max())


def test_surprisal_is_published_word_for_word(done: tuple[Copy, Run]) -> None:
    results = done[0].folder / "results" / "lang-en"
    names = sorted(path.name for path in (results / "surprisal").iterdir())
    assert names == sorted(path.name for path in (results / "words").iterdir())
    for name in names:
        words = read_table(results / "words" / name, ("word", "text"))
        table = read_table(results / "surprisal" / name, ("word",))
        pd.testing.assert_frame_equal(table[["run", "word"]], words[["run", "word"]])
        assert (table["surprisal"].dropna() > 0).all()
        assert table["surprisal"].isna().sum() <= table["run"].nunique()
