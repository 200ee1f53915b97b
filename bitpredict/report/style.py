"""How every chart looks: quiet, legible on light and dark ground, colours that the colour-blind can tell apart."""

from typing import TYPE_CHECKING, Any

if TYPE_CHECKING:
    from plotly.graph_objects import Figure

# Hues after Okabe and Ito (https://jfly.uni-koeln.de/color/), at a lightness of at least 3:1 on white and on black.
BLUE = "#2a7fbf"
ORANGE = "#d55e00"
GREEN = "#0a9a74"
PURPLE = "#b565a0"
GREY = "#808080"
SERIES = ((BLUE, "circle"), (ORANGE, "square"), (GREEN, "triangle-up"), (PURPLE, "diamond"), (GREY, "pentagon"))
"""One colour and one marker a symbol: no meaning hangs on colour alone."""

_FAINT = "rgba(128,128,128,0.22)"
_LINE = "rgba(128,128,128,0.55)"

CONFIG: dict[str, Any] = {
    "displaylogo": False,
    "responsive": True,
    "scrollZoom": False,
    "modeBarButtonsToRemove": ["lasso2d", "select2d", "autoScale2d"],
}
"""How a chart behaves in a page: no call home, and a page that still scrolls under the finger."""


def figure(height: int, rows: int = 1, titles: list[str] | None = None, top: int = 40, **subplots: Any) -> "Figure":
    """An empty figure in the house style.

    The ground stays transparent and the font colour stays in the template, so that the page around it decides.
    """
    from plotly.graph_objects import layout
    from plotly.subplots import make_subplots

    axis = {
        "gridcolor": _FAINT,
        "linecolor": _LINE,
        "tickcolor": _LINE,
        "zerolinecolor": _LINE,
        "automargin": True,
        "title": {"standoff": 6, "font": {"size": 12}},
    }
    template = layout.Template(
        layout={
            "font": {"family": "system-ui, sans-serif", "size": 13, "color": GREY},
            "paper_bgcolor": "rgba(0,0,0,0)",
            "plot_bgcolor": "rgba(0,0,0,0)",
            "xaxis": axis,
            "yaxis": axis,
            "hoverlabel": {"font": {"family": "system-ui, sans-serif"}},
        }
    )
    chart = make_subplots(rows=rows, cols=1, subplot_titles=titles, **subplots)
    chart.update_layout(
        template=template,
        height=height,
        margin={"l": 8, "r": 12, "t": top, "b": 8},
        legend={
            "orientation": "h",
            "traceorder": "normal",
            "xref": "container",
            "yref": "container",
            "x": 0,
            "y": 1,
            "xanchor": "left",
            "yanchor": "top",
            "font": {"size": 12},
        },
        hovermode="closest",
        dragmode="pan",
    )
    return chart


def name_axis(chart: "Figure", text: str, row: int = 1) -> None:
    """What the vertical axis counts, written level above it: turned text is hard to read and takes width."""
    chart.add_annotation(
        text=text,
        font={"size": 12},
        showarrow=False,
        x=0,
        xref="x domain" if row == 1 else f"x{row} domain",
        xanchor="left",
        y=1,
        yref="y domain" if row == 1 else f"y{row} domain",
        yanchor="bottom",
    )


def plain(text: object) -> str:
    """`text` as plotly shows it literally: plotly would read `<b>` or `<a href>` in a name as markup."""
    return str(text).replace("&", "&amp;").replace("<", "&lt;").replace(">", "&gt;")


def alpha(colour: str, opacity: float) -> str:
    """`#rrggbb` made translucent."""
    red, green, blue = (int(colour[i : i + 2], 16) for i in (1, 3, 5))
    return f"rgba({red},{green},{blue},{opacity})"
