"""Every system of an experiment against the one called before."""

from dataclasses import replace
from typing import Any

import pandas as pd

from denseflow.report.rows import BEFORE, NAN, Row, verdict
from denseflow.report.scores import Scores, Task
from denseflow.report.statistics import compare, holm, mean_interval


def compare_systems(scores: Scores, options: dict[str, Any]) -> list[Row]:
    """The table's rows: each system on each task, with what it has over ``options["before"]``.

    A query's value is its mean over the seeds, for the interval and for the test; the seeds' own spread is the sd.
    Holm's correction is over all comparisons of the table: systems, measures, datasets and splits together.
    """
    rows = [
        _row(scores, task, system, options)
        for task in scores.tasks
        for system in scores.systems
        if scores.has(task, system)
    ]
    corrected = iter(holm([row.p for row in rows if row.compared]))
    return [_judged(row, next(corrected), options) if row.compared else row for row in rows]


def _row(scores: Scores, task: Task, system: str, options: dict[str, Any]) -> Row:
    values = scores.by_query(task, system)
    means = scores.by_variant(task, system).mean(axis=0)
    low, high = mean_interval(
        values.to_numpy(),
        confidence=options["confidence"],
        resamples=options["bootstrap_resamples"],
        seed=options["seed"],
    )
    row = Row(
        dataset=task.dataset,
        split=task.split,
        system=system,
        measure=task.measure,
        mean=float(values.mean()),
        low=low,
        high=high,
        sd=float(means.std(ddof=1)) if len(means) > 1 else NAN,
        seeds=len(means),
        queries=len(values),
    )
    if system == options["before"]:
        return replace(row, verdict=BEFORE)
    if system in options["compare"] and scores.has(task, options["before"]):
        return _compared(row, values, scores.by_query(task, options["before"]), options)
    return row


def _compared(row: Row, after: pd.Series, before: pd.Series, options: dict[str, Any]) -> Row:
    found = compare(
        after.to_numpy(),
        before.to_numpy(),
        confidence=options["confidence"],
        resamples=options["bootstrap_resamples"],
        permutations=options["permutations"],
        seed=options["seed"],
    )
    return replace(
        row,
        difference=found.difference,
        diff_low=found.interval.low,
        diff_high=found.interval.high,
        p=found.p,
        t_p=found.t_p,
        effect=found.effect,
        wins=found.wins,
        ties=found.ties,
        losses=found.losses,
    )


def _judged(row: Row, p_holm: float, options: dict[str, Any]) -> Row:
    return replace(row, p_holm=p_holm, verdict=verdict(row.difference, p_holm, options["confidence"]))
