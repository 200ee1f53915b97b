"""What a feature says about itself, beside the code that computes it."""

from collections.abc import Iterable
from dataclasses import dataclass


@dataclass(frozen=True, slots=True)
class Feature:
    """One column of the feature table.

    Attributes:
        name: the column.
        meaning: one line for people, formula included.
        unit: empty for a plain number.
        lookback_minutes: how far before the origin its candles reach.
        whole: counts in whole numbers and is never null.
    """

    name: str
    meaning: str
    unit: str
    lookback_minutes: int
    whole: bool = False


def each(
    name: str, meaning: str, windows: Iterable[int], unit: str = "", extra_minutes: int = 0
) -> tuple[Feature, ...]:
    """The same feature over several windows: `{w}` in `name` and `meaning` is the window in minutes."""
    return tuple(Feature(name.format(w=w), meaning.format(w=w), unit, w + extra_minutes) for w in windows)
