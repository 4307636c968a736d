"""The exact nearest passages of queries, whatever the shards, the blocks, the threads and the device.

All inner products are computed in float32, whose sums depend on the machine, so that near-ties can swap. Somewhat more
candidates are therefore kept than are needed; these few are scored again in float64, rounded to float32 and ordered by
score, ties by document id, descending, which is trec_eval's order. Where a document that was left out could still
belong above the cut, more are asked for. Neither all vectors nor all ids are ever in memory.
"""

import time
from collections.abc import Callable, Iterator
from contextlib import nullcontext

import numpy as np

from denseflow.errors import DenseflowError
from denseflow.progress import progress
from denseflow.search.comparable import comparable, divided
from denseflow.search.exact import norms
from denseflow.search.parallel import in_order, single_blas
from denseflow.search.ranking import Ranking, ranked, score_exactly
from denseflow.search.reservoir import Piece, Reservoir, best_of
from denseflow.search.vectors import Vectors, refuse_not_finite

BLOCK_ROWS = 4096
_CELLS = 8 * 2**20
"""Scores held at once, over all queries of a group."""
_MARGIN = 64
_MOST_TIES = 8192
"""Equal scores around the cut are resolved up to this many documents beyond the depth, the first in the corpus."""

BlockSearch = Callable[[np.ndarray, np.ndarray, int], tuple[np.ndarray, np.ndarray]]
"""Scores and rows, each of shape (queries, count), of queries, passages and a count: what a GPU does instead."""


class NearestPassages:
    """Exact search in a corpus.

    Attributes:
        zero_queries, zero_documents: How many had a vector of zeros only.
        unresolved: Queries with more documents of equal score at the cut than are looked at.
        seconds: Spent in searching so far.
    """

    def __init__(
        self,
        corpus: Vectors,
        *,
        cosine: bool,
        threads: int,
        block_rows: int = BLOCK_ROWS,
        block_search: BlockSearch | None = None,
        quiet: bool = False,
    ) -> None:
        """Args:
        corpus: The passages' vectors.
        cosine: Whether vectors are brought to length 1, or the inner product is meant.
        threads: The ranking does not depend on it.
        block_rows: Passages looked at in one piece; the ranking does not depend on it.
        block_search: Finds the best of a block; None: the CPU does.
        quiet: Whether to say nothing of the progress.
        """
        self.corpus, self.cosine, self.threads, self.quiet = corpus, cosine, threads, quiet
        self._block_rows, self._block_search = block_rows, block_search
        # A GPU gives the best of a block alone, and is worth its start for blocks beyond a shard and many queries.
        self._scored_rows = block_rows if block_search is None else 1
        self._longest = 0.0
        self.zero_queries = self.zero_documents = self.unresolved = 0
        self.seconds = 0.0

    def rankings(self, queries: Vectors, depth: int) -> Iterator[tuple[str, Ranking]]:
        """Yield each query's id with its ``depth`` best documents.

        Raises:
            DenseflowError: A shard is missing or altered, a vector is not finite, or an inner product may be beyond
                float32.
        """
        group = max(1, _CELLS // max(depth + _MARGIN, self._scored_rows))
        for start, vectors in queries.blocks(group):
            begun = time.perf_counter()
            refuse_not_finite(queries, vectors, start)
            self.zero_queries += int((~vectors.any(axis=1)).sum())
            found = self._resolved(vectors, depth)
            self.seconds += time.perf_counter() - begun
            yield from zip(queries.ids[start : start + len(vectors)], found, strict=True)

    def warnings(self) -> list[str]:
        """What the user should know of the search so far."""
        warnings = []
        if self.zero_queries or self.zero_documents:
            warnings.append(
                f"{self.zero_queries} queries and {self.zero_documents} documents have a vector of zeros only"
            )
        if self.unresolved:
            warnings.append(
                f"{self.unresolved} queries have more than {_MOST_TIES} documents of equal score at the cut, of which "
                "only those that stand first in the corpus were looked at; the model may have collapsed"
            )
        return warnings

    def _resolved(self, queries: np.ndarray, depth: int) -> list[Ranking]:
        """Search, and search again with more candidates where the cut is not certain."""
        documents = len(self.corpus)
        rankings: dict[int, Ranking] = {}
        pending = np.arange(len(queries))
        count, most = min(documents, depth + _MARGIN), min(documents, depth + _MOST_TIES)
        while len(pending):
            undecided: list[int] = []
            for group in _groups(pending, max(1, _CELLS // max(count, self._scored_rows))):
                with single_blas():
                    lowest, rows = self._candidates(queries[group], count)
                    scores = score_exactly(queries[group], rows, self.corpus, cosine=self.cosine, threads=self.threads)
                slack = self._slack(queries[group])
                for place, query in enumerate(group.tolist()):
                    ranking = ranked(rows[place], scores[place], self.corpus.ids, depth)
                    certain = count == documents or ranking.scores[-1] > lowest[place] + slack[place]
                    if certain or count == most:
                        rankings[query] = ranking
                        self.unresolved += not certain
                    else:
                        undecided.append(query)
            pending = np.asarray(undecided, dtype=np.int64)
            count = min(most, 4 * count)
        return [rankings[place] for place in range(len(queries))]

    def _candidates(self, queries: np.ndarray, count: int) -> tuple[np.ndarray, list[np.ndarray]]:
        """The ``count`` best rows of each query, in any order, and the lowest of their float32 scores."""
        lengths = norms(queries)
        wanted = divided(queries, lengths) if self.cosine else queries
        reservoir = Reservoir(len(queries), count)

        def search(span: tuple[int, int]) -> tuple[Piece, int, float, int]:
            block, longest, zeros = comparable(self.corpus, *span, cosine=self.cosine)
            if not self.cosine and longest * lengths.max(initial=0.0) > float(np.finfo(np.float32).max):
                raise DenseflowError(f"{self.corpus.path}: inner products may be beyond float32; normalise the vectors")
            if self._block_search is None:
                piece = best_of(wanted @ block.T, reservoir.threshold, count)
            else:
                piece = Piece.of(*self._block_search(wanted, block, min(count, len(block))))
            return piece.moved(span[0]), len(block), longest, zeros

        self.zero_documents = 0
        on_cpu = self._block_search is None
        spans = (self.corpus.spans if on_cpu else self.corpus.ranges)(self._block_rows)
        shown = progress(f"passages searched for {len(queries)} queries", len(self.corpus))
        with nullcontext(lambda count: None) if self.quiet else shown as advance:
            for piece, rows, longest, zeros in in_order(search, spans, self.threads if on_cpu else 1):
                reservoir.add(piece)
                self._longest = max(self._longest, longest)
                self.zero_documents += zeros
                advance(rows)
        return reservoir.lowest(), reservoir.rows()

    def _slack(self, queries: np.ndarray) -> np.ndarray:
        """What the float32 sums may be off by: about u sqrt(n) |q| |d| (Higham and Mary, 2019), eight times."""
        lengths = np.ones(len(queries)) if self.cosine else norms(queries) * self._longest
        return 8 * 2.0**-24 * queries.shape[1] ** 0.5 * lengths


def _groups(indices: np.ndarray, size: int) -> Iterator[np.ndarray]:
    for start in range(0, len(indices), size):
        yield indices[start : start + size]
