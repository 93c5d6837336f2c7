"""Seeded mutations of each kind of user's file: refused in one line, harmless, or as written.

What changes a value that the format cannot protect (a digit of a table, a byte of data that are
neither compressed nor checksummed) makes another file, which nobody can know: there the reading is
compared with a second one, written here on its own or made by the format's own library. Annotation,
corrections, sheets, manifest, texts, GloVe and dataset.json: `test_fuzz.py`.
"""

import csv
import gzip
import io
import json
import random
import re
import shutil
import zipfile
from pathlib import Path

import joblib
import nibabel as nib
import numpy as np
import pandas as pd
import pytest

from helpers.keys import run_keys
from helpers.mutating import (
    SEEDS,
    VALUES,
    changed_fields,
    close,
    damage,
    header_fields,
    survives,
    table_damage,
)
from lateralization.baselines.confounds import confound
from lateralization.baselines.own_features import read_features
from lateralization.errors import BadInput
from lateralization.fmri.atlas import check_atlas, read_image, read_labels
from lateralization.fmri.joblib_array import read_joblib_array
from lateralization.fmri.reliability import write_given
from lateralization.fmri.resample import check_sources
from lateralization.problems import Problems
from lateralization.sources.bold_headers import read_run
from lateralization.study import GRID_AFFINE, GRID_SHAPE
from lateralization.volumes import load_mask, scan_blocks
from lateralization.words.sources import read_story_words
from lateralization.words.stories import read_text_zip

pytestmark = pytest.mark.slow

COARSE = np.array([[12.0, 0, 0, -78], [0, 12, 0, -108], [0, 0, 12, -72], [0, 0, 0, 1]])


def with_both_forms(data: np.ndarray, affine: np.ndarray, path: Path) -> Path:
    """Write a NIfTI with sform and qform."""
    image = nib.Nifti1Image(data, affine)
    image.set_sform(affine, 4)
    image.set_qform(affine, 4)
    nib.save(image, path)
    return path


# ---- NIfTI -------------------------------------------------------------------------------------


def mask_of(path: Path) -> list[np.ndarray]:
    return list(load_mask(path))


def run_of(path: Path) -> list[np.ndarray]:
    """Read a run as VALIDATE and RESAMPLE do, beside another one of its subject."""
    problems = Problems()
    read_run(path, problems)
    if problems:
        raise BadInput(problems[0])
    images = check_sources([path, path.with_name("other.nii")], ["run-1", "run-2"])
    return [np.concatenate(list(scan_blocks(path)), axis=3), images[0].affine]


def atlas_of(path: Path) -> list[np.ndarray]:
    check_atlas(path, path.with_name("labels.tsv"))
    return list(read_image(path))


@pytest.fixture
def files(tmp_path: Path) -> dict[str, Path]:
    """A mask, a run and an atlas, not compressed."""
    rng = np.random.default_rng(0)
    mask = np.zeros(GRID_SHAPE, np.int8)
    mask[10:27, 20:30, 15:25] = 1
    labels = np.zeros(GRID_SHAPE, np.int16)
    labels[4:18, 8:38, 8:30], labels[19:33, 8:38, 8:30] = 1, 2
    (tmp_path / "labels.tsv").write_text("index\tname\n1\tLeft Insula\n2\tRight Insula\n")
    series = rng.normal(1000, 10, (14, 18, 14, 5)).astype(np.float32)
    with_both_forms(series, COARSE, tmp_path / "other.nii")
    return {
        "mask": with_both_forms(mask, GRID_AFFINE, tmp_path / "mask.nii"),
        "run": with_both_forms(series, COARSE, tmp_path / "run.nii"),
        "atlas": with_both_forms(labels, GRID_AFFINE, tmp_path / "atlas.nii"),
    }


READ = {"mask": mask_of, "run": run_of, "atlas": atlas_of}


@pytest.mark.parametrize("kind", READ)
def test_header_of_a_nifti(kind: str, files: dict[str, Path]) -> None:
    whole = files[kind].read_bytes()

    def as_written(path: Path) -> list[np.ndarray]:
        """Read with nibabel alone; only fields that may define values may have changed them."""
        assert changed_fields(whole, path.read_bytes()) & VALUES
        image = nib.load(path)
        data = np.asanyarray(image.dataobj)
        return [data.astype(bool) if kind == "mask" else data, image.affine]

    tally = survives(files[kind], header_fields, READ[kind], as_written)
    assert tally["equal"]


@pytest.mark.parametrize("kind", READ)
def test_bytes_of_a_compressed_nifti(kind: str, files: dict[str, Path]) -> None:
    """Whatever byte changes: the checksum finds it, or it is one that nothing needs."""
    path = files[kind].with_suffix(".nii.gz")
    path.write_bytes(gzip.compress(files[kind].read_bytes(), random.Random(0).choice([0, 6])))
    survives(path, damage, READ[kind])


