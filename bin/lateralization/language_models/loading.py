"""Language models from a local folder: configuration, tokenizer, weights, size.

Nothing here touches the network. Code that a model repository brings along is never run
(``trust_remote_code=False``), and pickled weights are read only when they were opted in.
"""

import os
import sys
import tempfile
from collections.abc import Collection, Sequence
from dataclasses import dataclass
from pathlib import Path
from typing import Any, cast

from lateralization.errors import BadInput, as_bad_input, one_line
from lateralization.files import write_json
from lateralization.language_models.checkpoint import (
    NO_ARCHITECTURE,
    SAVE_TRUNK,
    Stored,
    architecture_only,
    check_kind,
    check_pointers,
    check_used,
    parts_of,
    read_config,
    tensor_types,
)
from lateralization.language_models.sizes import BYTES
from lateralization.problems import listed

PRECISIONS = tuple(BYTES)

TOKENIZER_FILES = ("tokenizer.json", "tokenizer_config.json", "*.model", "vocab.*")

UNLIMITED = 32000
"""Window of models whose configuration names no limit (Mamba)."""

LIMITS = ("max_position_embeddings", "max_seq_len")
"""What configurations call the number of positions that a model reads; the latter is MPT's."""

OFFSET_POSITIONS = frozenset(
    {
        "roberta",
        "roberta-prelayernorm",
        "xlm-roberta",
        "xlm-roberta-xl",
        "xmod",
        "camembert",
        "data2vec-text",
        "longformer",
        "ibert",
        "mpnet",
        "luke",
        "mluke",
        "markuplm",
        "layoutlmv3",
        "esm",
        "prophetnet",
    }
)
"""Model types that count positions from the padding token's id + 1 within their table."""

ONE_AHEAD = frozenset({"prophetnet"})
"""Model types that look up the position after the last token's too, for the token they predict."""

EXPERTS = ("num_experts", "num_local_experts", "n_routed_experts", "moe_num_experts")
CHOSEN = ("num_experts_per_tok", "top_k_experts", "moe_topk", "moe_top_k")
"""What configurations call the experts of a block, and those that a token meets."""


@dataclass(frozen=True)
class Size:
    """Size of a model: unique parameters (tied ones once), blocks, width.

    Of a mixture of experts a token meets some experts only: ``n_active`` counts those.
    """

    n_parameters: int
    n_layers: int
    n_hid: int
    n_active: int


def offline() -> None:
    """Keep the Hugging Face libraries off the network and quiet; call before they are imported."""
    os.environ["HF_HUB_OFFLINE"] = "1"  # whatever the caller's shell has
    os.environ.setdefault("HF_HUB_DISABLE_TELEMETRY", "1")
    quiet()


def quiet() -> None:
    """Keep the log free of what transformers reports of weights: what matters is refused."""
    os.environ.setdefault("TOKENIZERS_PARALLELISM", "false")
    os.environ.setdefault("TRANSFORMERS_VERBOSITY", "error")


def without_torch() -> None:
    """Let transformers do without torch, which takes two seconds to import.

    Configurations and tokenizers need none. Call before transformers is imported.
    """
    sys.modules.setdefault("torch", cast(Any, None))


def load_config(folder: Path) -> Any:
    """Read what a model is from its configuration.

    What a configuration says of kernels, precision and the form of the output is not followed
    (:data:`lateralization.language_models.checkpoint.NOT_THE_MODEL`).

    Raises
    ------
    BadInput
        The folder has no readable ``config.json``, its architecture is unknown to transformers or
        not one that can be built, or it is an encoder–decoder.
    """
    config = _parsed_config(folder)
    if getattr(config, "is_encoder_decoder", False):
        raise BadInput(
            f"model {folder}: {config.model_type} is an encoder–decoder; choose a model that "
            "reads a text in one pass (GPT, Llama, BERT …)"
        )
    with as_bad_input(f"model {folder}: config.json"):
        _check_shape(config)
    return config


def _parsed_config(folder: Path) -> Any:
    """Let transformers read what a configuration says of the architecture."""
    told = architecture_only(read_config(folder))
    if not isinstance(told.get("model_type"), str):
        raise BadInput(f"model {folder}: {NO_ARCHITECTURE}")
    from transformers import AutoConfig

    with (
        tempfile.TemporaryDirectory(prefix="config-") as name,
        as_bad_input(f"model {folder}: config.json"),
    ):
        write_json(told, Path(name) / "config.json")
        config = AutoConfig.from_pretrained(name, trust_remote_code=False, local_files_only=True)
    config.name_or_path = str(folder)
    return config


