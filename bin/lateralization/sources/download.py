"""Downloads that arrive whole: resumed by Range, verified, tried again after what may pass.

What may pass (no connection, resets, a body that breaks off, 408, 429, 5xx) is tried again after
a pause that doubles and has jitter; what will not (403, 404, a wrong file) ends at once. No
library that the project has resumes by Range, so this small reader does.
"""

import random
import re
import threading
import zipfile
from collections.abc import Iterator, Sequence
from concurrent.futures import FIRST_EXCEPTION, ThreadPoolExecutor, wait
from dataclasses import dataclass
from pathlib import Path
from typing import Any

import requests
import urllib3
from tqdm import tqdm

from lateralization import __version__
from lateralization.command import LOG, say
from lateralization.errors import BadInput, Transient
from lateralization.redaction import redacted
from lateralization.sources.cache import (
    CHUNK,
    PartialFile,
    Stopped,
    Wanted,
    is_whole,
    keep,
    locked,
    not_writable,
)
from lateralization.sources.certificates import REQUESTS, check_certificates

PASSING = {408, 425, 429, 500, 502, 503, 504}
PAGES = ("text/html", "application/json", "application/xml", "text/xml", "application/xhtml+xml")
"""Content types of error pages, which are never data."""

MAGIC = {".zip": b"PK", ".gz": b"\x1f\x8b"}
_JITTER = random.SystemRandom()
_COUNTING = threading.Lock()


@dataclass(frozen=True)
class Policy:
    """How hard downloads try.

    Attributes
    ----------
    attempts
        Attempts in a row that may bring nothing.
    backoff
        Seconds before the second attempt; doubled each time, up to ``longest``.
    connections
        Files fetched at a time.
    timeout
        Seconds to connect, and without a byte.
    """

    attempts: int = 6
    backoff: float = 1.0
    longest: float = 60.0
    connections: int = 4
    timeout: tuple[float, float] = (15.0, 60.0)

    def pause(self, failures: int, asked: float | None) -> float:
        """Return the seconds to wait after so many failures; the server may ask for more."""
        drawn = self.backoff * float(2 ** (failures - 1)) * _JITTER.uniform(0.5, 1.5)
        return min(max(drawn, asked or 0.0), self.longest)


class _Passing(Exception):
    """An attempt failed and the next may not; ``asked``: seconds that the server wants."""

    def __init__(self, reason: str, asked: float | None = None) -> None:
        super().__init__(reason)
        self.asked = asked


class _Refused(Exception):
    """The server will not give the file at this address."""


class _Wrong(Exception):
    """The server gives another file than the pinned one."""


def download(
    files: Sequence[Wanted], policy: Policy | None = None, label: str = "download"
) -> None:
    """Bring files into the cache, several at a time; those that are there are verified.

    Parameters
    ----------
    files
        What the cache should hold.
    policy
        How hard to try.
    label
        First word of the lines of progress.

    Raises
    ------
    BadInput
        A file is refused, is not the pinned one, or cannot be written.
    Transient
        The network failed for longer than the policy waits.
    """
    policy = policy or Policy()
    sizes = [file.n_bytes for file in files]
    total = sum(size or 0 for size in sizes) if None not in sizes else None
    stop, local = threading.Event(), threading.local()
    with (
        _Meter(label, total, len(files)) as meter,
        ThreadPoolExecutor(max_workers=max(1, min(policy.connections, len(files)))) as pool,
    ):
        futures = [pool.submit(_obtain, file, policy, meter, stop, local) for file in files]
        try:
            _, unfinished = wait(futures, return_when=FIRST_EXCEPTION)
        except BaseException:
            stop.set()
            raise
        if unfinished:  # one has failed: the others end as they are, and can be resumed
            stop.set()
    _raise_first([future.exception() for future in futures])


class _Meter(tqdm):  # type: ignore[type-arg]
    """Bytes that are here, printed at most every five seconds, and how many files are whole.

    Its rate is of the network: of bytes that came just now.
    """

    def __init__(self, label: str, n_bytes: int | None, n_files: int) -> None:
        self.n_whole, self.n_files = 0, n_files
        super().__init__(
            desc=label, total=n_bytes, unit="B", unit_scale=True, mininterval=5.0, smoothing=0,
            file=LOG, ascii=True, postfix=self._files(),
        )  # fmt: skip

    def _files(self) -> str:
        return f"files {self.n_whole}/{self.n_files}"

    def count(self, n_bytes: int, *, received: bool = True) -> None:
        """Count bytes that are here, ``received`` just now or before."""
        with _COUNTING:
            if not received:
                self.initial += n_bytes
            self.update(n_bytes)

    def count_file(self) -> None:
        """Count a file that is whole."""
        with _COUNTING:
            self.n_whole += 1
            self.set_postfix_str(self._files(), refresh=False)


