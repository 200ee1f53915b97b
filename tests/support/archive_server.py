"""A real HTTP server that serves files and scripted answers, good and bad, for tests of everything that downloads."""

import hashlib
import sys
import threading
import time
from collections import defaultdict
from collections.abc import Callable, Iterator, Mapping
from contextlib import contextmanager
from dataclasses import dataclass, field
from http.server import BaseHTTPRequestHandler, ThreadingHTTPServer
from pathlib import Path
from urllib.parse import parse_qsl, urlsplit


@dataclass(frozen=True)
class Answer:
    """One answer.

    Attributes:
        body: None for the file at the path.
        cut_after: bytes of the promised body after which the connection is closed.
        delay: seconds before the answer.
        drip: seconds between single bytes of the body.
    """

    status: int = 200
    body: bytes | None = None
    headers: Mapping[str, str] = field(default_factory=dict)
    cut_after: int | None = None
    delay: float = 0.0
    drip: float = 0.0


@dataclass(frozen=True)
class Asked:
    """One request as the server got it."""

    method: str
    path: str
    query: Mapping[str, str]
    headers: Mapping[str, str]
    at: float


@dataclass
class ArchiveServer:
    """What to serve, and what was asked. A script's answers are used up one by one; then the file is served again.

    Attributes:
        files: path -> bytes, with an ETag each.
        folder: served where `files` has no such path.
        scripts: path -> answers still to give.
        routes: path -> what answers a query, instead of a file.
    """

    url: str
    folder: Path | None = None
    files: dict[str, bytes] = field(default_factory=dict)
    scripts: dict[str, list[Answer]] = field(default_factory=lambda: defaultdict(list))
    routes: dict[str, Callable[[Mapping[str, str]], Answer]] = field(default_factory=dict)
    asked: list[Asked] = field(default_factory=list)
    lock: threading.Lock = field(default_factory=threading.Lock)

    def paths(self, method: str = "GET") -> list[str]:
        return [request.path for request in self.asked if request.method == method]

    def next_answer(self, request: Asked) -> Answer:
        with self.lock:
            self.asked.append(request)
            if self.scripts.get(request.path):
                return self.scripts[request.path].pop(0)
        if request.path in self.routes:
            return self.routes[request.path](request.query)
        return Answer()

    def file(self, path: str) -> bytes | None:
        if path in self.files:
            return self.files[path]
        found = self.folder / path.lstrip("/") if self.folder else None
        return found.read_bytes() if found and found.is_file() else None


@contextmanager
def serve(folder: Path | None = None) -> Iterator[ArchiveServer]:
    """Run a server on a free port of this machine until the block ends."""
    httpd = _Server(("127.0.0.1", 0), _Handler)
    server = ArchiveServer(f"http://127.0.0.1:{httpd.server_address[1]}", folder)
    httpd.archive = server  # type: ignore[attr-defined]
    thread = threading.Thread(target=httpd.serve_forever, kwargs={"poll_interval": 0.01}, daemon=True)
    thread.start()
    try:
        yield server
    finally:
        httpd.shutdown()
        httpd.server_close()
        thread.join()


class _Server(ThreadingHTTPServer):
    daemon_threads = True

    def handle_error(self, request: object, client_address: object) -> None:
        """A client that hangs up early is what some tests are about."""
        if not isinstance(sys.exception(), ConnectionError):
            super().handle_error(request, client_address)


class _Handler(BaseHTTPRequestHandler):
    protocol_version = "HTTP/1.1"

    def do_GET(self) -> None:
        self._respond()

    def do_HEAD(self) -> None:
        self._respond()

    def log_message(self, *args: object) -> None:
        """Quiet: the requests are in `asked`."""

    def _respond(self) -> None:
        server: ArchiveServer = self.server.archive  # type: ignore[attr-defined]
        url = urlsplit(self.path)
        request = Asked(self.command, url.path, dict(parse_qsl(url.query)), dict(self.headers), time.monotonic())
        answer = server.next_answer(request)
        time.sleep(answer.delay)
        body, status, headers = answer.body, answer.status, dict(answer.headers)
        if body is None and status == 200:
            body = server.file(url.path)
            if body is None:
                status = 404
            else:
                etag = f'"{hashlib.md5(body, usedforsecurity=False).hexdigest()}"'
                headers = {"ETag": etag} | headers
                if self.headers.get("If-None-Match") == etag:
                    status, body = 304, b""
        try:
            self._send(status, body or b"", headers, answer)
        except (BrokenPipeError, ConnectionResetError):
            self.close_connection = True

    def _send(self, status: int, body: bytes, headers: Mapping[str, str], answer: Answer) -> None:
        self.send_response_only(status)
        length = {} if "Transfer-Encoding" in headers else {"Content-Length": str(len(body))}
        for name, value in {"Date": self.date_time_string(), **length, **headers}.items():
            self.send_header(name, value)
        self.end_headers()
        if self.command == "HEAD" or status == 304:
            return
        if answer.drip:
            for byte in body:
                self.wfile.write(bytes([byte]))
                time.sleep(answer.drip)
        else:
            self.wfile.write(body[: answer.cut_after])
        if answer.cut_after is not None:
            self.close_connection = True
