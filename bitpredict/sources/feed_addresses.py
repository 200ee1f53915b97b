"""The feeds that are read: a reviewed list, `feeds.csv`, or one of the user's own in its form."""

import csv
import re
from dataclasses import dataclass
from pathlib import Path

from bitpredict.errors import BadSourceDataError, ContractError
from bitpredict.text.addresses import canonical_url

FEEDS_FILE = Path(__file__).with_name("feeds.csv")

LONGEST_NAME = 60
_HEADER = ["name", "address", "language", "interval_minutes", "enabled"]
_LANGUAGE = re.compile(r"[a-z]{2,3}(-[A-Za-z0-9]{2,4})?")
_ENABLED = {"yes": True, "no": False}


@dataclass(frozen=True, slots=True)
class FeedAddress:
    """A feed as the list names it.

    Attributes:
        name: the `source` of its articles.
        address: http(s), as its publisher names it.
        interval_minutes: it is asked no more often.
        enabled: one that is not stays in the list with its articles, and is not asked.
    """

    name: str
    address: str
    language: str
    interval_minutes: int
    enabled: bool


def read_feed_addresses(file: Path = FEEDS_FILE) -> tuple[FeedAddress, ...]:
    """The feeds of a list, in its order.

    Raises:
        ContractError: the file cannot be read, or a line is malformed or names a feed again; the message says which.
    """
    try:
        with file.open(newline="", encoding="utf-8") as lines:
            rows = list(csv.reader(lines))
    except (OSError, UnicodeDecodeError) as error:
        why = getattr(error, "strerror", None) or error
        raise ContractError(f"{file}: the list of feeds cannot be read ({why}); check BITPREDICT_FEEDS_FILE") from error
    if not rows or rows[0] != _HEADER:
        raise ContractError(f"{file}: the first line must be {','.join(_HEADER)}")
    feeds: dict[str, FeedAddress] = {}
    for number, row in enumerate(rows[1:], start=2):
        where = f"{file}, line {number}"
        feed = _feed(row, where)
        if feed.name in feeds or feed.address in {other.address for other in feeds.values()}:
            raise ContractError(f"{where}: {feed.name} or its address is there twice")
        feeds[feed.name] = feed
    return tuple(feeds.values())


def _feed(row: list[str], where: str) -> FeedAddress:
    if len(row) != len(_HEADER) or not all(row):
        raise ContractError(f"{where}: {','.join(row)!r} is not {','.join(_HEADER)}")
    name, address, language, interval, enabled = row
    if len(name) > LONGEST_NAME or name != " ".join(name.split()):
        raise ContractError(f"{where}: {name!r} is no name of at most {LONGEST_NAME} characters")
    if name == "all":
        raise ContractError(f"{where}: all is the name of every feed together; choose another")
    try:
        canonical_url(address)
    except BadSourceDataError as error:
        raise ContractError(f"{where}: {error}") from error
    if not _LANGUAGE.fullmatch(language):
        raise ContractError(f"{where}: {language!r} is no language; write it as en or pt-BR")
    if not (interval.isascii() and interval.isdecimal() and 1 <= int(interval) <= 10_080):
        raise ContractError(f"{where}: {interval!r} is no number of minutes from 1 to a week's 10080")
    if enabled not in _ENABLED:
        raise ContractError(f"{where}: enabled is yes or no, not {enabled!r}")
    return FeedAddress(name, address, language, int(interval), _ENABLED[enabled])
