"""Several systems' runs made into one: reciprocal ranks, or averages of normalised scores.

RRF: Cormack, Clarke and Büttcher, Reciprocal Rank Fusion outperforms Condorcet (SIGIR 2009). Averages of min-max
normalised scores: Fox and Shaw's CombSUM with weights (TREC-2, 1994); of z-scores: Savoy (CLEF 2004).
"""

import logging
from collections.abc import Mapping, Sequence
from pathlib import Path
from typing import Any, Literal

import numpy as np

from denseflow.collection import read_qrels
from denseflow.errors import DenseflowError
from denseflow.evaluate.measures import evaluate
from denseflow.files import sha256, write_json
from denseflow.manifest import read_manifest, write_manifest
from denseflow.run_file import Run, read_run, strictly_decreasing, write_run

LOG = logging.getLogger("denseflow")

Method = Literal["rrf", "min_max", "z_score"]


def fuse(
    manifests: Sequence[Path],
    fused: Path,
    *,
    method: Method,
    k: int,
    weights: Sequence[float],
    depth: int,
    tag: str = "denseflow",
) -> dict[str, Any]:
    """Write ``fused`` (TREC) and, last, its manifest ``<stem of fused>.manifest.json``.

    Args:
        manifests: NAME.manifest.json beside each run NAME.trec, all of one split.
        fused: The run to write.
        method: See :func:`fuse_rankings`.
        k: Of ``rrf``.
        weights: One a run.
        depth: Documents a query.
        tag: The run's name, its last column.

    Returns:
        The manifest.

    Raises:
        DenseflowError: A run is missing or altered.
    """
    runs = [_read(manifest) for manifest in manifests]
    queries = list(dict.fromkeys(query for run in runs for query in run))
    rankings = (
        (query, *fuse_rankings([run.get(query, {}) for run in runs], method=method, k=k, weights=weights, depth=depth))
        for query in queries
    )
    write_run(fused, rankings, tag)
    return write_manifest(
        fused.parent,
        "search",
        [fused.name],
        packages=["numpy"],
        name=f"{fused.stem}.manifest.json",
        options={"method": method, "k": k, "weights": list(weights), "depth": depth},
        queries=len(queries),
        inputs={"runs": [sha256(manifest) for manifest in manifests]},
    )


def fuse_rankings(
    rankings: Sequence[Mapping[str, float]], *, method: Method, k: int, weights: Sequence[float], depth: int
) -> tuple[list[str], list[float]]:
    """One query's rankings made into one; equal scores come by document id, descending, as trec_eval has them.

    Args:
        rankings: Scores by document id, best first; one of them may be empty, and then counts for nothing.
        method: ``rrf``: the sum of weight / (k + rank), ranks from 1, nothing for a document that a ranking lacks.
            ``min_max``: the weighted mean of (score - lowest) / (highest - lowest). ``z_score``: that of
            (score - mean) / standard deviation. In these two a document that a ranking lacks has its lowest score.
        k: Of ``rrf``.
        weights: One a ranking, of which one at least is above 0.
        depth: At most so many documents.

    Returns:
        The documents, best first, and their scores.
    """
    names = sorted({name for ranking in rankings for name in ranking}, reverse=True)
    places = {name: place for place, name in enumerate(names)}
    total = np.zeros(len(names))
    for ranking, weight in zip(rankings, weights, strict=True):
        if not ranking:
            continue
        found = np.array([places[name] for name in ranking])
        if method == "rrf":
            total[found] += weight / (k + np.arange(1, len(found) + 1))
        else:
            scores = _normalised(np.fromiter(ranking.values(), dtype=np.float64), method)
            part = np.full(len(names), scores.min())
            part[found] = scores
            total += weight / sum(weights) * part
    order = np.argsort(-total, kind="stable")[:depth]
    return [names[place] for place in order], total[order].tolist()


def tune(
    manifests: Sequence[Path],
    dataset_manifest: Path,
    folder: Path,
    *,
    split: str,
    name: str,
    method: Method,
    k: int,
    depth: int,
    measure: str,
    steps: int,
) -> dict[str, Any]:
    """Choose the weight of the first of two runs, the second has the rest: write NAME.json, and its manifest last.

    Args:
        manifests: Of two runs on the split.
        dataset_manifest: Of the collection.
        folder: Where the two files go.
        split: The split to choose on, never the one that is reported.
        name: The file's name without its ending.
        method: As for :func:`fuse`.
        k: As for :func:`fuse`.
        depth: As for :func:`fuse`.
        measure: The measure whose mean shall be highest; of equal means the weight nearest to one half is taken.
        steps: The weights tried are 0, 1/steps, ..., 1.

    Returns:
        The manifest.

    Raises:
        DenseflowError: A file is missing or altered, or no query of the split has a judgement.
    """
    read_manifest(dataset_manifest)
    judgements = dataset_manifest.parent / f"qrels.{split}.tsv"
    qrels = read_qrels(judgements)
    runs = [_read(manifest) for manifest in manifests]
    tried = {}
    for step in range(steps + 1):
        weights = (step / steps, 1 - step / steps)
        fused: Run = {}
        for query in qrels:
            rankings = [run.get(query, {}) for run in runs]
            documents, scores = fuse_rankings(rankings, method=method, k=k, weights=weights, depth=depth)
            fused[query] = dict(zip(documents, strictly_decreasing(scores).tolist(), strict=True))
        values = [score.value for score in evaluate(qrels, fused, [measure])]
        if not values:
            raise DenseflowError(f"{judgements}: no judgements, so that no weight can be chosen; tune on another split")
        tried[weights[0]] = sum(values) / len(values)
    best = max(tried, key=lambda weight: (tried[weight], -abs(weight - 0.5)))
    LOG.info("weight of the first system on %s: %.3g (%s %.4f)", split, best, measure, tried[best])
    write_json(
        folder / f"{name}.json",
        {
            "weights": [best, 1 - best],
            "measure": measure,
            "split": split,
            "tried": [list(row) for row in tried.items()],
        },
    )
    return write_manifest(
        folder,
        "search",
        [f"{name}.json"],
        packages=["pytrec-eval-terrier", "numpy"],
        name=f"{name}.manifest.json",
        options={"method": method, "k": k, "depth": depth, "measure": measure, "steps": steps, "split": split},
        inputs={"runs": [sha256(manifest) for manifest in manifests], "dataset": sha256(dataset_manifest)},
    )


def _normalised(scores: np.ndarray, method: Method) -> np.ndarray:
    if method == "min_max":
        low, spread = scores.min(), scores.max() - scores.min()
    else:
        low, spread = scores.mean(), scores.std()
    # Where all scores are alike, none says more than another.
    return (scores - low) / spread if spread > 0 else np.zeros_like(scores)


def _read(manifest: Path) -> Run:
    read_manifest(manifest)
    return read_run(manifest.with_name(manifest.name.replace(".manifest.json", ".trec")))
