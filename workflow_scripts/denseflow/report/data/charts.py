"""The charts of a collection's page, in the form of those of an experiment's page."""

from collections.abc import Sequence

import altair as alt
import pandas as pd

from denseflow.report.page.charts import Spec, fitted


def counts_chart(bars: Sequence[tuple[str, int]], title: str, of: str) -> Spec:
    """Bars with a name each, such as how many queries have 1, 2 or 5-9 relevant passages."""
    data = pd.DataFrame({"bar": name, "count": count} for name, count in bars)
    chart = (
        alt.Chart(data)
        .mark_bar(style=["bar-other"])
        .encode(
            x=alt.X("bar:N", sort=None, title=title, axis=alt.Axis(labelAngle=-40)),
            y=alt.Y("count:Q", title=of, axis=_counts(data["count"].max())),
            tooltip=[alt.Tooltip("bar", title=title), alt.Tooltip("count", title=of, format=",")],
        )
    )
    return fitted(chart, f"{of} by {title}", 150)


def lengths_chart(bars: Sequence[tuple[int, int, int]], title: str, of: str, limit: int | None = None) -> Spec:
    """A histogram of (least, most, count); the last bar is as wide as the others. What is above a limit is greyed."""
    width = bars[0][1] - bars[0][0] + 1
    data = pd.DataFrame(
        {
            "from": low,
            "to": low + width,
            "lengths": f"{low:,}-{high:,}" if high > low else f"{low:,}",
            "count": count,
            "role": "before" if limit is not None and low > limit else "other",
        }
        for low, high, count in bars
    )
    base = alt.Chart(data).encode(
        x=alt.X("from:Q", title=title, axis=alt.Axis(grid=False), scale=alt.Scale(nice=False)),
        x2="to:Q",
        y=alt.Y("count:Q", title=of, axis=_counts(data["count"].max())),
        y2=alt.datum(0),
        tooltip=[alt.Tooltip("lengths", title=title), alt.Tooltip("count", title=of, format=",")],
    )
    layers = [
        base.transform_filter(alt.datum.role == role).mark_rect(style=[f"bar-{role}"])
        for role in data["role"].drop_duplicates()
    ]
    end = bars[-1][0] + width
    if limit is not None and limit + 1 < end:
        layers.append(alt.Chart(pd.DataFrame([{"limit": limit + 1}])).mark_rule(style=["interval"]).encode(x="limit:Q"))
    return fitted(alt.layer(*layers), f"{of} by {title}", 150)


def _counts(most: int) -> alt.Axis:
    return alt.Axis(format="~s" if most >= 10_000 else ",d", tickCount=4, tickMinStep=1)
