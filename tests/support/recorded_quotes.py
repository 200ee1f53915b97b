"""CoinGecko's recorded answer as if it were given now: a quote older than a day would be stale."""

import json
from datetime import datetime
from pathlib import Path


def recorded_quotes(recordings: Path, now: datetime) -> bytes:
    """The answer of 100 coins, the newest quote of them being of `now` and the others as much older as they were."""
    rows = json.loads((recordings / "api/coingecko/markets_100.json").read_bytes())
    newest = max(datetime.fromisoformat(row["last_updated"]) for row in rows)
    for row in rows:
        row["last_updated"] = (datetime.fromisoformat(row["last_updated"]) + (now - newest)).isoformat()
    return json.dumps(rows).encode()
