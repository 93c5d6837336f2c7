"""What the extraction computes, re-stated as plainly as possible: the oracle of several tests."""

from pathlib import Path
from typing import Any

import numpy as np
import torch
from transformers import AutoConfig

from helpers import tiny_models
from helpers.keys import by_run, run_keys
from lateralization.language_models.loading import load_config, load_tokenizer, max_length
from lateralization.words.annotation import read_words
from lateralization.words.words import MappedRun, map_words, units

SENTENCES = {
    "en": "The lamp-keeper wasn't afraid of the (very) old road near the river-bank… “Who knows?”, "
    "she said.\n\tEleven geese flew over the naïve baobab 🌹 and I counted the stones one by one; ",
    "fr": "L'allumeur n'avait pas peur de la vieille route, près de l'île… « Qui sait ? », "
    "dit-elle.\n\tOnze oies volaient au-dessus du baobab naïf 🌹 et je comptais les cœurs ; ",
    "cn": "小船在河边等着，没有人看见它。“你从哪里来？”老人问：那天晚上星星特别亮，我数十一只鹅……",
}
LAST = {"en": "nobody saw it.\n", "fr": "personne ne l'a vu.\n", "cn": "谁也没看见。"}

OTHER = {
    "en": {"afraid": "aware", "river-bank": "sea-shore", "flew": "swam", "counted": "painted"},
    "fr": {"peur": "soin", "route": "ville", "volaient": "nageaient", "comptais": "peignais"},
    "cn": {"河边": "海边", "哪里": "这里", "星星": "月亮", "十一": "二十"},
}
"""Words of the other runs: with the same words they would be one story."""

Data = tuple[Path, list[Path], list[str]]


def story(repeats: int, language: str = "en", run: int = 1) -> str:
    """Return a text with everything in it that tokenizers trip over."""
    sentence = SENTENCES[language]
    if run > 1:
        for word, other in OTHER[language].items():
            sentence = sentence.replace(word, other)
    return sentence * repeats + LAST[language]


def spoken(text: str, language: str = "en") -> list[str]:
    """Return the words as an annotation has them."""
    if language == "cn":
        letters = "".join(character for character in text if character.isalnum())
        return [letters[at : at + 2] for at in range(0, len(letters), 2)]
    strip = "().,;?“”«»…🌹\n\t "
    return [word.strip(strip) for word in text.split() if word.strip(strip)]


def write_data(folder: Path, language: str = "en", repeats: tuple[int, ...] = (6, 5)) -> Data:
    """Write an annotation and a text per run; return their paths and the texts."""
    texts = [story(n, language, run) for run, n in enumerate(repeats, start=1)]
    rows = ["word,onset,offset,section"]
    paths = []
    for run, text in enumerate(texts, start=1):
        words = spoken(text, language)
        rows += [f"{word},{i / 2},{i / 2 + 0.4},{run}" for i, word in enumerate(words)]
        paths.append(folder / f"text_{language}_run{run}.txt")
        paths[-1].write_text(text, encoding="utf-8", newline="\n")
    (folder / "words.csv").write_text("\n".join(rows) + "\n", encoding="utf-8")
    return folder / "words.csv", paths, texts


def mapped(model: Path, data: Data, mapping: str, language: str = "en") -> list[MappedRun]:
    """Map the words of all runs, as the command does."""
    words, _ = read_words(data[0], language, None, run_keys(len(data[2])))
    tokenizer = load_tokenizer(model)
    length = max_length(load_config(model), tokenizer, mapping)
    return map_words(
        tokenizer, words, by_run(data[2]), language=language, mapping=mapping, max_length=length
    )


def all_states(model: Path, runs: list[MappedRun]) -> dict[str, list[list[np.ndarray[Any, Any]]]]:
    """Run one window at a time and keep every hidden state: run → window → layer."""
    cls = tiny_models.plain_class(AutoConfig.from_pretrained(model))
    full = cls.from_pretrained(model, dtype=torch.float32).eval()
    kept: dict[str, list[list[np.ndarray[Any, Any]]]] = {}
    for run in runs:
        kept[run.story] = []
        for ids, mask in zip(run.windows.ids, run.windows.mask, strict=True):
            with torch.no_grad():
                out = full(
                    input_ids=torch.tensor(ids[None]),
                    attention_mask=torch.tensor(mask[None]),
                    output_hidden_states=True,
                )
            kept[run.story].append([state[0].numpy() for state in out.hidden_states])
    return kept


def restated(
    model: Path, runs: list[MappedRun], language: str = "en"
) -> dict[str, np.ndarray[Any, Any]]:
    """Average all states of each word's tokens, each token of the text once."""
    kept, result = all_states(model, runs), {}
    for run in runs:
        windows, states = run.windows, kept[run.story]
        places = []
        for number in range(len(windows.ids)):
            content = np.flatnonzero(~windows.special[number])
            places += [
                (number, at) for at in (content if number == 0 else content[windows.stride :])
            ]
        index = {place: i for i, place in enumerate(places)}
        first = [index[tuple(anchor)] for anchor in run.anchors.tolist()]
        ends = [max(b, a + 1) for a, b in zip(first, [*first[1:], len(places)], strict=True)]
        owners = np.array(units(run.words["word"].tolist(), language)[1])
        for layer in range(len(states[0])):
            means = np.array(
                [
                    np.mean([states[w][layer][p] for w, p in places[a:b]], axis=0)
                    for a, b in zip(first, ends, strict=True)
                ]
            )
            result[f"{run.story}/layer-{layer}"] = np.array(
                [means[owners == word].mean(axis=0) for word in range(len(run.words))]
            )
    return result


def assert_equal_vectors(
    found: dict[str, np.ndarray[Any, Any]], expected: dict[str, np.ndarray[Any, Any]]
) -> None:
    """Compare all layers: 1e-5 of the layer's largest value."""
    assert sorted(found) == sorted(expected)
    for name, values in expected.items():
        bound = 1e-5 * np.abs(values).max()
        np.testing.assert_allclose(found[name], values, rtol=0, atol=bound, err_msg=name)
