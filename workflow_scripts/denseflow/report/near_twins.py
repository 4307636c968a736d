"""Queries of an evaluated split that have a near-twin in training: the same question, nearly word for word.

SciFact's claims were often written in pairs, a claim and its negation, of which one is in train and one in test; a gain
there after training is partly memory. The table therefore shows the other queries apart.
"""

from collections.abc import Iterator, Sequence
from pathlib import Path
from typing import Any, NamedTuple

import numpy as np
from scipy import sparse
from sklearn.feature_extraction.text import CountVectorizer

from denseflow.collection import Qrels, read_qrels, read_queries
from denseflow.files import sha256, write_text
from denseflow.manifest import read_manifest, write_manifest
from denseflow.report.near_twins_file import FILE, HEADER, MANIFEST

SHARED_WORDS = 0.6
"""The share of two queries' different words that they have in common (Jaccard's index) from which on they are near."""

CJK = "\u3040-\u30ff\u3400-\u4dbf\u4e00-\u9fff\uf900-\ufaff"
WORD = rf"[{CJK}]|[^\W{CJK}]+"
"""Letters and digits side by side; where a script has no spaces, each character."""
_CELLS = 20_000_000
"""Pairs of queries looked at together, to bound the memory."""


class NearQuery(NamedTuple):
    """The training query that is nearest to a query."""

    query_id: str
    split: str
    training_query_id: str
    shared_words: float
    """Jaccard's index of the different words."""
    shared_relevant: int
    """How many relevant documents the two have in common; a near-twin has one at least."""


def near_queries(queries: dict[str, str], training: dict[str, str]) -> Iterator[tuple[str, dict[str, float]]]:
    """Yield (query id, shares of words by training query id) of each query with near ones, in the queries' order.

    Args:
        queries: Texts by id.
        training: Texts by id.
    """
    vectorizer = CountVectorizer(token_pattern=WORD, binary=True, dtype=np.int32)
    try:
        words = vectorizer.fit_transform([*queries.values(), *training.values()])
    except ValueError:  # no text has a word
        return
    ids, training_ids = list(queries), list(training)
    ours, theirs = words[: len(ids)], words[len(ids) :]
    our_sizes, their_sizes = (np.asarray(part.sum(axis=1)).ravel() for part in (ours, theirs))
    rows = max(1, _CELLS // max(1, len(training_ids)))
    for start in range(0, len(ids), rows):
        common = sparse.coo_array(ours[start : start + rows] @ theirs.T)
        share = common.data / (our_sizes[start + common.row] + their_sizes[common.col] - common.data)
        near: dict[int, dict[str, float]] = {}
        for place in np.flatnonzero(share >= SHARED_WORDS):
            of_query = near.setdefault(start + int(common.row[place]), {})
            of_query[training_ids[common.col[place]]] = float(share[place])
        for row in sorted(near):
            yield ids[row], near[row]


def nearest(folder: Path, split: str, training_splits: Sequence[str]) -> list[NearQuery]:
    """Each judged query of a split that has near queries in training, with the nearest.

    One with a relevant document in common goes before others; then the share of words decides.

    Args:
        folder: Of the dataset.
        split: The evaluated one.
        training_splits: Those that models of the experiment were trained on.
    """
    qrels = read_qrels(folder / f"qrels.{split}.tsv")
    queries = _judged(folder, split, qrels)
    found: dict[str, NearQuery] = {}
    for training_split in training_splits:
        training_qrels = read_qrels(folder / f"qrels.{training_split}.tsv")
        training = _judged(folder, training_split, training_qrels)
        for query_id, near in near_queries(queries, training):
            candidates = [
                NearQuery(
                    *(query_id, training_split, other, share),
                    len(_relevant(qrels, query_id) & _relevant(training_qrels, other)),
                )
                for other, share in near.items()
            ]
            if query_id in found:
                candidates.append(found[query_id])
            found[query_id] = max(
                candidates,
                key=lambda one: (one.shared_relevant > 0, one.shared_words, one.split, one.training_query_id),
            )
    return [found[query_id] for query_id in queries if query_id in found]


def write_near_twins(places: Sequence[dict[str, Any]], datasets: dict[str, Path], folder: Path) -> dict[str, Any]:
    """Write near_twins.tsv, a line a query that has a training query near it, and its manifest.

    Args:
        places: ``dataset``, ``split`` and ``training_splits`` of each evaluated split that models were trained beside.
        datasets: Each dataset's manifest.
        folder: Where the files go.

    Returns:
        The manifest; its ``places`` count the queries, those near a training query, and those with a near-twin.
    """
    lines: list[tuple[str, ...]] = [HEADER]
    counts = []
    for manifest in datasets.values():
        read_manifest(manifest)
    for place in places:
        of_dataset = datasets[place["dataset"]].parent
        near = nearest(of_dataset, place["split"], place["training_splits"])
        for one in near:
            numbers = (f"{one.shared_words:.4f}", str(one.shared_relevant))
            lines.append((place["dataset"], place["split"], *one[:3], *numbers))
        counts.append(
            {
                **place,
                "queries": len(
                    _judged(of_dataset, place["split"], read_qrels(of_dataset / f"qrels.{place['split']}.tsv"))
                ),
                "near_in_words": len(near),
                "near_twins": sum(one.shared_relevant > 0 for one in near),
            }
        )
    write_text(folder / FILE, "".join("\t".join(line) + "\n" for line in lines))
    return write_manifest(
        folder,
        "report",
        [FILE],
        name=MANIFEST,
        packages=["scikit-learn", "scipy"],
        shared_words=SHARED_WORDS,
        places=counts,
        inputs={f"dataset {name}": sha256(manifest) for name, manifest in sorted(datasets.items())},
    )


def _judged(folder: Path, split: str, qrels: Qrels) -> dict[str, str]:
    texts = read_queries(folder / f"queries.{split}.jsonl")
    return {query_id: texts[query_id] for query_id in qrels if query_id in texts}


def _relevant(qrels: Qrels, query_id: str) -> set[str]:
    return {document_id for document_id, level in qrels[query_id].items() if level >= 1}
