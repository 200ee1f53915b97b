"""Made-up quotes, articles and judgements of them, with texts that would be markup, code or SQL if a page let them."""

from datetime import UTC, datetime, timedelta

import pandas as pd

from bitpredict.market.coins import Coin
from bitpredict.settings import Settings
from bitpredict.sources.coingecko_quotes import table
from bitpredict.storage.contracts import HOURLY_SENTIMENT
from bitpredict.storage.database import connect
from bitpredict.storage.lake import Lake
from bitpredict.storage.market_table import write_quotes
from bitpredict.storage.news_table import write_news
from bitpredict.storage.schema import crypto_news, news_feeds
from bitpredict.storage.sentiment_table import write_sentiment
from bitpredict.storage.tweet_table import write_tweets
from bitpredict.text.hourly import full_hours, hourly_sentiment
from bitpredict.text.mentions import Mentions

NEWEST = datetime(2023, 12, 31, 23, 50, tzinfo=UTC)
EVIL = (
    "<script>window.hacked = 1</script>",
    '<img src=x onerror="window.hacked = 1">',
    r"**bold** [link](javascript:alert(1)) $\frac{1}{2}$ :red[x] `code`",
    "Robert'); DROP TABLE crypto_news; --",
    "Bitcoin gains, Ether falls & nobody knows why",
)
EVIL_FEED = '<img src=x onerror="window.hacked=1"> **feed** $x^2$'
COINS = (
    Coin("bitcoin", "BTC", "Bitcoin"),
    Coin("ethereum", "ETH", "Ethereum"),
    Coin("late", "LATE", "<b>Late</b> $1$"),
    Coin("young", "YNG", "Young"),
)


def fill(settings: Settings, *, provenance: str = "simulated") -> None:
    """Two days of quotes every half hour and an article every three hours, each judged, and by the hour."""
    engine = connect(settings)
    _quotes(engine, provenance)
    articles = made_articles(provenance)
    write_news(engine, articles, made_feeds())
    write_sentiment(engine, made_judgements(articles))
    judged = articles.merge(made_judgements(articles), on="article_id")
    write_tweets(engine, made_posts(provenance), made_feeds().head(1))
    engine.dispose()
    start, end = datetime(2023, 12, 30, tzinfo=UTC), datetime(2024, 1, 1, tzinfo=UTC)
    hours = hourly_sentiment(judged, full_hours(start, end, end), Mentions(COINS))
    Lake.from_settings(settings).replace(HOURLY_SENTIMENT, hours, start, end)


def _quotes(engine: object, provenance: str) -> None:
    rows = []
    for n in range(97):
        moment = NEWEST - timedelta(minutes=30) * n
        rows += [_quote("bitcoin", 1, moment, 40_000.0 - 100 * n), _quote("ethereum", 2, moment, 2_000.0 + n)]
        if n >= 2:
            rows.append(_quote("late", 3, moment, 0.00001234))
        if n < 4:
            rows.append(_quote("young", 4, moment, 1.0))
    rows.sort(key=lambda row: row["observed_at"])
    made = table(rows, known_at=NEWEST).assign(known_at=lambda made: made["observed_at"])
    write_quotes(engine, COINS, made, source="here", provenance=provenance)


def _quote(coin: str, rank: int, moment: datetime, price: float) -> dict[str, object]:
    return {"coin_id": coin, "observed_at": moment, "price": price, "market_cap_rank": rank, "market_cap": price * 1e6}


def made_articles(provenance: str) -> pd.DataFrame:
    """Rows of `crypto_news`; the second newest was told before by another feed."""
    rows = []
    for n in range(16):
        moment = NEWEST - timedelta(hours=3) * n
        row = {
            "article_id": f"{n:032d}",
            "source": EVIL_FEED if n % 2 else "Plain Feed",
            "entry_id": f"{n:032d}",
            "url": f"https://news.example/{n}",
            "language": "en",
            "title": EVIL[n % len(EVIL)],
            "summary": "",
            "published_at": None if n == 3 else moment - timedelta(minutes=5),
            "dated": "missing" if n == 3 else "said",
            "first_seen_at": moment,
            "duplicate_of": f"{2:032d}" if n == 1 else None,
            "provenance": provenance,
        }
        rows.append(row)
    return pd.DataFrame(rows)[[column.name for column in crypto_news.columns]]


def made_judgements(articles: pd.DataFrame) -> pd.DataFrame:
    """Rows of `article_sentiment` of all but the newest article; of the second newest two, a day apart."""
    judged = articles.iloc[1:].reset_index(drop=True)
    rows = pd.DataFrame(
        {
            "article_id": judged["article_id"],
            "model": "vader",
            "model_version": "made-by-tests",
            "label": ["negative" if n % 3 else "positive" for n in range(len(judged))],
            "score": [-0.4 if n % 3 else 0.8 for n in range(len(judged))],
            **dict.fromkeys(("negative", "neutral", "positive"), 1 / 3),
            "scored_at": judged["first_seen_at"],
        }
    )
    again = rows.head(1).assign(
        model="linear", label="neutral", score=0.01, scored_at=rows["scored_at"].iloc[0] + timedelta(days=1)
    )
    return pd.concat([rows, again], ignore_index=True)


def made_posts(provenance: str) -> pd.DataFrame:
    """Rows of `tweets`: one an hour, the newest first."""
    rows = [
        {
            "tweet_id": f"{n:032d}",
            "query": "bitcoin lang:en",
            "language": "en",
            "text": text,
            "created_at": None,
            "first_seen_at": NEWEST - timedelta(hours=n),
            "provenance": provenance,
        }
        for n, text in enumerate(EVIL)
    ]
    return pd.DataFrame(rows).astype({"created_at": "datetime64[us, UTC]"})


def made_feeds() -> pd.DataFrame:
    """Rows of `news_feeds`: one that answers, one that rests."""
    end = datetime(2024, 1, 1, tzinfo=UTC)
    well = {
        "source": "Plain Feed",
        "address": "https://plain.example/feed",
        "etag": "",
        "last_modified": "",
        "asked_at": end,
        "answered_at": end,
        "articles": 8,
        "rejected": 1,
        "failures": 0,
        "resting_until": None,
        "problem": None,
    }
    ill = well | {"source": EVIL_FEED, "address": "https://evil.example/feed", "failures": 6}
    ill |= {"resting_until": end + timedelta(hours=2), "problem": "<script>window.hacked = 1</script> answered 500"}
    rows = pd.DataFrame([well, ill])[[column.name for column in news_feeds.columns]]
    return rows.astype({"resting_until": "datetime64[us, UTC]"})