@pytest.mark.parametrize("kind", READ)
def test_length_of_a_nifti_that_is_not_compressed(kind: str, files: dict[str, Path]) -> None:
    """What adds or takes bytes; a byte that changes its value has no checksum that could say so."""

    def resized(rng: random.Random, content: bytes) -> bytes:
        mutated = content
        while len(mutated) == len(content):
            mutated = damage(rng, content)
        return mutated

    survives(files[kind], resized, READ[kind])


def reliability_of(path: Path) -> np.ndarray:
    return write_given(path, path.with_name("mask.nii"), str(path.with_name("lang-en")))


@pytest.mark.parametrize("form", ["nifti", "joblib"])
def test_bytes_of_a_given_reliability(form: str, files: dict[str, Path], tmp_path: Path) -> None:
    mask, affine = load_mask(files["mask"])
    values = np.random.default_rng(1).uniform(0.1, 0.9, (3, int(mask.sum())))
    if form == "joblib":
        path = tmp_path / "isc.gz"
        joblib.dump(values, path, compress=("gzip", 1))
    else:
        path, volume = tmp_path / "isc.nii.gz", np.zeros((*GRID_SHAPE, 3))
        volume[mask] = values.T
        nib.save(nib.Nifti1Image(volume, affine), path)
    survives(path, damage, reliability_of)


@pytest.mark.parametrize("compress", [False, 1])
def test_description_of_an_array_in_joblib_s_form(compress: int, tmp_path: Path) -> None:
    """Damage to the description in the first bytes; what is not compressed has no checksum."""
    path = tmp_path / "array.gz"
    array = np.random.default_rng(1).uniform(size=(3, 40))
    joblib.dump(array, path, compress=compress)
    head = path.read_bytes().find(array.tobytes()[:8]) if not compress else 200

    def mutate(rng: random.Random, content: bytes) -> bytes:
        return damage(rng, content[:head]) + content[head:]

    def as_written(path: Path) -> np.ndarray:
        return np.asarray(joblib.load(path))

    survives(path, mutate, read_joblib_array, as_written)


@pytest.mark.parametrize("way", [zipfile.ZIP_STORED, zipfile.ZIP_DEFLATED])
def test_bytes_of_a_zip_of_texts(way: int, tmp_path: Path) -> None:
    path = tmp_path / "texts.zip"
    with zipfile.ZipFile(path, "w", way) as archive:
        for run in (1, 2, 3):
            archive.writestr(f"texts/text_en_run{run}.txt", f"Once upon a time, {run}. " * 40)
    survives(path, damage, lambda path: read_text_zip(path, "en", None, run_keys(3)))


# ---- tables ------------------------------------------------------------------------------------


def cells_of(path: Path) -> tuple[list[str], list[list[str]]]:
    """Read a table with the csv module alone."""
    text = path.read_bytes().decode("utf-8-sig")
    separator = "," if path.suffix == ".csv" else "\t"
    header, *rows = [row for row in csv.reader(io.StringIO(text, newline=""), delimiter=separator)
                     if row]  # fmt: skip
    assert all(len(row) <= len(header) for row in rows)
    return header, rows


def number(cell: str) -> float:
    assert re.fullmatch(r"\s*[+-]?(\d+\.?\d*|\.\d+)([eE][+-]?\d+)?\s*", cell, re.ASCII)
    return float(cell)


@pytest.mark.parametrize("suffix", [".tsv", ".csv"])
def test_labels_of_an_atlas(suffix: str, tmp_path: Path) -> None:
    path, separator = tmp_path / f"labels{suffix}", "," if suffix == ".csv" else "\t"
    rows = [("index", "name"), *((str(i), f"{side} area {i // 2}") for i in range(2, 22, 2)
                                 for side in ("Left",))]  # fmt: skip
    path.write_text("".join(separator.join(row) + "\n" for row in rows))

    def as_written(path: Path) -> dict[int, str]:
        header, rows = cells_of(path)
        named = [dict(zip(header, row, strict=False)) for row in rows]
        assert all(row["name"].strip() for row in named)
        labels = {int(number(row["index"])): row["name"].strip() for row in named}
        return {label: name for label, name in labels.items() if label}  # 0 is no area

    survives(path, table_damage(separator), read_labels, as_written)


