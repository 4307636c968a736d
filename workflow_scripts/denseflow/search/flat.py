"""Exact search with FAISS's flat inner product, block by block, with one ranking whatever the blocks and threads.

FAISS sums in float32 in an order that depends on the number of queries and threads, so that near-ties can swap. It
is therefore asked for somewhat more than is needed; these few are scored again in float64, rounded to float32 and
ordered by score, ties by document id, descending, which is trec_eval's order. Where a document that FAISS left out
could still belong above the cut, it is asked for more.
"""

import logging
from collections.abc import Iterator
from contextlib import nullcontext
from pathlib import Path
from typing import Any, NamedTuple

import faiss
import numpy as np

from denseflow.errors import DenseflowError
from denseflow.files import sha256
from denseflow.manifest import write_manifest
from denseflow.progress import progress
from denseflow.run_file import Run, strictly_decreasing, write_run
from denseflow.search.exact import SIMILARITIES, exact_scores, norms
from denseflow.search.vectors import Vectors, read_vectors, refuse_mismatch, refuse_not_finite

LOG = logging.getLogger("denseflow")

_BLOCK_BYTES = 256 * 2**20
_CELLS = 16 * 2**20
"""Candidates held at once, over all queries of a group: 12 bytes each."""
_MARGIN = 64
_MOST_TIES = 8192
"""Equal scores around the cut are resolved up to this many documents beyond the depth."""


class _Ranking(NamedTuple):
    rows: np.ndarray
    """Rows of the corpus, best first."""
    scores: np.ndarray
    """float32, in the same order."""


def search(
    queries_manifest: Path,
    corpus_manifest: Path,
    run: Path,
    *,
    depth: int,
    threads: int,
    similarity: str | None = None,
    block_bytes: int = _BLOCK_BYTES,
    tag: str = "denseflow",
) -> dict[str, Any]:
    """Rank the passages for every query; write ``run`` (TREC) and, last, its manifest ``<stem of run>.manifest.json``.

    Args:
        queries_manifest: queries.SPLIT.manifest.json, beside the vectors and ids.
        corpus_manifest: corpus.manifest.json, likewise.
        run: The run to write, such as test.top1000.trec.
        depth: Documents a query; all of them where the corpus has fewer.
        threads: Threads of FAISS; the ranking does not depend on it.
        similarity: "dot" (inner product) or "cosine" (of a zero vector: 0); None: what the encoder's contract says.
        block_bytes: Size of the blocks in which the corpus is searched; the ranking does not depend on it.
        tag: The run's name, its last column.

    Returns:
        The manifest.

    Raises:
        DenseflowError: A file is missing or altered, the dimensions differ, queries and corpus come from different
            models, a vector holds NaN, or an option is out of range.
    """
    queries, corpus = read_vectors(queries_manifest), read_vectors(corpus_manifest)
    refuse_mismatch(queries, corpus)
    similarity = similarity or corpus.manifest.get("similarity")
    if depth < 1 or similarity not in SIMILARITIES:
        raise DenseflowError(
            f"{corpus_manifest}: search with depth {depth!r} and similarity {similarity!r}, expected a depth from 1 on "
            f"and one of {SIMILARITIES}"
        )
    flat = _FlatSearch(corpus, cosine=similarity == "cosine", threads=threads, block_bytes=block_bytes)
    write_run(run, flat.listed(queries, depth), tag)
    warnings = _warnings(queries, flat)
    for warning in warnings:
        LOG.warning("%s", warning)
    return write_manifest(
        run.parent,
        "search",
        [run.name],
        packages=["faiss-cpu", "numpy"],
        name=f"{run.stem}.manifest.json",
        options={"depth": depth, "similarity": similarity},
        queries=len(queries.ids),
        documents=len(corpus.ids),
        dimensions=corpus.dimensions,
        inputs={"queries": sha256(queries_manifest), "corpus": sha256(corpus_manifest)},
        warnings=warnings,
    )


def rank_vectors(queries: Vectors, corpus: Vectors, *, depth: int, similarity: str, threads: int) -> Run:
    """The run that :func:`search` writes, of vectors in memory, without a word on its progress.

    Raises:
        DenseflowError: As :func:`search`.
    """
    refuse_mismatch(queries, corpus)
    flat = _FlatSearch(corpus, cosine=similarity == "cosine", threads=threads, quiet=True)
    return {
        query: dict(zip(documents, strictly_decreasing(scores).tolist(), strict=True))
        for query, documents, scores in flat.listed(queries, depth)
    }


def _warnings(queries: Vectors, flat: "_FlatSearch") -> list[str]:
    warnings = []
    zero = int((~queries.whole().any(axis=1)).sum())
    if zero or flat.zero_vectors:
        warnings.append(f"{zero} queries and {flat.zero_vectors} documents have a vector of zeros only")
    if flat.unresolved:
        warnings.append(
            f"{flat.unresolved} queries have more than {_MOST_TIES} documents of equal score at the cut, of which an "
            "arbitrary part is in the run; the model may have collapsed"
        )
    return warnings


