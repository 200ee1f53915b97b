import json
import subprocess
import sys

import pytest

PROGRAM = """
import sys, structlog
from bitpredict.observability import configure_logging
log = structlog.get_logger("early")
configure_logging({choice})
log.warning("rows rejected", source="binance", duplicate=3)
try:
    1 / 0
except ZeroDivisionError:
    log.exception("failed")
"""


def run(choice: str = "") -> subprocess.CompletedProcess[str]:
    return subprocess.run(
        [sys.executable, "-c", PROGRAM.format(choice=choice)], capture_output=True, text=True, check=True
    )


@pytest.mark.slow
def test_away_from_a_terminal_each_event_is_one_json_object_on_standard_error():
    done = run()
    first, second = (json.loads(line) for line in done.stderr.splitlines())
    assert (first["event"], first["level"], first["source"], first["duplicate"]) == (
        "rows rejected",
        "warning",
        "binance",
        3,
    )
    assert first["timestamp"].endswith("Z")
    assert second["exception"][0]["exc_type"] == "ZeroDivisionError"
    assert done.stdout == ""


@pytest.mark.slow
def test_people_get_lines():
    done = run("json=False")
    assert "rows rejected" in done.stderr
    assert "duplicate" in done.stderr
    assert not done.stderr.startswith("{")
    assert done.stdout == ""
