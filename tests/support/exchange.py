"""An exchange on this machine: a real websocket server that follows a script, and a REST server of trades."""

import json
import threading
from collections.abc import Callable, Iterator
from contextlib import contextmanager, suppress
from http.server import BaseHTTPRequestHandler, ThreadingHTTPServer
from urllib.parse import parse_qs, urlsplit

from websockets.exceptions import ConnectionClosed
from websockets.sync.server import ServerConnection, serve

Script = Callable[[ServerConnection, int], None]


class Exchange:
    """What happened at the server.

    Attributes:
        url: where it listens.
        connections: how many were opened so far.
        heard: what clients sent.
    """

    def __init__(self) -> None:
        self.url = ""
        self.connections = 0
        self.heard: list[str] = []
        self.closing = threading.Event()

    def hear(self, connection: ServerConnection, messages: int) -> None:
        """Receive so many messages of the client."""
        self.heard += [str(connection.recv(timeout=30)) for _ in range(messages)]

    def stall(self, _connection: ServerConnection) -> None:
        """Say nothing more, but keep the socket open and answer its pings."""
        self.closing.wait()


@contextmanager
def exchange(script: Callable[[Exchange, ServerConnection, int], None]) -> Iterator[Exchange]:
    """Run `script(exchange, connection, number)` for every connection, numbered from 0."""
    state = Exchange()

    def handle(connection: ServerConnection) -> None:
        number = state.connections
        state.connections += 1
        with suppress(ConnectionClosed):
            script(state, connection, number)

    with serve(handle, "127.0.0.1", 0) as server:
        thread = threading.Thread(target=server.serve_forever, daemon=True)
        thread.start()
        state.url = f"ws://127.0.0.1:{server.socket.getsockname()[1]}"
        try:
            yield state
        finally:
            state.closing.set()
            server.shutdown()
            thread.join()


def trade_frame(number: int, symbol: str = "BTCUSDT", price: float = 100.0) -> str:
    """A trade of Binance's stream."""
    data = {"e": "trade", "E": 1, "s": symbol, "t": number, "p": f"{price + number / 100:.2f}", "q": "0.5",
            "T": 1_775_000_000_000 + 10 * number, "m": number % 2 == 0, "M": True}  # fmt: skip
    return json.dumps({"stream": f"{symbol.lower()}@trade", "data": data})


class TradesApi:
    """Binance's REST interface of trades, for trades that `trade_frame` numbers.

    Attributes:
        newest: number of the last trade so far.
        oldest: number of the first that can still be had.
        status: what every request gets; 200 normally.
        asked: paths and parameters of the requests.
        refuses_old: `historicalTrades` answers 401.
    """

    def __init__(self) -> None:
        self.url = ""
        self.newest, self.oldest, self.status, self.refuses_old = 10**6, 0, 200, False
        self.asked: list[str] = []
        self.body: bytes | None = None

    def answer(self, path: str) -> tuple[int, bytes]:
        self.asked.append(path)
        parts = urlsplit(path)
        query = {name: values[0] for name, values in parse_qs(parts.query).items()}
        if self.status != 200 or (self.refuses_old and parts.path.endswith("historicalTrades")):
            return (self.status if self.status != 200 else 401), b'{"code": -2014, "msg": "no key"}'
        if self.body is not None:
            return 200, self.body
        limit = int(query["limit"])
        first = max(int(query.get("fromId", self.newest - limit + 1)), self.oldest)
        rows = [self._row(query["symbol"], number) for number in range(first, min(first + limit, self.newest + 1))]
        return 200, json.dumps(rows).encode()

    def _row(self, symbol: str, number: int) -> dict[str, object]:
        data = json.loads(trade_frame(number, symbol))["data"]
        return {"id": data["t"], "price": data["p"], "qty": data["q"], "quoteQty": "1", "time": data["T"],
                "isBuyerMaker": data["m"], "isBestMatch": True}  # fmt: skip


@contextmanager
def trades_api() -> Iterator[TradesApi]:
    api = TradesApi()

    class Handler(BaseHTTPRequestHandler):
        protocol_version = "HTTP/1.1"

        def do_GET(self) -> None:
            status, body = api.answer(self.path)
            self.send_response(status)
            self.send_header("Content-Length", str(len(body)))
            self.end_headers()
            self.wfile.write(body)

        def log_message(self, *_arguments: object) -> None:
            """Quiet."""

    server = ThreadingHTTPServer(("127.0.0.1", 0), Handler)
    server.daemon_threads = True
    thread = threading.Thread(target=server.serve_forever, kwargs={"poll_interval": 0.01}, daemon=True)
    thread.start()
    api.url = f"http://127.0.0.1:{server.server_address[1]}"
    try:
        yield api
    finally:
        server.shutdown()
        server.server_close()
        thread.join()
