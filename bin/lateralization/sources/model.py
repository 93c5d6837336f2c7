"""From a model of the plan to a folder that the following stages read, and what is known of it."""

from collections.abc import Mapping, Sequence
from pathlib import Path
from typing import Any

from lateralization.command import progress, say
from lateralization.errors import BadInput, Transient, as_bad_input
from lateralization.files import digest_of, link_or_copy, read_json, write_json
from lateralization.language_models.checkpoint import check_kind
from lateralization.language_models.loading import (
    check_fits,
    load_config,
    load_tokenizer,
    max_length,
    measure,
    weight_files,
)
from lateralization.problems import Problems
from lateralization.sources import hub
from lateralization.sources.receipts import set_aside
from lateralization.words.windows import FRESH_TOKENS

NEVER_TAKEN = (".py", ".pkl", ".pickle", ".pt", ".pth", ".h5", ".msgpack", ".ot", ".onnx", ".gguf")
"""Files of a model's folder that are left behind: code, and weights in other forms."""

PROBE = "The little prince, once more."


def prepare(
    spec: Mapping[str, Any], sources: Sequence[Path], cache: Path, out: Path
) -> dict[str, Any]:
    """Put a model into ``out`` in ``save_pretrained`` form, check it, and describe it.

    Parameters
    ----------
    spec : dict
        One entry of the plan's models: name, source, kind (``hub`` or ``local``), files, revision,
        tokenizer_source, seed, mapping; optionally n_parameters, n_layers, n_hid (they win over
        what is computed, unless size_is_expected), allow_pickle, endpoint, keep (False: the hub's
        weights are set aside, with a receipt in their place).
    sources : sequence of Path
        The files of a local model; those of ``spec`` when empty.
    cache : Path
        Where downloads are kept.
    out : Path
        The folder to make. Files are hard links where the file system allows it, else copies.

    Returns
    -------
    dict
        Content of ``model.json``.

    Raises
    ------
    BadInput
        The model does not exist, is gated, is not whole, or cannot be used here.
    Transient
        The hub cannot be reached.
    """
    allow_pickle = bool(spec.get("allow_pickle", False))
    out.mkdir(parents=True, exist_ok=True)
    if spec.get("kind") == "hub":
        found = _from_hub(spec, cache, out)
    else:
        files = list(sources) or [Path(name) for name in spec.get("files") or []]
        found = _from_files(files, out, str(spec.get("source")), allow_pickle)
    tokenizer_revision = _own_tokenizer(spec, cache, out)
    model = describe_model(spec, out, found) | {"tokenizer_revision": tokenizer_revision}
    if not spec.get("keep", True) and "snapshot" in found:  # a user's own files stay
        set_aside(out, [entry["file"] for entry in model["weights"]], found["snapshot"])
    return model


def look_up(
    specs: Sequence[Mapping[str, Any]], cache: Path, *, refuse: bool
) -> dict[str, str | None]:
    """Ask the hub for all models of a run, before anything large is fetched.

    Parameters
    ----------
    specs : sequence of dict
        The hub's entries of the plan's models, as :func:`prepare` takes them.
    cache : Path
        Where downloads are kept: what is whole there is not asked for.
    refuse : bool
        False: a model that cannot be had is said, and left to its own task.

    Returns
    -------
    dict
        Model → commit; None where it cannot be had.

    Raises
    ------
    BadInput
        ``refuse``, and models do not exist, are gated or have no usable weights: all are named.
    Transient
        The hub cannot be reached.
    """
    problems = Problems()
    found: dict[str, str | None] = {}
    for spec in specs:
        found[str(spec["name"])] = None
        try:
            with problems.collect():
                found[str(spec["name"])] = hub.commit_of(_request(spec), cache)
        except Transient as error:
            if refuse:
                raise
            problems.add(str(error))
    if refuse:
        problems.stop()
    for problem in problems:
        say(problem)
    return found


def _request(spec: Mapping[str, Any]) -> hub.Request:
    """Return what is asked of the hub for a model of the plan; of an untrained one no weights."""
    return hub.Request(
        str(spec["source"]),
        spec.get("revision") or None,
        int(spec.get("seed") or 0) == 0,
        bool(spec.get("allow_pickle", False)),
        spec.get("endpoint") or None,
    )


def _from_hub(spec: Mapping[str, Any], cache: Path, out: Path) -> dict[str, Any]:
    """Fetch a model of the hub and link its files."""
    snapshot = hub.fetch_snapshot(_request(spec), cache)
    for name in snapshot.files:
        link_or_copy(snapshot.folder / name, out / name)
    return {
        "revision": snapshot.commit,
        "published_sha256": snapshot.sha256,
        "snapshot": snapshot.folder,
    }


def _from_files(
    files: Sequence[Path], out: Path, source: str, allow_pickle: bool
) -> dict[str, Any]:
    """Link the files of a local model, whatever of them is of use."""
    if not files:
        raise BadInput(f"model {source}: no files; give a folder in save_pretrained form")
    for path in files:
        taken = path.suffix not in NEVER_TAKEN and (allow_pickle or path.suffix != ".bin")
        if path.is_file() and (taken or path.name.startswith("sentencepiece")):
            link_or_copy(path, out / path.name)
        elif not path.exists():
            raise BadInput(f"model {source}: {path} does not exist")
    return {"revision": None, "published_sha256": {}}


