"""The search stage for sparse vectors: exact, by the passages that have a term of the query.

A score is the inner product, summed in float64 in the order of the terms and rounded to float32, so that it depends on
the query and the passage alone. As in a search by words, a passage that shares no term with the query is not listed.
Ties come in trec_eval's order, by id, descending.
"""

import logging
import time
from collections.abc import Iterator
from contextlib import nullcontext
from pathlib import Path
from typing import Any

import numpy as np
from scipy.sparse import csr_array

from denseflow.errors import DenseflowError
from denseflow.files import sha256
from denseflow.manifest import write_manifest
from denseflow.progress import progress
from denseflow.run_file import Run, strictly_decreasing, write_run
from denseflow.search.parallel import in_order
from denseflow.search.ranking import Ranking, ranked
from denseflow.search.sparse_vectors import SparseVectors, read_sparse_vectors
from denseflow.search.speed import write_speed
from denseflow.search.vectors import refuse_mismatch
from denseflow.sparse_vectors import ENTRY, stack

LOG = logging.getLogger("denseflow")

BLOCK_ROWS = 2**16
"""Passages whose terms are held at once, as an inverted index."""
_QUERIES = 64
"""Queries that a thread scores at once."""


def search_sparse(
    queries_manifest: Path,
    corpus_manifest: Path,
    run: Path,
    *,
    depth: int,
    threads: int,
    block_rows: int = BLOCK_ROWS,
    tag: str = "denseflow",
) -> dict[str, Any]:
    """Rank the passages for every query; write ``run`` (TREC) and, last, its manifest ``<stem of run>.manifest.json``.

    The manifest says how many terms a query and a passage have on average, and ``flops``: for how many terms, expected
    of a query and a passage drawn at random, two weights are multiplied (Formal et al. 2021,
    https://arxiv.org/abs/2107.05720, section 4). How quick it was goes to ``<stem of run>.speed.json``.

    Args:
        queries_manifest: queries.SPLIT.manifest.json, beside the vectors and ids.
        corpus_manifest: corpus.manifest.json, likewise.
        run: The run to write, such as test.top1000.trec.
        depth: Documents a query at most.
        threads: The ranking does not depend on it.
        block_rows: Passages held at once, a shard at least; the ranking does not depend on it.
        tag: The run's name, its last column.

    Returns:
        The manifest.

    Raises:
        DenseflowError: A file is missing or altered, queries and corpus come from different models, a weight is not
            finite, or the depth is below 1.
    """
    queries, corpus = read_sparse_vectors(queries_manifest), read_sparse_vectors(corpus_manifest)
    refuse_mismatch(queries, corpus)
    if depth < 1:
        raise DenseflowError(f"{corpus.path}: search with depth {depth!r}, expected a depth from 1 on")
    search = SparseSearch(corpus, threads=threads, block_rows=block_rows)
    found = search.rankings(queries, depth)
    write_run(run, ((query, corpus.names(of.rows), of.scores.tolist()) for query, of in found), tag)
    warnings = search.warnings()
    for warning in warnings:
        LOG.warning("%s", warning)
    write_speed(run, len(queries), search.seconds)
    nonzeros = corpus.manifest["nonzeros"]
    return write_manifest(
        run.parent,
        "search",
        [run.name],
        packages=["numpy", "scipy"],
        name=f"{run.stem}.manifest.json",
        options={"depth": depth, "similarity": "dot"},
        queries=len(queries),
        documents=len(corpus),
        dimensions=corpus.dimensions,
        index_bytes=nonzeros * ENTRY.itemsize,
        query_terms=round(queries.manifest["nonzeros"] / max(1, len(queries)), 3),
        passage_terms=round(nonzeros / len(corpus), 3),
        flops=round(search.flops(), 6),
        inputs={"queries": sha256(queries_manifest), "corpus": sha256(corpus_manifest)},
        warnings=warnings,
    )


def rank_sparse(queries: SparseVectors, corpus: SparseVectors, *, depth: int, threads: int) -> Run:
    """The run that :func:`search_sparse` writes, of vectors in memory, without a word on its progress.

    Raises:
        DenseflowError: As :func:`search_sparse`.
    """
    refuse_mismatch(queries, corpus)
    search = SparseSearch(corpus, threads=threads, quiet=True)
    return {
        query: dict(zip(corpus.names(found.rows), strictly_decreasing(found.scores.tolist()).tolist(), strict=True))
        for query, found in search.rankings(queries, depth)
    }


