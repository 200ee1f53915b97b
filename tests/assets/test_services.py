"""What `bitpredict up` starts for each market."""

import re
import socket
from pathlib import Path

import pytest

from bitpredict.errors import BitPredictError
from bitpredict.settings import Settings
from bitpredict_assets.services import live_services, services
from bitpredict_assets.supervisor import supervise
from tests.support.ports import free_ports


@pytest.mark.parametrize(
    ("market", "names"),
    [
        ("sample", ["candle replay", "tick replay", "predictor"]),
        ("archive", []),
        ("simulated", ["collector", "predictor"]),
        ("binance", ["collector", "predictor"]),
        ("coinbase", ["collector", "predictor"]),
    ],
)
def test_a_market_has_its_lane(market, names):
    found = live_services(Settings(market=market))
    assert [service.name for service in found] == names
    assert len({service.port for service in found}) == len(found)


def test_every_port_can_be_moved(tmp_path):
    moved = {"webserver_port": 1, "dashboard_port": 2, "collector_port": 3, "predictor_port": 5}
    found = {s.name: s for s in services(Settings(**moved), tmp_path) if s.setting}
    assert {name: service.port for name, service in found.items()} == {
        "webserver": 1,
        "dashboard": 2,
        "candle replay": 3,
        "tick replay": 4,
        "predictor": 5,
    }
    for service in found.values():
        assert str(service.port) in service.command, service.name
        assert service.setting == service.setting.upper()


def test_no_connection_can_take_the_code_server_s_port_before_it_listens(tmp_path):
    """Ten seconds pass until it does."""
    ports = {s.port for s in services(Settings(), tmp_path) if s.name == "code server"}
    kernels = Path("/proc/sys/net/ipv4/ip_local_port_range")
    lowest = int(kernels.read_text().split()[0]) if kernels.exists() else 49_152
    assert all(32_000 <= port < lowest for port in ports)


def test_without_a_free_port_nothing_is_started(tmp_path, monkeypatch):
    with socket.create_server(("127.0.0.1", 0)) as taken:
        port = taken.getsockname()[1]
        monkeypatch.setattr("bitpredict_assets.services._NEVER_A_CONNECTION_S", range(port, port + 1))
        with pytest.raises(BitPredictError, match=f"no free port between {port} and {port}"):
            services(Settings(), tmp_path)


@pytest.mark.parametrize(
    ("first", "second", "says"),
    [
        pytest.param(
            *("dashboard", "webserver"),
            "dashboard (BITPREDICT_DASHBOARD_PORT) and for the webserver (BITPREDICT_WEBSERVER_PORT)",
            id="pages",
        ),
        pytest.param(
            *("collector", "predictor"),
            "candle replay (BITPREDICT_COLLECTOR_PORT) and for the predictor (BITPREDICT_PREDICTOR_PORT)",
            id="the live lane",
        ),
    ],
)
def test_one_port_for_two_is_refused_by_the_names_of_their_settings(first, second, says):
    names = ("dashboard", "webserver", "collector", "predictor")
    ports = dict(zip(names, free_ports(len(names)), strict=True))
    ports[second] = ports[first]
    with pytest.raises(BitPredictError, match=re.escape(f"port {ports[first]} is meant for the {says}; set one of")):
        supervise(Settings(**{f"{name}_port": port for name, port in ports.items()}))