def _own_tokenizer(spec: Mapping[str, Any], cache: Path, out: Path) -> str | None:
    """Put the tokenizer of another repository into the folder, where the plan says so.

    The tokenizer's limit of length is left out: it is that of the other model.
    """
    source = spec.get("tokenizer_source")
    if not source:
        return None
    if Path(str(source)).is_dir():
        folder, commit = Path(str(source)), None
    else:
        snapshot = hub.fetch_snapshot(
            hub.Request(str(source), weights=False, endpoint=spec.get("endpoint") or None), cache
        )
        folder, commit = snapshot.folder, snapshot.commit
    tokenizer = load_tokenizer(folder)
    for path in list(out.iterdir()):  # links: they must go before anything is written over them
        if hub.SMALL_FILES.fullmatch(path.name) and not path.name.endswith("config.json"):
            path.unlink()
    (out / "tokenizer_config.json").unlink(missing_ok=True)
    tokenizer.save_pretrained(out)
    settings = read_json(out / "tokenizer_config.json")
    settings.pop("model_max_length", None)
    write_json(settings, out / "tokenizer_config.json")
    return commit


def describe_model(
    spec: Mapping[str, Any], folder: Path, found: Mapping[str, Any]
) -> dict[str, Any]:
    """Check a model's folder and return the content of ``model.json``.

    Raises
    ------
    BadInput
        Configuration, tokenizer or weights are missing or unusable, or the model reads too few
        tokens at a time.
    """
    seed = int(spec.get("seed") or 0)
    allow_pickle = bool(spec.get("allow_pickle", False))
    if not seed:
        check_kind(folder)
    config, tokenizer = load_config(folder), load_tokenizer(folder)
    _check_offsets(tokenizer, folder)
    mapping = str(spec.get("mapping") or "aligned")
    length = max_length(config, tokenizer, mapping)
    if length <= FRESH_TOKENS:
        raise BadInput(
            f"model {spec.get('name')} reads {length} tokens at a time; more than {FRESH_TOKENS} "
            "are needed: choose a model with a longer context"
        )
    files = [] if seed else weight_files(folder, allow_pickle)
    size = measure(config)
    weights = _digests(files, found)
    if not seed:
        check_fits(folder, files)
    others = [path for path in sorted(folder.iterdir()) if hub.SMALL_FILES.fullmatch(path.name)]
    measured = {name: getattr(size, name) for name in ("n_parameters", "n_layers", "n_hid")}
    given = {name: spec.get(name) for name in measured}
    if spec.get("size_is_expected"):
        _compare_size(spec, given, measured)
        given = {}
    return {
        "name": spec.get("name"),
        "source": spec.get("source"),
        "kind": spec.get("kind"),
        "requested_revision": spec.get("revision") or "",
        "revision": found.get("revision"),
        "tokenizer_source": spec.get("tokenizer_source"),
        "architecture": _architecture(config),
        "model_type": config.model_type,
        **{name: given.get(name) or value for name, value in measured.items()},
        "measured": measured,
        "n_active_parameters": size.n_active,
        "max_length": length,
        "vocabulary": len(tokenizer),
        "seed": seed,
        "mapping": mapping,
        "allow_pickle": allow_pickle,
        "weights": weights,
        "settings": [_entry(path, digest_of(path, "sha256")) for path in others],
    }


def _architecture(config: Any) -> str:
    """Return the class that a checkpoint was saved from, as far as its configuration names one."""
    named = config.architectures
    if isinstance(named, list) and named and isinstance(named[0], str):
        return named[0]
    return type(config).__name__


def _compare_size(
    spec: Mapping[str, Any], expected: Mapping[str, Any], measured: Mapping[str, int]
) -> None:
    """Say when a model is of another size than the study's of that name: it is another model."""
    differing = [name for name, value in measured.items() if value != expected[name]]
    if differing:
        sizes = ", ".join(f"{name} {measured[name]} ({expected[name]})" for name in differing)
        say(f"{spec.get('name')}: not the size of the study's model of that name: {sizes}")


def _check_offsets(tokenizer: Any, folder: Path) -> None:
    """Refuse a tokenizer whose tokens cannot be found again in the text."""
    with as_bad_input(f"model {folder}: its tokenizer"):
        encoded = tokenizer(PROBE, return_offsets_mapping=True)
    reach = max((end for _, end in encoded["offset_mapping"]), default=0)
    if not 0 < reach <= len(PROBE):
        raise BadInput(f"model {folder}: its tokenizer gives no character offsets; save a fast one")


def _digests(files: Sequence[Path], found: Mapping[str, Any]) -> list[dict[str, Any]]:
    """Return name, size and sha256 of the weights, compared with what the hub says of them."""
    published: Mapping[str, str] = found.get("published_sha256") or {}
    rows = []
    for path in progress(files, "digests of the weights"):
        digest = digest_of(path, "sha256")
        expected = published.get(path.name, digest)
        if expected != digest:
            damaged = f"sha256 {digest[:12]}… instead of {expected[:12]}…"
            cached = Path(found["snapshot"]) / path.name
            try:
                cached.resolve().unlink(missing_ok=True)
                cached.unlink(missing_ok=True)
            except OSError as error:  # a cache of another user, or one that is read-only
                raise BadInput(
                    f"{cached} is damaged ({damaged}) and cannot be removed ({error.strerror}); "
                    "remove it where that is allowed, or give another --cache_dir"
                ) from error
            raise Transient(
                f"{path.name} arrived damaged ({damaged}) and was removed from the cache: try again"
            )
        rows.append(_entry(path, digest))
    return rows


def _entry(path: Path, digest: str) -> dict[str, Any]:
    """Return what ``model.json`` records of a file."""
    return {"file": path.name, "bytes": path.stat().st_size, "sha256": digest}
