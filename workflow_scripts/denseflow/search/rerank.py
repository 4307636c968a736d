"""Another system's run, its first documents ordered anew by a cross-encoder."""

import logging
from collections.abc import Iterator, Sequence
from pathlib import Path
from typing import Any

import numpy as np
from sentence_transformers import CrossEncoder

from denseflow.collection import Document, read_corpus, read_queries
from denseflow.contract import passage_text
from denseflow.device import choose_device, make_deterministic, set_threads
from denseflow.encode.shards import Shards
from denseflow.errors import DenseflowError
from denseflow.files import sha256, sha256_text
from denseflow.manifest import read_manifest, write_manifest
from denseflow.progress import progress
from denseflow.run_file import RunFile, write_run
from denseflow.search.cross_encoder import load_cross_encoder, read_pair_contract, score_pairs
from denseflow.search.speed import Stopwatch

LOG = logging.getLogger("denseflow")

PACKAGES = ("numpy", "sentence-transformers", "tokenizers", "torch", "transformers")
SHARD = 2000
"""Pairs in a shard, about: batched by length among themselves, and kept when the work is interrupted."""


def rerank(
    run_manifest: Path,
    dataset_manifest: Path,
    model_manifest: Path,
    reranked: Path,
    *,
    split: str,
    depth: int,
    work: Path,
    granted_gpus: int,
    threads: int,
    code: str = "",
    tag: str = "denseflow",
) -> dict[str, Any]:
    """Write ``reranked`` (TREC) and, last, its manifest ``<stem of reranked>.manifest.json``.

    A query's first ``depth`` documents come in the order of the cross-encoder's scores; equal scores keep the order of
    the run. What lies deeper keeps its order behind them, with scores that go on falling. How quick the scoring was
    goes to ``<stem of reranked>.speed.json``, which no manifest lists.

    Args:
        run_manifest: NAME.manifest.json beside the run NAME.trec.
        dataset_manifest: Of the collection that the run ranks.
        model_manifest: Of the train stage; the cross-encoder is in ``model/`` beside it.
        reranked: The run to write.
        split: The split whose queries the run holds.
        depth: Documents a query to rerank, from 1 on; all of them where the run has fewer.
        work: Where finished scores are kept until the end.
        granted_gpus: 0 computes on the CPU.
        threads: How many threads torch may use.
        code: The fingerprint of the code, so that no scores of other code are used.
        tag: The run's name, its last column.

    Returns:
        The manifest.

    Raises:
        DenseflowError: An input is missing or altered, the run names a query or a document that the collection does
            not have, the model is no cross-encoder, or a score is not finite.
    """
    for path in (run_manifest, dataset_manifest, model_manifest):
        read_manifest(path)
    device = choose_device(granted_gpus)
    set_threads(threads)
    make_deterministic()
    run_file = run_manifest.with_name(run_manifest.name.replace(".manifest.json", ".trec"))
    run = RunFile(run_file)
    queries = read_queries(dataset_manifest.parent / f"queries.{split}.jsonl")
    texts, pairs = _texts(run_file, run, queries, dataset_manifest.parent / "corpus.jsonl", depth)
    model = load_cross_encoder(model_manifest.parent / "model", device=device)
    contract = read_pair_contract(model)
    LOG.info("reranking %d documents a query on %s with %d threads: %s", depth, device, threads, contract)

    passages = {name: passage_text(document, contract) for name, document in texts.items()}
    inputs = {"run": sha256(run_manifest), "dataset": sha256(dataset_manifest), "model": sha256(model_manifest)}
    shards = Shards(work, sha256_text("".join([*inputs.values(), str(depth), code])))
    clock = Stopwatch()
    rankings = _rankings(model, run, queries, passages, depth, shards, clock)
    write_run(reranked, rankings, tag)
    clock.write(reranked)
    manifest = write_manifest(
        reranked.parent,
        "search",
        [reranked.name],
        packages=PACKAGES,
        name=f"{reranked.stem}.manifest.json",
        options={"depth": depth},
        contract=contract.as_dict(),
        device=device,
        queries=len(run.queries),
        pairs=pairs,
        inputs=inputs,
    )
    shards.remove()
    return manifest


def reorder(documents: Sequence[str], scores: np.ndarray) -> tuple[list[str], list[float]]:
    """A ranking whose first documents are ordered by new scores, the others behind them as they were.

    Args:
        documents: Best first.
        scores: Of the first len(scores) of them.

    Returns:
        The documents, and a score for each that never rises.
    """
    order = np.argsort(-scores, kind="stable")
    deeper = documents[len(scores) :]
    lowest = scores[order[-1]] if len(order) else np.float32(0)
    behind = lowest - np.arange(1, len(deeper) + 1, dtype=np.float32)
    return [*(documents[place] for place in order), *deeper], np.concatenate([scores[order], behind]).tolist()


def _rankings(
    model: CrossEncoder,
    run: RunFile,
    queries: dict[str, str],
    passages: dict[str, str],
    depth: int,
    shards: Shards,
    clock: Stopwatch,
) -> Iterator[tuple[str, list[str], list[float]]]:
    """Score shard by shard, and give each query with its new ranking; the clock measures what is scored now."""
    names, size = run.queries, max(1, SHARD // depth)
    with progress("queries reranked", len(names)) as advance:
        for start in range(0, len(names), size):
            some = names[start : start + size]
            rankings = {name: list(run.ranking(name)) for name in some}
            scores = shards.read(start, start + len(some))
            if scores is None:
                pairs = [
                    (queries[name], passages[one]) for name, ranking in rankings.items() for one in ranking[:depth]
                ]
                with clock.over(len(some)):
                    scores = score_pairs(model, pairs)
                shards.write(start, start + len(some), scores)
            place = 0
            for name, documents in rankings.items():
                count = min(depth, len(documents))
                yield (name, *reorder(documents, np.array(scores[place : place + count])))
                place += count
            advance(len(some))


def _texts(
    run_file: Path, run: RunFile, queries: dict[str, str], corpus: Path, depth: int
) -> tuple[dict[str, Document], int]:
    """The documents to rerank, by id, and how many pairs they make with the queries."""
    unknown = next((name for name in run.queries if name not in queries), None)
    if unknown is not None:
        raise DenseflowError(
            f"{run_file}: query {unknown!r} is none of the split's, which has {len(queries)}; the run is of another "
            "split or collection. Run the workflow to make it again"
        )
    wanted: set[str] = set()
    pairs = 0
    for name in run.queries:
        first = list(run.ranking(name))[:depth]
        wanted.update(first)
        pairs += len(first)
    found = {document.id: document for document in read_corpus(corpus) if document.id in wanted}
    missing = next(iter(sorted(wanted - found.keys())), None)
    if missing is not None:
        raise DenseflowError(
            f"{run_file}: document {missing!r} is not in {corpus}; the run is of another collection. Run the workflow "
            "to make it again"
        )
    return found, pairs
