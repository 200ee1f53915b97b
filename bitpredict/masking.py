"""What may be shown of an address: everything but its password and keys."""

import re
from urllib.parse import unquote_plus

_LOGIN = re.compile(r"(?P<scheme>[\w+.-]*)://(?:(?P<user>[^\s/@:]*):\S*|[^/?#\n'\"]*)@")
_LOGIN_ALONE = re.compile(r"(?<![\w:/*])[\w.+-]+:(?!//)[^\s@]*@")
"""Where the scheme was forgotten."""

_PARAMETER = re.compile(r"(?<=[?&;])([^=&;\s?#]+)=([^&\s#'\"]+)")
_SECRETS = re.compile(
    r"key|token|secret|signature|password|passwd|pwd|auth|credential|(?<![a-z])sig(?![a-z])", re.IGNORECASE
)
_WEB = frozenset({"http", "https", "ws", "wss"})
_HIDDEN = "***"


def masked(text: str) -> str:
    """`text` without the passwords of the addresses in it and the values of their parameters that are named like keys.

    Of web addresses the user is hidden too: some sources want their token there. Masking twice changes nothing.
    """
    if "@" in text:
        text = _LOGIN_ALONE.sub(f"{_HIDDEN}@", _LOGIN.sub(_without_login, text))
    return _PARAMETER.sub(_without_value, text) if "=" in text else text


def is_secret(parameter: str) -> bool:
    """Whether a parameter of this name holds something that only its owner may know."""
    return _SECRETS.search(unquote_plus(parameter)) is not None


def _without_login(found: re.Match[str]) -> str:
    scheme, user = found["scheme"], found["user"]
    shown = f"{user}:{_HIDDEN}" if user is not None and scheme.lower() not in _WEB else _HIDDEN
    return f"{scheme}://{shown}@"


def _without_value(found: re.Match[str]) -> str:
    name, value = found.groups()
    rest = value[len(value.rstrip(":;,.)")) :]  # of the sentence
    return f"{name}={_HIDDEN}{rest}" if is_secret(name) else found[0]
