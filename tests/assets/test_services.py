"""What `bitpredict up` starts for each market."""

import pytest

from bitpredict.settings import Settings
from bitpredict_assets.services import live_services, services


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
