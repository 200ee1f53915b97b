"""What `bitpredict up` starts for each market."""

import re

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
