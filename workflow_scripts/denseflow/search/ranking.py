"""A query's candidates in the order in which they are written: by score, ties by document id, descending."""

from collections.abc import Sequence
from typing import NamedTuple

import numpy as np

from denseflow.search.exact import exact_scores
from denseflow.search.parallel import in_order
from denseflow.search.vectors import Vectors

_PAIRS = 4096
"""Pairs of a query and a passage that a thread takes at once."""
_IN_CACHE = 256
"""Of these, how many are computed at once: their float64 products stay in a core's cache."""


class Ranking(NamedTuple):
    """One query's documents, best first."""

    rows: np.ndarray
    """Rows of the corpus."""
    scores: np.ndarray
    """float32, in the same order."""


def ranked(rows: np.ndarray, scores: np.ndarray, ids: Sequence[str], depth: int) -> Ranking:
    """The best ``depth`` of some documents.

    Ties come in trec_eval's order, by id, descending; only the ids of documents that are tied are looked at.

    Args:
        rows: Rows of the corpus, in any order, each once.
        scores: Theirs.
        ids: Of the whole corpus.
        depth: How many to keep.
    """
    order = np.argsort(-scores, kind="stable")
    falling = scores[order]
    edges = np.flatnonzero(np.concatenate([[True], falling[1:] != falling[:-1], [True]]))
    for start in np.flatnonzero(np.diff(edges) > 1):
        begin, end = edges[start], edges[start + 1]
        if begin < depth:
            order[begin:end] = sorted(order[begin:end], key=lambda place: ids[int(rows[place])], reverse=True)
    order = order[:depth]
    return Ranking(rows[order], scores[order])


def score_exactly(
    queries: np.ndarray, candidates: Sequence[np.ndarray], corpus: Vectors, *, cosine: bool, threads: int
) -> list[np.ndarray]:
    """The exact scores of each query's candidates, all read in the order in which they stand in the files.

    Args:
        queries: float32, shape (queries, dimensions).
        candidates: A query's rows of the corpus, for each query.
        corpus: The passages' vectors.
        cosine: As :func:`denseflow.search.exact.exact_scores` takes it.
        threads: How many to use, within :func:`denseflow.search.parallel.single_blas`.

    Returns:
        Arrays of float32, as long as those of the candidates.
    """
    counts = [len(rows) for rows in candidates]
    rows = np.concatenate([np.empty(0, np.int64), *candidates])
    of = np.repeat(np.arange(len(queries)), counts)
    order = np.argsort(rows, kind="stable")
    scores = np.empty(len(rows), np.float32)

    def score(start: int) -> None:
        some = order[start : start + _PAIRS]
        passages = corpus.take(rows[some])
        for first in range(0, len(some), _IN_CACHE):
            few = slice(first, first + _IN_CACHE)
            scores[some[few]] = exact_scores(queries[of[some[few]]], passages[few], cosine=cosine)

    for _ in in_order(score, range(0, len(rows), _PAIRS), threads):
        pass
    return np.split(scores, np.cumsum(counts)[:-1]) if counts else []
