"""An HTTP server on loopback that misbehaves as it is told, one instruction per request."""

import socket
import struct
import threading
from collections.abc import Iterator
from contextlib import contextmanager
from http.server import BaseHTTPRequestHandler, ThreadingHTTPServer


class Server(ThreadingHTTPServer):
    """Serves ``files`` (path → bytes); ``script`` says what the next requests meet.

    Instructions: ``ok``, an HTTP status, ``truncate``, ``reset``, ``stall`` (half the body,
    then silence), ``html`` (a page with 200), ``ignore`` (no Range), ``wrong``
    (other bytes of the same length), ``chunked``, ``hang up`` (no answer), ``empty`` (an empty
    body).
    After the script, every request is served well.
    """

    daemon_threads = True
    request_queue_size = 256

    def __init__(self, files: dict[str, bytes]) -> None:
        super().__init__(("127.0.0.1", 0), Handler)
        self.files = files
        self.script: list[str | int] = []
        self.always: str | int = "ok"
        self.requests: list[tuple[str, str | None]] = []
        self.etag = '"v1"'
        self.headers: dict[str, str] = {}
        self.lock = threading.Lock()
        self.closing = threading.Event()

    @property
    def url(self) -> str:
        return f"http://127.0.0.1:{self.server_address[1]}"

    def handle_error(self, request, client_address) -> None:
        """A connection that the client or the script has ended is nothing to print."""


class Handler(BaseHTTPRequestHandler):
    protocol_version = "HTTP/1.1"
    server: Server

    def log_message(self, *_args) -> None:
        pass

    def do_GET(self) -> None:
        server, asked = self.server, self.headers.get("Range")
        with server.lock:
            server.requests.append((self.path, asked))
            step = server.script.pop(0) if server.script else server.always
        content = server.files.get(self.path)
        if isinstance(step, int) or content is None:
            return self._page(step if isinstance(step, int) else 404)
        if step == "hang up":
            self.close_connection = True
            return None
        if step == "html":
            return self._page(200)
        start = int(asked[6:-1]) if asked and step != "ignore" else 0
        if self.headers.get("If-Range") not in (None, server.etag):
            start = 0
        if start >= len(content) > 0 and start:
            return self._page(416)
        body = content[start:]
        if step == "empty":
            body = b""
        if step == "wrong":
            body = bytes(255 - byte for byte in body)
        self.send_response(206 if start else 200)
        self.send_header("ETag", server.etag)
        self.send_header("Content-Type", "application/octet-stream")
        if start:
            self.send_header("Content-Range", f"bytes {start}-{len(content) - 1}/{len(content)}")
        if step == "chunked":
            self.send_header("Transfer-Encoding", "chunked")
        else:
            self.send_header("Content-Length", str(len(body)))
        self.end_headers()
        self._send(step, body)

    def _send(self, step, body: bytes) -> None:
        if step in ("truncate", "reset", "stall"):
            self.wfile.write(body[: len(body) // 2])
            self.wfile.flush()
            self.close_connection = True
            if step == "stall":
                self.server.closing.wait()
            if step == "reset":
                linger = struct.pack("ii", 1, 0)
                self.connection.setsockopt(socket.SOL_SOCKET, socket.SO_LINGER, linger)
                self.connection.close()
        elif step == "chunked":
            half = len(body) // 2
            for part in (body[:half], body[half:]):
                self.wfile.write(f"{len(part):x}\r\n".encode() + part + b"\r\n")
            self.wfile.write(b"0\r\n\r\n")
        else:
            self.wfile.write(body)

    def _page(self, status: int) -> None:
        body = b"<html><body>Something else than the data</body></html>"
        self.send_response(status)
        self.send_header("Content-Type", "text/html; charset=utf-8")
        self.send_header("Content-Length", str(len(body)))
        if status == 503:
            self.send_header("Retry-After", "0")
        self.end_headers()
        self.wfile.write(body)


@contextmanager
def serving(files: dict[str, bytes]) -> Iterator[Server]:
    """Run a server until the block ends."""
    server = Server(files)
    thread = threading.Thread(target=server.serve_forever, args=(0.02,), daemon=True)
    thread.start()
    try:
        yield server
    finally:
        server.closing.set()
        server.shutdown()
        server.server_close()
        thread.join()
