"""The page's charts, as Vega-Lite by Altair. Colours and type are the page's: it lays them on, light or dark."""

from collections.abc import Callable, Mapping, Sequence
from typing import Any

import altair as alt
import pandas as pd

from denseflow.report.page.costs import Cost
from denseflow.report.page.training import Curve
from denseflow.report.rows import ALL, BEFORE, NO_NEAR_TWIN, Row

Spec = dict[str, Any]

_FEW = 30
"""Points of a curve that are marked each, because a line alone hardly shows them."""
_ROOM = 1.18
"""Of the axis beyond the longest bar, for its number."""
_NAMED = 4
"""Points of a picture that bear their names; more would stand over each other, and have a legend."""
_PALE = 0.55
"""The bars of a part of the queries."""


def means_chart(rows: Sequence[Row], measure: str) -> Spec:
    """Bars of the systems' means with their intervals; where some queries have near-twins, the others' below,
    paler."""
    data = _frame(
        {
            "system": row.system,
            "queries": {ALL: "all queries", NO_NEAR_TWIN: "without near-twins"}[row.subset],
            "mean": row.mean,
            "low": row.low,
            "high": row.high,
            "end": max(row.mean, row.high) if row.high == row.high else row.mean,
            "opacity": 1.0 if row.subset == ALL else _PALE,
            "role": "before" if row.verdict == BEFORE else "other",
        }
        for row in rows
        if row.measure == measure
    )
    several = data["queries"].nunique() > 1
    subsets = list(dict.fromkeys(data["queries"]))
    gaps = alt.Scale(paddingInner=0.25, paddingOuter=0.1)
    place = alt.Y("system:N", sort=list(dict.fromkeys(data["system"])), title=None, scale=gaps)
    offset: dict[str, Any] = {"yOffset": alt.YOffset("queries:N", sort=subsets)} if several else {}
    longest = max(data["end"].max(), 1e-9)
    value = alt.X("mean:Q", title=None, scale=alt.Scale(domain=[0, longest * _ROOM], nice=False))
    base = alt.Chart(data).encode(y=place, **offset)
    tips = [alt.Tooltip(name) for name in ("system", *(["queries"] if several else []))]
    tips += [alt.Tooltip(name, format=".4f") for name in ("mean", "low", "high")]
    layers = [
        base.transform_filter(alt.datum.role == role)
        .mark_bar(style=[f"bar-{role}"])
        .encode(x=value, tooltip=tips, opacity=alt.Opacity("opacity:Q", scale=None, legend=None))
        for role in ("before", "other")
    ]
    layers.append(base.mark_rule(style=["interval"]).encode(x=alt.X("low:Q"), x2="high:Q", tooltip=tips))
    layers.append(
        base.mark_text(align="left", dx=6, style=["number"]).encode(
            x=alt.X("end:Q"), text=alt.Text("mean:Q", format=".4f")
        )
    )
    return fitted(
        alt.layer(*layers),
        f"{measure} of each system with its interval",
        data["system"].nunique() * (44 if several else 32),
    )


def changes_chart() -> Spec:
    """The queries' differences, sorted; the page's script puts the data in (rank, difference, query)."""
    chart = (
        alt.Chart(alt.NamedData("changes"))
        .mark_rect(style=["change"])
        .encode(
            x=alt.X("from:Q", title="queries, sorted by their difference", axis=alt.Axis(grid=False, tickMinStep=1)),
            x2="to:Q",
            y=alt.Y("difference:Q", title="difference"),
            y2=alt.datum(0),
            color=alt.Color("sign:N", scale=alt.Scale(domain=["gained", "lost"]), legend=None),
            tooltip=[alt.Tooltip("query:N"), alt.Tooltip("difference:Q", format="+.4f")],
        )
    )
    return fitted(chart, "Difference of each query, sorted", 190)


def curve_chart(curves: Sequence[Curve]) -> Spec:
    """One quantity over the steps, a line a training."""
    data = _frame(
        {"training": curve.series, "step": step, "value": value} for curve in curves for step, value in curve.points
    )
    colour: dict[str, Any] = {"color": alt.Color("training:N", legend=_legend())} if len(curves) > 1 else {}
    few = max(len(curve.points) for curve in curves) <= _FEW
    tips = [alt.Tooltip("training"), alt.Tooltip("step"), alt.Tooltip("value", format=".5g")]
    chart = (
        alt.Chart(data)
        .mark_line(point=few, strokeWidth=2)
        .encode(
            x=alt.X("step:Q", axis=alt.Axis(grid=False, tickMinStep=1)),
            y=alt.Y("value:Q", title=None, scale=alt.Scale(zero=False)),
            tooltip=tips,
            **colour,
        )
    )
    return fitted(chart, f"{curves[0].name} over the training steps", 180)


