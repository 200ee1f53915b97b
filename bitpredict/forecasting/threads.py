"""How many threads a fit uses, so that what it learns does not depend on the machine and small fits stay quick."""

from contextlib import AbstractContextManager
from typing import Any


def one_thread_algebra() -> AbstractContextManager[Any]:
    """One thread for matrix products: with several, their last bits depend on how many there are."""
    return _limit("blas", 1)


def tree_threads(rows: int) -> AbstractContextManager[Any]:
    """One thread for growing trees on few rows, where waiting for the others costs more than they bring.

    How many there are does not change the trees: each feature's histogram is summed by one of them.
    """
    return _limit("openmp", 1 if rows < _FEW_ROWS else None)


_FEW_ROWS = 30_000


def _limit(library: str, threads: int | None) -> AbstractContextManager[Any]:
    from threadpoolctl import threadpool_limits  # type: ignore[import-untyped]

    limits: AbstractContextManager[Any] = threadpool_limits(limits=threads, user_api=library)
    return limits
