"""Models from the Hugging Face hub: the files that are needed, at a resolved commit."""

import ipaddress
import os
import re
from collections.abc import Container, Iterable, Iterator
from contextlib import contextmanager, suppress
from dataclasses import dataclass, replace
from pathlib import Path
from typing import Any
from urllib.parse import urlsplit

from lateralization.disk import disk_problem
from lateralization.errors import BadInput, Transient
from lateralization.files import read_json, write_json
from lateralization.language_models.checkpoint import called, fault_of_kind, parts_of, read_config
from lateralization.redaction import redacted
from lateralization.sources.certificates import HUB, check_certificates

COMMIT = re.compile(r"[0-9a-f]{40}")
"""A revision that can never mean something else."""


OFFICIAL_HUB = "https://huggingface.co"

GATED = {
    "meta-llama/": "Meta's Llama community licence, which is granted by hand",
    "google/gemma": "Google's Gemma terms of use",
    "mistralai/": "Mistral's form for contact data",
}
"""Beginnings of hub ids that need a token → what has to be accepted on the model's page."""

WITHOUT_SAFETENSORS = ("facebook/opt", "ckiplab/", "ClassCat/")
"""Hub ids of the study that may have no safetensors weights."""


SMALL_FILES = re.compile(
    r"(config|generation_config|tokenizer|tokenizer_config|special_tokens_map|added_tokens|vocab)"
    r"\.json|merges\.txt|vocab\.txt|[\w.-]+\.model|tiktoken[\w.]*|[\w.-]+\.tiktoken"
)
"""Configuration and tokenizer, at the top of a repository."""

SAFE, PICKLED = "model.safetensors", "pytorch_model.bin"

MARGIN = re.compile(r"^[\s\u200b-\u200d\u2060\ufeff]+|[\s\u200b-\u200d\u2060\ufeff]+$")
"""What a file leaves around a token: line ends, blanks, a byte order mark."""


@dataclass(frozen=True)
class Request:
    """What is asked of the hub.

    Attributes
    ----------
    repository : str
        ``org/name``.
    revision : str or None
        Branch, tag or commit; None is the main branch.
    weights : bool
        False for an untrained model or a tokenizer: configuration and tokenizer only.
    allow_pickle : bool
        Accept ``pytorch_model.bin`` where the repository has no safetensors.
    endpoint : str or None
        Another server than the official one. The environment (``HF_ENDPOINT``) does not choose it.
    """

    repository: str
    revision: str | None = None
    weights: bool = True
    allow_pickle: bool = False
    endpoint: str | None = None

    @property
    def server(self) -> str:
        """Address of the hub that is asked."""
        return self.endpoint or OFFICIAL_HUB


@dataclass(frozen=True)
class Snapshot:
    """A repository's files on this machine, and the commit that they are from."""

    folder: Path
    commit: str
    files: tuple[str, ...]
    sha256: dict[str, str]


def forget_server_of_environment() -> None:
    """Keep ``HF_ENDPOINT`` from the hub's client, which asks that server too, whatever it is given.

    Call before huggingface_hub is imported.
    """
    os.environ.pop("HF_ENDPOINT", None)


def fetch_snapshot(request: Request, cache: Path) -> Snapshot:
    """Download what a model needs; files that the cache has are not downloaded again.

    The access token is read from the environment variable ``HF_TOKEN`` and from nowhere else. A
    commit that is whole in the cache needs no network; neither does any revision when the hub
    cannot be reached. A cache that holds what is asked for need not be writable.

    Raises
    ------
    BadInput
        The repository or revision does not exist, is gated, or has no usable weights; the token or
        the certificates cannot be used; the cache lacks files and cannot be written, or lacks them
        while the environment keeps the hub's client offline.
    Transient
        The hub cannot be reached and the cache does not have the revision.
    """
    from huggingface_hub import is_offline_mode

    offline = is_offline_mode()
    if offline or (request.revision and COMMIT.fullmatch(request.revision)):
        cached = _cached(request, cache)
        if cached is not None:
            return cached
    if offline:  # no later try can pass
        raise BadInput(_kept_offline(request))
    try:
        with _speaking(request, cache):
            return _download(request, cache)
    except Transient:
        cached = _cached(request, cache)
        if cached is None:
            raise
        return cached


def commit_of(request: Request, cache: Path) -> str:
    """Return the commit of a model, if it can be fetched; nothing of it is fetched.

    Raises
    ------
    BadInput, Transient
        As :func:`fetch_snapshot`.
    """
    from huggingface_hub import is_offline_mode

    cached = _cached(request, cache)
    if cached is not None:
        return cached.commit
    if is_offline_mode():
        raise BadInput(_kept_offline(request))
    with _speaking(request, cache):
        info, _ = _ask(request)
        names = {entry.rfilename for entry in info.siblings or []}
        if request.weights and _index_name(names, request) is None:
            _single_file(names, request)
    return str(info.sha)


