"""Tiny language models of two families with tokenizers trained on the story.

Weights are random: what matters is that the models are loaded, tokenise and compute hidden
states as large ones do. The families alternate in size, so that size and family are not
confounded: GPT-2 (learned positions, tied head, several windows per run) and Llama
(rotary positions, a leading special token, head of its own).
"""

from collections.abc import Sequence
from dataclasses import dataclass
from pathlib import Path
from typing import Any

from lateralization.command import progress

END = "<|endoftext|>"
BEGIN = "<|begin_of_text|>"


COMMON_DIRECTION = 4.0
"""Length of the direction that all tokens' embeddings share, over their own spread.

Trained models have one (Ethayarajh, EMNLP 2019). Without it only the wide models could predict
the rate of words from their states, and a response to word rate would look like one to size.
"""


@dataclass(frozen=True)
class TinyModel:
    """What one simulated model is made of.

    Attributes
    ----------
    name
        Folder and model name.
    family
        ``gpt2`` or ``llama``.
    width, layers, heads
        Hidden size, number of blocks, attention heads.
    vocabulary
        Size of the byte-level BPE vocabulary.
    positions
        Longest window: 256 makes a whole chapter need several.
    """

    name: str
    family: str
    width: int
    layers: int
    heads: int
    vocabulary: int
    positions: int

    @property
    def planted_layer(self) -> int:
        """Index of the middle hidden state (0: embeddings), the one that drives the voxels."""
        return (self.layers + 1) // 2


MODELS = (
    TinyModel("tiny-gpt2-small", "gpt2", 16, 2, 2, 600, 256),
    TinyModel("tiny-llama-small", "llama", 20, 2, 2, 600, 1024),
    TinyModel("tiny-gpt2-medium", "gpt2", 24, 4, 2, 600, 256),
    TinyModel("tiny-llama-medium", "llama", 32, 3, 4, 600, 1024),
    TinyModel("tiny-gpt2-large", "gpt2", 40, 4, 4, 600, 256),
    TinyModel("tiny-llama-large", "llama", 48, 4, 4, 600, 1024),
)
"""The models in increasing number of parameters."""


def train_tokenizer(texts: Sequence[str], family: str, vocabulary: int) -> Any:
    """Train a byte-level BPE tokenizer on the story.

    Parameters
    ----------
    texts
        The chapters.
    family
        ``gpt2``: no special token is added to a text; ``llama``: one leads it.
    vocabulary
        Number of entries, the 256 bytes and the special tokens included.

    Returns
    -------
    transformers.PreTrainedTokenizerFast
        A tokenizer that gives character offsets.
    """
    from tokenizers import Tokenizer, decoders, models, pre_tokenizers, processors, trainers
    from transformers import PreTrainedTokenizerFast

    special = [END] if family == "gpt2" else [END, BEGIN]
    tokenizer = Tokenizer(models.BPE())
    tokenizer.pre_tokenizer = pre_tokenizers.ByteLevel(add_prefix_space=False)
    tokenizer.decoder = decoders.ByteLevel()
    trainer = trainers.BpeTrainer(
        vocab_size=vocabulary,
        special_tokens=special,
        initial_alphabet=pre_tokenizers.ByteLevel.alphabet(),
        show_progress=False,
    )
    tokenizer.train_from_iterator(texts, trainer)
    tokenizer.post_processor = processors.ByteLevel(trim_offsets=False)
    if family == "llama":
        begin = (BEGIN, tokenizer.token_to_id(BEGIN))
        tokenizer.post_processor = processors.TemplateProcessing(
            single=f"{BEGIN} $A", special_tokens=[begin]
        )
    return PreTrainedTokenizerFast(
        tokenizer_object=tokenizer, eos_token=END, bos_token=BEGIN if family == "llama" else END
    )


def _configuration(model: TinyModel) -> Any:
    """Return the transformers configuration of a tiny model.

    The initial weights have a standard deviation of 1/(4 sqrt(width)): wide enough that
    layers differ, narrow enough that a hidden state is mostly about its own word. Much
    wider, and attention of random weights smears the story into slow drifts.
    """
    from transformers import GPT2Config, LlamaConfig

    spread = model.width**-0.5 / 4
    if model.family == "gpt2":
        return GPT2Config(
            vocab_size=model.vocabulary,
            n_positions=model.positions,
            n_embd=model.width,
            n_layer=model.layers,
            n_head=model.heads,
            bos_token_id=0,
            eos_token_id=0,
            initializer_range=spread,
        )
    return LlamaConfig(
        vocab_size=model.vocabulary,
        max_position_embeddings=model.positions,
        hidden_size=model.width,
        intermediate_size=3 * model.width,
        num_hidden_layers=model.layers,
        num_attention_heads=model.heads,
        num_key_value_heads=model.heads,
        bos_token_id=1,
        eos_token_id=0,
        tie_word_embeddings=False,
        initializer_range=spread,
    )


def write_model(model: TinyModel, texts: Sequence[str], seed: int, folder: Path) -> int:
    """Write one model in ``save_pretrained`` form and return its number of parameters.

    Parameters
    ----------
    model
        Its architecture.
    texts
        The chapters its tokenizer learns from.
    seed
        Seed of the weights; PyTorch's own generator is left as it was.
    folder
        Where the files go; made when missing.

    Returns
    -------
    int
        Unique parameters, tied weights once.
    """
    import torch
    from transformers import AutoModelForCausalLM
    from transformers.utils import logging

    logging.disable_progress_bar()
    with torch.random.fork_rng(devices=[]):
        torch.manual_seed(1000 * seed + MODELS.index(model))
        network = AutoModelForCausalLM.from_config(_configuration(model))
        embeddings = network.get_input_embeddings().weight.data
        embeddings += COMMON_DIRECTION * embeddings.std() * torch.randn(model.width)
    network.save_pretrained(folder)
    train_tokenizer(texts, model.family, model.vocabulary).save_pretrained(folder)
    return sum(parameter.numel() for parameter in network.parameters())


def write_models(
    models: Sequence[TinyModel], texts: Sequence[str], seed: int, folder: Path
) -> list[int]:
    """Write the models, each in a folder of its name; return their numbers of parameters."""
    return [
        write_model(model, texts, seed, folder / model.name) for model in progress(models, "models")
    ]
