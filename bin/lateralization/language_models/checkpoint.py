"""What a model's files are: whole, in plain numbers, and all of them used by the model.

transformers reads past most of this. Tensors that the model has no place for are dropped, weights
of an unknown quantization are cast as they are, and an adapter beside its base is not applied: the
hidden states are then those of another model than the one that was published.
"""

import os
import re
from collections.abc import Callable, Iterable, Iterator, Mapping, Sequence
from contextlib import contextmanager
from dataclasses import dataclass
from functools import cached_property
from itertools import accumulate, chain
from pathlib import Path
from typing import Any

from safetensors import SafetensorError, safe_open

from lateralization.errors import BadInput
from lateralization.files import IS_POINTER, is_lfs_pointer, read_json
from lateralization.problems import listed

LARGEST_COUNT = 10_000
"""More layers, heads or experts than any model has: a damaged number would fill the memory."""

COUNTS = re.compile(r"(^|_)(layers?|heads?|experts)$")

NOT_THE_MODEL = frozenset(
    {
        # which kernel computes: it changes the rounding, or asks for a package that is not here
        "attn_implementation",
        "_attn_implementation",
        "_attn_implementation_internal",
        "_attn_implementation_autoset",
        "_flash_attn_2_enabled",
        "experts_implementation",
        "_experts_implementation",
        "_experts_implementation_internal",
        "fusion_config",
        "compile_config",
        "chunk_size_feed_forward",
        # the precision: a parameter of the run
        "dtype",
        "torch_dtype",
        "use_bfloat16",
        # what a call returns: the extraction asks for it
        "return_dict",
        "use_return_dict",
        "output_hidden_states",
        "output_attentions",
        "output_router_logits",
        "use_cache",
        "torchscript",
        # training, and devices of another machine
        "gradient_checkpointing",
        "distributed_config",
        "device_map",
        # code of the repository, and weights under another name than the one that is digested
        "auto_map",
        "custom_pipelines",
        "transformers_weights",
        # classification heads, which are not used
        "id2label",
        "label2id",
        "num_labels",
        "problem_type",
        # quantized weights are refused; a model with random weights has none
        "quantization_config",
        "compression_config",
        "quantization",
    }
)
"""Keys of ``config.json`` that say how a model is run, not what it is. They are not followed."""

SAVE_TRUNK = (
    "save the trunk alone: AutoModel.from_pretrained(F).save_pretrained(G), and the tokenizer there"
)
"""How a user goes on with a checkpoint whose head is not known here."""

NO_ARCHITECTURE = (
    "config.json does not name its architecture (model_type); save it again with save_pretrained"
)

QUANTIZED_KEYS = ("quantization_config", "compression_config", "quantization")
"""What configurations call the quantization; the second is of llm-compressor, the third of MLX."""

QUANTIZED_FILES = frozenset({"quantize_config.json", "quant_config.json", "hf_quant_config.json"})
"""Settings of AutoGPTQ, AutoAWQ and ModelOpt, beside weights that they have quantized."""

ADAPTER = re.compile(r"(adapter[\w.-]*|[\w.-]*lora[\w.-]*)\.(json|safetensors|bin)", re.IGNORECASE)
"""Files of an adapter (PEFT, MLX), which changes the weights of its base."""

PLAIN_TYPES = frozenset({"F64", "F32", "F16", "BF16"})
"""Types of the safetensors format whose numbers are the weights themselves."""

HEADS = (
    r"^((\w+_)?heads?|(\w+_)?classifiers?|crf|lm_loss|lm_predictions|embed_out|output_projection|pred_layer|proj_out|dense|"
    r"vocab_transform|vocab_layer_norm|vocab_projector|cls|predictions|mask_predictions|"
    r"generator_predictions|discriminator_predictions|entity_predictions|qa_outputs|logits_proj|"
    r"sequence_summary|start_logits|end_logits|answer_class|score)\."
    r"|^decoder\.(weight|bias)$|^final_logits_bias$"
    r"|^(start_|end_)?transitions$|^(class|loss|pos)_weights?$"
)
"""Heads by name. In a checkpoint whose trunk has a prefix, what stands beside it is one too."""

