"""Where negatives come from: the whole collection at random, or a range of ranks of a run."""

from collections.abc import Sequence
from dataclasses import dataclass
from itertools import islice
from pathlib import Path
from typing import Any, Protocol

import numpy as np

from denseflow.errors import DenseflowError
from denseflow.negatives.answer_filter import AnswerFilter
from denseflow.negatives.audit import SourceAudit
from denseflow.negatives.candidates import CHOSEN, CHOSEN_TEXT, Exclusion
from denseflow.negatives.draw import query_random, random_order
from denseflow.negatives.false_negatives import ScoreFilter
from denseflow.negatives.passages import Passages
from denseflow.negatives.vector_scores import PairScores
from denseflow.run_file import RunFile


@dataclass(frozen=True)
class Found:
    """What a source found for a query.

    Attributes:
        drawn: The ids of at most ``count`` documents, in the order drawn.
        candidates: What it could have drawn, other sources apart; of the whole collection at random: what it drew.
        above_positive: By id, the score of each drawn one that is above that of the best positive, and the latter.
    """

    drawn: list[str]
    candidates: frozenset[str]
    above_positive: dict[str, tuple[float, float]]


class Source(Protocol):
    """Finds negatives of one query and notes in ``audit`` how that went."""

    audit: SourceAudit

    def find(self, query_id: str, positives: Sequence[str], exclusion: Exclusion) -> Found:
        """The negatives of a query with these positives; each one drawn is chosen in ``exclusion`` too."""
        ...


class RandomSource:
    """Documents drawn from the whole collection, each equally likely."""

    def __init__(self, options: dict[str, Any], passages: Passages, *, seed: int, purpose: str) -> None:
        self.audit = SourceAudit(options)
        self._passages = passages
        self._count: int = options["count"]
        self._seed, self._purpose = seed, purpose

    def find(self, query_id: str, positives: Sequence[str], exclusion: Exclusion) -> Found:
        """See :class:`Source`. Draws until there are enough, so that the cost does not grow with the collection."""
        found: list[str] = []
        for place in random_order(len(self._passages), query_random(self._seed, self._purpose, query_id)):
            if len(found) == self._count:
                break
            document_id = self._passages.at(place).id
            if reason := exclusion.reason(document_id):
                self.audit.dropped[reason] += 1
                continue
            exclusion.choose(document_id)
            found.append(document_id)
        self.audit.add(query_id, len(found))
        return Found(found, frozenset(found), {})


class RunSource:
    """Documents drawn from ranks ``first_rank`` to ``last_rank`` of a run, each candidate equally likely.

    A rank is the place in the run's ranking, relevant documents included, from 1. The score of the best positive, for
    the filters ``margin`` and ``share``, comes from the model's vectors where these are given, and else from the run;
    a query none of whose positives is in the run is not filtered. ``max_positives`` plays no part in it.
    """

    def __init__(
        self,
        options: dict[str, Any],
        passages: Passages,
        run: Path,
        *,
        depth: int | None,
        seed: int,
        purpose: str,
        scores: PairScores | None = None,
        answers: AnswerFilter | None = None,
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
        self._run = RunFile(run)
        self._scores = scores
        self._answers = answers
        self._filter = ScoreFilter(options.get("margin"), options.get("share"))
        self._count: int = options["count"]
        self._first, self._last = options["first_rank"], options["last_rank"]
        self._seed, self._purpose = seed, purpose

    def find(self, query_id: str, positives: Sequence[str], exclusion: Exclusion) -> Found:
        """See :class:`Source`."""
        ranking = self._run.ranking(query_id)
        if not ranking:
            self.audit.queries_without_ranking += 1
        best = self._best_positive(query_id, positives, ranking)
        candidates: dict[str, int] = {}
        left: list[str] = []
        for rank, document_id in enumerate(islice(ranking, self._first - 1, self._last), start=self._first):
            if document_id not in self._passages:
                raise DenseflowError(
                    f"{self._path}: query {query_id!r} has document {document_id!r}, which the collection does not "
                    "have; run the workflow to search this collection again"
                )
            reason = exclusion.reason(document_id)
            if reason in (None, CHOSEN, CHOSEN_TEXT):
                filtered = self._filter.reason(_score(ranking, document_id), best)
                if filtered is None and self._answers is not None:
                    filtered = self._answers.reason(query_id, document_id)
                if filtered is None:
                    candidates[document_id] = rank
                reason = filtered or reason
            if reason is None:
                left.append(document_id)
            else:
                self.audit.dropped[reason] += 1
        drawn = self._draw(query_id, left, exclusion)
        self.audit.ranks.update(candidates[document_id] for document_id in drawn)
        self.audit.add(query_id, len(drawn))
        above = {
            document_id: (score, best)
            for document_id in drawn
            if best is not None and (score := _score(ranking, document_id)) > best
        }
        return Found(drawn, frozenset(candidates), above)

    def _best_positive(self, query_id: str, positives: Sequence[str], ranking: dict[str, float]) -> float | None:
        if self._scores is not None:
            return float(self._scores(query_id, positives).max())
        best = max((_score(ranking, document_id) for document_id in positives if document_id in ranking), default=None)
        self.audit.queries_without_positive += best is None
        return best

    def _draw(self, query_id: str, candidates: Sequence[str], exclusion: Exclusion) -> list[str]:
        drawn: list[str] = []
        for place in random_order(len(candidates), query_random(self._seed, self._purpose, query_id)):
            if len(drawn) == self._count:
                break
            if reason := exclusion.reason(candidates[place]):  # its text was drawn under another id just now
                self.audit.dropped[reason] += 1
                continue
            exclusion.choose(candidates[place])
            drawn.append(candidates[place])
        return drawn


def _score(ranking: dict[str, float], document_id: str) -> float:
    """The float32 that the run's digits stand for, so that it compares with scores that were never written."""
    return float(np.float32(ranking[document_id]))
