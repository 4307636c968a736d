"""Negatives that the collection's source has itself, such as the hard negatives of DPR's files."""

from collections.abc import Sequence
from pathlib import Path
from typing import Any

from denseflow.errors import DenseflowError
from denseflow.files import read_jsonl
from denseflow.negatives.audit import SourceAudit
from denseflow.negatives.candidates import CHOSEN, CHOSEN_TEXT, Exclusion
from denseflow.negatives.draw import query_random, random_order
from denseflow.negatives.passages import Passages
from denseflow.negatives.sources import Found

NOT_IN_COLLECTION = "not in the collection"


class GivenSource:
    """Documents drawn from a query's own list of negatives, each candidate equally likely."""

    def __init__(self, options: dict[str, Any], passages: Passages, file: Path, *, seed: int, purpose: str) -> None:
        """``file`` is the dataset's negatives.SPLIT.jsonl: ``_id`` and the lists ``hard`` and ``easy`` of ids.

        Raises:
            DenseflowError: The file is missing: the dataset's source has no negatives.
        """
        if not file.is_file():
            raise DenseflowError(
                f"{file}: no such file, because the questions of this split come without negatives; take sources of "
                "another type (`bm25`, `dense`, `random`) in the negatives file"
            )
        self.audit = SourceAudit(options)
        self._passages = passages
        self._count: int = options["count"]
        self._seed, self._purpose = seed, purpose
        kind = options.get("kind", "hard")
        self._lists: dict[str, list[str]] = {
            row["_id"]: row.get(kind, [])[: options.get("first")] for _, row in read_jsonl(file)
        }

    def find(self, query_id: str, positives: Sequence[str], exclusion: Exclusion) -> Found:
        """See :class:`denseflow.negatives.sources.Source`."""
        listed = list(dict.fromkeys(self._lists.get(query_id, ())))
        reasons = {id_: exclusion.reason(id_) if id_ in self._passages else NOT_IN_COLLECTION for id_ in listed}
        drawn: list[str] = []
        for place in random_order(len(listed), query_random(self._seed, self._purpose, query_id)):
            id_ = listed[place]
            # One that was drawn before may have the text of this one.
            reason = reasons[id_] or exclusion.reason(id_)
            if reason is not None:
                self.audit.dropped[reason] += 1
            elif len(drawn) < self._count:
                exclusion.choose(id_)
                drawn.append(id_)
        self.audit.add(query_id, len(drawn))
        candidates = frozenset(id_ for id_, reason in reasons.items() if reason in (None, CHOSEN, CHOSEN_TEXT))
        return Found(drawn, candidates, {})
