"""How a database would find what it is asked for, in its own words."""

from collections.abc import Callable
from typing import Any

from sqlalchemy import Engine, event

EXPLAIN = {"sqlite": "EXPLAIN QUERY PLAN", "postgresql": "EXPLAIN (COSTS OFF)", "mysql": "EXPLAIN"}


def plan(engine: Engine, ask: Callable[[], object]) -> str:
    """Of the very statements by which `ask()` reads."""
    asked: list[tuple[str, Any]] = []
    listening = (engine, "before_cursor_execute", lambda *seen: asked.append(seen[2:4]))
    event.listen(*listening)
    ask()
    event.remove(*listening)
    return "\n".join(plan_of(engine, said, values) for said, values in asked if said.startswith("SELECT"))


def plan_of(engine: Engine, statement: str, values: Any = ()) -> str:
    """Of a statement as the database's driver takes it."""
    with engine.connect() as connection:
        answer = connection.exec_driver_sql(f"{EXPLAIN[engine.dialect.name]} {statement}", values)
        return "\n".join(" ".join(map(str, row)) for row in answer)
