"""Tiny random models of the real classes with trained tokenizers of the real kinds.

Each is written in save_pretrained form. No weights are downloaded: what is tested is that the
pipeline reads each architecture as its own code computes it.
"""

from collections.abc import Callable, Sequence
from functools import partial
from pathlib import Path
from typing import Any

import torch
import transformers
from tokenizers import (
    Tokenizer,
    decoders,
    models,
    normalizers,
    pre_tokenizers,
    processors,
    trainers,
)
from transformers import AutoModel, AutoModelForCausalLM, PreTrainedTokenizerFast

WIDTH = 16


def byte_level(
    texts: Sequence[str], lead: str = "", tail: str = "", pad: bool = False
) -> PreTrainedTokenizerFast:
    """Byte-level BPE: bare as GPT-2, with a leading token as OPT and Llama-3, or with two."""
    inner = Tokenizer(models.BPE())
    inner.pre_tokenizer = pre_tokenizers.ByteLevel(add_prefix_space=False)
    inner.decoder = decoders.ByteLevel()
    special = list(dict.fromkeys(["</s>", "<pad>", *filter(None, (lead, tail))]))
    trainer = trainers.BpeTrainer(
        vocab_size=400,
        special_tokens=special,
        initial_alphabet=pre_tokenizers.ByteLevel.alphabet(),
        show_progress=False,
    )
    inner.train_from_iterator(texts, trainer)
    if lead or tail:
        inner.post_processor = processors.TemplateProcessing(
            single=" ".join(filter(None, (lead, "$A", tail))),
            special_tokens=[(token, special.index(token)) for token in {lead, tail} - {""}],
        )
    named = {"pad_token": "<pad>"} if pad else {}
    return PreTrainedTokenizerFast(tokenizer_object=inner, eos_token=tail or "</s>", **named)


def sentencepiece(texts: Sequence[str], side: str = "right") -> PreTrainedTokenizerFast:
    """BPE with prefix space, byte fallback and a leading special token, as Llama."""
    bytes_ = [f"<0x{byte:02X}>" for byte in range(256)]
    inner = Tokenizer(models.BPE(byte_fallback=True, unk_token="<unk>", fuse_unk=True))
    inner.normalizer = normalizers.Sequence(
        [normalizers.Prepend("▁"), normalizers.Replace(" ", "▁")]
    )
    # SentencePiece never joins two words into one token
    inner.pre_tokenizer = pre_tokenizers.Split("▁", "merged_with_next")
    trainer = trainers.BpeTrainer(
        vocab_size=600,
        special_tokens=["<unk>", "<s>", "</s>", *bytes_],
        limit_alphabet=40,
        show_progress=False,
        max_token_length=8,
    )
    inner.train_from_iterator([text.replace("\n", " ") for text in texts], trainer)
    inner.post_processor = processors.TemplateProcessing(
        single="<s> $A", special_tokens=[("<s>", 1)]
    )
    return PreTrainedTokenizerFast(
        tokenizer_object=inner, bos_token="<s>", eos_token="</s>", padding_side=side
    )


def unigram(texts: Sequence[str]) -> PreTrainedTokenizerFast:
    """SentencePiece's unigram model with its normaliser, as XLM-RoBERTa; no byte fallback."""
    inner = Tokenizer(models.Unigram())
    inner.normalizer = normalizers.Sequence([normalizers.Nmt(), normalizers.NFKC()])
    inner.pre_tokenizer = pre_tokenizers.Sequence(
        [pre_tokenizers.WhitespaceSplit(), pre_tokenizers.Metaspace()]
    )
    special = ["<s>", "<pad>", "</s>", "<unk>"]
    trainer = trainers.UnigramTrainer(
        vocab_size=200, special_tokens=special, unk_token="<unk>", show_progress=False
    )
    inner.train_from_iterator(texts, trainer)
    inner.post_processor = processors.TemplateProcessing(
        single="<s> $A </s>", special_tokens=[("<s>", 0), ("</s>", 2)]
    )
    return PreTrainedTokenizerFast(
        tokenizer_object=inner, unk_token="<unk>", eos_token="</s>", pad_token="<pad>"
    )