ALTERS = (
    r"lora|loha|lokr|dora_|adapter|ia3|vera_|hypernet|peft|quant|absmax|qweight|qzeros|g_idx|"
    r"zero_point|scales?(\.|$)"
)
"""Names of what changes another weight, wherever it stands: adapters, codes of a quantization."""

FEEDS = (
    r"emb(?!l)|wte|wpe|prompt|prefix|soft_|position|rotary|rope|encod|input|token|char|logit|gate|"
    r"residual|steer|control|memory|compress|scale|final_\w*norm|norm_f|(?<![a-z])ln_|"
    r"attn|attention|(?<![a-z])(q|k|v|o|kv|qkv)_proj|query|(?<![a-z])key|"
    r"(layers?|blocks?|(?<![a-z])h)\.\d|^(model|transformer|base_model|module|backbone|trunk|"
    r"decoder|language_model|text_model|pretrained_model|_orig_mod|student|teacher|\w*ema)\."
)
"""Names beside a trunk of what may come before its last state, or be another trunk."""

HARMLESS = {
    r"^config$": "no weight: the configuration, which DeBERTa's own code saved as one",
    HEADS: "a head for words, classes, answers or rewards: after the last hidden state",
    r"(^|\.)pooler\.": "the summary of a sentence: after the last hidden state",
    r"(^|\.)(attn|attention|self_attn|crossattention)\.(masked_)?bias$": (
        "the causal mask of GPT-2's kin, which is computed"
    ),
    r"(^|\.)causal_mask$": "the causal mask of CodeGen, which is computed",
    r"(^|\.)(original_)?inv_freq$|(^|\.)(cos|sin)_cached$": (
        "rotary positions, which are computed from the configuration"
    ),
    r"(^|\.)attn\.embed_positions$|(^|\.)embed_positions\.(weights|_float_tensor)$": (
        "sinusoidal positions, which are computed"
    ),
    r"(^|\.)(position_ids|token_type_ids)$": "0, 1, 2 … and zeros, which are computed",
    r"(^|\.)(encoder|decoder)\.version$": "the version of fairseq's format",
    r"(^|\.)mtp(_\w+)?\.": "multi-token prediction: read after the last layer, in training",
    r"(^|\.)(vision_tower|vision_model|vision_encoder|vision_embed_tokens|visual|audio_tower|"
    r"audio_model|audio_encoder|multi_modal_projector|mm_projector|embed_vision|embed_audio|"
    r"image_newline|talker|token2wav|code2wav)(\.|$)": (
        "pictures and sound, which a text does not pass"
    ),
}
"""Names of tensors that a model may do without, and why the hidden states are the same."""

_HARMLESS = re.compile("|".join(HARMLESS))
_HEAD = re.compile(HEADS)
_ALTERS = re.compile(ALTERS, re.IGNORECASE)
_FEEDS = re.compile(f"{ALTERS}|{FEEDS}", re.IGNORECASE)
_NUMBERED = re.compile(r"^(.*\blayers\.\d+)\.")
_JOINS_NEXT_TOKEN = re.compile(r"^(.*\blayers\.\d+)\.eh_proj\b")
"""In a prediction layer of DeepSeek-V3 and GLM, numbered after the model's own: what joins the
last state and the next token."""


