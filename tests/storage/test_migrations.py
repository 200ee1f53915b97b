"""Up and down through the schema's versions, with rows in place."""

import pandas as pd
import pytest
from alembic import command
from alembic.config import Config
from pandas.testing import assert_frame_equal
from sqlalchemy import Engine, inspect

from bitpredict.storage import database
from bitpredict.storage.database import VERSION_TABLE, open_database, schema_state, upgrade, writing
from bitpredict.storage.ledger import read_scored, write_forecasts, write_outcomes
from bitpredict.storage.market_table import newest_quotes, write_quotes
from tests.storage.test_market_table import COINS, T, quotes
from tests.support.made_rows import made_forecasts, made_outcomes

FIRST_TABLES = {
    *("champions", "data_gaps", "forecast_outcomes", "forecasts", "model_evaluations", "scorecard"),
    VERSION_TABLE,
}
MARKET_TABLES = {"crypto_assets", "price_data_real"}


def go_to(engine: Engine, revision: str) -> None:
    """Up or down to a version of the schema."""
    config = Config()
    config.set_main_option("script_location", str(database.MIGRATIONS))
    up = schema_state(engine).current is None
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
