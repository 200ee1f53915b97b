"""Which event log the settings name."""

from bitpredict.errors import SettingsError
from bitpredict.settings import Settings
from bitpredict.streaming.log import EventLog


def open_event_log(settings: Settings) -> EventLog:
    """The event log, not yet reached: its methods raise EventLogError as long as it is away.

    Raises:
        SettingsError: BITPREDICT_EVENT_LOG_URL is malformed or names another kind of log.
    """
    scheme = settings.event_log.partition(":")[0].partition("+")[0]
    if scheme == "kafka":
        from bitpredict.streaming.kafka_log import KafkaLog

        return KafkaLog(settings)
    if scheme in ("sqlite", "postgresql", "postgres"):
        from bitpredict.streaming.sql_log import SqlLog

        return SqlLog(settings.event_log)
    raise SettingsError(
        f"BITPREDICT_EVENT_LOG_URL: {scheme} is not supported; "
        "write sqlite:///file, postgresql://user:password@host/name or kafka://host:9092"
    )
