"""Where benchmarks find the recorded market data, and what they say when it is not there."""

from pathlib import Path

FOLDER = Path(__file__).resolve().parent.parent.parent / "shared" / "data"
ARCHIVE = FOLDER / "binance_archive"


def archive_or_none(benchmark: str) -> Path | None:
    """The recorded archive of candles; without it None, after a line that says so."""
    if ARCHIVE.is_dir():
        return ARCHIVE
    print(f"{benchmark}: skipped, no recordings at {ARCHIVE}")
    return None
