import time

import pytest

from bitpredict.streaming.breaker import Breaker


def test_pauses_grow_and_the_circuit_opens() -> None:
    breaker = Breaker(first_pause=1.0, longest_pause=10.0, opens_at=6, open_seconds=100.0)
    pauses = []
    for _ in range(5):
        pauses.append(breaker.pause())
        assert not breaker.open
    for pause, longest in zip(pauses, (1, 2, 4, 8, 10), strict=True):
        assert longest / 2 <= pause <= longest
    assert breaker.pause() == pytest.approx(90, abs=10)
    assert breaker.open


def test_only_what_held_for_a_while_went_well() -> None:
    breaker = Breaker(first_pause=1.0, opens_at=3, good_after=0.05)
    for _ in range(2):
        breaker.works()  # and broke off at once
        breaker.pause()
    breaker.works()
    time.sleep(0.06)
    assert breaker.pause() <= 1.0
    assert not breaker.open


def test_pauses_are_not_all_the_same() -> None:
    assert len({Breaker().pause() for _ in range(20)}) > 15
