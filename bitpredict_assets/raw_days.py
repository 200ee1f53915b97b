"""How a run of an asset that asks the world is told to make past days again from what was answered then."""

from datetime import date

import dagster as dg

from bitpredict.errors import SettingsError
from bitpredict.sources.rebuilding import Rebuilt, past_days


class RawDays(dg.Config):
    """Past UTC days, both included, whose kept answers are read and nobody is asked; empty: the world is asked, now."""

    rebuild_from: str = ""
    rebuild_to: str = ""

    def days(self) -> list[date]:
        """The days; none where the world is to be asked.

        Raises:
            SettingsError: they are no days, or one is not over yet.
        """
        if not self.rebuild_from and not self.rebuild_to:
            return []
        try:
            first = date.fromisoformat(self.rebuild_from)
            last = date.fromisoformat(self.rebuild_to or self.rebuild_from)
        except ValueError as error:
            raise SettingsError(f"rebuild_from and rebuild_to are days such as 2026-01-31: {error}") from error
        return past_days(first, last)


def tell(context: dg.AssetExecutionContext, days: list[date], made: Rebuilt) -> None:
    """Say what the kept answers came to."""
    context.log.info(f"{made.inserted} of {made.rows} rows of {made.answers} kept answers were missing")
    context.add_output_metadata(
        {
            "dagster/row_count": made.rows,
            "made again from kept answers of": f"{days[0]} to {days[-1]}",
            "kept answers": made.answers,
            "new": made.inserted,
            "already there": made.rows - made.inserted,
            "left out": dict(made.left_out),
        }
    )
