"""What kafka-python itself does, for comparison: `python -m benchmarks.stream_bare read ADDRESS TOPIC COUNT` takes
every message of a topic and decodes it; `… write ADDRESS TOPIC COUNT FILE` sends the trades of a file, ready-made
bytes, and waits until all are stored. Either prints its messages a second. `… answer ADDRESS TOPIC ANSWERS` answers
seconds until it is ended."""

import json
import sys
import time
from pathlib import Path

from kafka import KafkaConsumer, KafkaProducer
from kafka.structs import OffsetAndMetadata, TopicPartition

from bitpredict.streaming.log import partition_of
from bitpredict.streaming.messages import decode_trade

HORIZONS, ANSWER_BYTES = ("1m", "5m", "1h", "1d"), 700
"""As many answers to a second as there are forecasts of it. They are mostly blanks, which compress to little: in favour
of this loop."""


def read(address: str, topic: str, count: int) -> float:
    """In polls, which is the faster of the consumer's two ways; from the first message on."""
    consumer = KafkaConsumer(bootstrap_servers=address, enable_auto_commit=False)
    partitions = [TopicPartition(topic, number) for number in consumer.partitions_for_topic(topic)]
    consumer.assign(partitions)
    consumer.seek_to_beginning()
    seen, began = 0, 0.0
    while seen < count:
        polled = consumer.poll(timeout_ms=1000, max_records=2000)
        began = began or (time.perf_counter() if polled else 0.0)
        for records in polled.values():
            for record in records:
                decode_trade(record.value)
            seen += len(records)
    return seen / (time.perf_counter() - began)


def write(address: str, topic: str, count: int, file: str) -> float:
    """With the product's own demands: each message stored once, before it goes on, in batches of a thousand."""
    lines = Path(file).read_bytes().splitlines()[:count]
    messages = [tuple(line.split(b"\t", 1)) for line in lines]
    producer = KafkaProducer(
        bootstrap_servers=address,
        acks="all",
        enable_idempotence=True,
        compression_type="lz4",
        batch_size=256 * 2**10,
        linger_ms=5,
    )
    places = {key: partition_of(key.decode(), len(producer.partitions_for(topic))) for key, _ in messages}
    began = time.perf_counter()
    for key, value in messages:
        producer.send(topic, value=value, key=key, partition=places[key])
    producer.flush()
    took = time.perf_counter() - began
    producer.close()
    return len(messages) / took


def answer(address: str, topic: str, answers: str) -> None:
    """Each second of a symbol that a trade ends is answered with messages that name it: exactly once, by transactions
    as kafka-python's documentation shows them. Nothing is computed, and no state is kept."""
    consumer = KafkaConsumer(
        topic,
        bootstrap_servers=address,
        group_id="bare",
        auto_offset_reset="earliest",
        isolation_level="read_committed",
        enable_auto_commit=False,
    )
    producer = KafkaProducer(bootstrap_servers=address, transactional_id="bare", acks="all", compression_type="lz4")
    producer.init_transactions()
    print("ready", flush=True)
    seconds: dict[str, int] = {}
    while True:
        ended, positions = [], {}
        for where, records in consumer.poll(timeout_ms=500).items():
            for record in records:
                trade = decode_trade(record.value)
                second = int(trade.event_time.timestamp())
                if second > seconds.setdefault(trade.symbol, second):
                    seconds[trade.symbol] = second
                    ended.append((trade.symbol, second, f"{topic}/{where.partition}@{record.offset}"))
            positions[where] = OffsetAndMetadata(records[-1].offset + 1, "", -1)
        if not ended:
            continue
        producer.begin_transaction()
        for symbol, second, place in ended:
            for horizon in HORIZONS:
                value = f"{symbol} {horizon} {second} {place}".ljust(ANSWER_BYTES)
                producer.send(answers, key=symbol.encode(), value=value.encode())
        producer.send_offsets_to_transaction(positions, consumer.group_metadata())
        producer.commit_transaction()


if __name__ == "__main__":
    _, what, address, topic, *more = sys.argv
    if what == "answer":
        answer(address, topic, *more)
    else:
        count, *file = more
        rate = read(address, topic, int(count)) if what == "read" else write(address, topic, int(count), *file)
        print(json.dumps({"rate": rate}))
