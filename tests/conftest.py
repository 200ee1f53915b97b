"""What many tests share: a home of their own, the sample, and the recordings when they are there."""

import os
import signal
from collections.abc import Iterator
from pathlib import Path

import hypothesis
import pytest
import structlog

from bitpredict.settings import SAMPLE_FOLDER, Settings
from tests.support import migrated

ROOT = Path(__file__).resolve().parent.parent

# How long an example takes says how busy the machine is. Each run draws others, so that half as many as by default do.
hypothesis.settings.register_profile("untimed", deadline=None, max_examples=50)
hypothesis.settings.load_profile("untimed")

# A shell's background jobs ignore Ctrl-C, and so would every process that a test starts there.
if signal.getsignal(signal.SIGINT) is signal.SIG_IGN:
    signal.signal(signal.SIGINT, signal.default_int_handler)


@pytest.fixture(autouse=True)
def _own_environment(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> Iterator[None]:
    """No test sees or touches the user's settings or stores, or logs to where the one before it did."""
    for name in os.environ:
        if name.startswith(("BITPREDICT_", "DAGSTER_")):
            monkeypatch.delenv(name)
    monkeypatch.setenv("BITPREDICT_HOME", str(tmp_path / "home"))
    monkeypatch.chdir(tmp_path)
    yield
    structlog.reset_defaults()


@pytest.fixture(autouse=True)
def _migrated_at_once(monkeypatch: pytest.MonkeyPatch) -> None:
    """Embedded databases get their tables in one go; modules about migrations have a fixture of this name that does
    nothing."""
    monkeypatch.setattr("alembic.command.upgrade", migrated.upgrade)


@pytest.fixture
def settings() -> Settings:
    return Settings()


@pytest.fixture(scope="session")
def sample() -> Path:
    return SAMPLE_FOLDER


@pytest.fixture(scope="session")
def recordings() -> Path:
    """Recorded market data beside the checkout (`../shared/data`)."""
    folder = ROOT.parent / "shared" / "data"
    if not folder.is_dir():
        pytest.skip(f"no recordings at {folder}")
    return folder