def across_words(texts: Sequence[str]) -> PreTrainedTokenizerFast:
    """BPE that nothing keeps from joining words: a token may hold several."""
    inner = Tokenizer(models.BPE(unk_token="<unk>"))
    trainer = trainers.BpeTrainer(
        vocab_size=900, special_tokens=["<unk>", "</s>"], max_token_length=12, show_progress=False
    )
    inner.train_from_iterator(texts, trainer)
    return PreTrainedTokenizerFast(tokenizer_object=inner, unk_token="<unk>", eos_token="</s>")


def wordpiece(texts: Sequence[str]) -> PreTrainedTokenizerFast:
    """WordPiece with CLS and SEP, as BERT: every Chinese character is a token."""
    inner = Tokenizer(models.WordPiece(unk_token="[UNK]"))
    inner.normalizer = normalizers.BertNormalizer(lowercase=True)
    inner.pre_tokenizer = pre_tokenizers.BertPreTokenizer()
    trainer = trainers.WordPieceTrainer(
        vocab_size=300, special_tokens=["[PAD]", "[UNK]", "[CLS]", "[SEP]"], show_progress=False
    )
    inner.train_from_iterator(texts, trainer)
    inner.post_processor = processors.TemplateProcessing(
        single="[CLS] $A [SEP]", special_tokens=[("[CLS]", 2), ("[SEP]", 3)]
    )
    return PreTrainedTokenizerFast(
        tokenizer_object=inner, pad_token="[PAD]", cls_token="[CLS]", sep_token="[SEP]"
    )


def _gpt2(size: int, positions: int) -> Any:
    return transformers.GPT2Config(
        n_embd=WIDTH, n_layer=2, n_head=2, n_positions=positions, vocab_size=size
    )


def _opt(size: int, positions: int, **more: Any) -> Any:
    shape = {"hidden_size": WIDTH, "num_hidden_layers": 2, "num_attention_heads": 2, "ffn_dim": 32}
    shape |= {"word_embed_proj_dim": WIDTH, "pad_token_id": 1, "vocab_size": size} | more
    return transformers.OPTConfig(max_position_embeddings=positions, **shape)


def _bart(size: int, positions: int) -> Any:
    """Return the configuration of a decoder that its class takes from an encoder–decoder's."""
    shape: dict[str, Any] = {"d_model": WIDTH, "encoder_layers": 2, "decoder_layers": 2}
    shape |= {f"{part}_attention_heads": 2 for part in ("encoder", "decoder")}
    shape |= {"encoder_ffn_dim": 32, "decoder_ffn_dim": 32, "vocab_size": size}
    return transformers.BartConfig(max_position_embeddings=positions, **shape)


def _decoder(name: str, size: int, positions: int, **more: Any) -> Any:
    """Return the configuration of a class whose arguments have Llama's names."""
    shape = {"hidden_size": WIDTH, "num_hidden_layers": 2, "num_attention_heads": 2}
    shape |= {"intermediate_size": 32, "vocab_size": size, "max_position_embeddings": positions}
    return getattr(transformers, f"{name}Config")(**shape, **more)


def _mamba(name: str, size: int, positions: int, **more: Any) -> Any:
    shape = {"hidden_size": WIDTH, "num_hidden_layers": 2, "state_size": 4, "vocab_size": size}
    return getattr(transformers, f"{name}Config")(**shape, **more)


def _gemma3(size: int, positions: int) -> Any:
    """Nest the text configuration beside that of a vision tower, as Gemma-3 from 4B on does."""
    text = _decoder("Gemma3Text", size, positions, num_key_value_heads=1, head_dim=8)
    vision = {"hidden_size": 8, "num_hidden_layers": 1, "num_attention_heads": 2}
    vision |= {"intermediate_size": 8, "image_size": 28, "patch_size": 14}
    return transformers.Gemma3Config(text_config=text.to_dict(), vision_config=vision)


ENDS = {"bos_token_id": 0, "eos_token_id": 0, "pad_token_id": 1}
GROUPED = {"num_key_value_heads": 1}
LOCAL = ["sliding_attention", "full_attention"]
HEADS = GROUPED | {"head_dim": 8}
EXPERTS = {"num_experts": 4, "num_experts_per_tok": 2, "moe_intermediate_size": 8}
CLS = {"cls_token_id": 2, "sep_token_id": 3, "bos_token_id": 2, "eos_token_id": 3}

