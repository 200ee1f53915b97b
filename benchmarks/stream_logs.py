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
            yield address
        finally:
            process.terminate()
            process.wait(20)


def _answers(address: str) -> bool:
    host, _, port = address.partition(":")
    with socket.socket() as connection:
        return connection.connect_ex((host, int(port))) == 0
