import threading
import time

import pytest
from hypothesis import given
from hypothesis import strategies as st

from bitpredict.streaming.buffer import Buffer, Item, Policy
from bitpredict.streaming.log import Message


def item(number: int) -> Item:
    return Item("t", Message("k", str(number).encode(), number))


def numbers(items: list[Item]) -> list[int]:
    return [each.message.timestamp for each in items]


@given(st.lists(st.integers(0, 7), max_size=20), st.sampled_from(["drop_oldest", "drop_newest"]))
def test_nothing_is_lost_without_being_returned_and_order_is_kept(sizes: list[int], policy: Policy) -> None:
    buffer, fed, dropped, taken = Buffer(5, policy), 0, [], []
    for place, size in enumerate(sizes):
        dropped += numbers(buffer.put([item(fed + n) for n in range(size)]))
        fed += size
        assert len(buffer) <= 5
        if place % 3 == 2:
            taken += numbers(buffer.take(2, 0))
    taken += numbers(buffer.take(100, 0))
    assert taken == sorted(taken)
    assert sorted(taken + dropped) == [*range(fed)]


def test_the_policy_decides_what_goes() -> None:
    oldest, newest = Buffer(3, "drop_oldest"), Buffer(3, "drop_newest")
    assert numbers(oldest.put([item(n) for n in range(5)])) == [0, 1]
    assert numbers(oldest.take(9, 0)) == [2, 3, 4]
    assert numbers(newest.put([item(n) for n in range(5)])) == [3, 4]
    assert numbers(newest.take(9, 0)) == [0, 1, 2]


def test_a_blocked_writer_waits_for_room_and_loses_nothing() -> None:
    buffer, taken = Buffer(3, "block"), []
    writer = threading.Thread(target=buffer.put, args=([item(n) for n in range(10)],))
    writer.start()
    while len(taken) < 10:
        assert len(buffer) <= 3
        taken += numbers(buffer.take(2, 1))
    writer.join(30)
    assert taken == [*range(10)]


def test_closing_frees_a_blocked_writer_and_returns_what_did_not_fit() -> None:
    buffer, dropped = Buffer(3, "block"), []
    writer = threading.Thread(target=lambda: dropped.extend(buffer.put([item(n) for n in range(10)])))
    writer.start()
    until = time.monotonic() + 30
    while len(buffer) < 3:
        assert time.monotonic() < until
        time.sleep(0.001)
    time.sleep(0.05)
    assert writer.is_alive()
    buffer.close()
    writer.join(30)
    assert numbers(dropped) == [*range(3, 10)]
    assert numbers(buffer.take(9, 0)) == [0, 1, 2]


@pytest.mark.parametrize("timeout", [0.0, 0.05])
def test_an_empty_buffer_gives_nothing_after_the_timeout(timeout: float) -> None:
    began = time.monotonic()
    assert Buffer(1, "block").take(5, timeout) == []
    assert timeout <= time.monotonic() - began < timeout + 10