@pytest.mark.parametrize("suffix", [".tsv", ".csv"])
def test_a_table_of_features(suffix: str, tmp_path: Path) -> None:
    path, separator = tmp_path / f"own_lang-en_words{suffix}", "," if suffix == ".csv" else "\t"
    rng = np.random.default_rng(0)
    rows = [["run", "word", "pitch", "loud"]]
    rows += [[str(run), f"word{i}", *(f"{value:.3f}" for value in rng.normal(size=2))]
             for run in (1, 2, 3) for i in range(5)]  # fmt: skip
    path.write_text("".join(separator.join(row) + "\n" for row in rows))

    def read(path: Path) -> list:
        found = read_features(path, run_keys(3))
        return [found.runs, found.words]

    def as_written(path: Path) -> list:
        header, rows = cells_of(path)
        assert len(set(header)) == len(header)
        at = {name: place for place, name in enumerate(header)}
        names = [name for name in header if name not in ("run", "word")]
        runs: dict[int, list] = {run: [] for run in (1, 2, 3)}
        words: dict[int, list[str]] = {run: [] for run in (1, 2, 3)}
        for row in rows:
            run = number(row[at["run"]])
            runs[int(run)].append([number(row[at[name]]) for name in names])
            if "word" in at:
                words[int(run)].append(row[at["word"]])
        values = {f"run-{run}": [np.array(found)] for run, found in runs.items()}
        said = {f"run-{run}": found for run, found in words.items()}
        return [values, said if "word" in at else {}]

    survives(path, table_damage(separator), read, as_written)


@pytest.mark.parametrize("suffix", [".tsv", ".csv"])
def test_a_list_of_frequencies(suffix: str, tmp_path: Path) -> None:
    path, separator = tmp_path / f"frequencies{suffix}", "," if suffix == ".csv" else "\t"
    spoken = [f"word{i}" for i in range(12)]
    rows = [("word", "logfreq"), *((word, f"{-i / 7:.4f}") for i, word in enumerate(spoken))]
    path.write_text("".join(separator.join(row) + "\n" for row in rows))
    words = pd.DataFrame({"word": spoken, "row": range(12)})

    def read(path: Path) -> np.ndarray:
        return confound("word_frequency", words, path, path)[0]

    def as_written(path: Path) -> np.ndarray:
        header, rows = cells_of(path)
        assert header.count("word") == header.count("logfreq") == 1
        at = {name: place for place, name in enumerate(header)}
        known: dict[str, float] = {}
        for row in rows:
            cell = row[at["logfreq"]] if len(row) > at["logfreq"] else ""
            try:
                value = number(cell)
            except AssertionError:
                value = np.nan
            known.setdefault(row[at["word"]].lower(), value)
        values = np.array([known.get(word, np.nan) for word in spoken])
        values[~np.isfinite(values)] = values[np.isfinite(values)].mean()
        return values[:, None]

    survives(path, table_damage(separator), read, as_written)


# ---- transcripts -------------------------------------------------------------------------------

TOLD = [(f"word{i}", i / 2, i / 2 + 0.25) for i in range(24)]


def words_of(path: Path) -> list[list]:
    return read_story_words(path)[0][["word", "onset", "offset"]].to_numpy().tolist()


@pytest.mark.parametrize("entries", ["words", "word_segments"])
def test_words_in_json(entries: str, tmp_path: Path) -> None:
    path = tmp_path / "align.json"
    words = [{"word": w, "start": a, "end": b, "case": "success"} for w, a, b in TOLD]
    path.write_text(json.dumps({"transcript": "x", entries: words}, indent=1))

    def as_written(path: Path) -> list[list]:
        content = json.loads(path.read_text("utf-8-sig"))
        found = content.get("words") or content["word_segments"]
        rows = [[one["word"].strip(), one.get("start"), one.get("end")] for one in found
                if one.get("case", "success") == "success"]  # fmt: skip
        return [row for row in rows if row[0] and None not in row]

    survives(path, damage, words_of, as_written)


def test_words_in_a_textgrid(tmp_path: Path) -> None:
    path = tmp_path / "a.TextGrid"
    lines = ['File type = "ooTextFile"', 'Object class = "TextGrid"', "", "xmin = 0", "xmax = 20"]
    lines += ["tiers? <exists>", "size = 1", "item []:", "    item [1]:"]
    lines += ['        class = "IntervalTier"', '        name = "word"', "        xmin = 0"]
    lines += ["        xmax = 20", f"        intervals: size = {len(TOLD)}"]
    for place, (word, begin, end) in enumerate(TOLD, start=1):
        lines += [f"        intervals [{place}]:", f"            xmin = {begin:.3f}"]
        lines += [f"            xmax = {end:.3f}", f'            text = "{word}"']
    path.write_text("\n".join(lines) + "\n")

    def as_written(path: Path) -> list[list]:
        """Read numbers and strings after the tier's header, three by three."""
        text = path.read_bytes().decode("utf-8-sig").split("size =", 2)[2]
        parts = re.findall(r'(?<!\S)"((?:[^"]|"")*)"|(?<!\S)([-+]?\d[\d.]*)(?!\S)', text)
        size, *tokens = [string or number for string, number in parts]
        assert len(tokens) == 3 * int(size)
        rows = zip(tokens[2::3], map(float, tokens[::3]), map(float, tokens[1::3]), strict=True)
        return [[word.strip(), begin, end] for word, begin, end in rows if word.strip()]

    survives(path, damage, words_of, as_written)


