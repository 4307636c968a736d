"""FAISS indexes of a corpus's vectors: trained on a bounded sample, filled block by block, written whole or not at all.

The same vectors and options give the same bits, however many threads there are: samples are drawn with a fixed seed,
pieces have a fixed size, each is worked on by one thread, and HNSW, whose graph depends on the order in which vectors
come in, is built by one thread.
"""

import logging
from collections.abc import Callable
from pathlib import Path
from typing import Any

import faiss
import numpy as np

from denseflow.errors import DenseflowError
from denseflow.files import atomic_path, sha256
from denseflow.manifest import write_manifest
from denseflow.progress import progress
from denseflow.search.clusters import SEED, assign, spherical_kmeans
from denseflow.search.comparable import comparable
from denseflow.search.flat import checked_similarity
from denseflow.search.parallel import in_order, single_blas
from denseflow.search.vectors import Vectors, read_vectors

LOG = logging.getLogger("denseflow")

FILE = "index.faiss"
ROWS = 2**16
"""Passages added at once; for an HNSW graph it is part of what the bits depend on."""
_SAMPLE_PER_LIST = 40
_SAMPLE_PER_CODE = 256
_SAMPLE_OF_RANGE = 2**16
INNER_PRODUCT = faiss.METRIC_INNER_PRODUCT


def build_index(corpus_manifest: Path, folder: Path, options: dict[str, Any], threads: int) -> dict[str, Any]:
    """Write ``folder``/index.faiss and, last, manifest.json.

    Args:
        corpus_manifest: corpus.manifest.json of the encode stage.
        folder: Where the files go.
        options: ``type`` and what an index of this type is built with, as in the configuration; ``dimensions`` where
            vectors are cut.
        threads: The index does not depend on it.

    Returns:
        The manifest.

    Raises:
        DenseflowError: A shard is missing or altered, a vector is not finite, there are too few passages, or the
            dimensions cannot be cut into so many parts.
    """
    dimensions = options.get("dimensions")
    corpus = read_vectors(corpus_manifest)
    corpus = corpus if dimensions is None else corpus.cut(dimensions)
    if not len(corpus):
        raise DenseflowError(f"{corpus.path}: no vectors; the corpus is empty. Check the dataset")
    similarity = checked_similarity(corpus, None, dimensions)
    faiss.omp_set_num_threads(1)
    index, facts = _BUILDERS[options["type"]](_Source(corpus, similarity == "cosine", threads), options)
    with atomic_path(folder / FILE) as temporary:
        faiss.write_index(index, str(temporary))
    return write_manifest(
        folder,
        "search",
        [FILE],
        packages=["faiss-cpu", "numpy"],
        options=options,
        similarity=similarity,
        documents=len(corpus),
        dimensions=corpus.dimensions,
        inputs={"corpus": sha256(corpus_manifest)},
        **facts,
    )


class _Source:
    """The passages' vectors, as they are put into an index."""

    def __init__(self, corpus: Vectors, cosine: bool, threads: int) -> None:
        self.corpus, self.cosine, self.threads = corpus, cosine, threads
        self.dimensions, self.count = corpus.dimensions, len(corpus)

    def sample(self, count: int) -> np.ndarray:
        """So many vectors, or all, drawn with the seed, in the order of the corpus."""
        rows = np.random.default_rng(SEED).choice(self.count, min(count, self.count), replace=False)
        vectors = self.corpus.take(np.sort(rows))
        whole = Vectors.in_memory(self.corpus.path, vectors, [self.corpus.ids[int(row)] for row in np.sort(rows)])
        return comparable(whole, 0, len(whole), cosine=self.cosine).vectors

    def fill(self, put: Callable[[np.ndarray], Any], take: Callable[[Any], None], threads: int) -> None:
        """Give each block to ``put``, several at once in as many threads, and what it made to ``take``, in order."""

        def made(start: int) -> tuple[int, Any]:
            faiss.omp_set_num_threads(1)  # which holds for this thread alone
            stop = min(start + ROWS, self.count)
            block = comparable(self.corpus, start, stop, cosine=self.cosine).vectors
            return len(block), put(block)

        with progress("passages put into the index", self.count) as advance, single_blas():
            for rows, part in in_order(made, range(0, self.count, ROWS), threads):
                take(part)
                advance(rows)


