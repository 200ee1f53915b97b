"""A real S3 server (versitygw) over a temporary folder: from PATH, or the copy beside the checkout."""

import lzma
import shutil
import socket
import subprocess
import tempfile
import time
from collections.abc import Iterator
from contextlib import contextmanager
from dataclasses import dataclass
from pathlib import Path
from uuid import uuid4

import pytest

from tests.support.ports import free_ports

PACKED = Path(__file__).resolve().parents[3] / "shared" / "tools" / "s3" / "versitygw.xz"
ACCESS_KEY, SECRET_KEY = "test", "testtest"


@dataclass(frozen=True)
class S3Server:
    """A running server. A bucket is a folder of `data`."""

    url: str
    data: Path

    def bucket(self) -> str:
        name = f"bucket-{uuid4().hex[:12]}"
        (self.data / name).mkdir()
        return name

    @property
    def environment(self) -> dict[str, str]:
        """The settings that lead there."""
        return {
            "BITPREDICT_S3_ENDPOINT_URL": self.url,
            "BITPREDICT_S3_ACCESS_KEY_ID": ACCESS_KEY,
            "BITPREDICT_S3_SECRET_ACCESS_KEY": SECRET_KEY,
        }


@pytest.fixture(scope="session")
def s3_server() -> Iterator[S3Server]:
    with tempfile.TemporaryDirectory(prefix="bitpredict-s3-") as name:
        folder = Path(name)
        with serving(_binary(folder), folder) as server:
            yield server


@pytest.fixture
def s3_lake(s3_server: S3Server, monkeypatch: pytest.MonkeyPatch) -> str:
    """The URL of an empty lake on S3; the settings lead to it."""
    url = f"s3://{s3_server.bucket()}/lake"
    monkeypatch.setenv("BITPREDICT_LAKE_URL", url)
    for name, value in s3_server.environment.items():
        monkeypatch.setenv(name, value)
    return url


@contextmanager
def serving(binary: Path, folder: Path) -> Iterator[S3Server]:
    data, meta = folder / "data", folder / "meta"
    data.mkdir()
    meta.mkdir()
    address = f"127.0.0.1:{free_ports(1)[0]}"
    server = subprocess.Popen(
        [binary, "--quiet", "--port", address, "posix", "--sidecar", meta, data],
        env={"ROOT_ACCESS_KEY": ACCESS_KEY, "ROOT_SECRET_KEY": SECRET_KEY},
        stdout=subprocess.DEVNULL,
        stderr=subprocess.DEVNULL,
    )
    try:
        _wait(server, address)
        yield S3Server(f"http://{address}", data)
    finally:
        server.kill()
        server.wait()


def _binary(folder: Path) -> Path:
    if found := shutil.which("versitygw"):
        return Path(found)
    if not PACKED.exists():
        pytest.skip(f"no S3 server: go install github.com/versity/versitygw/cmd/versitygw, or put it at {PACKED}")
    binary = folder / "versitygw"
    with lzma.open(PACKED) as packed, binary.open("wb") as unpacked:
        shutil.copyfileobj(packed, unpacked)
    binary.chmod(0o755)
    return binary


def _wait(server: "subprocess.Popen[bytes]", address: str) -> None:
    host, port = address.split(":")
    deadline = time.monotonic() + 120
    while time.monotonic() < deadline and server.poll() is None:
        try:
            socket.create_connection((host, int(port)), timeout=1).close()
        except OSError:
            time.sleep(0.05)
        else:
            return
    raise RuntimeError(f"versitygw did not come up on {address}: exit code {server.poll()}")
