"""What is shown of one query: the first documents of each system, and what became of those of the first system."""

from collections.abc import Mapping, Sequence
from dataclasses import dataclass
from typing import Any

from denseflow.collection import Document
from denseflow.look.answers import answer_spans

NEW, LOST, UP, DOWN, SAME = "new", "lost", "up", "down", "same"

MOST_RELEVANT = 10
"""Relevant documents whose ranks are shown, at most."""


@dataclass(frozen=True)
class Query:
    """A query, and what the collection says of it; nothing of a text that is none of the split's queries."""

    text: str
    id: str | None
    levels: Mapping[str, int]
    """Its judgements, by document id."""
    answers: Sequence[str]


@dataclass(frozen=True)
class Move:
    """What became of a document between the first system and another one.

    Attributes:
        kind: ``up``, ``down`` or ``same`` where both show it; ``new`` and ``lost`` where only one does.
        other: Its rank there; None where the ranking there does not have it.
    """

    kind: str
    other: int | None

    def text(self, rank: int) -> str:
        """A sign and a word, such as "▲ 3"."""
        there = "not found" if self.other is None else f"rank {self.other}"
        if self.kind == NEW:
            return f"✚ new, was {there}"
        if self.kind == LOST:
            return f"✖ lost, now {there}"
        if self.kind == SAME:
            return "= same"
        assert self.other is not None
        return f"{'▲ up' if self.kind == UP else '▼ down'} {abs(self.other - rank)}"


@dataclass(frozen=True)
class Hit:
    """A document in a ranking."""

    rank: int
    score: float
    document: Document
    level: int | None
    """How relevant it was judged; None: not judged."""
    move: Move | None
    spans: Sequence[tuple[int, int]]
    """Where its text has an answer."""

    @property
    def relevance(self) -> str:
        """The judgement in words; empty where there is none."""
        if self.level is None:
            return ""
        return f"★ relevant ({self.level})" if self.level > 0 else "judged not relevant"


@dataclass(frozen=True)
class Column:
    """One system's ranking."""

    system: str
    note: str
    """Where it comes from."""
    hits: Sequence[Hit]


@dataclass(frozen=True)
class Relevant:
    """A relevant document, and its rank in each system; None where the system did not find it."""

    document: Document
    level: int
    ranks: Sequence[int | None]


@dataclass(frozen=True)
class View:
    """A query's rankings side by side."""

    query: Query
    columns: Sequence[Column]
    relevant: Sequence[Relevant]
    """The most relevant documents, at most :data:`MOST_RELEVANT`."""
    relevant_count: int


def wanted_documents(query: Query, rankings: Sequence[Mapping[str, float]], top: int) -> list[str]:
    """The ids of all documents whose texts :func:`make_view` needs."""
    shown = [document for ranking in rankings for document in list(ranking)[:top]]
    return list(dict.fromkeys([*shown, *_most_relevant(query)]))


def make_view(
    query: Query,
    systems: Sequence[tuple[str, str]],
    rankings: Sequence[Mapping[str, float]],
    texts: Mapping[str, Document],
    top: int,
) -> View:
    """Lay rankings side by side.

    Args:
        query: The query.
        systems: The systems' names and where their rankings come from; the others are compared with the first.
        rankings: Theirs, best first, deeper than what is shown.
        texts: The documents that :func:`wanted_documents` names.
        top: Documents to show of each.
    """
    ranks = [{document: rank for rank, document in enumerate(ranking, start=1)} for ranking in rankings]
    columns = []
    for place, ((system, note), ranking) in enumerate(zip(systems, rankings, strict=True)):
        hits = [
            Hit(
                rank,
                score,
                texts[name],
                query.levels.get(name),
                _move(place, rank, name, ranks, top),
                answer_spans(texts[name].text, query.answers),
            )
            for rank, (name, score) in enumerate(list(ranking.items())[:top], start=1)
        ]
        columns.append(Column(system, note, hits))
    relevant = [
        Relevant(texts[name], query.levels[name], [found.get(name) for found in ranks])
        for name in _most_relevant(query)
    ]
    return View(query, columns, relevant, sum(level > 0 for level in query.levels.values()))


def as_json(view: View) -> dict[str, Any]:
    """A view for programs."""
    return {
        "query": {"id": view.query.id, "text": view.query.text, "answers": list(view.query.answers)},
        "systems": [
            {
                "system": column.system,
                "ranking": column.note,
                "documents": [
                    {
                        "rank": hit.rank,
                        "id": hit.document.id,
                        "score": hit.score,
                        "relevance": hit.level,
                        "move": hit.move and hit.move.kind,
                        "other_rank": hit.move and hit.move.other,
                        "has_answer": bool(hit.spans) if view.query.answers else None,
                        "title": hit.document.title,
                        "text": hit.document.text,
                    }
                    for hit in column.hits
                ],
            }
            for column in view.columns
        ],
        "relevant": [
            {"id": one.document.id, "relevance": one.level, "ranks": list(one.ranks)} for one in view.relevant
        ],
    }


def _most_relevant(query: Query) -> list[str]:
    relevant = [name for name, level in query.levels.items() if level > 0]
    return sorted(relevant, key=lambda name: -query.levels[name])[:MOST_RELEVANT]


def _move(place: int, rank: int, name: str, ranks: Sequence[Mapping[str, int]], top: int) -> Move | None:
    """In the first system, what the second loses; in the others, what came of the first's."""
    if len(ranks) < 2 or (place == 0 and len(ranks) > 2):
        return None
    other = ranks[1 if place == 0 else 0].get(name)
    if other is None or other > top:
        return Move(LOST if place == 0 else NEW, other)
    if place == 0:
        return None
    return Move(SAME if other == rank else UP if other > rank else DOWN, other)
