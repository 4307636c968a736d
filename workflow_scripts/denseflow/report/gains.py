"""The queries that gained and lost most by fine-tuning, with what was found for them."""

from collections.abc import Sequence
from dataclasses import dataclass
from pathlib import Path
from typing import Any, NamedTuple

from denseflow.collection import Qrels, read_corpus, read_qrels, read_queries
from denseflow.report.scores import Scores, Task
from denseflow.run_file import RunFile

GAINED, LOST = "gained", "lost"
_PASSAGES = 3
_LOOK = 10
_TIE = 1e-9
_TITLE = 90


class Passage(NamedTuple):
    """A passage of a ranking."""

    title: str
    """The first words of the text where the document has none."""
    relevant: bool


@dataclass(frozen=True)
class Gain:
    """What became of a query."""

    dataset: str
    split: str
    measure: str
    system: str
    direction: str
    query_id: str
    text: str
    before: float
    after: float
    difference: float
    relevant_before: int
    """Relevant documents among the first ten, of the first seed's run."""
    relevant_after: int
    top_before: tuple[Passage, ...]
    """The first three of that run."""
    top_after: tuple[Passage, ...]


@dataclass(frozen=True)
class _Change:
    system: str
    direction: str
    query_id: str
    before: float
    after: float


def find_gains(
    scores: Scores, options: dict[str, Any], datasets: dict[str, Path], systems: Sequence[dict[str, Any]]
) -> list[Gain]:
    """For each system of ``options["after"]`` the ``options["gains"]`` queries that gained most, and lost most.

    Args:
        scores: The evaluation's values.
        options: ``before``, ``after``, ``gains``, ``measure_for_gains``.
        datasets: Each dataset's manifest, beside corpus.jsonl and queries.SPLIT.jsonl.
        systems: The runs, as the evaluate stage takes them.
    """
    gains: list[Gain] = []
    for task in scores.tasks:
        if task.measure == options["measure_for_gains"]:
            changes = _changes(scores, task, options)
            gains += _with_texts(task, changes, options["before"], datasets, systems)
    return gains


def _changes(scores: Scores, task: Task, options: dict[str, Any]) -> list[_Change]:
    changes: list[_Change] = []
    if not scores.has(task, options["before"]):
        return changes
    before = scores.by_query(task, options["before"])
    for system in options["after"]:
        if not scores.has(task, system):
            continue
        after = scores.by_query(task, system)
        # A stable sort keeps the qrels' order among equal differences.
        difference = (after - before).sort_values(kind="stable", ascending=False)
        gained = difference[difference > _TIE].index[: options["gains"]]
        lost = difference[difference < -_TIE].sort_values(kind="stable").index[: options["gains"]]
        for direction, query_ids in ((GAINED, gained), (LOST, lost)):
            changes += [_Change(system, direction, query, before[query], after[query]) for query in query_ids]
    return changes


def _with_texts(
    task: Task,
    changes: Sequence[_Change],
    before: str,
    datasets: dict[str, Path],
    systems: Sequence[dict[str, Any]],
) -> list[Gain]:
    if not changes:
        return []
    folder = datasets[task.dataset].parent
    wanted = {change.query_id for change in changes}
    of_task = [system for system in systems if (system["dataset"], system["split"]) == (task.dataset, task.split)]
    qrels = read_qrels(Path(of_task[0]["qrels"]))
    shown = {before, *(change.system for change in changes)}
    tops: dict[str, dict[str, list[str]]] = {}
    for system in of_task:  # of several seeds the first one's run is shown
        if system["name"] in shown and system["name"] not in tops:
            tops[system["name"]] = _top(Path(system["run"]), wanted)
    titles = _titles(folder, {id for top in tops.values() for ids in top.values() for id in ids[:_PASSAGES]})
    texts = read_queries(folder / f"queries.{task.split}.jsonl")

    def passages(system: str, query_id: str) -> tuple[Passage, ...]:
        found = tops[system].get(query_id, [])[:_PASSAGES]
        return tuple(Passage(titles.get(id, id), _relevant(qrels, query_id, id)) for id in found)

    def relevant(system: str, query_id: str) -> int:
        return sum(_relevant(qrels, query_id, id) for id in tops[system].get(query_id, []))

    return [
        Gain(
            **task._asdict(),
            system=change.system,
            direction=change.direction,
            query_id=change.query_id,
            text=texts.get(change.query_id, ""),
            before=float(change.before),
            after=float(change.after),
            difference=float(change.after - change.before),
            relevant_before=relevant(before, change.query_id),
            relevant_after=relevant(change.system, change.query_id),
            top_before=passages(before, change.query_id),
            top_after=passages(change.system, change.query_id),
        )
        for change in changes
    ]


def _top(run: Path, wanted: set[str]) -> dict[str, list[str]]:
    ranked = RunFile(run)
    return {query: list(ranked.ranking(query))[:_LOOK] for query in sorted(wanted)}


def _relevant(qrels: Qrels, query_id: str, document_id: str) -> bool:
    return qrels.get(query_id, {}).get(document_id, 0) >= 1


def _titles(folder: Path, wanted: set[str]) -> dict[str, str]:
    return {
        document.id: shortened(document.title.strip() or document.text)
        for document in read_corpus(folder / "corpus.jsonl")
        if document.id in wanted
    }


def shortened(text: str) -> str:
    """A text on one line, cut at a word after about ninety characters."""
    line = " ".join(text.split())
    if len(line) <= _TITLE:
        return line
    return line[:_TITLE].rsplit(" ", 1)[0] + " …"