COSTS: Mapping[str, tuple[str, Callable[[Cost], float | None]]] = {
    "make": ("seconds to make", lambda cost: cost.make_seconds),
    "bytes": ("MB to keep", lambda cost: None if cost.bytes is None else cost.bytes / 1e6),
    "query": ("ms a query", lambda cost: cost.query_ms),
}
"""What quality is set against: the axis' title and the value."""


def cost_chart(costs: Sequence[Cost], rows: Sequence[Row], measure: str, what: str) -> Spec | None:
    """The systems' means of a measure against one cost, on a logarithmic scale; None where less than two have it."""
    title, value_of = COSTS[what]
    means = {row.system: row for row in rows if row.measure == measure}
    found = [
        {"system": cost.system, "cost": value, "mean": row.mean, "low": row.low, "high": row.high}
        for cost in costs
        if (row := means.get(cost.system)) is not None and (value := value_of(cost))
    ]
    found.sort(key=lambda point: (point["cost"], point["mean"]))
    if len(found) < 2:
        return None
    data = _frame(found)
    low, high = data["cost"].min(), data["cost"].max()
    scale = alt.Scale(type="log", domain=[low / 1.6, high * 2.6], nice=False)
    least, most = min(data["mean"].min(), data["low"].min()), max(data["mean"].max(), data["high"].max())
    heights = alt.Scale(domain=[max(0, least - 0.1 * (most - least)), most + 0.1 * (most - least)], nice=False)
    tips = [alt.Tooltip("system"), alt.Tooltip("cost", title=title, format=",.3~r"), alt.Tooltip("mean", format=".4f")]
    axis = alt.Axis(format=",~g", tickCount=4, grid=False)
    base = alt.Chart(data).encode(
        x=alt.X("cost:Q", title=title, scale=scale, axis=axis),
        y=alt.Y("mean:Q", title=measure, scale=heights),
        tooltip=tips,
    )
    intervals = base.mark_rule(style=["interval"], opacity=0.55).encode(y=alt.Y("low:Q", title=measure), y2="high:Q")
    points = base.mark_point(filled=True, size=90, opacity=1)
    if len(found) > _NAMED:
        systems = alt.Scale(domain=[cost.system for cost in costs])
        points = points.encode(color=alt.Color("system:N", scale=systems, legend=_legend()))
        return fitted(alt.layer(intervals, points), f"{measure} against {title}", 220)
    # Of neighbours one name stands a little higher and one a little lower, so that both can be read.
    data["lower"] = [place % 2 for place in range(len(data))]
    names = [
        base.transform_filter(alt.datum.lower == lower)
        .mark_text(align="left", dx=8, dy=14 * lower - 7, style=["number"])
        .encode(text="system:N")
        for lower in (0, 1)
    ]
    return fitted(alt.layer(intervals, points, *names), f"{measure} against {title}", 220)


def ranks_chart(histogram: Mapping[str, int]) -> Spec:
    """How many negatives come from which ranks."""
    # JSON with sorted keys has 11-20 before 6-10.
    ranges = sorted(histogram, key=lambda ranks: int(ranks.partition("-")[0]))
    data = _frame({"ranks": ranks, "negatives": histogram[ranks]} for ranks in ranges)
    chart = (
        alt.Chart(data)
        .mark_bar(style=["bar-other"])
        .encode(
            x=alt.X("ranks:N", sort=None, title="rank", axis=alt.Axis(labelAngle=-40)),
            y=alt.Y("negatives:Q", title="negatives"),
            tooltip=[alt.Tooltip("ranks"), alt.Tooltip("negatives", format=",")],
        )
    )
    return fitted(chart, "From which ranks the negatives come", 170)


def _legend() -> alt.Legend:
    return alt.Legend(title=None, orient="top", direction="horizontal", columns=3, labelLimit=150)


def _frame(rows: Any) -> pd.DataFrame:
    return pd.DataFrame(list(rows))


def fitted(chart: Any, description: str, height: int) -> Spec:
    """The chart as wide as its place, without Altair's own colours and fonts."""
    made = chart.properties(width="container", height=height, description=description)
    spec = made.properties(autosize=alt.AutoSizeParams(type="fit-x", contains="padding")).to_dict()
    return {key: value for key, value in spec.items() if key not in ("$schema", "config")}
