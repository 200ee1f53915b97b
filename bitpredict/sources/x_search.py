"""X's search of the last seven days, through Tweepy's client of its API's second version.

https://docs.x.com/x-api/posts/recent-search. Every post that it answers with is paid for, so that nothing is asked for
that is not used: neither authors nor metrics.
"""

import hashlib
import io
import re
from collections import Counter
from collections.abc import Iterator, Mapping
from dataclasses import dataclass
from datetime import UTC, datetime, timedelta
from typing import Any

from requests import PreparedRequest, Response
from requests.adapters import BaseAdapter

from bitpredict.errors import BadSourceDataError, SourceError, SourceUnavailableError
from bitpredict.settings import Settings
from bitpredict.sources.client import open_client
from bitpredict.sources.feeds import CLOCK_TOLERANCE, OLDEST
from bitpredict.sources.http import Asks
from bitpredict.text.cleaning import clean_text

SOURCE = "x"
FEWEST, MOST = 10, 100
"""Posts that one answer can be limited to."""

TEXT_LENGTH = 5_000

_TWEEPYS = "https://api.twitter.com"
"""The host that Tweepy asks: it takes no other."""

_FIRST_ID_AT = datetime(2010, 11, 4, 1, 42, 54, 657_000, tzinfo=UTC)
_REACHES_BACK = timedelta(days=6, hours=20)
"""A bit less than the seven days of the search: an older post cannot be named as the last known one."""

_ID = re.compile(r"[0-9]{1,19}")
_LANGUAGE = re.compile(r"[A-Za-z-]{1,10}")
_HANDLE = re.compile(r"(?<![\w@])@\w{1,15}")


@dataclass(frozen=True)
class Post:
    """What is kept of a post: neither its author nor its number.

    Attributes:
        tweet_id: hash of its number.
        text: one line of plain text; names of accounts are `@user`.
        created_at: None where what is said cannot be true.
    """

    tweet_id: str
    language: str
    text: str
    created_at: datetime | None


@dataclass(frozen=True)
class Page:
    """One answer.

    Attributes:
        read: posts in it, which were paid for.
        rejected: reason -> of these the ones that are not in `posts`.
        newest_id: the number of its newest post; empty where there is none.
        more: whether older posts match that were not read.
        received_at: when it had arrived, UTC.
    """

    posts: tuple[Post, ...]
    read: int
    rejected: Mapping[str, int]
    newest_id: str
    more: bool
    received_at: datetime


class XSearch:
    """Searches posts.

    Args:
        base_url: `https://api.x.com`, or what stands in for it.
        http: whose retries and limits apply; it carries the token.
    """

    def __init__(self, base_url: str, http: Asks) -> None:
        import tweepy

        self._client = tweepy.Client(bearer_token="sent by http", return_type=dict)  # noqa: S106 - no token
        self._client.session.mount(_TWEEPYS, _Through(base_url.rstrip("/"), http))
        self._errors = tweepy.TweepyException

    @classmethod
    def from_settings(cls, settings: Settings) -> "XSearch":
        """By BITPREDICT_X_URL and _TOKEN."""
        token = settings.x_token.get_secret_value()
        return cls(
            settings.x_url,
            open_client(SOURCE, settings, headers={"Authorization": f"Bearer {token}"}, most_attempts=3),
        )

    def pages(self, query: str, since_id: str, at_most: int) -> Iterator[Page]:
        """The posts that match and are newer than `since_id`, the newest first, at most so many.

        Raises:
            BadSourceDataError: an answer is none of a search.
            SourceUnavailableError, RateLimitedError: X cannot be reached, refuses, or asks for a pause. What came until
                then has been given.
        """
        known = since_id if _within_reach(since_id) else None
        token, left = None, at_most
        while left >= FEWEST:
            answer = self._ask(
                self._client.search_recent_tweets,
                query=query,
                since_id=known,
                max_results=min(MOST, left),
                next_token=token,
                tweet_fields=["created_at", "lang"],
            )
            page, token = _page(answer, datetime.now(UTC))
            yield page
            left -= page.read
            if token is None:
                return

    def matching(self, query: str) -> int:
        """How many posts of the last seven days match; reads none of them. Raises what `pages` raises."""
        total = self._ask(self._client.get_recent_tweets_count, query=query).get("meta", {}).get("total_tweet_count")
        if not isinstance(total, int):
            raise BadSourceDataError("X's answer is no count; check BITPREDICT_X_URL")
        return total

    def _ask(self, question: Any, **parameters: Any) -> dict[str, Any]:
        try:
            answer = question(**parameters)
        except SourceError:
            raise
        except self._errors as error:
            words = " ".join(str(error).split())[:300]
            raise SourceUnavailableError(f"X refuses: {words}; check BITPREDICT_X_QUERIES") from error
        except (ValueError, RecursionError) as error:
            raise BadSourceDataError(f"X's answer is no JSON ({error}); check BITPREDICT_X_URL") from error
        if not isinstance(answer, dict) or not isinstance(answer.get("meta", {}), dict):
            raise BadSourceDataError("X's answer is none of a search; check BITPREDICT_X_URL")
        return answer


