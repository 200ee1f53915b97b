"""A hub of models on this machine: lists a repository's files at one commit and gives them, large ones elsewhere."""

import hashlib
import json
import threading
from collections.abc import Iterator
from contextlib import contextmanager
from http.server import BaseHTTPRequestHandler, ThreadingHTTPServer
from pathlib import Path
from typing import Any

REPOSITORY, REVISION = "someone/finbert", "0123456789abcdef" * 2 + "01234567"
NAMES = {"onnx/model_quantized.onnx": "model.onnx", "tokenizer.json": "tokenizer.json", "config.json": "config.json"}


class Hub:
    """What it has; a test may change it.

    Attributes:
        files: path in the repository → content that is sent.
        listing: what the list of files says.
        asked: paths that were asked for.
    """

    def __init__(self, folder: Path) -> None:
        self.files = {path: (folder / name).read_bytes() for path, name in NAMES.items()}
        self.listing: dict[str, Any] = {
            "sha": REVISION,
            "siblings": [_listed(path, content) for path, content in self.files.items()],
        }
        self.asked: list[str] = []
        self.url = ""

    def answer(self, path: str) -> tuple[int, bytes | str]:
        """Status and content, or where to look for it."""
        self.asked.append(path)
        if path == f"/api/models/{REPOSITORY}/revision/{REVISION}?blobs=true":
            return 200, json.dumps(self.listing).encode()
        at = f"/{REPOSITORY}/resolve/{REVISION}/"
        if path.startswith(at) and path.endswith(".onnx"):
            return 302, f"{self.url}/storage/{path.removeprefix(at)}"
        content = self.files.get(path.removeprefix(at).removeprefix("/storage/"))
        return (404, b"") if content is None else (200, content)


def _listed(path: str, content: bytes) -> dict[str, Any]:
    """As the hub lists it: git's name of the content, and SHA-256 where the content is large."""
    git = hashlib.sha1(f"blob {len(content)}\0".encode() + content).hexdigest()  # noqa: S324 git's choice
    large = {"lfs": {"sha256": hashlib.sha256(content).hexdigest(), "size": len(content)}}
    return {"rfilename": path, "size": len(content), "blobId": git} | (large if path.endswith(".onnx") else {})


@contextmanager
def serve(folder: Path) -> Iterator[Hub]:
    """A hub that has the files of `folder`."""
    hub = Hub(folder)

    class Handler(BaseHTTPRequestHandler):
        def do_GET(self) -> None:
            status, content = hub.answer(self.path)
            self.send_response(status)
            if isinstance(content, str):
                self.send_header("Location", content)
                content = b""
            self.send_header("Content-Length", str(len(content)))
            self.end_headers()
            self.wfile.write(content)

        def log_message(self, *_: object) -> None:
            """Says nothing."""

    server = ThreadingHTTPServer(("127.0.0.1", 0), Handler)
    hub.url = f"http://127.0.0.1:{server.server_port}"
    threading.Thread(target=server.serve_forever, kwargs={"poll_interval": 0.01}, daemon=True).start()
    try:
        yield hub
    finally:
        server.shutdown()
        server.server_close()
