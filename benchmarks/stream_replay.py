"""`bitpredict replay FILE --speed max`: recorded ticks into the log as fast as it goes, everything included.

The file is the sample's ticks again and again, in market time. On Kafka the limit is kafka-python's own producer, which
sends the same messages, ready-made, into a topic beside.
"""

import re
import subprocess
import sys
from collections.abc import Iterator
from datetime import datetime, timedelta
from pathlib import Path

from benchmarks.stream_logs import event_logs
from benchmarks.stream_processes import child, environment, free_port, machine_load, number, said, temporary
from bitpredict.settings import SAMPLE_FOLDER, Settings
from bitpredict.streaming.log import TopicSpec
from bitpredict.streaming.open_log import open_event_log
from bitpredict.streaming.topics import trades_topic

MESSAGES, GOAL = 200_000, 20_000
_TOPIC, _BESIDE = trades_topic("coinbase"), "beside"


def main() -> None:
    """Print messages a second; BENCH_MESSAGES: how many."""
    count = int(number("MESSAGES", MESSAGES))
    with event_logs() as logs:
        for name, url in logs.items():
            with temporary() as folder:
                recording = folder / "ticks.csv"
                recording.write_text("".join(_ticks(count)))
                settings = Settings(home=folder / "home", market="coinbase", event_log_url=url)
                print(f"{name}: {count:,} recorded ticks, {machine_load()}")
                ours = _replay(settings, recording)
                print(f"  replay {ours:,.0f}/s", end=": ")
                print(
                    f"{_bare(settings, folder / 'sent', ours)}"
                    if url
                    else f"{ours / GOAL:.1f} x the {GOAL:,} asked for"
                )


def _ticks(count: int) -> Iterator[str]:
    """Lines of the sample's recording: each round a day later than the one before."""
    header, *lines = (SAMPLE_FOLDER / "coinbase_ticks.csv").read_text().splitlines()
    yield f"{header}\n"
    for place in range(count):
        moment, _, rest = lines[place % len(lines)].partition(",")
        # Rounds end before today: ticks of the future are refused.
        day = timedelta(days=place // len(lines) - count // len(lines))
        yield f"{datetime.fromisoformat(moment) + day:%Y-%m-%dT%H:%M:%S.%fZ},{rest}\n"


def _replay(settings: Settings, recording: Path) -> float:
    command = [sys.executable, "-m", "bitpredict", "replay", recording, "--speed", "max", "--port", f"{free_port()}"]
    done = subprocess.run(command, env=environment(settings), check=True, stdout=subprocess.PIPE, text=True)
    print(f"  {done.stdout.strip().splitlines()[-1]}")
    return float(re.search(r"\(([\d,]+)/s", done.stdout)[1].replace(",", ""))  # type: ignore[index]


def _bare(settings: Settings, file: Path, ours: float) -> str:
    """The same bytes by the bare producer."""
    with open_event_log(settings) as log:
        state = log.topic(_TOPIC)
        log.delete(_BESIDE)
        log.create([TopicSpec(_BESIDE, len(state.end), None)])
        with file.open("wb") as out:
            for partition, end in state.end.items():
                for record in log.read(_TOPIC, partition, 0, limit=end):
                    out.write(record.key.encode() + b"\t" + record.value + b"\n")
    address = settings.event_log_url.removeprefix("kafka://")
    count = int(number("MESSAGES", MESSAGES))
    limit = said(child("stream_bare", settings, "write", address, _BESIDE, count, file))["rate"]
    return f"{ours / limit:.2f} x the {limit:,.0f}/s of kafka-python's producer with the same bytes"


if __name__ == "__main__":
    main()
