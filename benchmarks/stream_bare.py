"""What kafka-python itself does, for comparison: `python -m benchmarks.stream_bare read ADDRESS TOPIC COUNT` takes
every message of a topic and decodes it; `… write ADDRESS TOPIC COUNT FILE` sends the trades of a file, ready-made
bytes, and waits until all are stored. Either prints its messages a second."""

import json
import sys
import time
from pathlib import Path

from kafka import KafkaConsumer, KafkaProducer
from kafka.structs import TopicPartition

from bitpredict.streaming.log import partition_of
from bitpredict.streaming.messages import decode_trade


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


if __name__ == "__main__":
    _, what, address, topic, count, *more = sys.argv
    rate = read(address, topic, int(count)) if what == "read" else write(address, topic, int(count), *more)
    print(json.dumps({"rate": rate}))
