"""Every system of an experiment against the one called before."""

from collections.abc import Mapping, Set
from dataclasses import replace
from typing import Any

import pandas as pd

from denseflow.progress import counted
from denseflow.report.rows import ALL, BEFORE, NAN, NO_NEAR_TWIN, Row, verdict
from denseflow.report.scores import Scores, Task
from denseflow.report.statistics import compare, holm, mean_interval

Place = tuple[str, str]
"""A dataset and one of its splits."""


def compare_systems(
    scores: Scores, options: dict[str, Any], twins: Mapping[Place, Set[str]] | None = None
) -> list[Row]:
    """The table's rows: each system on each task, with what it has over ``options["before"]``.

    A query's value is its mean over the seeds, for the interval and for the tests; the seeds' own spread stands beside.
    Holm's correction is over all comparisons of systems, measures, datasets and splits together, of all queries, and
    apart from that of those without near-twins.

    Args:
        scores: The evaluation's values.
        options: The report's.
        twins: The ids of the queries that have a near-twin in training. Where there are some, rows of the queries that
            have none follow those of all.
    """
    rows = _family(scores, options, ALL, {})
    left_out = {place: ids for place, ids in (twins or {}).items() if ids}
    return rows + _family(scores, options, NO_NEAR_TWIN, left_out) if left_out else rows


def _family(scores: Scores, options: dict[str, Any], subset: str, left_out: Mapping[Place, Set[str]]) -> list[Row]:
    """The rows over a subset of the queries, corrected as one family."""
    pairs = [
        (task, system)
        for task in scores.tasks
        if subset == ALL or (task.dataset, task.split) in left_out
        for system in scores.systems
        if scores.has(task, system)
    ]
    rows = [
        row
        for task, system in counted(pairs, "comparisons, with bootstrap and permutations", len(pairs))
        for row in _rows(scores, task, system, options, subset, left_out.get((task.dataset, task.split), frozenset()))
    ]
    compared = [row for row in rows if row.compared]
    p, t_p = iter(holm([row.p for row in compared])), iter(holm([row.t_p for row in compared]))
    return [_judged(row, next(p), next(t_p), options) if row.compared else row for row in rows]


def _rows(
    scores: Scores, task: Task, system: str, options: dict[str, Any], subset: str, left_out: Set[str]
) -> list[Row]:
    """The row of a system, or none where no query is left."""

    def kept(values: Any) -> Any:
        return values[~values.index.isin(left_out)] if left_out else values

    values = kept(scores.by_query(task, system))
    if not len(values):
        return []
    means = kept(scores.by_variant(task, system)).mean(axis=0)
    low, high = mean_interval(
        values.to_numpy(),
        confidence=options["confidence"],
        resamples=options["bootstrap_resamples"],
        seed=options["seed"],
    )
    several = len(means) > 1
    row = Row(
        dataset=task.dataset,
        split=task.split,
        subset=subset,
        system=system,
        measure=task.measure,
        mean=float(values.mean()),
        low=low,
        high=high,
        sd=float(means.std(ddof=1)) if several else NAN,
        seeds=len(means),
        seed_min=float(means.min()) if several else NAN,
        seed_max=float(means.max()) if several else NAN,
        queries=len(values),
    )
    if system == options["before"]:
        return [replace(row, verdict=BEFORE)]
    if system in options["compare"] and scores.has(task, options["before"]):
        return [_compared(row, values, kept(scores.by_query(task, options["before"])), options)]
    return [row]


def _compared(row: Row, after: pd.Series, before: pd.Series, options: dict[str, Any]) -> Row:
    found = compare(
        after.to_numpy(),
        before.to_numpy(),
        confidence=options["confidence"],
        resamples=options["bootstrap_resamples"],
        permutations=options["permutations"],
        seed=options["seed"],
        power=options["power"],
    )
    return replace(
        row,
        difference=found.difference,
        diff_low=found.interval.low,
        diff_high=found.interval.high,
        p=found.p,
        t_p=found.t_p,
        effect=found.effect,
        detectable=found.detectable,
        wins=found.wins,
        ties=found.ties,
        losses=found.losses,
    )


def _judged(row: Row, p_holm: float, t_p_holm: float, options: dict[str, Any]) -> Row:
    word = verdict(row.difference, p_holm, options["confidence"])
    return replace(row, p_holm=p_holm, t_p_holm=t_p_holm, verdict=word)
