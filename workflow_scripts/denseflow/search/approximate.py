"""The search stage with a FAISS index: some passages are passed over, and what that costs is measured."""

import logging
import time
from collections.abc import Iterator
from pathlib import Path
from typing import Any

import faiss
import numpy as np

from denseflow.errors import DenseflowError
from denseflow.files import sha256
from denseflow.manifest import read_manifest, write_manifest
from denseflow.progress import progress
from denseflow.run_file import RunFile, write_run
from denseflow.search.comparable import comparable
from denseflow.search.flat import open_pair, refuse_depth
from denseflow.search.gpus import beyond_gpus, on_gpus
from denseflow.search.index import FILE
from denseflow.search.parallel import in_order, single_blas
from denseflow.search.ranking import Ranking, ranked, score_exactly
from denseflow.search.recall import Recall
from denseflow.search.speed import read_speed, write_speed
from denseflow.search.vectors import Vectors

LOG = logging.getLogger("denseflow")

_PARAMETERS: Any = faiss  # whose types know less of them than the package has
_GROUP = 8192
_PIECE = 64
"""Queries that one thread searches at once."""
_MARGIN = 64
"""Asked for beyond the depth, so that ties at the cut are ordered as in an exact search."""


def search_index(
    queries_manifest: Path,
    corpus_manifest: Path,
    index_manifest: Path,
    exact_manifest: Path,
    run: Path,
    *,
    depth: int,
    options: dict[str, Any],
    threads: int,
    gpus: int = 0,
    tag: str = "denseflow",
) -> dict[str, Any]:
    """Rank by an index; write ``run`` (TREC) and, last, its manifest ``<stem of run>.manifest.json``.

    The manifest has the index's bytes and the recall against exact search: the share of its first 10, 100 and
    ``depth`` documents that are among the first of this run. How quick it was goes to ``<stem of run>.speed.json``,
    which no manifest lists.

    Args:
        queries_manifest: queries.SPLIT.manifest.json, beside the vectors and ids.
        corpus_manifest: corpus.manifest.json, likewise.
        index_manifest: Of :func:`denseflow.search.index.build_index`.
        exact_manifest: NAME.manifest.json beside the exact run NAME.trec of the same dimensions.
        run: The run to write, such as test.top1000.trec.
        depth: Documents a query.
        options: ``ef_search`` or ``nprobe``, and ``rescore``, as in the configuration.
        threads: The ranking does not depend on it.
        gpus: How many hold the index; 0: the CPU, which also takes what no GPU can do, and says so.
        tag: The run's name, its last column.

    Returns:
        The manifest.

    Raises:
        DenseflowError: A file is missing or altered, or the index is of other vectors.
    """
    facts = read_manifest(index_manifest)
    read_manifest(exact_manifest)
    queries, corpus = open_pair(queries_manifest, corpus_manifest, facts["options"].get("dimensions"))
    refuse_depth(corpus, depth)
    if facts["inputs"]["corpus"] != sha256(corpus_manifest):
        raise DenseflowError(f"{index_manifest}: the index is of other vectors than {corpus_manifest}; build it again")
    if gpus and (reason := beyond_gpus({**facts["options"], **options}, _asked(len(corpus), depth, options))):
        LOG.warning("%s: %s; searching on the CPU", run, reason)
        gpus = 0
    file = index_manifest.with_name(FILE)
    index = faiss.read_index(str(file), 0 if gpus else faiss.IO_FLAG_MMAP_IFC)
    search = _IndexSearch(index, corpus, facts, options, threads, gpus)
    exact = exact_manifest.with_name(exact_manifest.name.replace(".manifest.json", ".trec"))
    recall = Recall(RunFile(exact), (10, 100, depth))

    def rankings() -> Iterator[tuple[str, list[str], list[float]]]:
        for query, found in search.rankings(queries, depth):
            names = corpus.names(found.rows)
            recall.add(query, names)
            yield query, names, found.scores.tolist()

    write_run(run, rankings(), tag)
    warnings = search.warnings(depth)
    for warning in warnings:
        LOG.warning("%s", warning)
    write_speed(run, len(queries), search.seconds, exact_queries_per_second=read_speed(exact))
    return write_manifest(
        run.parent,
        "search",
        [run.name],
        packages=["faiss-cpu", "numpy"],
        name=f"{run.stem}.manifest.json",
        options={**facts["options"], **options, "depth": depth},
        similarity=facts["similarity"],
        queries=len(queries),
        documents=len(corpus),
        dimensions=corpus.dimensions,
        recall=recall.means(),
        index_bytes=file.stat().st_size,
        inputs={
            name: sha256(manifest)
            for name, manifest in (
                ("queries", queries_manifest),
                ("corpus", corpus_manifest),
                ("index", index_manifest),
                ("exact", exact_manifest),
            )
        },
        warnings=warnings,
    )