def _ask(request: Request) -> tuple[Any, str | bool]:
    """Return what the hub knows of a model, and the token that it was asked with."""
    from huggingface_hub import HfApi

    token = access_token() or False
    if token:
        check_confidential(request.server)
    _connect()
    info = HfApi(endpoint=request.server, token=token).model_info(
        request.repository, revision=request.revision, files_metadata=True, timeout=30
    )
    return info, token


def _download(request: Request, cache: Path) -> Snapshot:
    """Ask the hub for the list of files and fetch those that are needed."""
    from huggingface_hub import snapshot_download

    info, token = _ask(request)
    cached = _cached(replace(request, revision=info.sha), cache)
    if cached is not None:
        with suppress(BadInput):  # somebody else's cache: the name is resolved again next time
            _remember(request, cached, cache)
        return cached
    siblings = {entry.rfilename: entry for entry in info.siblings or []}
    options: dict[str, Any] = {
        "revision": info.sha,
        "cache_dir": cache,
        "token": token,
        "endpoint": request.server,
    }
    names = [name for name in siblings if SMALL_FILES.fullmatch(name)]
    index = _index_name(siblings, request)
    if request.weights:
        first = [*names, index] if index else names
        folder = Path(snapshot_download(request.repository, allow_patterns=first, **options))
        _check_kind(folder, siblings, request)
    if index is not None:
        parts = parts_of(folder / index)
        lost = [name for name in parts if name not in siblings]
        if lost:
            raise BadInput(
                f"model {request.repository} lacks {len(lost)} of {len(parts)} parts of its "
                f"weights on the hub ({lost[0]}); choose another revision or model"
            )
        names += [index, *parts]
    elif request.weights:
        names.append(_single_file(siblings, request))
    folder = Path(snapshot_download(request.repository, allow_patterns=names, **options))
    missing = [name for name in names if not (folder / name).is_file()]
    if missing:
        raise Transient(f"model {request.repository}: {missing[0]} did not arrive; try again")
    checksums = {
        name: str(siblings[name].lfs.sha256)
        for name in names
        if name in siblings and siblings[name].lfs is not None
    }
    snapshot = Snapshot(folder, str(info.sha), tuple(sorted(names)), checksums)
    _remember(request, snapshot, cache)
    return snapshot


def _check_kind(folder: Path, siblings: Iterable[str], request: Request) -> None:
    """Refuse weights that cannot be read here for what they are, before they are fetched."""
    with called(folder, request.repository):
        fault = fault_of_kind(read_config(folder), siblings)
        if fault:
            raise BadInput(f"model {folder}: {fault}")


def access_token() -> str | None:
    """Return the access token of the environment, without what stands around it; None without.

    Raises
    ------
    BadInput
        It has characters that no request can carry; the message does not quote them.
    """
    token = MARGIN.sub("", os.environ.get("HF_TOKEN", ""))
    if not all("!" <= character <= "~" for character in token):
        raise BadInput(
            "the access token (HF_TOKEN) has characters that no token has (blanks, line ends, "
            "accents): copy it again from the hub, then `nextflow secrets set HF_TOKEN <token>`"
        )
    return token or None


def check_confidential(server: str) -> None:
    """Check that others on the network cannot read what is sent to a server.

    Raises
    ------
    BadInput
        The connection is not encrypted and leaves this machine.
    """
    address = urlsplit(server)
    if address.scheme != "https" and not _is_loopback(address.hostname or ""):
        raise BadInput(
            f"the access token (HF_TOKEN) is not sent to {redacted(server)}, where it could be "
            "read on the way: give an https:// address with --hf_endpoint, or remove the token "
            "(`nextflow secrets delete HF_TOKEN`)"
        )


def _is_loopback(host: str) -> bool:
    """Tell whether a host is this machine, without asking a name server."""
    try:
        return ipaddress.ip_address(host).is_loopback
    except ValueError:
        return host == "localhost"


def _connect() -> None:
    """Make the client of the hub, with the certificates and the proxy that the environment names.

    Raises
    ------
    BadInput
        One of them cannot be used.
    """
    from huggingface_hub.utils import get_session

    check_certificates(HUB)
    try:
        get_session()
    except (ValueError, ImportError, OSError) as error:
        raise BadInput(
            f"no connection can be made as the environment asks ({_line(error)}); check "
            "HTTPS_PROXY, HTTP_PROXY and ALL_PROXY"
        ) from error


def _index_name(siblings: Container[str], request: Request) -> str | None:
    """Return the index of weights that come in parts; None when one file holds them."""
    if not request.weights or SAFE in siblings:
        return None
    if f"{SAFE}.index.json" in siblings:
        return f"{SAFE}.index.json"
    if request.allow_pickle and PICKLED not in siblings and f"{PICKLED}.index.json" in siblings:
        return f"{PICKLED}.index.json"
    return None


def _single_file(siblings: Container[str], request: Request) -> str:
    """Return the name of the one file that holds the weights."""
    if SAFE in siblings:
        return SAFE
    pickled = PICKLED in siblings or f"{PICKLED}.index.json" in siblings
    if pickled and request.allow_pickle:
        return PICKLED
    if pickled:
        raise BadInput(
            f"model {request.repository} has pickled weights only, which can run code when loaded; "
            "if you trust it add --allow_pickle_weights yes"
        )
    raise BadInput(
        f"model {request.repository} has no weights that can be used ({SAFE}); choose another "
        "model, or convert it with save_pretrained"
    )


