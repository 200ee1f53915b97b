"""Ticks and states as Dagster's daemon leaves them, and the cursor that a sensor goes on from."""

import dagster as dg
import pytest
from dagster._core.definitions.run_request import InstigatorType
from dagster._core.remote_origin import (
    GrpcServerCodeLocationOrigin,
    RemoteInstigatorOrigin,
    RemoteRepositoryOrigin,
)
from dagster._core.scheduler.instigation import (
    InstigatorState,
    InstigatorStatus,
    SensorInstigatorData,
    TickData,
    TickStatus,
)
from dagster._utils.error import SerializableErrorInfo

from bitpredict_sensors.newest_cursor import newest_cursor
from tests.support.graph import shared_instance

SUCCESS, SKIPPED, FAILURE, STARTED = TickStatus.SUCCESS, TickStatus.SKIPPED, TickStatus.FAILURE, TickStatus.STARTED
STORED_AT = 1_700_000_000.123456789
"""Seconds, finer than a database keeps."""


@pytest.mark.parametrize(
    ("stored", "stored_at", "ticks", "expected"),
    [
        pytest.param("a", STORED_AT, [(0, SUCCESS, "a"), (5, STARTED, None)], "a", id="stored with its tick"),
        pytest.param("a", STORED_AT, [(0, SUCCESS, "a"), (5, SUCCESS, "b")], "b", id="killed before it was stored"),
        pytest.param(None, None, [(0, SUCCESS, "b")], "b", id="killed in the first tick"),
        pytest.param("a", STORED_AT, [(5, SKIPPED, "b")], "b", id="of a tick without runs"),
        pytest.param("a", STORED_AT, [(5, SUCCESS, "b"), (10, SUCCESS, "c")], "c", id="killed twice"),
        pytest.param("a", STORED_AT, [(5, SUCCESS, "b"), (10, SKIPPED, None)], "b", id="killed again, evaluating"),
        pytest.param("a", STORED_AT, [(0, SUCCESS, "a"), (5, FAILURE, "b")], "a", id="a tick that failed"),
        pytest.param(None, STORED_AT, [(0, SUCCESS, "a")], None, id="reset by hand"),
        pytest.param(None, None, [], None, id="nothing yet"),
    ],
)
def test_where_a_sensor_goes_on(stored, stored_at, ticks, expected, request):
    instance, name = shared_instance(), request.node.name
    _leave(instance, name, stored, stored_at, ticks)
    _leave(instance, f"not {name}", "x", STORED_AT, [(10, SUCCESS, "y")])
    with dg.build_sensor_context(instance=instance, cursor=stored, sensor_name=name) as context:
        assert newest_cursor(context) == expected


def _leave(
    instance: dg.DagsterInstance,
    name: str,
    cursor: str | None,
    stored_at: float | None,
    ticks: list[tuple[float, TickStatus, str | None]],
) -> None:
    location = GrpcServerCodeLocationOrigin(host="127.0.0.1", port=4000, location_name="bitpredict")
    origin = RemoteInstigatorOrigin(RemoteRepositoryOrigin(location, "__repository__"), name)
    data = SensorInstigatorData(last_tick_timestamp=stored_at, cursor=cursor)
    state = InstigatorState(origin, InstigatorType.SENSOR, InstigatorStatus.RUNNING, data)
    instance.add_instigator_state(state)
    for after, status, of_tick in ticks:
        instance.create_tick(
            TickData(
                instigator_origin_id=state.instigator_origin_id,
                instigator_name=name,
                instigator_type=InstigatorType.SENSOR,
                status=status,
                timestamp=STORED_AT + after,
                selector_id=state.selector_id,
                run_ids=[],
                run_keys=[],
                cursor=of_tick,
                error=SerializableErrorInfo("away", [], None) if status is FAILURE else None,
            )
        )
