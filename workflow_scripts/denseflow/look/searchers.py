"""How each kind of system ranks one query that is typed in: by the code of its stage, on what its stage left behind.

Models, indexes and vectors are opened once, and closed never: one process looks at one experiment.
"""

import json
from collections.abc import Callable
from functools import cached_property
from pathlib import Path
from typing import Any

import numpy as np

from denseflow.bm25.analyzers import cut
from denseflow.collection import Document
from denseflow.config.experiment import Bm25, System
from denseflow.contract import passage_text
from denseflow.device import set_threads
from denseflow.encode.batches import encode_texts
from denseflow.encode.sparse import encode_sparse_texts
from denseflow.encoder import load_encoder
from denseflow.errors import DenseflowError
from denseflow.files import sha256
from denseflow.look.place import Place
from denseflow.manifest import read_manifest
from denseflow.precision import usable_precision
from denseflow.run_file import strictly_decreasing
from denseflow.search.cross_encoder import load_cross_encoder, read_pair_contract, score_pairs
from denseflow.search.flat import checked_similarity
from denseflow.search.fusion import fuse_rankings
from denseflow.search.nearest import NearestPassages
from denseflow.search.rerank import reorder
from denseflow.search.sparse import SparseSearch
from denseflow.search.sparse_vectors import InMemory, SparseVectors, read_sparse_vectors
from denseflow.search.vectors import Vectors, read_vectors
from denseflow.workflow.fusions import Fused

MEMORY_MB = 1024
"""Java's largest heap."""

Ranking = dict[str, float]
"""Scores by document id, best first."""

Search = Callable[[str], tuple[list[str], list[float]]]
"""From a text to documents, best first, and their scores."""

Texts = Callable[[list[str]], dict[str, Document]]
"""Finds documents by their ids."""


class Searchers:
    """All systems of an experiment on one of its splits.

    Attributes:
        texts: Finds documents by their ids.
    """

    def __init__(self, place: Place, texts: Texts, threads: int) -> None:
        """Args:
        place: The experiment's split.
        texts: Finds the documents that a cross-encoder reads.
        threads: Of search and models; no ranking depends on it.
        """
        self.texts = texts
        self._place, self._threads = place, threads
        set_threads(threads)
        self._opened: dict[str, Search] = {}

    def ranking(self, system: str, query: str) -> Ranking:
        """A system's ranking of the collection for a text, as deep as the experiment's runs are.

        Raises:
            DenseflowError: What the system needs was not made yet, or was altered.
        """
        if system not in self._opened:
            self._opened[system] = self._open(system, self._place.config.systems[system])
        documents, scores = self._opened[system](query)
        return dict(zip(documents, strictly_decreasing(scores).tolist(), strict=True))

    def _open(self, name: str, system: System) -> Search:
        place, depth = self._place, self._place.config.depth
        if system.bm25 is not None:
            return _Bm25(place, system.bm25, self._threads).search
        if system.model is not None:
            sparse = place.graph.registry.models[system.model].kind == "sparse_encoder"
            return (_Sparse if sparse else _Dense)(place, name, system, self._threads).search
        if system.rerank is not None:
            return _Reranking(place, name, self).search
        assert system.fusion is not None
        fusion, weights = system.fusion, _weights(place, name)

        def fused(query: str) -> tuple[list[str], list[float]]:
            rankings = [self.ranking(other, query) for other in fusion.systems]
            return fuse_rankings(rankings, method=fusion.method, k=fusion.k, weights=weights, depth=depth)

        return fused


class _Bm25:
    def __init__(self, place: Place, options: Bm25, threads: int) -> None:
        analyzer = options.analyzer or place.graph.registry.datasets[place.on.dataset].language
        self._analyzer, self._options, self._threads, self._depth = analyzer, options, threads, place.config.depth
        self._manifest = place.require(place.graph.results / f"bm25/{place.on.dataset}/index-{analyzer}/manifest.json")

    @cached_property
    def _searcher(self) -> Any:
        from denseflow.bm25.java import start
        from denseflow.bm25.search import open_searcher

        read_manifest(self._manifest)
        start(memory_mb=MEMORY_MB, threads=self._threads)
        return open_searcher(self._manifest.parent, self._analyzer, self._options.k1, self._options.b)

    def search(self, query: str) -> tuple[list[str], list[float]]:
        hits = self._searcher.search(cut(query, self._analyzer), self._depth)
        return [hit.docid for hit in hits], [hit.score for hit in hits]


