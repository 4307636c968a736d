"""Whether the numbers of two folders differ by more than noise: the same system's scores, paired by query."""

from collections.abc import Sequence
from dataclasses import dataclass, replace
from math import isnan

import numpy as np

from denseflow.report.rows import NAN
from denseflow.report.scores import Scores, Task
from denseflow.report.statistics import compare, holm

IDENTICAL = "identical"
NOISE = "no difference shown"
BETTER = "B is better"
WORSE = "B is WORSE"

_RESAMPLES = _PERMUTATIONS = 10_000
_SEED, _POWER = 0, 0.8
_SAME = 1e-9
"""Differences below this come from rounding."""


@dataclass(frozen=True)
class Number:
    """A system's measure in both folders, over the queries that both have."""

    dataset: str
    split: str
    system: str
    measure: str
    a: float
    """Mean over the queries, of each query's mean over the seeds."""
    b: float
    difference: float
    """B less A."""
    low: float
    high: float
    """Bootstrap interval of the difference."""
    p: float
    """Paired randomisation test, two-sided."""
    detectable: float
    """The smallest true difference that so many queries would show; NaN where all values are the same."""
    changed: int
    """Queries whose value is not the same."""
    queries: int
    only_a: int
    """Queries that B has no value of."""
    only_b: int
    seeds_a: tuple[float, ...]
    """The mean of each seed; one, where there is no seed."""
    seeds_b: tuple[float, ...]
    trained: bool
    """Whether the system has seeds."""
    p_holm: float = NAN
    """Corrected for all numbers of the experiment."""
    verdict: str = ""

    @property
    def differs(self) -> bool:
        """Whether the two are not the same, query by query."""
        return self.verdict != IDENTICAL


def compare_numbers(a: Scores | None, b: Scores | None, confidence: float) -> list[Number]:
    """Compare all numbers that two evaluations of an experiment share.

    Queries are paired by their ids; Holm's correction is over all of these numbers.

    Args:
        a: The values of one folder; None where nothing was searched.
        b: Those of the other.
        confidence: Such as 0.95: how seldom noise alone is to be called a difference, 1 in 20.
    """
    if a is None or b is None:
        return []
    shared = [(task, system) for task in a.tasks for system in a.systems if a.has(task, system) and b.has(task, system)]
    numbers = [one for task, system in shared if (one := _number(a, b, task, system, confidence)) is not None]
    corrected = holm([number.p for number in numbers])
    return [
        replace(number, p_holm=p, verdict=_verdict(number, p, confidence))
        for number, p in zip(numbers, corrected, strict=True)
    ]


def missing(a: Scores | None, b: Scores | None) -> list[str]:
    """The systems and tasks of ``a`` that ``b`` does not have, in words."""
    if a is None:
        return []
    return [
        f"{system}, {task.measure} on {task.dataset} {task.split}"
        for task in a.tasks
        for system in a.systems
        if a.has(task, system) and (b is None or not b.has(task, system))
    ]


def summary(numbers: Sequence[Number], confidence: float) -> list[str]:
    """What the numbers say, in plain sentences."""
    if not numbers:
        return ["There is no number that both folders have, so that nothing can be said."]
    differing = [number for number in numbers if number.differs]
    if not differing:
        return [f"All {len(numbers)} numbers are identical, query by query.", *_unpaired(numbers)]
    shown = [number for number in differing if number.verdict in (BETTER, WORSE)]
    test = f"paired tests with Holm's correction, at {confidence:.0%}"
    said = [f"{len(differing)} of {len(numbers)} numbers are not the same in both."]
    if not shown:
        tested = [number.p_holm for number in differing if not isnan(number.p_holm)]
        detectable = max((number.detectable for number in differing if not isnan(number.detectable)), default=NAN)
        smallest = f"; smallest p {min(tested):.3g}" if tested else ""
        could = f" A true difference of {detectable:.4f} or more would probably have been shown in each search."
        said.append(f"None differs by more than noise ({test}{smallest})." + ("" if isnan(detectable) else could))
    else:
        said.append(f"{len(shown)} of them by more than the noise of the queries ({test}):")
        said += [
            f"  {number.system}, {number.measure} on {number.dataset} {number.split}: {number.verdict}, "
            f"{number.difference:+.4f} [{number.low:+.4f}, {number.high:+.4f}], p {number.p_holm:.3g}"
            for number in shown
        ]
    once = dict.fromkeys(one.system for one in differing if one.trained and 1 in (len(one.seeds_a), len(one.seeds_b)))
    if once:
        said.append(
            f"Trained with one seed: {', '.join(once)}. The tests know the noise of the queries, not that of another "
            "training; several `seeds` in the experiment show how much that is."
        )
    return said + _unpaired(numbers)


def _unpaired(numbers: Sequence[Number]) -> list[str]:
    if not any(number.only_a or number.only_b for number in numbers):
        return []
    return ["The two do not have the same queries: the numbers are of those that both have."]


def _number(a: Scores, b: Scores, task: Task, system: str, confidence: float) -> Number | None:
    tables = [scores.by_variant(task, system) for scores in (a, b)]
    ids = tables[0].index[tables[0].index.isin(tables[1].index)]
    if not len(ids):
        return None
    of_a, of_b = (table.loc[ids].mean(axis=1).to_numpy() for table in tables)
    changed = int((np.abs(of_b - of_a) >= _SAME).sum())
    found = compare(
        of_b,
        of_a,
        confidence=confidence,
        resamples=_RESAMPLES if changed else 100,
        permutations=_PERMUTATIONS,
        seed=_SEED,
        power=_POWER,
    )
    return Number(
        dataset=task.dataset,
        split=task.split,
        system=system,
        measure=task.measure,
        a=float(of_a.mean()),
        b=float(of_b.mean()),
        difference=found.difference,
        low=found.interval.low if changed else 0.0,
        high=found.interval.high if changed else 0.0,
        p=found.p,
        detectable=found.detectable,
        changed=changed,
        queries=len(ids),
        only_a=len(tables[0]) - len(ids),
        only_b=len(tables[1]) - len(ids),
        seeds_a=tuple(map(float, tables[0].loc[ids].mean(axis=0))),
        seeds_b=tuple(map(float, tables[1].loc[ids].mean(axis=0))),
        trained=any(str(variant).startswith("seed") for table in tables for variant in table.columns),
    )


def _verdict(number: Number, p: float, confidence: float) -> str:
    if not number.changed:
        return IDENTICAL
    if p < round(1 - confidence, 12):
        return BETTER if number.difference > 0 else WORSE
    return NOISE