def _flat(source: _Source, options: dict[str, Any]) -> tuple[faiss.Index, dict[str, Any]]:
    index = faiss.IndexFlatIP(source.dimensions)
    source.fill(lambda block: block, index.add, threads=1)
    return index, {}


def _hnsw(source: _Source, options: dict[str, Any]) -> tuple[faiss.Index, dict[str, Any]]:
    index = faiss.IndexHNSWFlat(source.dimensions, options["m"], INNER_PRODUCT)
    index.hnsw.efConstruction = options["ef_construction"]
    source.fill(lambda block: block, index.add, threads=1)
    return index, {}


def _sq(source: _Source, options: dict[str, Any]) -> tuple[faiss.Index, dict[str, Any]]:
    kind = getattr(faiss.ScalarQuantizer, f"QT_{options['kind']}")
    index = faiss.IndexScalarQuantizer(source.dimensions, kind, INNER_PRODUCT)
    sample = source.sample(_SAMPLE_OF_RANGE)
    index.train(sample)
    source.fill(lambda block: block, index.add, threads=1)
    return index, {"trained_on": len(sample)}


def _ivf(source: _Source, options: dict[str, Any]) -> tuple[faiss.Index, dict[str, Any]]:
    def make(coarse: faiss.Index, nlist: int) -> faiss.IndexIVF:
        return faiss.IndexIVFFlat(coarse, coarse.d, nlist, INNER_PRODUCT)

    return _lists(source, options, make)


def _ivf_pq(source: _Source, options: dict[str, Any]) -> tuple[faiss.Index, dict[str, Any]]:
    parts, bits = options["m"], options["bits"]
    if source.dimensions % parts:
        divisors = [number for number in range(1, source.dimensions + 1) if source.dimensions % number == 0]
        raise DenseflowError(
            f"{source.corpus.path}: vectors of {source.dimensions} dimensions cannot be cut into `m: {parts}` equal "
            f"parts; set `index.m` to one of {divisors}"
        )
    if source.count < 2**bits:
        raise DenseflowError(
            f"{source.corpus.path}: {source.count} passages are too few to train {2**bits} codes of `bits: {bits}`; "
            "lower `index.bits`, or search this collection without an index"
        )

    def make(coarse: faiss.Index, nlist: int) -> faiss.IndexIVF:
        return faiss.IndexIVFPQ(coarse, coarse.d, nlist, parts, bits, INNER_PRODUCT)

    return _lists(source, options, make, least=_SAMPLE_PER_CODE * 2**bits)


def _lists(
    source: _Source,
    options: dict[str, Any],
    make: Callable[[faiss.Index, int], faiss.IndexIVF],
    least: int = 0,
) -> tuple[faiss.Index, dict[str, Any]]:
    nlist = options.get("nlist") or min(source.count, round(4 * source.count**0.5))
    if nlist > source.count:
        raise DenseflowError(
            f"{source.corpus.path}: `nlist: {nlist}` lists for {source.count} passages; lower `index.nlist`, or leave "
            "it out"
        )
    sample = source.sample(max(_SAMPLE_PER_LIST * nlist, least))
    LOG.info("training %d lists on %d of %d passages", nlist, len(sample), source.count)
    centroids = spherical_kmeans(sample, nlist, source.threads)
    coarse = faiss.IndexFlatIP(source.dimensions)
    coarse.add(centroids)
    empty = make(coarse, nlist)
    empty.train(sample)

    def put(block: np.ndarray) -> Any:
        lists, _ = assign(block, centroids)
        part: Any = faiss.clone_index(empty)
        rows = np.arange(len(block), dtype=np.int64)
        part.add_core(len(block), *(faiss.swig_ptr(array) for array in (block, rows, lists)))
        return part

    index: Any = faiss.clone_index(empty)
    source.fill(put, lambda part: index.merge_from(part, index.ntotal), source.threads)
    return index, {"nlist": nlist, "trained_on": len(sample)}


_BUILDERS: dict[str, Callable[[_Source, dict[str, Any]], tuple[faiss.Index, dict[str, Any]]]] = {
    "flat": _flat,
    "hnsw": _hnsw,
    "ivf": _ivf,
    "ivf_pq": _ivf_pq,
    "sq": _sq,
}
