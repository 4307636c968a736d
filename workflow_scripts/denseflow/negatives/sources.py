"""Where negatives come from: the whole collection at random, or a range of ranks of a run."""

from collections.abc import Sequence
from itertools import islice
from pathlib import Path
from typing import Any, Protocol

from denseflow.errors import DenseflowError
from denseflow.negatives.audit import SourceAudit
from denseflow.negatives.candidates import Exclusion, Passages
from denseflow.negatives.draw import query_random, random_order
from denseflow.run_file import read_run


class Source(Protocol):
    """Finds negatives of one query and notes in ``audit`` how that went."""

    audit: SourceAudit

    def find(self, query_id: str, exclusion: Exclusion) -> list[str]:
        """The ids of at most ``count`` documents, in the order drawn; each is chosen in ``exclusion`` too."""
        ...


class RandomSource:
    """Documents drawn from the whole collection, each equally likely."""

    def __init__(self, options: dict[str, Any], passages: Passages, *, seed: int, purpose: str) -> None:
        self.audit = SourceAudit(options)
        self._ids: Sequence[str] = passages.ids
        self._count: int = options["count"]
        self._seed, self._purpose = seed, purpose

    def find(self, query_id: str, exclusion: Exclusion) -> list[str]:
        """See :class:`Source`. Draws until there are enough, so that the cost does not grow with the collection."""
        found: list[str] = []
        for place in random_order(len(self._ids), query_random(self._seed, self._purpose, query_id)):
            if len(found) == self._count:
                break
            document_id = self._ids[place]
            if reason := exclusion.reason(document_id):
                self.audit.dropped[reason] += 1
                continue
            exclusion.choose(document_id)
            found.append(document_id)
        self.audit.add(query_id, len(found))
        return found


class RunSource:
    """Documents drawn from ranks ``first_rank`` to ``last_rank`` of a run, each candidate equally likely.

    A rank is the place in the run's ranking, relevant documents included, from 1.
    """

    def __init__(
        self, options: dict[str, Any], passages: Passages, run: Path, *, depth: int | None, seed: int, purpose: str
    ) -> None:
        """``depth`` is how many documents a query the run was made with, where that is known."""
        if depth is not None and depth < options["last_rank"]:
            raise DenseflowError(
                f"{run}: was made with {depth} documents a query, but negatives are asked for up to rank "
                f"{options['last_rank']}; search deeper, or lower 'last_rank'"
            )
        self.audit = SourceAudit(options)
        self._passages = passages
        self._path = run
        self._run = read_run(run)
        self._count: int = options["count"]
        self._first, self._last = options["first_rank"], options["last_rank"]
        self._seed, self._purpose = seed, purpose

    def find(self, query_id: str, exclusion: Exclusion) -> list[str]:
        """See :class:`Source`."""
        ranking = list(self._run.get(query_id, ()))
        if not ranking:
            self.audit.queries_without_ranking += 1
        candidates: list[tuple[int, str]] = []
        for rank, document_id in enumerate(ranking[self._first - 1 : self._last], start=self._first):
            if document_id not in self._passages.by_id:
                raise DenseflowError(
                    f"{self._path}: query {query_id!r} has document {document_id!r}, which the collection does not "
                    "have; run the workflow to search this collection again"
                )
            if reason := exclusion.reason(document_id):
                self.audit.dropped[reason] += 1
            else:
                candidates.append((rank, document_id))
        order = random_order(len(candidates), query_random(self._seed, self._purpose, query_id))
        drawn = [candidates[place] for place in islice(order, self._count)]
        for rank, document_id in drawn:
            exclusion.choose(document_id)
            self.audit.ranks[rank] += 1
        self.audit.add(query_id, len(drawn))
        return [document_id for _, document_id in drawn]