LARGEST = 2**31
"""No size of a model reaches this number."""

HEADS = ("num_attention_heads", "num_key_value_heads", "head_dim")


def _check_shape(config: Any) -> None:
    """Refuse numbers that no model can be built of; the error says which."""
    inner = config.get_text_config()
    sizes = {"hidden_size": inner.hidden_size, "layers": _blocks(inner)}
    sizes |= {"vocab_size": getattr(inner, "vocab_size", 1)}
    heads = {name: getattr(inner, name, None) for name in HEADS}
    sizes |= {name: number for name, number in heads.items() if isinstance(number, int)}
    for name, size in sizes.items():
        if not isinstance(size, int) or not 1 <= size < LARGEST:
            raise ValueError(f"{name} is {size!r}")
    for name, number in inner.to_dict().items():
        if isinstance(number, int) and abs(number) >= 2**63:
            raise ValueError(f"{name} is {number!r}")


def load_tokenizer(folder: Path) -> Any:
    """Load a model's tokenizer, which must give character offsets (a "fast" tokenizer).

    Raises
    ------
    BadInput
        No tokenizer files, or none that can be loaded as a fast tokenizer.
    """
    if not any(next(folder.glob(pattern), None) for pattern in TOKENIZER_FILES):
        raise BadInput(f"model {folder}: no tokenizer files (tokenizer.json)")
    check_pointers(folder.iterdir(), folder)
    from transformers import AutoTokenizer

    configured = (folder / "config.json").is_file()
    options: dict[str, Any] = {"config": _parsed_config(folder)} if configured else {}
    with as_bad_input(f"model {folder}: its tokenizer"):
        tokenizer = AutoTokenizer.from_pretrained(
            folder, use_fast=True, trust_remote_code=False, local_files_only=True, **options
        )
        tokenizer.model_max_length = _limit(tokenizer)
    if not getattr(tokenizer, "is_fast", False):
        raise BadInput(
            f"model {folder}: its tokenizer gives no character offsets; "
            "save a fast one (tokenizer.json) in the folder"
        )
    return tokenizer


def max_length(config: Any, tokenizer: Any, mapping: str) -> int:
    """Return how many tokens the model reads at a time.

    Parameters
    ----------
    config, tokenizer
        As loaded.
    mapping : str
        With ``reference`` the configuration alone decides, as in the study (its Chinese models are
        read with the tokenizer of another model that has a lower limit); otherwise the tokenizer's
        own limit counts too.
    """
    inner = config.get_text_config()
    told = (getattr(inner, name, None) for name in LIMITS)
    limit = next((int(number) for number in told if number is not None), 0)
    length = limit if limit > 0 else UNLIMITED  # XLNet says -1
    if inner.model_type in OFFSET_POSITIONS:
        length -= int(inner.pad_token_id or 0) + 1 + (inner.model_type in ONE_AHEAD)
    if mapping == "reference" or not tokenizer.model_max_length:
        return length
    return min(length, int(tokenizer.model_max_length))


def _limit(tokenizer: Any) -> int:
    """Return how many tokens a tokenizer's settings allow; the error says what is there instead."""
    limit = tokenizer.model_max_length
    if isinstance(limit, bool) or not isinstance(limit, int | float) or not limit > 0:
        raise ValueError(f"its model_max_length is {limit!r}")
    return int(min(limit, 10**30))


def measure(config: Any) -> Size:
    """Count a model's parameters as loaded, without its weights (on torch's meta device)."""
    import torch

    with torch.device("meta"):
        model = from_config(config)
        model.tie_weights()
    unique = {id(parameter): parameter.numel() for parameter in model.parameters()}
    inner = config.get_text_config()
    n_parameters = sum(unique.values())
    n_active = n_parameters - _idle(model, inner)
    return Size(n_parameters, _blocks(inner), int(inner.hidden_size), n_active)


def _blocks(config: Any) -> int:
    """Return how many blocks a model has; of a decoder by itself (BART's) those of the decoder."""
    names = ("decoder_layers", "num_decoder_layers") if getattr(config, "is_decoder", False) else ()
    told = (getattr(config, name, None) for name in (*names, "num_hidden_layers"))
    return next((int(number) for number in told if number is not None), 0)