def read_config(folder: Path) -> dict[str, Any]:
    """Read ``config.json`` as it is.

    Raises
    ------
    BadInput
        It is missing, no JSON object, or counts more layers, heads or experts than a model has.
    """
    path = folder / "config.json"
    if not path.is_file():
        raise BadInput(
            f"model {folder}: no config.json; a folder in save_pretrained form is needed "
            "(config.json, *.safetensors, tokenizer files)"
        )
    check_pointers([path], folder)
    try:
        config = read_json(path)
    except BadInput as error:
        raise BadInput(f"model {folder}: {error}; save it again") from error
    if not isinstance(config, dict):
        raise BadInput(f"model {folder}: config.json is not a JSON object; save it again")
    for owner in _objects(config):
        for name, value in owner.items():
            if COUNTS.search(name) and isinstance(value, int) and abs(value) > LARGEST_COUNT:
                raise BadInput(
                    f"model {folder}: config.json has {name} {value}, more than any model has; "
                    "is the file damaged?"
                )
    return config


def architecture_only(config: Mapping[str, Any]) -> dict[str, Any]:
    """Leave out the keys of a configuration that do not say what the model is, at any depth."""
    return {
        name: architecture_only(value) if isinstance(value, dict) else value
        for name, value in config.items()
        if name not in NOT_THE_MODEL
    }


def _objects(value: Any) -> Iterator[dict[str, Any]]:
    """Yield a JSON object and all those within it."""
    if isinstance(value, dict):
        yield value
        for inner in value.values():
            yield from _objects(inner)


def fault_of_kind(config: Mapping[str, Any], names: Iterable[str]) -> str | None:
    """Return why weights cannot be read here for what they are; None when they can.

    Parameters
    ----------
    config : dict
        Content of ``config.json``.
    names : iterable of str
        Names of the files beside it.

    Returns
    -------
    str or None
        A message that goes on after the model's name.
    """
    there = sorted(names)
    told = [owner[key] for owner in _objects(config) for key in QUANTIZED_KEYS if owner.get(key)]
    settings = [name for name in there if name in QUANTIZED_FILES]
    if told or settings:
        method = told[0].get("quant_method") if told and isinstance(told[0], dict) else None
        where = "config.json" if told else settings[0]
        return (
            f"its weights are quantized ({where}{f': {method}' if method else ''}) and would not "
            "be read for what they are; choose its checkpoint in float32, bfloat16 or float16"
        )
    adapters = [name for name in there if ADAPTER.fullmatch(name)]
    if adapters:
        return (
            f"it has an adapter beside its weights ({adapters[0]}), which would not be applied; "
            "merge it into its base (merge_and_unload of PEFT, then save_pretrained), or remove it"
        )
    return None


def check_kind(folder: Path) -> None:
    """Refuse quantized weights, and adapters beside their base.

    Raises
    ------
    BadInput
    """
    fault = fault_of_kind(read_config(folder), (path.name for path in folder.iterdir()))
    if fault:
        raise BadInput(f"model {folder}: {fault}")


def check_pointers(paths: Iterable[Path], folder: Path) -> None:
    """Refuse the pointers that Git leaves where the large files were not fetched.

    Raises
    ------
    BadInput
    """
    for path in paths:
        if is_lfs_pointer(path):
            raise BadInput(f"model {folder}: {path.name} {IS_POINTER}")


def parts_of(index: Path) -> list[str]:
    """Return the names of the files that an index of weights in parts names.

    Raises
    ------
    BadInput
        It cannot be read, names none, or names a file outside of its folder.
    """
    try:
        names = sorted({os.fspath(name) for name in read_json(index)["weight_map"].values()})
    except (KeyError, TypeError, AttributeError) as error:
        raise BadInput(
            f"{index.name} does not name the parts of the weights; save the model again"
        ) from error
    if not names:
        raise BadInput(f"{index.name} does not name the parts of the weights; save the model again")
    outside = [name for name in names if Path(name).name != name]
    if outside:
        raise BadInput(f"{index.name} names a file outside the repository: {outside[0]!r}")
    return names


