"""Numbers as people read them, the same in report and dashboard."""

import math
from datetime import datetime, timedelta

import pandas as pd

from bitpredict.market.time import utc

NOTHING = "\N{EN DASH}"
_MINUS = "\N{MINUS SIGN}"


def price_text(value: float) -> str:
    """A price with six significant digits: `42,283.6`, `0.0912346`."""
    decimals = 5 - math.floor(math.log10(value)) if value > 0 else 0
    return f"{value:,.{max(0, decimals)}f}"


def percent_text(share: float | None, digits: int = 1, *, signed: bool = False) -> str:
    """0.123 as `12.3 %`; a dash where there is no number."""
    if share is None or not math.isfinite(share):
        return NOTHING
    percent = round(100 * share, digits) + 0.0  # nothing reads as -0.0
    sign = "+" if signed and percent else ""
    return f"{percent:{sign},.{digits}f} %".replace("-", _MINUS)


def count_text(number: float | None) -> str:
    return NOTHING if number is None or pd.isna(number) else f"{int(number):,}"


def number_text(value: float | None, digits: int = 3) -> str:
    if value is None or not math.isfinite(value):
        return NOTHING
    return f"{value:,.{digits}f}".replace("-", _MINUS)


def p_value_text(value: float | None) -> str:
    if value is None or not math.isfinite(value):
        return NOTHING
    return "< 0.001" if value < 0.001 else f"{value:.3f}"


def utc_text(moment: datetime | pd.Timestamp) -> str:
    """`2023-12-31 23:55`; the page says once that times are UTC."""
    return f"{utc(moment):%Y-%m-%d %H:%M}"


def second_text(moment: datetime | pd.Timestamp) -> str:
    """`2023-12-31 23:55:03`."""
    return f"{utc(moment):%Y-%m-%d %H:%M:%S}"


def age_text(seconds: float) -> str:
    """0.42 as `0.4 s`, 95 as `1 min 35 s`, 7200 as `2 h`."""
    if seconds < 10:
        return f"{max(0.0, seconds):.1f} s"
    if seconds < 3600:
        minutes, rest = divmod(round(seconds), 60)
        return " ".join(f"{number} {unit}" for number, unit in ((minutes, "min"), (rest, "s")) if number)
    return minutes_text(round(seconds / 60))


def minutes_text(minutes: int) -> str:
    """80 as `1 h 20 min`."""
    days, rest = divmod(timedelta(minutes=int(minutes)), timedelta(days=1))
    hours, rest = divmod(rest, timedelta(hours=1))
    parts = ((days, "d"), (hours, "h"), (rest // timedelta(minutes=1), "min"))
    return " ".join(f"{number} {unit}" for number, unit in parts if number) or "0 min"


def skill_text(skill: float | None, sample_size: float | None) -> str:
    """Skill with the number of origins it was measured on: neither is shown without the other.

    The baseline has skill 0 over itself: it serves where no other model was proven better.
    """
    if skill is None or pd.isna(skill) or skill == 0:
        return "no proven skill: the baseline serves"
    return f"{percent_text(skill, signed=True)} (n = {count_text(sample_size)})"
