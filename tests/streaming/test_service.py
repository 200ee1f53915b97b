import signal
import socket
import subprocess
import sys
import threading
import time
from urllib.error import HTTPError, URLError
from urllib.request import urlopen

import pytest

from bitpredict.errors import BitPredictError
from bitpredict.streaming.service import serve
from tests.support.ports import free_ports
from tests.support.stopwatch import Stopwatch

pytestmark = [pytest.mark.slow, pytest.mark.timeout(180)]

PROCESS = """
import sys, threading
from bitpredict.streaming.service import serve

class Worker:
    turns = 0
    def run(self, stop):
        while not stop.wait(0.01):
            self.turns += 1
    def ready(self):
        return self.turns > 0
    def summary(self):
        return "turned"

print(serve(Worker(), int(sys.argv[1])))
"""


class Done:
    """A worker with nothing to do, which then looks at its own service."""

    def __init__(self, look=lambda: None, is_ready=True):
        self.look, self.is_ready = look, is_ready

    def run(self, _stop: threading.Event) -> None:
        self.look()

    def ready(self) -> bool:
        return self.is_ready

    def summary(self) -> str:
        return "nothing done"


def get(port: int, path: str) -> tuple[int, str]:
    try:
        with urlopen(f"http://127.0.0.1:{port}{path}", timeout=5) as answer:
            return answer.status, answer.read().decode()
    except HTTPError as error:
        return error.code, error.read().decode()


@pytest.mark.parametrize("number", [signal.SIGTERM, signal.SIGINT, signal.SIGHUP])
def test_a_signal_ends_it_and_it_says_what_it_did(number):
    port = free_ports(1)[0]
    process = subprocess.Popen([sys.executable, "-c", PROCESS, str(port)], stdout=subprocess.PIPE, text=True)
    try:
        deadline = time.monotonic() + 100
        while True:
            try:
                assert get(port, "/readyz")[0] in (200, 503)
                break
            except URLError:
                assert time.monotonic() < deadline
                time.sleep(0.05)
        watch = Stopwatch()
        process.send_signal(number)
        assert process.communicate(timeout=30)[0] == "turned\n"
        assert process.returncode == 0
        watch.assert_within(5)
    finally:
        process.kill()


@pytest.mark.parametrize(
    ("path", "ready", "status", "said"),
    [
        ("/healthz", True, 200, "ok"),
        ("/healthz", False, 200, "ok"),
        ("/readyz", True, 200, "ready"),
        ("/readyz", False, 503, "no"),
        ("/metrics", True, 200, "python_info"),
        ("/readyz?verbose", True, 200, "ready"),
        ("/else", True, 404, "there are /healthz"),
    ],
)
def test_it_answers_probes(path, ready, status, said):
    port = free_ports(1)[0]
    found = []
    assert serve(Done(lambda: found.append(get(port, path)), ready), port) == "nothing done"
    assert found[0][0] == status
    assert said in found[0][1]


def test_a_taken_port_is_named_before_any_work():
    with socket.create_server(("127.0.0.1", 0)) as taken:
        port = taken.getsockname()[1]
        with pytest.raises(BitPredictError, match=rf"port {port} cannot be used \(Address already in use\).*--port"):
            serve(Done(lambda: pytest.fail("it worked")), port)


@pytest.mark.parametrize("port", [-1, 65536])
def test_a_port_that_there_cannot_be_is_named_before_any_work(port):
    with pytest.raises(BitPredictError, match=rf"port {port} cannot be used: there are 1 to 65535.*--port"):
        serve(Done(lambda: pytest.fail("it worked")), port)


def test_signals_are_as_before_when_it_has_ended():
    before = signal.getsignal(signal.SIGTERM)
    serve(Done(), free_ports(1)[0])
    assert signal.getsignal(signal.SIGTERM) is before
