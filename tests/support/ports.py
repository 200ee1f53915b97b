"""Ports that nobody uses."""

import random
import socket

_CHOICE = random.SystemRandom()
_BELOW_EPHEMERAL = range(15_000, 32_000)
"""The kernel gives these to no outgoing connection, so that one is still free when a process comes to use it."""


def free_ports(count: int) -> list[int]:
    """So many different ones."""
    found: list[int] = []
    while len(found) < count:
        port = _CHOICE.choice(_BELOW_EPHEMERAL)
        if port not in found and _is_free(port):
            found.append(port)
    return found


def _is_free(port: int) -> bool:
    with socket.socket() as probe:
        try:
            probe.bind(("127.0.0.1", port))
        except OSError:
            return False
    return True
