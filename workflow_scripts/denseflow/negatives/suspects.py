"""What the audit says of the negatives as a whole: sources that overlap, repeated texts, likely false negatives."""

from collections import Counter
from collections.abc import Iterable, Sequence
from itertools import combinations
from typing import Any

import numpy as np

from denseflow.negatives.false_negatives import NearDuplicates
from denseflow.negatives.passages import Passages
from denseflow.negatives.sources import Found

EXAMPLES = 20
"""How many likely false negatives are shown of each kind."""

SHOWN = 160
"""Characters shown of a text."""

NEAR_DUPLICATE_OF_RELEVANT = "near-duplicate of a relevant passage"
ABOVE_POSITIVE = "scores above the best positive"


class WholeAudit:
    """The account of all sources together."""

    def __init__(self, passages: Passages, names: Sequence[str]) -> None:
        """``names`` are those of the sources, in their order."""
        self._passages = passages
        self._names = names
        self._near_duplicates = NearDuplicates(passages)
        self._candidates: Counter[int] = Counter()
        self._shared: Counter[tuple[int, int]] = Counter()
        self._written = 0
        self._drawn = np.zeros(len(passages), dtype=bool)
        self._suspected: Counter[str] = Counter()
        self._queries: Counter[str] = Counter()
        self._examples: dict[str, list[dict[str, Any]]] = {NEAR_DUPLICATE_OF_RELEVANT: [], ABOVE_POSITIVE: []}

    def add(self, query_id: str, query: str, relevant: Iterable[str], found: Sequence[Found]) -> None:
        """Note what the sources found for a query with these known relevant documents of the collection."""
        for place, source in enumerate(found):
            self._candidates[place] += len(source.candidates)
        for one, other in combinations(range(len(found)), 2):
            self._shared[one, other] += len(found[one].candidates & found[other].candidates)
        drawn = [(place, id_) for place, source in enumerate(found) for id_ in source.drawn]
        self._written += len(drawn)
        self._drawn[[self._passages.row(id_) for _, id_ in drawn]] = True
        relevant = list(relevant)
        near, above = [], []
        for place, id_ in drawn:
            common = {"query_id": query_id, "query": query[:SHOWN], "docid": id_, "source": self._names[place]}
            passage = self._passages.document(id_)
            common["passage"] = (passage.text or passage.title)[:SHOWN]
            if (twin := self._near_duplicates.among(id_, relevant)) is not None:
                near.append({**common, "relevant_docid": twin})
            if id_ in found[place].above_positive:
                score, best = found[place].above_positive[id_]
                above.append({**common, "score": score, "best_positive": best})
        self._suspect(NEAR_DUPLICATE_OF_RELEVANT, near)
        self._suspect(ABOVE_POSITIVE, above)

    def summary(self) -> dict[str, Any]:
        """The parts ``overlap``, ``negatives`` and ``suspected_false_negatives`` of audit.json."""
        return {
            "overlap": [
                {
                    "sources": [self._names[one], self._names[other]],
                    "candidates": [self._candidates[one], self._candidates[other]],
                    "shared": self._shared[one, other],
                }
                for one, other in combinations(range(len(self._names)), 2)
            ],
            "negatives": {
                "written": self._written,
                "different_ids": int(self._drawn.sum()),
                "different_texts": self._passages.different_texts(np.flatnonzero(self._drawn)),
            },
            "suspected_false_negatives": {
                kind: {"negatives": self._suspected[kind], "queries": self._queries[kind], "examples": examples}
                for kind, examples in self._examples.items()
            },
        }

    def _suspect(self, kind: str, rows: list[dict[str, Any]]) -> None:
        self._suspected[kind] += len(rows)
        self._queries[kind] += bool(rows)
        self._examples[kind] += rows[: EXAMPLES - len(self._examples[kind])]
