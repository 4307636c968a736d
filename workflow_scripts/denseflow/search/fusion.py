"""Several systems' runs made into one: reciprocal ranks, or averages of normalised scores.

RRF: Cormack, Clarke and Büttcher, Reciprocal Rank Fusion outperforms Condorcet (SIGIR 2009). Averages of min-max
normalised scores: Fox and Shaw's CombSUM with weights (TREC-2, 1994); of z-scores: Savoy (CLEF 2004).
"""

from collections.abc import Mapping, Sequence
from pathlib import Path
from typing import Any, Literal

import numpy as np

from denseflow.files import sha256
from denseflow.manifest import read_manifest, write_manifest
from denseflow.run_file import RunFile, write_run
from denseflow.search.speed import Stopwatch

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

    How quick the fusing was, without reading the runs, goes to ``<stem of fused>.speed.json``, which no manifest lists.

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
    runs = [RunFile(checked_run(manifest)) for manifest in manifests]
    queries = list(dict.fromkeys(query for run in runs for query in run.queries))
    clock = Stopwatch()

    def ranking_of(query: str) -> tuple[str, list[str], list[float]]:
        rankings = [run.ranking(query) for run in runs]
        with clock.over(1):
            return (query, *fuse_rankings(rankings, method=method, k=k, weights=weights, depth=depth))

    write_run(fused, map(ranking_of, queries), tag)
    clock.write(fused)
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


def _normalised(scores: np.ndarray, method: Method) -> np.ndarray:
    if method == "min_max":
        low, spread = scores.min(), scores.max() - scores.min()
    else:
        low, spread = scores.mean(), scores.std()
    # Where all scores are alike, none says more than another.
    return (scores - low) / spread if spread > 0 else np.zeros_like(scores)


def checked_run(manifest: Path) -> Path:
    """The run NAME.trec beside NAME.manifest.json, checked against it.

    Raises:
        DenseflowError: It is missing or altered.
    """
    read_manifest(manifest)
    return manifest.with_name(manifest.name.replace(".manifest.json", ".trec"))
