"""Homes that real commands filled, made once: copy one before changing it."""

import shutil
import subprocess
from dataclasses import dataclass
from pathlib import Path

import pytest

from tests.support.commands import Finished, bitpredict
from tests.support.homes import Home

NO_NETWORKS = Path(__file__).resolve().parents[1] / "support" / "no_networks"
SMALL = {"BITPREDICT_SYMBOLS": "BTCUSDT", "PYTHONPATH": NO_NETWORKS}
"""One symbol, and the models of an installation without the extra `network`: its training takes most of a backfill."""
FIRST, LAST = "2023-11-18", "2023-12-01"
"""The fewest days of the sample that fill every table: a week of look-back, days to train on, a day to forecast."""


@dataclass(frozen=True)
class Made:
    """A home, and how the command ended that filled it."""

    home: Home
    finished: Finished


@pytest.fixture(scope="session")
def offline() -> tuple[str, ...]:
    """What a command is started with so that it finds no network, not even this machine's own."""
    prefix = ("unshare", "--map-root-user", "--net")
    possible = subprocess.run([*prefix, "true"], check=False, capture_output=True).returncode == 0
    return prefix if possible else ()


@pytest.fixture(scope="session")
def demo(tmp_path_factory: pytest.TempPathFactory, offline: tuple[str, ...]) -> Made:
    """`bitpredict demo`, run in an empty folder with an empty home elsewhere."""
    return run_demo(tmp_path_factory.mktemp("demo") / "home", tmp_path_factory.mktemp("empty"), offline)


def run_demo(home: Path, folder: Path, offline: tuple[str, ...]) -> Made:
    nowhere = dict.fromkeys(("HTTP_PROXY", "HTTPS_PROXY", "ALL_PROXY"), "http://127.0.0.1:9")
    return Made(Home(home), bitpredict("demo", cwd=folder, prefix=offline, BITPREDICT_HOME=home, **nowhere))


@pytest.fixture(scope="session")
def undisturbed(tmp_path_factory: pytest.TempPathFactory) -> Home:
    """One symbol's `FIRST` to `LAST`, backfilled without a disturbance."""
    folder = tmp_path_factory.mktemp("undisturbed")
    done = bitpredict(
        *("backfill", "--from", FIRST, "--to", LAST), cwd=folder, BITPREDICT_HOME=folder / "home", **SMALL
    )
    assert done.code == 0, done.err
    return Home(folder / "home")


@pytest.fixture
def copied(undisturbed: Home, tmp_path: Path) -> Home:
    """The same in a home of the test's own."""
    shutil.copytree(undisturbed.path, tmp_path / "home")
    return Home(tmp_path / "home")