def tensor_types(files: Sequence[Path], folder: Path) -> dict[str, str]:
    """Return the type of every tensor of a checkpoint, by name; the weights are not read.

    Files of another format than safetensors are passed over.

    Raises
    ------
    BadInput
        A file is damaged, or two files have a tensor of the same name.
    """
    types: dict[str, str] = {}
    for path in files:
        check_pointers([path], folder)
        if path.suffix != ".safetensors":
            continue
        try:
            with safe_open(path, framework="numpy") as tensors:
                found = {name: tensors.get_slice(name).get_dtype() for name in tensors.keys()}
        except (OSError, SafetensorError) as error:
            raise BadInput(
                f"model {folder}: {path.name} is no safetensors file, or not whole ({error}); copy "
                "or download it again"
            ) from error
        twice = sorted(types.keys() & found.keys())
        if twice:
            raise BadInput(
                f"model {folder}: {path.name} and another part of the weights both hold "
                f"{twice[0]}; are the parts of one checkpoint?"
            )
        types |= found
    return types


@dataclass(frozen=True)
class Stored:
    """The weights of a checkpoint as its files have them.

    Attributes
    ----------
    files
        Of one format: safetensors or pickles.
    types
        As :func:`tensor_types` returns it.
    unpickle
        Reads the tensors of a pickle on a device of torch, which is imported elsewhere.
    """

    files: Sequence[Path]
    types: Mapping[str, str]
    unpickle: Callable[[Path, str], dict[str, Any]]

    @cached_property
    def names(self) -> frozenset[str]:
        """Names of all tensors; of pickles too, whose values are not read for it."""
        pickled = (self.unpickle(path, "meta") for path in self.files if not self.types)
        return frozenset(self.types or chain.from_iterable(pickled))

    def tensor(self, name: str) -> Any:
        """Return a tensor; None where no file has one of that name."""
        for path in self.files:
            if path.suffix != ".safetensors":
                found = self.unpickle(path, "cpu").get(name)
                if found is not None:
                    return found
                continue
            with safe_open(path, framework="pt") as tensors:
                if name in tensors.keys():
                    return tensors.get_tensor(name)
        return None


def check_used(model: Any, unexpected: Iterable[str], stored: Stored, folder: Path) -> None:
    """Refuse a checkpoint of which the model leaves something out, or misreads its numbers.

    Parameters
    ----------
    model : a model of transformers
    unexpected : iterable of str
        Tensors that have no place in the model.
    stored : Stored
    folder : Path

    Raises
    ------
    BadInput
        A tensor is dropped that may change a hidden state or the surprisal (:func:`unused`), a
        weight is there twice, or is kept in integers or 8 bits.
    """
    types = stored.types
    dropped = sorted(unused(model, list(unexpected), stored))
    if dropped:
        raise BadInput(
            f"model {folder}: {len(dropped)} of its tensors have no place in the model that "
            f"config.json describes ({listed(dropped, 3)}) and would be left out; is config.json "
            "its own, and are the weights neither quantized nor adapted? If they are a head of "
            f"your own, {SAVE_TRUNK}"
        )
    twice = sorted(_twice(model, stored))
    if twice:
        raise BadInput(
            f"model {folder}: {len(twice)} of its weights are there twice, with and without "
            f"{model.base_model_prefix!r} before their names, and differ ({listed(twice, 3)}): "
            f"which are the model's cannot be known; {SAVE_TRUNK}, from the right ones"
        )
    real = {
        name.rpartition(".")[2]
        for name, tensor in model.state_dict().items()
        if tensor.is_floating_point()
    }
    coded = sorted(
        name
        for name, kind in types.items()
        if kind not in PLAIN_TYPES
        and name.rpartition(".")[2] in real
        and not _HARMLESS.search(name)
    )
    if coded:
        raise BadInput(
            f"model {folder}: {len(coded)} of its weights are stored as {types[coded[0]]} "
            f"({listed(coded, 3)}) and would not be read for what they are; choose its checkpoint "
            "in float32, bfloat16 or float16"
        )


