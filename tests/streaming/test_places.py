"""The file of a collector's places; what a collector does with it is in test_collector.py."""

from pathlib import Path

import pytest

from bitpredict.streaming.log import Message
from bitpredict.streaming.places import Places
from tests.support.streams import records, trade


def appended(places: Places, trade_id: str, symbol: str = "BTCUSDT", **others) -> None:
    (record,) = records([trade(1.0, trade_id=trade_id, symbol=symbol, **others)])
    places.appended([Message(symbol, record.value, record.timestamp)])
    places.write()


def numbers(places: Places) -> dict[str, int]:
    return {symbol: place.number for symbol, place in places.read().items()}


def test_collectors_of_other_symbols_keep_their_places_beside(tmp_path: Path) -> None:
    one, other = Places(tmp_path, "binance"), Places(tmp_path, "binance")
    for number in ("7", "8"):
        appended(one, number)
        appended(other, number, "ETHUSDT")
    assert numbers(one) == numbers(other) == {"BTCUSDT": 8, "ETHUSDT": 8}
    assert [file.name for file in (tmp_path / "collected").iterdir()] == ["binance.json"]


def test_what_has_no_number_has_no_place(tmp_path: Path) -> None:
    places = Places(tmp_path, "coinbase")
    appended(places, "41")
    for name in ("seq:17:1", "agg:44", "45#0", "9" * 30):
        appended(places, name)
    assert numbers(places) == {"BTCUSDT": 41}


@pytest.mark.parametrize("event_time", ["1", "2026-01-01", "2026-01-01T00:00:00"])
@pytest.mark.parametrize(
    "spoilt", ["", "[1]", '{"BTCUSDT": {"number": 7, "event_time": "%s"}}', '{"BTCUSDT": {"number": 7']
)
def test_a_spoilt_file_is_begun_anew(tmp_path: Path, spoilt: str, event_time: str) -> None:
    places = Places(tmp_path, "binance")
    appended(places, "1")
    (file,) = (tmp_path / "collected").iterdir()
    file.write_text(spoilt.replace("%s", event_time))
    assert numbers(places) == {}
    appended(places, "2")
    assert numbers(places) == {"BTCUSDT": 2}


def test_a_disk_that_keeps_nothing_stops_nothing(tmp_path: Path) -> None:
    (tmp_path / "file").touch()
    places = Places(tmp_path / "file", "binance")
    appended(places, "1")
    appended(places, "2")
    assert numbers(places) == {}
