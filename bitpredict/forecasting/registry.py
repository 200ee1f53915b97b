"""Who serves, as MLflow's registry says, without loading MLflow: that would triple a process's memory."""

from collections.abc import Mapping
from pathlib import Path
from typing import Any, Protocol
from urllib.parse import urlsplit

import requests
from sqlalchemy import column, inspect, make_url, select, table
from sqlalchemy.exc import ArgumentError

from bitpredict.errors import ModelError, SettingsError
from bitpredict.storage.database import open_engine, reading

CHAMPION = "champion"
_PREFIX = "bitpredict-"
_VERSION = "version"
_BUSY_SECONDS = 5.0
_REST_SECONDS = 5.0
_PAGE = 100

_ALIASES = table("registered_model_aliases", column("name"), column("alias"), column("version"))
_TAGS = table("model_version_tags", column("name"), column("version"), column("key"), column("value"))

Champions = Mapping[tuple[str, str], str]
"""(symbol, horizon) -> version in the model store."""


class Registry(Protocol):
    """Where aliases are looked up."""

    def champions(self) -> Champions:
        """The versions that the alias `champion` points at; empty where nothing was registered yet.

        Raises:
            StorageError: the registry's database cannot be reached.
            ModelError: its server cannot be reached, or answers with something else.
        """


def open_registry(uri: str) -> Registry:
    """The registry of an MLflow tracking URI: a server's address, or the database itself.

    Raises:
        SettingsError: the URI is neither.
    """
    try:
        if uri.startswith(("http://", "https://")):
            _ = urlsplit(uri).port  # what asks would show one that is none: the beginning of a password
            return ServerRegistry(uri)
        make_url(uri)
    except (ArgumentError, ValueError) as error:
        raise SettingsError(f"BITPREDICT_MLFLOW_URI={uri!r} is neither a database nor a server's address") from error
    return DatabaseRegistry(uri)


class DatabaseRegistry:
    """MLflow's own tables `registered_model_aliases` and `model_version_tags` (their columns are those of MLflow 2.3
    and later)."""

    def __init__(self, uri: str) -> None:
        self._url = make_url(uri)
        self._engine = open_engine(uri, "BITPREDICT_MLFLOW_URI", _BUSY_SECONDS)

    def champions(self) -> Champions:
        if self._url.get_backend_name() == "sqlite" and not Path(self._url.database or "").is_file():
            return {}  # opening it would make an empty one
        a, t = _ALIASES.c, _TAGS.c
        query = (
            select(a.name, t.value)
            .join_from(_ALIASES, _TAGS, (a.name == t.name) & (a.version == t.version))
            .where(a.alias == CHAMPION, t.key == _VERSION, a.name.like(f"{_PREFIX}%"))
        )
        with reading(self._engine) as connection:
            if not inspect(connection).has_table(_ALIASES.name):
                return {}
            return {_symbol_and_horizon(name): str(version) for name, version in connection.execute(query)}


class ServerRegistry:
    """MLflow's REST interface."""

    def __init__(self, uri: str) -> None:
        self._base = f"{uri.rstrip('/')}/api/2.0/mlflow"
        self._session = requests.Session()

    def champions(self) -> Champions:
        found = {}
        for model in self._models():
            for alias in model.get("aliases", []):
                if alias["alias"] == CHAMPION:
                    about = self._get("model-versions/get", name=model["name"], version=alias["version"])
                    tags = {tag["key"]: tag["value"] for tag in about["model_version"].get("tags", [])}
                    if version := tags.get(_VERSION):
                        found[_symbol_and_horizon(model["name"])] = version
        return found

    def _models(self) -> list[dict[str, Any]]:
        found: list[dict[str, Any]] = []
        token = None
        while True:
            asked = {"filter": f"name LIKE '{_PREFIX}%'", "max_results": str(_PAGE)}
            page = self._get("registered-models/search", **asked, **({"page_token": token} if token else {}))
            found += page.get("registered_models", [])
            token = page.get("next_page_token")
            if not token:
                return found

    def _get(self, path: str, **parameters: str) -> dict[str, Any]:
        try:
            answer = self._session.get(f"{self._base}/{path}", params=parameters, timeout=_REST_SECONDS)
            answer.raise_for_status()
            document: dict[str, Any] = answer.json()
        except requests.RequestException as error:
            raise ModelError(
                f"MLflow at {self._base} cannot be asked ({error}); start it or set BITPREDICT_MLFLOW_URI"
            ) from error
        return document


def _symbol_and_horizon(name: str) -> tuple[str, str]:
    """`BTCUSDT`, `1h` of `bitpredict-BTCUSDT-1h`."""
    symbol, _, horizon = name.removeprefix(_PREFIX).rpartition("-")
    return symbol, horizon
