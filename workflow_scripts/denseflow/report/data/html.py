"""The page of a collection as HTML, in the form of the experiment's page."""

from collections.abc import Iterator, Mapping, Sequence
from typing import Any

from denseflow.report.data import charts, tables
from denseflow.report.data.cautions import Caution
from denseflow.report.data.histogram import Bar
from denseflow.report.data.tokens import Cut
from denseflow.report.page import forms
from denseflow.report.page.charts import Spec
from denseflow.report.page.render import render

Shown = list[tuple[str, str]]
"""Charts: caption and id."""


def html(content: Mapping[str, Any], cautions: Sequence[Caution], cuts: Sequence[Cut]) -> str:
    """The text of NAME.html, which needs nothing beside it."""
    specs: dict[str, Spec] = {}

    def add(drawn: Iterator[tuple[str, Spec]]) -> Shown:
        shown = []
        for caption, spec in drawn:
            specs[name := f"chart{len(specs)}"] = spec
            shown.append((caption, name))
        return shown

    return render(
        "data.html",
        **content,
        said=cautions,
        judgement_charts=add(_judgements(content["splits"])),
        length_charts=add(_lengths(content)),
        cut_charts=add(_cuts(cuts)),
        cuts=cuts,
        charts=specs,
        tables=tables,
        forms=forms,
    )


def _judgements(splits: Mapping[str, Mapping[str, Any]]) -> Iterator[tuple[str, Spec]]:
    for name, split in splits.items():
        bars = [(Bar(*bar).label, bar[2]) for bar in split["relevant_a_query"]]
        if bars:
            yield f"{name}: relevant passages a query", charts.counts_chart(bars, "relevant passages", "queries")


def _lengths(content: Mapping[str, Any]) -> Iterator[tuple[str, Spec]]:
    parts = {"passages": content["passages"], **{f"queries of {name}": of for name, of in content["splits"].items()}}
    for name, of in parts.items():
        kind = name.split()[0]
        for unit in ("words", "characters"):
            yield f"{name}: {unit}", charts.lengths_chart(of["lengths"][unit]["histogram"], unit, kind)


def _cuts(cuts: Sequence[Cut]) -> Iterator[tuple[str, Spec]]:
    for cut in cuts:
        if cut.histogram:
            texts = "passages" if cut.kind == "passages" else f"queries of {cut.kind}"
            chart = charts.lengths_chart(cut.histogram, "tokens", texts.split()[0], cut.max_length)
            yield f"{texts}, {', '.join(cut.models)}: cut at {cut.max_length}", chart
