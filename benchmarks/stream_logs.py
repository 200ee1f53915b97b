"""The event logs that the live lane's benchmarks run on: SQLite, and a Kafka broker of their own."""

import os
import shutil
import socket
import subprocess
import tempfile
from collections.abc import Iterator
from contextlib import contextmanager
from pathlib import Path

from benchmarks.stream_processes import ROOT, free_port, until
from bitpredict.settings import Settings
from bitpredict.streaming.log import Checkpoint, Message, Partition, TopicSpec
from bitpredict.streaming.open_log import open_event_log

WARMING_UP = 300
"""Transactions on a broker that has just started."""


@contextmanager
def event_logs() -> Iterator[dict[str, str]]:
    """Name -> URL of an empty event log; of SQLite "" (the home's own file), of Kafka a broker that ends here.

    BENCH_LOGS names them: `sql,kafka` by default.
    """
    wanted = os.environ.get("BENCH_LOGS", "sql,kafka").split(",")
    found = {"sql": ""} if "sql" in wanted else {}
    if "kafka" not in wanted:
        yield found
    elif shutil.which("java") is None or not (ROOT / ".kafka" / "libs").is_dir():
        print("no Kafka here (deploy/kafka/broker --fetch fetches it): its figures are skipped")
        yield found
    else:
        with broker() as address:
            yield found | {"kafka": f"kafka://{address}"}


@contextmanager
def broker() -> Iterator[str]:
    """`host:port` of a Kafka broker as `make kafka` starts it, with a folder and ports of its own."""
    script = ROOT / "deploy" / "kafka" / "broker"
    with tempfile.TemporaryDirectory(ignore_cleanup_errors=True) as folder:
        address, controller = (f"127.0.0.1:{free_port()}" for _ in range(2))
        text = (script.parent / "server.properties").read_text()
        text = text.replace("127.0.0.1:9092", address).replace("127.0.0.1:9093", controller)
        properties = Path(folder) / "server.properties"
        properties.write_text(text.replace(".kafka/data", f"{folder}/data"))
        with (Path(folder) / "log").open("wb") as log:
            process = subprocess.Popen([script, properties], stdin=subprocess.DEVNULL, stdout=log, stderr=log)
        try:
            until(lambda: _answers(address), process, 60)
            _warm_up(address)
            yield address
        finally:
            process.terminate()
            process.wait(20)


def _warm_up(address: str) -> None:
    """Transactions as a predictor stores them, on a topic that is then deleted: a broker's first hundreds take twice as
    long as its later ones, because Java compiles its code meanwhile, and a broker is started once."""
    topic, group = "warming-up", "warmer"
    with open_event_log(Settings(event_log_url=f"kafka://{address}")) as log:
        log.create([TopicSpec(topic, 2, None)])
        subscription = log.subscribe(group, [topic])
        assigned = dict[Partition, Checkpoint | None]()
        while not assigned:
            assigned.update(subscription.poll(1.0).assigned)
        for _ in range(WARMING_UP):
            outputs = [(topic, Message(topic, bytes(600), 0))] * 8
            subscription.checkpoint({each: Checkpoint(0, bytes(3000)) for each in assigned}, outputs)
        subscription.close()
        log.forget(group)
        log.delete(topic)


def _answers(address: str) -> bool:
    host, _, port = address.partition(":")
    with socket.socket() as connection:
        return connection.connect_ex((host, int(port))) == 0
