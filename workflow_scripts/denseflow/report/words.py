"""Numbers and verdicts in words, the same in the terminal, in Markdown and in HTML."""

import math
from collections.abc import Sequence
from typing import Any, NamedTuple

from denseflow.report.rows import ALL, BEFORE, BETTER, LOWER, NO_NEAR_TWIN, WORSE, Row, over

UNDEFINED = "n/a"

GAINS_CAPTION = (
    "✓ marks a relevant passage. Scores are each query's mean over the seeds; the passages shown, and the relevant "
    "ones counted, are those of the first seed's run."
)


class Place(NamedTuple):
    """What a group of rows speaks of."""

    dataset: str
    split: str
    subset: str


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


def by_place(rows: Sequence[Row]) -> dict[Place, list[Row]]:
    """The rows of each dataset's split; those of a part of its queries follow those of all."""
    splits: dict[tuple[str, str], dict[Place, list[Row]]] = {}
    for row in rows:
        of_split = splits.setdefault((row.dataset, row.split), {})
        of_split.setdefault(Place(row.dataset, row.split, row.subset), []).append(row)
    return {place: of_place for of_split in splits.values() for place, of_place in of_split.items()}


def heading(place: Place, rows: Sequence[Row]) -> str:
    """``nfcorpus, test: 323 queries``, and which ones where they are not all."""
    which = " without a near-twin in training" if place.subset == NO_NEAR_TWIN else ""
    return f"{place.dataset}, {place.split}: {rows[0].queries:,} queries{which}"


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
    """(verdict, sentence) of each comparison over all queries."""
    rows = over(rows, ALL)
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
    before, alpha = options["before"], f"{1 - options['confidence']:.3g}"
    percent = f"{100 * options['confidence']:g} %"
    whole = over(rows, ALL)
    queries = "; ".join(f"{place.split} of {place.dataset}: {of[0].queries}" for place, of in by_place(whole).items())
    compared = sum(row.compared for row in whole)
    lines = [
        "Means are over all judged queries, as trec_eval -c makes them: a judged query without results counts 0, a "
        f"query without judgements is left out. Judged queries: {queries}.",
        f"[low, high]: {percent} bootstrap interval over queries (BCa, {options['bootstrap_resamples']:,} resamples).",
    ]
    if compared:
        lines += [
            f"Differences are from {before}, query by query; p is of a two-sided paired randomisation test "
            f"({options['permutations']:,} permutations), t p of a paired t-test; each is corrected by Holm's method "
            f"over all {compared} comparisons over all queries (systems, measures, datasets and splits together). "
            f"Uncorrected they are in table.tsv. Better or WORSE: corrected p below {alpha}.",
            "Effect: mean difference in standard deviations of the differences (Cohen's d_z). Detectable: the true "
            f"difference that so many queries, whose differences vary as these do, would show with probability "
            f"{options['power']:g} in one t-test at {alpha}, without correction; a smaller one may well go unnoticed.",
        ]
    if any(row.seeds > 1 for row in rows):
        lines.append(
            "± is the standard deviation of the means over the seeds (their least and greatest are in table.tsv): "
            + ", ".join(f"{system} {seeds}" for system, seeds in _seeds(rows).items())
            + ". Intervals and tests use each query's mean over the seeds, so that they speak of queries, not of seeds."
        )
    else:
        lines.append("One seed a system: how much the result varies with the seed is not shown.")
    for place, of in by_place(over(rows, NO_NEAR_TWIN)).items():
        total = next(row.queries for row in whole if (row.dataset, row.split) == place[:2])
        lines.append(
            f"{total - of[0].queries} of the {total} queries of {place.dataset} {place.split} have a near-twin in "
            "training: a training query with at least 60 % of all their different words in common, and a relevant "
            "passage too. The rest is shown apart, with a correction of its own: learning by heart helps less there."
        )
    return lines + [f"Note: {warning}." for warning in warnings]


def _seeds(rows: Sequence[Row]) -> dict[str, int]:
    return {row.system: row.seeds for row in rows if row.seeds > 1}
