"""The machine's side of `bitpredict doctor`: versions, settings, folder, ports, optional parts."""

import os
import platform
import shutil
import socket
from collections.abc import Iterator
from difflib import get_close_matches
from importlib.metadata import PackageNotFoundError, version
from pathlib import Path
from tempfile import TemporaryFile

from pydantic import SecretStr
from pydantic_settings import DotEnvSettingsSource

from bitpredict.cli.finding import Finding, Status
from bitpredict.masking import masked
from bitpredict.settings import Settings

LITTLE_SPACE = 2**30
OPTIONAL_PARTS = {
    "orchestrator": (("dagster",), "demo, backfill, up"),
    "dashboard": (("streamlit",), "the dashboard"),
    "network": (("tensorflow-cpu", "tensorflow"), "training the network; serving it works without"),
}
_IN_FORCE = {
    "database_url": "database",
    "lake_url": "lake",
    "mlflow_uri": "mlflow",
    "archive_url": "archive",
    "coingecko_url": "coingecko",
    "cryptocompare_url": "cryptocompare",
}


def versions() -> Finding:
    """Which Python runs which BitPredict."""
    detail = f"bitpredict {version('bitpredict')} on Python {platform.python_version()}, {platform.system()}"
    return Finding("version", Status.OK, detail)


def settings_in_force(settings: Settings) -> Iterator[Finding]:
    """Every setting with its value and where it came from; secrets and passwords masked."""
    environment = {name.upper() for name in os.environ}
    for name in type(settings).model_fields:
        variable = f"BITPREDICT_{name.upper()}"
        value = getattr(settings, _IN_FORCE.get(name, name))
        origin = "default"
        if name in settings.model_fields_set:
            origin = "environment" if variable in environment else ".env"
        yield Finding(variable, Status.OK, f"{shown(value)} ({origin})")


def unknown_settings() -> Iterator[Finding]:
    """Every variable that is named as a setting is and is none, as a mistyped one: whoever sets it is not heard."""
    prefix, known = "BITPREDICT_", [name.upper() for name in Settings.model_fields]
    there = {name.upper() for name in (*os.environ, *DotEnvSettingsSource(Settings).env_vars)}
    named = {name.removeprefix(prefix) for name in there if name.startswith(prefix)}
    for name in sorted(named.difference(known)):
        meant = "".join(f"set {prefix}{close} if you meant that, or " for close in get_close_matches(name, known, 1))
        yield Finding(prefix + name, Status.WARN, "no setting has this name: it is ignored", f"{meant}remove it")


def shown(value: object) -> str:
    """A setting's value as it may be shown: secrets as stars, addresses without their password."""
    if isinstance(value, SecretStr):
        return "********" if value.get_secret_value() else "not set"
    if isinstance(value, tuple):
        return masked(",".join(map(str, value)))
    return masked(str(value)) or "not set"


def home(folder: Path) -> Finding:
    """Whether everything local can be written, or its folder made, and how much room there is."""
    there = next(parent for parent in (folder, *folder.parents) if parent.exists())
    try:
        with TemporaryFile(dir=there):
            pass
    except OSError as error:
        problem = f"{there} cannot be written: {error.strerror}"
        return Finding("home", Status.FAIL, problem, "change its rights or set BITPREDICT_HOME elsewhere")
    free = shutil.disk_usage(there).free
    state = "writable" if there == folder else "not made yet"
    detail = f"{folder} is {state}, {free / 2**30:,.1f} GiB free"
    if free < LITTLE_SPACE:
        return Finding("home", Status.WARN, detail, "free some space: a year of two symbols takes about 0.5 GiB")
    return Finding("home", Status.OK, detail)


def ports(settings: Settings) -> Iterator[Finding]:
    """Whether the services of `bitpredict up` find their ports free."""
    services = {
        "WEBSERVER_PORT": (settings.webserver_port, "Dagster's webserver"),
        "DASHBOARD_PORT": (settings.dashboard_port, "the dashboard"),
        "COLLECTOR_PORT": (settings.collector_port, "the collector or the replays"),
        "PREDICTOR_PORT": (settings.predictor_port, "the predictor"),
    }
    for name, (port, service) in services.items():
        with socket.socket() as probe:
            probe.settimeout(0.5)
            taken = probe.connect_ex(("127.0.0.1", port)) == 0
        if taken:
            remedy = f"nothing to do if `bitpredict up` runs; otherwise end what listens there or set BITPREDICT_{name}"
            yield Finding(f"port {port}", Status.WARN, f"taken ({service})", remedy)
        else:
            yield Finding(f"port {port}", Status.OK, f"free for {service}")


def optional_parts() -> Iterator[Finding]:
    """Which extras are installed."""
    for extra, (packages, purpose) in OPTIONAL_PARTS.items():
        if found := [f"{name} {number}" for name in packages if (number := _version(name))]:
            yield Finding(extra, Status.OK, f"{found[0]} is installed")
        else:
            remedy = f"pip install 'bitpredict[{extra}]'"
            yield Finding(extra, Status.WARN, f"{packages[0]} is not installed: needed for {purpose}", remedy)


def _version(package: str) -> str | None:
    try:
        return version(package)
    except PackageNotFoundError:
        return None
