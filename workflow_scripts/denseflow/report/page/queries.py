"""What the page says of single queries: their scores, texts, relevant passages and each system's first ten."""

from collections.abc import Mapping, Sequence
from pathlib import Path
from typing import Any

from denseflow.collection import read_corpus, read_qrels, read_queries
from denseflow.run_file import RunFile

TOP = 10
"""Passages shown of a ranking, and at most of the relevant ones."""

MAX_QUERIES = 2_000
"""Of a split; those whose score changed most."""

MAX_BYTES = 3_200_000
"""Of the passages' texts, over all splits."""

_TITLE, _TEXT = 160, 280


class Passages:
    """The passages that the page holds, each once, within a number of bytes."""

    def __init__(self) -> None:
        self.rows: list[tuple[str, str, str]] = []
        """Id, title and the beginning of the text."""
        self._places: dict[tuple[str, str], int] = {}
        self._bytes = 0

    def add(self, dataset: str, ids: Sequence[str], texts: Mapping[str, tuple[str, str]], limit: int) -> bool:
        """Take in passages if they fit; one that the collection lacks has empty texts."""
        new = [id_ for id_ in dict.fromkeys(ids) if (dataset, id_) not in self._places]
        rows = [(id_, *texts.get(id_, ("", ""))) for id_ in new]
        size = sum(len("".join(row).encode()) + 12 for row in rows)
        if self._bytes + size > limit:
            return False
        self._bytes += size
        for row in rows:
            self._places[dataset, row[0]] = len(self.rows)
            self.rows.append(row)
        return True

    def place(self, dataset: str, id_: str) -> int:
        """The row of a passage that was added."""
        return self._places[dataset, id_]


def query_data(
    report: Mapping[str, Any],
    systems: Sequence[Mapping[str, Any]],
    datasets: Mapping[str, Path],
    *,
    max_bytes: int = MAX_BYTES,
) -> dict[str, Any]:
    """What the page's script shows.

    Args:
        report: report.json's content.
        systems: The runs, as the report stage takes them; of several seeds the first one's run is shown.
        datasets: Each dataset's manifest, beside its files.
        max_bytes: How large the passages' texts may become.

    Returns:
        ``before`` and ``after`` (what is compared at first), ``passages`` (rows of :class:`Passages`) and ``places``:
        ``dataset``, ``split``, ``systems``, ``total`` and ``queries`` (id, text), those that changed most first, by
        which the lists in ``values`` (by measure and system) and ``details`` are ordered. A detail is None, or has
        ``relevant`` (passage, level, rank by system; 0: not found), ``judged`` (relevant passages in all) and
        ``rankings`` (by system a list of passage and level).
    """
    passages = Passages()
    places = []
    for number, place in enumerate(report["places"], start=1):
        limit = max_bytes * number // len(report["places"])
        places.append(_place(place, report["options"], systems, datasets[place["dataset"]].parent, passages, limit))
    options = report["options"]
    after = next(iter([*options["after"], *options["compare"]]), options["before"])
    return {"before": options["before"], "after": after, "passages": passages.rows, "places": places}


def _place(
    place: Mapping[str, Any],
    options: Mapping[str, Any],
    systems: Sequence[Mapping[str, Any]],
    folder: Path,
    passages: Passages,
    limit: int,
) -> dict[str, Any]:
    dataset, split = place["dataset"], place["split"]
    values = {
        measure: {
            system: [sum(of) / len(of) for of in zip(*variants.values(), strict=True)]
            for system, variants in of_measure.items()
        }
        for measure, of_measure in place["values"].items()
    }
    names = list(dict.fromkeys(name for of_measure in values.values() for name in of_measure))
    order = _by_change(values, options, len(place["queries"]))[:MAX_QUERIES]
    queries = [place["queries"][at] for at in order]
    texts = read_queries(folder / f"queries.{split}.jsonl")
    runs: dict[str, RunFile] = {}
    for system in systems:
        if (system["dataset"], system["split"]) == (dataset, split) and system["name"] not in runs:
            runs[system["name"]] = RunFile(Path(system["run"]))
    twins = set(place["near_twins"] or [])
    return {
        "dataset": dataset,
        "split": split,
        "systems": names,
        "total": len(place["queries"]),
        "queries": [[query, texts.get(query, "")] for query in queries],
        "near_twins": [at for at, query in enumerate(queries) if query in twins],
        "values": {
            measure: {system: [round(of[at], 4) for at in order] for system, of in by_system.items()}
            for measure, by_system in values.items()
        },
        "details": _details(queries, runs, folder, split, dataset, passages, limit),
    }


def _by_change(
    values: Mapping[str, Mapping[str, Sequence[float]]], options: Mapping[str, Any], count: int
) -> list[int]:
    """The places of the queries, those that changed most first."""
    of_systems = values[options["measure_for_gains"]]
    before = of_systems.get(options["before"])
    if before is None:
        return list(range(count))
    after = [of_systems[name] for name in options["after"] or options["compare"] if name in of_systems]
    return sorted(range(count), key=lambda at: -max((abs(of[at] - before[at]) for of in after), default=0.0))


def _details(
    queries: Sequence[str],
    runs: Mapping[str, RunFile],
    folder: Path,
    split: str,
    dataset: str,
    passages: Passages,
    limit: int,
) -> list[dict[str, Any] | None]:
    qrels = read_qrels(folder / f"qrels.{split}.tsv")
    found: list[dict[str, Any]] = []
    for query in queries:
        rankings = {name: list(run.ranking(query)) for name, run in runs.items()}
        ranks = {name: {id_: rank for rank, id_ in enumerate(of, start=1)} for name, of in rankings.items()}
        levels = {id_: level for id_, level in qrels.get(query, {}).items() if level >= 1}
        best = {id_: min((of.get(id_, len(of) + 1) for of in ranks.values()), default=0) for id_ in levels}
        relevant = sorted(levels, key=lambda id_: (-levels[id_], best[id_]))[:TOP]
        found.append(
            {
                "judged": len(levels),
                "relevant": [[id_, levels[id_], [of.get(id_, 0) for of in ranks.values()]] for id_ in relevant],
                "rankings": {name: [[id_, levels.get(id_, 0)] for id_ in of[:TOP]] for name, of in rankings.items()},
            }
        )
    wanted = {id_ for detail in found for id_ in _ids(detail)}
    texts = {
        document.id: (_cut(document.title, _TITLE), _cut(document.text, _TEXT))
        for document in read_corpus(folder / "corpus.jsonl")
        if document.id in wanted
    }
    details: list[dict[str, Any] | None] = []
    for detail in found:
        fits = passages.add(dataset, _ids(detail), texts, limit)
        details.append(_numbered(detail, dataset, passages) if fits else None)
    return details


def _ids(detail: Mapping[str, Any]) -> list[str]:
    ranked = [id_ for of in detail["rankings"].values() for id_, _ in of]
    return [*(id_ for id_, *_ in detail["relevant"]), *ranked]


def _numbered(detail: Mapping[str, Any], dataset: str, passages: Passages) -> dict[str, Any]:
    """The detail with passages' places instead of ids."""
    return {
        "judged": detail["judged"],
        "relevant": [[passages.place(dataset, id_), *more] for id_, *more in detail["relevant"]],
        "rankings": {
            name: [[passages.place(dataset, id_), level] for id_, level in of]
            for name, of in detail["rankings"].items()
        },
    }


def _cut(text: str, length: int) -> str:
    """A text on one line, cut at a word where there is one, after about ``length`` characters."""
    line = " ".join(text.split())
    return line if len(line) <= length else line[:length].rsplit(" ", 1)[0] + " …"
