"""The tick window in quixstreams, written from its documentation: `stream_quix.py ADDRESS TOPIC COUNT GUARANTEE`.

It runs in an environment of its own and imports nothing of this project. Of each symbol (the message's key) the last 50
log returns and the newest second are in the library's state store; when a trade begins a new second, ret_mean, ret_std
and n go to an output topic. It prints messages a second, from the first to the last message processed.
"""

import json
import math
import sys
import tempfile
import time

from quixstreams import Application, State

WINDOW = 50


def forecast(trade: dict, state: State) -> dict | None:
    """The forecast at the second that this trade ends, None within a second: one look at the store, one write."""
    held = state.get("window") or {"price": None, "second": None, "returns": []}
    second, price, returns = trade["event_time"][:19], trade["price"], held["returns"]
    made = None
    if held["second"] is not None and second > held["second"] and len(returns) > 1:
        mean = math.fsum(returns) / len(returns)
        spread = math.sqrt(math.fsum([(value - mean) ** 2 for value in returns]) / (len(returns) - 1))
        made = {
            "symbol": trade["symbol"],
            "origin": second,
            "reference_price": held["price"],
            "ret_mean": mean,
            "ret_std": spread,
            "n": len(returns) + 1,
        }
    if held["price"] is not None:
        returns.append(math.log(price / held["price"]))
    state.set("window", {"price": price, "second": second, "returns": returns[1 - WINDOW :]})
    return made


def main() -> None:
    address, topic, count, guarantee = sys.argv[1], sys.argv[2], int(sys.argv[3]), sys.argv[4]
    moments: list[float] = []

    def processed(_topic: str, _partition: int, _offset: int) -> None:
        moments.append(time.perf_counter())
        if len(moments) == count:
            app.stop()

    with tempfile.TemporaryDirectory() as folder:
        app = Application(
            broker_address=address,
            consumer_group=f"quix-{guarantee}-{time.time():.0f}",
            auto_offset_reset="earliest",
            processing_guarantee=guarantee,
            state_dir=folder,
            on_message_processed=processed,
            loglevel="ERROR",
        )
        trades = app.topic(topic, key_deserializer="str", value_deserializer="json")
        frame = app.dataframe(trades).apply(forecast, stateful=True)
        frame = frame[frame.apply(lambda made: made is not None)]
        frame.to_topic(app.topic(f"quix-{guarantee}", key_serializer="str", value_serializer="json"))
        app.run()
    print(json.dumps({"rate": (len(moments) - 1) / (moments[-1] - moments[0])}))


if __name__ == "__main__":
    main()
