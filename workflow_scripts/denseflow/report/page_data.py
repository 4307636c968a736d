"""report.json: all numbers of a report in one file, for pages and programs; texts are in the dataset's files."""

import json
from collections.abc import Mapping, Sequence, Set
from typing import Any

from denseflow.report import words
from denseflow.report.exports import as_records, table_frame
from denseflow.report.rows import Row
from denseflow.report.scores import Scores


def table_json(title: str, rows: Sequence[Row], options: dict[str, Any], warnings: Sequence[str]) -> str:
    """The text of table.json: the rows, how they were made, and what they say in words."""
    return _text(_table(title, rows, options, warnings))


def report_json(
    title: str,
    rows: Sequence[Row],
    options: dict[str, Any],
    warnings: Sequence[str],
    scores: Scores,
    twins: Mapping[tuple[str, str], Set[str]],
) -> str:
    """The text of report.json: table.json's content and ``places``, with the values of each query.

    A place has ``dataset``, ``split``, ``queries`` (ids), ``near_twins`` (ids of those with a near-twin in training,
    or null where nothing was trained beside it), and ``values``: by measure, system and variant (a seed), a list of
    numbers in the order of ``queries``.
    """
    places: dict[tuple[str, str], dict[str, Any]] = {}
    for task in scores.tasks:
        for system in scores.systems:
            if not scores.has(task, system):
                continue
            table = scores.by_variant(task, system)
            place = places.setdefault(
                (task.dataset, task.split),
                {"dataset": task.dataset, "split": task.split, "queries": list(table.index), "values": {}},
            )
            of_measure = place["values"].setdefault(task.measure, {})
            of_measure[system] = {variant: list(map(_short, table[variant])) for variant in table.columns}
    for key, place in places.items():
        place["near_twins"] = [id_ for id_ in place["queries"] if id_ in twins[key]] if key in twins else None
    return _text({**_table(title, rows, options, warnings), "places": list(places.values())})


def _table(title: str, rows: Sequence[Row], options: dict[str, Any], warnings: Sequence[str]) -> dict[str, Any]:
    return {
        "experiment": title,
        "options": options,
        "rows": as_records(table_frame(rows)),
        "sentences": [{"verdict": verdict, "text": sentence} for verdict, sentence in words.sentences(rows)],
        "notes": words.caption(rows, options, warnings),
    }


def _short(value: float) -> float:
    return float(f"{value:.10g}")


def _text(content: dict[str, Any]) -> str:
    return json.dumps(content, ensure_ascii=False, allow_nan=False, indent=1) + "\n"
