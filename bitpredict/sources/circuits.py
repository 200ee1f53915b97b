"""One circuit a host: who fails again and again is left alone for a while, by the next processes too.

A run of the graph is a process of its own and forgets everything. What a host did is therefore kept in a small file
below the home, from where `bitpredict doctor` and the dashboard show it.
"""

import re
import threading
import time
from collections.abc import Iterator
from dataclasses import asdict, dataclass, field, fields, replace
from datetime import UTC, datetime, timedelta
from pathlib import Path

import msgspec
import structlog

from bitpredict.breaker import Circuit, State
from bitpredict.errors import SourceUnavailableError
from bitpredict.files import replace_file
from bitpredict.masking import masked
from bitpredict.observability import SOURCE_CIRCUIT, SOURCE_LAST_SUCCESS
from bitpredict.settings import Settings

_log = structlog.get_logger(__name__)

FOLDER = "sources"
OPENS_AT = 5
"""Questions in a row that failed, each in all its attempts."""

REST = 60.0
"""Seconds for which nobody is asked then, before one question tries it."""

LONGEST_REST = 3_600.0
"""Seconds for which a host that asked for a pause is left alone at most."""

BETWEEN_WRITES = 1.0
"""Seconds; a thousand good answers need not be a thousand files."""


@dataclass(frozen=True)
class HostState:
    """How a host was lately.

    Attributes:
        requests, errors: questions, and how many of them failed for good, since the file began.
        failures: of these the last ones in a row.
        resting_until: it is not asked before; None where it is asked.
        problem: what was wrong the last time; empty after a success.
    """

    source: str
    host: str
    requests: int = 0
    errors: int = 0
    failures: int = 0
    resting_until: datetime | None = None
    last_success: datetime | None = None
    last_failure: datetime | None = None
    problem: str = ""

    def state(self, now: datetime) -> State:
        """Of its circuit at `now`."""
        if self.resting_until is None:
            return State.CLOSED
        return State.OPEN if now < self.resting_until else State.HALF_OPEN


@dataclass
class _Host:
    circuit: Circuit
    state: HostState
    written: float = field(default=float("-inf"))


class Circuits:
    """The circuits of one source's hosts. Safe to share between threads.

    Args:
        home: below which their state is kept; what does not exist yet is not made for that.
    """

    def __init__(self, source: str, home: Path, *, opens_at: int = OPENS_AT, rest: float = REST) -> None:
        self._source = source
        self._home = home
        self._opens_at = opens_at
        self._rest = rest
        self._hosts: dict[str, _Host] = {}
        self._lock = threading.Lock()

    @classmethod
    def from_settings(cls, source: str, settings: Settings) -> "Circuits | None":
        """By BITPREDICT_HOME; None where BITPREDICT_SOURCE_BREAKER is off and everybody is always asked."""
        return cls(source, settings.home) if settings.source_breaker else None

    def admit(self, host: str) -> bool:
        """Let a question through; returns whether it is the one that tries the host after a rest. Whoever is let
        through tells `worked`, `failed` or `gave_up`.

        Raises:
            SourceUnavailableError: the host rests.
        """
        with self._lock:
            known = self._known(host)
        was = known.circuit.state
        if known.circuit.admits():
            return was is not State.CLOSED
        until = known.state.resting_until
        after = f"until {until:%H:%M:%S} UTC" if until and until > datetime.now(UTC) else "while another asks"
        raise SourceUnavailableError(
            f"{host} is not asked {after}: {known.state.failures} failures in a row, the last: {known.state.problem}"
        )

    def worked(self, host: str) -> None:
        """It answered."""
        with self._lock:
            known = self._known(host)
            known.circuit.worked()
            if known.state.resting_until is not None:
                _log.info("host answers again", source=self._source, host=host)
            now, before = datetime.now(UTC), known.state
            known.state = replace(
                before, requests=before.requests + 1, failures=0, resting_until=None, last_success=now, problem=""
            )
            SOURCE_LAST_SUCCESS.labels(self._source, host).set(now.timestamp())
            self._tell(host, known, at_once=before.failures > 0)

    def failed(self, host: str, problem: str, pause: float | None = None) -> None:
        """It did not, in any attempt; `pause` are the seconds that it asked for, if it did."""
        with self._lock:
            known, problem = self._known(host), masked(problem)[:500]
            opened = known.circuit.failed(None if pause is None else min(pause, LONGEST_REST))
            now, before, rest = datetime.now(UTC), known.state, known.circuit.rests
            known.state = replace(
                before,
                requests=before.requests + 1,
                errors=before.errors + 1,
                failures=before.failures + 1,
                resting_until=now + timedelta(seconds=rest) if rest else None,
                last_failure=now,
                problem=problem,
            )
            if opened:
                _log.warning("host rests", source=self._source, host=host, seconds=round(rest), problem=problem)
            self._tell(host, known, at_once=True)

    def gave_up(self, host: str) -> None:
        """The question was neither answered nor refused, as when its answer was too large."""
        with self._lock:
            self._known(host).circuit.abandoned()

    def _known(self, host: str) -> _Host:
        if host not in self._hosts:
            state = _read(self._file(host)) or HostState(self._source, host)
            circuit = Circuit(opens_at=self._opens_at, open_seconds=self._rest)
            now = datetime.now(UTC)
            if state.resting_until is not None:
                circuit.open_for(min(LONGEST_REST, max(0.0, (state.resting_until - now).total_seconds())))
            else:
                for _ in range(min(state.failures, self._opens_at - 1)):
                    circuit.failed()
            self._hosts[host] = _Host(circuit, state)
        return self._hosts[host]

    def _tell(self, host: str, known: _Host, *, at_once: bool) -> None:
        SOURCE_CIRCUIT.labels(self._source, host).set(known.circuit.state)
        if (not at_once and time.monotonic() - known.written < BETWEEN_WRITES) or not self._home.is_dir():
            return
        file = self._file(host)
        try:
            replace_file(file, msgspec.json.encode(asdict(known.state)))
        except OSError as error:
            _log.warning("the state of a host is not kept", file=str(file), problem=str(error.strerror))
        known.written = time.monotonic()

    def _file(self, host: str) -> Path:
        return self._home / FOLDER / (re.sub(r"[^\w.-]", "_", f"{self._source}@{host}")[:150] + ".json")


def host_states(home: Path) -> Iterator[HostState]:
    """What is known of every host that was ever asked, by source and host."""
    for file in sorted((home / FOLDER).glob("[!.]*.json")):
        if (state := _read(file)) is not None and "@" not in state.host:  # an older version kept passwords in it
            yield state


def _read(file: Path) -> HostState | None:
    """None where there is no such file, or one that somebody spoiled: then everything begins anew."""
    try:
        state = msgspec.json.decode(file.read_bytes(), type=HostState)
    except (OSError, msgspec.DecodeError):
        return None
    moments = (getattr(state, each.name) for each in fields(state))
    return None if any(isinstance(each, datetime) and each.tzinfo is None for each in moments) else state