bare = byte_level
opening = partial(byte_level, lead="</s>", pad=True)
llama3 = partial(byte_level, lead="<|begin_of_text|>")
roberta = partial(byte_level, lead="<s>", tail="</s>", pad=True)
cls_sep = partial(byte_level, lead="[CLS]", tail="[SEP]", pad=True)

Maker = tuple[Callable[..., Any], Callable[..., PreTrainedTokenizerFast]]

KINDS: dict[str, Maker] = {
    "gpt2": (_gpt2, bare),
    "gpt2-chinese": (_gpt2, wordpiece),
    "gpt2-french": (_gpt2, roberta),
    "opt": (_opt, opening),
    "opt-projected": (partial(_opt, word_embed_proj_dim=8, do_layer_norm_before=False), opening),
    "bart": (_bart, roberta),
    "llama": (partial(_decoder, "Llama", tie_word_embeddings=False), sentencepiece),
    "llama3": (partial(_decoder, "Llama", rope_theta=5e5, **GROUPED), llama3),
    "mistral": (partial(_decoder, "Mistral", **GROUPED), sentencepiece),
    "qwen2": (partial(_decoder, "Qwen2", **GROUPED), bare),
    "qwen3": (partial(_decoder, "Qwen3", **HEADS), bare),
    "qwen3-moe": (partial(_decoder, "Qwen3Moe", **HEADS, **EXPERTS), bare),
    "stablelm": (partial(_decoder, "StableLm", num_key_value_heads=2), bare),
    "gpt-neox": (partial(_decoder, "GPTNeoX"), bare),
    "gemma": (
        partial(_decoder, "Gemma", num_key_value_heads=2, head_dim=8),
        partial(sentencepiece, side="left"),
    ),
    "gemma3": (_gemma3, sentencepiece),
    "olmo2": (partial(_decoder, "Olmo2", **GROUPED, **ENDS), bare),
    "mamba": (partial(_mamba, "Mamba"), bare),
    "mamba2": (partial(_mamba, "Mamba2", num_heads=4, head_dim=8, n_groups=1), bare),
    "bert": (partial(_decoder, "Bert", is_decoder=False), wordpiece),
    "modernbert": (partial(_decoder, "ModernBert", pad_token_id=1, **CLS), cls_sep),
    "xlm-roberta": (partial(_decoder, "XLMRoberta", pad_token_id=1, is_decoder=False), unigram),
    "mistral-local": (partial(_decoder, "Mistral", sliding_window=8, **GROUPED), sentencepiece),
    "gemma3-local": (
        partial(_decoder, "Gemma3Text", sliding_window=8, layer_types=LOCAL, **HEADS),
        sentencepiece,
    ),
    "qwen2-local": (
        partial(
            *(_decoder, "Qwen2"),
            **{"use_sliding_window": True, "sliding_window": 8, "max_window_layers": 1},
            **GROUPED,
        ),
        bare,
    ),
    "modernbert-local": (
        partial(_decoder, "ModernBert", local_attention=8, pad_token_id=1, **CLS),
        cls_sep,
    ),
}


def plain_class(config: Any) -> Any:
    """Return the class that a user would load a model with."""
    return AutoModel if config.model_type == "modernbert" else AutoModelForCausalLM


def make(folder: Path, kind: str, texts: Sequence[str], positions: int = 96) -> Path:
    """Write a tiny model and its tokenizer; weights are large enough for layers to differ."""
    configuration, tokenizer_of = KINDS[kind]
    tokenizer = tokenizer_of(texts)
    torch.manual_seed(3)
    # spare rows, as released models have: some tokenizer classes add a padding token when loaded
    config = configuration(len(tokenizer) + 8, positions)
    model = plain_class(config).from_config(config)
    with torch.no_grad():
        for parameter in model.parameters():
            parameter.add_(0.05 * torch.randn_like(parameter))
    model.save_pretrained(folder)
    tokenizer.save_pretrained(folder)
    return folder
