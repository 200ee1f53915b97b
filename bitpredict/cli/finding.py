"""What one check of `bitpredict doctor` came to."""

from dataclasses import dataclass
from enum import StrEnum


class Status(StrEnum):
    """How much a finding matters: `fail` is what keeps a command from working."""

    OK = "ok"
    WARN = "warn"
    FAIL = "fail"


@dataclass(frozen=True, slots=True)
class Finding:
    """One line of the doctor's report.

    Attributes:
        check: what was looked at.
        detail: what was found there.
        remedy: what to do; empty where nothing is to be done or where `detail`, an error's own line, says it.
    """

    check: str
    status: Status
    detail: str
    remedy: str = ""