def _raise_first(errors: Sequence[BaseException | None]) -> None:
    """Raise the error that says most: bad input before what may pass."""
    found = [error for error in errors if error and not isinstance(error, Stopped)]
    found.sort(key=lambda error: not isinstance(error, BadInput))
    if found:
        raise found[0]


def _obtain(file: Wanted, policy: Policy, meter: _Meter, stop: threading.Event, local: Any) -> None:
    """Bring one file into the cache unless it is there."""
    if stop.is_set():
        raise Stopped
    present = file.target.exists()
    if present and is_whole(file):
        meter.count(file.target.stat().st_size, received=False)
        meter.count_file()
        return
    with locked(file, stop) as path:
        if is_whole(file):  # another run has fetched it while this one waited
            meter.count(file.target.stat().st_size, received=False)
        else:
            if present:
                say(f"{file.target} is damaged (length or checksum): it is fetched again")
            if not hasattr(local, "session"):
                local.session = _session()
            _fetch(_Transfer(file, policy, meter, stop, local.session), path)
    meter.count_file()


def _session() -> requests.Session:
    """Return a connection that asks for bytes as they are; proxies come from the environment."""
    session = requests.Session()
    session.headers.update(
        {"User-Agent": f"lateralization/{__version__}", "Accept-Encoding": "identity"}
    )
    return session


@dataclass
class _Transfer:
    """One file on its way."""

    file: Wanted
    policy: Policy
    meter: _Meter
    stop: threading.Event
    session: requests.Session


def _fetch(transfer: _Transfer, path: Path) -> None:
    """Fetch one file into its part, and give it its name when it is verified."""
    file = transfer.file
    try:
        part = PartialFile(path, file.algorithm)
        transfer.meter.count(part.size, received=False)
        try:
            url = _try_addresses(transfer, part)
            keep(part, file, url)
        finally:
            part.close()
    except OSError as error:
        raise BadInput(not_writable(file, error)) from error


def _try_addresses(transfer: _Transfer, part: PartialFile) -> str:
    """Try the addresses in turn; return the one that gave the file."""
    refused: list[str] = []
    for url in transfer.file.urls:
        try:
            _try_again(transfer, part, url)
            return url
        except _Refused as error:
            refused.append(str(error))
    raise BadInput(
        f"cannot fetch {transfer.file.target.name}: {'; '.join(refused)}; check the address and "
        "its rights (--data_endpoint, --hf_endpoint)"
    )


def _try_again(transfer: _Transfer, part: PartialFile, url: str) -> None:
    """Fetch from one address, again and again as the policy says."""
    policy, failures, wrong, total = transfer.policy, 0, 0, 0
    while True:
        before, total = part.size, total + 1
        try:
            _attempt(transfer, part, url)
            _verify(transfer.file, part)
            return
        except _Wrong as error:
            transfer.meter.count(-part.size, received=False)
            part.restart()
            wrong += 1
            reason, asked = str(error), None
            if wrong >= 2:
                raise BadInput(
                    f"{url} does not give the right file: {reason}; check the address"
                ) from error
            failures += 1
        except _Passing as error:
            reason, asked = str(error), error.asked
            failures = 1 if part.size > before else failures + 1
        if failures >= policy.attempts or total >= 20 * policy.attempts:
            raise Transient(
                f"cannot fetch {url}: {reason} ({total} attempts); try again later, or fill "
                "--cache_dir with --stage fetch where there is network"
            )
        say(f"{transfer.file.target.name}: {reason}; attempt {total + 1} follows")
        if transfer.stop.wait(policy.pause(failures, asked)):
            raise Stopped


def _attempt(transfer: _Transfer, part: PartialFile, url: str) -> None:
    """Ask once for what is missing of a file."""
    file = transfer.file
    if file.n_bytes is not None and part.size > file.n_bytes:
        transfer.meter.count(-part.size, received=False)
        part.restart()
    if part.size and part.size == file.n_bytes:
        return
    with _answer(transfer, url, _range(file, part)) as response:
        _receive(transfer, part, response)


def _answer(transfer: _Transfer, url: str, headers: dict[str, str]) -> requests.Response:
    """Ask an address; what goes wrong here is the network's doing and never the disk's."""
    if url.startswith("https:"):
        check_certificates(REQUESTS)
    try:
        return transfer.session.get(
            url, headers=headers, stream=True, timeout=transfer.policy.timeout
        )
    except requests.exceptions.SSLError as error:
        if "CERTIFICATE_VERIFY_FAILED" in str(error):
            raise _Refused(
                f"{url}: its certificate cannot be verified (set REQUESTS_CA_BUNDLE)"
            ) from error
        raise _Passing(_short(error)) from error
    except (
        requests.exceptions.MissingSchema,
        requests.exceptions.InvalidSchema,
        requests.exceptions.InvalidURL,
        requests.exceptions.TooManyRedirects,
    ) as error:
        raise _Refused(f"{url}: {_short(error)}") from error
    except (OSError, urllib3.exceptions.HTTPError) as error:  # those of requests are OSErrors
        raise _Passing(_short(error)) from error


