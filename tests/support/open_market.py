"""The graph of an open market, in a process of its own: its calendar is cut when it is imported.

`python -m tests.support.open_market` evaluates each schedule's newest tick as the daemon does, runs the job of the
`today` tick, and prints what came of it as one JSON object.
"""

import json
import sys
from datetime import UTC, datetime

import dagster as dg
from dagster._utils.schedules import reverse_cron_string_iterator

from bitpredict_assets import schedules
from bitpredict_assets.definitions import defs
from bitpredict_assets.resources import Platform

QUIET = {"loggers": {"console": {"config": {"log_level": "CRITICAL"}}}}


def main() -> None:
    repository = defs.get_repository_def()
    now = datetime.now(UTC)
    asked: dict[str, list[dict[str, object]]] = {}
    for schedule in repository.schedule_defs:
        resources = {"platform": Platform()} if schedule.required_resource_keys else {}
        tick = next(reverse_cron_string_iterator(now.timestamp(), str(schedule.cron_schedule), "UTC"))
        with dg.build_schedule_context(
            scheduled_execution_time=tick, repository_def=repository, resources=resources
        ) as context:
            runs = schedule.evaluate_tick(context).run_requests
        asked[schedule.name] = [
            {"tick": tick.isoformat(), "partition": run.partition_key, "run_key": run.run_key, "job": schedule.job_name}
            for run in runs
        ]
    (today,) = asked[schedules.today_schedule.name]
    ran = defs.resolve_job_def("today").execute_in_process(
        partition_key=str(today["partition"]), run_config=QUIET, raise_on_error=False
    )
    metadata = {
        event.asset_key.to_user_string(): {
            name: entry.value
            for name, entry in event.step_materialization_data.materialization.metadata.items()
            if isinstance(entry.value, (int, float, str, dict, list))
        }
        for event in ran.get_asset_materialization_events()
    }
    graph = defs.resolve_asset_graph()
    report = {
        "schedules": {schedule.name: schedule.cron_schedule for schedule in repository.schedule_defs},
        "freshness": [key.to_user_string() for key in graph.get_all_asset_keys() if graph.get(key).freshness_policy],
        "asked": asked,
        "started": now.isoformat(),
        "success": ran.success,
        "metadata": metadata,
        "checks": {check.check_name: check.passed for check in ran.get_asset_check_evaluations()},
    }
    json.dump(report, sys.stdout)


if __name__ == "__main__":
    main()
