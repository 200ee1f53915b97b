"""Tables made again from what the sources answered at the time, without asking anybody.

A row that is there stays. What comes back is known since it was received, as it was the first time.
"""

from collections import Counter
from collections.abc import Iterable, Iterator, Mapping, Sequence
from dataclasses import dataclass
from datetime import UTC, date, datetime, timedelta
from itertools import groupby
from urllib.parse import parse_qs, unquote, urlsplit

from sqlalchemy import Engine

from bitpredict.errors import BitPredictError, SourceError, SourceUnavailableError
from bitpredict.market.coins import Coin
from bitpredict.market.time import DAY, EPOCH
from bitpredict.sources import coingecko, news
from bitpredict.sources.coingecko import CoinGecko
from bitpredict.sources.feed_addresses import FeedAddress
from bitpredict.sources.http import LARGEST_BODY, Reply
from bitpredict.storage.market_table import OBSERVED, read_coins_seen, write_history, write_quotes
from bitpredict.storage.raw import RawAnswer, RawStore, without_keys

_CHART = "/market_chart/range"
_MARKETS = "/coins/markets"


@dataclass(frozen=True)
class Rebuilt:
    """What came of the kept answers.

    Attributes:
        answers: that were read.
        rows: that they hold.
        inserted: of these, the rows that the table lacked.
        left_out: why something of them is not in the table -> how often.
    """

    answers: int
    rows: int
    inserted: int
    left_out: Mapping[str, int]


class Tally:
    """Counts on the way to a `Rebuilt`."""

    def __init__(self) -> None:
        self.answers = self.rows = self.inserted = 0
        self.left_out: Counter[str] = Counter()

    def result(self) -> Rebuilt:
        return Rebuilt(self.answers, self.rows, self.inserted, dict(sorted((+self.left_out).items())))


class Recorded:
    """Gives what was received, one answer a question, where a client would ask."""

    def __init__(self, answers: Iterable[RawAnswer]) -> None:
        self._answers = iter(answers)

    def get(
        self,
        url: str,  # noqa: ARG002 who asks again asks for the same
        params: Mapping[str, str | int] | None = None,  # noqa: ARG002
        *,
        etag: str = "",  # noqa: ARG002
        last_modified: str = "",  # noqa: ARG002
        max_bytes: int = LARGEST_BODY,  # noqa: ARG002
    ) -> Reply:
        answer = next(self._answers, None)
        if answer is None:
            raise SourceUnavailableError("this question was not answered at the time")
        return Reply(answer.status, {"Content-Type": answer.content_type}, answer.body, answer.received_at, answer.url)

    def hold(self, url: str, seconds: float) -> None:
        """Nobody waits for what was answered long ago."""


def past_days(first: date, last: date, now: datetime | None = None) -> list[date]:
    """The days `first` to `last`.

    Raises:
        BitPredictError: they are no range, or one is not over yet: it is still being received.
    """
    today = (now or datetime.now(UTC)).date()
    if first > last or last >= today:
        raise BitPredictError(f"days {first} to {last} cannot be made again: name past days, until {today - DAY}")
    return [first + number * DAY for number in range((last - first).days + 1)]


def rebuild_quotes(engine: Engine, raw: RawStore, coins: Sequence[Coin], days: Iterable[date]) -> Rebuilt:
    """`price_data_real` and `crypto_assets` from CoinGecko's answers of these days, current quotes and charts.

    Args:
        coins: the list; quotes of other coins come back where these have been seen.

    Raises:
        StorageError: the raw store or the database cannot be used.
    """
    told = Tally()
    seen = read_coins_seen(engine).to_dict("records")
    names = {row["coin_id"]: Coin(row["coin_id"], row["symbol"], row["name"]) for row in seen}
    names |= {coin.coin_id: coin for coin in coins}
    for answers in rounds_of(raw, coingecko.SOURCE, days, told):
        current = [answer for answer in answers if urlsplit(answer.asked).path.endswith(_MARKETS)]
        try:
            if current:
                _write_current(engine, current, names, told)
            for answer in answers:
                if urlsplit(answer.asked).path.endswith(_CHART):
                    _write_chart(engine, answer, told)
        except SourceError:
            told.left_out["answer without quotes"] += 1
    return told.result()


def rebuild_news(engine: Engine, raw: RawStore, addresses: Sequence[FeedAddress], days: Iterable[date]) -> Rebuilt:
    """`crypto_news` from the feeds' answers of these days. The feeds' own state stays as it is.

    Args:
        addresses: the list, which gives each feed its name and language; answers of others are left out.

    Raises:
        StorageError: the raw store or the database cannot be used.
    """
    told = Tally()
    listed = {without_keys(address.address) for address in addresses}
    for answers in rounds_of(raw, news.SOURCE, days, told):
        by_address = {without_keys(answer.asked): answer for answer in answers}
        told.left_out["feed is not in the list"] += len(by_address.keys() - listed)
        round_ = answers[0].round
        visits = tuple(
            news.visit(Recorded([by_address[asked]]), address, None, round_)
            for address in addresses
            if (asked := without_keys(address.address)) in by_address
        )
        found = news.store_visits(engine, visits, round_, remember_feeds=False)
        told.rows += found.inserted + found.known
        told.inserted += found.inserted
        told.left_out["answer that is no feed"] += sum(visit.outcome == news.FAILED for visit in visits)
        told.left_out.update(found.rejected)
    return told.result()


def rounds_of(raw: RawStore, source: str, days: Iterable[date], told: Tally) -> Iterator[list[RawAnswer]]:
    """The answers of each run that asked, in the order in which they came."""

    def good() -> Iterator[RawAnswer]:
        for day in days:
            for _, answer in raw.answers(source, day):
                if answer is None:
                    told.left_out["damaged file"] += 1
                else:
                    told.answers += 1
                    yield answer

    for _, answers in groupby(good(), key=lambda answer: answer.round):
        yield list(answers)


def _write_current(engine: Engine, answers: list[RawAnswer], names: Mapping[str, Coin], told: Tally) -> None:
    asked = [coin for answer in answers for coin in parse_qs(urlsplit(answer.asked).query)["ids"][0].split(",")]
    quotes = CoinGecko("", Recorded(answers)).markets(asked).quotes
    known = quotes[quotes["coin_id"].isin(list(names))]
    told.left_out["coin is not in the list"] += len(quotes) - len(known)
    written = write_quotes(engine, names.values(), known, source=coingecko.SOURCE, provenance=OBSERVED)
    told.rows += len(known)
    told.inserted += written.inserted


def _write_chart(engine: Engine, answer: RawAnswer, told: Tally) -> None:
    parts = urlsplit(answer.asked)
    coin = unquote(parts.path.removesuffix(_CHART).rpartition("/")[2])
    start, end = (EPOCH + timedelta(seconds=int(parse_qs(parts.query)[name][0])) for name in ("from", "to"))
    quotes = CoinGecko("", Recorded([answer])).history(coin, start, end).quotes
    told.rows += len(quotes)
    told.inserted += write_history(engine, quotes, source=coingecko.SOURCE).inserted
