"""Parts of scores as ENCODE leaves them, and GATHER run on them."""

import nibabel as nib
import numpy as np

from lateralization.encoding.gather import gather
from lateralization.encoding.parts import Part, write_part
from lateralization.files import write_json
from lateralization.study import GRID_AFFINE, GRID_SHAPE

N_RUNS, N_VOXELS, N_ALPHAS = 9, 12, 16
STORIES = {"stories": [f"run-{run}" for run in range(1, N_RUNS + 1)]}


def made_part(layers, left_out=None, seed=0, told=None):
    rng = np.random.default_rng(seed)
    r = rng.uniform(-1, 1, (len(layers), N_RUNS, N_VOXELS)).astype(np.float32)
    left_out = np.zeros((N_RUNS, N_VOXELS), np.uint8) if left_out is None else left_out
    r[:, :, left_out.any(axis=0)] = np.nan
    alphas = rng.choice(np.logspace(2, 7, N_ALPHAS), (len(layers), N_RUNS))
    validation = rng.uniform(0, 0.2, (len(layers), N_RUNS, N_ALPHAS))
    return Part(r, alphas, validation, np.array(layers), left_out, STORIES | (told or {}))


def write_folder(tmp_path):
    """Write what GATHER takes beside the parts: mask, metadata, model and words."""
    volume = np.zeros(GRID_SHAPE, np.int8)
    volume[17:20, 20:24, 15] = 1
    nib.save(nib.Nifti1Image(volume, GRID_AFFINE), tmp_path / "mask.nii.gz")
    meta = {"language": "en", "subject": "EN057", "model": "gpt2", "id": "x"}
    write_json(meta, tmp_path / "meta.json")
    model = {
        "source": "openai-community/gpt2",
        "requested_revision": "step1000",
        "revision": "abc",
        "seed": 0,
        "n_parameters": 7,
    }
    write_json(model | {"n_layers": 4, "n_hid": 3, "precision": "float32"}, tmp_path / "model.json")
    write_json({"mapping": "reference", "alignment_rate": 1.0}, tmp_path / "words.json")
    return tmp_path


def written(folder, *parts):
    paths = [folder / f"part-{number}.safetensors" for number in range(len(parts))]
    for part, path in zip(parts, paths, strict=True):
        write_part(part, path)
    return paths


def run_gather(folder, paths, **more):
    prefix = str(folder / "lang-en_sub-EN057_model-gpt2")
    gather(paths, folder / "mask.nii.gz", folder / "meta.json", prefix, **more)
    return prefix