class _FlatSearch:
    def __init__(
        self, corpus: Vectors, *, cosine: bool, threads: int, block_bytes: int = _BLOCK_BYTES, quiet: bool = False
    ) -> None:
        self.corpus = corpus
        self.cosine = cosine
        self.quiet = quiet
        faiss.omp_set_num_threads(threads)
        self.block_rows = max(1, block_bytes // (4 * corpus.dimensions))
        self.longest = 0.0
        self.zero_vectors = 0
        self.unresolved = 0
        by_id = sorted(range(len(corpus.ids)), key=corpus.ids.__getitem__, reverse=True)
        self.tie_order = np.empty(len(by_id), dtype=np.int64)
        self.tie_order[by_id] = np.arange(len(by_id))
        self._check()

    def _check(self) -> None:
        for start, block in self.corpus.blocks(self.block_rows):
            refuse_not_finite(self.corpus, block, start)
            lengths = norms(block)
            self.longest = max(self.longest, float(lengths.max()))
            self.zero_vectors += int((lengths == 0).sum())

    def listed(self, queries: Vectors, depth: int) -> Iterator[tuple[str, list[str], list[float]]]:
        """Yield each query's id with its documents' ids, best first, and their scores."""
        vectors = queries.whole()
        refuse_not_finite(queries, vectors, 0)
        for query, ranking in zip(queries.ids, self.rank(vectors, depth), strict=True):
            yield query, [self.corpus.ids[row] for row in ranking.rows], ranking.scores.tolist()

    def rank(self, queries: np.ndarray, depth: int) -> list[_Ranking]:
        """The ``depth`` best documents for each row of ``queries``, best first."""
        if not self.cosine and self.longest * norms(queries).max(initial=0.0) > np.finfo(np.float32).max:
            raise DenseflowError(f"{self.corpus.path}: inner products may be beyond float32; normalise the vectors")
        documents = len(self.corpus)
        rankings: list[_Ranking | None] = [None] * len(queries)
        pending = np.arange(len(queries))
        count = min(documents, depth + _MARGIN)
        most = min(documents, depth + _MOST_TIES)
        while len(pending):
            undecided = []
            for group in _groups(pending, max(1, _CELLS // count)):
                scores, rows = self._candidates(queries[group], count)
                for query, lowest, found in zip(group, scores[:, -1], rows, strict=True):
                    ranking = self._exact(queries[query], found, depth)
                    certain = count == documents or ranking.scores[-1] > lowest + self._slack(queries[query])
                    if certain or count == most:
                        rankings[query] = ranking
                        self.unresolved += not certain
                    else:
                        undecided.append(query)
            pending = np.asarray(undecided, dtype=np.int64)
            count = min(most, 4 * count)
        return [ranking for ranking in rankings if ranking is not None]

    def _candidates(self, queries: np.ndarray, count: int) -> tuple[np.ndarray, np.ndarray]:
        """FAISS's scores (float32) and rows, each of shape (queries, count), best first."""
        wanted = self._prepared(queries)
        best = np.empty((len(queries), 0), dtype=np.float32)
        best_rows = np.empty((len(queries), 0), dtype=np.int64)
        shown = progress(f"passages searched for {len(queries)} queries", len(self.corpus))
        with nullcontext(lambda count: None) if self.quiet else shown as advance:
            for start, block in self.corpus.blocks(self.block_rows):
                index = faiss.IndexFlatIP(block.shape[1])
                index.add(self._prepared(block))
                scores, rows = index.search(wanted, min(count, len(block)))
                scores, rows = np.hstack([best, scores]), np.hstack([best_rows, rows + start])
                order = np.argsort(-scores, axis=1, kind="stable")[:, :count]
                best, best_rows = np.take_along_axis(scores, order, 1), np.take_along_axis(rows, order, 1)
                advance(len(block))
        return best, best_rows

    def _exact(self, query: np.ndarray, rows: np.ndarray, depth: int) -> _Ranking:
        rows = np.sort(rows)
        scores = exact_scores(query, self.corpus.take(rows), cosine=self.cosine)
        order = np.lexsort((self.tie_order[rows], -scores))[:depth]
        return _Ranking(rows[order], scores[order])

    def _slack(self, query: np.ndarray) -> float:
        """What FAISS's float32 sums may be off by: about u sqrt(n) |q| |d| (Higham and Mary, 2019), eight times."""
        lengths = 1.0 if self.cosine else float(norms(query[np.newaxis])[0]) * self.longest
        return 8 * 2.0**-24 * len(query) ** 0.5 * lengths

    def _prepared(self, vectors: np.ndarray) -> np.ndarray:
        vectors = np.ascontiguousarray(vectors)
        if not self.cosine:
            return vectors
        lengths = norms(vectors)[:, np.newaxis]
        return np.divide(vectors, lengths, out=np.zeros_like(vectors), where=lengths > 0, casting="same_kind")


def _groups(indices: np.ndarray, size: int) -> Iterator[np.ndarray]:
    for start in range(0, len(indices), size):
        yield indices[start : start + size]