def _record(request: Request, revision: str, cache: Path) -> Path:
    """Return the path of the record that says that a revision is whole in the cache."""
    what = "model" if request.weights else "tokenizer"
    name = f"{request.repository}@{revision}".replace("/", "--")
    return cache / "whole" / f"{name}.{what}.json"


def _remember(request: Request, snapshot: Snapshot, cache: Path) -> None:
    """Record that a snapshot is whole, under the revision asked for and under its commit."""
    entry = {
        "folder": os.path.relpath(snapshot.folder, cache),
        "commit": snapshot.commit,
        "files": snapshot.files,
        "sha256": snapshot.sha256,
    }
    for revision in {request.revision or "main", snapshot.commit}:
        write_json(entry, _record(request, revision, cache))


def _cached(request: Request, cache: Path) -> Snapshot | None:
    """Return the snapshot of a revision when all of it is in the cache."""
    record = _record(request, request.revision or "main", cache)
    if not record.is_file():
        return None
    entry = read_json(record)
    folder, files = cache / entry["folder"], tuple(entry["files"])
    pickled = any(name.endswith(".bin") for name in files)
    if (pickled and not request.allow_pickle) or not all((folder / n).is_file() for n in files):
        return None
    return Snapshot(folder, entry["commit"], files, entry["sha256"])


def _lacking() -> str:
    """Say what stands between the user and a gated model."""
    given = access_token()
    return "the account of your token has no access yet" if given else "no token is given"


@contextmanager
def _speaking(request: Request, cache: Path) -> Iterator[None]:
    """Turn the hub's errors into messages that say what to do."""
    from huggingface_hub import errors

    name, revision = request.repository, request.revision or "main"
    try:
        yield
    except (BadInput, Transient):
        raise
    except errors.GatedRepoError as error:
        raise BadInput(
            f"model {name} is gated and {_lacking()}: accept {conditions_of(name)} on "
            f"{request.server}/{name}, then give your access token with "
            "`nextflow secrets set HF_TOKEN <token>`"
        ) from error
    except errors.RevisionNotFoundError as error:
        raise BadInput(
            f"model {name} has no revision {revision}; check the sheet's column revision"
        ) from error
    except (errors.RepositoryNotFoundError, errors.HFValidationError) as error:
        raise BadInput(
            f"model {name} does not exist on the hub, or is private; check its name, or give an "
            "access token with `nextflow secrets set HF_TOKEN <token>`"
        ) from error
    except errors.HfHubHTTPError as error:
        status = getattr(error.response, "status_code", None)
        if status in (401, 403):
            raise BadInput(
                f"model {name}: the hub refuses access ({status}); check the secret HF_TOKEN"
            ) from error
        raise Transient(f"model {name}: the hub answers with {status}; try again") from error
    except (OSError, errors.IncompleteSnapshotError, errors.RevisionResolutionError) as error:
        problem = disk_problem(error, cache / "model")
        if problem:
            raise BadInput(_not_cached(request, problem)) from error
        raise Transient(_unreachable(name, error)) from error
    except Exception as error:
        problem = disk_problem(error, cache / "model")  # the library's own code may hide the number
        if problem:
            raise BadInput(_not_cached(request, problem)) from error
        if type(error).__module__.split(".")[0] not in ("httpx", "httpx2", "httpcore", "hf_xet"):
            raise
        raise Transient(_unreachable(name, error)) from error


def _unreachable(name: str, error: BaseException) -> str:
    """Say that there is no network, and what a run without one needs."""
    return (
        f"model {name}: the hub cannot be reached ({_line(error)}); try again later, fill "
        "--cache_dir with --stage fetch where there is network, or give --models a local folder"
    )


def _kept_offline(request: Request) -> str:
    """Say which variable keeps the hub's client offline."""
    names = ("HF_HUB_OFFLINE", "TRANSFORMERS_OFFLINE")
    name = next((name for name in names if os.environ.get(name)), names[0])
    return (
        f"model {request.repository} at revision {request.revision or 'main'} is not whole in "
        f"--cache_dir and cannot be fetched, for {name} is set: unset it, or run --stage fetch "
        "where there is network"
    )


def _not_cached(request: Request, problem: str) -> str:
    """Say that a revision is not whole in a cache that cannot be written."""
    return (
        f"model {request.repository} at revision {request.revision or 'main'} is not whole in "
        f"--cache_dir and cannot be fetched into it: {problem}; or run --stage fetch where it can "
        "be, or give another --cache_dir"
    )


def conditions_of(source: str) -> str:
    """Say what has to be accepted on the page of a gated model."""
    return next((what for start, what in GATED.items() if source.startswith(start)), "its licence")


def _line(error: BaseException) -> str:
    """Return an error's message without secrets, on one line of reasonable length."""
    return " ".join(redacted(str(error)).split())[:200] or type(error).__name__
