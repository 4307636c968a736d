"""Retrieval in memory: a model is scored on a collection's split by the code of encode, search and evaluate."""

import math
from collections.abc import Sequence
from itertools import count
from pathlib import Path

import numpy as np
from scipy.sparse import csr_array
from sentence_transformers import SentenceTransformer

from denseflow.collection import Document, Qrels, read_corpus, read_qrels, read_queries
from denseflow.contract import passage_text, read_contract
from denseflow.encode.batches import encode_texts
from denseflow.encode.sparse import encode_sparse_texts
from denseflow.errors import DenseflowError
from denseflow.evaluate.answers import Answers
from denseflow.evaluate.measures import evaluate
from denseflow.evaluate.names import looks_for_answers, parse_measure
from denseflow.manifest import read_manifest
from denseflow.progress import Advance
from denseflow.run_file import Run
from denseflow.search.flat import rank_vectors
from denseflow.search.sparse import rank_sparse
from denseflow.search.sparse_vectors import InMemory
from denseflow.search.vectors import Vectors
from denseflow.splade import is_sparse

WHOLE_RANKING = 1000
"""How deep a measure without a cutoff looks, such as AP."""


class Retrieval:
    """The judged queries of a split and the passages to search, to score one model after another on."""

    def __init__(
        self,
        dataset_manifest: Path,
        split: str,
        *,
        passages: int | None = None,
        seed: int = 0,
        depth: int | None = None,
    ) -> None:
        """Read the collection.

        Args:
            dataset_manifest: Of the dataset stage.
            split: Whose queries are searched, as far as they have judgements.
            passages: How many passages are searched beside those that are judged for one of these queries, drawn with
                the seed; None: all.
            seed: Of that draw.
            depth: Documents a query; None: as deep as the measures look.

        Raises:
            DenseflowError: A file is missing or altered, or no query has a judgement.
        """
        read_manifest(dataset_manifest)
        folder = dataset_manifest.parent
        self.files = {"query": folder / f"queries.{split}.jsonl", "passage": folder / "corpus.jsonl"}
        self.qrels = read_qrels(folder / f"qrels.{split}.tsv")
        texts = read_queries(self.files["query"])
        self.queries = {query: text for query, text in texts.items() if query in self.qrels}
        if not self.queries:
            raise DenseflowError(
                f"{folder / f'qrels.{split}.tsv'}: no judgement of a query in {self.files['query'].name}, so that "
                "nothing can be scored; check the split"
            )
        if passages is None:
            self.passages = list(read_corpus(self.files["passage"]))
        else:
            self.passages = _judged_and_others(self.files["passage"], self.qrels, passages, seed)
        self.depth = depth

    def score(
        self,
        model: SentenceTransformer,
        measures: Sequence[str],
        *,
        threads: int,
        corpus: np.ndarray | csr_array | None = None,
        advance: Advance = lambda count: None,
    ) -> dict[str, float]:
        """The means of the measures over all judged queries, by name, unrounded.

        Args:
            model: The encoder, in evaluation mode, whose own contract says how texts are encoded and compared.
            measures: Names as ir_measures writes them.
            threads: Of the search; the ranking does not depend on it.
            corpus: What :meth:`encode_passages` gave, where the passages' vectors are the same still.
            advance: Called with how many more passages are encoded.

        Raises:
            DenseflowError: A vector is not finite, or a measure is unknown.
        """
        if corpus is None:
            corpus = self.encode_passages(model, advance)
        run = self._rank(model, corpus, self.depth or _depth(measures), threads)
        values: dict[str, list[float]] = {}
        for score in evaluate(self.qrels, run, measures, self._answers(measures)):
            values.setdefault(score.measure, []).append(score.value)
        return {measure: math.fsum(each) / len(each) for measure, each in values.items()}

    def _rank(self, model: SentenceTransformer, corpus: np.ndarray | csr_array, depth: int, threads: int) -> Run:
        texts, ids = list(self.queries.values()), [document.id for document in self.passages]
        if not isinstance(corpus, np.ndarray):
            queries = InMemory(self.files["query"], encode_sparse_texts(model, texts, "query"), list(self.queries))
            return rank_sparse(queries, InMemory(self.files["passage"], corpus, ids), depth=depth, threads=threads)
        return rank_vectors(
            Vectors.in_memory(self.files["query"], encode_texts(model, texts, "query"), list(self.queries)),
            Vectors.in_memory(self.files["passage"], corpus, ids),
            depth=depth,
            similarity=read_contract(model).similarity,
            threads=threads,
        )

    def _answers(self, measures: Sequence[str]) -> Answers | None:
        if not any(map(looks_for_answers, measures)):
            return None
        return Answers(self.files["query"], lambda: self.passages)

    def encode_passages(
        self, model: SentenceTransformer, advance: Advance = lambda count: None
    ) -> np.ndarray | csr_array:
        """float32, shape (passages, dimensions)."""
        contract = read_contract(model)
        texts = [passage_text(document, contract) for document in self.passages]
        return (encode_sparse_texts if is_sparse(model) else encode_texts)(model, texts, "passage", advance=advance)


def _judged_and_others(corpus: Path, qrels: Qrels, others: int, seed: int) -> list[Document]:
    """The passages judged for any query, and so many drawn of the rest, in the collection's order."""
    judged = {document for levels in qrels.values() for document in levels}
    rest = sum(passage.id not in judged for passage in read_corpus(corpus))
    drawn = set(np.random.default_rng(seed).choice(rest, min(others, rest), replace=False).tolist())
    place = count()
    return [passage for passage in read_corpus(corpus) if passage.id in judged or next(place) in drawn]


def _depth(measures: Sequence[str]) -> int:
    """As deep as the deepest measure looks."""
    return max(parse_measure(measure).params.get("cutoff", WHOLE_RANKING) for measure in measures)
