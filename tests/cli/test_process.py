"""The installed command as a process: exit codes, streams, other folders."""

import json
import os
import signal
import subprocess
import sys
import time
from pathlib import Path

import pytest

pytestmark = pytest.mark.slow

BITPREDICT = Path(sys.executable).with_name("bitpredict")


def bitpredict(*arguments, **environment):
    return subprocess.run(
        [BITPREDICT, *arguments], capture_output=True, text=True, env={**os.environ, **environment}, check=False
    )


def test_it_runs_in_any_folder_with_its_home_elsewhere(filled, tmp_path, monkeypatch):
    elsewhere = tmp_path / "elsewhere"
    elsewhere.mkdir()
    monkeypatch.chdir(elsewhere)
    done = bitpredict("gaps", "--status", "open", "--json", BITPREDICT_HOME=str(filled.home))
    assert (done.returncode, done.stderr) == (0, "")
    assert [(row["symbol"], row["minutes"]) for row in json.loads(done.stdout)] == [("BTCUSDT", 80)]
    assert not list(elsewhere.iterdir())


def test_its_home_is_in_the_current_folder_by_default(tmp_path, monkeypatch):
    monkeypatch.delenv("BITPREDICT_HOME")
    done = bitpredict("forecast", "BTCUSDT")
    assert done.returncode == 1
    assert str(tmp_path / ".bitpredict") in done.stderr


@pytest.mark.parametrize(
    ("environment", "says"),
    [
        pytest.param({"BITPREDICT_MARKET": "moon"}, "BITPREDICT_MARKET='moon'", id="unknown market"),
        pytest.param({"BITPREDICT_SYMBOLS": "bitcoin"}, "BITPREDICT_SYMBOLS", id="no pair"),
        pytest.param({"BITPREDICT_SYMBOLS": " , "}, "at least one symbol", id="no symbols"),
        pytest.param({"BITPREDICT_START": "soon"}, "BITPREDICT_START='soon'", id="no day"),
    ],
)
def test_a_malformed_setting_is_one_line(environment, says):
    done = bitpredict("scorecard", **environment)
    assert (done.returncode, done.stdout) == (1, "")
    assert done.stderr.startswith("error: ")
    assert says in done.stderr
    assert done.stderr.count("\n") == 1


def test_a_home_that_cannot_be_made_is_one_line(tmp_path):
    (tmp_path / "file").touch()
    done = bitpredict("db", "upgrade", BITPREDICT_HOME=str(tmp_path / "file" / "home"))
    assert (done.returncode, done.stdout) == (1, "")
    assert done.stderr.startswith("error: cannot create")
    assert "BITPREDICT_HOME" in done.stderr
    assert done.stderr.count("\n") == 1


@pytest.mark.usefixtures("filled")
def test_a_reader_that_goes_away_leaves_no_traceback():
    command = f"{BITPREDICT} scorecard --json | head -1"
    done = subprocess.run(["bash", "-c", command], capture_output=True, text=True, check=True)
    assert (done.stdout, done.stderr) == ("[\n", "")


@pytest.mark.usefixtures("filled")
def test_ctrl_c_ends_with_130_and_leaves_no_file(tmp_path):
    os.mkfifo(tmp_path / "tap")
    script = tmp_path / "sitecustomize.py"
    script.write_text(
        "import bitpredict.cli.rows as rows, time\n"
        "def slow(*arguments):\n"
        f"    open({str(tmp_path / 'tap')!r}, 'w').close()\n"
        "    time.sleep(60)\n"
        "    yield\n"
        "rows.lake_rows = slow\n"
    )
    target = tmp_path / "candles.csv"
    process = subprocess.Popen(
        [BITPREDICT, "export", "candles", "--to", str(target)],
        stderr=subprocess.PIPE,
        text=True,
        env={**os.environ, "PYTHONPATH": str(tmp_path)},
    )
    (tmp_path / "tap").read_text()  # until it is inside the export
    time.sleep(0.2)
    process.send_signal(signal.SIGINT)
    _, errors = process.communicate(timeout=120)
    assert process.returncode == 130
    assert "Traceback" not in errors
    assert not [path.name for path in tmp_path.iterdir() if "candles" in path.name]