class SparseSearch:
    """Exact search in a corpus of sparse vectors.

    Attributes:
        empty_queries: How many had no term.
        seconds: Spent in searching.
    """

    def __init__(
        self, corpus: SparseVectors, *, threads: int, block_rows: int = BLOCK_ROWS, quiet: bool = False
    ) -> None:
        """Args:
        corpus: The passages' vectors.
        threads: The ranking does not depend on it.
        block_rows: Passages held at once, a shard at least; the ranking does not depend on it.
        quiet: Whether to say nothing of the progress.
        """
        self.corpus, self.threads, self.quiet = corpus, threads, quiet
        self._block_rows = block_rows
        self._shares = [np.zeros(corpus.dimensions), np.zeros(corpus.dimensions)]
        self.empty_queries = 0
        self.seconds = 0.0

    def rankings(self, queries: SparseVectors, depth: int) -> Iterator[tuple[str, Ranking]]:
        """Yield each query's id with its ``depth`` best documents, fewer where fewer share a term with it.

        Raises:
            DenseflowError: A shard is missing or altered, or a weight is not finite.
        """
        begun = time.perf_counter()
        wanted = queries.whole().astype(np.float64)
        wanted.sort_indices()
        self.empty_queries += int((np.diff(wanted.indptr) == 0).sum())
        self._shares = [_shares(wanted), np.zeros(self.corpus.dimensions)]
        best = [_Best(depth) for _ in range(len(queries))]
        shown = progress(f"passages searched for {len(queries)} queries", len(self.corpus))
        with nullcontext(lambda count: None) if self.quiet else shown as advance:
            for start, block in self._blocks():
                self._shares[1] += _shares(block) * block.shape[0] / len(self.corpus)
                self._score(wanted, block, start, best)
                advance(block.shape[0])
        self.seconds += time.perf_counter() - begun
        for query, found in zip(queries.ids, best, strict=True):
            yield query, ranked(*found.all(), self.corpus.ids, depth)

    def flops(self) -> float:
        """Of the last queries and the corpus: sum over the terms of the share of queries and of passages with it."""
        return float((self._shares[0] * self._shares[1]).sum())

    def warnings(self) -> list[str]:
        """What the user should know of the search so far."""
        if not self.empty_queries:
            return []
        return [
            f"queries without a term: {self.empty_queries}; they have no results. Lower recipe.flops.query_weight, if "
            "the model was trained here"
        ]

    def _blocks(self) -> Iterator[tuple[int, csr_array]]:
        """Shards, as many together as are held at once."""
        waiting: list[csr_array] = []
        first = rows = 0
        for start, shard in self.corpus.shards():
            if waiting and rows + shard.shape[0] > self._block_rows:
                yield first, stack(waiting, self.corpus.dimensions)
                waiting, first, rows = [], start, 0
            waiting.append(shard)
            rows += shard.shape[0]
        if waiting:
            yield first, stack(waiting, self.corpus.dimensions)

    def _score(self, queries: csr_array, block: csr_array, start: int, best: list["_Best"]) -> None:
        """Give each query the documents of a block, whose first row is ``start``."""
        inverted = csr_array(block.astype(np.float64).T.tocsr())

        def scores(first: int) -> tuple[int, csr_array]:
            return first, csr_array(queries[first : first + _QUERIES] @ inverted)

        for first, found in in_order(scores, range(0, queries.shape[0], _QUERIES), self.threads):
            for place, (begin, end) in enumerate(zip(found.indptr[:-1], found.indptr[1:], strict=True)):
                best[first + place].add(found.indices[begin:end] + np.int64(start), found.data[begin:end])


class _Best:
    """The best documents of one query so far, and all that are equal to the last of them."""

    def __init__(self, depth: int) -> None:
        self._depth = depth
        self._rows, self._scores = np.empty(0, np.int64), np.empty(0, np.float32)

    def add(self, rows: np.ndarray, scores: np.ndarray) -> None:
        scores = scores.astype(np.float32)
        positive = scores > 0
        rows = np.concatenate([self._rows, rows[positive]])
        scores = np.concatenate([self._scores, scores[positive]])
        if len(scores) > self._depth:
            cut = len(scores) - self._depth
            kept = scores >= np.partition(scores, cut)[cut]
            rows, scores = rows[kept], scores[kept]
        self._rows, self._scores = rows, scores

    def all(self) -> tuple[np.ndarray, np.ndarray]:
        return self._rows, self._scores


def _shares(vectors: csr_array) -> np.ndarray:
    """Of each term, the share of rows that have it; shape (terms,)."""
    return np.bincount(vectors.indices, minlength=vectors.shape[1]) / max(1, vectors.shape[0])
