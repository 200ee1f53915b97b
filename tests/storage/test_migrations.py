"""Up and down through the schema's versions, with rows in place."""

import pandas as pd
import pytest
from alembic import command
from alembic.config import Config
from pandas.testing import assert_frame_equal
from sqlalchemy import Engine, inspect, select

from bitpredict.storage import database
from bitpredict.storage.database import REVISIONS, VERSION_TABLE, open_database, schema_state, upgrade, writing
from bitpredict.storage.ledger import read_scored, write_forecasts, write_outcomes
from bitpredict.storage.market_table import newest_quotes, write_quotes
from bitpredict.storage.news_table import write_news
from bitpredict.storage.schema import metadata
from bitpredict.storage.upserts import insert_new
from tests.storage.test_market_table import COINS, T, quotes
from tests.storage.test_news_table import article, feed
from tests.support.made_rows import made_forecasts, made_outcomes

FIRST_TABLES = {
    *("champions", "data_gaps", "forecast_outcomes", "forecasts", "model_evaluations", "scorecard"),
    VERSION_TABLE,
}
MARKET_TABLES = {"crypto_assets", "price_data_real"}
NEW_TABLES = {
    "0002_markets": MARKET_TABLES,
    "0003_news": {"crypto_news", "news_feeds"},
    "0004_sentiment": {"tweets", "article_sentiment", "ml_features_materialized"},
}


@pytest.fixture(autouse=True)
def _migrated_at_once() -> None:
    """Not here: every database goes through its migrations."""


def go_to(engine: Engine, revision: str) -> None:
    """Up or down to a version of the schema."""
    config = Config()
    config.set_main_option("script_location", str(database.MIGRATIONS))
    order = ("base", *REVISIONS)
    up = order.index(revision) > order.index(schema_state(engine).current or "base")
    with writing(engine, "upgrade", alone=True) as connection:
        config.attributes["connection"] = connection
        (command.upgrade if up else command.downgrade)(config, revision)


@pytest.fixture
def at_first(database_settings):
    """A database of the first version with forecasts and outcomes in it."""
    engine = open_database(database_settings)
    go_to(engine, "0001")
    forecasts = made_forecasts(50)
    write_forecasts(engine, forecasts)
    write_outcomes(engine, made_outcomes(forecasts))
    yield engine
    engine.dispose()


def rows(engine: Engine) -> pd.DataFrame:
    found = read_scored(engine)
    assert len(found) > 10
    return found


def test_the_first_version_goes_up_with_its_rows_and_back_down(at_first):
    before = rows(at_first)
    assert set(inspect(at_first).get_table_names()) == FIRST_TABLES
    upgrade(at_first)
    assert schema_state(at_first).is_current
    assert set(inspect(at_first).get_table_names()) >= FIRST_TABLES | MARKET_TABLES
    assert_frame_equal(rows(at_first), before)

    write_quotes(at_first, COINS, quotes(("bitcoin", T, 42812.5)), source="here")
    go_to(at_first, "0001")
    assert schema_state(at_first).current == "0001"
    assert set(inspect(at_first).get_table_names()) == FIRST_TABLES
    assert_frame_equal(rows(at_first), before)

    upgrade(at_first)
    assert newest_quotes(at_first).empty
    write_quotes(at_first, COINS, quotes(("bitcoin", T, 42812.5)), source="here")
    assert newest_quotes(at_first)["price"].tolist() == [42812.5]


def contents(engine: Engine) -> dict[str, list[tuple[object, ...]]]:
    """Every row of every table that is there."""
    there = set(inspect(engine).get_table_names())
    with engine.connect() as connection:
        return {
            name: sorted(tuple(row) for row in connection.execute(select(table)))
            for name, table in metadata.tables.items()
            if name in there
        }


def fill(engine: Engine, revision: str) -> None:
    """A row into each table that this version brought."""
    if revision == "0002_markets":
        write_quotes(engine, COINS, quotes(("bitcoin", T, 42812.5)), source="here")
    elif revision == "0003_news":
        write_news(engine, pd.DataFrame([article("a"), article("b")]), pd.DataFrame([feed("one")]))
    else:
        by_type = {"Double": 0.5, "String": "x", "Text": "{}", "UtcDateTime": T, "Numeric": 42812.5}
        for name in sorted(NEW_TABLES[revision]):
            row = {column.name: by_type[type(column.type).__name__] for column in metadata.tables[name].columns}
            if name == "article_sentiment":
                row["article_id"] = "a" * 32
            with writing(engine) as connection:
                insert_new(connection, metadata.tables[name], pd.DataFrame([row]))


def test_every_version_goes_up_and_down_and_keeps_what_was_there_before_it(at_first):
    states = {"0001": contents(at_first)}
    for revision in REVISIONS[1:]:
        go_to(at_first, revision)
        fill(at_first, revision)
        states[revision] = contents(at_first)
        assert all(states[revision][name] for name in NEW_TABLES[revision])
    assert set(states[REVISIONS[-1]]) == set(metadata.tables)
    for revision in REVISIONS[-2::-1]:
        go_to(at_first, revision)
        assert schema_state(at_first).current == revision
        assert contents(at_first) == states[revision]
    go_to(at_first, "base")
    assert inspect(at_first).get_table_names() == [VERSION_TABLE]
    upgrade(at_first)
    assert schema_state(at_first).is_current
    assert not any(contents(at_first).values())
