"""How a process of the live lane runs: until it is told to end, with its health and metrics on a port of its own."""

import gc
import signal
import threading
from collections.abc import Iterator
from contextlib import contextmanager
from http import HTTPStatus
from http.server import BaseHTTPRequestHandler, ThreadingHTTPServer
from types import FrameType
from typing import Protocol

from bitpredict.errors import BitPredictError

HOST = "127.0.0.1"
_ENDING = (signal.SIGINT, signal.SIGTERM, signal.SIGHUP)


class Worker(Protocol):
    """What a process does."""

    def run(self, stop: threading.Event) -> None:
        """Work until `stop` is set or there is nothing left to do; then flush, commit and return within five seconds.

        Raises:
            BitPredictError: it cannot go on, and waiting would not help.
        """

    def ready(self) -> bool:
        """Whether it does its work now: connected, and not waiting for something that is away."""

    def summary(self) -> str:
        """What it did, in one line."""


def serve(worker: Worker, port: int) -> str:
    """Run a worker in this process until SIGTERM, SIGINT or SIGHUP, or until it is done.

    `/healthz` answers 200 while the process lives, `/readyz` 200 or 503 as the worker says, `/metrics` in Prometheus'
    text format.

    Returns:
        The worker's summary.

    Raises:
        BitPredictError: the port is taken, or the worker cannot go on.
    """
    stop = threading.Event()
    gc.collect()
    gc.freeze()  # what was imported stays: looking through it again halts the process for a sixth of a second
    with _ended_by_signals(stop), _answering(worker, port):
        worker.run(stop)
    return worker.summary()


@contextmanager
def _ended_by_signals(stop: threading.Event) -> Iterator[None]:
    def end(_number: int, _frame: FrameType | None) -> None:
        stop.set()

    before = {number: signal.signal(number, end) for number in _ENDING}
    try:
        yield
    finally:
        for number, handler in before.items():
            signal.signal(number, handler)


@contextmanager
def _answering(worker: Worker, port: int) -> Iterator[None]:
    class Handler(BaseHTTPRequestHandler):
        def do_GET(self) -> None:
            status, kind, body = _answer(worker, self.path.partition("?")[0])
            self.send_response(status)
            self.send_header("Content-Type", kind)
            self.send_header("Content-Length", str(len(body)))
            self.end_headers()
            self.wfile.write(body)

        def log_message(self, *_arguments: object) -> None:
            """A probe a second is no news."""

    try:
        server = ThreadingHTTPServer((HOST, port), Handler)
    except OSError as error:
        raise BitPredictError(
            f"port {port} cannot be used ({error.strerror}); end what listens there, or choose another with --port"
        ) from error
    except OverflowError as error:
        raise BitPredictError(
            f"port {port} cannot be used: there are 1 to 65535; choose another with --port"
        ) from error
    server.daemon_threads = True
    thread = threading.Thread(target=server.serve_forever, kwargs={"poll_interval": 0.1}, daemon=True)
    thread.start()
    try:
        yield
    finally:
        server.shutdown()
        server.server_close()
        thread.join()


def _answer(worker: Worker, path: str) -> tuple[HTTPStatus, str, bytes]:
    from prometheus_client import CONTENT_TYPE_LATEST, generate_latest

    text = "text/plain; charset=utf-8"
    if path == "/healthz":
        return HTTPStatus.OK, text, b"ok\n"
    if path == "/readyz":
        return (HTTPStatus.OK, text, b"ready\n") if worker.ready() else (HTTPStatus.SERVICE_UNAVAILABLE, text, b"no\n")
    if path == "/metrics":
        return HTTPStatus.OK, CONTENT_TYPE_LATEST, generate_latest()
    return HTTPStatus.NOT_FOUND, text, b"there are /healthz, /readyz and /metrics\n"
