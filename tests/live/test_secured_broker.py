"""A broker that asks who is there, over TLS: the settings reach every client, and what is wrong with them is said."""

from collections.abc import Iterator
from pathlib import Path

import pytest

from bitpredict.errors import EventLogError
from bitpredict.settings import Settings
from bitpredict.streaming.log import Checkpoint, Message, Partition, TopicSpec
from bitpredict.streaming.open_log import open_event_log
from tests.support.certificates import Authority
from tests.support.kafka import Broker, new_broker

pytestmark = [pytest.mark.slow, pytest.mark.timeout(600)]

TOPIC, OUTPUTS, PASSWORD = "asked", "answered", "a-secret-of-the-test"


@pytest.fixture(scope="module")
def authority(tmp_path_factory: pytest.TempPathFactory) -> Authority:
    return Authority(tmp_path_factory.mktemp("authority"))


@pytest.fixture(scope="module")
def broker(authority: Authority) -> Iterator[Broker]:
    with new_broker() as secured:
        properties = secured.folder / "server.properties"
        listeners = next(line for line in properties.read_text().splitlines() if line.startswith("listeners="))
        login = "org.apache.kafka.common.security.plain.PlainLoginModule required"
        with properties.open("a") as file:
            file.write(
                f"""{listeners.replace("PLAINTEXT", "SASL_SSL")}
advertised.listeners=SASL_SSL://{secured.address}
listener.security.protocol.map=SASL_SSL:SASL_SSL,CONTROLLER:PLAINTEXT
security.inter.broker.protocol=SASL_SSL
sasl.mechanism.inter.broker.protocol=PLAIN
sasl.enabled.mechanisms=PLAIN
listener.name.sasl_ssl.plain.sasl.jaas.config={login} username="broker" password="itself" \
user_broker="itself" user_bitpredict="{PASSWORD}";
ssl.keystore.type=PEM
ssl.keystore.location={authority.server("127.0.0.1")}
ssl.truststore.type=PEM
ssl.truststore.location={authority.certificate}
"""
            )
        secured.start()
        yield secured


def settings(home: Path, broker: Broker, **changed: str) -> Settings:
    given = {
        "kafka_security_protocol": "SASL_SSL",
        "kafka_sasl_username": "bitpredict",
        "kafka_sasl_password": PASSWORD,
    }
    return Settings(home=home, event_log_url=broker.url, **(given | changed))


def test_topics_groups_and_transactions_work(tmp_path, broker, authority):
    with open_event_log(settings(tmp_path, broker, kafka_ssl_cafile=f"{authority.certificate}")) as log:
        log.create([TopicSpec(TOPIC, 1, None), TopicSpec(OUTPUTS, 1, None)])
        log.append(TOPIC, [Message("k", b"asked", 1_000)])
        subscription = log.subscribe("group", [TOPIC])
        records = []
        while not records:
            records = subscription.poll(1.0).records.get(Partition(TOPIC, 0), [])
        assert [record.value for record in records] == [b"asked"]
        subscription.checkpoint(
            {Partition(TOPIC, 0): Checkpoint(1, b"state")}, [(OUTPUTS, Message("k", b"answered", 2_000))]
        )
        assert [record.value for record in log.read(OUTPUTS, 0, 0)] == [b"answered"]
        assert log.groups(TOPIC) == {"group": {0: 1}}


@pytest.mark.parametrize(
    "changed",
    [
        pytest.param({"kafka_sasl_password": "another"}, id="wrong password"),
        pytest.param({"kafka_sasl_username": "somebody"}, id="unknown user"),
        pytest.param({"kafka_ssl_cafile": ""}, id="certificate of an unknown authority"),
        pytest.param({"kafka_security_protocol": "PLAINTEXT"}, id="no TLS"),
    ],
)
def test_what_the_broker_or_we_refuse_is_one_error_without_secrets(tmp_path, broker, authority, monkeypatch, changed):
    monkeypatch.setattr("bitpredict.streaming.kafka_clients._PATIENCE_MS", 3_000)
    given = {"kafka_ssl_cafile": f"{authority.certificate}"} | changed
    with open_event_log(settings(tmp_path, broker, **given)) as log, pytest.raises(EventLogError) as raised:
        log.topics()
    assert broker.address in str(raised.value)
    assert PASSWORD not in str(raised.value)
    assert "another" not in str(raised.value)