def unused(model: Any, unexpected: Sequence[str], stored: Stored) -> Iterator[str]:
    """Yield the tensors without a place in a model that may change what it computes.

    Harmless are those that :data:`HARMLESS` lists, with the reasons; where the trunk is saved
    under its prefix, also a module beside it, which reads the last hidden state unless its name
    says otherwise (:data:`FEEDS`); zeros that a head would add; and a second copy of a table.
    Nothing is harmless that would go into a layer that the model has.
    """
    modules = {name: module for name, module in model.named_modules() if name}
    leaves = {name for name, module in modules.items() if not any(module.children())}
    trunk = {_any_number(name) for name, _ in model.base_model.named_modules() if name}
    predicting = {found[1] for name in unexpected if (found := _JOINS_NEXT_TOKEN.match(name))}
    prefix = f"{model.base_model_prefix}."
    for name in unexpected:
        numbered = _NUMBERED.match(name)
        if numbered and numbered[1] in predicting:
            continue
        head = bool(_HEAD.search(name))
        beside = not head and _is_beside(name, prefix, trunk, stored)
        if head or beside:
            parent = name.rpartition(".")[0]
            above = accumulate(parent.split("."), "{}.{}".format)
            into_own = parent in modules or not leaves.isdisjoint(above)
            harmless = not (into_own or _ALTERS.search(name)) or (head and _adds_zero(name, stored))
        else:
            harmless = bool(_HARMLESS.search(name)) or _is_copy(name, stored)
        if not harmless:
            yield name


def _twice(model: Any, stored: Stored) -> Iterator[str]:
    """Yield weights of a trunk that stand under two names with different values.

    transformers looks for both names, takes one of them and drops the other without a word.
    """
    prefix = f"{model.base_model_prefix}."
    for name in stored.names & model.base_model.state_dict().keys():
        if prefix + name in stored.names:
            first, second = stored.tensor(name), stored.tensor(prefix + name)
            if first.dtype != second.dtype or not first.equal(second):
                yield name


def _any_number(name: str) -> str:
    """Replace the numbers of layers, so that those beyond the model's depth are known too."""
    return re.sub(r"(^|\.)\d+(?=\.|$)", r"\1#", name)


def _is_beside(name: str, prefix: str, trunk: set[str], stored: Stored) -> bool:
    """Whether a tensor belongs to a module beside a trunk that is saved under its prefix.

    In a bare trunk the same name could be a part of it. Whatever has the name of a module of the
    trunk may be a second version of that.
    """
    owners = _any_number(name).split(".")[:-1]
    if not owners or name.startswith(prefix) or name not in stored.names:
        return False
    if prefix + name in stored.names or not any(one.startswith(prefix) for one in stored.names):
        return False
    tails = {".".join(owners[at:]) for at in range(len(owners))} | {owners[0]}
    return trunk.isdisjoint(tails) and not _FEEDS.search(name)


def _adds_zero(name: str, stored: Stored) -> bool:
    """Whether a tensor is a bias of zeros, which exporters write beside heads that have none."""
    if not name.endswith(".bias"):
        return False
    values = stored.tensor(name)
    return values is not None and not values.any()


def _is_copy(name: str, stored: Stored) -> bool:
    """Whether a tensor ``x._weight`` equals ``x.weight``.

    DeBERTa's checkpoints of NLI hold their table of words twice. Another table would be one that
    training has changed: which of the two the published model reads cannot be known.
    """
    if not name.endswith("._weight"):
        return False
    first, second = stored.tensor(name), stored.tensor(name.removesuffix("_weight") + "weight")
    if first is None or second is None:
        return False
    return bool(first.dtype == second.dtype and first.equal(second))


@contextmanager
def called(folder: Path, name: str) -> Iterator[None]:
    """Let what is refused bear a model's name: its folder has the same one in every task."""
    try:
        yield
    except BadInput as error:
        said = str(error).replace(f"model {folder}", f"model {name}", 1)
        raise BadInput(said if said.startswith("model ") else f"model {name}: {said}") from error
