"""SIGTERM: the lane's commands end within five seconds, well, and with one line that says what they did."""

import signal
import time
from pathlib import Path
from urllib.error import URLError
from urllib.request import urlopen

import pytest

from tests.support.commands import ended, started, wait_for
from tests.support.ports import free_ports
from tests.support.stopwatch import Stopwatch

pytestmark = [pytest.mark.slow, pytest.mark.timeout(600)]

SETTINGS = {"BITPREDICT_MARKET": "simulated", "BITPREDICT_SYMBOLS": "BTCUSDT"}
END_SECONDS = 5


@pytest.mark.parametrize(
    ("command", "says"),
    [
        (("collect",), "simulated: "),
        (("replay", "{sample}/coinbase_ticks.csv", "--loop"), "replayed "),
        (("predict",), "used 0 trades and 0 candles"),
    ],
)
def test_it_ends_in_time_and_says_what_it_did(
    command: tuple[str, ...], says: str, tmp_path: Path, sample: Path
) -> None:
    (port,) = free_ports(1)
    arguments = [part.format(sample=sample) for part in command]
    with started(*arguments, "--port", port, cwd=tmp_path, BITPREDICT_HOME=tmp_path / "home", **SETTINGS) as process:
        wait_for(lambda: is_ready(port), process)
        watch = Stopwatch()
        process.send_signal(signal.SIGTERM)
        done = ended(process)
        watch.assert_within(END_SECONDS)
    assert done.code == 0, done.err
    assert done.out.startswith(says)
    assert done.out.count("\n") == 1
    assert "Traceback" not in done.err


def is_ready(port: int) -> bool:
    try:
        with urlopen(f"http://127.0.0.1:{port}/readyz", timeout=30) as answer:
            return bool(answer.status == 200)
    except (URLError, OSError):  # nobody there yet, or not ready
        time.sleep(0.05)
        return False