def _idle(model: Any, config: Any) -> int:
    """Count the parameters of the experts that a token does not meet; 0 without experts."""
    named = [getattr(config, "ffn_config", None), config]  # the former is DBRX's
    n_experts, n_chosen = (
        next((int(n) for part in named for n in [getattr(part, name, 0) for name in names] if n), 0)
        for names in (EXPERTS, CHOSEN)
    )
    owners = [
        module
        for name, module in model.named_modules()
        if name.split(".")[-1] == "experts" or type(module).__name__.endswith("ParallelExperts")
    ]
    experts = {id(one): one.numel() for owner in owners for one in owner.parameters()}
    n = sum(experts.values())
    return n - n * n_chosen // n_experts if n_experts and n_chosen else 0


def weight_files(folder: Path, allow_pickle: bool) -> list[Path]:
    """List the files of a model's weights, safetensors first.

    Raises
    ------
    BadInput
        There are none, or only pickled ones that were not opted in.
    """
    whole, index = folder / "model.safetensors", folder / "model.safetensors.index.json"
    if whole.is_file():
        return [whole]
    if index.is_file():
        parts = [folder / name for name in parts_of(index)]
        lost = [path.name for path in parts if not path.is_file()]
        if lost:
            raise BadInput(f"model {folder}: {index.name} names {lost[0]}, which is not there")
        return parts
    pickled = sorted(folder.glob("pytorch_model*.bin"))
    if pickled and allow_pickle:
        return pickled
    if pickled:
        raise BadInput(
            f"model {folder} has pickled weights only ({pickled[0].name}), which can run code when "
            "loaded; convert them to safetensors or allow them with --allow_pickle_weights yes"
        )
    raise BadInput(f"model {folder}: no weights (model.safetensors)")


def load_trunk(folder: Path, **options: Any) -> Any:
    """Load a pretrained model without its head: see :func:`load_model`.

    The head does not change the hidden states and costs a product with the whole vocabulary.
    """
    return load_model(folder, **options).base_model


def load_model(
    folder: Path,
    *,
    precision: str = "float32",
    device: str = "cpu",
    placement: str | None = None,
    allow_pickle: bool = False,
    memory: dict[int | str, int | str] | None = None,
) -> Any:
    """Load a pretrained model with its language-modelling head, in evaluation mode.

    Without the head where the checkpoint has none: transformers would draw one at random.

    Parameters
    ----------
    folder : Path
        In ``save_pretrained`` form.
    precision : str
        Type of the weights, whatever the checkpoint's own type is.
    device : str
        Where the model goes; ``disk`` leaves the weights in the checkpoint, from where the CPU
        reads them block by block.
    placement : str or None
        ``auto`` spreads a model that is too large for one GPU over all of them.
    allow_pickle : bool
        Read ``pytorch_model.bin`` where there is no safetensors file.
    memory : dict or None
        With a placement: what each GPU (its number) and ``cpu`` may hold, as accelerate takes it.

    Raises
    ------
    BadInput
        The weights cannot be read for what they are, do not fill the model, or are not all used.
    """
    check_kind(folder)
    files = weight_files(folder, allow_pickle)
    types = tensor_types(files, folder)
    options: dict[str, Any] = {
        "precision": precision,
        "use_safetensors": files[0].suffix == ".safetensors",
    }
    if placement or device != "cpu":
        options["device_map"] = placement or {"": device}
        options["max_memory"] = memory
    model, info = _read_weights(folder, renamed=_renamed(types), **options)
    check_loaded(model, info, folder)
    check_used(model, info["unexpected_keys"], Stored(files, types, _unpickled), folder)
    fuse(model)
    return (model.base_model if info["missing_keys"] else model).eval()


def check_fits(folder: Path, files: Sequence[Path]) -> None:
    """Compare the names, shapes and types of a model's weights with what it needs.

    The weights themselves are not read; a pickle, which has no list of them, is passed over.

    Raises
    ------
    BadInput
        As :func:`load_model`.
    """
    if files[0].suffix == ".safetensors":
        load_model(folder, device="meta")
    else:
        check_pointers(files, folder)


def _renamed(names: Collection[str]) -> bool:
    """Whether a checkpoint is one for answers of Llama's kin: the trunk is its ``transformer``.

    Their classes with other heads call it ``model``.
    """
    tops = {name.split(".")[0] for name in names}
    return tops == {"transformer", "qa_outputs"}


