"""The tick window in quixstreams, written from its documentation: `stream_quix.py ADDRESS TOPIC COUNT GUARANTEE HOW`.

It runs in an environment of its own and imports nothing of this project. When a trade begins a new second of its symbol
(the message's key), ret_mean, ret_std and n of the 50 trades before it go to an output topic. HOW says where these are:
`windows`: in the library's own sliding windows; `state`: in a list of ours in its state store, one look and one write a
message. It prints messages a second, from the first to the last message processed.
"""

import json
import math
import sys
import tempfile
import time
from itertools import pairwise

from quixstreams import Application, State

WINDOW = 50


def in_state(trade: dict, state: State) -> dict | None:
    """The forecast at the second that this trade ends; None within a second."""
    held = state.get("window") or {"price": None, "second": None, "returns": []}
    second, price, returns = trade["event_time"][:19], trade["price"], held["returns"]
    made = None
    if held["second"] is not None and second > held["second"] and len(returns) > 1:
        made = forecast(trade["symbol"], second, held["price"], returns)
    if held["price"] is not None:
        returns.append(math.log(price / held["price"]))
    state.set("window", {"price": price, "second": second, "returns": returns[1 - WINDOW :]})
    return made


def in_window(window: dict) -> dict | None:
    """The same from a window of the library's that ends with this trade."""
    (*before, (_, second, symbol)) = window["value"]
    if second <= before[-1][1]:
        return None
    returns = [math.log(later[0] / earlier[0]) for earlier, later in pairwise(before)]
    return forecast(symbol, second, before[-1][0], returns)


def forecast(symbol: str, second: str, price: float, returns: list[float]) -> dict:
    mean = math.fsum(returns) / len(returns)
    spread = math.sqrt(math.fsum([(value - mean) ** 2 for value in returns]) / (len(returns) - 1))
    about = {"symbol": symbol, "origin": second, "reference_price": price}
    return about | {"ret_mean": mean, "ret_std": spread, "n": len(returns) + 1}


def main() -> None:
    address, topic, count, guarantee, how = sys.argv[1], sys.argv[2], int(sys.argv[3]), sys.argv[4], sys.argv[5]
    moments: list[float] = []

    def processed(_topic: str, _partition: int, _offset: int) -> None:
        moments.append(time.perf_counter())
        if len(moments) == count:
            app.stop()

    with tempfile.TemporaryDirectory() as folder:
        app = Application(
            broker_address=address,
            consumer_group=f"quix-{how}-{guarantee}-{time.time():.0f}",
            auto_offset_reset="earliest",
            processing_guarantee=guarantee,
            state_dir=folder,
            on_message_processed=processed,
            loglevel="ERROR",
        )
        trades = app.topic(topic, key_deserializer="str", value_deserializer="json")
        frame = app.dataframe(trades)
        if how == "windows":
            frame = frame.apply(lambda trade: [trade["price"], trade["event_time"][:19], trade["symbol"]])
            frame = frame.sliding_count_window(WINDOW + 1).collect().final().apply(in_window)
        else:
            frame = frame.apply(in_state, stateful=True)
        frame = frame[frame.apply(lambda made: made is not None)]
        frame.to_topic(app.topic(f"quix-{guarantee}", key_serializer="str", value_serializer="json"))
        app.run()
    print(json.dumps({"rate": (len(moments) - 1) / (moments[-1] - moments[0])}))


if __name__ == "__main__":
    main()
