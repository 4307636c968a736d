"""What each system's quality costs: time to make, bytes to keep, time a query."""

from collections.abc import Iterable, Mapping, Sequence
from dataclasses import dataclass
from pathlib import Path
from statistics import fmean
from typing import Any

from denseflow.report.page.steps import Step
from denseflow.search.speed import read_speed

_BYTES = {"float32": 4, "float16": 2}


@dataclass(frozen=True)
class Terms:
    """What a sparse encoder's search has to look at."""

    query: float
    """Terms of a query, on average."""
    passage: float
    """Terms of a passage, on average."""
    flops: float
    """Multiplications that are expected of a query and a passage drawn at random."""


@dataclass(frozen=True)
class Cost:
    """Of a system on a split; the mean over its seeds, None where it is not known."""

    dataset: str
    split: str
    system: str
    make_seconds: float | None
    """All steps from the source to what is searched, each one's last run."""
    bytes: int | None
    """The vectors or the index that are searched."""
    query_ms: float | None
    """Encoding, searching and reranking a query, among many at a time."""
    with_start: bool
    """Whether a part of that is a whole step's time, with what it takes to start."""
    terms: Terms | None = None
    """Of a sparse encoder."""


def find_costs(steps: Sequence[Step], systems: Iterable[Mapping[str, Any]]) -> list[Cost]:
    """The costs of each system on each split.

    Args:
        steps: All steps of the experiment.
        systems: The runs, as the report stage takes them.
    """
    numbers = {step.manifest: step.number for step in steps}
    runs: dict[tuple[str, str, str], list[int]] = {}
    for system in systems:
        key = (system["dataset"], system["split"], system["name"])
        runs.setdefault(key, []).append(numbers[Path(system["run_manifest"])])
    return [_cost(steps, *key, of) for key, of in runs.items()]


def _cost(steps: Sequence[Step], dataset: str, split: str, system: str, runs: Sequence[int]) -> Cost:
    make, query = [], []
    for run in runs:
        needed = _needed(steps, run)
        at_query = [step for step in needed if _at_query(step, split)]
        make.append(_total(step.usage.seconds if step.usage else None for step in needed if step not in at_query))
        query.append([_milliseconds(step) for step in at_query])
    query_ms = [_total(value for value, _ in of) for of in query]
    return Cost(
        dataset=dataset,
        split=split,
        system=system,
        make_seconds=_mean(make),
        bytes=_held(steps, runs[0]),
        query_ms=_mean(query_ms),
        with_start=any(started for of in query for _, started in of),
        terms=_terms([steps[run].facts for run in runs]),
    )


def _terms(runs: Sequence[Mapping[str, Any]]) -> Terms | None:
    if not all("flops" in facts for facts in runs):
        return None
    return Terms(*(fmean(facts[name] for facts in runs) for name in ("query_terms", "passage_terms", "flops")))


def _needed(steps: Sequence[Step], run: int) -> list[Step]:
    """The steps that a run needs; an index is compared with an exact search, but does not need it."""
    found: dict[int, Step] = {}
    waiting = [run]
    while waiting:
        step = steps[waiting.pop()]
        if step.number not in found:
            found[step.number] = step
            exact = step.facts.get("inputs", {}).get("exact")
            waiting += [parent for parent in step.parents if steps[parent].digest != exact]
    return list(found.values())


def _at_query(step: Step, split: str) -> bool:
    """Whether a step has to be done for each query."""
    return step.manifest.name.startswith((f"queries.{split}.", f"{split}.top"))


def _milliseconds(step: Step) -> tuple[float | None, bool]:
    """A step's time a query, and whether it has the step's start in it."""
    speed = read_speed(step.manifest.with_name(step.manifest.name.replace(".manifest.json", ".trec")))
    if speed:
        return 1000 / speed, False
    queries = step.facts.get("queries") or step.facts.get("count") or step.facts.get("counts", {}).get("queries")
    if step.usage is None or not queries:
        return None, False
    return 1000 * step.usage.seconds / queries, True


def _held(steps: Sequence[Step], run: int) -> int | None:
    """The bytes of what a run searches: its index, its vectors, or those of the runs that it is made of."""
    step = steps[run]
    if "index_bytes" in step.facts:
        return int(step.facts["index_bytes"])
    parents = [steps[parent] for parent in step.parents]
    if "documents" in step.facts and "dimensions" in step.facts:
        storage = next((parent.facts["storage"] for parent in parents if "storage" in parent.facts), "float32")
        return int(step.facts["documents"] * step.facts["dimensions"] * _BYTES[storage])
    indexes = [parent for parent in parents if parent.stage == "bm25" and "documents" in parent.facts]
    if indexes:
        return sum(file["bytes"] for file in indexes[0].facts["files"].values())
    held = [_held(steps, parent.number) for parent in parents if parent.manifest.name.rpartition(".top")[1]]
    return sum(one for one in held if one is not None) or None


def _total(values: Iterable[float | None]) -> float | None:
    found = list(values)
    known = [value for value in found if value is not None]
    return sum(known) if len(known) == len(found) else None


def _mean(values: Sequence[float | None]) -> float | None:
    known = [value for value in values if value is not None]
    return fmean(known) if known else None
