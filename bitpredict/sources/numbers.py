"""Numbers as outside sources send them."""

import re
from typing import Any

_DECIMAL = re.compile(r"-?[0-9]{1,30}(\.[0-9]{1,40})?([eE][-+]?[0-9]{1,3})?")


def number(sent: Any) -> float | None:
    """A finite number of a decoded answer, also one that was sent as text; None for anything else."""
    if isinstance(sent, bool) or not isinstance(sent, (int, float, str)):
        return None
    if isinstance(sent, str) and not _DECIMAL.fullmatch(sent):
        return None
    try:
        value = float(sent)
    except OverflowError:
        return None
    return value if abs(value) < float("inf") else None
