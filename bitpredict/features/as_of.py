"""The newest row that could be used at an instant: never one that was not known by then."""

from datetime import timedelta

import numpy as np
import numpy.typing as npt
import pyarrow as pa

from bitpredict.features.windows import Floats
from bitpredict.storage.contracts import TIMESTAMP

Instants = npt.NDArray[np.int64]
"""Microseconds since 1970 UTC."""

MICROSECOND = timedelta(microseconds=1)
NEVER = np.iinfo(np.int64).min


def newest_usable(times: Instants, usable_from: Instants, origins: Instants, within: timedelta) -> npt.NDArray[np.intp]:
    """Position of the row with the latest time among those that are usable at each origin.

    Args:
        times: (n,) what the rows are of, each once.
        usable_from: (n,) from when on they may be used.
        origins: (m,).
        within: a row further than this before the origin is too old. It stands in nobody's way: an older one is too.

    Returns:
        (m,) positions in `times`, -1 where there is none.
    """
    if not times.size:
        return np.full(origins.size, -1, np.intp)
    order = np.lexsort((times, usable_from))
    ordered = times[order]
    leads = ordered == np.maximum.accumulate(ordered)
    newest = order[np.maximum.accumulate(np.where(leads, np.arange(ordered.size), 0))]
    known = np.searchsorted(usable_from[order], origins, side="right")
    place = np.where(known > 0, newest[np.maximum(known, 1) - 1], -1)
    fresh = origins - times[place] <= within // MICROSECOND
    return np.where((place >= 0) & fresh, place, -1)


def share_told(times: Instants, usable_from: Instants, origins: Instants, step: timedelta, steps: int) -> Floats:
    """(m,) which share of the last `steps` full multiples of `step` up to each origin has a row usable at it.

    Args:
        times: (n,) full multiples of `step`, each once, in any order.
        usable_from: (n,).
        origins: (m,).
    """
    order = np.argsort(times)
    ordered = times[order]
    every = step // MICROSECOND
    told = np.zeros(origins.size)
    for back in range(steps if times.size else 0):
        wanted = origins // every * every - back * every
        at = np.minimum(np.searchsorted(ordered, wanted), ordered.size - 1)
        told += (ordered[at] == wanted) & (usable_from[order[at]] <= origins)
    return told / steps


def microseconds(column: pa.ChunkedArray) -> Instants:
    """A column of instants as numbers."""
    instants: Instants = column.cast(TIMESTAMP).cast(pa.int64()).to_numpy()
    return instants