# ---- safetensors and models --------------------------------------------------------------------

FIXTURE = Path(__file__).parents[1] / "fixtures" / "models" / "gpt2-fixture"
TEXT = "Once when I was six years old I saw a magnificent picture."


def header_damage(rng: random.Random, content: bytes) -> bytes:
    """Damage the description in front of the numbers, its length, or the length of the file."""
    size = 8 + int.from_bytes(content[:8], "little")
    if rng.random() < 0.3:
        return content[: rng.randrange(len(content))] if rng.random() < 0.5 else content + b"\0" * 8
    return damage(rng, content[:size]) + content[size:]


def test_features_in_safetensors(tmp_path: Path) -> None:
    from safetensors.numpy import load_file, save_file

    path = tmp_path / "own_lang-en_words.safetensors"
    rng = np.random.default_rng(0)
    save_file({f"run-{run}/layer-{layer}": rng.normal(size=(5, 3)).astype(np.float32)
               for run in (1, 2, 3) for layer in (0, 1)}, path)  # fmt: skip

    def read(path: Path) -> dict:
        return read_features(path, run_keys(3)).runs

    def as_written(path: Path) -> dict:
        found = load_file(path)
        assert len(found) == 6
        return {run: [found[f"{run}/layer-{layer}"] for layer in (0, 1)] for run in run_keys(3)}

    survives(path, header_damage, read, as_written)


@pytest.fixture
def model(tmp_path: Path) -> Path:
    folder = tmp_path / "model"
    shutil.copytree(FIXTURE, folder)
    return folder


def states_of(path: Path) -> np.ndarray:
    """Read a text with the product: check of the folder, tokenizer, weights, hidden states."""
    import torch

    from lateralization.language_models.loading import call_model, load_model, load_tokenizer
    from lateralization.plan.model_folder import check_model_folder

    problems = Problems()
    check_model_folder(path.parent, pickles=False, trained=True, problems=problems)
    if problems:
        raise BadInput(problems[0])
    tokens = load_tokenizer(path.parent)(TEXT, return_offsets_mapping=True)
    network = load_model(path.parent)
    with torch.no_grad():
        found = call_model(
            network, input_ids=torch.tensor([tokens["input_ids"]]), output_hidden_states=True
        )
    return torch.stack(found.hidden_states).numpy()


def library_s_states(path: Path) -> np.ndarray:
    """Read a text with transformers alone."""
    import torch
    from transformers import AutoModel, AutoTokenizer

    tokens = AutoTokenizer.from_pretrained(path.parent, local_files_only=True)(TEXT)
    network, info = AutoModel.from_pretrained(
        path.parent, local_files_only=True, dtype=torch.float32, output_loading_info=True
    )
    assert not info["missing_keys"]
    with torch.no_grad():
        found = network.eval()(
            input_ids=torch.tensor([tokens["input_ids"]]), output_hidden_states=True
        )
    return torch.stack(found.hidden_states).numpy()


def json_damage(rng: random.Random, content: bytes) -> bytes:
    """Damage the text, or one value of the JSON."""
    if rng.random() < 0.4:
        return damage(rng, content)
    told = json.loads(content)
    place = told
    while True:
        key = rng.choice(list(place) if isinstance(place, dict) else range(len(place)))
        if not isinstance(place[key], dict | list) or not place[key] or rng.random() < 0.3:
            break
        place = place[key]
    odd = [None, True, -1, 0, 10**30, "", "x", [], {}, float("nan"), "../x", 1e-30, 2.5]
    if rng.random() < 0.3:
        del place[key]
    else:
        place[key] = rng.choice(odd)
    return json.dumps(told).encode()


@pytest.mark.parametrize(
    ("name", "mutate"),
    [("model.safetensors", header_damage), ("config.json", json_damage),
     ("tokenizer.json", json_damage)],
)  # fmt: skip
def test_a_model_s_folder(name: str, mutate, model: Path) -> None:
    seeds = min(SEEDS, max(50, SEEDS // 20))  # each loads a model twice
    survives(model / name, mutate, states_of, library_s_states, close, seeds)
