"""The rows of the table: a system and a measure on a dataset's split, over all its queries or a part of them."""

import math
from collections.abc import Iterable, Iterator
from dataclasses import dataclass, fields
from pathlib import Path
from typing import Any

from denseflow.files import read_lines

BEFORE = "before"
BETTER = "better"
WORSE = "WORSE"
LOWER = "lower, but not significantly"
NONE_SHOWN = "no difference shown"

ALL = "all"
NO_NEAR_TWIN = "no near-twin"
"""The queries that have no near-twin in training."""

NAN = float("nan")


@dataclass(frozen=True)
class Row:
    """A line of table.tsv; NaN (an empty cell) where nothing was compared or a number is undefined."""

    dataset: str
    split: str
    subset: str
    """:data:`ALL` queries, or those with :data:`NO_NEAR_TWIN`."""
    system: str
    measure: str
    mean: float
    """Over the queries, of each query's mean over the seeds."""
    low: float
    high: float
    """Bootstrap interval of the mean."""
    sd: float
    """Of the seeds' means, with n - 1; NaN for one seed."""
    seeds: int
    seed_min: float = NAN
    """The least of the seeds' means; NaN for one seed, as is the greatest."""
    seed_max: float = NAN
    difference: float = NAN
    """From the system called before; a NaN here says that the system was not compared."""
    diff_low: float = NAN
    diff_high: float = NAN
    p: float = NAN
    p_holm: float = NAN
    t_p: float = NAN
    t_p_holm: float = NAN
    effect: float = NAN
    detectable: float = NAN
    wins: int | None = None
    ties: int | None = None
    losses: int | None = None
    queries: int = 0
    verdict: str = ""
    """One of the words above; empty where the system was not compared."""

    @property
    def compared(self) -> bool:
        """Whether the system was compared with before."""
        return not math.isnan(self.difference)


COLUMNS = tuple(field.name for field in fields(Row))


def verdict(difference: float, p: float, confidence: float) -> str:
    """The plain word for a difference and its corrected p-value."""
    if p < round(1 - confidence, 12):  # 1 - 0.95 is a little more than 0.05
        return BETTER if difference > 0 else WORSE
    return LOWER if difference < 0 else NONE_SHOWN


def read_rows(path: Path) -> Iterator[Row]:
    """The rows of a table.tsv that :mod:`denseflow.report.exports` wrote."""
    lines = read_lines(path)
    next(lines)
    for _, line in lines:
        cells: dict[str, Any] = {
            field.name: _value(field.type, cell) for field, cell in zip(fields(Row), line.split("\t"), strict=True)
        }
        yield Row(**cells)


def over(rows: Iterable[Row], subset: str) -> list[Row]:
    """The rows of one subset of the queries."""
    return [row for row in rows if row.subset == subset]


def _value(kind: object, cell: str) -> str | float | None:
    if kind is str:
        return cell
    if kind is float:
        return float(cell) if cell else NAN
    return int(cell) if cell else None
