"""Numbers and verdicts in words, the same in the terminal, in Markdown and in HTML."""

import math
from collections.abc import Sequence
from typing import Any

from denseflow.report.rows import BEFORE, BETTER, LOWER, WORSE, Row

UNDEFINED = "n/a"

GAINS_CAPTION = (
    "✓ marks a relevant passage. Scores are each query's mean over the seeds; the passages shown, and the relevant "
    "ones counted, are those of the first seed's run."
)


def score(value: float) -> str:
    """A mean, to four digits as trec_eval prints it."""
    return UNDEFINED if math.isnan(value) else f"{value:.4f}"


def signed(value: float) -> str:
    """A difference, with its sign."""
    return UNDEFINED if math.isnan(value) else f"{value:+.4f}".replace("-", "\N{MINUS SIGN}")


def interval(low: float, high: float, form: Any = score) -> str:
    """An interval, or nothing where it is undefined."""
    return "" if math.isnan(low) or math.isnan(high) else f"[{form(low)}, {form(high)}]"


def p_value(p: float) -> str:
    """``= 0.0123`` or ``< 0.001``."""
    if math.isnan(p):
        return f"= {UNDEFINED}"
    return "< 0.001" if p < 0.001 else f"= {p:.3g}"


def mean(row: Row) -> str:
    """The mean, and its spread over the seeds where there are several."""
    return score(row.mean) + ("" if math.isnan(row.sd) else f" ± {row.sd:.4f}")


def effect(value: float) -> str:
    """Cohen's d for pairs, to two digits."""
    return UNDEFINED if math.isnan(value) else f"{value:+.2f}".replace("-", "\N{MINUS SIGN}")


def by_place(rows: Sequence[Row]) -> dict[tuple[str, str], list[Row]]:
    """The rows of each dataset's split."""
    places: dict[tuple[str, str], list[Row]] = {}
    for row in rows:
        places.setdefault((row.dataset, row.split), []).append(row)
    return places


def grid(rows: Sequence[Row]) -> tuple[list[str], dict[str, dict[str, Row]]]:
    """The measures, and each system's row by measure, of one dataset's split."""
    systems: dict[str, dict[str, Row]] = {}
    for row in rows:
        systems.setdefault(row.system, {})[row.measure] = row
    return list(dict.fromkeys(row.measure for row in rows)), systems


def before_name(rows: Sequence[Row]) -> str:
    """The system that the others were compared with."""
    return next((row.system for row in rows if row.verdict == BEFORE), BEFORE)


def sentences(rows: Sequence[Row]) -> list[tuple[str, str]]:
    """(verdict, sentence) of each comparison."""
    before = before_name(rows)
    several = len(by_place(rows)) > 1
    return [(row.verdict, _sentence(row, before, several)) for row in rows if row.compared]


def _sentence(row: Row, before: str, several: bool) -> str:
    where = f"{row.measure} ({row.dataset} {row.split})" if several else row.measure
    numbers = f"({signed(row.difference)}, p {p_value(row.p_holm)})"
    if row.verdict in (BETTER, WORSE):
        return f"{row.system} is {row.verdict} than {before} on {where} {numbers}."
    if row.verdict == LOWER:
        return f"{row.system} is lower than {before} on {where}, but not significantly {numbers}."
    return f"No difference between {row.system} and {before} is shown on {where} {numbers}."


def caption(rows: Sequence[Row], options: dict[str, Any], warnings: Sequence[str]) -> list[str]:
    """How the numbers were made (averages, intervals, tests and seeds), and what the evaluation warned of."""
    before = options["before"]
    percent = f"{100 * options['confidence']:g} %"
    queries = "; ".join(f"{split} of {dataset}: {of[0].queries}" for (dataset, split), of in by_place(rows).items())
    compared = sum(row.compared for row in rows)
    lines = [
        "Means are over all judged queries, as trec_eval -c makes them: a judged query without results counts 0, a "
        f"query without judgements is left out. Judged queries: {queries}.",
        f"[low, high]: {percent} bootstrap interval over queries (BCa, {options['bootstrap_resamples']:,} resamples).",
    ]
    if compared:
        lines.append(
            f"Differences are from {before}, query by query; p is of a two-sided paired randomisation test "
            f"({options['permutations']:,} permutations), corrected by Holm's method over all {compared} comparisons "
            "of this table (systems, measures, datasets and splits). Without the correction: p alone and, by a paired "
            f"t-test, t p, both in table.tsv. Better or WORSE: corrected p below {1 - options['confidence']:.3g}. "
            "Effect: mean difference in standard deviations of the differences."
        )
    if any(row.seeds > 1 for row in rows):
        lines.append(
            "± is the standard deviation of the means over the seeds: "
            + ", ".join(f"{system} {seeds}" for system, seeds in _seeds(rows).items())
            + ". Intervals and tests use each query's mean over the seeds, so that they speak of queries, not of seeds."
        )
    else:
        lines.append("One seed a system: how much the result varies with the seed is not shown.")
    return lines + [f"Note: {warning}." for warning in warnings]


def _seeds(rows: Sequence[Row]) -> dict[str, int]:
    return {row.system: row.seeds for row in rows if row.seeds > 1}
