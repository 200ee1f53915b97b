"""The pages of quotes, news and data health over a real SQLite database."""

from datetime import UTC, datetime, timedelta
from pathlib import Path

import pandas as pd
import pytest
import streamlit as st
from streamlit.testing.v1 import AppTest

from bitpredict.report.world import with_last_day
from bitpredict.settings import Settings
from bitpredict.sources.circuits import Circuits
from bitpredict.storage.cache import open_cache
from bitpredict.storage.database import connect
from bitpredict.storage.ledger import write_forecasts
from bitpredict.storage.news_table import write_news
from bitpredict.storage.schema import crypto_news, news_feeds
from dashboard import world_queries
from tests.support import world
from tests.support.pages import metrics, plainly_said, run
from tests.support.stores import made_forecasts

PAGES = ("market", "news", "data_health")


@pytest.fixture(scope="module")
def filled(tmp_path_factory: pytest.TempPathFactory) -> Path:
    home = tmp_path_factory.mktemp("filled")
    world.fill(Settings(home=home))
    return home


@pytest.fixture(autouse=True)
def _fresh_caches() -> None:
    st.cache_data.clear()
    st.cache_resource.clear()


@pytest.fixture
def full(filled: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setenv("BITPREDICT_HOME", str(filled))


def said(test: AppTest) -> str:
    return plainly_said(test, "success")


@pytest.mark.parametrize("page", [PAGES[0], *(pytest.param(page, marks=pytest.mark.slow) for page in PAGES[1:])])
def test_an_empty_home_says_what_to_run(page):
    test = run(page)
    assert "bitpredict demo" in test.info[0].value
    assert not test.error
    assert not test.dataframe
    assert ("BITPREDICT_X_TOKEN" in said(test)) == (page == "news")


@pytest.mark.slow
@pytest.mark.parametrize("page", PAGES)
def test_a_broken_database_is_one_message_that_says_what_to_do(page, settings):
    settings.home.mkdir()
    (settings.home / "bitpredict.db").write_bytes(b"this is no database, whatever its name says" * 100)
    (error,) = run(page).error
    assert "move it away" in error.value


@pytest.mark.usefixtures("full")
def test_the_market_page_shows_every_coin_with_its_day_and_its_age():
    test = run("market")
    rows = test.dataframe[0].value.set_index("symbol")
    assert list(rows.index) == ["BTC", "ETH", "LATE", "YNG"]
    assert rows.loc["BTC", "price"] == 40_000.0
    assert rows.loc["BTC", "24 h"] == pytest.approx(100 * (40_000 / (40_000 - 4_800) - 1))
    assert rows.loc["ETH", "24 h"] == pytest.approx(100 * (2_000 / 2_048 - 1))
    assert pd.isna(rows.loc["YNG", "24 h"])
    assert list(rows.loc["BTC", "last 24 hours"]) == [40_000.0 - 100 * n for n in reversed(range(48))]
    assert len(rows.loc["YNG", "last 24 hours"]) == 4
    assert rows.loc["BTC", "freshness"] == "10 min"
    assert rows.loc["LATE", "freshness"] == "1 h 10 min, stale"
    assert set(rows["provenance"]) == {"simulated"}
    assert "simulated" in test.markdown[0].value
    assert "Invented for the demonstration" in said(test)
    shown = metrics(test)
    assert (shown["Coins"], shown["Rising in 24 h"], shown["Stale"]) == ("4", "33 %", "1")


@pytest.mark.slow
@pytest.mark.usefixtures("full")
def test_coins_are_found_and_filtered():
    test = run("market")

    def found(kind: str = "All", text: str = "") -> list[str]:
        test.segmented_control(key="coins shown").set_value(kind)
        test.text_input(key="coin").set_value(text).run()
        assert not test.exception
        return list(test.dataframe[0].value["symbol"]) if test.dataframe else []

    assert found("Rising") == ["BTC"]
    assert found("Falling") == ["ETH"]
    assert found("Stale") == ["LATE"]
    assert found(text="ether") == ["ETH"]
    assert found(text=" $1$") == ["LATE"]
    assert found("Rising", "ether") == []
    assert "No coin is like that" in said(test)


@pytest.mark.slow
@pytest.mark.usefixtures("full")
def test_the_news_page_shows_headlines_with_what_the_newest_model_said():
    test = run("news")
    headlines, feeds, posts = (element.value for element in test.dataframe)
    assert list(headlines["headline"]) == [world.EVIL[n % len(world.EVIL)] for n in range(16)]
    assert headlines["model"].fillna("nobody").tolist() == ["nobody", "linear", *["vader"] * 14]
    assert headlines["score"].iloc[1] == 0.01
    assert headlines["retold"].tolist() == [n == 1 for n in range(16)]
    assert set(headlines["provenance"]) == {"simulated"}
    assert "16 headlines of the newest 3 days with any, 15 of them judged" in said(test)
    assert "simulated" in test.markdown[0].value
    states = feeds.set_index("feed")["state"]
    assert states.to_dict() == {"Plain Feed": "answers", world.EVIL_FEED: "rests 2 h"}
    chart = test.get("plotly_chart")[0].proto
    assert chart.alt == "Sentiment of the news beside the price of BTCUSDT"
    assert "news that mention BTC" in chart.spec
    assert "No candle of BTCUSDT is stored of these hours" in said(test)
    assert list(posts["post"]) == list(world.EVIL)
    assert "5 posts of the newest 3 days with any" in said(test)


@pytest.mark.slow
@pytest.mark.usefixtures("full")
def test_headlines_are_found_by_word_feed_and_story():
    test = run("news")
    test.text_input(key="word").set_value("DROP table").run()
    assert set(test.dataframe[0].value["headline"]) == {world.EVIL[3]}
    test.text_input(key="word").set_value("").run()
    test.multiselect(key="feeds").set_value([world.EVIL_FEED]).run()
    assert len(test.dataframe[0].value) == 8
    test.toggle(key="once").set_value(True).run()
    assert len(test.dataframe[0].value) == 7


@pytest.mark.slow
@pytest.mark.usefixtures("full")
def test_the_data_health_page_tells_how_old_each_table_is_and_who_rests():
    test = run("data_health")
    tables = test.dataframe[0].value.set_index("table")
    assert tables.loc["price_data_real", ["state", "age"]].tolist() == ["fresh", "10 min"]
    assert tables.loc["hourly_sentiment", ["state", "age"]].tolist() == ["fresh", "1 h"]
    assert tables.loc["candles", "state"] == "empty"
    assert "ages are counted to its end" in said(test)
    assert "are simulated: invented for the demonstration" in said(test)
    assert test.dataframe[1].value["source"].tolist() == [world.EVIL_FEED]
    assert "No gap is open" in said(test)
    assert "No outside source was asked yet" in said(test)
    assert "in this process" in said(test)


@pytest.mark.slow
def test_hosts_that_are_left_alone_are_told_without_their_passwords(settings):
    world.fill(settings)
    circuits = Circuits("coingecko", settings.home, opens_at=1, rest=600)
    circuits.failed("api.example", "https://me:secret@api.example <b>500</b>")
    circuits.worked("other.example")
    test = run("data_health")
    (hosts,) = (each.value.set_index("host") for each in test.dataframe if "host" in each.value)
    assert hosts["circuit"].to_dict() == {"api.example": "open", "other.example": "closed"}
    assert hosts.loc["api.example", "problem"] == "https://***@api.example <b>500</b>"
    assert "2 hosts, 1 of them left alone" in said(test)


def test_a_feeds_address_and_problem_as_an_older_version_stored_them_are_shown_masked(settings):
    engine, now = connect(settings), datetime.now(UTC)
    address = "https://me:hush@e.com/rss?token=hush"
    row = {"source": "a", "address": address, "etag": "", "last_modified": "", "asked_at": now, "answered_at": None}
    row |= {"articles": 0, "rejected": 0, "failures": 1, "resting_until": None, "problem": f"{address}: no"}
    columns = [column.name for column in news_feeds.columns]
    write_news(engine, pd.DataFrame(columns=crypto_news.columns.keys()), pd.DataFrame([row], columns=columns))
    (shown,) = world_queries.feeds(settings)[["address", "problem"]].to_dict("records")
    assert shown == {"address": "https://***@e.com/rss?token=***", "problem": "https://***@e.com/rss?token=***: no"}


@pytest.mark.slow
def test_newer_quotes_are_shown_when_their_writer_tells_of_them(settings):
    assert "No quote is stored" in said(run("market"))
    world.fill(settings)
    st.cache_data.clear()
    assert "No quote is stored" in said(run("market"))
    open_cache(settings).invalidate("price")
    st.cache_data.clear()
    assert len(run("market").dataframe[0].value) == 4


@pytest.mark.slow
def test_a_replays_forecasts_do_not_make_the_ledger_fresh(settings):
    def shown() -> tuple[pd.Timestamp, list[str]]:
        st.cache_data.clear()
        newest = world_queries.freshness(settings).set_index("table").loc["forecasts", "newest"]
        return newest, world_queries.replayed(settings)

    of_the_sample = made_forecasts()
    newest = of_the_sample["origin"].max()
    later = of_the_sample.head(1).assign(forecast_id="r", symbol="BTCUSD", origin=newest + timedelta(days=800))
    write_forecasts(connect(settings), later.assign(variant="champion"))
    assert pd.isna(shown()[0])
    assert shown()[1] == ["BTCUSD"]
    write_forecasts(connect(settings), of_the_sample)
    assert shown() == (newest, ["BTCUSD"])
    assert "Forecasts of BTCUSD are a replay's" in said(run("data_health"))


@pytest.mark.slow
@pytest.mark.usefixtures("full")
def test_on_an_open_market_what_is_old_is_late_and_stale(monkeypatch):
    monkeypatch.setenv("BITPREDICT_MARKET", "archive")
    tables = run("data_health").dataframe[0].value.set_index("table")
    assert set(tables.loc[["price_data_real", "crypto_news", "hourly_sentiment"], "state"]) == {"late"}
    assert metrics(run("market"))["Stale"] == "4"
    assert run("news").dataframe[1].value["state"].tolist()[0] in ("fails", "silent")


@pytest.mark.slow
def test_what_was_observed_is_not_called_simulated(settings):
    world.fill(settings, provenance="observed")
    assert "Quotes as CoinGecko tells them" in said(run("market"))
    assert "Headlines as the feeds tell them" in said(run("news"))


def test_a_change_needs_a_quote_of_about_a_day_before():
    now = pd.Timestamp(datetime(2024, 1, 2, tzinfo=UTC))
    newest = pd.DataFrame({"coin_id": ["a", "b", "c"], "observed_at": now, "price": [2.0, 2.0, 2.0]})
    ages = {"a": timedelta(hours=24), "b": timedelta(hours=25, minutes=1), "c": timedelta(hours=23, minutes=59)}
    past = pd.DataFrame({"coin_id": list(ages), "observed_at": [now - age for age in ages.values()], "price": 1.0})
    past = past.astype({"observed_at": newest["observed_at"].dtype})
    change = with_last_day(newest, past)["change_24h"]
    assert change.iloc[0] == 1.0
    assert change.iloc[1:].isna().all()


def test_the_market_is_read_by_coin_only_its_last_day_and_once(filled, monkeypatch):
    settings = Settings(home=filled)
    asked = []
    read = world_queries.read_prices
    monkeypatch.setattr(world_queries, "read_prices", lambda *given: asked.append(given) or read(*given))
    open_cache(settings).invalidate("price")
    quotes = world_queries.market(settings)
    assert world_queries.market(settings).shape == quotes.shape
    ((_, coins, start, end),) = asked
    assert (sorted(coins), len(quotes)) == (["bitcoin", "ethereum", "late", "young"], 4)
    assert end - start < timedelta(hours=27)
