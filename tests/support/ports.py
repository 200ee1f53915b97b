"""Ports that nobody uses."""

import os
import random
import re
import socket
from collections.abc import Iterator
from contextlib import contextmanager

_CHOICE = random.SystemRandom()
_BELOW_EPHEMERAL = range(15_000, 32_000)
"""The kernel gives these to no outgoing connection, so that one is still free when a process comes to use it."""

_WORKERS = 8
_given: set[int] = set()


def free_ports(count: int) -> list[int]:
    """So many different ones, which no other test of this run is given: it may be long until a process listens at one,
    and a server that is stopped comes back to its own."""
    found: list[int] = []
    while len(found) < count:
        port = _CHOICE.choice(_own())
        if port not in _given and _is_free(port):
            _given.add(port)
            found.append(port)
    return found


@contextmanager
def nobodys_port() -> Iterator[int]:
    """One on which nothing listens, whatever starts meanwhile: it is taken, by who will never listen."""
    with socket.socket() as taken:
        taken.bind(("127.0.0.1", 0))
        yield taken.getsockname()[1]


def _own() -> range:
    """Those of this process among pytest's workers."""
    worker = re.fullmatch(r"gw(\d+)", os.environ.get("PYTEST_XDIST_WORKER", ""))
    return _BELOW_EPHEMERAL[int(worker[1]) % _WORKERS :: _WORKERS] if worker else _BELOW_EPHEMERAL


def _is_free(port: int) -> bool:
    with socket.socket() as probe:
        try:
            probe.bind(("127.0.0.1", port))
        except OSError:
            return False
    return True
