"""How old a table may be. An open market is collected every few minutes; where the calendar ended, nothing is late."""

from datetime import timedelta

import dagster as dg

from bitpredict.settings import load_settings

late = (
    dg.FreshnessPolicy.time_window(fail_window=timedelta(hours=26), warn_window=timedelta(hours=3))
    if load_settings().calendar()[1] is None
    else None
)

news_late = (
    dg.FreshnessPolicy.time_window(fail_window=timedelta(hours=6), warn_window=timedelta(minutes=45))
    if load_settings().watches_the_world
    else None
)

quotes_late = (
    dg.FreshnessPolicy.time_window(fail_window=timedelta(hours=1), warn_window=timedelta(minutes=15))
    if load_settings().watches_the_world
    else None
)

SERVED_WITHIN = (
    (timedelta(hours=60) if load_settings().market == "archive" else timedelta(minutes=30))
    if load_settings().calendar()[1] is None
    else None
)
"""How old a feature row may be that is served: the archive publishes a day in the course of the next one."""
