"""The sample's invented files, and what happens where they are damaged."""

import gzip
import json
from datetime import UTC, datetime

import pytest

from bitpredict.errors import ContractError
from bitpredict.market.coins import read_coins
from bitpredict.sources import sample_world
from bitpredict.sources.feed_addresses import read_feed_addresses
from bitpredict.sources.sample_world import SAMPLE_FEEDS_FILE, sample_quotes, sample_visits

END = datetime(2024, 1, 1, tzinfo=UTC)


@pytest.mark.slow
def test_every_coin_of_the_shipped_list_is_in_every_answer():
    coins = [coin.coin_id for coin in read_coins()]
    for answer in sample_quotes(coins):
        assert (list(answer.quotes["coin_id"]), answer.missing, answer.oddities) == (coins, {}, {})


def test_answers_have_the_shape_of_recorded_ones(recordings):
    recorded = json.loads((recordings / "api/coingecko/markets_100.json").read_bytes())[0]
    with gzip.open(sample_world.QUOTES_FILE, "rt") as lines:
        made = json.loads(next(lines))["answer"][0]
    assert made.keys() <= recorded.keys()
    kinds = {name: {type(value), type(recorded[name])} for name, value in made.items()}
    assert all(len(kind - {int, float}) <= 1 for kind in kinds.values()), kinds


def test_a_coin_that_the_sample_lacks_is_missing():
    assert next(sample_quotes(["bitcoin", "of-mine"])).missing == {"of-mine": "not in the answer"}


def test_feeds_are_well_formed_and_whole():
    visits = sample_visits(read_feed_addresses(SAMPLE_FEEDS_FILE), END)
    assert [visit.address.name for visit in visits] == ["Sample Daily", "Sample Gazette", "Sample Wire"]
    for visit in visits:
        assert visit.feed.well_formed
        assert visit.feed.title == visit.address.name
        assert not visit.feed.rejected


def test_damaged_or_missing_files_are_named(tmp_path, monkeypatch):
    monkeypatch.setattr(sample_world, "QUOTES_FILE", tmp_path / "quotes")
    monkeypatch.setattr(sample_world, "NEWS_FOLDER", tmp_path)
    for content in (None, b"no gzip", gzip.compress(b"no JSON"), gzip.compress(b"{}" * 50)[:-9]):
        if content is not None:
            (tmp_path / "quotes").write_bytes(content)
        with pytest.raises(ContractError, match="quotes: the sample's quotes cannot be read"):
            list(sample_quotes(["bitcoin"]))
    with pytest.raises(ContractError, match=r"sample_daily\.xml"):
        sample_visits(read_feed_addresses(SAMPLE_FEEDS_FILE), END)
