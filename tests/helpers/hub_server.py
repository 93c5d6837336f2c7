"""A hub with one repository, ``org/m``, for the real client: info, resolve, redirects, refusals."""

import hashlib
import json
import threading
from collections.abc import Iterator
from contextlib import contextmanager
from http.server import BaseHTTPRequestHandler, ThreadingHTTPServer
from pathlib import Path
from typing import Any
from urllib.parse import unquote, urlsplit

COMMIT = "0123456789abcdef0123456789abcdef01234567"
WEIGHTS = (".safetensors", ".bin")


class Hub(ThreadingHTTPServer):
    """A hub with one repository; what it answers can be spoilt."""

    def __init__(self, folder: Path) -> None:
        super().__init__(("127.0.0.1", 0), HubHandler)
        self.folder, self.spoilt, self.asked = folder, "", list[tuple[str, str | None]]()

    @property
    def url(self) -> str:
        return f"http://127.0.0.1:{self.server_address[1]}"


class HubHandler(BaseHTTPRequestHandler):
    server: Hub

    def log_message(self, *arguments: Any) -> None:
        pass

    def do_HEAD(self) -> None:
        self.do_GET()

    def do_GET(self) -> None:
        path = unquote(urlsplit(self.path).path)
        self.server.asked.append((path, self.headers.get("Authorization")))
        errors = {"gated": (403, "GatedRepo"), "absent": (404, "RepoNotFound")}
        errors |= {"norevision": (404, "RevisionNotFound"), "denied": (403, "")}
        if self.server.spoilt in errors:
            status, code = errors[self.server.spoilt]
            self.answer(status, b"{}", {"X-Error-Code": code} if code else {})
        elif path.startswith("/api/models/org/m/tree"):
            self.answer(200, json.dumps([self.entry(file, "path") for file in self.files()]))
        elif path.startswith("/api/models/org/m"):
            siblings = [self.entry(file, "rfilename") for file in self.files()]
            self.answer(200, json.dumps({"id": "org/m", "sha": COMMIT, "siblings": siblings}))
        elif "/resolve/" in path and self.redirected(path):
            pass
        elif path.startswith(("/org/m/resolve/", "/store/")) and self.named(path).is_file():
            content = self.named(path).read_bytes()
            tag = hashlib.sha256(content).hexdigest()
            if self.server.spoilt == "damaged" and path.endswith("safetensors"):
                content = content[:-1] + b"?"
            self.answer(200, content, {"ETag": f'"{tag}"', "X-Repo-Commit": COMMIT})
        else:
            self.answer(404, b"{}", {"X-Error-Code": "EntryNotFound"})

    def redirected(self, path: str) -> bool:
        """Send who asks for weights to the store, as the hub does; the token stays here."""
        file = self.named(path)
        if file.suffix not in WEIGHTS or not file.is_file():
            return False
        tag = hashlib.sha256(file.read_bytes()).hexdigest()
        headers = {"X-Linked-ETag": f'"{tag}"', "X-Linked-Size": str(file.stat().st_size)}
        headers |= {"ETag": '"of-the-pointer"', "X-Repo-Commit": COMMIT}
        self.answer(302, b"", headers | {"Location": f"{self.server.url}/store/{file.name}?x=1"})
        return True

    def named(self, path: str) -> Path:
        return self.server.folder / path.rsplit("/", maxsplit=1)[-1]

    def files(self) -> list[Path]:
        return sorted(self.server.folder.iterdir())

    def entry(self, path: Path, key: str) -> dict[str, Any]:
        size, sha = path.stat().st_size, hashlib.sha256(path.read_bytes()).hexdigest()
        made: dict[str, Any] = {key: path.name, "size": size, "blobId": "b" * 40, "type": "file"}
        made["oid"] = "b" * 40
        if path.suffix in WEIGHTS:
            made["lfs"] = {"sha256": sha, "oid": sha, "size": size, "pointerSize": 134}
        return made

    def answer(self, status: int, body: bytes | str, headers: dict[str, str] | None = None) -> None:
        content = body.encode() if isinstance(body, str) else body
        self.send_response(status)
        for name, value in (headers or {}).items():
            self.send_header(name, value)
        self.send_header("Content-Length", str(len(content)))
        self.end_headers()
        if self.command != "HEAD":
            self.wfile.write(content)


@contextmanager
def serving_hub(folder: Path) -> Iterator[Hub]:
    """Serve a model's folder as ``org/m`` until the block ends."""
    server = Hub(folder)
    thread = threading.Thread(target=server.serve_forever, args=(0.05,), daemon=True)
    thread.start()
    try:
        yield server
    finally:
        server.shutdown()
        server.server_close()
        thread.join()