def _read_weights(
    folder: Path, *, precision: str, renamed: bool = False, **options: Any
) -> tuple[Any, Any]:
    """Return a model as transformers loads it, and what it says of the weights."""
    import torch

    config = load_config(folder)
    options |= {
        "dtype": getattr(torch, known_precision(precision)),
        "trust_remote_code": False,
        "local_files_only": True,
        "output_loading_info": True,
        "ignore_mismatched_sizes": True,  # they are named in what it says, and refused
    }
    with as_bad_input(f"model {folder}: its weights"):
        kind = _auto_class(config)
        if (
            renamed
            and getattr(kind._model_mapping[type(config)], "base_model_prefix", "") == "model"
        ):
            options["key_mapping"] = {r"^transformer\.": "model."}
        model, info = kind.from_pretrained(folder, config=config, **options)
        return _with_trunk(model), info


def call_model(model: Any, **inputs: Any) -> Any:
    """Let a model read; see :func:`load_model`.

    Raises
    ------
    BadInput
        It needs more than a text (XMOD a language, Perceiver inputs of its own).
    """
    try:
        return model(**inputs)
    except (TypeError, ValueError, NotImplementedError) as error:
        raise BadInput(
            f"{type(model).__name__} cannot read a plain text: {one_line(error)}; choose another "
            "model"
        ) from error


def _unpickled(path: Path, device: str) -> dict[str, Any]:
    """Read the tensors of a pickle; on the device ``meta`` their names alone."""
    import torch

    with as_bad_input(path.name):
        return dict(torch.load(path, map_location=device, weights_only=True))


def fuse(model: Any) -> None:
    """Compute GPT-2's activation with one kernel instead of seven; equal but for rounding."""
    from transformers.activations import GELUTanh, NewGELUActivation

    for module in list(model.modules()):
        for name, child in list(module.named_children()):
            if isinstance(child, NewGELUActivation):
                setattr(module, name, GELUTanh())


def check_loaded(model: Any, info: dict[str, Any], folder: Path) -> None:
    """Refuse a model with weights that are missing or of another shape.

    A head or a pooler that is missing is no fault: neither is used.
    """
    prefix = f"{model.base_model_prefix}."
    has_head = model.base_model is not model
    missing = sorted(
        str(name)
        for name in info.get("missing_keys", ())
        if (not has_head or str(name).startswith(prefix)) and "pooler" not in str(name).split(".")
    )
    mismatched = sorted(str(entry) for entry in info.get("mismatched_keys", ()))
    if missing or mismatched or info.get("error_msgs"):
        unexpected = sorted(str(name) for name in info.get("unexpected_keys", ()))
        hint = "is the checkpoint whole?"
        if unexpected and len(missing) >= len(list(model.base_model.parameters())):
            hint = (
                f"the checkpoint calls its weights otherwise ({listed(unexpected, 2)}); load it "
                f"with its own class and {SAVE_TRUNK}"
            )
        named = (missing + mismatched + [str(text) for text in info.get("error_msgs", ())])[:3]
        raise BadInput(
            f"model {folder}: its weights do not fill the model ({len(missing)} missing, "
            f"{len(mismatched)} of another shape: {', '.join(named)}); {hint}"
        )


def _auto_class(config: Any) -> Any:
    """Return the class to load: with a language-modelling head where there is one."""
    from transformers import AutoModel, AutoModelForCausalLM

    known = type(config) in AutoModelForCausalLM._model_mapping
    return AutoModelForCausalLM if known else AutoModel


def from_config(config: Any) -> Any:
    """Build a model in float32 without weights of a checkpoint; torch's generator draws them."""
    import torch

    with as_bad_input(f"model {config.name_or_path}: config.json"):
        return _with_trunk(_auto_class(config).from_config(config, dtype=torch.float32))


def _with_trunk(model: Any) -> Any:
    """Let ``base_model`` find the trunk of a model whose class names it otherwise (Llama-4)."""
    if model.base_model is model and hasattr(model, "model"):
        model.base_model_prefix = "model"
    return model


def known_precision(precision: str) -> str:
    """Check the name of a precision."""
    if precision not in PRECISIONS:
        raise BadInput(f"--precision {precision}: choose one of {', '.join(PRECISIONS)}")
    return precision
