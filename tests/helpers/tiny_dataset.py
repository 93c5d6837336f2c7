"""A data set of the layout, as small as the checks allow: for tests of planning and fetching."""

import gzip
from pathlib import Path

import nibabel
import numpy as np

from lateralization.sources.description import read_description

PROJECT = Path(__file__).resolve().parents[2]
ASSETS = PROJECT / "assets"
STUDY = read_description(ASSETS / "ds003643.json", ASSETS / "dataset.schema.json")
ANNOTATION = STUDY.languages["en"].annotation
AFFINE = np.array([[30.0, 0, 0, -60], [0, 30, 0, -90], [0, 0, 30, -50], [0, 0, 0, 1]])
SCANS = (31, 32, 33, 34, 35, 36, 37, 38, 39)


def write_run(path: Path, n_scans: int, shape=(4, 4, 4), affine=AFFINE, seed=0) -> None:
    """Write one run of noise."""
    path.parent.mkdir(parents=True, exist_ok=True)
    data = np.random.default_rng(seed).normal(100, 5, (*shape, n_scans)).astype(np.float32)
    nibabel.save(nibabel.Nifti1Image(data, affine), path)


def run_path(root: Path, subject: str, number: int) -> Path:
    code = subject[:2]
    name = (
        f"sub-{subject}_task-lpp{code}_run-{number:02d}_space-MNIColin27_desc-preproc_bold.nii.gz"
    )
    return root / "derivatives" / f"sub-{subject}" / "func" / name


def spoken(run: int) -> list[str]:
    """Return the words of a run, other ones in every run."""
    return [f"word{i}{'' if run == 1 else 'abcdefgh'[run - 2]}" for i in range(20)]


def write_annotation(root: Path, code: str = "EN") -> Path:
    path = root / "annotation" / code / f"lpp{code}_word_information.csv"
    path.parent.mkdir(parents=True, exist_ok=True)
    rows = ["word,onset,offset,section"]
    rows += [
        f"{word},{i + 0.5},{i + 0.9},{run}"
        for run in range(1, 10)
        for i, word in enumerate(spoken(run))
    ]
    rows += [",,,"]
    path.write_text("\n".join(rows) + "\n", encoding="utf-8")
    return path


def write_dataset(root: Path, subjects=("EN901", "EN902"), scans=SCANS, first_run=7) -> Path:
    """Write subjects with nine runs each, whose numbers do not start at 1."""
    for number, subject in enumerate(subjects):
        for i, n_scans in enumerate(scans):
            write_run(run_path(root, subject, first_run + i), n_scans, seed=100 * number + i)
    write_annotation(root)
    return root


def write_texts(folder: Path, language: str = "en") -> Path:
    folder.mkdir(parents=True, exist_ok=True)
    for run in range(1, 10):
        words = " ".join(spoken(run))
        text = f"Chapter {run}. Le « petit » prince — ‘said’ “so”: {words}.\n"
        (folder / f"text_{language}_run{run}.txt").write_text(text, encoding="utf-8")
    return folder


def write_model(folder: Path, model_type: str = "gpt2") -> Path:
    """Write what looks like a saved model: the files, not their meaning."""
    folder.mkdir(parents=True, exist_ok=True)
    (folder / "config.json").write_text(f'{{"model_type": "{model_type}"}}')
    (folder / "tokenizer.json").write_text("{}")
    header = b'{"w":{"dtype":"F32","shape":[2],"data_offsets":[0,8]}}'
    content = len(header).to_bytes(8, "little") + header + bytes(8)
    (folder / "model.safetensors").write_bytes(content)
    return folder


def truncate(path: Path, share: float = 0.6) -> None:
    content = path.read_bytes()
    path.write_bytes(content[: int(len(content) * share)])


def gz(content: bytes) -> bytes:
    return gzip.compress(content, mtime=0)
