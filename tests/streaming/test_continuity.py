"""Whether trades follow one another, also when the exchange's clock is set back."""

import pytest

from bitpredict.streaming.continuity import Continuity, Hole, Known
from tests.support.streams import START, trade


@pytest.fixture
def set_back() -> Continuity:
    """Trades 1 to 10, a second apart; before trade 11 the exchange's clock went back by a minute."""
    continuity = Continuity()
    for number in range(1, 11):
        continuity.follow(trade(number, trade_id=str(number)))
    continuity.follow(trade(-49, trade_id="11"))
    return continuity


def test_a_trade_from_before_a_step_back_is_known(set_back: Continuity) -> None:
    assert set_back.look(trade(7, trade_id="7")) is Known.SEEN
    assert set_back.look(trade(-48, trade_id="12")) is Known.NEW


def test_a_hole_across_a_step_back_begins_before_it_ends(set_back: Continuity) -> None:
    hole = set_back.look(trade(-45, trade_id="15"))
    assert isinstance(hole, Hole)
    assert (hole.first, hole.last) == (12, 14)
    assert hole.start < START < hole.end


def test_a_numbering_that_begins_anew_is_followed(set_back: Continuity) -> None:
    assert set_back.look(trade(11, trade_id="1")) is Known.NEW
    set_back.follow(trade(11, trade_id="1"))
    assert set_back.look(trade(12, trade_id="2")) is Known.NEW