class _Through(BaseAdapter):
    """Lets our own client ask, with its retries, limits and figures."""

    def __init__(self, base_url: str, http: Asks) -> None:
        super().__init__()
        self._base_url, self._http = base_url, http

    def send(self, request: PreparedRequest, *_: Any, **__: Any) -> Response:
        reply = self._http.get(f"{self._base_url}{request.path_url}")
        response = Response()
        response.status_code, response.url, response.request = reply.status, reply.url, request
        response.headers.update(reply.headers)
        response.headers.pop("Content-Encoding", None)  # it was taken off
        response.raw = io.BytesIO(reply.body)
        return response

    def close(self) -> None:
        """Nothing is held open here."""


def _page(answer: Mapping[str, Any], received_at: datetime) -> tuple[Page, str | None]:
    rows, meta = answer.get("data", []), answer.get("meta", {})
    if not isinstance(rows, list) or ("data" not in answer and "result_count" not in meta):
        problems = str(answer.get("errors", answer))[:200]
        raise BadSourceDataError(f"X's answer is none of a search: {problems}; check BITPREDICT_X_QUERIES")
    rejected: Counter[str] = Counter()
    posts: dict[str, Post] = {}
    for row in rows:
        try:
            post = _post(row, received_at)
        except BadSourceDataError as error:
            rejected[str(error)] += 1
            continue
        if posts.setdefault(post.tweet_id, post) is not post:
            rejected["the same post again"] += 1
    newest, token = meta.get("newest_id"), meta.get("next_token")
    newest_id = newest if isinstance(newest, str) and _ID.fullmatch(newest) else ""
    token = token if isinstance(token, str) and token and rows else None
    page = Page(tuple(posts.values()), len(rows), dict(rejected), newest_id, token is not None, received_at)
    return page, token


def _post(row: Any, received_at: datetime) -> Post:
    """Raises BadSourceDataError, with a reason that can be counted."""
    if not isinstance(row, dict) or not isinstance(row.get("id"), str) or not _ID.fullmatch(row["id"]):
        raise BadSourceDataError("no number")
    text = row.get("text")
    plain = clean_text(_HANDLE.sub("@user", text), TEXT_LENGTH) if isinstance(text, str) else ""
    if not plain:
        raise BadSourceDataError("no text")
    said = str(row.get("lang") or "")
    language = said if _LANGUAGE.fullmatch(said) else "und"
    return Post(hashed(row["id"]), language, plain, _created(row.get("created_at"), received_at))


def hashed(number: str) -> str:
    """What stands for a post's number."""
    return hashlib.sha256(number.encode()).hexdigest()[:32]


def _created(said: Any, received_at: datetime) -> datetime | None:
    try:
        moment = datetime.fromisoformat(said)
    except (TypeError, ValueError):
        return None
    believable = moment.tzinfo is not None and OLDEST < moment <= received_at + CLOCK_TOLERANCE
    return moment.astimezone(UTC) if believable else None


def _within_reach(since_id: str) -> bool:
    """Whether the search may be told this post's number, which has its time in it."""
    if not _ID.fullmatch(since_id):
        return False
    return _FIRST_ID_AT + timedelta(milliseconds=int(since_id) >> 22) > datetime.now(UTC) - _REACHES_BACK
