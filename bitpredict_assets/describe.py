"""What a materialization says about itself: rows, time range, columns with units, a preview, a plot."""

import base64
import io
import re
from collections.abc import Mapping
from typing import Any

import dagster as dg
import pandas as pd
import pyarrow as pa

from bitpredict.storage.contracts import Contract
from bitpredict.storage.schema import metadata as database

OWNERS = ["team:bitpredict"]
PREVIEW_ROWS = 5
_MARKUP = re.compile(r"([\\`*_{}\[\]()#!|<>~$:&@])")


def lake_columns(contract: Contract) -> dg.TableSchema:
    """The contract's columns with type, meaning and unit."""
    return dg.TableSchema(
        columns=[
            dg.TableColumn(
                name=column.name,
                type=str(column.type),
                description=_described(column.metadata),
                constraints=dg.TableColumnConstraints(nullable=column.nullable),
            )
            for column in contract.schema
        ]
    )


def database_columns(table: str) -> dg.TableSchema:
    """A database table's columns with type and comment."""
    return dg.TableSchema(
        columns=[
            dg.TableColumn(
                name=column.name,
                type=str(column.type),
                description=column.comment,
                constraints=dg.TableColumnConstraints(nullable=bool(column.nullable)),
            )
            for column in database.tables[table].columns
        ]
    )


def summary(table: pa.Table, contract: Contract) -> dict[str, Any]:
    """What a run made: rows, their time range and rows by symbol."""
    described: dict[str, Any] = {"rows of the run": table.num_rows}
    if table.num_rows == 0:
        return described
    times = table[contract.time]
    described["first"] = dg.TimestampMetadataValue(pa.compute.min(times).as_py().timestamp())
    described["last"] = dg.TimestampMetadataValue(pa.compute.max(times).as_py().timestamp())
    if "symbol" in table.column_names:
        counts = table["symbol"].value_counts().to_pylist()
        described["rows by symbol"] = {str(item["values"]): int(item["counts"]) for item in counts}
    return described


def show(context: dg.AssetExecutionContext, seen: Mapping[str, Any]) -> None:
    """Previews and plots of a run, on its last partition: in each of a year's they would be a hundred megabytes."""
    context.add_asset_metadata(seen, partition_key=context.partition_keys[-1])


def last_rows(table: pa.Table) -> dg.MarkdownMetadataValue:
    """A preview of a lake table's end."""
    return preview(table.slice(max(0, table.num_rows - PREVIEW_ROWS)).to_pandas())


def count_rows_by_day(context: dg.AssetExecutionContext, times: pa.Array | pa.ChunkedArray) -> None:
    """Tell each partition of the run how many rows are its own; `times` has one instant a row."""
    counts = {f"{item['values']}": item["counts"] for item in times.cast(pa.date32()).value_counts().to_pylist()}
    for partition in context.partition_keys:
        context.add_asset_metadata({"dagster/row_count": counts.get(partition, 0)}, partition_key=partition)


def preview(frame: pd.DataFrame, rows: int = PREVIEW_ROWS) -> dg.MarkdownMetadataValue:
    """The last `rows` of a frame as a markdown table."""
    shown = frame.tail(rows)
    header = [" | ".join(map(str, shown.columns)), " | ".join("---" for _ in shown.columns)]
    body = [" | ".join(_cell(value) for value in row) for row in shown.itertuples(index=False)]
    return dg.MetadataValue.md("\n".join(f"| {line} |" for line in header + body))


def line_plot(series: Mapping[str, pd.Series], unit: str, points: int = 600) -> dg.MarkdownMetadataValue:
    """Named series over time as an image; long ones are thinned to about `points`."""
    from matplotlib.dates import ConciseDateFormatter
    from matplotlib.figure import Figure

    figure = Figure(figsize=(8, 2.6), layout="constrained")
    axes = figure.subplots()
    for name, values in series.items():
        thinned = values.iloc[:: max(1, len(values) // points)]
        axes.plot(thinned.index, thinned.to_numpy(), linewidth=1, label=name)
    axes.xaxis.set_major_formatter(ConciseDateFormatter(axes.xaxis.get_major_locator()))
    axes.set_ylabel(unit)
    axes.grid(alpha=0.3)
    if len(series) > 1:
        axes.legend(loc="best", fontsize="small")
    image = io.BytesIO()
    figure.savefig(image, format="png", dpi=80)
    encoded = base64.b64encode(image.getvalue()).decode()
    return dg.MetadataValue.md(f"![{', '.join(series)}](data:image/png;base64,{encoded})")


def _described(metadata: Mapping[bytes, bytes] | None) -> str:
    if not metadata:
        return ""
    meaning, unit = metadata[b"meaning"].decode(), metadata[b"unit"].decode()
    return f"{meaning} [{unit}]" if unit else meaning


def _cell(value: object) -> str:
    if isinstance(value, float):
        return f"{value:.6g}"
    if isinstance(value, pd.Timestamp):
        return value.strftime("%Y-%m-%d %H:%M")
    return literal(value)


def literal(text: object) -> str:
    """`text` as markdown shows it unchanged in a table's cell: a headline neither loads a picture nor hides where its
    link leads, and stays in its row."""
    return _MARKUP.sub(r"\\\1", " ".join(str(text).split()))
