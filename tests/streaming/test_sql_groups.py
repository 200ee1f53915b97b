"""How members of a group divide its partitions, and whom they take for dead."""

import pytest
from hypothesis import given
from hypothesis import strategies as st

from bitpredict.streaming.sql_groups import BEAT_SECONDS, LEASE_SECONDS, Stopwatch, fair_share


@pytest.mark.parametrize(
    ("peers", "owners", "gives", "takes"),
    [
        pytest.param("a", {0: None, 1: None}, set(), {0, 1}, id="alone"),
        pytest.param("ab", {0: "a", 1: "a"}, {1}, set(), id="gives the newcomer its part"),
        pytest.param("ab", {0: "a", 1: None}, set(), set(), id="leaves the newcomer its part"),
        pytest.param("ab", {0: "b", 1: "b"}, set(), set(), id="takes nothing from another"),
        pytest.param("ab", {0: "a", 1: "a", 2: "b"}, set(), set(), id="who has more keeps it"),
        pytest.param("ab", {0: "b", 1: "b", 2: None}, set(), {2}, id="the rest is another's, one is free"),
        pytest.param("abc", {0: "b", 1: "c"}, set(), set(), id="more members than numbers"),
        pytest.param("a", {}, set(), set(), id="nothing to share"),
    ],
)
def test_what_member_a_does(peers, owners, gives, takes):
    assert fair_share("a", frozenset(peers), owners) == (gives, takes)


@given(st.data(), st.integers(1, 5), st.integers(0, 12))
def test_any_division_becomes_even_and_then_rests(data, count, numbers):
    """In whatever order the members act: every number has one owner, parts differ by one at most, and nobody who had
    no more than an even part ever gives anything up."""
    peers = frozenset("abcde"[:count])
    owners = {n: data.draw(st.sampled_from([None, *sorted(peers)])) for n in range(numbers)}
    modest = {peer for peer in peers if sum(owner == peer for owner in owners.values()) <= numbers // count}
    for _ in range(3):
        for me in data.draw(st.permutations(sorted(peers))):
            gives, takes = fair_share(me, peers, owners)
            assert not (gives and me in modest)
            owners |= dict.fromkeys(gives) | dict.fromkeys(takes, me)
    assert None not in owners.values()
    parts = [sum(owner == peer for owner in owners.values()) for peer in peers]
    assert max(parts) - min(parts) <= 1
    assert all(fair_share(me, peers, owners) == (set(), set()) for me in peers)


def silent_after(watch: Stopwatch, looks: list[tuple[float, dict[str, int]]]) -> list[str]:
    found: list[str] = []
    for now, beats in looks:
        found = watch.silent(beats, now)
    return found


def test_a_beat_that_stands_still_for_a_lease_is_a_death():
    seconds = range(100, 100 + int(LEASE_SECONDS / BEAT_SECONDS) + 1)
    watch = Stopwatch()
    assert silent_after(watch, [(now, {"still": 7, "alive": now}) for now in seconds[:-1]]) == []
    assert watch.silent({"still": 7, "alive": seconds[-1]}, seconds[-1]) == ["still"]


def test_who_stood_still_itself_judges_nobody_for_it():
    """After an hour's pause of this process, or of the machine, each other member has the time to give a sign."""
    watch = Stopwatch()
    assert silent_after(watch, [(100, {"b": 1}), (101, {"b": 1}), (3700, {"b": 1})]) == []
    assert silent_after(watch, [(3701, {"b": 2}), (3705, {"b": 2})]) == []
