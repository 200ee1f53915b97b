import pytest

from bitpredict.breaker import Breaker, Circuit, State
from tests.support.clocks import Clock


@pytest.fixture
def clock(monkeypatch: pytest.MonkeyPatch) -> Clock:
    clock = Clock()
    monkeypatch.setattr("bitpredict.breaker.time", clock)
    return clock


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


def test_only_what_held_for_a_while_went_well(clock) -> None:
    breaker = Breaker(first_pause=1.0, opens_at=3, good_after=60.0)
    for _ in range(2):
        breaker.works()  # and broke off at once
        breaker.pause()
    breaker.works()
    clock.forward(60.0)
    assert breaker.pause() <= 1.0
    assert not breaker.open


def test_pauses_are_not_all_the_same() -> None:
    assert len({Breaker().pause() for _ in range(20)}) > 15


def test_an_open_circuit_turns_callers_away_and_then_lets_one_try(clock) -> None:
    circuit = Circuit(opens_at=2, open_seconds=60.0)
    assert circuit.admits()
    assert not circuit.failed()
    assert circuit.state is State.CLOSED
    assert circuit.admits()
    assert circuit.failed()
    assert circuit.state is State.OPEN
    assert not circuit.admits()
    clock.forward(60.0)
    assert circuit.state is State.HALF_OPEN
    assert [circuit.admits() for _ in range(3)] == [True, False, False]
    assert not circuit.failed(), "it was open before"
    assert not circuit.admits()
    clock.forward(60.0)
    assert circuit.admits()
    circuit.worked()
    assert circuit.state is State.CLOSED
    assert [circuit.admits() for _ in range(3)] == [True, True, True]


def test_only_failures_in_a_row_open_a_circuit() -> None:
    circuit = Circuit(opens_at=2, open_seconds=60)
    for _ in range(5):
        circuit.failed()
        circuit.worked()
    assert circuit.state is State.CLOSED


def test_a_rest_that_was_asked_for_opens_it_at_once_and_the_next_failure_again(clock) -> None:
    circuit = Circuit(opens_at=5, open_seconds=60.0)
    assert circuit.failed(30.0)
    assert circuit.rests == 30.0
    assert not circuit.admits()
    clock.forward(60.0)
    assert circuit.rests == 0.0
    assert circuit.admits()
    assert not circuit.failed()
    assert circuit.state is State.OPEN
    clock.forward(60.0)
    assert circuit.admits()
    circuit.worked()
    assert circuit.state is State.CLOSED


def test_a_trial_that_came_to_nothing_lets_the_next_one_try() -> None:
    circuit = Circuit(opens_at=1, open_seconds=60)
    circuit.open_for(0.0)
    assert circuit.admits()
    assert not circuit.admits()
    circuit.abandoned()
    assert circuit.admits()
