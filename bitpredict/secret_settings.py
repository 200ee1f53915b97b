"""Settings that nobody else may read: what a key may be, and how faults of settings are told without their values."""

import re
from typing import Annotated

from pydantic import AfterValidator, SecretStr, ValidationError


def _printable(key: SecretStr) -> SecretStr:
    """Requests would show a header that it cannot send."""
    plain = key.get_secret_value().strip()
    if not re.fullmatch(r"[!-~]*", plain):
        raise ValueError("a key is printable ASCII without spaces and line breaks; copy it again")
    return SecretStr(plain)


ApiKey = Annotated[SecretStr, AfterValidator(_printable)]
"""A key that a header can carry; blanks around it are taken off."""


def faults(error: ValidationError, secret: frozenset[str]) -> str:
    """What is wrong with each variable, and its value unless its field is one of `secret`."""
    told = []
    for fault in error.errors():
        field = str(fault["loc"][0])  # an element of a list has no variable of its own
        value = "" if field in secret else f"={fault['input']!r}"
        what = fault["ctx"]["error"] if fault["type"] == "value_error" else fault["msg"]  # the validator's own words
        told.append(f"BITPREDICT_{field.upper()}{value}: {what}")
    return "; ".join(told)
