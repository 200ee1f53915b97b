"""How many threads a fit uses: one, so that what it learns and how long it takes do not depend on the neighbours."""

from contextlib import AbstractContextManager
from typing import Any


def one_thread() -> AbstractContextManager[Any]:
    """Hold the numerical libraries that are loaded by now to one thread.

    With several, the last bits of a matrix product depend on how many there are, and trees (whose bits do not) grow
    six times slower as soon as something else wants a core: each of the thousands of short steps waits for the last
    thread. Symbols and horizons are what can be trained side by side.
    """
    from threadpoolctl import threadpool_limits  # type: ignore[import-untyped]

    limits: AbstractContextManager[Any] = threadpool_limits(limits=1)
    return limits
