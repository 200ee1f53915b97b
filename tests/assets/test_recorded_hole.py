"""The exchange's outage of 2023-03-24, from recorded files through Dagster's own command to the stores."""

import os
import subprocess
import sys
from collections.abc import Iterator
from datetime import UTC, date, datetime, timedelta
from pathlib import Path

import numpy as np
import pytest

from bitpredict.features.catalog import FEATURE_TABLE
from bitpredict.settings import Settings
from bitpredict.storage.contracts import BINANCE_CANDLES, CANDLES
from bitpredict.storage.database import connect
from bitpredict.storage.gap_ledger import read_gaps
from bitpredict.storage.lake import Lake
from tests.support.candles import archived_candles
from tests.support.graph import at_home
from tests.support.processes import ROOT

pytestmark = [pytest.mark.slow, pytest.mark.timeout(1800)]

HALT, HOLE, AGAIN = (datetime(2023, 3, 24, *clock, tzinfo=UTC) for clock in ((11, 28), (12, 40), (14, 0)))
DAY, END = datetime(2023, 3, 24, tzinfo=UTC), datetime(2023, 3, 26, tzinfo=UTC)


def materialize(assets: str, first: str, last: str) -> None:
    """`dagster asset materialize` over a range, in a process of its own."""
    done = subprocess.run(
        [
            *[sys.executable, "-m", "dagster", "asset", "materialize", "-m", "bitpredict_assets.definitions"],
            *["--select", assets, "--partition-range", f"{first}...{last}"],
        ],
        cwd=ROOT,
        env=os.environ,
        capture_output=True,
        text=True,
        timeout=800,
    )
    assert done.returncode == 0, done.stderr[-3000:]


@pytest.fixture(scope="module")
def market(recordings: Path, tmp_path_factory: pytest.TempPathFactory) -> Iterator[Settings]:
    """BTCUSDT from its recorded archive: prices from March 15th, features of the 24th and 25th."""
    environment = {
        "BITPREDICT_MARKET": "archive",
        "BITPREDICT_ARCHIVE_URL": str(recordings / "binance_archive"),
        "BITPREDICT_START": "2023-03-15",
        "BITPREDICT_SYMBOLS": "BTCUSDT",
    }
    with at_home(tmp_path_factory.mktemp("outage"), **environment) as settings:
        materialize("binance_candles,candles,data_gaps", "2023-03-15", "2023-03-25")
        materialize("price_features,feature_table", "2023-03-24", "2023-03-25")
        yield settings


@pytest.fixture
def stored(market) -> Lake:
    return Lake.from_settings(market)


def test_the_hole_is_exactly_one_open_gap_of_80_minutes(market):
    (gap,) = read_gaps(connect(market)).itertuples()
    assert (gap.symbol, gap.source, gap.status, gap.minutes) == ("BTCUSDT", "binance", "open", 80)
    assert (gap.start, gap.end) == (HOLE, AGAIN)


def test_nothing_is_filled(stored, recordings):
    recorded = archived_candles(recordings / "binance_archive", ["BTCUSDT"], date(2023, 3, 15), date(2023, 3, 26))
    assert stored.read(CANDLES).equals(recorded)
    assert stored.read(CANDLES, DAY, DAY + timedelta(days=1)).num_rows == 1440 - 80
    assert stored.read(BINANCE_CANDLES, HOLE, AGAIN).num_rows == 0


def test_the_72_minutes_before_it_are_observed_and_halted(stored):
    candles = stored.read(CANDLES).to_pandas()
    halted = candles[candles["halted"]]
    assert list(halted["open_time"]) == [HALT + i * timedelta(minutes=1) for i in range(72)]
    assert set(halted["provenance"]) == {"observed"}
    assert (halted["volume"] == 0).all()


def test_no_variance_counts_a_halted_minute(stored):
    """The hour before the hole but for its last minutes was halted: its variance is the few minutes' before."""
    rows = stored.read(FEATURE_TABLE, DAY, END).to_pandas().set_index("origin")
    candles = stored.read(CANDLES, DAY, END).to_pandas().set_index("open_time")
    origin = HALT + timedelta(minutes=32)
    r = np.log(candles["close"]).diff()[origin - timedelta(minutes=60) : HALT - timedelta(minutes=1)]
    assert len(r) == 28
    assert rows.loc[origin, "log_rv_60"] == pytest.approx(np.log(np.mean(r**2)), rel=1e-9)
    assert rows.loc[origin, "coverage_60"] == pytest.approx(28 / 60)


def test_no_origin_lies_in_the_hole(stored):
    origins = stored.read(FEATURE_TABLE, DAY, END)["origin"].to_pylist()
    assert HOLE in origins
    assert not [origin for origin in origins if HOLE < origin <= AGAIN]
    assert AGAIN + timedelta(minutes=5) in origins