def _asked(documents: int, depth: int, options: dict[str, Any]) -> int:
    """How many results a query the index is asked for."""
    return min(documents, max(depth + _MARGIN, options.get("rescore") or 0))


class _IndexSearch:
    def __init__(
        self, index: Any, corpus: Vectors, facts: dict[str, Any], options: dict[str, Any], threads: int, gpus: int
    ) -> None:
        self._corpus, self._options, self._threads, self._gpus = corpus, options, threads, gpus
        self._cosine = facts["similarity"] == "cosine"
        self._kind = facts["options"]["type"]
        self._centroids: np.ndarray | None = None
        if self._kind in ("ivf", "ivf_pq"):
            self._centroids = index.quantizer.reconstruct_n(0, index.nlist)
            index.nprobe = self._nprobe = min(options["nprobe"], index.nlist)
        self._index: Any = on_gpus(index, gpus) if gpus else index
        self.seconds = 0.0
        self._short = 0

    def rankings(self, queries: Vectors, depth: int) -> Iterator[tuple[str, Ranking]]:
        """Yield each query's id with its documents."""
        with progress("queries searched", len(queries)) as advance:
            for start in range(0, len(queries), _GROUP):
                begun = time.perf_counter()
                stop = min(start + _GROUP, len(queries))
                vectors = comparable(queries, start, stop, cosine=self._cosine).vectors
                with single_blas():
                    found = self._ranked(vectors, depth)
                self.seconds += time.perf_counter() - begun
                advance(stop - start)
                yield from zip(queries.ids[start:stop], found, strict=True)

    def warnings(self, depth: int) -> list[str]:
        """What the user should know of the search so far."""
        if not self._short:
            return []
        return [
            f"{self._short} queries have fewer than {depth} documents, because the lists that were read hold no more; "
            "raise the system's `index.nprobe`"
        ]

    def _ranked(self, queries: np.ndarray, depth: int) -> list[Ranking]:
        documents = len(self._corpus)
        rescored = min(documents, self._options.get("rescore") or 0)
        count = _asked(documents, depth, self._options)
        found = self._found(queries, count)
        self._short += sum(len(rows) < min(depth, documents) for rows, _ in found)
        best = [ranked(rows, scores, self._corpus.ids, count) for rows, scores in found]
        if not rescored:
            return [Ranking(of.rows[:depth], of.scores[:depth]) for of in best]
        first = [of.rows[:rescored] for of in best]
        exact = score_exactly(queries, first, self._corpus, cosine=self._cosine, threads=self._threads)
        anew = [ranked(*pair, self._corpus.ids, depth) for pair in zip(first, exact, strict=True)]
        return [
            Ranking(
                np.concatenate([head.rows, tail.rows[rescored:]])[:depth],
                np.concatenate([head.scores, tail.scores[rescored:]])[:depth],
            )
            for head, tail in zip(anew, best, strict=True)
        ]

    def _found(self, queries: np.ndarray, count: int) -> list[tuple[np.ndarray, np.ndarray]]:
        """Each query's rows and scores, as many as the index gives, at most ``count``."""
        if self._gpus:
            pieces = [self._search(queries, count)]
        else:

            def search(start: int) -> tuple[np.ndarray, np.ndarray]:
                faiss.omp_set_num_threads(1)  # which holds for this thread alone
                return self._search(queries[start : start + _PIECE], count)

            pieces = list(in_order(search, range(0, len(queries), _PIECE), self._threads))
        return [
            (rows[rows >= 0], scores[rows >= 0])
            for all_scores, all_rows in pieces
            for scores, rows in zip(all_scores, all_rows, strict=True)
        ]

    def _search(self, queries: np.ndarray, count: int) -> tuple[np.ndarray, np.ndarray]:
        if self._kind == "hnsw":
            effort = max(self._options["ef_search"], count)
            return self._index.search(queries, count, params=_PARAMETERS.SearchParametersHNSW(efSearch=effort))
        if self._centroids is None:
            return self._index.search(queries, count)
        if self._gpus:
            return self._index.search(queries, count)
        products = queries @ self._centroids.T  # by numpy, as passages are assigned to lists
        lists = np.argsort(-products, axis=1, kind="stable")[:, : self._nprobe]
        nearness = np.take_along_axis(products, lists, axis=1)
        return self._index.search_preassigned(queries, count, lists, nearness)