class _Encoder:
    """A model and what it made of the passages."""

    def __init__(self, place: Place, name: str, system: System, threads: int) -> None:
        model, variant = str(system.model), place.variant(name)
        self._system, self._depth, self._threads = system, place.config.depth, threads
        self._model_manifest = place.require(place.graph.model(model, variant))
        self._encoded = place.require(place.graph.encoded(place.on.dataset, model, variant, place.on.split).corpus)
        if read_manifest(self._encoded, check=False)["inputs"]["model"] != sha256(self._model_manifest):
            raise DenseflowError(
                f"{self._encoded}: these vectors are of other weights than those of {self._model_manifest}; run the "
                "workflow to make them again"
            )
        self._precision = usable_precision(
            place.graph.registry.models[model].encode.precision, "cpu", "encode.precision"
        )

    @cached_property
    def _model(self) -> Any:
        read_manifest(self._model_manifest)
        return load_encoder(self._model_manifest.parent / "model", device="cpu")


class _Sparse(_Encoder):
    """A sparse encoder, whose terms are searched."""

    @cached_property
    def _corpus(self) -> SparseVectors:
        return read_sparse_vectors(self._encoded)

    def search(self, query: str) -> tuple[list[str], list[float]]:
        vector = encode_sparse_texts(self._model, [query], "query", precision=self._precision)
        search = SparseSearch(self._corpus, threads=self._threads, quiet=True)
        ((_, found),) = search.rankings(InMemory(Path("the query"), vector, ["query"]), self._depth)
        return self._corpus.names(found.rows), found.scores.tolist()


class _Dense(_Encoder):
    """A dense encoder, whose vectors are searched exactly whatever index the system has."""

    def __init__(self, place: Place, name: str, system: System, threads: int) -> None:
        super().__init__(place, name, system, threads)
        corpus = read_vectors(self._encoded)
        self._corpus = corpus if system.dimensions is None else corpus.cut(system.dimensions)
        self._cosine = checked_similarity(corpus, None, system.dimensions) == "cosine"

    def search(self, query: str) -> tuple[list[str], list[float]]:
        vector = encode_texts(self._model, [query], "query", precision=self._precision)
        queries = Vectors.in_memory(Path("the query"), vector, ["query"]).cut(self._corpus.dimensions)
        nearest = NearestPassages(self._corpus, cosine=self._cosine, threads=self._threads, quiet=True)
        ((_, found),) = nearest.rankings(queries, self._depth)
        return self._corpus.names(found.rows), found.scores.tolist()


class _Reranking:
    def __init__(self, place: Place, name: str, searchers: Searchers) -> None:
        rerank = place.config.systems[name].rerank
        assert rerank is not None
        self._rerank, self._searchers = rerank, searchers
        self._manifest = place.require(place.graph.model(rerank.model, place.variant(name)))

    @cached_property
    def _model(self) -> Any:
        read_manifest(self._manifest)
        return load_cross_encoder(self._manifest.parent / "model", device="cpu")

    def search(self, query: str) -> tuple[list[str], list[float]]:
        documents = list(self._searchers.ranking(self._rerank.system, query))
        first = documents[: self._rerank.depth]
        texts, contract = self._searchers.texts(first), read_pair_contract(self._model)
        scores = score_pairs(self._model, [(query, passage_text(texts[one], contract)) for one in first])
        return reorder(documents, np.asarray(scores))


def _weights(place: Place, name: str) -> list[float]:
    """The weights of a fusion: those of the configuration, or those that were chosen on dev."""
    fusion = place.config.systems[name].fusion
    assert fusion is not None
    if fusion.tune is None:
        return fusion.weights or [1.0] * len(fusion.systems)
    fused = Fused(place.graph, place.experiment, name, place.variant(name))
    manifest = place.require(fused.run_inputs(place.on.dataset, place.on.split)["weights"][0])
    read_manifest(manifest)
    chosen = manifest.with_name(manifest.name.replace(".manifest.json", ".json"))
    return json.loads(chosen.read_text(encoding="utf-8"))["weights"]