def _chunks(response: requests.Response) -> Iterator[bytes]:
    """Read a body as it comes; a connection that fails may do better next time."""
    try:
        yield from response.raw.stream(CHUNK, decode_content=False)
    except (OSError, urllib3.exceptions.HTTPError) as error:
        raise _Passing(_short(error)) from error


def _short(error: BaseException) -> str:
    """Return the innermost reason of a failed connection, without objects' addresses."""
    while error.__cause__ or error.__context__:
        error = error.__cause__ or error.__context__ or error
    text = re.sub(r"<[^>]*>[:,]?\s*", "", redacted(str(error))).strip(" '\"")
    name = type(error).__name__
    return text[:200] if text.startswith(name) else f"{name}: {text}"[:200].rstrip(": ")


def _range(file: Wanted, part: PartialFile) -> dict[str, str]:
    """Return the headers that ask for the rest of a part.

    A file that is not pinned may have changed since: its rest is wanted only if the server still
    has the version that the part began with.
    """
    if not part.size:
        return {}
    headers = {"Range": f"bytes={part.size}-"}
    if file.digest is None:
        validator = file.beside("validator")
        if not validator.is_file():
            return {}
        headers["If-Range"] = validator.read_text(encoding="ascii")
    return headers


def _receive(transfer: _Transfer, part: PartialFile, response: requests.Response) -> None:
    """Write what a response brings."""
    file = transfer.file
    _check_status(response)
    start = _start(response, part)
    if start is None:
        transfer.meter.count(-part.size, received=False)
        part.restart()
        raise _Passing("the server does not go on where the file broke off")
    if start == 0 and part.size:
        transfer.meter.count(-part.size, received=False)
        part.restart()
    length = response.headers.get("Content-Length")
    expected = None if length is None else start + int(length)
    _check_announced(file, response, expected)
    if file.digest is None and start == 0:
        tag = response.headers.get("ETag", "")
        tag = "" if tag.startswith("W/") else tag or response.headers.get("Last-Modified", "")
        validator = file.beside("validator")
        validator.write_text(tag, encoding="ascii") if tag else validator.unlink(missing_ok=True)
    for chunk in _chunks(response):
        if transfer.stop.is_set():
            raise Stopped
        part.write(chunk)
        transfer.meter.count(len(chunk))
        if file.n_bytes is not None and part.size > file.n_bytes:
            raise _Wrong(f"more than the {file.n_bytes} bytes that it should have")
    whole = file.n_bytes if file.n_bytes is not None else expected
    if whole is not None and part.size < whole:
        raise _Passing(f"the connection broke off at {part.size} of {whole} bytes")


def _check_status(response: requests.Response) -> None:
    """Sort answers into those with a body, those that may pass and those that will not."""
    status = response.status_code
    if status in (200, 206, 416):
        return
    reason = f"the server answers {status} {response.reason or ''}".strip()
    if status in PASSING:
        asked = response.headers.get("Retry-After", "")
        raise _Passing(reason, float(asked) if asked.isdigit() else None)
    raise _Refused(f"{response.url}: {reason}")


def _start(response: requests.Response, part: PartialFile) -> int | None:
    """Return where a body begins in the file; None when it cannot be used."""
    if response.status_code == 200:
        return 0
    if response.status_code == 416:
        return None
    match = re.match(r"bytes (\d+)-", response.headers.get("Content-Range", ""))
    return part.size if match and int(match[1]) == part.size else None


def _check_announced(file: Wanted, response: requests.Response, expected: int | None) -> None:
    """Refuse an error page before it is written."""
    kind = response.headers.get("Content-Type", "").partition(";")[0].strip().lower()
    pinned = file.n_bytes is not None and expected == file.n_bytes and file.digest is not None
    if kind in PAGES and not pinned:
        raise _Passing(f"the server sends a page ({kind}) in place of the file")
    if expected == 0 != file.n_bytes:
        raise _Passing("the server sends nothing")
    if file.n_bytes is not None and expected is not None and expected != file.n_bytes:
        raise _Wrong(f"it has {expected} bytes and should have {file.n_bytes}")


def _verify(file: Wanted, part: PartialFile) -> None:
    """Compare a part with what is pinned, or with its format's first bytes."""
    if file.digest is not None:
        if part.digest != file.digest:
            raise _Wrong(f"its {file.algorithm} is {part.digest} and should be {file.digest}")
        return
    part.flush()
    begins = MAGIC.get(file.target.suffix, b"")
    zipped = file.target.suffix != ".zip" or zipfile.is_zipfile(part.path)
    if not part.size or not part.beginning().startswith(begins) or not zipped:
        raise _Wrong(f"it is no {file.target.suffix} file, or not a whole one")
