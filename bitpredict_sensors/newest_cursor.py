"""The cursor of a sensor's newest tick, also where its daemon was killed before it stored it.

Dagster launches a tick's runs, marks the tick as finished with the cursor in it, and stores the sensor's cursor last. A
daemon killed just before that launched runs of which the stored cursor knows nothing, and the next tick would ask for
their offsets once more.
"""

import dagster as dg
from dagster._core.definitions.run_request import InstigatorType
from dagster._core.scheduler.instigation import SensorInstigatorData, TickStatus

_FINISHED = [TickStatus.SUCCESS, TickStatus.SKIPPED]


def newest_cursor(context: dg.SensorEvaluationContext) -> str | None:
    """The cursor to go on from. One that was set or reset by hand is newer than the ticks before it."""
    for state in context.instance.all_instigator_state(instigator_type=InstigatorType.SENSOR):
        data = state.instigator_data
        if state.instigator_name != context.sensor_name or not isinstance(data, SensorInstigatorData):
            continue
        stored = data.last_tick_timestamp or 0.0  # of the tick whose cursor is the stored one
        ticks = context.instance.get_ticks(
            state.instigator_origin_id, state.selector_id, after=stored, statuses=_FINISHED
        )
        for tick in ticks:  # the newest first
            if tick.cursor and tick.timestamp > stored:  # the database rounds it
                context.log.warning("the daemon was killed before it stored its last cursor; going on from its tick's")
                return tick.cursor
    return context.cursor
