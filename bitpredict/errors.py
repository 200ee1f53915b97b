"""The errors a user can meet and mend. Their one line names the input and the remedy."""

from bitpredict.masking import masked


class BitPredictError(Exception):
    """Base of every expected failure: the command line prints its message as one line and exits with 1.

    Whatever a message is made of, it shows no password and no key of an address in it.
    """

    def __init__(self, *words: object) -> None:
        super().__init__(*(masked(word) if isinstance(word, str) else word for word in words))


class SettingsError(BitPredictError):
    """A setting is malformed or contradicts another."""


class ContractError(BitPredictError, ValueError):
    """Rows break a table's contract. Nothing was written."""


class UnknownSymbolError(BitPredictError, ValueError):
    """A symbol that is not one of the configured ones, or not a symbol at all."""


class StorageError(BitPredictError):
    """A store is missing, not writable, of another schema version, or full."""


class SourceError(BitPredictError):
    """An outside source could not be used. Subclasses say whether asking again can help."""


class NotYetPublishedError(SourceError):
    """The source does not have this yet: ask again later."""


class BeforeListingError(SourceError):
    """The market did not trade yet: there is nothing, and there never will be."""


class AbsentError(SourceError):
    """The source lacks this although it has earlier data: a hole that it will not fill."""


class BadSourceDataError(SourceError, ValueError):
    """The source answered with something that is not what it promises; asking again will not help."""


class SourceUnavailableError(SourceError):
    """The source failed or refused for longer than the retries allow."""


class RateLimitedError(SourceUnavailableError):
    """The source asked for a longer pause than one call may wait (429, 418).

    Attributes:
        seconds: how long; None where it did not say.
    """

    def __init__(self, message: str, seconds: float | None = None) -> None:
        super().__init__(message)
        self.seconds = seconds


class ModelError(BitPredictError):
    """A model cannot be trained, found or used for this input."""


class EventLogError(StorageError):
    """The event log cannot be reached or refuses. Services wait and try again."""


class UnknownTopicError(EventLogError):
    """The event log has no topic of that name."""


class OffsetsLostError(EventLogError):
    """Offsets were asked for that retention has deleted.

    Attributes:
        first: the first offset that is still there.
    """

    def __init__(self, message: str, first: int) -> None:
        super().__init__(message)
        self.first = first


class FencedError(EventLogError):
    """Another member of the group owns the partition by now; what this one made of it is void."""


class MessageError(BitPredictError, ValueError):
    """A message or frame cannot be decoded or is not believable; the message says why."""
