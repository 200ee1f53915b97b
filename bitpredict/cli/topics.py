"""`bitpredict topics`: what the event log holds, who reads it and how far behind, and the messages themselves."""

from typing import TYPE_CHECKING, Annotated, Any

import typer

from bitpredict.cli.options import AsJson

if TYPE_CHECKING:
    from datetime import timedelta

    from bitpredict.streaming.log import EventLog

app = typer.Typer()
_topics = typer.Typer(invoke_without_command=True)
app.add_typer(_topics, name="topics")

RATE_SECONDS = 10
COUNTED = 1000
"""Offsets of a partition in which messages are counted, for its rate."""
LOOK_SECONDS = 0.2


@_topics.callback()
def topics(
    context: typer.Context,
    follow: Annotated[
        str, typer.Option(help="Print this topic's messages as they come, until Ctrl-C.", show_default=False)
    ] = "",
    as_json: AsJson = False,
) -> None:
    """Show the event log's topics: partitions, offsets, rate, retention, and how far each group is behind."""
    from bitpredict.settings import load_settings
    from bitpredict.streaming.open_log import open_event_log

    if context.invoked_subcommand is not None:
        return
    with open_event_log(load_settings()) as log:
        if follow:
            _follow(log, follow)
        else:
            _show(log, as_json)


@_topics.command("create")
def create() -> None:
    """Make the topics of the configured market, or give those that are there more partitions and another retention."""
    from bitpredict.settings import load_settings
    from bitpredict.streaming.open_log import open_event_log
    from bitpredict.streaming.topics import topic_specs

    settings = load_settings()
    specs = topic_specs(settings)
    with open_event_log(settings) as log:
        before = log.topics()
        log.create(specs)
    for spec in specs:
        state = "was there" if spec.name in before else "made"
        typer.echo(f"{spec.name}: {spec.partitions} partitions, {_kept(spec.retention)}, {state}")


@_topics.command("forget")
def forget(
    group: Annotated[str, typer.Argument(help="As `bitpredict topics` names it, for example predictor.")],
) -> None:
    """Delete a group's positions and states: it reads again what the topics still have. End its processes first."""
    from bitpredict.settings import load_settings
    from bitpredict.streaming.open_log import open_event_log

    with open_event_log(load_settings()) as log:
        known = {name for topic in log.topics() for name in log.groups(topic)}
        log.forget(group)
    typer.echo(f"{group}: forgotten" if group in known else f"{group}: there is no such group")


def _show(log: "EventLog", as_json: bool) -> None:
    from datetime import UTC, datetime, timedelta

    from bitpredict.cli.output import console, topics_table
    from bitpredict.cli.records import to_json

    if not (states := log.topics()):
        typer.echo("[]" if as_json else "no topics yet: run `bitpredict topics create`, or `bitpredict up`")
        return
    since = datetime.now(UTC) - timedelta(seconds=RATE_SECONDS)
    rows: list[dict[str, Any]] = []
    for name, state in sorted(states.items()):
        earlier, groups = log.offset_at(name, since), log.groups(name)
        rows.extend(
            {
                "topic": name,
                "partition": number,
                "start": state.start[number],
                "end": end,
                "messages_per_second": _messages(log, name, number, earlier.get(number, end), end) / RATE_SECONDS,
                "retention": _kept(state.retention),
                # A group reads on meanwhile: it may have passed the end that was seen just before.
                "lag": {group: max(0, end - at[number]) for group, at in sorted(groups.items()) if number in at},
            }
            for number, end in sorted(state.end.items())
        )
    if as_json:
        typer.echo(to_json(rows))
    else:
        console().print(topics_table(rows))


def _messages(log: "EventLog", topic: str, number: int, start: int, end: int) -> float:
    """About how many messages a partition has in [start, end): on Kafka a transaction's markers take offsets too."""
    if (counted := min(end - start, COUNTED)) <= 0:
        return 0.0
    return len(log.read(topic, number, start, start + counted)) * (end - start) / counted


def _follow(log: "EventLog", topic: str) -> None:
    """Every message from now on, one line each, however many partitions there are."""
    import time

    from bitpredict.errors import OffsetsLostError

    position = dict(log.topic(topic).end)
    while True:
        for number, end in log.topic(topic).end.items():
            try:
                records = log.read(topic, number, position.setdefault(number, 0), end)
            except OffsetsLostError as error:
                typer.echo(f"{topic}/{number}: {position[number]} to {error.first} were deleted by retention", err=True)
                position[number] = error.first
                continue
            for record in records:
                typer.echo(f"{number}@{record.offset} {record.key} {record.value.decode(errors='replace')}")
            position[number] = records[-1].offset + 1 if records else end
        time.sleep(LOOK_SECONDS)


def _kept(retention: "timedelta | None") -> str:
    if retention is None:
        return "kept for ever"
    hours = retention.total_seconds() / 3600
    return f"kept {hours / 24:g} d" if hours >= 48 else f"kept {hours:g} h"
