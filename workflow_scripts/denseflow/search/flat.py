"""The search stage without an index: every query is compared with every passage."""

import logging
from pathlib import Path
from typing import Any

from denseflow.errors import DenseflowError
from denseflow.files import sha256
from denseflow.manifest import write_manifest
from denseflow.run_file import Run, strictly_decreasing, write_run
from denseflow.search.exact import SIMILARITIES
from denseflow.search.nearest import BLOCK_ROWS, BlockSearch, NearestPassages
from denseflow.search.speed import write_speed
from denseflow.search.vectors import Vectors, read_vectors, refuse_mismatch

LOG = logging.getLogger("denseflow")


def search(
    queries_manifest: Path,
    corpus_manifest: Path,
    run: Path,
    *,
    depth: int,
    threads: int,
    similarity: str | None = None,
    dimensions: int | None = None,
    block_rows: int = BLOCK_ROWS,
    block_search: BlockSearch | None = None,
    tag: str = "denseflow",
) -> dict[str, Any]:
    """Rank the passages for every query; write ``run`` (TREC) and, last, its manifest ``<stem of run>.manifest.json``.

    How quick it was goes to ``<stem of run>.speed.json``, which no manifest lists.

    Args:
        queries_manifest: queries.SPLIT.manifest.json, beside the vectors and ids.
        corpus_manifest: corpus.manifest.json, likewise.
        run: The run to write, such as test.top1000.trec.
        depth: Documents a query; all of them where the corpus has fewer.
        threads: The ranking does not depend on it.
        similarity: "dot" (inner product) or "cosine" (of a zero vector: 0); None: what the encoder's contract says.
        dimensions: How many first dimensions to look at, scaled to length 1 again where the contract says that
            vectors have this length (Matryoshka); None: all.
        block_rows: Passages compared in one piece; the ranking does not depend on it.
        block_search: What compares a piece instead of numpy, such as FAISS on GPUs; nor does it depend on this.
        tag: The run's name, its last column.

    Returns:
        The manifest.

    Raises:
        DenseflowError: A file is missing or altered, the dimensions differ or are fewer, queries and corpus come from
            different models, a vector holds NaN, or an option is out of range.
    """
    queries, corpus = open_pair(queries_manifest, corpus_manifest, dimensions)
    refuse_depth(corpus, depth)
    similarity = checked_similarity(corpus, similarity, dimensions)
    nearest = NearestPassages(
        corpus, cosine=similarity == "cosine", threads=threads, block_rows=block_rows, block_search=block_search
    )
    found = nearest.rankings(queries, depth)
    write_run(run, ((query, corpus.names(of.rows), of.scores.tolist()) for query, of in found), tag)
    warnings = nearest.warnings()
    for warning in warnings:
        LOG.warning("%s", warning)
    write_speed(run, len(queries), nearest.seconds)
    return write_manifest(
        run.parent,
        "search",
        [run.name],
        packages=["numpy"],
        name=f"{run.stem}.manifest.json",
        options={"depth": depth, "similarity": similarity},
        queries=len(queries),
        documents=len(corpus),
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
    nearest = NearestPassages(corpus, cosine=similarity == "cosine", threads=threads, quiet=True)
    return {
        query: dict(zip(corpus.names(found.rows), strictly_decreasing(found.scores.tolist()).tolist(), strict=True))
        for query, found in nearest.rankings(queries, depth)
    }


def open_pair(queries_manifest: Path, corpus_manifest: Path, dimensions: int | None) -> tuple[Vectors, Vectors]:
    """The vectors of queries and passages that belong together, cut where ``dimensions`` says so.

    Raises:
        DenseflowError: A file is missing or altered, they do not belong together, or have fewer dimensions.
    """
    queries, corpus = read_vectors(queries_manifest), read_vectors(corpus_manifest)
    refuse_mismatch(queries, corpus)
    if dimensions is None:
        return queries, corpus
    return queries.cut(dimensions), corpus.cut(dimensions)


def refuse_depth(corpus: Vectors, depth: int) -> None:
    """Refuse a run without documents.

    Raises:
        DenseflowError: The depth is below 1.
    """
    if depth < 1:
        raise DenseflowError(f"{corpus.path}: search with depth {depth!r}, expected a depth from 1 on")


def checked_similarity(corpus: Vectors, similarity: str | None, dimensions: int | None) -> str:
    """How vectors are compared: as given, or as the encoder's contract says.

    Vectors of length 1 that are cut have this length no more; they get it again, which is what the cosine does.

    Raises:
        DenseflowError: There is no such similarity.
    """
    similarity = similarity or corpus.manifest.get("similarity")
    if similarity not in SIMILARITIES:
        raise DenseflowError(f"{corpus.path}: similarity {similarity!r}, expected one of {SIMILARITIES}")
    normalised = corpus.manifest.get("contract", {}).get("normalize", False)
    return "cosine" if dimensions is not None and normalised else similarity
