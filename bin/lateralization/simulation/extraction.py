"""The word vectors of a local model in one call, on the CPU.

A module of its own because it loads torch, which the rest of the simulation does without.
"""

import tempfile
from pathlib import Path

from lateralization.arrays import Array
from lateralization.files import read_tensors
from lateralization.language_models.batches import BATCH_TOKENS, plan_batches, runs_from
from lateralization.language_models.forward import compute
from lateralization.language_models.loading import (
    load_config,
    load_tokenizer,
    load_trunk,
    max_length,
    offline,
)
from lateralization.language_models.untrained import untrained_trunk
from lateralization.language_models.word_vectors import merge
from lateralization.runs import RUN
from lateralization.words.annotation import read_words
from lateralization.words.stories import read_texts
from lateralization.words.words import map_words, window_tensors


def extract_features(
    model_dir: Path,
    annotation: Path,
    texts: list[Path],
    language: str,
    mapping: str = "aligned",
    *,
    seed: int = 0,
) -> dict[str, Array]:
    """Compute the word vectors of a local model in one call, on the CPU.

    Parameters
    ----------
    model_dir : Path
        Folder in ``save_pretrained`` form.
    annotation : Path
        CSV in the data set's form, used without corrections.
    texts : list of Path
        ``text_<language>_run<k>.txt`` of each run.
    language : str
        A code of the data set, ``en``.
    mapping : str
        ``reference`` or ``aligned``.
    seed : int
        0 for the pretrained weights, otherwise random weights with this seed.

    Returns
    -------
    dict of arrays
        ``run-<r>/layer-<k>``, shape (n_words, width), float32.
    """
    offline()
    stories = [f"{RUN}-{run}" for run in range(1, len(texts) + 1)]
    words, _ = read_words(annotation, language, None, stories)
    tokenizer = load_tokenizer(Path(model_dir))
    length = max_length(load_config(Path(model_dir)), tokenizer, mapping)
    told = read_texts(texts, language, stories)
    mapped = map_words(
        tokenizer, words, told, language=language, mapping=mapping, max_length=length
    )
    runs = runs_from(window_tensors(mapped))
    trunk = untrained_trunk(Path(model_dir), seed) if seed else load_trunk(Path(model_dir))
    with tempfile.TemporaryDirectory(prefix="features-") as name:
        folder = Path(name)
        compute(trunk, runs, plan_batches(runs, BATCH_TOKENS["cpu"]), folder)
        merge(runs, folder, folder / "features.safetensors")
        return read_tensors(folder / "features.safetensors")
