from datetime import UTC, datetime, timedelta, timezone

import pandas as pd
import pytest

from bitpredict.report import wording
from bitpredict.report.provenance import badge


@pytest.mark.parametrize(
    ("price", "text"),
    [
        pytest.param(42283.58, "42,283.6", id="bitcoin"),
        pytest.param(2280.476, "2,280.48", id="ether"),
        pytest.param(0.0912346, "0.0912346", id="a small coin"),
        pytest.param(0.00001234567, "0.0000123457", id="a very small one"),
        pytest.param(1234567.8, "1,234,568", id="more digits than six"),
        pytest.param(1.0, "1.00000", id="one"),
    ],
)
def test_prices_have_six_significant_digits(price, text):
    assert wording.price_text(price) == text


@pytest.mark.parametrize(
    ("share", "signed", "text"),
    [
        (0.1234, False, "12.3 %"),
        (0.1234, True, "+12.3 %"),
        (-0.05, True, "\N{MINUS SIGN}5.0 %"),
        (0.0, True, "0.0 %"),
        (-0.0004, True, "0.0 %"),
        (None, False, "\N{EN DASH}"),
        (float("nan"), True, "\N{EN DASH}"),
    ],
)
def test_percent(share, signed, text):
    assert wording.percent_text(share, signed=signed) == text


@pytest.mark.parametrize(
    ("minutes", "text"), [(80, "1 h 20 min"), (60, "1 h"), (1440, "1 d"), (1501, "1 d 1 h 1 min"), (0, "0 min")]
)
def test_minutes(minutes, text):
    assert wording.minutes_text(minutes) == text


@pytest.mark.parametrize(("p", "text"), [(0.0004, "< 0.001"), (0.0312, "0.031"), (None, "\N{EN DASH}")])
def test_p_values(p, text):
    assert wording.p_value_text(p) == text


def test_skill_never_comes_without_its_sample_size():
    assert wording.skill_text(0.081, 4032) == "+8.1 % (n = 4,032)"
    assert wording.skill_text(0.0, 4032) == "no proven skill: the baseline serves"
    assert wording.skill_text(float("nan"), pd.NA) == "no proven skill: the baseline serves"


def test_instants_are_shown_in_utc():
    assert wording.utc_text(datetime(2023, 12, 31, 23, 55, tzinfo=UTC)) == "2023-12-31 23:55"
    assert wording.utc_text(datetime(2024, 1, 1, 1, 55, tzinfo=timezone(timedelta(hours=2)))) == "2023-12-31 23:55"


@pytest.mark.parametrize(
    ("market", "rows", "name"),
    [
        ("sample", ["observed"], "sample"),
        ("archive", ["observed", "repaired:cryptocompare"], "archive"),
        ("binance", [], "live"),
        ("coinbase", [], "live"),
        ("simulated", [], "simulated"),
        ("binance", ["observed", "simulated"], "simulated"),
    ],
)
def test_a_badge_never_hides_simulated_rows(market, rows, name):
    assert badge(market, rows).name == name
