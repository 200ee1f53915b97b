"""What X's search answers, in its documented shape: posts of our own making, by number, newest first, in pages."""

import json
from collections.abc import Mapping
from dataclasses import dataclass, field
from datetime import UTC, datetime, timedelta

from tests.support.archive_server import Answer, ArchiveServer

ROUTE, COUNTS = "/2/tweets/search/recent", "/2/tweets/counts/recent"
_FIRST_ID_AT = datetime(2010, 11, 4, 1, 42, 54, 657_000, tzinfo=UTC)


def number(at: datetime, sequence: int = 0) -> int:
    """A post's number, which has its time in it."""
    return (int((at - _FIRST_ID_AT) / timedelta(milliseconds=1)) << 22) + sequence


def post(at: datetime, sequence: int = 0, text: str = "Bitcoin is fine", **changes: object) -> dict[str, object]:
    each = str(number(at, sequence))
    stamp = at.isoformat(timespec="milliseconds").replace("+00:00", "Z")
    return {"id": each, "edit_history_tweet_ids": [each], "text": text, "created_at": stamp, "lang": "en", **changes}


@dataclass
class XServer:
    """Answers searches from `posts`, whatever the query is.

    Attributes:
        posts: of which every search sees those newer than its `since_id`.
        cost: posts that were answered with.
    """

    server: ArchiveServer
    posts: list[dict[str, object]] = field(default_factory=list)
    cost: int = 0

    def __post_init__(self) -> None:
        self.server.routes[ROUTE] = self._search
        self.server.routes[COUNTS] = self._count

    @property
    def searches(self) -> list[Mapping[str, str]]:
        return [request.query for request in self.server.asked if request.path == ROUTE]

    def _search(self, query: Mapping[str, str]) -> Answer:
        newest_first = sorted(self.posts, key=lambda each: int(str(each["id"])), reverse=True)
        found = [each for each in newest_first if int(str(each["id"])) > int(query.get("since_id", 0))]
        first = int(query.get("next_token", 0))
        page = found[first : first + int(query["max_results"])]
        self.cost += len(page)
        meta: dict[str, object] = {"result_count": len(page)}
        if page:
            meta |= {"newest_id": page[0]["id"], "oldest_id": page[-1]["id"]}
        if first + len(page) < len(found):
            meta["next_token"] = str(first + len(page))
        return Answer(body=json.dumps(({"data": page} if page else {}) | {"meta": meta}).encode())

    def _count(self, _query: Mapping[str, str]) -> Answer:
        return Answer(body=json.dumps({"data": [], "meta": {"total_tweet_count": len(self.posts)}}).encode())
